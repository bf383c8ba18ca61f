//! Days that somebody chooses: `2026-12-07`, which means its end, in UTC.

use crate::{app::Problem, domain::Timestamp};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The day of a moment, as forms and the API write it; empty outside every calendar.
pub fn written(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis());
    moment.map_or_else(|_| String::new(), |m| m.strftime("%Y-%m-%d").to_string())
}

/// Until when files are kept that somebody wants kept until the day `text`: its end, or `latest`
/// if that is earlier on the same day.
///
/// # Errors
/// It is no day, or not one after today.
pub fn until(text: &str, now: Timestamp, latest: Timestamp) -> Result<Timestamp, Problem> {
    let text = text.trim();
    let refused = |what: String| {
        Problem::new("until", format!("{what}: give a day such as {}", written(latest)))
    };
    let wrong = |what: &str| {
        let shown: String = text.chars().take(20).collect();
        refused(format!("`{shown}` {what}"))
    };
    if text.is_empty() {
        return Err(refused("no day was chosen".to_owned()));
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| wrong("is no day"))?;
    let begin = jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0));
    let begin = begin.map_err(|_| wrong("is no day"))?;
    let begin = Timestamp::from_millis(begin.as_millisecond());
    if begin <= now {
        return Err(wrong("is not after today"));
    }
    let end = Timestamp::from_millis(begin.plus(DAY).as_millis().saturating_sub(1));
    if begin > latest {
        return Err(wrong("is later than is allowed"));
    }
    Ok(end.min(latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25 18:40:12 UTC.
    const NOW: Timestamp = Timestamp::from_millis(1_795_632_012_345);

    #[test]
    fn a_day_means_its_end_but_never_more_than_is_allowed() {
        let latest = NOW.plus(90 * DAY);
        let end = until("2026-11-26", NOW, latest).unwrap();
        assert_eq!(written(end), "2026-11-26");
        assert_eq!(written(end.plus(Duration::from_millis(1))), "2026-11-27");
        assert_eq!(until(&written(latest), NOW, latest), Ok(latest));
    }

    #[test]
    fn what_is_no_day_to_come_is_refused_with_one_that_would_do() {
        let latest = NOW.plus(90 * DAY);
        for bad in [
            "",
            "tomorrow",
            "2026-11-25",
            "2026-11-24",
            "1970-01-01",
            "2027-03-01",
            "2026-13-01",
            "2026-02-30",
            "-9999-01-01",
            "9999-12-31",
            "2026-12-07T25:00",
            "\u{202e}",
        ] {
            let problem = until(bad, NOW, latest).unwrap_err();
            assert!(
                problem.message.contains("give a day such as 2027-02-23"),
                "{bad}: {problem:?}"
            );
        }
    }
}
