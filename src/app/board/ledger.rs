//! What the images of each user and of each queue take, kept up to date while older jobs are still
//! being counted in the background.
//!
//! It is a sum in memory: losing it loses nothing, and a counter on disk would be one more thing
//! that can be wrong.

use crate::domain::{Job, JobId, QueueName, UserName};
use std::collections::{HashMap, HashSet};

pub(super) struct Ledger {
    users: HashMap<UserName, u64>,
    queues: HashMap<QueueName, u64>,
    counting: Option<Counting>,
}

/// The count of older jobs, newest first.
#[derive(Default)]
struct Counting {
    /// The last job that was looked at: every one from here on upwards is settled.
    down_to: Option<JobId>,
    /// Jobs that changed by themselves in the meantime: they are not counted again.
    changed: HashSet<JobId>,
}

impl Default for Ledger {
    fn default() -> Self {
        let (users, queues) = (HashMap::new(), HashMap::new());
        Self { users, queues, counting: Some(Counting::default()) }
    }
}

impl Ledger {
    pub(super) fn of_user(&self, user: &UserName) -> u64 {
        self.users.get(user).copied().unwrap_or(0)
    }

    pub(super) fn of_queue(&self, queue: &QueueName) -> u64 {
        self.queues.get(queue).copied().unwrap_or(0)
    }

    /// A job that ended since the start keeps `bytes`.
    pub(super) fn add(&mut self, job: &Job, bytes: u64) {
        if let Some(counting) = &mut self.counting {
            counting.changed.insert(job.id);
        }
        self.change(job, |sum| sum.saturating_add(bytes));
    }

    /// `bytes` of a job are gone.
    pub(super) fn remove(&mut self, job: &Job, bytes: u64) {
        let counted = match &mut self.counting {
            None => true,
            Some(counting) => {
                let passed = counting.down_to.is_some_and(|last| job.id >= last);
                // A job that was not counted yet must not be: its record may be read any moment.
                !counting.changed.insert(job.id) || passed
            }
        };
        if counted {
            self.change(job, |sum| sum.saturating_sub(bytes));
        }
    }

    /// Counts an older job.
    pub(super) fn count(&mut self, job: &Job, bytes: u64) {
        let Some(counting) = &mut self.counting else { return };
        counting.down_to = Some(job.id);
        if !counting.changed.contains(&job.id) {
            self.change(job, |sum| sum.saturating_add(bytes));
        }
    }

    /// There are no more older jobs.
    pub(super) fn counted(&mut self) {
        self.counting = None;
    }

    fn change(&mut self, job: &Job, change: impl Fn(u64) -> u64) {
        let of_user = change(self.of_user(&job.owner));
        let of_queue = change(self.of_queue(&job.queue));
        put(&mut self.users, &job.owner, of_user);
        put(&mut self.queues, &job.queue, of_queue);
    }
}

fn put<K: Clone + Eq + std::hash::Hash>(sums: &mut HashMap<K, u64>, key: &K, sum: u64) {
    if sum == 0 {
        sums.remove(key);
    } else {
        sums.insert(key.clone(), sum);
    }
}
