//! Lines as Python's `splitlines` makes them, because that is how the tools read a file.

use crate::work;
use std::ops::Range;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    /// From 1, as an editor counts. A separator no editor shows starts a line of the same number.
    pub number: u32,
    /// Where it begins in the text.
    pub start: usize,
    /// With its end.
    pub text: &'t str,
    /// Whether it is ended by a separator that no editor shows as one.
    pub odd_end: bool,
}

impl Line<'_> {
    /// Its bytes in the text, with the end.
    pub fn whole(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.text.len())
    }

    /// Its bytes in the text, without the end.
    pub fn content(&self) -> Range<usize> {
        let length = self.text.trim_end_matches(is_line_end).len();
        self.start..self.start.saturating_add(length)
    }
}

/// White space as Python's `strip` sees it.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r') || is_odd_end(c)
}

fn is_odd_end(c: char) -> bool {
    matches!(c, '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The lines of a text; one can be put back.
pub(crate) struct Lines<'t> {
    text: &'t str,
    at: usize,
    number: u32,
    held: Option<Line<'t>>,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, number: 1, held: None }
    }

    /// Gives `line` out again at the next call.
    pub fn put_back(&mut self, line: Line<'t>) {
        self.held = Some(line);
    }

    /// Where the next line begins.
    pub fn position(&self) -> usize {
        self.held.map_or(self.at, |line| line.start)
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        if let Some(line) = self.held.take() {
            return Some(line);
        }
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (length, odd_end) = line_length(rest);
        work::add(length);
        let text = rest.get(..length).unwrap_or(rest);
        let line = Line { number: self.number, start: self.at, text, odd_end };
        self.at = self.at.saturating_add(text.len());
        self.number = self.number.saturating_add(u32::from(!odd_end));
        Some(line)
    }
}

/// Bytes up to and with the first line end, and whether that end is an odd one.
fn line_length(rest: &str) -> (usize, bool) {
    let Some((at, end)) = rest.char_indices().find(|(_, c)| is_line_end(*c)) else {
        return (rest.len(), false);
    };
    let pair = end == '\r' && rest.as_bytes().get(at.saturating_add(1)) == Some(&b'\n');
    let length = at.saturating_add(end.len_utf8()).saturating_add(usize::from(pair));
    (length, is_odd_end(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(text: &str) -> Vec<(u32, &str)> {
        Lines::new(text).map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn all_three_usual_ends_count_as_one_line_each() {
        assert_eq!(numbered("a\nb\r\nc\rd"), [(1, "a\n"), (2, "b\r\n"), (3, "c\r"), (4, "d")]);
        assert_eq!(numbered(""), []);
        assert_eq!(numbered("\n\n"), [(1, "\n"), (2, "\n")]);
    }

    #[test]
    fn an_end_that_no_editor_shows_starts_a_line_of_the_same_number() {
        assert_eq!(numbered("a\x0c%post\nb"), [(1, "a\x0c"), (1, "%post\n"), (2, "b")]);
        assert_eq!(numbered("a\u{2028}b"), [(1, "a\u{2028}"), (1, "b")]);
    }
}
