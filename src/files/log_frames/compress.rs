//! Making `log.gz` out of `log`.
//!
//! A kill at any point leaves a log that can be read: the plain one goes only when the compressed
//! one is on disk and was read back, and while both are there the plain one counts.

use super::{
    format::{Directory, HEADER, Header, LAST_BLOCK, MEMBER, text_len, trailer},
    read::Frames,
};
use crate::{
    domain::JobId,
    files::{
        DataDir, Dir, FilesError,
        error::failed,
        job_files::{LOG, LOG_GZ, LOG_NEW, MODE, absent},
    },
};
use flate2::{Compress, Compression, FlushCompress, Status};
use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

/// A log with fewer bytes stays as it is: it would save a few blocks at most.
pub const SMALL_LOG: u64 = 16 << 10;

impl DataDir {
    /// Compresses the log of job `id`, to which nobody appends any more: bytes before and after.
    /// `None` if there is nothing to do, or `go_on` said no on the way; then all is as before.
    ///
    /// # Errors
    /// When the compressed log cannot be written or does not read back; the plain one stays.
    pub fn compress_log(
        &self,
        id: JobId,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<(u64, u64)>, FilesError> {
        let found = self.job_dir(id).and_then(|dir| Ok((dir.open_file(LOG)?, dir)));
        let Some(((log, size), dir)) = absent(found)? else { return Ok(None) };
        // A job that is deleted meanwhile takes the new file with it.
        Ok(absent(compress(&dir, &log, size, go_on))?.flatten())
    }
}

fn compress(
    dir: &Dir,
    log: &File,
    size: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<(u64, u64)>, FilesError> {
    // What an earlier run did not finish.
    dir.remove_file(LOG_NEW)?;
    if size < SMALL_LOG {
        return Ok(None);
    }
    let made = match write(dir, log, size, go_on) {
        Ok(made) => made,
        Err(error) => {
            // The first error matters; what is left is removed at the next try.
            let _ = dir.remove_file(LOG_NEW);
            let interrupted = |e: &io::Error| e.kind() == io::ErrorKind::Interrupted;
            return if error.io().is_some_and(interrupted) { Ok(None) } else { Err(error) };
        }
    };
    // The plain one is still there and counts.
    dir.remove_file(LOG_GZ)?;
    dir.rename(LOG_NEW, dir, LOG_GZ)?;
    dir.sync()?;
    dir.remove_file(LOG)?;
    Ok(Some((size, made)))
}

/// Writes the new file, syncs it and reads it back: its bytes.
fn write(dir: &Dir, log: &File, size: u64, go_on: &dyn Fn() -> bool) -> Result<u64, FilesError> {
    let path = || dir.shown(LOG_NEW);
    let mut out = dir.create_file(LOG_NEW, MODE)?;
    let directory = pack(log, size, &mut out, go_on).map_err(failed("write", path()))?;
    out.sync_all().map_err(failed("sync", path()))?;
    let (back, made) = dir.open_file(LOG_NEW)?;
    let frames = Frames::open(back, made, path());
    let crc = frames.check(go_on).map_err(failed("read back", path()))?;
    let now = log.metadata().map_err(failed("look at", dir.shown(LOG)))?.len();
    let same = frames.len() == size && crc == directory.crc && now == size;
    same.then_some(made).ok_or_else(|| {
        let why = io::Error::other("it does not read back as the log, or the log has grown");
        failed("compress", dir.shown(LOG))(why)
    })
}

fn pack(log: &File, total: u64, out: &mut File, go_on: &dyn Fn() -> bool) -> io::Result<Directory> {
    let mut directory = Directory { total, ..Directory::default() };
    let mut whole = crc32fast::Hasher::new();
    let mut deflate = Compress::new(Compression::default(), false);
    let (mut text, mut packed) = (Vec::new(), Vec::new());
    for offset in (0..total).step_by(MEMBER as usize) {
        if !go_on() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        text.resize(text_len(offset, total), 0);
        log.read_exact_at(&mut text, offset)?;
        whole.update(&text);
        squeeze(&mut deflate, &text, &mut packed)?;
        let crc = trailer(crc32fast::hash(&text), text.len() as u64);
        let size = HEADER + packed.len() + LAST_BLOCK.len() + crc.len();
        let size = u32::try_from(size).map_err(io::Error::other)?;
        let header = Header { size, offset, total }.encode();
        for part in [header.as_slice(), &packed, &LAST_BLOCK, &crc] {
            out.write_all(part)?;
        }
        directory.sizes.push(size);
    }
    directory.crc = whole.finalize();
    out.write_all(&directory.encode().unwrap_or_default())?;
    Ok(directory)
}

/// Compresses `text` for itself, up to a full flush.
fn squeeze(deflate: &mut Compress, text: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
    deflate.reset();
    packed.clear();
    // What cannot be compressed grows by a few bytes per block.
    packed.reserve(text.len() + text.len() / 16 + 1024);
    let status = deflate.compress_vec(text, packed, FlushCompress::Full)?;
    let done = status == Status::Ok
        && deflate.total_in() == text.len() as u64
        && packed.ends_with(&[0, 0, 0xff, 0xff]);
    done.then_some(()).ok_or_else(|| io::Error::other("the compressor did not finish"))
}

#[cfg(test)]
mod tests;
