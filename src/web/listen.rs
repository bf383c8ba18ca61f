//! Where connections come from: TCP, plain on loopback and TLS elsewhere, and the local socket.

use super::tls;
use crate::config::Config;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

/// Something to accept connections from.
pub(super) enum Listener {
    /// An address; with a certificate unless it is loopback.
    Tcp(TcpListener, Option<TlsAcceptor>),
    /// The local socket.
    Local(UnixListener, PathBuf),
}

/// Opens everything the configuration names.
///
/// # Errors
/// Names what could not be opened, and why.
pub(super) async fn open(config: &Config) -> io::Result<Vec<Listener>> {
    let outside = |address: &SocketAddr| !address.ip().is_loopback();
    let tls = match config.server.listen.iter().any(outside) {
        true => Some(tls::acceptor(&config.server)?),
        false => None,
    };
    let mut listeners = Vec::new();
    for address in &config.server.listen {
        let listener = TcpListener::bind(address).await.map_err(|e| {
            io::Error::new(e.kind(), format!("the address {address} cannot be listened on: {e}"))
        })?;
        let tls = tls.as_ref().filter(|_| outside(address)).cloned();
        listeners.push(Listener::Tcp(listener, tls));
    }
    let path = config.socket();
    let local = local(&path).map_err(|e| {
        io::Error::new(e.kind(), format!("the socket {} cannot be made: {e}", path.display()))
    })?;
    listeners.push(Listener::Local(local, path));
    Ok(listeners)
}

/// The local socket, for its owner only. One that nobody listens on any more is replaced.
fn local(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => {
                let message = "another img listens there: stop it first";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
            }
            Err(_) => remove(path)?,
        }
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Removes the local socket when nobody listens on it any more.
#[expect(clippy::disallowed_methods, reason = "one socket of our own, named by the configuration")]
pub(super) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// True if whoever is at the other end of the local socket is root or this service's own user.
pub(super) fn is_console(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| may_be_console(peer.uid(), own))
}

fn may_be_console(peer: u32, own: u32) -> bool {
    peer == 0 || peer == own
}

/// What a connection to a TLS address speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// TLS, as everybody must.
    Tls,
    /// Plain HTTP, which only a trusted proxy may.
    Plain,
}

/// Finds out what a connection speaks. Only the first byte of a trusted proxy is looked at.
///
/// # Errors
/// The connection broke.
pub(super) async fn speaks(stream: &TcpStream, trusted: bool) -> io::Result<Speaks> {
    /// The first byte of every TLS connection.
    const HANDSHAKE: u8 = 0x16;
    if !trusted {
        return Ok(Speaks::Tls);
    }
    let mut first = [0u8];
    let count = stream.peek(&mut first).await?;
    Ok(if count == 1 && first != [HANDSHAKE] { Speaks::Plain } else { Speaks::Tls })
}

/// Whose word about the real client counts.
pub(super) fn is_trusted(trusted: &[IpAddr], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|ip| ip.to_canonical() == peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_local_socket_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("img.sock");
        let listener = local(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert!(is_console(&server), "we are our own user");
        drop(client);
    }

    #[test]
    fn another_user_is_not_the_console() {
        assert!(may_be_console(0, 500) && may_be_console(500, 500));
        assert!(!may_be_console(501, 500));
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("img.sock");
        drop(local(&path).unwrap());
        let running = local(&path).unwrap();
        assert_eq!(local(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(running);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("img.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(local(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_trusted_proxy_is_trusted_under_either_spelling() {
        let trusted = ["192.0.2.1".parse().unwrap()];
        assert!(is_trusted(&trusted, "::ffff:192.0.2.1".parse().unwrap()));
        assert!(!is_trusted(&trusted, "192.0.2.2".parse().unwrap()));
    }
}
