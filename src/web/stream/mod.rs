//! Events for the scripts of pages: the queue's rows and a job's log while they change. The
//! reader of growing logs behind them serves the raw log too.

mod blocks;
pub mod follow;
mod job;
mod log_events;
mod pulse;
mod queue;
mod routes;
mod sse;

pub use pulse::stopped;
pub(in crate::web) use routes::parse_offset;
pub use routes::{followed, routes};
