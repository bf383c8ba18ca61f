//! The socket a builder listens on, and who may speak to it.

use super::kernel;
use crate::files::DataDir;
use anyhow::Context as _;
use rustix::fs::Gid;
use std::{
    io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

/// A unix socket that is listened on.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    /// Where it was made; `None` if systemd made it.
    path: Option<PathBuf>,
}

impl Socket {
    /// The socket that systemd hands over (`LISTEN_FDS`), if it does.
    ///
    /// # Errors
    /// When it hands over something else.
    pub fn activated() -> anyhow::Result<Option<Self>> {
        let mut handed = sd_notify::listen_fds().context("LISTEN_FDS cannot be read")?;
        match (handed.next(), handed.len()) {
            (None, _) => Ok(None),
            (Some(number), 0) => {
                let fd = kernel::handed_over(number).context("systemd's socket cannot be used")?;
                let listener = UnixListener::from(fd);
                listener.local_addr().context("systemd handed over what is no unix socket")?;
                Ok(Some(Self { listener, path: None }))
            }
            (Some(_), more) => anyhow::bail!(
                "systemd hands over {} sockets: name one in the socket unit",
                more + 1
            ),
        }
    }

    /// Makes a socket at `path`, mode 0660, of the group `group` (`None`: that of the data
    /// directory). One that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When another process listens there, or it cannot be made.
    pub fn bind(path: &Path, group: Option<u32>, data: &DataDir) -> anyhow::Result<Self> {
        let what = || format!("the socket {} cannot be made", path.display());
        clear(path).with_context(what)?;
        let listener = UnixListener::bind(path).with_context(what)?;
        let group = match group {
            Some(group) => group,
            None => data.owner()?.1,
        };
        rustix::fs::chown(path, None, Some(Gid::from_raw(group)))
            .with_context(|| format!("{} cannot be given to group {group}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
            .with_context(what)?;
        Ok(Self { listener, path: Some(path.to_owned()) })
    }

    /// For messages.
    pub fn shown(&self) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| "the socket of systemd".into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Left behind it is only replaced by the next one.
            let _ = remove(path);
        }
    }
}

fn clear(path: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            let message = "another process listens there: stop it first, or name another path";
            Err(io::Error::new(io::ErrorKind::AddrInUse, message))
        }
        Err(_) => remove(path),
    }
}

#[expect(clippy::disallowed_methods, reason = "one socket of our own, named by the configuration")]
fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// True for whoever may speak to a builder: root, the builder's own user, and the user the data
/// directory belongs to.
pub(super) fn may_speak(peer: u32, own: u32, owner: u32) -> bool {
    peer == 0 || peer == own || peer == owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_may_not_speak() {
        assert!(may_speak(0, 5, 7) && may_speak(5, 5, 7) && may_speak(7, 5, 7));
        assert!(!may_speak(8, 5, 7) && !may_speak(u32::MAX, 0, 0));
    }

    #[test]
    fn a_socket_is_for_owner_and_group_and_goes_with_its_listener() {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let path = tmp.path().join("builder.sock");
        let socket = Socket::bind(&path, None, &data).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let said = format!("{:#}", Socket::bind(&path, None, &data).unwrap_err());
        assert!(said.contains("another process listens"), "{said}");
        drop(socket);
        assert!(!path.exists());
        // One that a dead process left is replaced.
        drop(UnixListener::bind(&path).unwrap());
        drop(Socket::bind(&path, None, &data).unwrap());
        std::fs::write(&path, "precious").unwrap();
        assert!(Socket::bind(&path, None, &data).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
