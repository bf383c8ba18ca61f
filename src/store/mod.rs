//! The only place that knows sled: what outlives the process, except files.
#![warn(missing_docs)]

mod types;

pub use types::*;
