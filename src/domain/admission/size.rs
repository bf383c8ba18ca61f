//! Bytes in sentences.

use std::fmt;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Units in which a size can be written exactly, the largest first.
const UNITS: [(u64, &str); 5] =
    [(1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (1 << 10, "KiB"), (1, "B")];

/// A size that may change from second to second, rounded so that a sentence with it does not:
/// to 0.1 GiB, below 1 GiB to 10 MiB, below 100 MiB to 1 MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rounded(u64);

/// What a size is rounded to, as a fraction of bytes: `1.0 GiB / 10` is no whole number.
fn step(bytes: u64) -> (u64, u64) {
    match bytes {
        GIB.. => (GIB, 10),
        b if b >= 100 * MIB => (10 * MIB, 1),
        _ => (MIB, 1),
    }
}

impl Rounded {
    /// The next step below: for what is there.
    pub fn down(bytes: u64) -> Self {
        let (unit, parts) = step(bytes);
        Self::from_steps(u128::from(bytes) * u128::from(parts) / u128::from(unit), unit, parts)
    }

    /// The next step above: for what is needed.
    pub fn up(bytes: u64) -> Self {
        let (unit, parts) = step(bytes);
        let steps = (u128::from(bytes) * u128::from(parts)).div_ceil(u128::from(unit));
        Self::from_steps(steps, unit, parts)
    }

    fn from_steps(steps: u128, unit: u64, parts: u64) -> Self {
        // Up again to a whole byte, so that rounding a second time changes nothing.
        let bytes = (steps * u128::from(unit)).div_ceil(u128::from(parts));
        Self(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// The rounded bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= GIB {
            let tenths = u128::from(self.0) * 10 / u128::from(GIB);
            write!(f, "{}.{} GiB", tenths / 10, tenths % 10)
        } else {
            write!(f, "{} MiB", self.0 / MIB)
        }
    }
}

/// A size as config.toml writes it: exact, in the largest unit it is a whole number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact(pub u64);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits =
            UNITS.into_iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (unit, name) = fits.unwrap_or((1, "B"));
        write!(f, "{}{name}", self.0 / unit)
    }
}
