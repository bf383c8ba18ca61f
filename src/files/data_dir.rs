//! The data directory as a whole: opened once, locked, of a known format.

use super::{Dir, FilesError, Removed, error::failed};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, ResolveFlags, flock, mkdir},
    io::Errno,
};
use std::{
    fs::File,
    io::Read,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// The version of the data directory this program writes.
const FORMAT: u32 = 1;
/// Sub-directories made at the first start. `db` is the store's.
const PARTS: [&str; 7] = ["jobs", "build", "cache", "plugins", "trash", "backup", "db"];

/// The data directory, opened once and held by its handle.
///
/// `jobs/<8 digits>/{definition, request.json, log, log.idx, artifacts/}`, `build/<id>/`,
/// `cache/<runner>/`, `plugins/`, `trash/`, `backup/`, `db/`, `ballast`, `format`, `lock`.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    dir: Dir,
    jobs: Dir,
    build: Dir,
    cache: Dir,
    trash: Dir,
    /// Held for the lock on it.
    _lock: File,
}

impl DataDir {
    /// Opens (or makes, mode 0700) the data directory and its sub-directories, checks `format`,
    /// and locks it against a second process.
    ///
    /// # Errors
    /// When it cannot be made, is not writable, is of a newer format, or in use.
    pub fn open(root: &Path) -> Result<Self, FilesError> {
        make_root(root)?;
        // An absolute path: the builder's processes start elsewhere.
        let root = root.canonicalize().map_err(failed("open", root.display()))?;
        let dir = Dir::open_root(&root)?;
        check_kernel(&dir)?;
        let lock = lock(&dir)?;
        check_format(&dir)?;
        for part in PARTS {
            dir.ensure_dir(part)?;
        }
        let part = |name: &str| dir.open_dir(name);
        let (jobs, build) = (part("jobs")?, part("build")?);
        let (cache, trash) = (part("cache")?, part("trash")?);
        Ok(Self { root, dir, jobs, build, cache, trash, _lock: lock })
    }

    /// The directory's absolute path, for messages and for libraries that open by path (the store).
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory itself.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// `jobs/`.
    pub fn jobs(&self) -> &Dir {
        &self.jobs
    }

    /// `build/`, where builds have their scratch directories.
    pub fn build(&self) -> &Dir {
        &self.build
    }

    /// `cache/`, with one directory per runner.
    pub fn cache(&self) -> &Dir {
        &self.cache
    }

    /// `trash/`: what is on its way out.
    pub fn trash(&self) -> &Dir {
        &self.trash
    }

    /// Removes everything in `trash/`.
    pub fn empty_trash(&self) -> Removed {
        let mut all = Removed::default();
        match self.trash.names(usize::MAX) {
            Ok(names) => names.iter().for_each(|name| all.add(self.trash.remove_tree(name))),
            Err(e) => all.errors.push(e),
        }
        all
    }
}

fn make_root(root: &Path) -> Result<(), FilesError> {
    match mkdir(root, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(failed("create", root.display())(e)),
    }
}

fn check_kernel(dir: &Dir) -> Result<(), FilesError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH;
    match rustix::fs::openat2(dir.as_fd(), ".", flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => Err(FilesError::Kernel { path: dir.path().display().to_string() }),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn lock(dir: &Dir) -> Result<File, FilesError> {
    let flags = OFlags::RDWR | OFlags::CREATE;
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = super::dir::open_beneath(
        dir.as_fd(),
        Path::new("lock"),
        flags,
        mode,
        ResolveFlags::empty(),
    )
    .map_err(failed("open", dir.shown("lock")))?;
    match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(File::from(fd)),
        Err(Errno::WOULDBLOCK) => {
            Err(FilesError::Locked { path: dir.path().display().to_string() })
        }
        Err(e) => Err(failed("lock", dir.shown("lock"))(e)),
    }
}

fn check_format(dir: &Dir) -> Result<(), FilesError> {
    let (file, _) = match dir.open_file("format") {
        Err(e) if e.is_not_found() => return write_format(dir),
        other => other?,
    };
    let mut text = String::new();
    // A longer file is of another kind anyway.
    file.take(64).read_to_string(&mut text).map_err(failed("read", dir.shown("format")))?;
    let known = |n: u32| (1..=FORMAT).contains(&n);
    if text.trim().parse().is_ok_and(known) {
        return Ok(());
    }
    let found = text.trim().escape_debug().collect();
    Err(FilesError::Format { path: dir.shown("format"), found, known: FORMAT })
}

fn write_format(dir: &Dir) -> Result<(), FilesError> {
    let file = dir.write_new("format", format!("{FORMAT}\n").as_bytes(), 0o600)?;
    file.sync_all().map_err(failed("sync", dir.shown("format")))?;
    dir.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_the_way_out() {
        let tmp = tempfile::tempdir().unwrap();
        let first = DataDir::open(tmp.path()).unwrap();
        let said = DataDir::open(tmp.path()).unwrap_err().to_string();
        assert!(said.contains("another img") && said.contains("data_dir"), "{said}");
        drop(first);
        DataDir::open(tmp.path()).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_and_an_older_one_is_not_rewritten() {
        let tmp = tempfile::tempdir().unwrap();
        drop(DataDir::open(tmp.path()).unwrap());
        std::fs::write(tmp.path().join("format"), "2\n").unwrap();
        let said = DataDir::open(tmp.path()).unwrap_err().to_string();
        assert!(said.contains("format 2") && said.contains("knows 1"), "{said}");
    }

    #[test]
    fn nobody_else_can_look_into_it() {
        use std::os::unix::fs::PermissionsExt;
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("img");
        let data = DataDir::open(&root).unwrap();
        for dir in [root.clone(), root.join("jobs"), root.join("build")] {
            let mode = std::fs::metadata(&dir).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", dir.display());
        }
        assert!(data.space().unwrap().total > 0);
    }

    #[test]
    fn a_part_that_is_a_link_is_not_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), tmp.path().join("jobs")).unwrap();
        assert!(DataDir::open(tmp.path()).is_err());
    }
}
