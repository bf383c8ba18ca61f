//! What one user or one queue may have. 0 is no limit.

use super::{Request, Rounded};
use crate::domain::{Hold, Job, QueueName, UserName};

/// Upper limits; 0 is none. How many jobs of a queue build and wait is the queue's own matter
/// (its slots and its cap).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Jobs of one user that may build at once.
    pub user_running: u32,
    /// Jobs of one user that may wait.
    pub user_queued: u32,
    /// Bytes of images one user may keep.
    pub user_bytes: u64,
    /// Bytes of images the jobs of one queue may keep.
    pub queue_bytes: u64,
}

/// Why a job is not even taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaRefusal {
    /// Too many jobs of the user wait.
    #[error(
        "{user} may have {allowed} jobs waiting and has {waiting}: try again when some have started, or cancel some"
    )]
    UserQueued {
        /// The user.
        user: UserName,
        /// How many wait.
        waiting: u64,
        /// How many may.
        allowed: u32,
    },
    /// The user's images take too much.
    #[error(
        "the images of {user} take {kept}, and {allowed} may be kept: delete some, or try again after the next cleanup"
    )]
    UserBytes {
        /// The user.
        user: UserName,
        /// What they take.
        kept: Rounded,
        /// What they may take.
        allowed: Rounded,
    },
    /// The queue's images take too much.
    #[error(
        "the images of queue {queue} take {kept}, and {allowed} may be kept: delete some, or try again after the next cleanup"
    )]
    QueueBytes {
        /// The queue.
        queue: QueueName,
        /// What they take.
        kept: Rounded,
        /// What they may take.
        allowed: Rounded,
    },
}

/// True if `have` has used up `limit`.
fn used_up(have: u64, limit: u64) -> bool {
    limit > 0 && have >= limit
}

impl Quota {
    /// Whether one more job may wait, given how many of the user wait and what the images of the
    /// user and of the queue take.
    ///
    /// # Errors
    /// The first limit that is used up.
    pub fn submit(
        &self,
        (user, waiting, kept): (&UserName, u64, u64),
        (queue, queue_kept): (&QueueName, u64),
    ) -> Result<(), QuotaRefusal> {
        if used_up(waiting, u64::from(self.user_queued)) {
            let allowed = self.user_queued;
            return Err(QuotaRefusal::UserQueued { user: user.clone(), waiting, allowed });
        }
        if used_up(kept, self.user_bytes) {
            return Err(QuotaRefusal::UserBytes {
                user: user.clone(),
                kept: Rounded::up(kept),
                allowed: Rounded::up(self.user_bytes),
            });
        }
        if used_up(queue_kept, self.queue_bytes) {
            return Err(QuotaRefusal::QueueBytes {
                queue: queue.clone(),
                kept: Rounded::up(queue_kept),
                allowed: Rounded::up(self.queue_bytes),
            });
        }
        Ok(())
    }

    pub(super) fn running(&self, request: &Request<'_>) -> Option<Hold> {
        let running = request.user_running;
        used_up(u64::from(running), u64::from(self.user_running)).then(|| Hold::UserRunning {
            user: request.user.clone(),
            running,
            allowed: self.user_running,
        })
    }

    pub(super) fn user_kept(&self, request: &Request<'_>) -> Option<Hold> {
        used_up(request.user_bytes, self.user_bytes).then(|| Hold::UserBytes {
            user: request.user.clone(),
            kept: Rounded::up(request.user_bytes),
            allowed: Rounded::up(self.user_bytes),
            next_cleanup: request.next_cleanup.map(str::to_owned),
        })
    }

    pub(super) fn queue_kept(&self, request: &Request<'_>) -> Option<Hold> {
        used_up(request.queue_bytes, self.queue_bytes).then(|| Hold::QueueBytes {
            queue: request.queue.clone(),
            kept: Rounded::up(request.queue_bytes),
            allowed: Rounded::up(self.queue_bytes),
            next_cleanup: request.next_cleanup.map(str::to_owned),
        })
    }
}

/// Bytes of a job's artifacts that are kept.
pub fn kept_bytes(job: &Job) -> u64 {
    job.result.artifacts.iter().map(|a| a.size).fold(0, u64::saturating_add)
}
