//! Builds ONE job: plan, sandbox, steps, log, collect, leftovers. It knows nothing of queues,
//! users or HTTP.
#![warn(missing_docs)]

mod cgroup;
mod clock;
mod collect;
mod desk;
mod embedded;
mod ends;
mod evidence;
mod input;
mod job;
mod kernel;
mod leftovers;
mod lines;
mod mask;
mod orders;
mod outbox;
mod pipeline;
mod planner;
mod process;
pub mod protocol;
mod remote;
mod sandbox;
mod service;
mod shim;
mod socket;
mod stop;
mod verdict;
mod watch;
pub mod wire;
mod workspace;

pub use embedded::{Build, Builder, BuilderConfig, Swept, sweep_trash};
#[doc(hidden)]
pub use planner::{Observing, Planner, Source};
pub use remote::{Link, Patience, Remote};
pub use service::Service;
pub use shim::{SHIM_ARGUMENT, shim_main};
pub use socket::Socket;
