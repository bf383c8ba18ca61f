//! Finding lines in a log, while it is written or afterwards.

use super::{
    Dir, FilesError, LogFile,
    error::failed,
    job_files::{INDEX, LOG},
    log::Entry,
};
use std::{fs::File, io, sync::Arc};

const CHUNK: usize = 16 << 10;

/// The line index of a log: fixed-size entries for some lines, the lines between are counted.
///
/// In a damaged part of a compressed log nothing can be counted: a line in it is where the last
/// one before it with an entry is.
#[derive(Debug)]
pub struct LogIndex {
    log: Arc<LogFile>,
    index: File,
    path: String,
}

/// A place in the log while it is scanned: a line and where it begins.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    offset: u64,
    /// The log could not be read any further.
    lost: bool,
}

impl LogIndex {
    pub(super) fn open(dir: &Dir, log: Arc<LogFile>) -> Result<Self, FilesError> {
        let index = dir.open_file(INDEX)?.0;
        Ok(Self { log, index, path: dir.shown(LOG) })
    }

    /// Lines known; an unfinished last line counts.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn lines(&self) -> Result<u64, FilesError> {
        let count = || -> io::Result<u64> {
            let Some(entry) = self.last_entry_where(|_| true)? else { return Ok(0) };
            let end = self.scan(entry, |_| false)?;
            // At the very end no line begins.
            Ok(if end.offset < self.log.len()? { end.line } else { end.line - 1 })
        };
        count().map_err(failed("count the lines of", &self.path))
    }

    /// Byte offset and Unix milliseconds of line `number` (from 1). `None` past the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn line(&self, number: u64) -> Result<Option<(u64, i64)>, FilesError> {
        let find = || -> io::Result<Option<(u64, i64)>> {
            let Some(entry) = self.last_entry_where(|e| e.line <= number)? else {
                return Ok(None);
            };
            let place = self.scan(entry, |place| place.line >= number)?;
            let there = (place.line == number || place.lost) && place.offset < self.log.len()?;
            Ok((there && number > 0).then_some((place.offset, entry.ms)))
        };
        find().map_err(failed("find a line of", &self.path))
    }

    /// The number of the line that holds byte `offset`; the last line for what is past the end,
    /// 1 in an empty log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn line_at(&self, offset: u64) -> Result<u64, FilesError> {
        let find = || -> io::Result<u64> {
            let Some(entry) = self.last_entry_where(|e| e.offset <= offset)? else {
                return Ok(1);
            };
            let mut line = entry.line;
            let size = self.log.len()?;
            self.scan(entry, |place| {
                let before = place.offset <= offset && place.offset < size;
                if before {
                    line = place.line;
                }
                !before
            })?;
            Ok(line)
        };
        find().map_err(failed("find a line of", &self.path))
    }

    /// When lines `from` to `to` were printed: a line and Unix milliseconds wherever the time is
    /// another than that of the line before. The first one is that of line `from`. Takes time and
    /// space in proportion to the lines asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn times(&self, from: u64, to: u64) -> Result<Vec<(u64, i64)>, FilesError> {
        let find = || -> io::Result<Vec<(u64, i64)>> {
            let Some((number, entry)) = self.last_place_where(|e| e.line <= from)? else {
                return Ok(Vec::new());
            };
            let mut times = vec![(from, entry.ms)];
            for number in number + 1.. {
                let next = Entry::read(&self.index, number)?;
                let Some(next) = next.filter(|next| next.line <= to) else { break };
                if times.last().is_none_or(|(_, ms)| *ms != next.ms) {
                    times.push((next.line, next.ms));
                }
            }
            Ok(times)
        };
        find().map_err(failed("find the times of", &self.path))
    }

    fn last_entry_where(&self, fits: impl Fn(&Entry) -> bool) -> io::Result<Option<Entry>> {
        Ok(self.last_place_where(fits)?.map(|(_, entry)| entry))
    }

    /// The last entry that fulfils `fits`, which holds for a beginning of the entries, and its
    /// number.
    fn last_place_where(&self, fits: impl Fn(&Entry) -> bool) -> io::Result<Option<(u64, Entry)>> {
        let (mut low, mut high) = (0, self.index.metadata()?.len() / Entry::SIZE);
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match Entry::read(&self.index, middle)?.filter(&fits) {
                Some(entry) => {
                    found = Some((middle, entry));
                    low = middle + 1;
                }
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// Goes from line to line until `stop`, or to the end of the log: the place reached.
    fn scan(&self, from: Entry, mut stop: impl FnMut(Place) -> bool) -> io::Result<Place> {
        let mut place = Place { line: from.line, offset: from.offset, lost: false };
        if stop(place) {
            return Ok(place);
        }
        let (mut at, mut chunk) = (from.offset, vec![0; CHUNK]);
        loop {
            let read = match self.log.read_at(&mut chunk, at) {
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    return Ok(Place { lost: true, ..place });
                }
                other => other?,
            };
            let bytes = chunk.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(place);
            }
            for end in memchr::memchr_iter(b'\n', bytes) {
                let offset = at + end as u64 + 1;
                place = Place { line: place.line + 1, offset, lost: false };
                if stop(place) {
                    return Ok(place);
                }
            }
            at += read as u64;
        }
    }
}
