//! The ballast: bytes held back on the volume, given up when it is full so that signing in,
//! looking at a log, cancelling and deleting still work, and taken back when there is room.

use super::{Space, Thresholds};
use crate::domain::Timestamp;

/// With less free than that the ballast is given up, at most.
const LAST_RESORT: u64 = 64 << 20;

/// Where the ballast is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ballast {
    /// The configuration wants none.
    #[default]
    Off,
    /// Not there yet: made as soon as there is room for it.
    Missing,
    /// There, with so many bytes.
    There(u64),
    /// Given up at this moment: made again when there is room.
    Released(Timestamp),
}

/// What is to be done about the ballast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BallastStep {
    /// Give it up.
    Release,
    /// Make it.
    Make,
}

/// What is to be done about a ballast of `size` bytes; `refused` says that a write has just met a
/// full disk. Making it never makes jobs wait, and once given up it comes back only when jobs
/// could start again beside it.
pub fn ballast_step(
    ballast: Ballast,
    size: u64,
    space: Space,
    thresholds: &Thresholds,
    refused: bool,
) -> Option<BallastStep> {
    let room_above = |limit: u64| space.free >= limit.saturating_add(size);
    match ballast {
        Ballast::There(held) => {
            let full = refused || space.free < LAST_RESORT.min(held / 2);
            full.then_some(BallastStep::Release)
        }
        Ballast::Missing => room_above(thresholds.hold_below()).then_some(BallastStep::Make),
        Ballast::Released(_) => room_above(thresholds.resume_above()).then_some(BallastStep::Make),
        Ballast::Off => None,
    }
}
