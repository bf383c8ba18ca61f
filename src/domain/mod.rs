//! The rules of IMG: what a job, a queue and a user are, and what may happen to them.
//!
//! No IO, no clock, no serialisation, no framework: everything comes in as a value and
//! leaves as a value, so every rule here can be tested by itself.
#![warn(missing_docs)]

pub mod admission;
pub mod bounds;
pub mod hold;
pub mod ids;
pub mod job;
pub mod log_line;
pub mod names;
pub mod permission;
pub mod queue;
pub mod retention;
pub mod time;
pub mod units;
pub mod user;

pub use bounds::{Bounds, OwnBounds, Sandbox, Used};
pub use hold::Hold;
pub use ids::JobId;
pub use job::{
    Artifact, Cause, Complaints, Failure, Job, JobState, Role, StateKind, TransitionRefused,
};
pub use names::{
    Arch, GroupName, ImageTypeId, JobName, NameError, QueueName, RunnerId, Tag, UserName,
};
pub use permission::{Actor, Allowed, Denied, Verb, Verbs};
pub use queue::{Line, Queue, QueueRefusal, QueueState, Waiting};
pub use time::Timestamp;
pub use user::{Group, SetUp, Site, User, UserQuota};
