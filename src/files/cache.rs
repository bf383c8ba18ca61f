//! Runner caches: `cache/<runner>/`, kept below a size, what was used longest ago goes first.

use super::{DataDir, Dir, EntryKind, Removed};
use rustix::fs::{AtFlags, statat};
use std::{ffi::OsStr, path::PathBuf};

/// Files that are looked at; beyond them nothing is deleted this time.
const LOOKED_AT: usize = 200_000;
/// How deep a cache is looked into.
const DEEPEST: usize = 32;

/// A file of a cache.
struct Found {
    /// Seconds since the epoch at which it was last read or written.
    used: i64,
    path: PathBuf,
}

impl DataDir {
    /// Allocated bytes of all caches.
    pub fn cache_usage(&self) -> u64 {
        self.cache().usage(LOOKED_AT).0
    }

    /// Removes files from the caches of all runners but `busy` (`cache/<runner>` and what is named
    /// `cache/<runner>.<more>`) until at most `budget` bytes are
    /// left, the one that was used longest ago first. Empty directories stay.
    pub fn trim_cache(&self, budget: u64, busy: &[String], breathe: &mut dyn FnMut()) -> Removed {
        let mut found: Vec<Found> = Vec::new();
        let mut done = Removed::default();
        for runner in self.cache().names(usize::MAX).unwrap_or_default() {
            let own = runner.to_str().and_then(|name| name.split('.').next()).unwrap_or_default();
            if busy.iter().any(|busy| busy == own) {
                continue;
            }
            if let Ok(dir) = self.cache().open_dir(&runner) {
                look(&dir, &PathBuf::from(&runner), 0, &mut found);
            }
        }
        let mut bytes = self.cache_usage();
        found.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        for file in found {
            if bytes <= budget {
                break;
            }
            breathe();
            let (Some(parent), Some(name)) = (file.path.parent(), file.path.file_name()) else {
                continue;
            };
            if let Ok(dir) = self.cache().open_dir(parent) {
                let removed = dir.remove_tree(name);
                bytes = bytes.saturating_sub(removed.bytes);
                done.add(removed);
            }
        }
        done
    }
}

fn look(dir: &Dir, path: &std::path::Path, depth: usize, found: &mut Vec<Found>) {
    let _ = dir.each_name(|name| {
        if found.len() >= LOOKED_AT || depth > DEEPEST {
            return false;
        }
        let Ok((kind, _, _)) = dir.look(name) else { return true };
        match kind {
            EntryKind::Dir => {
                if let Ok(inner) = dir.open_dir(name) {
                    look(&inner, &path.join(name), depth + 1, found);
                }
            }
            _ => found.extend(file(dir, name, path)),
        }
        true
    });
}

fn file(dir: &Dir, name: &OsStr, path: &std::path::Path) -> Option<Found> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let used = stat.st_atime.max(stat.st_mtime);
    Some(Found { used, path: path.join(name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Timespec, Timestamps, utimensat};

    fn put(data: &DataDir, runner: &str, name: &str, used: i64) {
        let dir = data.cache().ensure_dir(runner).unwrap();
        dir.write_new(name, &[7; 4096], 0o600).unwrap();
        let at = Timespec { tv_sec: used, tv_nsec: 0 };
        let times = Timestamps { last_access: at, last_modification: at };
        utimensat(&dir, name, &times, AtFlags::empty()).unwrap();
    }

    #[test]
    fn what_was_used_longest_ago_goes_and_a_building_runner_keeps_its_cache() {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        put(&data, "mic", "old.rpm", 1_000);
        put(&data, "mic", "new.rpm", 3_000);
        put(&data, "mmdebstrap", "a.deb", 10);
        put(&data, "genimage", "b", 2_000);
        let budget = data.cache_usage() - 4096;
        let removed = data.trim_cache(budget, &["mmdebstrap".into()], &mut || {});
        assert_eq!(removed.entries, 1);
        let names = |runner: &str| data.cache().open_dir(runner).unwrap().names(9).unwrap();
        assert_eq!(names("mic"), ["new.rpm"]);
        assert_eq!(names("mmdebstrap"), ["a.deb"]);
        assert_eq!(data.trim_cache(u64::MAX, &[], &mut || {}).entries, 0);
    }
}
