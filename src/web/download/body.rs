//! The bytes of a file as a response body, without ever holding the file: 256 KiB at a time,
//! read on a thread that may wait for the disk, always one chunk ahead of the network. Chunks end
//! at multiples of their size, where the parts of a compressed log end too. Buffers go back to their download when they were sent, so a download of any size costs three of them.

use crate::app::LogFile;
use bytes::Bytes;
use futures_util::Stream;
use rustix::buffer::spare_capacity;
use std::{
    fs::File,
    future::Future as _,
    io,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::task::JoinHandle;

/// Bytes per chunk: large enough that the hand-over between threads costs a few per cent of the
/// copy, small enough that three of them are nothing.
pub const CHUNK: usize = 256 * 1024;

/// Buffers that were sent and wait to be filled again.
#[derive(Default)]
struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        used.unwrap_or_else(|| Vec::with_capacity(CHUNK))
    }

    fn put(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// A filled buffer; goes back to its pool when the network has let go of it.
struct Filled {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.bytes));
    }
}

/// Where bytes come from.
pub enum Reader {
    /// A file.
    File(File),
    /// A log, as it was printed.
    Log(Arc<LogFile>),
    /// A compressed log, as one gzip member.
    Gzip(Arc<LogFile>),
}

impl Reader {
    /// Appends bytes from `offset` to `buffer`, up to its capacity: how many.
    fn read(&self, buffer: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => Ok(rustix::io::pread(file, spare_capacity(buffer), offset)?),
            Self::Log(log) => append(buffer, |room| log.read_at(room, offset)),
            Self::Gzip(log) => append(buffer, |room| log.read_gzip_at(room, offset)),
        }
    }
}

fn append(
    buffer: &mut Vec<u8>,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let begun = buffer.len();
    buffer.resize(buffer.capacity(), 0);
    let count = read(buffer.get_mut(begun..).unwrap_or_default());
    buffer.truncate(begun + count.as_ref().copied().unwrap_or(0));
    count
}

/// The bytes of `range`. A file that turns out shorter ends the stream with an error, so that
/// the other side sees a broken transfer and not a short file.
pub struct FileBytes {
    file: Arc<Reader>,
    rest: Range<u64>,
    ahead: Option<JoinHandle<io::Result<Vec<u8>>>>,
    pool: Arc<Pool>,
}

impl FileBytes {
    /// Prepares to send `range` of `file`.
    pub fn new(file: Reader, range: Range<u64>) -> Self {
        use rustix::fs::{Advice, fadvise};
        let length = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        if let Reader::File(file) = &file {
            // Only a hint: a file system that does not take it reads just as well.
            let _ = fadvise(file, range.start, length, Advice::Sequential);
        }
        Self { file: Arc::new(file), rest: range, ahead: None, pool: Arc::default() }
    }

    fn start(&mut self) -> Option<JoinHandle<io::Result<Vec<u8>>>> {
        let left = self.rest.end.saturating_sub(self.rest.start);
        if left == 0 {
            return None;
        }
        let (file, offset, buffer) = (self.file.clone(), self.rest.start, self.pool.take());
        let border = CHUNK as u64 - offset % CHUNK as u64;
        let size = usize::try_from(left.min(border)).unwrap_or(CHUNK);
        self.rest.start += size as u64;
        Some(tokio::task::spawn_blocking(move || fill(&file, offset, size, buffer)))
    }
}

fn fill(file: &Reader, offset: u64, size: usize, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    while buffer.len() < size {
        let at = offset.saturating_add(buffer.len() as u64);
        match file.read(&mut buffer, at) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is cut")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Only at the end of a range in the middle of a file can it have read further.
    buffer.truncate(size);
    Ok(buffer)
}

impl Stream for FileBytes {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ahead.is_none() {
            this.ahead = this.start();
        }
        let Some(reading) = this.ahead.as_mut() else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        this.ahead = None;
        match read.map_err(io::Error::other).flatten() {
            Ok(bytes) => {
                this.ahead = this.start();
                let filled = Filled { bytes, pool: this.pool.clone() };
                Poll::Ready(Some(Ok(Bytes::from_owner(filled))))
            }
            Err(error) => {
                this.rest.start = this.rest.end;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use std::io::Write as _;

    fn file(bytes: &[u8]) -> Reader {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Reader::File(file)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    #[tokio::test]
    async fn any_range_arrives_exactly() {
        let all = pattern(3 * CHUNK + 17);
        for range in [0..all.len(), 5..CHUNK, CHUNK - 1..CHUNK + 1, 2 * CHUNK..all.len(), 7..7] {
            let wanted = range.start as u64..range.end as u64;
            let chunks: Vec<_> = FileBytes::new(file(&all), wanted).collect().await;
            let got: Vec<u8> = chunks.into_iter().flat_map(|c| c.unwrap().to_vec()).collect();
            assert!(got == all[range.clone()], "{range:?}");
        }
    }

    #[tokio::test]
    async fn buffers_are_used_again() {
        let mut bytes = FileBytes::new(file(&pattern(20 * CHUNK)), 0..20 * CHUNK as u64);
        let mut seen = std::collections::HashSet::new();
        while let Some(chunk) = bytes.next().await {
            seen.insert(chunk.unwrap().as_ptr());
        }
        assert!(seen.len() <= 3, "{} buffers", seen.len());
    }

    #[tokio::test]
    async fn a_file_that_was_cut_breaks_the_transfer() {
        let mut bytes = FileBytes::new(file(&pattern(CHUNK + 1)), 0..2 * CHUNK as u64);
        assert_eq!(bytes.next().await.unwrap().unwrap().len(), CHUNK);
        assert!(bytes.next().await.unwrap().is_err());
        assert!(bytes.next().await.is_none());
    }
}
