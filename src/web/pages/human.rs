//! Times, spans and sizes as people read them; the exact value is always in the title.

use crate::domain::Timestamp;
use maud::{Markup, html};
use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A moment as server time, UTC.
pub(super) fn time(at: Timestamp) -> Markup {
    let (text, iso, exact) = written(at);
    html! { time datetime=(iso) title=(exact) { (text) } }
}

/// As [`time`], in fewer bytes: the exact moment is only there for machines.
pub(super) fn instant(at: Timestamp) -> Markup {
    let (text, iso, _) = written(at);
    html! { time datetime=(iso) { (text) } }
}

/// A moment that scripts find by its id.
pub(super) fn time_with_id(at: Timestamp, id: &str) -> Markup {
    let (text, iso, exact) = written(at);
    html! { time id=(id) datetime=(iso) title=(exact) { (text) } }
}

/// A moment as "3 min ago" or "in 3 min"; a script keeps it true.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> Markup {
    let (_, iso, exact) = written(at);
    let text = match at > now {
        true => format!("in {}", span_text(at.since(now))),
        false => format!("{} ago", span_text(now.since(at))),
    };
    html! { time datetime=(iso) title=(exact) data-rel { (text) } }
}

/// A day as people write it, "7 Dec 2026"; the exact moment is in the title.
pub(super) fn day(at: Timestamp) -> Markup {
    let (_, iso, exact) = written(at);
    html! { time datetime=(iso) title=(exact) { (day_text(at)) } }
}

/// The day alone, where every byte counts a hundred times.
pub(super) fn day_text(at: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (text, _, _) = written(at);
    civil(at).map_or(text, |civil| {
        let month = usize::try_from(civil.month() - 1).ok().and_then(|at| MONTHS.get(at));
        format!("{} {} {}", civil.day(), month.unwrap_or(&"?"), civil.year())
    })
}

/// "14 days", "4 hours": a span that somebody chose.
pub(super) fn chosen(span: Duration) -> String {
    match span.as_secs() {
        s if s >= DAY && s.is_multiple_of(DAY) => count(s / DAY, "day", "days"),
        s if s >= HOUR && s.is_multiple_of(HOUR) => count(s / HOUR, "hour", "hours"),
        _ => span_text(span),
    }
}

/// Year, month and day of a day that is counted from 1970-01-01.
pub(super) fn civil_day(day: i32) -> Option<(i16, i8, i8)> {
    let ms = i64::from(day).checked_mul(i64::try_from(DAY).ok()? * 1000)?;
    let date = civil(Timestamp::from_millis(ms))?.date();
    Some((date.year(), date.month(), date.day()))
}

fn civil(at: Timestamp) -> Option<jiff::civil::DateTime> {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(moment))
}

/// For people, for machines, and to the millisecond.
fn written(at: Timestamp) -> (String, String, String) {
    let Some(civil) = civil(at) else {
        let raw = format!("{} ms after 1970", at.as_millis());
        return (raw.clone(), String::new(), raw);
    };
    let (date, time) = (civil.date(), civil.time());
    let day = format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    let ms = time.millisecond();
    (format!("{day} {clock}"), format!("{day}T{clock}Z"), format!("{day} {clock}.{ms:03} UTC"))
}

/// "1 min 12 s", exact in the title.
pub(super) fn span(span: Duration) -> Markup {
    let exact = format!("{}.{:03} s", span.as_secs(), span.subsec_millis());
    html! { span title=(exact) { (span_text(span)) } }
}

/// A span that still grows: a script counts on from `since`.
pub(super) fn running(since: Timestamp, now: Timestamp) -> Markup {
    html! { span data-since=(since.as_millis()) { (span_text(now.since(since))) } }
}

/// The two greatest units of a span.
pub(super) fn span_text(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0 if span.as_millis() > 0 => format!("{} ms", span.as_millis()),
        0..MINUTE => format!("{s} s"),
        MINUTE..HOUR => two(s / MINUTE, "min", s % MINUTE, "s"),
        HOUR..DAY => two(s / HOUR, "h", s % HOUR / MINUTE, "min"),
        _ => two(s / DAY, "d", s % DAY / HOUR, "h"),
    }
}

fn two(big: u64, unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    }
}

/// "1.4 GiB", the bytes in the title.
pub(super) fn size(bytes: u64) -> Markup {
    html! { span class="num" title={ (grouped(bytes)) " bytes" } { (size_text(bytes)) } }
}

/// Three digits and a unit, powers of 1024.
pub(super) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut shown) = (bytes as f64, None);
    for unit in UNITS {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        shown = Some(unit);
    }
    match shown {
        None => format!("{bytes} B"),
        Some(unit) if value < 9.95 => format!("{value:.1} {unit}"),
        Some(unit) => format!("{value:.0} {unit}"),
    }
}

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// "1 job", "2 jobs".
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let text = |s| span_text(Duration::from_secs(s));
        assert_eq!(text(0), "0 s");
        assert_eq!(text(59), "59 s");
        assert_eq!(text(72), "1 min 12 s");
        assert_eq!(text(3600), "1 h");
        assert_eq!(text(90_061), "1 d 1 h");
        assert_eq!(span_text(Duration::from_millis(450)), "450 ms");
    }

    #[test]
    fn sizes_have_three_digits() {
        assert_eq!(size_text(0), "0 B");
        assert_eq!(size_text(1023), "1023 B");
        assert_eq!(size_text(1024), "1.0 KiB");
        assert_eq!(size_text(10 * 1024), "10 KiB");
        assert_eq!(size_text(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(size_text(1_503_238_553), "1.4 GiB");
        assert_eq!(size_text(u64::MAX), "16 EiB");
    }

    #[test]
    fn every_moment_can_be_shown() {
        for ms in [i64::MIN, -1, 0, 1_764_096_012_345, i64::MAX] {
            assert!(!time(Timestamp::from_millis(ms)).into_string().is_empty());
            assert!(!day(Timestamp::from_millis(ms)).into_string().is_empty());
        }
        let shown = time(Timestamp::from_millis(1_764_096_012_345)).into_string();
        assert_eq!(
            shown,
            "<time datetime=\"2025-11-25T18:40:12Z\" title=\"2025-11-25 18:40:12.345 UTC\">\
             2025-11-25 18:40:12</time>"
        );
    }

    #[test]
    fn days_and_chosen_spans_read_as_people_write_them() {
        let shown = day(Timestamp::from_millis(1_796_601_600_000)).into_string();
        assert!(shown.ends_with(">7 Dec 2026</time>"), "{shown}");
        assert_eq!(chosen(Duration::from_secs(14 * DAY)), "14 days");
        assert_eq!(chosen(Duration::from_secs(HOUR)), "1 hour");
        assert_eq!(chosen(Duration::from_secs(90 * MINUTE)), "1 h 30 min");
    }

    #[test]
    fn the_past_and_the_future_are_told_apart() {
        let now = Timestamp::from_millis(1_000_000);
        let at = |ms| relative(Timestamp::from_millis(ms), now).into_string();
        assert!(at(940_000).ends_with(">1 min ago</time>"));
        assert!(at(1_060_000).ends_with(">in 1 min</time>"));
    }
}
