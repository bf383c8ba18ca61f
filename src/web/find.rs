//! Searching a whole log, plain or compressed, for a text or for its first error.
//!
//! A search reads the log piece by piece and holds one of them, whatever the log's size; it looks at
//! what a page would show, so colours inside a word do not hide it. One request reads at most
//! [`MOST`] bytes.

use super::pages::logline::visible;
use crate::{
    app::{LogFile, LogIndex, LogView},
    domain::log_line::{ERROR_BEGINS, ERROR_MARKS, is_error},
};
use memchr::{memchr, memchr_iter, memchr2, memrchr};
use regex::bytes::{Regex, RegexBuilder};
use std::{borrow::Cow, io, ops::Range};

/// Bytes of a log one request searches: twice what is kept of a log unless somebody says
/// otherwise, and a second's work when it is compressed.
const MOST: u64 = 128 << 20;
/// Bytes held at once.
const BLOCK: usize = 256 << 10;
/// Of a line that is longer than a block, this much is looked at again with what follows.
const OVERLAP: usize = 4 << 10;
/// Characters a text that is searched for may have.
pub(super) const LONGEST: usize = 200;
/// Bytes of a line that are shown of a hit, before and behind the text that was found.
const AROUND: usize = 300;

/// What is searched for.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    regex: Regex,
    /// Only lines that are marked as errors count.
    errors: bool,
}

impl Needle {
    /// Lines that contain `text`; with `case`, in exactly these letters.
    ///
    /// # Errors
    /// A sentence on why nothing can be searched for.
    pub(super) fn text(text: &str, case: bool) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("Type the text to search for.".to_owned());
        }
        let length = text.chars().count();
        if length > LONGEST {
            return Err(format!(
                "The text has {length} characters: a search takes at most {LONGEST}."
            ));
        }
        if text.contains(['\n', '\r']) {
            return Err(
                "The text has more than one line: a search looks at line after line.".to_owned()
            );
        }
        Self::of(&regex::escape(text), case, false)
    }

    /// Lines that are marked as errors by whoever printed them.
    ///
    /// # Errors
    /// Never: the words are known.
    pub(super) fn errors() -> Result<Self, String> {
        let words: Vec<_> =
            ERROR_BEGINS.iter().chain(&ERROR_MARKS).map(|w| regex::escape(w)).collect();
        Self::of(&words.join("|"), false, true)
    }

    fn of(pattern: &str, case: bool, errors: bool) -> Result<Self, String> {
        let regex = RegexBuilder::new(pattern).case_insensitive(!case).build();
        let regex = regex.map_err(|_| "This text cannot be searched for.".to_owned())?;
        Ok(Self { regex, errors })
    }
}

/// A line that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// Its number, from 1.
    pub line: u64,
    /// What is shown of it.
    pub text: String,
    /// Where in that text the wanted one is.
    pub at: Range<usize>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Lines that were found.
    pub count: u64,
    /// Those of them that come before the line the search was asked to begin at.
    pub before: u64,
    /// The last one of those.
    pub previous: Option<u64>,
    /// The first ones from that line on.
    pub hits: Vec<Hit>,
    /// The first and the last line that were searched.
    pub searched: (u64, u64),
    /// That was the whole log.
    pub whole: bool,
    /// Why the search ended where the log had not.
    pub damage: Option<String>,
}

/// Which of the lines that are found are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Beginning with this one,
    pub(super) from: u64,
    /// so many.
    pub(super) most: usize,
    /// The others need not be counted.
    pub(super) only: bool,
}

/// Searches the log.
///
/// # Errors
/// When it cannot be read; a damaged part only ends the search.
pub(super) fn search(view: &LogView, needle: &Needle, wanted: Wanted) -> io::Result<Found> {
    search_within(view, needle, wanted, MOST)
}

fn search_within(view: &LogView, needle: &Needle, wanted: Wanted, most: u64) -> io::Result<Found> {
    let Some(file) = &view.file else { return Ok(Found { whole: true, ..Found::default() }) };
    let size = file.len()?;
    let (start, line) = begin(view.index.as_ref().filter(|_| size > most), wanted.from, most)?;
    let end = size.min(start.saturating_add(most));
    let found = Found { searched: (line, line), ..Found::default() };
    let mut scan = Scan { needle, wanted, found, line, open: false, last: None };
    let damage = scan.read(file, start..end)?;
    let mut found = scan.found;
    found.searched.1 = scan.line.saturating_sub(u64::from(!scan.open));
    found.whole = start == 0 && end == size && damage.is_none();
    found.damage = damage.map(|damage| damage.to_string());
    Ok(found)
}

/// Where the search begins: at the start of the log, or somewhat before line `from` where it
/// is too long for one request.
fn begin(index: Option<&LogIndex>, from: u64, most: u64) -> io::Result<(u64, u64)> {
    let Some(index) = index else { return Ok((0, 1)) };
    let place = |line| index.line(line).map(|found| found.map(|(offset, _)| offset));
    let at = place(from).map_err(io::Error::other)?.unwrap_or(0);
    let line = index.line_at(at.saturating_sub(most / 4)).map_err(io::Error::other)?;
    Ok((place(line).map_err(io::Error::other)?.unwrap_or(0), line))
}

/// A search on its way through a log.
struct Scan<'a> {
    needle: &'a Needle,
    wanted: Wanted,
    found: Found,
    /// The line that is looked at.
    line: u64,
    /// Its end was not seen yet.
    open: bool,
    /// The last one that was found.
    last: Option<u64>,
}

impl Scan<'_> {
    /// Reads and looks at `part` of the log; gives back what cannot be read.
    fn read(&mut self, file: &LogFile, part: Range<u64>) -> io::Result<Option<io::Error>> {
        let (mut block, mut filled, mut at) = (vec![0; BLOCK], 0, part.start);
        let mut damage = None;
        while !self.done() {
            let left = usize::try_from(part.end - at).unwrap_or(usize::MAX);
            let room = block.get_mut(filled..).unwrap_or_default();
            let most = room.len().min(left);
            let read = match file.read_full_at(room.get_mut(..most).unwrap_or_default(), at) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    damage = Some(error);
                    0
                }
                other => other?,
            };
            filled += read;
            at += read as u64;
            let bytes = block.get(..filled).unwrap_or_default();
            if read == 0 {
                self.look_at(bytes);
                break;
            }
            let whole = match memrchr(b'\n', bytes) {
                Some(last) => last + 1,
                None => filled.saturating_sub(OVERLAP),
            };
            self.look_at(bytes.get(..whole).unwrap_or_default());
            block.copy_within(whole..filled, 0);
            filled -= whole;
        }
        Ok(damage)
    }

    fn done(&self) -> bool {
        self.wanted.only && self.found.hits.len() >= self.wanted.most
    }

    /// Looks at whole lines, or at a part of one that is longer than a block.
    fn look_at(&mut self, lines: &[u8]) {
        let text = shown(lines);
        let (mut at, mut counted) = (0, 0);
        while let Some(found) = self.needle.regex.find_at(&text, at) {
            let line = surrounding(&text, &found.range());
            self.line += feeds(&text, counted..line.start);
            counted = line.start;
            at = line.end + 1;
            self.note(
                text.get(line.clone()).unwrap_or_default(),
                found.start() - line.start,
                found.len(),
            );
            if at > text.len() || self.done() {
                break;
            }
        }
        self.line += feeds(&text, counted..text.len());
        self.open = text.last().map_or(self.open, |last| *last != b'\n');
    }

    fn note(&mut self, line: &[u8], at: usize, len: usize) {
        let counts = !self.needle.errors || is_error(&String::from_utf8_lossy(line));
        if !counts || self.last == Some(self.line) {
            return;
        }
        self.last = Some(self.line);
        self.found.count += 1;
        if self.line < self.wanted.from {
            self.found.before += 1;
            self.found.previous = Some(self.line);
        } else if self.found.hits.len() < self.wanted.most {
            self.found.hits.push(hit(self.line, line, at..at + len));
        }
    }
}

/// The lines as a page shows them, without their looks.
fn shown(lines: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(0x1b, b'\r', lines).is_none() {
        return lines.into();
    }
    let mut text = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.strip_suffix(b"\n");
        visible(whole.unwrap_or(line), &mut text);
        text.extend(whole.map(|_| b'\n'));
    }
    text.into()
}

/// The line around `part`, without its end.
fn surrounding(text: &[u8], part: &Range<usize>) -> Range<usize> {
    let before = text.get(..part.start).unwrap_or_default();
    let behind = text.get(part.end..).unwrap_or_default();
    let start = memrchr(b'\n', before).map_or(0, |at| at + 1);
    start..memchr(b'\n', behind).map_or(text.len(), |at| part.end + at)
}

fn feeds(text: &[u8], part: Range<usize>) -> u64 {
    memchr_iter(b'\n', text.get(part).unwrap_or_default()).count() as u64
}

/// What is shown of a line that was found: not all of a long one.
fn hit(number: u64, line: &[u8], at: Range<usize>) -> Hit {
    let start = at.start.saturating_sub(AROUND);
    let end = at.end.saturating_add(AROUND).min(line.len());
    let part = |part: Range<usize>| String::from_utf8_lossy(line.get(part).unwrap_or_default());
    // Not in the middle of a character.
    let inside = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = (start..at.start).find(|at| !inside(at)).unwrap_or(at.start);
    let end = (at.end..=end).rev().find(|at| !inside(at)).unwrap_or(at.end);
    let mut text = if start > 0 { "… ".to_owned() } else { String::new() };
    text += &part(start..at.start);
    let from = text.len();
    text += &part(at.clone());
    let to = text.len();
    text += &part(at.end..end);
    if end < line.len() {
        text += " …";
    }
    Hit { line: number, text, at: from..to }
}

#[cfg(test)]
mod tests;
