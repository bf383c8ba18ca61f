//! Times, sizes and lifetimes as people write them: `"14d"`, `"8GiB"`, `"forever"`.
//!
//! config.toml, the settings of the Admin tab and the fields of a queue read and write the same
//! texts; a text that was written here reads back as the same value.

use super::{admission::Exact, retention::Lifetime};
use std::time::Duration;

/// The word for a lifetime without an end.
const FOREVER: &str = "forever";
/// Units of time in milliseconds, the largest first.
const TIMES: [(u64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
/// Units of bytes in which whole numbers are read exactly.
const SIZES: [(u64, &str); 5] =
    [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
/// Characters of a text that are shown in an error.
const SHOWN: usize = 60;

/// A text that is no such value; the sentence has the text and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: use {want}")]
pub struct UnitError {
    text: String,
    what: &'static str,
    want: &'static str,
}

impl UnitError {
    fn new(text: &str, what: &'static str, want: &'static str) -> Self {
        let text = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        Self { text, what, want }
    }
}

/// A length of time: a whole number with `ms`, `s`, `min`, `h` or `d`.
///
/// # Errors
/// When it is no such text, or longer than can be counted in milliseconds.
pub fn parse_span(text: &str) -> Result<Duration, UnitError> {
    span(text).ok_or_else(|| {
        let want = "a whole number with ms, s, min, h or d, such as \"14d\"";
        UnitError::new(text, "length of time", want)
    })
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (millis, _) = TIMES.into_iter().find(|(_, name)| *name == unit)?;
    number.checked_mul(millis).map(Duration::from_millis)
}

/// The number and the unit of a text.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    Some((number.parse().ok()?, unit.trim()))
}

/// A length of time in the largest unit it is a whole number of: `"14d"`, `"90min"`, `"0s"`. What
/// is shorter than a millisecond is left out.
pub fn span_text(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = TIMES.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
    let (unit, name) = fits.unwrap_or((1_000, "s"));
    format!("{}{name}", millis / unit)
}

/// A number of bytes with its unit; whole numbers are exact.
///
/// # Errors
/// When it is no such text, or more than can be counted.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    size(text).ok_or_else(|| {
        let want = "a number with B, KiB, MiB, GiB or TiB, such as \"8GiB\"";
        UnitError::new(text, "size", want)
    })
}

fn size(text: &str) -> Option<u64> {
    let exact = split(text).and_then(|(number, unit)| {
        let (bytes, _) = SIZES.into_iter().find(|(_, name)| *name == unit)?;
        Some(number.checked_mul(bytes))
    });
    match exact {
        Some(bytes) => bytes,
        // Fractions and the units of others.
        None => text.trim().parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64()),
    }
}

/// A number of bytes in the largest unit it is a whole number of: `"8GiB"`, `"0B"`.
pub fn size_text(bytes: u64) -> String {
    Exact(bytes).to_string()
}

/// How long something is kept: a length of time, or `forever`.
///
/// # Errors
/// When it is neither.
pub fn parse_lifetime(text: &str) -> Result<Lifetime, UnitError> {
    if text.trim() == FOREVER {
        return Ok(Lifetime::Forever);
    }
    span(text).map(Lifetime::For).ok_or_else(|| {
        let want = "\"forever\" or a whole number with min, h or d, such as \"14d\"";
        UnitError::new(text, "time to keep something", want)
    })
}

/// A lifetime as [`parse_lifetime`] reads it.
pub fn lifetime_text(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Forever => FOREVER.into(),
        Lifetime::For(span) => span_text(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_and_nonsense_is_not() {
        assert_eq!(parse_span("14d"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(parse_span(" 60 min "), Ok(Duration::from_secs(3_600)));
        for bad in ["", "5", "min", "-5s", "5 weeks", "99999999999999999999s", "9999999999999999d"]
        {
            let said = parse_span(bad).unwrap_err().to_string();
            assert!(said.starts_with(&format!("`{bad}` is no length of time")), "{said}");
            assert!(said.contains("14d"), "{said}");
        }
    }

    #[test]
    fn times_are_written_in_the_largest_unit_that_fits() {
        let text = |secs| span_text(Duration::from_secs(secs));
        assert_eq!(text(0), "0s");
        assert_eq!(text(5_400), "90min");
        assert_eq!(text(14 * 86_400), "14d");
        assert_eq!(span_text(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(span_text(Duration::from_nanos(7)), "0s");
    }

    #[test]
    fn sizes_are_exact_and_take_the_units_people_use() {
        assert_eq!(parse_size("8GiB"), Ok(8 << 30));
        assert_eq!(parse_size("1.5 KiB"), Ok(1_536));
        assert_eq!(parse_size("1kB"), Ok(1_000));
        assert_eq!(parse_size("18446744073709551615B"), Ok(u64::MAX));
        for bad in ["", "many", "-1GiB", "8 apples", "99999999TiB", "\u{202e}8GiB"] {
            let said = parse_size(bad).unwrap_err().to_string();
            assert!(said.contains("is no size") && said.contains("8GiB"), "{said}");
        }
    }

    #[test]
    fn a_lifetime_may_have_no_end() {
        assert_eq!(parse_lifetime(" forever "), Ok(Lifetime::Forever));
        assert_eq!(lifetime_text(Lifetime::Forever), "forever");
        let said = parse_lifetime("never").unwrap_err().to_string();
        assert!(said.contains("`never`") && said.contains("forever"), "{said}");
    }

    #[test]
    fn a_long_text_is_cut_in_the_error_and_cannot_forge_a_line() {
        let said = parse_span(&"x\n".repeat(5_000)).unwrap_err().to_string();
        assert!(said.len() < 300 && !said.contains('\n'), "{said}");
    }

    proptest! {
        #[test]
        fn the_text_of_a_value_reads_back(millis in any::<u64>(), unit in 0usize..5, n in 0u64..9_999) {
            for span in [millis, n * TIMES[unit].0].map(Duration::from_millis) {
                prop_assert_eq!(parse_span(&span_text(span)), Ok(span));
                let kept = Lifetime::For(span);
                prop_assert_eq!(parse_lifetime(&lifetime_text(kept)), Ok(kept));
            }
            for bytes in [millis, n * SIZES[unit].0] {
                prop_assert_eq!(parse_size(&size_text(bytes)), Ok(bytes));
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = (parse_span(&text), parse_size(&text), parse_lifetime(&text));
        }
    }
}
