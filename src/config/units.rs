//! Values with units: `"14d"`, `"60min"`, `"8GiB"`.

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

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let millis = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(millis).map(|ms| Self(Duration::from_millis(ms)))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = String::deserialize(de)?;
        Self::read(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no length of time: use a whole number with ms, s, min, h or d, such as \"14d\""
            ))
        })
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

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = String::deserialize(de)?;
        let span = Span::read(&text).map(Self::For);
        let kept = if text.trim() == "forever" { Some(Self::Forever) } else { span };
        kept.ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no time to keep something: use \"forever\" or a whole number with min, h or d, such as \"14d\""
            ))
        })
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
        let text = String::deserialize(de)?;
        text.parse::<bytesize::ByteSize>().map(|size| Self(size.as_u64())).map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is no size: use a number with B, KiB, MiB, GiB or TiB, such as \"8GiB\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_nonsense_is_not() {
        assert_eq!(Span::read("14d"), Some(Span::hours(14 * 24)));
        assert_eq!(Span::read("60 min"), Some(Span::hours(1)));
        for bad in ["", "5", "min", "-5s", "5 weeks", "99999999999999999999s", "9999999999999999d"]
        {
            assert_eq!(Span::read(bad), None, "{bad}");
        }
    }
}
