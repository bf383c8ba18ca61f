//! Where files lie. Everything is opened by directory handle below the data directory, never
//! following a link; nothing outside it is ever opened or deleted by name.
#![warn(missing_docs)]

mod layout;

pub use layout::Layout;

use crate::domain::JobId;
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// The data directory, opened once and held by its handle.
///
/// `jobs/<8 digits>/{definition, request.json, log, log.idx, artifacts/}`, `build/<id>/`,
/// `cache/<runner>/`, `plugins/`, `trash/`, `backup/`, `db/`, `format`.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The system said no.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried: "open", "create".
        what: &'static str,
        /// The path, relative to the data directory where it lies in it.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data directory is of a version this program does not know.
    #[error("{path} says format {found}, this program knows {known}: use a newer img")]
    Format {
        /// The `format` file.
        path: String,
        /// What it says.
        found: String,
        /// What this program writes.
        known: u32,
    },
    /// Something that must be a regular file or directory is not.
    #[error("{path} is {found}, not {wanted}: nothing was touched")]
    Kind {
        /// The path.
        path: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// Space on the data directory's file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// Free for this process.
    pub free: u64,
}

impl DataDir {
    /// Opens (or makes, mode 0700) the data directory and its sub-directories, checks `format`.
    ///
    /// # Errors
    /// When it cannot be made, is not writable, or is of a newer format.
    pub fn open(root: &Path) -> Result<Self, FilesError> {
        todo!("{root:?}")
    }

    /// The directory's path, for messages and for libraries that open by path (the store).
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes `jobs/<id>/` with the definition and `request.json`, all on disk when it returns.
    ///
    /// # Errors
    /// When a write fails; what was made is removed again.
    pub fn create_job(
        &self,
        id: JobId,
        definition: &[u8],
        request_json: &[u8],
    ) -> Result<(), FilesError> {
        todo!("{id} {definition:?} {request_json:?}")
    }

    /// Removes `jobs/<id>/` and everything in it, by handle. Not being there is success.
    ///
    /// # Errors
    /// The first entry that could not be removed; the others are gone.
    pub fn remove_job(&self, id: JobId) -> Result<(), FilesError> {
        todo!("{id}")
    }

    /// Jobs whose directory holds neither a log nor artifacts: they never began to build.
    ///
    /// # Errors
    /// When `jobs/` cannot be listed.
    pub fn fresh_jobs(&self) -> Result<Vec<JobId>, FilesError> {
        todo!()
    }

    /// The definition as it was handed in.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than `limit` bytes.
    pub fn read_definition(&self, id: JobId, limit: u64) -> Result<Vec<u8>, FilesError> {
        todo!("{id} {limit}")
    }

    /// The artifact `name` of job `id`, open for reading, with its size.
    ///
    /// # Errors
    /// When there is none, or it is no regular file.
    pub fn open_artifact(&self, id: JobId, name: &str) -> Result<(File, u64), FilesError> {
        todo!("{id} {name}")
    }

    /// The log of job `id`, open for reading. `None` if there is none yet.
    ///
    /// # Errors
    /// When it exists and cannot be opened.
    pub fn open_log(&self, id: JobId) -> Result<Option<File>, FilesError> {
        todo!("{id}")
    }

    /// A writer at the end of the log of job `id`, made if need be.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append_log(&self, id: JobId) -> Result<LogWriter, FilesError> {
        todo!("{id}")
    }

    /// Where each line of the log begins, and when it was printed.
    ///
    /// # Errors
    /// When the index exists and cannot be read.
    pub fn open_log_index(&self, id: JobId) -> Result<Option<LogIndex>, FilesError> {
        todo!("{id}")
    }

    /// Free and total bytes.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn space(&self) -> Result<Space, FilesError> {
        todo!()
    }
}

/// Appends to a log and keeps its line index. The file is the truth; nothing is buffered here
/// after [`append`](Self::append) returns.
#[derive(Debug)]
pub struct LogWriter;

impl LogWriter {
    /// Appends bytes read at `at_ms` (Unix milliseconds); a line may span calls.
    ///
    /// # Errors
    /// When the write fails; what was written before stays readable.
    pub fn append(&mut self, bytes: &[u8], at_ms: i64) -> Result<(), FilesError> {
        todo!("{bytes:?} {at_ms}")
    }

    /// Bytes and lines so far; an unfinished last line counts as a line.
    pub fn len(&self) -> (u64, u64) {
        todo!()
    }

    /// Everything to disk (fsync).
    ///
    /// # Errors
    /// When the system cannot.
    pub fn sync(&mut self) -> Result<(), FilesError> {
        todo!()
    }
}

/// The line index of a log: fixed-size entries, read by position.
#[derive(Debug)]
pub struct LogIndex;

impl LogIndex {
    /// Lines known.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn lines(&self) -> Result<u64, FilesError> {
        todo!()
    }

    /// Byte offset and Unix milliseconds of line `number` (from 1). `None` past the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn line(&self, number: u64) -> Result<Option<(u64, i64)>, FilesError> {
        todo!("{number}")
    }

    /// The number of the line that holds byte `offset`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn line_at(&self, offset: u64) -> Result<u64, FilesError> {
        todo!("{offset}")
    }
}
