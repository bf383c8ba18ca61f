//! Reads the plugin directory: by its handle, regular files only, never through a link.

use rustix::fs::{Mode, OFlags, Stat};
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::Path,
};

/// Largest component that is loaded; a guest with a language runtime has 18 MB.
pub(super) const MAX_COMPONENT: u64 = 32 << 20;
/// Most files that are looked at.
const MAX_FILES: usize = 256;

/// Changes when a file does. Times alone are too coarse for two writes in one clock tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        // The fields' types differ between architectures: widened, they are the same everywhere.
        #[expect(clippy::unnecessary_cast, reason = "see above")]
        Self {
            inode: stat.st_ino as u64,
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// A `*.wasm` in the directory, not read yet.
pub(super) struct Found {
    /// Its name.
    pub(super) name: String,
    /// What it was when it was opened; `None` when it could not be.
    pub(super) stamp: Option<Stamp>,
    file: Result<File, String>,
}

impl Found {
    /// Its bytes.
    ///
    /// # Errors
    /// One sentence for people.
    pub(super) fn read(self) -> Result<Vec<u8>, String> {
        let file = self.file?;
        let too_large = || format!("it is larger than {} MiB", MAX_COMPONENT >> 20);
        if file.metadata().is_ok_and(|meta| meta.len() > MAX_COMPONENT) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let read = file.take(MAX_COMPONENT + 1).read_to_end(&mut bytes);
        read.map_err(|e| format!("it cannot be read: {e}"))?;
        if bytes.len() as u64 > MAX_COMPONENT { Err(too_large()) } else { Ok(bytes) }
    }
}

/// The components in `path`, ordered by name. A directory that is not there has none.
pub(super) fn components(path: &Path) -> impl Iterator<Item = Found> {
    let opened = open_dir(path).and_then(|dir| Ok((names(&dir)?, dir)));
    let opened = opened.inspect_err(|e| {
        if e.kind() != io::ErrorKind::NotFound {
            tracing::warn!("cannot look into the plugin directory {}: {e}", path.display());
        }
    });
    // Opened one after the other: descriptors are for connections.
    let open_all =
        |(names, dir): (Vec<String>, OwnedFd)| names.into_iter().map(move |name| open(&dir, name));
    opened.ok().into_iter().flat_map(open_all)
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn names(dir: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // Hidden names are those of copies that are not finished.
        if name.ends_with(".wasm") && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    if names.len() > MAX_FILES {
        tracing::warn!("the plugin directory holds {} runners: {MAX_FILES} count", names.len());
        names.truncate(MAX_FILES);
    }
    Ok(names)
}

fn open(dir: &OwnedFd, name: String) -> Found {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(dir, &*name, flags, Mode::empty());
    let opened = opened.and_then(|fd| Ok((rustix::fs::fstat(&fd)?, File::from(fd))));
    let (stat, file) = match opened {
        Ok(opened) => opened,
        Err(rustix::io::Errno::LOOP) => {
            let why = "it is a symbolic link: copy the file itself".to_owned();
            return Found { name, stamp: None, file: Err(why) };
        }
        Err(e) => {
            let why = format!("it cannot be opened: {}", io::Error::from(e));
            return Found { name, stamp: None, file: Err(why) };
        }
    };
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    let regular = kind == rustix::fs::FileType::RegularFile;
    let file = if regular { Ok(file) } else { Err("it is no regular file".into()) };
    Found { name, stamp: Some(Stamp::of(&stat)), file }
}
