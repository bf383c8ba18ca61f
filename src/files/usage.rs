//! How many bytes a tree or the file system holds.

use super::{DataDir, Dir, EntryKind, FilesError, error::failed};

/// Space on the data directory's file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// Free for this process.
    pub free: u64,
}

/// How deep a tree is looked into; what lies deeper is not counted.
const DEEPEST: usize = 128;

impl Dir {
    /// Free and total bytes of the file system it lies on.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn space(&self) -> Result<Space, FilesError> {
        let found = rustix::fs::fstatvfs(self).map_err(failed("ask", self.path().display()))?;
        Ok(Space {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }

    /// Allocated bytes of everything below it, looking at no more than `limit` entries; the flag
    /// says whether that was all. What cannot be read counts as nothing.
    pub fn usage(&self, limit: usize) -> (u64, bool) {
        let mut left = limit;
        let bytes = self.count(&mut left, 0);
        (bytes, left > 0)
    }

    fn count(&self, left: &mut usize, depth: usize) -> u64 {
        let mut bytes = 0;
        for name in self.names(*left).unwrap_or_default() {
            if *left == 0 || depth > DEEPEST {
                break;
            }
            *left -= 1;
            let Ok((kind, _, allocated)) = self.look(&name) else { continue };
            bytes += allocated;
            if kind == EntryKind::Dir
                && let Ok(dir) = self.open_dir(&name)
            {
                bytes += dir.count(left, depth + 1);
            }
        }
        bytes
    }
}

impl DataDir {
    /// Free and total bytes.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn space(&self) -> Result<Space, FilesError> {
        self.dir().space()
    }

    /// Allocated bytes of `jobs/<id>/`; 0 when it is not there.
    pub fn job_usage(&self, id: crate::domain::JobId) -> u64 {
        self.job_dir(id).map_or(0, |dir| dir.usage(usize::MAX).0)
    }
}
