//! Pieces of a log for pages: by line numbers where there is an index, and never more bytes than
//! a page can bear.

use crate::app::{LogFile, LogIndex, LogView};
use std::{io, ops::Range};

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
    /// Number of the last of them; the one before the first if there is none.
    pub(super) to_line: u64,
    /// When they were printed, as [`LogIndex::times`] tells it.
    pub(super) times: Vec<(u64, i64)>,
    /// Byte offset behind the last whole line of the log: whoever follows it goes on there.
    pub(super) end_offset: u64,
    /// Lines of the whole log; one that is still being printed does not count.
    pub(super) lines: u64,
    /// Bytes of the whole log.
    pub(super) size: u64,
    /// Bytes of the whole log as one gzip member, once it is compressed.
    pub(super) gzip: Option<u64>,
}

/// The last `count` lines. While the log still grows, a line that is not complete is left to
/// whoever follows from `end_offset`.
pub(super) fn tail(view: &LogView, count: u64) -> io::Result<Piece> {
    let Some(file) = &view.file else { return Ok(nothing()) };
    let size = file.len()?;
    let lines = count_lines(view.index.as_ref())?;
    let first = lines.saturating_sub(count) + 1;
    let (from_line, start) = match offset(view.index.as_ref(), first)? {
        Some(start) => (first, start),
        None => (lines.max(1), whole_line_after(file, size.saturating_sub(UNINDEXED))),
    };
    ending_at(view, file, (from_line, start), size)
}

/// The `count` lines before line `end`: the last ones, if there is no such line.
pub(super) fn before(view: &LogView, end: u64, count: u64) -> io::Result<Piece> {
    let Some(file) = &view.file else { return Ok(nothing()) };
    let index = view.index.as_ref();
    let from_line = end.saturating_sub(count).max(1);
    match (offset(index, from_line)?, offset(index, end)?) {
        // In a damaged part all lines begin at the same place.
        (Some(start), Some(at)) if start >= at && end > 1 => page(view, from_line, count, None),
        (Some(start), Some(at)) => ending_at(view, file, (from_line, start), at),
        (_, None) | (None, _) => tail(view, count),
    }
}

/// The lines from `first` (its number and where it begins) to byte `end`, or as many of the last
/// of them as a page can bear.
fn ending_at(view: &LogView, file: &LogFile, first: (u64, u64), end: u64) -> io::Result<Piece> {
    let (mut from_line, mut start) = first;
    if end.saturating_sub(start) > MOST {
        let index = view.index.as_ref();
        let next = line_at(index, end - MOST)?.map_or(1, |line| line + 1);
        // A line that is longer than a page shows its end.
        (from_line, start) = match offset(index, next)?.filter(|at| *at < end) {
            Some(at) => (next, at),
            None => {
                let at = whole_line_after(file, end - MOST);
                (line_at(index, at)?.unwrap_or(from_line), at)
            }
        };
    }
    piece(view, file, from_line, start..end, false)
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
    let most = end.min(start + MOST);
    piece(view, file, from_line, start..most, most < end)
}

/// The lines that lie at `place`, the first of which is line `from_line`. Where it was `cut`, what
/// there is of the last line comes with the next page.
fn piece(
    view: &LogView,
    file: &LogFile,
    from_line: u64,
    place: Range<u64>,
    cut: bool,
) -> io::Result<Piece> {
    let (size, ended) = (file.len()?, view.progress.borrow().ended);
    let (mut bytes, damage) = read(file, place.start, place.end)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
    // What is appended later belongs to a last line without an end.
    let growing = !ended && place.end >= size;
    if growing || (cut && whole > 0 && damage.is_none()) {
        bytes.truncate(whole);
    }
    if let Some(damage) = &damage {
        let from = if bytes.last().is_none_or(|b| *b == b'\n') { "" } else { "\n" };
        bytes.extend_from_slice(format!("{from}{}\n", damaged(damage)).as_bytes());
    }
    let feeds = memchr::memchr_iter(b'\n', &bytes).count() as u64;
    let rest = u64::from(bytes.last().is_some_and(|b| *b != b'\n'));
    let to_line = (from_line + feeds + rest).saturating_sub(1);
    let times = match &view.index {
        Some(index) => index.times(from_line, to_line).map_err(io::Error::other)?,
        None => Vec::new(),
    };
    let end_offset = if ended { size } else { whole_end(file, size) };
    let open = u64::from(end_offset < size);
    let lines = count_lines(view.index.as_ref())?.saturating_sub(open).max(to_line);
    let gzip = file.gzip_len();
    Ok(Piece { bytes, from_line, to_line, times, end_offset, lines, size, gzip })
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

/// Where the last line that has its end ends; `size` where none does for long.
fn whole_end(file: &LogFile, size: u64) -> u64 {
    let start = size.saturating_sub(UNINDEXED);
    let bytes = read(file, start, size).unwrap_or_default().0;
    match bytes.iter().rposition(|b| *b == b'\n') {
        Some(last) => start + last as u64 + 1,
        None if start == 0 => 0,
        None => size,
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
        assert_eq!((piece.bytes.as_slice(), piece.end_offset), (&b"one\ntwo\n"[..], 8));
        let piece = tail(&unindexed(b"one\ntwo\nthr", true), 9).unwrap();
        assert_eq!((piece.bytes.as_slice(), piece.end_offset), (&b"one\ntwo\nthr"[..], 11));
    }

    /// A log of these lines with an index, as if they had been printed a second apart.
    fn indexed(lines: &[String], ended: bool) -> (tempfile::TempDir, LogView) {
        let tmp = tempfile::tempdir().unwrap();
        let data = crate::files::DataDir::open(tmp.path()).unwrap();
        let id = crate::domain::JobId::FIRST;
        data.create_job(id, b"", b"{}").unwrap();
        let mut log = data.append_log(id).unwrap();
        for (line, second) in lines.iter().zip(1..) {
            log.append(line.as_bytes(), second * 1_000).unwrap();
        }
        let (file, index) = (data.open_log(id).unwrap(), data.open_log_index(id).unwrap());
        (tmp, LogView { file: file.map(Arc::new), index, ..unindexed(b"", ended) })
    }

    fn short(n: u64) -> String {
        format!("line {n}\n")
    }

    #[test]
    fn pieces_before_and_after_each_other_are_the_whole_log() {
        // Short lines, and some of which a page bears only a few.
        let long = |n: u64| format!("line {n} {}\n", "x".repeat(400_000));
        let text: Vec<_> =
            (1..=60).map(|n| if (20..30).contains(&n) { long(n) } else { short(n) }).collect();
        let (_tmp, view) = indexed(&text, true);
        let end = tail(&view, 25).unwrap();
        assert_eq!((end.from_line, end.to_line, end.lines), (36, 60, 60));
        let (mut all, mut first) = (end.bytes, end.from_line);
        while first > 1 {
            let piece = before(&view, first, 10).unwrap();
            assert_eq!(piece.to_line, first - 1);
            assert!(piece.from_line < first && piece.bytes.len() as u64 <= MOST);
            assert_eq!(piece.times[0], (piece.from_line, piece.from_line as i64 * 1_000));
            all.splice(..0, piece.bytes);
            first = piece.from_line;
        }
        assert!(all == text.concat().as_bytes());
        let (mut all, mut next) = (Vec::new(), 1);
        while next <= 60 {
            let piece = page(&view, next, 10, None).unwrap();
            assert_eq!(piece.from_line, next);
            assert!(piece.to_line >= next && piece.bytes.len() as u64 <= MOST);
            all.extend_from_slice(&piece.bytes);
            next = piece.to_line + 1;
        }
        assert!(all == text.concat().as_bytes());
        assert_eq!(before(&view, 1, 10).unwrap().to_line, 0);
        assert_eq!(before(&view, 99, 10).unwrap().from_line, 51);
    }

    #[test]
    fn no_page_of_a_growing_log_shows_half_a_line() {
        let (_tmp, view) = indexed(&[short(1), short(2), "lin".to_owned()], false);
        for piece in [tail(&view, 9).unwrap(), page(&view, 1, 9, None).unwrap()] {
            assert_eq!((piece.to_line, piece.bytes.as_slice()), (2, &b"line 1\nline 2\n"[..]));
            assert_eq!(piece.lines, 2);
        }
        let (_tmp, view) = indexed(&[short(1), short(2), "lin".to_owned()], true);
        let piece = page(&view, 1, 9, None).unwrap();
        assert_eq!((piece.to_line, piece.lines), (3, 3));
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
        let long = |n: u64| format!("{n} {}\n", "x".repeat(30_000));
        let (_tmp, view) = indexed(&(1..=2_000).map(long).collect::<Vec<_>>(), true);
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
