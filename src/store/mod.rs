//! The only place that knows sled: what outlives the process, except files.
//!
//! | file | subject |
//! |---|---|
//! | `types` | what is asked and answered |
//! | `handle`, `reads`, `query`, `audit` | the [`Store`]: looking things up, pages of jobs and lines |
//! | `rows`, `table`, `sieve`, `select` | all jobs in memory: any order, any filter, with counts |
//! | `tx`, `roster`, `writer` | the [`Tx`]: changes, and the thread that makes them durable in groups |
//! | `codec`, `records`, `people`, `shelf`, `batches`, `trail` | how a record looks on disk |
//! | `keys`, `facets` | where it lies, and what is derived from a job: indexes and counters |
//! | `engine`, `overlay` | sled itself, and changes that are not there yet |
//! | `open`, `mark`, `fsck`, `export` | starting, noticing a loss, checking, carrying away |
#![warn(missing_docs)]

mod audit;
mod batches;
mod codec;
mod core;
mod engine;
mod export;
mod facets;
mod fsck;
mod handle;
mod keys;
mod mark;
mod open;
mod overlay;
mod people;
mod query;
mod reads;
mod records;
mod roster;
mod rows;
mod select;
mod shelf;
mod sieve;
mod table;
mod trail;
mod tx;
mod types;
mod writer;

#[cfg(test)]
mod tests;

pub use handle::Store;
pub use open::salvage;
pub use tx::Tx;
pub use types::*;
