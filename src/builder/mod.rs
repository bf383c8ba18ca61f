//! Builds ONE job: plan, sandbox, steps, log, collect, leftovers. It knows nothing of queues,
//! users or HTTP.
#![warn(missing_docs)]

mod embedded;
pub mod protocol;

pub use embedded::{Build, Builder, BuilderConfig};
