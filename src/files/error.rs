//! What can go wrong with a file, always with its path.

use std::io;

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
        source: io::Error,
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
    /// Another process uses the data directory.
    #[error(
        "another img uses {path}: stop it first (systemctl stop img), or give this one another data_dir"
    )]
    Locked {
        /// The data directory.
        path: String,
    },
    /// Another builder uses the data directory.
    #[error(
        "another builder works in {path}: stop it first (systemctl stop img-builder), or name its socket as builder.socket in the configuration of the server"
    )]
    Builds {
        /// The data directory.
        path: String,
    },
    /// A builder came before the first server.
    #[error("{path} is no data directory yet: start `img serve` once, which makes it")]
    NotYet {
        /// The data directory.
        path: String,
    },
    /// A file that has further names, where only one is safe.
    #[error("{path} has further names (hard links), so it cannot be handed to the service's user")]
    Links {
        /// The path.
        path: String,
    },
    /// A file is larger than its reader accepts.
    #[error("{path} has {size} bytes, more than the {limit} that are read: raise the limit")]
    TooLarge {
        /// The path.
        path: String,
        /// Its bytes.
        size: u64,
        /// What the reader accepts.
        limit: u64,
    },
    /// The kernel lacks a call that safe opening rests on, or a filter says that it does.
    #[error(
        "there is no openat2 here, so {path} cannot be used safely: use Linux 5.6 or newer, and no \
         RestrictSUIDSGID= in a systemd unit, which takes it away"
    )]
    Kernel {
        /// The data directory.
        path: String,
    },
}

impl FilesError {
    /// The system's reason, if that is what it is.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Format { .. }
            | Self::Kind { .. }
            | Self::Locked { .. }
            | Self::Builds { .. }
            | Self::NotYet { .. }
            | Self::Links { .. }
            | Self::TooLarge { .. }
            | Self::Kernel { .. } => None,
        }
    }

    /// True if the thing is not there.
    pub fn is_not_found(&self) -> bool {
        self.io().is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
    }

    /// True if the disk (or the quota) is full.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        self.io().is_some_and(|e| matches!(e.kind(), StorageFull | QuotaExceeded))
    }
}

/// Makes the error for `what` at `path`; for `map_err`.
pub(super) fn failed<E: Into<io::Error>>(
    what: &'static str,
    path: impl std::fmt::Display,
) -> impl FnOnce(E) -> FilesError {
    let path = path.to_string();
    move |source| FilesError::Io { what, path, source: source.into() }
}
