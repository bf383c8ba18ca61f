//! Every setting that may change at run time as one value, and what such a value may not be.

use crate::{
    app::{DiskSettings, Settings},
    domain::{
        Bounds,
        admission::{Quota, Thresholds, ThresholdsError},
        retention::{Lifetime, Policy, Wrong, too_short},
    },
};
use std::time::Duration;

/// One set of values. It may contradict itself; [`Values::wrong`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) slots: u32,
    pub(super) bounds: Bounds,
    pub(super) session_idle: Duration,
    pub(super) session_absolute: Duration,
    pub(super) definition_limit: u64,
    pub(super) retention: Policy,
    pub(super) audit: Lifetime,
    pub(super) cache_budget: u64,
    pub(super) hold_below: u64,
    pub(super) resume_above: u64,
    pub(super) emergency_below: u64,
    pub(super) unknown_need: u64,
    pub(super) quota: Quota,
}

/// Where the value of one setting lies.
pub(super) enum Slot<'a> {
    Span(&'a mut Duration),
    Size(&'a mut u64),
    Lifetime(&'a mut Lifetime),
    Number(&'a mut u32),
    Percent(&'a mut u8),
}

impl Values {
    /// What config.toml or the built-in defaults say.
    pub(super) fn given(settings: &Settings) -> Self {
        let DiskSettings { thresholds, quota, unknown_need, ballast: _ } = &settings.disk;
        Self {
            slots: settings.slots,
            bounds: settings.bounds,
            session_idle: settings.session_idle,
            session_absolute: settings.session_absolute,
            definition_limit: settings.definition_limit,
            retention: settings.retention.clone(),
            audit: settings.audit_kept.map_or(Lifetime::Forever, Lifetime::For),
            cache_budget: settings.cache_budget,
            hold_below: thresholds.hold_below(),
            resume_above: thresholds.resume_above(),
            emergency_below: thresholds.emergency_below(),
            unknown_need: *unknown_need,
            quota: *quota,
        }
    }

    pub(super) fn thresholds(&self) -> Result<Thresholds, ThresholdsError> {
        Thresholds::new(self.hold_below, self.resume_above, self.emergency_below)
    }

    /// The first value that cannot be, or does not go with another.
    pub(super) fn wrong(&self) -> Option<Wrong> {
        self.retention
            .wrong()
            .or_else(|| too_short("retention.audit", self.audit))
            .or_else(|| self.wrong_thresholds())
            .or_else(|| self.wrong_bounds())
    }

    fn wrong_bounds(&self) -> Option<Wrong> {
        let wrong = self.bounds.wrong()?;
        Some(Wrong { key: format!("build.{}", wrong.key), ..wrong })
    }

    fn wrong_thresholds(&self) -> Option<Wrong> {
        let error = self.thresholds().err()?;
        let key = format!("disk.{}", error.key);
        Some(Wrong { key, value: error.value.to_string(), want: error.want })
    }
}
