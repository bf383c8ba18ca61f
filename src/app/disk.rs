//! The disk as pages and the rest of the appliance see it; nothing here touches it.

use super::App;
use crate::domain::{
    Timestamp, UserName,
    admission::{Ballast, Level, Quota, Space, Thresholds},
};

/// What of the configuration decides which jobs may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// When jobs wait for the volume.
    pub thresholds: Thresholds,
    /// What one user or queue may have.
    pub quota: Quota,
    /// Bytes a job is taken to need if nothing else tells.
    pub unknown_need: u64,
    /// Bytes of ballast; 0: none.
    pub ballast: u64,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            quota: Quota::default(),
            unknown_need: 4 << 30,
            ballast: 0,
        }
    }
}

/// The data volume and what decides over it, as last looked at (once a second).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskState {
    /// Free and total bytes at the last look that succeeded; `None` before the first.
    pub space: Option<Space>,
    /// Whether jobs wait, and how bad it is.
    pub level: Level,
    /// Why the volume cannot be looked at; jobs wait then, too.
    pub lost: Option<String>,
    /// Since when jobs wait for the volume.
    pub since: Option<Timestamp>,
    /// When they do.
    pub thresholds: Thresholds,
    /// Bytes that building jobs may still write.
    pub reserved: u64,
    /// Where the ballast is.
    pub ballast: Ballast,
    /// Bytes it has when it is there; 0: none is wanted.
    pub ballast_size: u64,
    /// When the next cleanup comes, for people.
    pub next_cleanup: Option<String>,
}

impl DiskState {
    /// True if jobs wait for the volume.
    pub fn holds(&self) -> bool {
        self.lost.is_some() || self.level > Level::Roomy
    }
}

impl App {
    /// The data volume, its thresholds and the ballast.
    pub fn disk(&self) -> DiskState {
        self.board().disk()
    }

    /// Bytes that the images of a user's jobs take. Just after a start older jobs may still be
    /// missing in it: they are counted in the background, newest first.
    pub fn bytes_of(&self, user: &UserName) -> u64 {
        self.board().bytes_of_user(user)
    }
}
