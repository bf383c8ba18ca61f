//! Values with units: `"14d"`, `"60min"`, `"8GiB"`. How they read is `domain::units`'s.

use crate::domain::{
    retention::Lifetime,
    units::{parse_lifetime, parse_size, parse_span},
};
use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

/// A length of time, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Duration);

impl Span {
    /// `n` seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// `n` minutes.
    pub const fn minutes(n: u64) -> Self {
        Self::seconds(n * 60)
    }

    /// `n` hours.
    pub const fn hours(n: u64) -> Self {
        Self::minutes(n * 60)
    }

    /// The length.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        parse_span(&String::deserialize(de)?).map(Self).map_err(D::Error::custom)
    }
}

/// How long something is kept: a length of time, or `"forever"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until somebody deletes it.
    Forever,
    /// So long.
    For(Span),
}

impl Keep {
    /// `n` days.
    pub const fn days(n: u64) -> Self {
        Self::For(Span::hours(n * 24))
    }

    /// The time; `None`: for ever.
    pub const fn get(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(span) => Some(span.get()),
        }
    }
}

impl From<Keep> for Lifetime {
    fn from(keep: Keep) -> Self {
        keep.get().map_or(Self::Forever, Self::For)
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        match parse_lifetime(&String::deserialize(de)?).map_err(D::Error::custom)? {
            Lifetime::Forever => Ok(Self::Forever),
            Lifetime::For(span) => Ok(Self::For(Span(span))),
        }
    }
}

/// A number of bytes, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u64);

impl Size {
    /// `n` bytes.
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        parse_size(&String::deserialize(de)?).map(Self).map_err(D::Error::custom)
    }
}
