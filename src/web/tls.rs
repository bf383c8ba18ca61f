//! The certificate: from files, or one of our own made at the first start.

use crate::config::Server;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::TlsAcceptor;

/// Names of the files below `tls/` in the data directory.
const OWN: (&str, &str) = ("cert.pem", "key.pem");

/// What answers TLS handshakes.
///
/// # Errors
/// When the certificate or key cannot be read, made or used; names the file.
pub(super) fn acceptor(config: &Server) -> io::Result<TlsAcceptor> {
    let (cert, key) = files(config)?;
    let chain: Vec<_> = CertificateDer::pem_file_iter(&cert)
        .and_then(Iterator::collect)
        .map_err(|e| unusable("certificate", &cert, &e))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|e| unusable("key", &key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| unusable("certificate", &cert, &e))?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

fn unusable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("the TLS {what} {} cannot be used: {error}", path.display()))
}

fn files(config: &Server) -> io::Result<(PathBuf, PathBuf)> {
    if !config.tls_cert.as_os_str().is_empty() {
        return Ok((config.tls_cert.clone(), config.tls_key.clone()));
    }
    let dir = config.data_dir.join("tls");
    let (cert, key) = (dir.join(OWN.0), dir.join(OWN.1));
    if !(cert.exists() && key.exists()) {
        make(&dir, &cert, &key, names(config))?;
    }
    Ok((cert, key))
}

/// Who the certificate is for: the box under its configured names and addresses.
fn names(config: &Server) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(config.hosts.iter().cloned());
    let addresses = config.listen.iter().map(|a| a.ip()).filter(|ip| !ip.is_unspecified());
    names.extend(addresses.map(|ip| ip.to_string()));
    names.dedup();
    names
}

/// Key first: a certificate without its key would look complete to the next start.
fn make(dir: &Path, cert: &Path, key: &Path, names: Vec<String>) -> io::Result<()> {
    let made =
        rcgen::generate_simple_self_signed(names).map_err(|e| unusable("certificate", cert, &e))?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    write(key, &made.signing_key.serialize_pem())?;
    write(cert, &made.cert.pem())?;
    tracing::info!(path = %cert.display(), "made a self-signed TLS certificate");
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut open = OpenOptions::new();
    let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn config(dir: &Path) -> Server {
        Server { data_dir: dir.to_owned(), hosts: vec!["img.test".into()], ..Server::default() }
    }

    #[test]
    fn the_first_start_makes_a_certificate_and_the_next_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        acceptor(&config(dir.path())).unwrap();
        let key = dir.path().join("tls/key.pem");
        let first = std::fs::read(&key).unwrap();
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        acceptor(&config(dir.path())).unwrap();
        assert_eq!(std::fs::read(&key).unwrap(), first);
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let bad = dir.path().join("bad.pem");
        std::fs::write(&bad, "no certificate").unwrap();
        let config = Server { tls_cert: bad.clone(), tls_key: bad.clone(), ..config(dir.path()) };
        let error = acceptor(&config).err().unwrap().to_string();
        assert!(error.contains("bad.pem"), "{error}");
    }
}
