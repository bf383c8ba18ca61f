//! Which waiting jobs the disk and the quotas let start: a box must never fill up because of what
//! it starts.
//!
//! Every check is a function from numbers to a [`Hold`]; [`holds`] has them in their one order.

mod ballast;
mod quota;
mod size;
#[cfg(test)]
mod tests;
mod volume;

pub use ballast::{Ballast, BallastStep, ballast_step};
pub use quota::{Quota, QuotaRefusal, Quotas, kept_bytes};
pub use size::{Exact, Rounded};
pub use volume::{Level, Space, Summons, Thresholds, ThresholdsError, Turn, Volume};

use super::{Hold, QueueName, UserName};
use std::fmt;

/// The most bytes builds of one recipe have held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Of builds that ended well; `None` if none did.
    pub whole: Option<u64>,
    /// Of the last build of the same definition, if that was cut short: one that goes on longer
    /// needs at least that. Of a definition that was changed since it tells nothing.
    pub cut_short: Option<u64>,
}

/// What a job is taken to need, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Bytes of scratch and output together.
    pub bytes: u64,
    /// Who says so.
    pub source: NeedSource,
}

/// Where a need comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedSource {
    /// Past builds of the recipe.
    Recipe,
    /// A build of the same definition that ended early.
    CutShort,
    /// The runner.
    Estimate,
    /// Nothing is known: the configuration.
    Unknown,
}

impl fmt::Display for NeedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recipe => "builds of its recipe have held nearly as much",
            Self::CutShort => "a build of the same definition held nearly as much before it failed",
            Self::Estimate => "its runner's estimate",
            Self::Unknown => "disk.unknown_need: nothing is known of it yet",
        })
    }
}

/// What a job is taken to need: 1.3 times the peak seen for its recipe, else what its runner
/// estimates, else `unknown`; never less than a build of it that was cut short has held.
///
/// `usable` is what the volume has for builds when it is empty: the margin ends there, since a
/// build that fitted before would else never start again.
pub fn need(peaks: Peaks, estimate: Option<u64>, unknown: u64, usable: Option<u64>) -> Need {
    let margin = |peak| with_margin(peak, usable);
    let usual = match (peaks.whole, estimate) {
        (Some(peak), _) => Need { bytes: margin(peak), source: NeedSource::Recipe },
        (None, Some(bytes)) => Need { bytes, source: NeedSource::Estimate },
        (None, None) => Need { bytes: unknown, source: NeedSource::Unknown },
    };
    match peaks.cut_short.map(margin) {
        Some(bytes) if bytes > usual.bytes => Need { bytes, source: NeedSource::CutShort },
        Some(_) | None => usual,
    }
}

/// Peaks are sampled and repositories grow: three tenths more than was seen.
fn with_margin(peak: u64, usable: Option<u64>) -> u64 {
    let more = u64::try_from(u128::from(peak) * 13 / 10).unwrap_or(u64::MAX);
    more.min(usable.unwrap_or(more)).max(peak)
}

/// What building jobs may still write: for each its need and what it has written already.
pub fn reserved(building: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let left = building.into_iter().map(|(need, written)| need.saturating_sub(written));
    left.fold(0, u64::saturating_add)
}

/// A job that asks to start, and what is so at that moment.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Whose it is.
    pub user: &'a UserName,
    /// Where it waits.
    pub queue: &'a QueueName,
    /// What it is taken to need, see [`need`].
    pub need: Need,
    /// Bytes that building jobs may still write, see [`reserved`].
    pub reserved: u64,
    /// Jobs of the user that build now.
    pub user_running: u32,
    /// Bytes of the user's images.
    pub user_bytes: u64,
    /// Bytes of the queue's images.
    pub queue_bytes: u64,
    /// When the next cleanup comes, for people; `None` if that is not known.
    pub next_cleanup: Option<&'a str>,
}

type Check = fn(&Volume, &Quota, &Request<'_>) -> Option<Hold>;

/// Why the job may not start now: every reason, in the order in which they are told. What keeps
/// all jobs comes before what keeps one user's, and that before what keeps this one.
pub fn holds<'a>(
    volume: &'a Volume,
    quota: &'a Quota,
    request: &'a Request<'a>,
) -> impl Iterator<Item = Hold> + 'a {
    let checks: [Check; 7] = [
        |volume, _, _| volume.unknown(),
        |volume, _, request| volume.low_hold(request.next_cleanup),
        |_, quota, request| quota.running(request),
        |_, quota, request| quota.user_kept(request),
        |_, quota, request| quota.queue_kept(request),
        |volume, _, request| volume.too_small(request),
        |volume, _, request| volume.no_room(request),
    ];
    checks.into_iter().filter_map(move |check| check(volume, quota, request))
}

/// The first of [`holds`]: `None` lets the job start.
pub fn hold(volume: &Volume, quota: &Quota, request: &Request<'_>) -> Option<Hold> {
    holds(volume, quota, request).next()
}
