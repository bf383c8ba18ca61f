//! Rendered pieces of a log, shared by everybody who watches it.
//!
//! Two hundred people who watch one log all want the same next piece; it is rendered by whoever
//! comes first. Pieces are found by the byte offset at which they begin, so somebody who is
//! behind gets them as well, or renders their own. A log's pieces live as long as somebody
//! watches it, and never take more than [`KEPT`] bytes.

use super::sse;
use crate::app::{LogFile, LogIndex};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    io,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak},
};

/// Most bytes of rendered pieces kept per watched log.
const KEPT: usize = 2 << 20;

/// A rendered piece: whole lines from where it was found to `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The byte offset after its lines.
    pub end: u64,
    /// The number of the line that begins at `end`.
    pub next_line: u64,
    /// The finished event.
    pub event: Bytes,
}

#[derive(Debug, Default)]
struct Kept {
    by_start: HashMap<u64, Block>,
    order: VecDeque<u64>,
    bytes: usize,
}

/// The pieces of one log, and its index.
#[derive(Debug, Default)]
pub struct Blocks {
    kept: Mutex<Kept>,
    index: OnceLock<Option<LogIndex>>,
}

/// By device and inode.
type Watched = HashMap<(u64, u64), Weak<Blocks>>;

/// A watcher holds its file open, so its number cannot be given to another file while there is
/// an entry.
static WATCHED: LazyLock<Mutex<Watched>> = LazyLock::new(Mutex::default);

impl Blocks {
    /// The pieces of the log in `file`, which the caller keeps open as long as it has them.
    ///
    /// # Errors
    /// When the file cannot be asked who it is.
    pub fn of(file: &LogFile) -> io::Result<Arc<Self>> {
        let identity = file.identity()?;
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, blocks| blocks.strong_count() > 0);
        let entry = watched.entry(identity).or_default();
        Ok(entry.upgrade().unwrap_or_else(|| {
            let blocks = Arc::new(Self::default());
            *entry = Arc::downgrade(&blocks);
            blocks
        }))
    }

    /// The piece that begins at `start`, if somebody rendered it.
    pub fn get(&self, start: u64) -> Option<Block> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_start.get(&start).cloned()
    }

    /// The index of the log, which `find` finds for whoever asks first.
    pub fn index(&self, find: impl FnOnce() -> Option<LogIndex>) -> Option<&LogIndex> {
        self.index.get_or_init(find).as_ref()
    }

    /// Renders `lines`, which begin at byte `start` with line `number` and were printed at `times`
    /// (see [`LogIndex::times`]), and keeps the piece.
    ///
    /// The first line of the event is `number`, then `line:time` for each of `times`; each
    /// further one is what is in a line of the log. What can be made again from that is left out:
    /// two hundred watchers would get it two hundred times.
    pub fn render(&self, start: u64, number: u64, lines: &[u8], times: &[(u64, i64)]) -> Block {
        let end = start.saturating_add(lines.len() as u64);
        let feeds = memchr::memchr_iter(b'\n', lines).count() as u64;
        let mut text = number.to_string();
        for (line, ms) in times {
            // Writing to a String cannot fail.
            let _ = write!(text, " {line}:{ms}");
        }
        text.push('\n');
        text.push_str(&crate::web::pages::logline::render_bare(lines));
        let event = sse::event("log", Some(end), &text);
        let block = Block { end, next_line: number + feeds, event };
        self.keep(start, block.clone());
        block
    }

    fn keep(&self, start: u64, block: Block) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += block.event.len();
        kept.order.push_back(start);
        if let Some(old) = kept.by_start.insert(start, block) {
            // Two watchers rendered the same piece at once: its place in line is there twice,
            // which lets the newer go with the older one's turn at the latest.
            kept.bytes -= old.event.len();
        }
        while kept.bytes > KEPT {
            let Some(oldest) = kept.order.pop_front() else { return };
            if let Some(old) = kept.by_start.remove(&oldest) {
                kept.bytes -= old.event.len();
            }
        }
    }
}

/// How many bytes of `bytes` are whole lines. Without any line end: all of them if nothing more
/// can come (`last`) or if no longer piece can be held (`full`), else none.
pub fn whole_lines(bytes: &[u8], full: bool, last: bool) -> usize {
    if last {
        return bytes.len();
    }
    match bytes.iter().rposition(|b| *b == b'\n') {
        Some(end) => end + 1,
        None if full => bytes.len(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_sent_until_nothing_more_can_come() {
        assert_eq!(whole_lines(b"one\ntwo\nthr", false, false), 8);
        assert_eq!(whole_lines(b"thr", false, false), 0);
        assert_eq!(whole_lines(b"thr", true, false), 3);
        assert_eq!(whole_lines(b"one\nthr", false, true), 7);
        assert_eq!(whole_lines(b"", false, true), 0);
    }

    #[test]
    fn watchers_of_one_file_share_and_others_do_not() {
        let log = || LogFile::from(tempfile::tempfile().unwrap());
        let (one, other) = (log(), log());
        let first = Blocks::of(&one).unwrap();
        let block = first.render(0, 1, b"a\nb\n\n", &[(1, 70), (3, 80)]);
        assert_eq!((block.end, block.next_line), (5, 4));
        let event = "event: log\nid: 5\ndata: 1 1:70 3:80\ndata: a\ndata: b\ndata: \n\n";
        assert_eq!(block.event, event);
        assert_eq!(Blocks::of(&one).unwrap().get(0), Some(block));
        assert_eq!(Blocks::of(&other).unwrap().get(0), None);
        drop(first);
        assert_eq!(Blocks::of(&one).unwrap().get(0), None);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let blocks = Blocks::default();
        let event = Bytes::from(vec![0; 100_000]);
        for start in 0..100 {
            blocks.keep(start, Block { end: start + 1, next_line: 1, event: event.clone() });
        }
        assert!(blocks.kept.lock().unwrap().bytes <= KEPT);
        assert!(blocks.get(99).is_some() && blocks.get(0).is_none());
    }
}
