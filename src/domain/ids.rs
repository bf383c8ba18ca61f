//! Numbers that name things. Job numbers are public and never secrets.

use std::{fmt, num::NonZeroU64, str::FromStr};

/// The number of a job: a counter that starts at 1 and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(NonZeroU64);

impl JobId {
    /// The first number there is; also stands in where a job has none yet.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// `None` for 0, which no job ever has.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The plain number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The name of the job's directory: eight digits, more when the counter needs them.
    pub fn dir_name(self) -> String {
        format!("{:08}", self.0)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A text that is no job number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no job number: give digits only, such as 42")]
pub struct NotAJobId(String);

impl FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.and_then(Self::new).ok_or_else(|| NotAJobId(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_above_zero_are_job_numbers() {
        assert_eq!("42".parse::<JobId>().unwrap().get(), 42);
        for bad in ["", "0", "-1", "+1", " 1", "1/2", "99999999999999999999", "१"] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn directory_names_sort_like_numbers() {
        assert_eq!(JobId::new(7).unwrap().dir_name(), "00000007");
        assert_eq!(JobId::new(123_456_789).unwrap().dir_name(), "123456789");
    }
}
