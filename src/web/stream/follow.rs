//! Reading a log from a byte offset while it grows: the one reader behind the live page, the raw
//! log and the API. It waits on the log's progress, reads with `pread`, and never holds more than
//! one chunk.
//!
//! A chunk that is in the page cache (the normal case: it was written a moment ago) is read on
//! the calling thread with `RWF_NOWAIT`, which costs microseconds and cannot block; one that is
//! not is read on a thread that may wait for the disk. That keeps the way from a printed line to
//! its watcher free of thread hand-overs. A compressed log is always read on such a thread. One
//! that is compressed while it is followed stays open as the plain file it was.

use crate::app::{LogFile, LogState};
use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use std::{
    fs::File,
    io::{self, IoSliceMut},
    sync::Arc,
};
use tokio::sync::watch;

/// Most bytes of a log that one watcher holds.
pub const CHUNK: usize = 64 * 1024;

/// Opens the log again; `None` while there is none.
pub type Reopen = Box<dyn FnMut() -> io::Result<Option<Arc<LogFile>>> + Send>;

/// A log that is followed.
pub struct Follow {
    file: Option<Arc<LogFile>>,
    reopen: Reopen,
    progress: watch::Receiver<LogState>,
}

impl Follow {
    /// Follows the log whose growth `progress` tells; `reopen` is asked while there is no file.
    pub fn new(
        file: Option<Arc<LogFile>>,
        progress: watch::Receiver<LogState>,
        reopen: Reopen,
    ) -> Self {
        Self { file, reopen, progress }
    }

    /// How far the log is now.
    ///
    /// # Errors
    /// When the file cannot be opened or asked.
    pub fn state(&mut self) -> io::Result<LogState> {
        let state = *self.progress.borrow_and_update();
        let ended = state.ended || self.progress.has_changed().is_err();
        if !ended {
            return Ok(state);
        }
        // Nobody appends any more: now the file itself is the truth, whatever was told before.
        let len = match self.file()? {
            Some(file) => file.len()?,
            None => 0,
        };
        Ok(LogState { len, ended, ..state })
    }

    /// The file, if something was printed already.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(&mut self) -> io::Result<Option<Arc<LogFile>>> {
        if self.file.is_none() {
            self.file = (self.reopen)()?;
        }
        Ok(self.file.clone())
    }

    /// Waits until there are bytes after `seen` or nothing will be appended any more. Giving up
    /// waiting loses nothing.
    ///
    /// # Errors
    /// When the file cannot be opened or asked.
    pub async fn wait_past(&mut self, seen: u64) -> io::Result<LogState> {
        loop {
            let state = self.state()?;
            if state.ended || state.len > seen {
                return Ok(state);
            }
            // An error means that nobody can tell of growth any more; `state` sees that too.
            let _ = self.progress.changed().await;
        }
    }

    /// At most [`CHUNK`] bytes from `offset`, which must be below a length that was told. Empty
    /// only when the log is shorter than that; fewer in front of a damaged part.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read(&mut self, offset: u64, len: u64) -> io::Result<Bytes> {
        let Some(file) = self.file()? else { return Ok(Bytes::new()) };
        let size = len.saturating_sub(offset).min(CHUNK as u64);
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(CHUNK)];
        match file.plain().map(|file| read_cached(file, &mut buffer, offset)) {
            Some(Ok(read)) if read == buffer.len() => Ok(buffer.into()),
            // Compressed, or part of it is not in memory, or this file system cannot tell.
            _ => tokio::task::spawn_blocking(move || read_waiting(&file, buffer, offset))
                .await
                .map_err(io::Error::other)?,
        }
    }

    /// The next bytes after `offset`; `None` at the end of the log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn next(&mut self, offset: u64) -> io::Result<Option<Bytes>> {
        let state = self.wait_past(offset).await?;
        if state.len <= offset {
            return Ok(None);
        }
        let bytes = self.read(offset, state.len).await?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT)
}

fn read_waiting(file: &LogFile, mut buffer: Vec<u8>, offset: u64) -> io::Result<Bytes> {
    let filled = file.read_full_at(&mut buffer, offset)?;
    buffer.truncate(filled);
    Ok(buffer.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{io::Write as _, path::PathBuf};

    /// A log that grows when the test says so.
    pub(in crate::web::stream) struct Growing {
        dir: tempfile::TempDir,
        progress: watch::Sender<LogState>,
    }

    impl Growing {
        pub(in crate::web::stream) fn new() -> Self {
            let progress = watch::channel(LogState::default()).0;
            Self { dir: tempfile::tempdir().unwrap(), progress }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("log")
        }

        pub(in crate::web::stream) fn append(&self, bytes: &[u8]) {
            let mut file = File::options().create(true).append(true).open(self.path()).unwrap();
            file.write_all(bytes).unwrap();
            let lines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
            self.progress.send_modify(|state| {
                state.len += bytes.len() as u64;
                state.lines += lines;
            });
        }

        pub(in crate::web::stream) fn end(&self) {
            self.progress.send_modify(|state| state.ended = true);
        }

        pub(in crate::web::stream) fn follow(&self) -> Follow {
            let path = self.path();
            let reopen = move || match File::open(&path) {
                Ok(file) => Ok(Some(Arc::new(file.into()))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(e),
            };
            Follow::new(None, self.progress.subscribe(), Box::new(reopen))
        }
    }

    async fn rest(follow: &mut Follow, mut offset: u64) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = follow.next(offset).await.unwrap() {
            assert!(bytes.len() <= CHUNK);
            offset += bytes.len() as u64;
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[tokio::test]
    async fn what_is_appended_later_arrives_and_the_end_ends_it() {
        let log = Growing::new();
        let mut follow = log.follow();
        let (first, ()) = tokio::join!(follow.next(0), async { log.append(b"one\n") });
        assert_eq!(first.unwrap().unwrap(), "one\n");
        let (second, ()) = tokio::join!(follow.next(4), async { log.append(b"tw") });
        assert_eq!(second.unwrap().unwrap(), "tw");
        let (end, ()) = tokio::join!(follow.next(6), async { log.end() });
        assert!(end.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_log_that_ended_is_read_to_the_file_s_end_whatever_was_told() {
        let log = Growing::new();
        log.append(&vec![b'x'; CHUNK + 5]);
        log.progress.send_replace(LogState { len: 0, lines: 0, ended: true });
        assert_eq!(rest(&mut log.follow(), 0).await.len(), CHUNK + 5);
        assert_eq!(rest(&mut log.follow(), 1 << 40).await, b"");
    }

    #[tokio::test]
    async fn a_log_nobody_ever_wrote_ends_when_its_job_does() {
        let log = Growing::new();
        log.end();
        assert!(log.follow().next(0).await.unwrap().is_none());
        let gone = Growing::new();
        let mut follow = gone.follow();
        drop(gone);
        assert!(follow.next(0).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_log_that_is_compressed_while_it_is_followed_loses_nothing() {
        use crate::{domain::JobId, files::DataDir};
        let tmp = tempfile::tempdir().unwrap();
        let (data, id) = (DataDir::open(tmp.path()).unwrap(), JobId::FIRST);
        data.create_job(id, b"", b"{}").unwrap();
        let text: Vec<u8> = (0..60_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let mut log = data.append_log(id).unwrap();
        log.append(&text[..200_000], 1).unwrap();
        let told = LogState { len: 200_000, ..LogState::default() };
        let progress = watch::channel(told).0;
        let data = Arc::new(data);
        let follow = || {
            let data = Arc::clone(&data);
            let reopen = move || Ok(data.open_log(id).map_err(io::Error::other)?.map(Arc::new));
            Follow::new(None, progress.subscribe(), Box::new(reopen))
        };
        let (mut reading, mut late) = (follow(), follow());
        let first = reading.next(0).await.unwrap().unwrap();
        assert!(first == text[..first.len()]);
        log.append(&text[200_000..], 2).unwrap();
        drop(log);
        assert!(data.compress_log(id, &|| true).unwrap().is_some());
        progress.send_modify(|state| state.ended = true);
        assert!(rest(&mut reading, first.len() as u64).await == text[first.len()..]);
        assert!(reading.file().unwrap().unwrap().plain().is_some());
        for from in [0, 1, 70_000, text.len() as u64 - 1, text.len() as u64 + 5] {
            let wanted = text.get(from as usize..).unwrap_or_default();
            assert!(rest(&mut late, from).await == wanted, "from {from}");
        }
        assert!(late.file().unwrap().unwrap().plain().is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_the_pieces_the_rest_from_any_offset_is_exact(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 1..12),
            from in any::<prop::sample::Index>(),
        ) {
            let whole: Vec<u8> = pieces.concat();
            let from = from.index(whole.len() + 1);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let got = runtime.block_on(async {
                let log = Growing::new();
                let mut follow = log.follow();
                let write = async {
                    for piece in &pieces {
                        log.append(piece);
                        tokio::task::yield_now().await;
                    }
                    log.end();
                };
                tokio::join!(rest(&mut follow, from as u64), write).0
            });
            prop_assert_eq!(got, &whole[from..]);
        }
    }
}
