//! Logs that ended, compressed and still seekable: `log.gz` is a gzip file of many members, so
//! that `zcat` reads it, and each member can be read alone.

mod compress;
mod format;
mod read;
mod wire;

pub use compress::SMALL_LOG;
pub(super) use read::Frames;
