//! The data directory as a whole: opened once, locked, of a known format.

use super::{Dir, FilesError, Removed, error::failed};
use rustix::{
    fs::{FileType, FlockOperation, Gid, Mode, OFlags, ResolveFlags, Uid, flock, mkdir},
    io::Errno,
};
use std::{
    fs::File,
    io::Read,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};

/// The version of the data directory this program writes.
const FORMAT: u32 = 1;
/// Sub-directories made at the first start. `db` is the store's.
const PARTS: [&str; 7] = ["jobs", "build", "cache", "plugins", "trash", "backup", "db"];

/// How often, and how soon, a lock that is taken is tried again. A process that is killed while it
/// starts another leaves that one with every handle until it has become the other program.
const TRIES: u32 = 20;
const AGAIN: Duration = Duration::from_millis(50);

/// The data directory, opened once and held by its handle.
///
/// `jobs/<8 digits>/{definition, request.json, log, log.idx, artifacts/}`, `build/<id>/`,
/// `cache/<runner>/`, `plugins/`, `trash/`, `backup/`, `db/`, `ballast`, `format`, `lock`,
/// `builder.lock`.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    dir: Dir,
    jobs: Dir,
    build: Dir,
    cache: Dir,
    trash: Dir,
    /// The user and group it belongs to, where that is not this process's user: what is made here
    /// for them is handed over.
    owner: Option<(Uid, Gid)>,
    /// Held for the lock on it.
    _lock: File,
}

/// Held by whoever carries out builds here, and by nobody else.
#[derive(Debug)]
pub struct BuildsLock(#[expect(dead_code, reason = "held for the lock on it")] File);

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
        let lock = lock(&dir, "lock", |path| FilesError::Locked { path })?;
        if !check_format(&dir)? {
            write_format(&dir)?;
        }
        for part in PARTS {
            dir.ensure_dir(part)?;
        }
        Self::over(root, dir, None, lock)
    }

    /// Opens a data directory that is there already, for a builder that is a process of its own:
    /// beside the server, so without its lock, but with the one that keeps other builders away.
    ///
    /// # Errors
    /// When there is none yet, it is of a newer format, or another builder works in it.
    pub fn open_for_builds(root: &Path) -> Result<Self, FilesError> {
        let not_yet = || FilesError::NotYet { path: root.display().to_string() };
        let root = match root.canonicalize() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(not_yet()),
            other => other.map_err(failed("open", root.display()))?,
        };
        let dir = Dir::open_root(&root)?;
        check_kernel(&dir)?;
        if !check_format(&dir)? || dir.look("trash".as_ref()).is_err() {
            return Err(not_yet());
        }
        let owner = foreign_owner(&dir)?;
        let lock = builds_lock(&dir)?;
        hand_over(owner, &lock, &dir.shown(BUILDS))?;
        Self::over(root, dir, owner, lock)
    }

    fn over(
        root: PathBuf,
        dir: Dir,
        owner: Option<(Uid, Gid)>,
        lock: File,
    ) -> Result<Self, FilesError> {
        let part = |name: &str| dir.open_dir(name);
        let (jobs, build) = (part("jobs")?, part("build")?);
        let (cache, trash) = (part("cache")?, part("trash")?);
        Ok(Self { root, dir, jobs, build, cache, trash, owner, _lock: lock })
    }

    /// Keeps other builders away for as long as the lock is held: for a server that builds itself.
    ///
    /// # Errors
    /// When another one works here.
    pub fn lock_builds(&self) -> Result<BuildsLock, FilesError> {
        builds_lock(&self.dir).map(BuildsLock)
    }

    /// The user and group the data directory belongs to.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn owner(&self) -> Result<(u32, u32), FilesError> {
        let stat = rustix::fs::fstat(&self.dir).map_err(failed("look at", self.root.display()))?;
        Ok((stat.st_uid, stat.st_gid))
    }

    /// True if the data directory belongs to another user than this process's.
    pub fn is_foreign(&self) -> bool {
        self.owner.is_some()
    }

    /// Gives a file or directory that was made here to whoever the data directory belongs to;
    /// nothing to do where that is this process's own user. `name` is for messages.
    ///
    /// # Errors
    /// When the system does not allow it, or the file has further names: then somebody could be
    /// handed what lies elsewhere.
    pub fn hand_over(&self, what: impl AsFd, name: &str) -> Result<(), FilesError> {
        hand_over(self.owner, what, name)
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

/// The lock of whoever carries out builds.
const BUILDS: &str = "builder.lock";

fn builds_lock(dir: &Dir) -> Result<File, FilesError> {
    lock(dir, BUILDS, |path| FilesError::Builds { path })
}

fn foreign_owner(dir: &Dir) -> Result<Option<(Uid, Gid)>, FilesError> {
    let stat = rustix::fs::fstat(dir).map_err(failed("look at", dir.path().display()))?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    Ok((uid != rustix::process::geteuid()).then_some((uid, gid)))
}

fn hand_over(owner: Option<(Uid, Gid)>, what: impl AsFd, name: &str) -> Result<(), FilesError> {
    let stat = rustix::fs::fstat(&what).map_err(failed("look at", name))?;
    let own = (rustix::process::geteuid(), rustix::process::getegid());
    // What a rootless tool made belongs to nobody on the box.
    if owner.is_none() && stat.st_uid == own.0.as_raw() {
        return Ok(());
    }
    let (uid, gid) = owner.unwrap_or(own);
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind == FileType::RegularFile && stat.st_nlink > 1 {
        return Err(FilesError::Links { path: name.to_owned() });
    }
    rustix::fs::fchown(&what, Some(uid), Some(gid)).map_err(failed("hand over", name))
}

fn lock(
    dir: &Dir,
    name: &str,
    taken: impl FnOnce(String) -> FilesError,
) -> Result<File, FilesError> {
    let flags = OFlags::RDWR | OFlags::CREATE;
    let mode = Mode::RUSR | Mode::WUSR;
    let fd =
        super::dir::open_beneath(dir.as_fd(), Path::new(name), flags, mode, ResolveFlags::empty())
            .map_err(failed("open", dir.shown(name)))?;
    for again in (0..TRIES).rev() {
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(File::from(fd)),
            Err(Errno::WOULDBLOCK) if again > 0 => std::thread::sleep(AGAIN),
            Err(Errno::WOULDBLOCK) => break,
            Err(e) => return Err(failed("lock", dir.shown(name))(e)),
        }
    }
    Err(taken(dir.path().display().to_string()))
}

/// False if it has none yet.
fn check_format(dir: &Dir) -> Result<bool, FilesError> {
    let (file, _) = match dir.open_file("format") {
        Err(e) if e.is_not_found() => return Ok(false),
        other => other?,
    };
    let mut text = String::new();
    // A longer file is of another kind anyway.
    file.take(64).read_to_string(&mut text).map_err(failed("read", dir.shown("format")))?;
    let known = |n: u32| (1..=FORMAT).contains(&n);
    if text.trim().parse().is_ok_and(known) {
        return Ok(true);
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
    fn one_builder_works_beside_the_server_and_a_second_is_told_the_way_out() {
        let tmp = tempfile::tempdir().unwrap();
        let said = DataDir::open_for_builds(tmp.path()).unwrap_err().to_string();
        assert!(said.contains("img serve"), "{said}");
        let server = DataDir::open(tmp.path()).unwrap();
        let builder = DataDir::open_for_builds(tmp.path()).unwrap();
        let said = DataDir::open_for_builds(tmp.path()).unwrap_err().to_string();
        assert!(said.contains("another builder"), "{said}");
        let said = server.lock_builds().unwrap_err().to_string();
        assert!(said.contains("builder.socket"), "{said}");
        drop(builder);
        let own = server.lock_builds().unwrap();
        assert!(DataDir::open_for_builds(tmp.path()).is_err());
        drop(own);
        DataDir::open_for_builds(tmp.path()).unwrap();
    }

    #[test]
    fn what_is_made_for_another_owner_is_handed_over_unless_it_has_further_names() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: giving files away needs root");
            return;
        }
        use std::os::unix::fs::MetadataExt as _;
        let tmp = tempfile::tempdir().unwrap();
        drop(DataDir::open(tmp.path()).unwrap());
        std::os::unix::fs::chown(tmp.path(), Some(65_534), Some(65_533)).unwrap();
        let data = DataDir::open_for_builds(tmp.path()).unwrap();
        assert!(data.is_foreign());
        let file = data.dir().create_file("made", 0o640).unwrap();
        data.hand_over(&file, "made").unwrap();
        let about = file.metadata().unwrap();
        assert_eq!((about.uid(), about.gid()), (65_534, 65_533));
        let file = data.dir().create_file("linked", 0o640).unwrap();
        std::fs::hard_link(tmp.path().join("linked"), tmp.path().join("again")).unwrap();
        assert!(data.hand_over(&file, "linked").is_err());
        assert_eq!(file.metadata().unwrap().uid(), 0);
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
