//! Why a queued job may not start now.

use super::{
    QueueName, RunnerId, UserName,
    admission::{NeedSource, Rounded},
};
use std::fmt;

/// A reason why a queued job may not start now; shown to whoever waits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hold {
    /// An administrator paused the queue.
    #[error("queue {queue} is paused: {reason}")]
    QueuePaused {
        /// The queue.
        queue: QueueName,
        /// The administrator's words.
        reason: String,
    },
    /// The queue only records requests.
    #[error("queue {queue} does not start jobs by itself: an operator has to launch this one")]
    NotLaunched {
        /// The queue.
        queue: QueueName,
    },
    /// The runner is gone, disabled or waits for a grant.
    #[error("runner {runner} is not available: {reason}")]
    NoRunner {
        /// The runner.
        runner: RunnerId,
        /// What the plugin catalog says of it.
        reason: String,
    },
    /// The service is about to stop.
    #[error("the service is stopping: the job starts when it is back")]
    Stopping,
    /// The builder, which is a process of its own, is away.
    #[error("the builder does not answer ({reason}): the job starts when it is back")]
    NoBuilder {
        /// Why the last connection, or try, ended.
        reason: String,
    },
    /// The data volume cannot be looked at.
    #[error("the data volume cannot be looked at ({reason}): jobs wait until it answers again")]
    DiskUnknown {
        /// The system's reason.
        reason: String,
    },
    /// Too little is free on the data volume.
    #[error(
        "the volume has {free} free: jobs wait until {until} are free; {}",
        Cleanup(next_cleanup)
    )]
    DiskLow {
        /// What is free.
        free: Rounded,
        /// What has to be free before jobs start again.
        until: Rounded,
        /// When the next cleanup comes, for people.
        next_cleanup: Option<String>,
    },
    /// The user builds as many jobs as they may.
    #[error(
        "{user} may build {allowed} at once and builds {running}: this starts when one of theirs ends"
    )]
    UserRunning {
        /// The user.
        user: UserName,
        /// How many of theirs build.
        running: u32,
        /// How many may.
        allowed: u32,
    },
    /// The user's images take as much as they may.
    #[error(
        "the images of {user} take {kept}, and {allowed} may be kept: this starts when some are deleted; {}",
        Cleanup(next_cleanup)
    )]
    UserBytes {
        /// The user.
        user: UserName,
        /// What they take.
        kept: Rounded,
        /// What they may take.
        allowed: Rounded,
        /// When the next cleanup comes, for people.
        next_cleanup: Option<String>,
    },
    /// The queue's images take as much as they may.
    #[error(
        "the images of queue {queue} take {kept}, and {allowed} may be kept: this starts when some are deleted; {}",
        Cleanup(next_cleanup)
    )]
    QueueBytes {
        /// The queue.
        queue: QueueName,
        /// What they take.
        kept: Rounded,
        /// What they may take.
        allowed: Rounded,
        /// When the next cleanup comes, for people.
        next_cleanup: Option<String>,
    },
    /// The volume is too small for the job, whatever is deleted.
    #[error(
        "this is taken to need {need} ({because}), and the volume has {total} in all, {kept_free} of it kept free: change the definition, or ask an administrator for a larger volume"
    )]
    DiskTooSmall {
        /// What the job is taken to need.
        need: Rounded,
        /// Why.
        because: NeedSource,
        /// What the volume has.
        total: Rounded,
        /// What starting jobs leave free.
        kept_free: Rounded,
    },
    /// Too little is free for this job, beside those that build.
    #[error(
        "this is taken to need {need} ({because}); of {free} free, running builds may still write {reserved} and {kept_free} are kept free: it starts when a build ends or images are deleted; {}",
        Cleanup(next_cleanup)
    )]
    DiskRoom {
        /// What the job is taken to need.
        need: Rounded,
        /// Why.
        because: NeedSource,
        /// What is free.
        free: Rounded,
        /// What the jobs that build may still write.
        reserved: Rounded,
        /// What starting jobs leave free.
        kept_free: Rounded,
        /// When the next cleanup comes, for people.
        next_cleanup: Option<String>,
    },
}

/// The end of a sentence: when the next cleanup comes.
struct Cleanup<'a>(&'a Option<String>);

impl fmt::Display for Cleanup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(f, "the next cleanup is at {at}"),
            None => f.write_str("cleanups come by themselves"),
        }
    }
}
