//! The last lines of a log as evidence: which there are, where they stand, which look like errors.

use super::pipeline::{OWN, Pipeline};
use crate::{
    domain::{
        JobId,
        log_line::{is_error, lower},
    },
    files::DataDir,
};

/// Lines given to a runner to explain a failure.
const LINES: usize = 200;
/// Bytes of the log's end that are looked at for them.
const END: usize = 256 << 10;
/// Characters of a line that are quoted in a sentence.
const QUOTED: usize = 200;

/// A line a tool printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the log, counted from 1.
    pub(super) number: u64,
    pub(super) text: String,
}

/// What tools printed last, from line `from` of the log on.
pub(super) fn last_lines(data: &DataDir, job: JobId, pipeline: &Pipeline, from: u64) -> Vec<Line> {
    let bytes = pipeline.kept_end(END).or_else(|| log_end(data, job)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = Vec::new();
    let numbered = text.lines().rev().zip((from.max(1)..=pipeline.lines()).rev());
    for (line, number) in numbered.filter(|(line, _)| !line.starts_with(OWN)) {
        // A progress bar ends its lines with carriage returns.
        let parts = line.rsplit('\r').filter(|part| !part.is_empty());
        lines.extend(parts.map(|part| Line { number, text: part.to_owned() }));
        if lines.len() >= LINES {
            break;
        }
    }
    lines.truncate(LINES);
    lines.reverse();
    lines
}

fn log_end(data: &DataDir, job: JobId) -> Option<Vec<u8>> {
    let log = data.open_log(job).ok()??;
    let begin = log.len().ok()?.saturating_sub(END as u64);
    let mut bytes = vec![0; END];
    let read = log.read_full_at(&mut bytes, begin).ok()?;
    bytes.truncate(read);
    Some(bytes)
}

/// Words that also stand in lines nobody has to act on.
const HINTS: [&str; 11] = [
    "cannot ",
    "can't ",
    "could not ",
    "failed",
    "no such ",
    "not found",
    "denied",
    "not permitted",
    "unable to ",
    "no space left",
    "refused",
];

fn hints_at_error(line: &str) -> bool {
    let line = lower(line);
    HINTS.iter().any(|word| line.contains(word))
}

/// The line that says best what went wrong: the first that is marked as an error, for the others
/// follow from it; else the last that sounds like one.
pub(super) fn error_line(lines: &[Line]) -> Option<&Line> {
    let marked = lines.iter().find(|line| is_error(&line.text));
    marked.or_else(|| lines.iter().rev().find(|line| hints_at_error(&line.text)))
}

/// A line as it can stand in a sentence: no control characters, not too long.
pub(super) fn quoted(line: &str) -> String {
    let mut plain = String::new();
    let mut chars = line.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            // A colour: `ESC [ … letter`.
            '\u{1b}' => drop(chars.by_ref().find(|c| c.is_ascii_alphabetic())),
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    match plain.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", plain.get(..end).unwrap_or_default().trim_end()),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let numbered = texts.iter().zip(1..);
        numbered.map(|(text, number)| Line { number, text: (*text).to_owned() }).collect()
    }

    #[test]
    fn the_first_marked_error_is_the_cause_and_the_last_hint_is_a_guess() {
        let found = |texts: &[&str]| error_line(&lines(texts)).map(|line| line.number);
        assert_eq!(found(&["rm: cannot remove x", "ERROR: no", "error: then"]), Some(2));
        assert_eq!(found(&["make: x: Error: 1", "done"]), Some(1));
        assert_eq!(found(&["rm: cannot remove x", "cp: y: Permission denied", "bye"]), Some(2));
        assert_eq!(found(&["0 errors", "hello", ""]), None);
    }

    #[test]
    fn a_quoted_line_is_plain_and_short() {
        assert_eq!(quoted("  \u{1b}[31mE:\u{1b}[0m a\tb\u{7}  "), "E: a b");
        let long = quoted(&"é".repeat(500));
        assert_eq!(long.chars().count(), QUOTED + 1);
        assert!(long.ends_with('…'));
    }
}
