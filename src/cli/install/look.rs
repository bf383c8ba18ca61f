//! What lies at a place already, and whose it is.

use super::parts::MARK;
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Files that are larger than this are not ours.
const LARGEST: u64 = 1 << 20;

/// What is at a path where a text of ours belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Exactly that text, with that mode.
    Same,
    /// A text that IMG wrote.
    Ours,
    /// Somebody else's file.
    Theirs,
    /// No regular file: a link, such as the one `systemctl mask` makes, or a folder.
    Strange,
}

/// What is at `path`, where `text` belongs.
pub(super) fn look(path: &Path, text: &[u8], mode: u32) -> io::Result<Found> {
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(e) => return Err(e),
    };
    if !meta.is_file() {
        return Ok(Found::Strange);
    }
    let there = read(path)?;
    Ok(if there == text && meta.permissions().mode() & 0o7777 == mode {
        Found::Same
    } else if there == text || holds(&there, MARK) {
        Found::Ours
    } else {
        Found::Theirs
    })
}

/// True if the file is there, is no larger than a unit is, and `mark` stands in it.
pub(super) fn is_marked(path: &Path, mark: &str) -> bool {
    let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    plain && read(path).is_ok_and(|there| holds(&there, mark))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds(bytes: &[u8], mark: &str) -> bool {
    memchr::memmem::find(bytes, mark.as_bytes()).is_some()
}

/// True if both are the same file, or files with the same bytes.
pub(super) fn same_program(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (a, b) = (one.metadata()?, other.metadata()?);
    if (a.dev(), a.ino()) == (b.dev(), b.ino()) {
        return Ok(true);
    }
    if a.len() != b.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = one.read(&mut left)?;
        let (Some(left), Some(right)) = (left.get(..count), right.get_mut(..count)) else {
            return Ok(false);
        };
        other.read_exact(right)?;
        if left != right {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

/// A name beside `path` that is free, under which nobody but people reads it.
pub(super) fn saved(path: &Path) -> PathBuf {
    let name = |end: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    let mut others = (1..1000).map(|n| name(format!(".saved.{n}"))).filter(free);
    Some(name(".saved".to_owned()))
        .filter(free)
        .or_else(|| others.next())
        .unwrap_or_else(|| name(".saved".to_owned()))
}

/// Uid and gid of a user in the text of `/etc/passwd`.
pub(super) fn ids(passwd: &str, user: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_ours_by_its_text_or_its_mark_and_never_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("img.service");
        let text = format!("# Part of IMG. {MARK}.\nnew\n");
        let now = || look(&path, text.as_bytes(), 0o644).unwrap();
        assert_eq!(now(), Found::Nothing);
        let put = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put(&text, 0o644);
        assert_eq!(now(), Found::Same);
        put(&text, 0o600);
        assert_eq!(now(), Found::Ours, "the mode is wrong");
        put(&format!("# {MARK}.\nold\n"), 0o644);
        assert_eq!(now(), Found::Ours);
        put("[Unit]\nDescription=IMG\n", 0o644);
        assert_eq!(now(), Found::Theirs);
        std::fs::rename(&path, saved(&path)).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert_eq!(now(), Found::Strange);
        assert_eq!(saved(&path), dir.path().join("img.service.saved.1"));
    }

    #[test]
    fn programs_are_compared_by_what_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let long = vec![7; 200_000];
        std::fs::write(&a, &long).unwrap();
        std::fs::write(&b, &long).unwrap();
        assert!(same_program(&a, &b).unwrap() && same_program(&a, &a).unwrap());
        std::fs::write(&b, [&long[..199_999], &[8]].concat()).unwrap();
        assert!(!same_program(&a, &b).unwrap());
        std::fs::write(&b, b"").unwrap();
        assert!(!same_program(&a, &b).unwrap());
        assert!(same_program(&a, &dir.path().join("none")).is_err());
    }

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\nimgx:x:7:8::/:\nimg:x:998:997:IMG:/var/lib/img:\n";
        assert_eq!(ids(passwd, "img"), Some((998, 997)));
        assert_eq!(ids(passwd, "im"), None);
        assert_eq!(ids("img:x:many:1::/:", "img"), None);
    }
}
