//! Pieces of a log for pages: by line numbers where there is an index, and never more bytes than
//! a page can bear.

use crate::app::{LogIndex, LogView};
use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Bytes of a log that one page shows at most.
const MOST: u64 = 1 << 20;
/// Bytes at the end of a log that are looked at when there is no index.
const UNINDEXED: u64 = 64 * 1024;

/// Some lines of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Whole lines; the last one may lack its end when nothing more will come.
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
    let size = file.metadata()?.len();
    let lines = count_lines(view.index.as_ref())?;
    let first = lines.saturating_sub(count) + 1;
    let (mut from_line, mut start) = match offset(view.index.as_ref(), first)? {
        Some(start) => (first, start),
        None => (lines.max(1), whole_line_after(file, size.saturating_sub(UNINDEXED))?),
    };
    if size.saturating_sub(start) > MOST {
        start = whole_line_after(file, size - MOST)?;
        from_line = line_at(view.index.as_ref(), start)?.unwrap_or(from_line);
    }
    let mut bytes = read(file, start, size)?;
    if !view.progress.borrow().ended {
        bytes.truncate(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1));
    }
    let next_offset = start + bytes.len() as u64;
    Ok(Piece { bytes, from_line, next_offset, lines, size })
}

/// `count` lines beginning with line `from`; the last ones if there are not as many.
pub(super) fn page(view: &LogView, from: u64, count: u64) -> io::Result<Piece> {
    let Some(file) = &view.file else { return Ok(nothing()) };
    let size = file.metadata()?.len();
    let index = view.index.as_ref();
    let lines = count_lines(index)?;
    let from_line = if from > lines { lines.saturating_sub(count) + 1 } else { from };
    let start = offset(index, from_line)?.unwrap_or(0);
    let from_line = if index.is_some() { from_line } else { 1 };
    let end = offset(index, from_line.saturating_add(count))?.unwrap_or(size);
    let bytes = read(file, start, end.min(start + MOST))?;
    let next_offset = start + bytes.len() as u64;
    Ok(Piece { bytes, from_line, next_offset, lines, size })
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
fn whole_line_after(file: &File, offset: u64) -> io::Result<u64> {
    if offset == 0 {
        return Ok(0);
    }
    let ahead = read(file, offset, offset.saturating_add(UNINDEXED))?;
    let newline = ahead.iter().position(|b| *b == b'\n');
    Ok(newline.map_or(offset, |at| offset + at as u64 + 1))
}

/// The bytes from `start` to `end`, fewer if the file ends before.
fn read(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let wanted = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    let mut bytes = vec![0; wanted];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::LogState;
    use std::io::Write as _;
    use tokio::sync::watch;

    fn unindexed(text: &[u8], ended: bool) -> LogView {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let progress = watch::channel(LogState { ended, ..LogState::default() }).1;
        LogView { file: Some(file), index: None, progress }
    }

    #[test]
    fn a_log_that_has_not_begun_is_empty() {
        let view = LogView { file: None, ..unindexed(b"", false) };
        assert_eq!(tail(&view, 9).unwrap(), nothing());
        assert_eq!(page(&view, 1, 9).unwrap(), nothing());
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
    fn no_page_is_larger_than_it_may_be() {
        let text = vec![b'x'; 3 * MOST as usize];
        assert!(tail(&unindexed(&text, true), 9).unwrap().bytes.len() as u64 <= MOST);
        assert!(page(&unindexed(&text, true), 1, 9).unwrap().bytes.len() as u64 <= MOST);
    }
}
