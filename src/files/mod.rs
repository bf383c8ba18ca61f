//! Where files lie. Everything is opened by directory handle below the data directory, never
//! following a link; nothing outside it is ever opened or deleted by name.
#![warn(missing_docs)]

mod ballast;
mod cache;
mod crew;
mod data_dir;
mod dir;
mod error;
mod job_files;
mod layout;
mod log;
mod log_file;
mod log_frames;
mod log_index;
mod loops;
mod mounts;
mod remove;
mod sync;
mod usage;
mod way_out;

pub use crew::Crew;
pub use data_dir::{BuildsLock, DataDir};
pub use dir::{Dir, EntryKind, give};
pub use error::FilesError;
pub use layout::Layout;
pub use log::LogWriter;
pub use log_file::{IndexedLog, LogFile};
pub use log_frames::SMALL_LOG;
pub use log_index::LogIndex;
pub use mounts::{Freed, free_below};
pub use remove::Removed;
pub use sync::sync_together;
pub use usage::Space;
pub use way_out::{NOT_FREED, still_running, still_there};
