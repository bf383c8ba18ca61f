//! What may stand in an argument list, and sizes as people write them.

/// Whether `value` can be an argument of its own: not empty, no control characters, and no first
/// character that a tool takes for an option (`-`) or a file of arguments (`@`).
///
/// # Errors
/// Names `what`, the value and what is wrong with it.
pub fn safe_value(what: &str, value: &str) -> Result<(), String> {
    let shown = value.escape_debug();
    match value.chars().next() {
        None => Err(format!("the {what} is empty")),
        Some('-') => Err(format!("the {what} `{shown}` begins with `-`, which reads as an option")),
        Some('@') => {
            Err(format!("the {what} `{shown}` begins with `@`, which reads as a list of arguments"))
        }
        Some(_) if value.chars().any(char::is_control) => {
            Err(format!("the {what} `{shown}` contains a control character"))
        }
        Some(_) => Ok(()),
    }
}

/// Whether `path` stays below the directory it is joined to: relative, no `..`, no empty part.
///
/// # Errors
/// Names `what`, the path and what is wrong with it.
pub fn safe_path(what: &str, path: &str) -> Result<(), String> {
    safe_value(what, path)?;
    let shown = path.escape_debug();
    if path.starts_with('/') {
        return Err(format!("the {what} `{shown}` is absolute: give it relative"));
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("the {what} `{shown}` has an empty, `.` or `..` part"));
    }
    Ok(())
}

/// Whether `text` is letters, digits and `extra` characters only, beginning with a letter or digit.
pub fn is_word(text: &str, extra: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// Whether `text` can be the name of a package (Debian's and RPM's grammars together), with an
/// optional version, architecture or release behind it.
pub fn is_package_name(text: &str) -> bool {
    text.len() <= 200 && is_word(text, "+-._:~=/^")
}

/// The number of the line (from 1) that holds the byte at `offset`.
pub fn line_number(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().iter().take(offset);
    let ends = before.filter(|byte| **byte == b'\n').count();
    u32::try_from(ends).unwrap_or(u32::MAX).saturating_add(1)
}

const UNITS: [(char, u64); 4] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];

/// Bytes of a size as tools write it: "64M", "1.5 GiB", "512k", "4096"; binary multiples.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let scale = match unit.chars().next() {
        None | Some('B') => 1,
        Some(letter) => UNITS.iter().find(|(name, _)| *name == letter)?.1,
    };
    if !matches!(unit.get(1..), None | Some("" | "B" | "IB")) {
        return None;
    }
    let whole: Option<u64> = number.parse().ok();
    match whole {
        Some(count) => count.checked_mul(scale),
        #[expect(clippy::cast_precision_loss, reason = "a scale is a power of two below 2^41")]
        None => number.parse::<f64>().ok().map(|count| (count * scale as f64) as u64),
    }
}

/// A size for people: "1.5 GiB", "312 B".
pub fn human_size(bytes: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, scale)| bytes >= *scale);
    match unit {
        None => format!("{bytes} B"),
        Some((letter, scale)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*scale);
            format!("{}.{} {letter}iB", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_reads_as_an_option_is_refused() {
        for value in ["-x", "--hook", "@list", "", "a\nb", "a\0"] {
            assert!(safe_value("suite", value).is_err(), "{value:?}");
        }
        assert_eq!(safe_value("suite", "bookworm"), Ok(()));
    }

    #[test]
    fn a_path_cannot_leave_its_directory() {
        for path in ["/etc/x", "../x", "a/../b", "a//b", "./a", "a/", "-a"] {
            assert!(safe_path("file", path).is_err(), "{path:?}");
        }
        assert_eq!(safe_path("file", "boot/vmlinuz-6.1"), Ok(()));
    }

    #[test]
    fn sizes_read_and_write_as_people_do() {
        let cases = [("4096", 4096), ("64M", 64 << 20), ("1.5 GiB", 3 << 29), ("512k", 512 << 10)];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "x", "12 parsecs", "5Mx", "1.2.3", "99999999999T"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
        assert_eq!(human_size(312), "312 B");
        assert_eq!(human_size(3 << 29), "1.5 GiB");
        assert_eq!(human_size(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(line_number("a\nb\nc", 0), 1);
        assert_eq!(line_number("a\nb\nc", 4), 3);
        assert_eq!(line_number("", 99), 1);
    }

    #[test]
    fn package_names_cannot_smuggle_options() {
        assert!(is_package_name("libstdc++6:arm64"));
        assert!(is_package_name("nginx/bookworm-backports"));
        for bad in ["-o", "a b", "a;b", "$(x)", "?narrow(x)", ""] {
            assert!(!is_package_name(bad), "{bad:?}");
        }
    }
}
