//! `[disk]` and `[quota]`: what the box keeps free, and what one user or queue may have.

use super::Size;
use crate::domain::admission::{Quota, Thresholds, ThresholdsError};
use serde::Deserialize;

/// `[disk]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// With less free than that no job starts and a cleanup begins.
    pub hold_below: Size,
    /// Jobs start again when so much is free.
    pub resume_above: Size,
    /// With less free than that a cleanup deletes more; starting jobs leave so much free.
    pub emergency_below: Size,
    /// What a job is taken to need if neither its recipe's past nor its runner tells.
    pub unknown_need: Size,
    /// Bytes held back and given up when the volume is full; 0: none.
    pub ballast: Size,
}

impl Default for Disk {
    fn default() -> Self {
        let thresholds = Thresholds::default();
        Self {
            hold_below: Size::bytes(thresholds.hold_below()),
            resume_above: Size::bytes(thresholds.resume_above()),
            emergency_below: Size::bytes(thresholds.emergency_below()),
            // An ordinary image with its scratch space.
            unknown_need: Size::mib(4 << 10),
            // Minutes of logs and hours of everything else the service writes.
            ballast: Size::mib(256),
        }
    }
}

impl Disk {
    /// The thresholds.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn thresholds(&self) -> Result<Thresholds, ThresholdsError> {
        let (hold, resume) = (self.hold_below.get(), self.resume_above.get());
        Thresholds::new(hold, resume, self.emergency_below.get())
    }
}

/// `[quota]`: 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Jobs of one user that may build at once.
    pub user_running: u32,
    /// Jobs of one user that may wait.
    pub user_queued: u32,
    /// Bytes of images one user may keep.
    pub user_bytes: Size,
    /// Bytes of images the jobs of one queue may keep.
    pub queue_bytes: Size,
}

impl Default for Quotas {
    fn default() -> Self {
        let none = Size::bytes(0);
        Self { user_running: 0, user_queued: 0, user_bytes: none, queue_bytes: none }
    }
}

impl Quotas {
    /// The same as the rules take it.
    pub fn quota(&self) -> Quota {
        Quota {
            user_running: self.user_running,
            user_queued: self.user_queued,
            user_bytes: self.user_bytes.get(),
            queue_bytes: self.queue_bytes.get(),
        }
    }
}
