//! Removing a tree by handle. No path is ever walked: each directory is opened from its parent's
//! handle, never through a link, never across a mount, and each entry is unlinked from the handle
//! it was read from. However deep the tree, few handles are open: what lies deeper than
//! [`DEEPEST`] is first moved up beside the tree.

use super::{
    Dir, FilesError,
    dir::{allocated, open_beneath},
    error::failed,
};
use rustix::{
    fs::{self, AtFlags, Mode, OFlags, RawDir, ResolveFlags, SeekFrom},
    io::Errno,
};
use std::{
    collections::HashSet,
    ffi::{CStr, CString, OsStr},
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Directories open at once.
const DEEPEST: usize = 32;
/// Errors kept; the others are only counted.
const ERRORS: usize = 16;
/// Bytes of directory entries read at once.
const BATCH: usize = 32 << 10;

/// What a removal did.
#[derive(Debug, Default)]
pub struct Removed {
    /// Entries gone.
    pub entries: u64,
    /// Allocated bytes freed.
    pub bytes: u64,
    /// Entries that are still there.
    pub failed: u64,
    /// The first reasons, with paths.
    pub errors: Vec<FilesError>,
}

impl Removed {
    /// The first error, or what was freed.
    ///
    /// # Errors
    /// The first entry that could not be removed.
    pub fn into_result(mut self) -> Result<Self, FilesError> {
        if self.errors.is_empty() { Ok(self) } else { Err(self.errors.swap_remove(0)) }
    }

    fn fail(&mut self, what: &'static str, path: &Path, error: impl Into<io::Error>) {
        self.failed += 1;
        if self.errors.len() < ERRORS {
            self.errors.push(failed(what, path.display())(error));
        }
    }

    fn gone(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.failed += other.failed;
        self.errors.extend(other.errors);
        self.errors.truncate(ERRORS);
    }
}

/// One open directory on the way down.
struct Level {
    fd: OwnedFd,
    /// Its name in the level above.
    name: CString,
    /// Directories of the last batch that wait for their turn.
    dirs: Vec<CString>,
    /// Entries that failed, so that a second pass does not try them again.
    stuck: HashSet<CString>,
    /// Whether this pass removed anything.
    moved: bool,
}

impl Dir {
    /// Removes entry `name` and everything in it. Errors are collected; what can go goes.
    /// Not being there is success.
    pub fn remove_tree(&self, name: impl AsRef<OsStr>) -> Removed {
        self.remove_tree_paced(name, &mut || {})
    }

    /// As [`remove_tree`](Self::remove_tree); `breathe` is called now and then, so that whoever
    /// removes a lot can leave the disk to others for a moment.
    pub fn remove_tree_paced(&self, name: impl AsRef<OsStr>, breathe: &mut dyn FnMut()) -> Removed {
        let mut walk = Walk { base: self, done: Removed::default(), deep: Vec::new(), breathe };
        match CString::new(name.as_ref().as_bytes()) {
            Ok(name) => walk.run(name),
            Err(e) => walk.done.fail("remove", self.path(), e),
        }
        walk.done
    }
}

struct Walk<'a> {
    base: &'a Dir,
    done: Removed,
    /// Names in `base` of directories that were moved up.
    deep: Vec<CString>,
    breathe: &'a mut dyn FnMut(),
}

impl Walk<'_> {
    fn run(&mut self, name: CString) {
        self.tree(name);
        while let Some(name) = self.deep.pop() {
            self.tree(name);
        }
    }

    fn shown(&self, levels: &[Level], name: &CStr) -> PathBuf {
        let part = |name: &CStr| OsStr::from_bytes(name.to_bytes()).to_owned();
        let mut path = self.base.path().to_owned();
        path.extend(levels.iter().map(|level| part(&level.name)));
        path.join(part(name))
    }

    /// Removes one entry of the base, whatever it is.
    fn tree(&mut self, name: CString) {
        let mut levels: Vec<Level> = Vec::new();
        if !self.unlink(&mut levels, &name) {
            self.enter(&mut levels, name);
        }
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.dirs.pop() {
                self.descend(&mut levels, name);
                continue;
            }
            match self.read_batch(&mut levels) {
                Ok(true) => (self.breathe)(),
                Ok(false) => self.leave(&mut levels),
                Err(e) => {
                    let path = self.shown(&levels, c"");
                    self.done.fail("read", &path, e);
                    self.leave(&mut levels);
                }
            }
        }
    }

    /// Goes into directory `name` of the last level, or moves it up when that is too deep.
    fn descend(&mut self, levels: &mut Vec<Level>, name: CString) {
        if levels.len() < DEEPEST {
            return self.enter(levels, name);
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let attic = format!(".deep-{}-{number}", std::process::id());
        let Some(level) = levels.last_mut() else { return };
        match fs::renameat(&level.fd, &name, self.base, attic.as_str()) {
            Ok(()) => {
                level.moved = true;
                self.deep.extend(CString::new(attic));
            }
            Err(Errno::NOENT) => level.moved = true,
            Err(e) => self.stuck(levels, name, "move", e),
        }
    }

    fn enter(&mut self, levels: &mut Vec<Level>, name: CString) {
        match self.open(levels, &name) {
            Ok(fd) => levels.push(Level {
                fd,
                name,
                dirs: Vec::new(),
                stuck: HashSet::new(),
                moved: false,
            }),
            Err(Errno::NOENT) => mark_moved(levels),
            // It became something else since it was read.
            Err(Errno::LOOP | Errno::NOTDIR) => {
                if !self.unlink(levels, &name) {
                    self.stuck(levels, name, "remove", Errno::NOTDIR);
                }
            }
            Err(Errno::XDEV) => {
                let why = io::Error::other("something is mounted there; unmount it first");
                self.stuck(levels, name, "remove", why);
            }
            Err(e) => self.stuck(levels, name, "open", e),
        }
    }

    fn open(&self, levels: &[Level], name: &CStr) -> Result<OwnedFd, Errno> {
        let parent = levels.last().map_or(self.base.as_fd(), |level| level.fd.as_fd());
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let open = |flags| open_beneath(parent, path, flags, Mode::empty(), ResolveFlags::NO_XDEV);
        let fd = match open(flags) {
            // A tool took its own rights away; they are ours to give back.
            Err(Errno::ACCESS) => {
                unlock(&open(OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)?)?;
                open(flags)?
            }
            other => other?,
        };
        Ok(fd)
    }

    /// Unlinks what is no directory. False if it is one.
    fn unlink(&mut self, levels: &mut [Level], name: &CStr) -> bool {
        let parent = levels.last().map_or(self.base.as_fd(), |level| level.fd.as_fd());
        let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_dir = |s: &fs::Stat| fs::FileType::from_raw_mode(s.st_mode).is_dir();
        if stat.as_ref().is_ok_and(is_dir) {
            return false;
        }
        let bytes = stat.map_or(0, |s| if s.st_nlink == 1 { allocated(&s) } else { 0 });
        let mut result = fs::unlinkat(parent, name, AtFlags::empty());
        if result == Err(Errno::ACCESS) && levels.last().is_some_and(|l| unlock(&l.fd).is_ok()) {
            let parent = levels.last().map_or(self.base.as_fd(), |level| level.fd.as_fd());
            result = fs::unlinkat(parent, name, AtFlags::empty());
        }
        match result {
            Ok(()) => {
                mark_moved(levels);
                self.done.gone(bytes);
            }
            Err(Errno::NOENT) => mark_moved(levels),
            Err(Errno::ISDIR) => return false,
            Err(e) => self.stuck(levels, name.to_owned(), "remove", e),
        }
        true
    }

    /// Reads some entries of the last level, unlinks files, notes directories. False at the end.
    fn read_batch(&mut self, levels: &mut [Level]) -> Result<bool, Errno> {
        let Some(level) = levels.last_mut() else { return Ok(false) };
        let mut files = Vec::new();
        let mut buffer = Vec::with_capacity(BATCH);
        let spare: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
        let mut entries = RawDir::new(&level.fd, spare);
        let mut any = false;
        while let Some(entry) = entries.next() {
            any = true;
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." && !level.stuck.contains(name) {
                let dir = entry.file_type() == fs::FileType::Directory;
                if dir { &mut level.dirs } else { &mut files }.push(name.to_owned());
            }
            if entries.is_buffer_empty() {
                break;
            }
        }
        for name in files {
            if !self.unlink(levels, &name)
                && let Some(level) = levels.last_mut()
            {
                level.dirs.push(name);
            }
        }
        Ok(any)
    }

    /// The last level is read to its end: removes it, or reads it again if that may help.
    fn leave(&mut self, levels: &mut Vec<Level>) {
        let Some(level) = levels.pop() else { return };
        let parent = levels.last().map_or(self.base.as_fd(), |level| level.fd.as_fd());
        let bytes = fs::fstat(&level.fd).map_or(0, |s| allocated(&s));
        match fs::unlinkat(parent, &level.name, AtFlags::REMOVEDIR) {
            Ok(()) => {
                mark_moved(levels);
                self.done.gone(bytes);
            }
            Err(Errno::NOENT) => mark_moved(levels),
            // Entries can be missed by a reader while others go: as long as a pass got
            // somewhere, there is another one.
            Err(Errno::NOTEMPTY | Errno::EXIST) if level.moved => {
                let again = Level { moved: false, ..level };
                if fs::seek(&again.fd, SeekFrom::Start(0)).is_ok() {
                    levels.push(again);
                }
            }
            // Its own entries have been reported.
            Err(Errno::NOTEMPTY | Errno::EXIST) if !level.stuck.is_empty() => {
                self.done.failed += 1;
                note_stuck(levels, level.name);
            }
            Err(e) => self.stuck(levels, level.name, "remove", e),
        }
    }

    fn stuck(
        &mut self,
        levels: &mut [Level],
        name: CString,
        what: &'static str,
        error: impl Into<io::Error>,
    ) {
        let path = self.shown(levels, &name);
        self.done.fail(what, &path, error);
        note_stuck(levels, name);
    }
}

fn note_stuck(levels: &mut [Level], name: CString) {
    if let Some(level) = levels.last_mut() {
        level.stuck.insert(name);
    }
}

fn mark_moved(levels: &mut [Level]) {
    if let Some(level) = levels.last_mut() {
        level.moved = true;
    }
}

/// Gives the owner all rights on an open directory, through its handle.
fn unlock(fd: &OwnedFd) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    // A handle opened with PATH takes no fchmod; its entry in /proc is bound to the handle.
    fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), Mode::RWXU)
}

#[cfg(test)]
mod tests;
