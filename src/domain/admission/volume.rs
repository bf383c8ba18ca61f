//! The data volume: how much is free, and whether jobs have to wait for it.

use super::{Exact, Request, Rounded};
use crate::domain::Hold;
use std::{fmt, time::Duration};

const GIB: u64 = 1 << 30;
/// How often a cleanup is asked for while the volume stays low.
const AGAIN: Duration = Duration::from_secs(60);

/// When jobs wait for the volume. `emergency_below < hold_below <= resume_above`, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    hold_below: u64,
    resume_above: u64,
    emergency_below: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { hold_below: 8 * GIB, resume_above: 10 * GIB, emergency_below: 2 * GIB }
    }
}

/// Thresholds that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdsError {
    /// The key that does not fit.
    pub key: &'static str,
    /// Its value.
    pub value: Exact,
    /// What would fit, with the other key and its value.
    pub want: String,
}

impl fmt::Display for ThresholdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: {}", self.key, self.value, self.want)
    }
}

impl std::error::Error for ThresholdsError {}

impl Thresholds {
    /// Three thresholds in bytes.
    ///
    /// # Errors
    /// When they contradict each other; the sentence names the keys and the values.
    pub fn new(
        hold_below: u64,
        resume_above: u64,
        emergency_below: u64,
    ) -> Result<Self, ThresholdsError> {
        let hold = Exact(hold_below);
        if emergency_below >= hold_below {
            let want = format!("give less than hold_below, which is {hold}");
            let value = Exact(emergency_below);
            return Err(ThresholdsError { key: "emergency_below", value, want });
        }
        if resume_above < hold_below {
            let want = format!("give at least hold_below, which is {hold}");
            return Err(ThresholdsError { key: "resume_above", value: Exact(resume_above), want });
        }
        Ok(Self { hold_below, resume_above, emergency_below })
    }

    /// With less free than that no job starts.
    pub fn hold_below(&self) -> u64 {
        self.hold_below
    }

    /// Once none starts, none does before so much is free again.
    pub fn resume_above(&self) -> u64 {
        self.resume_above
    }

    /// With less free than that a cleanup deletes more than the rules alone would; starting jobs
    /// leave so much free.
    pub fn emergency_below(&self) -> u64 {
        self.emergency_below
    }
}

/// Bytes of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// Free.
    pub free: u64,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Jobs may start.
    #[default]
    Roomy,
    /// Jobs wait.
    Low,
    /// Jobs wait, and images are about to go.
    Emergency,
}

/// What a look at the volume has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing worth a word.
    Same,
    /// It is worse or better than at the last look: from, to.
    Level(Level, Level),
    /// It cannot be looked at any more.
    Lost,
    /// It can be looked at again.
    Found(Level),
}

/// What is known of the volume.
#[derive(Clone, Debug, Default)]
pub struct Volume {
    thresholds: Thresholds,
    space: Option<Space>,
    /// Turns on below `hold_below`, off at `resume_above`.
    low: bool,
    /// How bad it was at the last look: other thresholds since then are no turn yet.
    seen: Level,
    /// Why it cannot be looked at.
    lost: Option<String>,
}

impl Volume {
    /// A volume nobody has looked at yet. It holds nothing.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, ..Self::default() }
    }

    /// Takes in a look.
    pub fn seen(&mut self, space: Space) -> Turn {
        let (before, lost) = (self.seen, self.lost.take().is_some());
        let limit =
            if self.low { self.thresholds.resume_above } else { self.thresholds.hold_below };
        self.low = space.free < limit;
        self.space = Some(space);
        let after = self.level();
        self.seen = after;
        match (lost, before == after) {
            (true, _) => Turn::Found(after),
            (false, true) => Turn::Same,
            (false, false) => Turn::Level(before, after),
        }
    }

    /// A look failed: what was known last stays so, and jobs wait.
    pub fn not_seen(&mut self, reason: String) -> Turn {
        match self.lost.replace(reason) {
            None => Turn::Lost,
            Some(_) => Turn::Same,
        }
    }

    /// Other thresholds; whether jobs wait by them is decided at the next look.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
    }

    /// When jobs wait for it.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The last look that succeeded.
    pub fn space(&self) -> Option<Space> {
        self.space
    }

    /// Why it cannot be looked at.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// How bad it is, as far as is known.
    pub fn level(&self) -> Level {
        let emergency = self.space.is_some_and(|s| s.free < self.thresholds.emergency_below);
        match (self.low, emergency) {
            (_, true) => Level::Emergency,
            (true, false) => Level::Low,
            (false, false) => Level::Roomy,
        }
    }

    pub(super) fn unknown(&self) -> Option<Hold> {
        self.lost.clone().map(|reason| Hold::DiskUnknown { reason })
    }

    pub(super) fn low_hold(&self, next_cleanup: Option<&str>) -> Option<Hold> {
        let space = self.space.filter(|_| self.low)?;
        Some(Hold::DiskLow {
            free: Rounded::down(space.free),
            until: Rounded::up(self.thresholds.resume_above),
            next_cleanup: next_cleanup.map(str::to_owned),
        })
    }

    /// What it has for builds when nothing else is on it.
    pub fn usable(&self) -> Option<u64> {
        self.space.map(|s| s.total.saturating_sub(self.thresholds.emergency_below))
    }

    pub(super) fn too_small(&self, request: &Request<'_>) -> Option<Hold> {
        let total = self.space?.total;
        let kept_free = self.thresholds.emergency_below;
        let fits = request.need.bytes.saturating_add(kept_free) <= total;
        (!fits).then(|| Hold::DiskTooSmall {
            need: Rounded::up(request.need.bytes),
            because: request.need.source,
            total: Rounded::down(total),
            kept_free: Rounded::up(kept_free),
        })
    }

    pub(super) fn no_room(&self, request: &Request<'_>) -> Option<Hold> {
        let free = self.space?.free;
        let kept_free = self.thresholds.emergency_below;
        let wanted = request.need.bytes.saturating_add(kept_free).saturating_add(request.reserved);
        (wanted > free).then(|| Hold::DiskRoom {
            need: Rounded::up(request.need.bytes),
            because: request.need.source,
            free: Rounded::down(free),
            reserved: Rounded::up(request.reserved),
            kept_free: Rounded::up(kept_free),
            next_cleanup: request.next_cleanup.map(str::to_owned),
        })
    }
}

/// When a cleanup is asked for because the volume is low: at once when it becomes low, at once
/// when it becomes an emergency, and again every minute while it stays so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summons {
    last: Option<(Level, Duration)>,
}

impl Summons {
    /// True if one is to be asked for now. `at` is the time on a clock that never goes back.
    pub fn due(&mut self, level: Level, at: Duration) -> bool {
        let due = match (level, self.last) {
            (Level::Roomy, _) => {
                self.last = None;
                return false;
            }
            (_, None) => true,
            (level, Some((worst, asked))) => level > worst || at.saturating_sub(asked) >= AGAIN,
        };
        if due {
            self.last = Some((level, at));
        }
        due
    }
}
