//! Compiled components on disk. Loading one means trusting it as machine code, so a file counts
//! only if it lies in a directory that nobody else can write to and carries its own checksum;
//! anything else is compiled again.

use super::engine::Host;
use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};
use wasmtime::component::Component;

/// Largest compiled component that is read back.
const MAX_BYTES: u64 = 512 << 20;
const CHECKSUM: usize = 32;

/// The cache directory, by its handle.
pub(super) struct Cache {
    dir: OwnedFd,
    fingerprint: String,
}

impl Cache {
    /// Opens the directory, or makes it. `None`, with a word in the log, when it cannot be used:
    /// everything works without it, only slower.
    pub(super) fn open(path: &Path, host: &Host) -> Option<Self> {
        match private_dir(path) {
            Ok(dir) => Some(Self { dir, fingerprint: host.fingerprint() }),
            Err(e) => {
                let path = path.display();
                tracing::warn!("runners are compiled anew at each start: cannot use {path}: {e}");
                None
            }
        }
    }

    /// The compiled form of the component with this SHA-256, if it is there and whole.
    pub(super) fn get(&self, host: &Host, sha256: &str) -> Option<Component> {
        let bytes = self.read(&self.name(sha256)).ok()?;
        let (checksum, code) = bytes.split_at_checked(CHECKSUM)?;
        if Sha256::digest(code)[..] != *checksum {
            tracing::warn!("the compiled form of {sha256} is damaged: compiling again");
            return None;
        }
        deserialize(host, code).ok()
    }

    /// Keeps a compiled component. A failure costs time at the next start and nothing else.
    pub(super) fn put(&self, sha256: &str, component: &Component) {
        let written = component
            .serialize()
            .map_err(|e| io::Error::other(e.to_string()))
            .and_then(|code| self.write(&self.name(sha256), &code));
        if let Err(e) = written {
            tracing::warn!("the compiled form of {sha256} cannot be kept: {e}");
        }
    }

    /// Removes what belongs to no runner of this box or to another version of the engine.
    pub(super) fn keep_only(&self, wanted: &BTreeSet<String>) {
        let wanted: BTreeSet<_> = wanted.iter().map(|sha256| self.name(sha256)).collect();
        let Ok(entries) = rustix::fs::Dir::read_from(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.ends_with(".cwasm") || name.ends_with(".tmp");
            if ours && !wanted.contains(&name) {
                // Another process may have been quicker; what stays is looked at next time.
                let _ = rustix::fs::unlinkat(&self.dir, &*name, AtFlags::empty());
            }
        }
    }

    fn name(&self, sha256: &str) -> String {
        format!("{sha256}-{}.cwasm", self.fingerprint)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.dir, name, flags, Mode::empty())?);
        let meta = file.metadata()?;
        if !meta.is_file() || meta.len() > MAX_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let temporary = format!("{}-{serial}.tmp", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = rustix::fs::openat(&self.dir, &*temporary, flags | OFlags::CLOEXEC, mode)?;
        let mut file = File::from(fd);
        // No fsync: a torn file does not match its checksum.
        let done = file
            .write_all(&Sha256::digest(code))
            .and_then(|()| file.write_all(code))
            .and_then(|()| Ok(rustix::fs::renameat(&self.dir, &*temporary, &self.dir, name)?));
        if done.is_err() {
            let _ = rustix::fs::unlinkat(&self.dir, &*temporary, AtFlags::empty());
        }
        done
    }
}

#[expect(
    unsafe_code,
    reason = "wasmtime trusts compiled code; the caller has verified whose it is"
)]
fn deserialize(host: &Host, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: only `write` above makes these files, in a directory only this user can write to,
    // and the checksum has been compared.
    unsafe { Component::deserialize(&host.engine, code) }
}

fn private_dir(path: &Path) -> io::Result<OwnedFd> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no cache directory is set"));
    }
    if let Err(e) = rustix::fs::mkdir(path, Mode::RWXU)
        && e != rustix::io::Errno::EXIST
    {
        return Err(e.into());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&dir)?;
    let strangers = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if stat.st_uid != rustix::process::geteuid().as_raw() || strangers {
        let kind = io::ErrorKind::PermissionDenied;
        return Err(io::Error::new(kind, "somebody else can write to it: chown it, chmod 0700"));
    }
    Ok(dir)
}
