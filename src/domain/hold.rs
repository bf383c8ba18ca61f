//! Why a queued job may not start now.

use super::{QueueName, RunnerId};

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
}
