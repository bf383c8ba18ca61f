//! Rules and guards as sentences.

use super::rules::{Busy, Class, Guard, Rule, Trigger};
use std::{fmt, time::Duration};

/// `14 days`, `4 hours`, `90 minutes`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (n, unit) = match seconds {
        s if s > 0 && s.is_multiple_of(86_400) => (s / 86_400, "day"),
        s if s > 0 && s.is_multiple_of(3_600) => (s / 3_600, "hour"),
        s if s > 0 && s.is_multiple_of(60) => (s / 60, "minute"),
        s => (s, "second"),
    };
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {unit}{plural}")
}

/// `12.3 GiB`.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "bytes" {
                format!("{bytes} bytes")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { limit, queue: None } => write!(f, "older than {}", span(*limit)),
            Self::Age { limit, queue: Some(queue) } => {
                write!(f, "older than {} on queue {queue}", span(*limit))
            }
            Self::Number { keep: 1, newest } => {
                write!(f, "only the newest of its recipe is kept, and that is #{newest}")
            }
            Self::Number { keep, newest } => {
                write!(f, "the {keep} newest of its recipe are kept, the newest is #{newest}")
            }
            Self::Budget { percent } => {
                write!(
                    f,
                    "more than {percent} % of the volume is used, and this was last needed longest ago"
                )
            }
            Self::Emergency => f.write_str("the volume is nearly full"),
            Self::Asked => f.write_str("somebody asked for it"),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned => f.write_str("it is pinned"),
            // The moment itself is shown beside it, in the reader's words.
            Self::KeepUntil(_) => f.write_str("somebody wanted it kept longer"),
            Self::Busy(Busy::Download) => f.write_str("somebody is downloading it"),
            Self::Busy(Busy::Input(job)) => write!(f, "job {job} takes it as its input"),
            Self::Busy(Busy::Changing) => f.write_str("somebody is changing it at this moment"),
            Self::LastGood => f.write_str("it is the newest good image of its recipe"),
            Self::Young(least) => write!(f, "it is younger than {}", span(*least)),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => f.write_str("schedule"),
            Self::CatchUp => f.write_str("missed while the service was off"),
            Self::JobEnded => f.write_str("a job ended"),
            Self::Watermark => f.write_str("little space"),
            Self::Resumed => f.write_str("the last run was cut short"),
            Self::Person(who) => f.write_str(who),
            Self::Asked => f.write_str("somebody asked for jobs to be deleted"),
        }
    }
}

/// A rule that needs `left` bytes more than may go; `kept` bytes were spared on the way.
pub(super) fn unmet(rule: &Rule, left: u64, kept: u64, spared: Option<Guard>) -> String {
    let what = match rule {
        Rule::Budget { percent } => format!("the budget of {percent} %"),
        _ => "the volume".to_owned(),
    };
    let why = match spared {
        Some(guard) => {
            format!("{} could go but stay; the last of them because {guard}", size(kept))
        }
        None => "no image is left that could go".to_owned(),
    };
    format!("{what} needs {} more: {why}", size(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_as_people_say_them() {
        assert_eq!(span(Duration::from_secs(14 * 86_400)), "14 days");
        assert_eq!(span(Duration::from_secs(3_600)), "1 hour");
        assert_eq!(span(Duration::ZERO), "0 seconds");
        assert_eq!(size(12 << 30), "12.0 GiB");
        assert_eq!(size(7), "7 bytes");
    }
}
