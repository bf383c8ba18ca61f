//! Appending to a log.
//!
//! Beside the log lies a sparse index: 24 bytes (offset, line number, Unix milliseconds; little
//! endian) for some lines. A line has an entry when it was printed at another millisecond than the
//! entry before, or begins [`STRIDE`] bytes or more after it. So a fast log costs one entry in
//! 32 KiB, a slow one is exact to the millisecond, and finding a line is a binary search and a
//! scan of at most one stride (and one line).

use super::{
    Dir, FilesError,
    dir::open_beneath,
    error::failed,
    job_files::{INDEX, LOG, LOG_GZ, absent},
};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::{
    fs::File,
    io::Write,
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
    time::UNIX_EPOCH,
};

/// Bytes of log one entry stands for at most, when lines are shorter.
const STRIDE: u64 = 32 << 10;
/// From this many entries on, times are exact to [`COARSE_MS`] only: a tool that prints a line
/// every millisecond for days must not fill the disk with entries.
const MANY: u64 = 1 << 20;
const COARSE_MS: i64 = 100;
/// Bytes read at once where a log is scanned.
const CHUNK: usize = 64 << 10;

/// One line whose place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) ms: i64,
}

impl Entry {
    pub(super) const SIZE: u64 = 24;
    const BYTES: usize = 24;

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let parts = [self.offset.to_le_bytes(), self.line.to_le_bytes(), self.ms.to_le_bytes()];
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        bytes
    }

    /// Entry `number` (from 0) of an index. `None` past the end.
    pub(super) fn read(index: &File, number: u64) -> std::io::Result<Option<Self>> {
        let mut bytes = [0; Self::BYTES];
        match index.read_exact_at(&mut bytes, number.saturating_mul(Self::SIZE)) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        }
        let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        Ok(Some(Self { offset: word(), line: word(), ms: word().cast_signed() }))
    }
}

/// Appends to a log and keeps its line index. The file is the truth; nothing is buffered here
/// after [`append`](Self::append) returns.
#[derive(Debug)]
pub struct LogWriter {
    log: File,
    index: File,
    path: String,
    /// Bytes.
    len: u64,
    /// Finished lines.
    complete: u64,
    /// The next byte begins a line.
    fresh: bool,
    last: Option<Entry>,
    entries: u64,
    /// Entries of one call, written together.
    batch: Vec<u8>,
}

impl LogWriter {
    pub(super) fn open(dir: &Dir, mode: u32) -> Result<Self, FilesError> {
        let open = |name: &str| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NONBLOCK;
            let mode = Mode::from_raw_mode(mode);
            open_beneath(dir.as_fd(), Path::new(name), flags, mode, ResolveFlags::empty())
                .map(File::from)
                .map_err(failed("open", dir.shown(name)))
        };
        // Beside a compressed log an empty plain one would be taken for the log.
        if absent(dir.open_file(LOG))?.is_none() && absent(dir.open_file(LOG_GZ))?.is_some() {
            let ended = std::io::Error::other("it has ended and is compressed");
            return Err(failed("append to", dir.shown(LOG_GZ))(ended));
        }
        let mut writer = Self {
            log: open(LOG)?,
            index: open(INDEX)?,
            path: dir.shown(LOG),
            len: 0,
            complete: 0,
            fresh: true,
            last: None,
            entries: 0,
            batch: Vec::new(),
        };
        writer.resume().map_err(failed("continue", &writer.path))?;
        Ok(writer)
    }

    /// Appends bytes read at `at_ms` (Unix milliseconds); a line may span calls.
    ///
    /// # Errors
    /// When the write fails; what was written before stays readable.
    pub fn append(&mut self, bytes: &[u8], at_ms: i64) -> Result<(), FilesError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.log.write_all(bytes) {
            // A part may have been written: take the truth from the file.
            let error = failed("write", &self.path)(e);
            let _ = self.resume();
            return Err(error);
        }
        self.note(bytes, at_ms);
        self.index.write_all(&self.batch).map_err(failed("write the line index of", &self.path))
    }

    /// Bytes and lines so far; an unfinished last line counts as a line.
    pub fn len(&self) -> (u64, u64) {
        (self.len, self.complete + u64::from(!self.fresh))
    }

    /// The log and its index, with their names for messages.
    pub(super) fn files(&self) -> impl Iterator<Item = (&File, String)> {
        let index = format!("the line index of {}", self.path);
        [(&self.log, self.path.clone()), (&self.index, index)].into_iter()
    }

    /// True if nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Starts writing the log back, without waiting for the disk.
    pub fn write_back(&self) {
        super::sync::write_back(self.log.as_fd());
    }

    /// Everything to disk (fsync). The index is not synced: it is made again from the log.
    ///
    /// # Errors
    /// When the system cannot.
    pub fn sync(&mut self) -> Result<(), FilesError> {
        self.log.sync_data().map_err(failed("sync", &self.path))
    }

    /// Counts the lines of `bytes`, which lie at the end of the log, into `batch` and the totals.
    fn note(&mut self, bytes: &[u8], ms: i64) {
        self.batch.clear();
        let base = self.len;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = base + (bytes.len() - rest.len()) as u64;
            if self.fresh && self.wants_entry(offset, ms) {
                self.add_entry(Entry { offset, line: self.complete + 1, ms });
            }
            // No entry is wanted before this place: count up to it in one go.
            let quiet = self.quiet_until(ms).saturating_sub(offset);
            let skip = usize::try_from(quiet).unwrap_or(usize::MAX).min(rest.len());
            let (counted, tail) = rest.split_at(skip);
            self.complete += memchr::memchr_iter(b'\n', counted).count() as u64;
            let line_end = memchr::memchr(b'\n', tail).map_or(tail.len(), |at| at + 1);
            let (line, tail) = tail.split_at(line_end);
            self.complete += u64::from(line.ends_with(b"\n"));
            self.fresh = line.last().or(counted.last()) == Some(&b'\n');
            rest = tail;
        }
        self.len = base + bytes.len() as u64;
    }

    fn wants_entry(&self, offset: u64, ms: i64) -> bool {
        self.last.is_none_or(|last| {
            offset.saturating_sub(last.offset) >= STRIDE || self.is_later(last, ms)
        })
    }

    fn is_later(&self, last: Entry, ms: i64) -> bool {
        let step = if self.entries < MANY { 1 } else { COARSE_MS };
        ms.abs_diff(last.ms) >= step as u64
    }

    fn quiet_until(&self, ms: i64) -> u64 {
        match self.last {
            Some(last) if !self.is_later(last, ms) => last.offset + STRIDE,
            Some(_) | None => 0,
        }
    }

    fn add_entry(&mut self, entry: Entry) {
        self.last = Some(entry);
        self.entries += 1;
        self.batch.extend_from_slice(&entry.encode());
    }

    /// Finds the end of what is there. Entries that do not fit the log are dropped; lines without
    /// entries after a crash get the log's own time.
    fn resume(&mut self) -> std::io::Result<()> {
        let meta = self.log.metadata()?;
        let mtime = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(mtime.as_millis()).unwrap_or(0);
        self.entries = self.index.metadata()?.len() / Entry::SIZE;
        self.last = None;
        while self.entries > 0 {
            let entry = Entry::read(&self.index, self.entries - 1)?;
            if let Some(entry) = entry.filter(|e| self.fits(e, meta.len())) {
                self.last = Some(entry);
                break;
            }
            self.entries -= 1;
        }
        self.index.set_len(self.entries * Entry::SIZE)?;
        self.len = self.last.map_or(0, |e| e.offset);
        self.complete = self.last.map_or(0, |e| e.line.saturating_sub(1));
        self.fresh = true;
        self.scan(meta.len(), ms)
    }

    fn fits(&self, entry: &Entry, size: u64) -> bool {
        let mut before = [0];
        entry.offset < size
            && (entry.offset == 0
                || (self.log.read_exact_at(&mut before, entry.offset - 1).is_ok()
                    && before == *b"\n"))
    }

    fn scan(&mut self, size: u64, ms: i64) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while self.len < size {
            let read = self.log.read_at(&mut chunk, self.len)?;
            let bytes = chunk.get(..read).unwrap_or_default().to_vec();
            if bytes.is_empty() {
                break;
            }
            // Times already known stay: only strides get new entries.
            let ms = self.last.map_or(ms, |last| last.ms);
            self.note(&bytes, ms);
            self.index.write_all(&self.batch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::JobId, files::DataDir};
    use proptest::prelude::*;

    fn data() -> (tempfile::TempDir, DataDir, JobId) {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let id = JobId::new(1).unwrap();
        data.create_job(id, b"", b"{}").unwrap();
        (tmp, data, id)
    }

    #[test]
    fn each_line_has_its_place_and_the_time_of_its_first_byte() {
        let (_tmp, data, id) = data();
        let mut log = data.append_log(id).unwrap();
        log.append(b"one\ntw", 1_000).unwrap();
        log.append(b"o\nthree", 2_000).unwrap();
        let index = data.open_log_index(id).unwrap().unwrap();
        assert_eq!(log.len(), (13, 3));
        assert_eq!(index.lines().unwrap(), 3);
        assert_eq!(index.line(1).unwrap(), Some((0, 1_000)));
        assert_eq!(index.line(2).unwrap(), Some((4, 1_000)));
        assert_eq!(index.line(3).unwrap(), Some((8, 2_000)));
        assert_eq!(index.line(4).unwrap(), None);
        assert_eq!(index.line(0).unwrap(), None);
        assert_eq!((index.line_at(3).unwrap(), index.line_at(4).unwrap()), (1, 2));
        assert_eq!(index.line_at(12).unwrap(), 3);
        assert_eq!(index.times(1, 3).unwrap(), [(1, 1_000), (3, 2_000)]);
        assert_eq!(index.times(2, 2).unwrap(), [(2, 1_000)]);
        assert_eq!(index.times(0, 9).unwrap(), []);
    }

    #[test]
    fn a_log_goes_on_where_a_killed_process_left_it() {
        let (tmp, data, id) = data();
        data.append_log(id).unwrap().append(b"one\ntwo\n", 5).unwrap();
        let job = tmp.path().join("jobs/00000001");
        // The process died between the log and the index, in the middle of an entry.
        let mut file = File::options().append(true).open(job.join("log")).unwrap();
        file.write_all(b"three\nfo").unwrap();
        let mut index = File::options().append(true).open(job.join("log.idx")).unwrap();
        index.write_all(&[0xff; 31]).unwrap();
        let mut log = data.append_log(id).unwrap();
        assert_eq!(log.len(), (16, 4));
        log.append(b"ur\nfive\n", 9).unwrap();
        let index = data.open_log_index(id).unwrap().unwrap();
        assert_eq!(index.line(3).unwrap().unwrap().0, 8);
        assert_eq!(index.line(4).unwrap().unwrap().0, 14);
        assert_eq!(index.line(5).unwrap(), Some((19, 9)));
    }

    #[test]
    fn a_lost_index_is_made_again() {
        let (tmp, data, id) = data();
        let text: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        data.append_log(id).unwrap().append(&text, 7).unwrap();
        File::create(tmp.path().join("jobs/00000001/log.idx")).unwrap();
        assert_eq!(data.append_log(id).unwrap().len(), (text.len() as u64, 20_000));
        let index = data.open_log_index(id).unwrap().unwrap();
        let offset = index.line(15_001).unwrap().unwrap().0 as usize;
        assert!(text[offset..].starts_with(b"line 15000\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_index_agrees_with_the_text(
            pieces in proptest::collection::vec(
                (proptest::collection::vec(0usize..5_000, 0..60), any::<bool>(), 0i64..3), 0..12),
        ) {
            let (_tmp, data, id) = data();
            let mut log = data.append_log(id).unwrap();
            let (mut text, mut now) = (Vec::new(), 0);
            // (offset, ms) of each line
            let mut lines: Vec<(u64, i64)> = Vec::new();
            for (lengths, finish, step) in pieces {
                now += step;
                let mut piece = Vec::new();
                for length in lengths {
                    piece.extend(std::iter::repeat_n(b'x', length));
                    piece.push(b'\n');
                }
                if !finish { piece.pop(); }
                for (at, _) in piece.iter().enumerate() {
                    let whole = text.len() + at;
                    let before = if at > 0 { piece.get(at - 1) } else { text.last() };
                    if whole == 0 || before == Some(&b'\n') { lines.push((whole as u64, now)); }
                }
                log.append(&piece, now).unwrap();
                text.extend(piece);
            }
            prop_assert_eq!(log.len(), (text.len() as u64, lines.len() as u64));
            if let Some(index) = data.open_log_index(id).unwrap() {
                prop_assert_eq!(index.lines().unwrap(), lines.len() as u64);
                for (n, (offset, ms)) in lines.iter().enumerate().step_by(7) {
                    let number = n as u64 + 1;
                    prop_assert_eq!(index.line(number).unwrap(), Some((*offset, *ms)));
                    prop_assert_eq!(index.line_at(*offset).unwrap(), number);
                    // Each line has the time of the last change before it.
                    let times = index.times(number, number + 40).unwrap();
                    for (line, (_, ms)) in (number..=number + 40).zip(lines.iter().skip(n)) {
                        let told = times.iter().rev().find(|(from, _)| *from <= line);
                        prop_assert_eq!(told.map(|(_, ms)| ms), Some(ms), "line {}", line);
                    }
                    prop_assert!(times.is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
                }
            }
        }
    }
}
