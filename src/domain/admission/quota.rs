//! What one user or one queue may have. 0 is no limit.

use super::{Request, Rounded};
use crate::domain::{Hold, Job, QueueName, UserName, UserQuota};
use std::collections::HashMap;

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

/// The general limits, and who has limits of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// For everybody else.
    pub general: Quota,
    /// What single users may have.
    pub users: HashMap<UserName, UserQuota>,
    /// Bytes of images the jobs of single queues may keep.
    pub queues: HashMap<QueueName, u64>,
}

impl Quotas {
    /// The limits for a job of `user` on `queue`.
    pub fn of(&self, user: &UserName, queue: &QueueName) -> Quota {
        let own = self.users.get(user).copied().unwrap_or_default();
        Quota {
            user_running: own.running.unwrap_or(self.general.user_running),
            user_queued: own.queued.unwrap_or(self.general.user_queued),
            user_bytes: own.bytes.unwrap_or(self.general.user_bytes),
            queue_bytes: self.queues.get(queue).copied().unwrap_or(self.general.queue_bytes),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_or_a_queue_has_of_its_own_goes_over_the_general_quota() {
        let general =
            Quota { user_running: 2, user_queued: 20, user_bytes: 200, queue_bytes: 2_000 };
        let [ann, bo] = ["ann", "bo"].map(|name| UserName::new(name).unwrap());
        let [web, api] = ["web", "api"].map(|name| QueueName::new(name).unwrap());
        let own = UserQuota { running: Some(5), queued: None, bytes: Some(0) };
        let quotas = Quotas {
            general,
            users: HashMap::from([(ann.clone(), own)]),
            queues: HashMap::from([(api.clone(), 7)]),
        };
        assert_eq!(quotas.of(&bo, &web), general);
        assert_eq!(quotas.of(&bo, &api), Quota { queue_bytes: 7, ..general });
        // 0 lifts the limit, and that is not the same as having none of one's own.
        assert_eq!(quotas.of(&ann, &web), Quota { user_running: 5, user_bytes: 0, ..general });
    }
}
