//! Pieces of a log for pages: by line numbers where there is an index, and never more bytes than
//! a page can bear.

use crate::app::{LogFile, LogIndex, LogView};
use std::io;

/// Bytes of a log that one page shows at most.
const MOST: u64 = 1 << 20;
/// Bytes at the end of a log that are looked at when there is no index.
const UNINDEXED: u64 = 64 * 1024;

/// Some lines of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Whole lines; the last one may lack its end when nothing more will come. Where the log is
    /// damaged, the last one says so instead.
    pub(super) bytes: Vec<u8>,
    /// Number of the first of them, from 1.
    pub(super) from_line: u64,
    /// Byte offset behind them.
    pub(super) next_offset: u64,
    /// Lines of the whole log.
    pub(super) lines: u64,
    /// Bytes of the whole log.
    pub(super) size: u64,
}

/// The last `count` lines. While the log still grows, a line that is not complete is left to
/// whoever follows from `next_offset`.
pub(super) fn tail(view: &LogView, count: u64) -> io::Result<Piece> {
    let Some(file) = &view.file else { return Ok(nothing()) };
    let size = file.len()?;
    let lines = count_lines(view.index.as_ref())?;
    let first = lines.saturating_sub(count) + 1;
    let (mut from_line, mut start) = match offset(view.index.as_ref(), first)? {
        Some(start) => (first, start),
        None => (lines.max(1), whole_line_after(file, size.saturating_sub(UNINDEXED))),
    };
    if size.saturating_sub(start) > MOST {
        start = whole_line_after(file, size - MOST);
        from_line = line_at(view.index.as_ref(), start)?.unwrap_or(from_line);
    }
    let (mut bytes, damage) = read(file, start, size)?;
    if !view.progress.borrow().ended {
        bytes.truncate(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1));
    }
    let next_offset = start + bytes.len() as u64;
    Ok(Piece { bytes, from_line, next_offset, lines, size }.with(damage))
}

/// `count` lines beginning with line `from`; the last ones if there are not as many. Where long
/// lines would leave no room for line `mark`, the page begins shortly before that one.
pub(super) fn page(view: &LogView, from: u64, count: u64, mark: Option<u64>) -> io::Result<Piece> {
    let Some(file) = &view.file else { return Ok(nothing()) };
    let size = file.len()?;
    let index = view.index.as_ref();
    let lines = count_lines(index)?;
    let from_line = if from > lines { lines.saturating_sub(count) + 1 } else { from };
    let from_line = match mark {
        Some(mark) => near(index, from_line, mark, size)?,
        None => from_line,
    };
    let start = offset(index, from_line)?.unwrap_or(0);
    let from_line = if index.is_some() { from_line } else { 1 };
    let end = offset(index, from_line.saturating_add(count))?.unwrap_or(size);
    // In a damaged part all lines begin at the same place.
    let end = if end > start { end } else { size };
    let (bytes, damage) = read(file, start, end.min(start + MOST))?;
    let next_offset = start + bytes.len() as u64;
    Ok(Piece { bytes, from_line, next_offset, lines, size }.with(damage))
}

/// Line `from`, or a later one from which line `mark` is still within what a page shows.
fn near(index: Option<&LogIndex>, from: u64, mark: u64, size: u64) -> io::Result<u64> {
    let (Some(start), Some(_)) = (offset(index, from)?, offset(index, mark)?) else {
        return Ok(from);
    };
    let end = offset(index, mark.saturating_add(1))?.unwrap_or(size);
    if mark <= from || end.saturating_sub(start) <= MOST {
        return Ok(from);
    }
    let before = line_at(index, end.saturating_sub(MOST / 2))?.unwrap_or(mark);
    Ok(before.saturating_add(1).min(mark))
}

impl Piece {
    /// Says at its end what cannot be shown, if there is something.
    fn with(mut self, damage: Option<io::Error>) -> Self {
        if let Some(damage) = damage {
            let from = if self.bytes.last().is_none_or(|b| *b == b'\n') { "" } else { "\n" };
            self.bytes.extend_from_slice(format!("{from}{}\n", damaged(&damage)).as_bytes());
            self.lines = self.lines.max(1);
        }
        self
    }
}

/// The line that stands for a part of a log that cannot be read.
pub(super) fn damaged(error: &io::Error) -> String {
    format!("[img] {error}; restore the file from a backup, or build again")
}

fn nothing() -> Piece {
    Piece { from_line: 1, ..Piece::default() }
}

fn count_lines(index: Option<&LogIndex>) -> io::Result<u64> {
    index.map_or(Ok(0), |index| index.lines().map_err(io::Error::other))
}

fn offset(index: Option<&LogIndex>, line: u64) -> io::Result<Option<u64>> {
    match index {
        Some(index) => {
            let found = index.line(line).map_err(io::Error::other)?;
            Ok(found.map(|(offset, _)| offset))
        }
        None => Ok(None),
    }
}

fn line_at(index: Option<&LogIndex>, offset: u64) -> io::Result<Option<u64>> {
    index.map(|index| index.line_at(offset).map_err(io::Error::other)).transpose()
}

/// The first beginning of a line at or after `offset`; `offset` itself in the middle of a line
/// that is longer than a page.
fn whole_line_after(file: &LogFile, offset: u64) -> u64 {
    if offset == 0 {
        return 0;
    }
    // What cannot be read will say so when it is shown.
    let ahead = read(file, offset, offset.saturating_add(UNINDEXED)).unwrap_or_default().0;
    let newline = ahead.iter().position(|b| *b == b'\n');
    newline.map_or(offset, |at| offset + at as u64 + 1)
}

/// The bytes from `start` to `end`, fewer if the log ends before or is damaged; then why.
fn read(file: &LogFile, start: u64, end: u64) -> io::Result<(Vec<u8>, Option<io::Error>)> {
    let wanted = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    let mut bytes = vec![0; wanted];
    let mut done = 0;
    let mut damage = None;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_full_at(rest, start + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                damage = Some(error);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok((bytes, damage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::LogState;
    use std::{io::Write as _, sync::Arc};
    use tokio::sync::watch;

    fn unindexed(text: &[u8], ended: bool) -> LogView {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let progress = watch::channel(LogState { ended, ..LogState::default() }).1;
        LogView { file: Some(Arc::new(file.into())), index: None, progress }
    }

    #[test]
    fn a_log_that_has_not_begun_is_empty() {
        let view = LogView { file: None, ..unindexed(b"", false) };
        assert_eq!(tail(&view, 9).unwrap(), nothing());
        assert_eq!(page(&view, 1, 9, None).unwrap(), nothing());
    }

    #[test]
    fn a_line_that_is_not_complete_is_left_to_whoever_follows() {
        let piece = tail(&unindexed(b"one\ntwo\nthr", false), 9).unwrap();
        assert_eq!((piece.bytes.as_slice(), piece.next_offset), (&b"one\ntwo\n"[..], 8));
        let piece = tail(&unindexed(b"one\ntwo\nthr", true), 9).unwrap();
        assert_eq!((piece.bytes.as_slice(), piece.next_offset), (&b"one\ntwo\nthr"[..], 11));
    }

    #[test]
    fn a_long_log_without_an_index_shows_whole_lines_of_its_end() {
        let text: Vec<u8> = (0..20_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        let piece = tail(&unindexed(&text, true), 9).unwrap();
        assert!(piece.bytes.starts_with(b"line ") && piece.bytes.ends_with(b"line 19999\n"));
        assert!(piece.bytes.len() as u64 <= UNINDEXED);
    }

    #[test]
    fn a_marked_line_is_on_its_page_however_long_the_lines_are() {
        let tmp = tempfile::tempdir().unwrap();
        let data = crate::files::DataDir::open(tmp.path()).unwrap();
        let id = crate::domain::JobId::FIRST;
        data.create_job(id, b"", b"{}").unwrap();
        let text: String = (1..=2_000).map(|n| format!("{n} {}\n", "x".repeat(30_000))).collect();
        data.append_log(id).unwrap().append(text.as_bytes(), 1).unwrap();
        let (file, index) = (data.open_log(id).unwrap(), data.open_log_index(id).unwrap());
        let view = LogView { file: file.map(Arc::new), index, ..unindexed(b"", true) };
        for (from, mark) in [(1, 500), (1000, 1500), (1, 3), (1500, 2000), (1, 1)] {
            let piece = page(&view, from, 1_000, Some(mark)).unwrap();
            assert!(piece.from_line <= mark, "{mark}: {}", piece.from_line);
            let at = usize::try_from(mark - piece.from_line).unwrap();
            let line = piece.bytes.split_inclusive(|b| *b == b'\n').nth(at).unwrap();
            assert!(line.starts_with(format!("{mark} ").as_bytes()) && line.ends_with(b"x\n"));
        }
    }

    #[test]
    fn no_page_is_larger_than_it_may_be() {
        let text = vec![b'x'; 3 * MOST as usize];
        assert!(tail(&unindexed(&text, true), 9).unwrap().bytes.len() as u64 <= MOST);
        assert!(page(&unindexed(&text, true), 1, 9, None).unwrap().bytes.len() as u64 <= MOST);
    }
}
