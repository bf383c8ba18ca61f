//! Builds ONE job: plan, sandbox, steps, log, collect, leftovers. It knows nothing of queues,
//! users or HTTP.
#![warn(missing_docs)]

mod clock;
mod collect;
mod embedded;
mod evidence;
mod input;
mod job;
mod kernel;
mod leftovers;
mod lines;
mod mask;
mod outbox;
mod pipeline;
mod planner;
mod process;
pub mod protocol;
mod sandbox;
mod shim;
mod stop;
mod verdict;
mod watch;
mod workspace;

pub use embedded::{Build, Builder, BuilderConfig};
#[doc(hidden)]
pub use planner::{Observing, Planner, Source};
pub use shim::{SHIM_ARGUMENT, shim_main};
