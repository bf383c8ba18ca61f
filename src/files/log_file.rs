//! A log, open for reading: plain while it grows, compressed afterwards; who reads it need not
//! know which. Offsets and lengths are those of the log as it was printed.

use super::{
    DataDir, Dir, FilesError, LogIndex,
    job_files::{LOG, LOG_GZ, absent},
    log_frames::Frames,
};
use crate::domain::JobId;
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    sync::Arc,
};

/// A log, open for reading. It stays readable when its job is deleted or its log is compressed
/// meanwhile. Of a compressed one it holds 256 KiB of text and 16 bytes for each 256 KiB.
#[derive(Debug)]
pub struct LogFile(Kind);

#[derive(Debug)]
enum Kind {
    Plain(File),
    Framed(Frames),
}

impl LogFile {
    pub(super) fn open(dir: &Dir) -> Result<Self, FilesError> {
        // The compressed one is there before the plain one goes, so one of them is found; while
        // both are there, the plain one counts.
        let plain = absent(dir.open_file(LOG))?;
        if let Some((file, _)) = plain {
            return Ok(Self(Kind::Plain(file)));
        }
        let (file, size) = dir.open_file(LOG_GZ)?;
        Ok(Self(Kind::Framed(Frames::open(file, size, dir.shown(LOG_GZ)))))
    }

    /// Bytes so far.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn len(&self) -> io::Result<u64> {
        match &self.0 {
            Kind::Plain(file) => Ok(file.metadata()?.len()),
            Kind::Framed(frames) => Ok(frames.len()),
        }
    }

    /// True if there is nothing in it.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Bytes from `offset`: at least one and perhaps fewer than asked for, 0 at the end.
    ///
    /// # Errors
    /// When the file cannot be read; `InvalidData` for a damaged part of a compressed log, of
    /// which other parts may still be readable.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            Kind::Plain(file) => file.read_at(buf, offset),
            Kind::Framed(frames) => frames.read_at(buf, offset),
        }
    }

    /// As many bytes from `offset` as there are room and log, or up to a damaged part.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at), when not one byte could be read.
    pub fn read_full_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(filled)
    }

    /// The file as it was printed, while it is not compressed.
    pub fn plain(&self) -> Option<&File> {
        match &self.0 {
            Kind::Plain(file) => Some(file),
            Kind::Framed(_) => None,
        }
    }

    /// What tells this file from every other that is open: device and inode.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        let about = match &self.0 {
            Kind::Plain(file) => file.metadata()?,
            Kind::Framed(frames) => frames.file().metadata()?,
        };
        Ok((about.dev(), about.ino()))
    }

    /// Bytes of the log as one gzip member; `None` if it is not compressed, or damaged.
    pub fn gzip_len(&self) -> Option<u64> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Framed(frames) => frames.wire_len(),
        }
    }

    /// Bytes from `offset` of the log as one gzip member: at least one and perhaps fewer than
    /// asked for, 0 at the end.
    ///
    /// # Errors
    /// When [`gzip_len`](Self::gzip_len) is `None`, or the file cannot be read.
    pub fn read_gzip_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            Kind::Plain(_) => Err(io::Error::other("the log is not compressed")),
            Kind::Framed(frames) => frames.wire_read_at(buf, offset),
        }
    }
}

impl From<File> for LogFile {
    /// A log that is a plain file.
    fn from(file: File) -> Self {
        Self(Kind::Plain(file))
    }
}

/// A log and its line index, which read the same open file.
#[derive(Debug, Default)]
pub struct IndexedLog {
    /// The log; `None` while nothing was printed.
    pub log: Option<Arc<LogFile>>,
    /// Its index, if there is one.
    pub index: Option<LogIndex>,
}

impl DataDir {
    /// The log of job `id`, open for reading. `None` if there is none yet.
    ///
    /// # Errors
    /// When it exists and cannot be opened.
    pub fn open_log(&self, id: JobId) -> Result<Option<LogFile>, FilesError> {
        absent(self.job_dir(id).and_then(|dir| LogFile::open(&dir)))
    }

    /// Where each line of the log begins, and when it was printed.
    ///
    /// # Errors
    /// When the index exists and cannot be read.
    pub fn open_log_index(&self, id: JobId) -> Result<Option<LogIndex>, FilesError> {
        Ok(self.open_log_indexed(id)?.index)
    }

    /// The log of job `id` with its index, as far as there are any.
    ///
    /// # Errors
    /// When one of them exists and cannot be opened.
    pub fn open_log_indexed(&self, id: JobId) -> Result<IndexedLog, FilesError> {
        let Some(dir) = absent(self.job_dir(id))? else { return Ok(IndexedLog::default()) };
        let Some(log) = absent(LogFile::open(&dir))?.map(Arc::new) else {
            return Ok(IndexedLog::default());
        };
        let index = absent(LogIndex::open(&dir, Arc::clone(&log)))?;
        Ok(IndexedLog { log: Some(log), index })
    }

    /// Allocated bytes of the log of job `id`, its index included; 0 if there is none.
    pub fn log_bytes_on_disk(&self, id: JobId) -> u64 {
        use super::job_files::{INDEX, LOG_NEW};
        let Ok(dir) = self.job_dir(id) else { return 0 };
        let bytes = |name| dir.look(OsStr::new(name)).map_or(0, |(_, _, allocated)| allocated);
        [LOG, LOG_GZ, LOG_NEW, INDEX].into_iter().map(bytes).sum()
    }
}
