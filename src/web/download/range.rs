//! The `Range` header: which part of a file is asked for.

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything: no header, another unit, or several ranges (which may be answered whole).
    Whole,
    /// These bytes: never empty, inside the file.
    Part(Range<u64>),
    /// Nothing that is there (416), with one sentence that says why.
    Nothing(String),
}

/// What `header` asks for of a file of `len` bytes.
pub fn wanted(header: &str, len: u64) -> Wanted {
    let header = header.trim();
    let Some((unit, ranges)) = header.split_once('=') else { return malformed(header) };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    if ranges.contains(',') {
        return Wanted::Whole;
    }
    match part(ranges.trim(), len) {
        None => malformed(header),
        Some(Ok(range)) => Wanted::Part(range),
        Some(Err(sentence)) => Wanted::Nothing(sentence),
    }
}

fn malformed(header: &str) -> Wanted {
    let shown: String = header.chars().take(60).flat_map(char::escape_debug).collect();
    Wanted::Nothing(format!(
        "the range `{shown}` cannot be read: write `bytes=first-last`, `bytes=first-` or `bytes=-count`"
    ))
}

/// `None` for what is no range, `Err` for one that holds no byte of the file.
fn part(text: &str, len: u64) -> Option<Result<Range<u64>, String>> {
    let (first, last) = text.split_once('-')?;
    if first.is_empty() {
        let count = number(last)?;
        let start = len.saturating_sub(count);
        return Some(if start < len { Ok(start..len) } else { Err(outside(text, len)) });
    }
    let first = number(first)?;
    let end = match last {
        "" => len,
        last => number(last).filter(|last| *last >= first)?.saturating_add(1).min(len),
    };
    Some(if first < end { Ok(first..end) } else { Err(outside(text, len)) })
}

fn outside(text: &str, len: u64) -> String {
    format!("the range `bytes={text}` is outside the file, which has {len} bytes")
}

/// Digits only; a number too large for any file is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_a_single_range() {
        let part = Wanted::Part;
        for (header, len, want) in [
            ("bytes=0-0", 10, part(0..1)),
            ("bytes=0-", 10, part(0..10)),
            ("bytes=3-5", 10, part(3..6)),
            ("bytes=9-", 10, part(9..10)),
            ("bytes=5-99", 10, part(5..10)),
            ("bytes=0-18446744073709551615", 10, part(0..10)),
            ("bytes=2-99999999999999999999999", 10, part(2..10)),
            ("bytes=-3", 10, part(7..10)),
            ("bytes=-99", 10, part(0..10)),
            (" Bytes = 1-2 ", 10, part(1..3)),
            ("bytes=0-1,4-5", 10, Wanted::Whole),
            ("lines=1-2", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(header, len), want, "{header}");
        }
    }

    #[test]
    fn what_holds_no_byte_is_refused_with_a_sentence() {
        for (header, len, says) in [
            ("bytes=10-", 10, "outside the file, which has 10 bytes"),
            ("bytes=99-100", 10, "outside the file"),
            ("bytes=-0", 10, "outside the file"),
            ("bytes=0-", 0, "outside the file, which has 0 bytes"),
            ("bytes=-5", 0, "outside the file"),
            ("bytes=5-2", 10, "cannot be read"),
            ("bytes=abc", 10, "cannot be read"),
            ("bytes=", 10, "cannot be read"),
            ("bytes=--1", 10, "cannot be read"),
            ("bytes=1--2", 10, "cannot be read"),
            ("bytes=+1-2", 10, "cannot be read"),
            ("bytes", 10, "cannot be read"),
        ] {
            let Wanted::Nothing(said) = wanted(header, len) else { panic!("accepted {header}") };
            assert!(said.contains(says), "{header}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_leaves_the_file(header in ".{0,40}", len in any::<u64>()) {
            if let Wanted::Part(range) = wanted(&header, len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }

        #[test]
        fn numbers_at_the_edge_never_leave_the_file(a: u64, b: u64, len: u64) {
            for header in [format!("bytes={a}-{b}"), format!("bytes={a}-"), format!("bytes=-{a}")] {
                match wanted(&header, len) {
                    Wanted::Part(range) => prop_assert!(range.start < range.end && range.end <= len),
                    Wanted::Nothing(said) => prop_assert!(!said.is_empty()),
                    Wanted::Whole => prop_assert!(false, "{} is one range", header),
                }
            }
        }
    }
}
