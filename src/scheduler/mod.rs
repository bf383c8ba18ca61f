//! WHEN things happen: jobs leave their queues, builds are watched, what a dead process left is
//! put right, chores run on time. The dispatcher is the one writer of job state.
#![warn(missing_docs)]

mod cron;
mod disk;
mod dispatch;
mod link;
mod recover;
mod requeue;
mod watch;

pub use cron::{Chores, ChoresError};
pub use disk::Sampler;
pub use dispatch::{Dispatcher, DispatcherConfig, StartBuild};
pub use link::{follow_link, note_link};
pub use recover::{Builds, Recovered, note_left, recover};

/// Reads the clock; one function in the whole program, handed to whoever needs it.
pub type Clock = fn() -> crate::domain::Timestamp;
