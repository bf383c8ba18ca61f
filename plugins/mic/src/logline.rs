//! One line of the tool's output, taken apart cheaply: most lines are other programs'.

/// How the tool marked a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warning,
    Error,
}

/// A line the tool wrote itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLine<'l> {
    pub level: Level,
    /// Of errors: creator, kickstart, config, repo …; empty when there is none.
    pub class: &'l str,
    pub text: &'l str,
}

/// `[MM/DD HH:MM:SS] : `
const STAMP: usize = "[MM/DD HH:MM:SS] : ".len();

/// The line's parts; `None` for everything the tool did not mark as its own.
pub(crate) fn read(line: &str) -> Option<LogLine<'_>> {
    let (level, rest) = match line.as_bytes().first()? {
        b'I' => (Level::Info, line.strip_prefix("Info")?),
        b'W' => (Level::Warning, line.strip_prefix("Warning")?),
        b'E' => (Level::Error, line.strip_prefix("Error")?),
        _ => return None,
    };
    let (class, rest) = class(rest);
    Some(LogLine { level, class, text: behind_stamp(rest)? })
}

fn class(rest: &str) -> (&str, &str) {
    let inner = rest.strip_prefix(" <").and_then(|rest| rest.split_once('>'));
    match inner {
        Some((class, rest)) if class.len() <= 20 => (class, rest),
        _ => ("", rest),
    }
}

fn behind_stamp(rest: &str) -> Option<&str> {
    if rest.as_bytes().first() != Some(&b'[') {
        return None;
    }
    let (stamp, text) = rest.split_at_checked(STAMP)?;
    stamp.ends_with("] : ").then(|| text.trim_end())
}

/// `…[3/8]` or `…[3/8] ...`: done and total.
pub(crate) fn counter(text: &str) -> Option<(u64, u64)> {
    let text = text.strip_suffix(" ...").unwrap_or(text).trim_end();
    let (_, inner) = text.strip_suffix(']')?.rsplit_once('[')?;
    let (done, total) = inner.split_once('/')?;
    let (done, total) = (done.parse().ok()?, total.parse().ok()?);
    (done <= total && total > 0).then_some((done, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_own_lines_are_told_from_others() {
        let line = read("Error <creator>[11/23 17:51:12] : Unable to find package: x").unwrap();
        assert_eq!((line.level, line.class), (Level::Error, "creator"));
        assert_eq!(line.text, "Unable to find package: x");
        assert_eq!(read("Info[11/23 17:51:11] : Finished.").unwrap().text, "Finished.");
        for other in [
            "",
            "Information",
            "Info: x",
            "Error",
            "Error <",
            "Warning[short",
            "Erör",
            "Info[11/23 17:51:1ü] : x",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn counters_are_read_where_they_make_sense() {
        assert_eq!(counter("Installing: a ++++ [3/8]"), Some((3, 8)));
        assert_eq!(counter("Retrieving a.rpm [1/3] ..."), Some((1, 3)));
        for text in ["", "[]", "[9/3]", "[a/b]", "[0/0]", "x]", "[-1/2]"] {
            assert_eq!(counter(text), None, "{text}");
        }
    }
}
