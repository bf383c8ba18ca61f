//! Carries out one action. Files appear whole or not at all: they are written beside their place
//! and renamed.

use super::{action::Action, look, programs};
use crate::files::Dir;
use anyhow::{Context as _, bail};
use rustix::fs::{Gid, Mode, Uid};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Carries `action` out.
///
/// # Errors
/// Names what it was about and why it failed.
pub(super) fn carry_out(action: &Action) -> anyhow::Result<()> {
    match action {
        Action::Folder { path, mode, owner } => folder(path, *mode, *owner),
        Action::Program { from, to } => program(from, to),
        Action::Write { path, text, mode } => replace(path, text.as_bytes(), *mode),
        Action::PutAside { path, to, .. } => Ok(fs::rename(path, to)?),
        Action::Run { program, words } => programs::run(program, words),
        Action::Remove { path } => remove(path),
        Action::RemoveEmpty { path } => remove_empty(path),
        Action::RemoveAll { path } => remove_all(path),
        Action::Leave { .. } | Action::Say(_) => Ok(()),
    }
    .with_context(|| format!("cannot {action}"))
}

fn folder(path: &Path, mode: u32, owner: Option<&str>) -> anyhow::Result<()> {
    if let Some(above) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    // Shut until it has its owner.
    DirBuilder::new().mode(0o700).create(path)?;
    if let Some(owner) = owner {
        let passwd = fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let (uid, gid) = look::ids(&passwd, owner).with_context(|| {
            format!(
                "there is no user {owner} in /etc/passwd: make one with `useradd --system {owner}`"
            )
        })?;
        rustix::fs::chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

fn program(from: &Path, to: &Path) -> anyhow::Result<()> {
    replace(to, File::open(from)?, 0o755)
}

fn replace(path: &Path, mut text: impl Read, mode: u32) -> anyhow::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("it is no file's path")
    };
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = dir.join(beside);
    let written = write(&beside, &mut text, mode).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // It may not be there at all; the error that is reported explains what stays.
        let _ = remove(&beside);
        return Err(error.into());
    }
    Ok(File::open(dir)?.sync_all()?)
}

fn write(path: &Path, text: &mut impl Read, mode: u32) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(text, &mut file)?;
    file.flush()?;
    // The mode as it is meant, whatever the umask.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    file.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "files this program wrote, by their fixed paths")]
fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

fn remove_empty(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir(path) {
        Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound) => Err(e.into()),
        _ => Ok(()),
    }
}

fn remove_all(path: &Path) -> anyhow::Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("it is no folder's path")
    };
    not_in_use(path)?;
    let removed = Dir::open_root(above)?.remove_tree(name);
    match removed.errors.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// A server holds the lock on its data as long as it runs.
fn not_in_use(data: &Path) -> anyhow::Result<()> {
    let lock = match File::open(data.join("lock")) {
        Ok(lock) => lock,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let taken = rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    if taken.is_err() {
        bail!("a server uses it: stop it first (`systemctl stop img`)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_lies_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/unit");
        replace(&path, &b"old"[..], 0o600).unwrap();
        replace(&path, &b"new"[..], 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read_dir(dir.path().join("sub")).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_that_breaks_off_leaves_the_old_file_and_nothing_beside_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("img");
        replace(&path, &b"old"[..], 0o755).unwrap();
        assert!(replace(&path, Broken, 0o755).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_what_was_to_be_done() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("etc"), "a file where a folder belongs").unwrap();
        let path = dir.path().join("etc/img/config.toml");
        let error = carry_out(&Action::Write { path: path.clone(), text: String::new(), mode: 0 });
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.starts_with(&format!("cannot write {}", path.display())), "{error}");
    }

    #[test]
    fn data_that_a_server_uses_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("img");
        fs::create_dir(&data).unwrap();
        let lock = File::create(data.join("lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let action = Action::RemoveAll { path: data.clone() };
        let error = format!("{:#}", carry_out(&action).unwrap_err());
        assert!(error.contains("stop it first"), "{error}");
        assert!(data.join("lock").exists());
        drop(lock);
        carry_out(&action).unwrap();
        assert!(!data.exists());
    }
}
