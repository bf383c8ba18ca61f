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
        // One entry at a time: a directory may hold a million.
        let _ = self.each_name(|name| {
            if *left == 0 || depth > DEEPEST {
                return false;
            }
            *left -= 1;
            if let Ok((kind, _, allocated)) = self.look(name) {
                bytes += allocated;
                if kind == EntryKind::Dir
                    && let Ok(dir) = self.open_dir(name)
                {
                    bytes += dir.count(left, depth + 1);
                }
            }
            true
        });
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

    /// As [`job_usage`](Self::job_usage), looking at no more than `limit` entries.
    pub fn job_usage_up_to(&self, id: crate::domain::JobId, limit: usize) -> u64 {
        self.job_dir(id).map_or(0, |dir| dir.usage(limit).0)
    }

    /// True if `jobs/<id>/` was last changed at least `age` ago. A clock that was set back makes
    /// everything young.
    pub fn is_settled(
        &self,
        id: crate::domain::JobId,
        now: crate::domain::Timestamp,
        age: std::time::Duration,
    ) -> bool {
        let name = id.dir_name();
        let stat = rustix::fs::statat(self.jobs(), name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        let changed = |s: rustix::fs::Stat| {
            crate::domain::Timestamp::from_millis(s.st_mtime.saturating_mul(1000))
        };
        stat.is_ok_and(|stat| now.since(changed(stat)) >= age)
    }

    /// Allocated bytes of `jobs/<id>/`; 0 when it is not there.
    pub fn job_usage(&self, id: crate::domain::JobId) -> u64 {
        self.job_dir(id).map_or(0, |dir| dir.usage(usize::MAX).0)
    }
}
