//! A directory held by its handle. Every step below it goes through `openat2` with BENEATH,
//! NO_SYMLINKS and NO_MAGICLINKS, so that no link inside it leads anywhere.

use super::{FilesError, error::failed};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Write,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

/// A directory, open.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// For messages only.
    path: PathBuf,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Other,
}

impl EntryKind {
    /// In a sentence: "a directory".
    pub fn words(self) -> &'static str {
        match self {
            Self::File => "a regular file",
            Self::Dir => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Other => "neither file nor directory",
        }
    }

    pub(super) fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Dir,
            FileType::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

const SAFE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// How often a walk that raced with a rename is tried again before it counts as failed.
const TRIES: usize = 32;

pub(super) fn open_beneath(
    fd: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    more: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let open = || fs::openat2(fd, path, flags | OFlags::CLOEXEC, mode, SAFE | more);
    let mut result = open();
    for _ in 0..TRIES {
        match result {
            Err(Errno::AGAIN | Errno::INTR) => result = open(),
            Ok(_) | Err(_) => break,
        }
    }
    result
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens a directory by its full path: for the few the administrator names.
    ///
    /// # Errors
    /// When it is none, or cannot be opened.
    pub fn open_root(path: &Path) -> Result<Self, FilesError> {
        let fd =
            fs::open(path, DIR_FLAGS, Mode::empty()).map_err(failed("open", path.display()))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Where it was when it was opened; for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shown(&self, name: impl AsRef<Path>) -> String {
        self.path.join(name).display().to_string()
    }

    /// The directory at `path` below this one; no part of it may be a link.
    ///
    /// # Errors
    /// When it is not there or no directory.
    pub fn open_dir(&self, path: impl AsRef<Path>) -> Result<Self, FilesError> {
        let path = path.as_ref();
        let fd = open_beneath(self.as_fd(), path, DIR_FLAGS, Mode::empty(), ResolveFlags::empty())
            .map_err(failed("open", self.shown(path)))?;
        Ok(Self { fd, path: self.path.join(path) })
    }

    /// Makes directory `name`, which must not be there yet, and opens it.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub fn make_dir(&self, name: impl AsRef<Path>, mode: u32) -> Result<Self, FilesError> {
        let name = name.as_ref();
        fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode))
            .map_err(failed("create", self.shown(name)))?;
        self.open_dir(name)
    }

    /// Opens directory `name`, making it (mode 0700) if need be.
    ///
    /// # Errors
    /// When it is no directory, or cannot be made.
    pub fn ensure_dir(&self, name: impl AsRef<Path>) -> Result<Self, FilesError> {
        let name = name.as_ref();
        match fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.open_dir(name),
            Err(e) => Err(failed("create", self.shown(name))(e)),
        }
    }

    /// Makes the directories of `path`, one below the other, and opens the last.
    ///
    /// # Errors
    /// When a part is something else, leads upwards, or cannot be made.
    pub fn ensure_path(&self, path: &Path) -> Result<Self, FilesError> {
        let mut dir = self.open_dir(".")?;
        for part in path.components() {
            if part != std::path::Component::CurDir {
                dir = dir.ensure_dir(part.as_os_str())?;
            }
        }
        Ok(dir)
    }

    /// Makes file `name`, which must not be there yet.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub fn create_file(&self, name: impl AsRef<Path>, mode: u32) -> Result<File, FilesError> {
        let name = name.as_ref();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::from_raw_mode(mode);
        open_beneath(self.as_fd(), name, flags, mode, ResolveFlags::empty())
            .map(File::from)
            .map_err(failed("create", self.shown(name)))
    }

    /// Makes file `name` with these contents; not synced.
    ///
    /// # Errors
    /// When it is there, or a write fails.
    pub fn write_new(
        &self,
        name: impl AsRef<Path>,
        contents: &[u8],
        mode: u32,
    ) -> Result<File, FilesError> {
        let name = name.as_ref();
        let mut file = self.create_file(name, mode)?;
        file.write_all(contents).map_err(failed("write", self.shown(name)))?;
        Ok(file)
    }

    /// Opens the regular file at `path` for reading, with its size.
    ///
    /// # Errors
    /// When it is not there, or no regular file. Pipes and devices are not waited for.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<(File, u64), FilesError> {
        let path = path.as_ref();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match open_beneath(self.as_fd(), path, flags, Mode::empty(), ResolveFlags::empty())
        {
            Err(Errno::LOOP) => return Err(self.wrong_kind(path, EntryKind::Symlink)),
            other => other.map_err(failed("open", self.shown(path)))?,
        };
        let stat = fs::fstat(&fd).map_err(failed("look at", self.shown(path)))?;
        match EntryKind::of(&stat) {
            EntryKind::File => Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0))),
            other => Err(self.wrong_kind(path, other)),
        }
    }

    /// Opens the regular file `name` to make it shorter.
    pub(super) fn open_to_empty(&self, name: &str) -> Result<File, FilesError> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let name = Path::new(name);
        open_beneath(self.as_fd(), name, flags, Mode::empty(), ResolveFlags::empty())
            .map(File::from)
            .map_err(failed("open", self.shown(name)))
    }

    fn wrong_kind(&self, path: &Path, found: EntryKind) -> FilesError {
        let (found, wanted) = (found.words(), EntryKind::File.words());
        FilesError::Kind { path: self.shown(path), found, wanted }
    }

    /// The names in it, without `.` and `..`, in the system's order; at most `limit`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self, limit: usize) -> Result<Vec<OsString>, FilesError> {
        let mut names = Vec::new();
        self.each_name(|name| {
            names.push(name.to_owned());
            names.len() < limit
        })?;
        Ok(names)
    }

    /// Calls `look` with every name in it, without `.` and `..`, in the system's order, until it
    /// says false.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn each_name(&self, mut look: impl FnMut(&OsStr) -> bool) -> Result<(), FilesError> {
        let shown = || self.path.display().to_string();
        // A handle of its own: the position in the directory belongs to the handle.
        let fd = open_beneath(
            self.as_fd(),
            Path::new("."),
            DIR_FLAGS,
            Mode::empty(),
            ResolveFlags::empty(),
        )
        .map_err(failed("read", shown()))?;
        for entry in fs::Dir::new(fd).map_err(failed("read", shown()))? {
            let entry = entry.map_err(failed("read", shown()))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." && !look(OsStr::from_bytes(name)) {
                break;
            }
        }
        Ok(())
    }

    /// What entry `name` is, its size and its allocated bytes, without following it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn look(&self, name: &OsStr) -> Result<(EntryKind, u64, u64), FilesError> {
        let stat = fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("look at", self.shown(name)))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok((EntryKind::of(&stat), size, allocated(&stat)))
    }

    /// Moves entry `name` to `to` as `new_name`, which must not be there yet.
    ///
    /// # Errors
    /// When either is as it must not be, or they are on different file systems.
    pub fn rename(
        &self,
        name: impl AsRef<Path>,
        to: &Self,
        new_name: impl AsRef<Path>,
    ) -> Result<(), FilesError> {
        let name = name.as_ref();
        let flags = fs::RenameFlags::NOREPLACE;
        match fs::renameat_with(&self.fd, name, &to.fd, new_name.as_ref(), flags) {
            // A file system without NOREPLACE: the names used here are unique anyway.
            Err(Errno::INVAL) => fs::renameat(&self.fd, name, &to.fd, new_name.as_ref()),
            other => other,
        }
        .map_err(failed("move", self.shown(name)))
    }

    /// Removes file `name`. Not being there is success.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_file(&self, name: impl AsRef<Path>) -> Result<(), FilesError> {
        let name = name.as_ref();
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("remove", self.shown(name))(e)),
        }
    }

    /// Its entries to disk.
    ///
    /// # Errors
    /// When the system cannot.
    pub fn sync(&self) -> Result<(), FilesError> {
        fs::fsync(&self.fd).map_err(failed("sync", self.path.display()))
    }

    /// Gives it to this user, and to the group of the same number.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn give(&self, id: u32) -> Result<(), FilesError> {
        give(&self.fd, id, &self.path.to_string_lossy())
    }

    /// Sets its mode, whatever the umask is.
    ///
    /// # Errors
    /// When it belongs to somebody else.
    pub fn set_mode(&self, mode: u32) -> Result<(), FilesError> {
        fs::fchmod(&self.fd, Mode::from_raw_mode(mode))
            .map_err(failed("change the mode of", self.path.display()))
    }
}

/// Gives an open file to this user, and to the group of the same number; `path` is for the error.
///
/// # Errors
/// When that is not allowed.
pub fn give(what: impl AsFd, id: u32, path: &str) -> Result<(), FilesError> {
    let (uid, gid) = (fs::Uid::from_raw(id), fs::Gid::from_raw(id));
    fs::fchown(what, Some(uid), Some(gid)).map_err(failed("give away", path))
}

/// Allocated bytes of what `stat` describes.
pub(super) fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
}
