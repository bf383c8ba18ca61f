//! Opening the store without a server: only while none runs, and as the user who owns the data,
//! so that nothing root writes is unreadable for the service afterwards.

use super::{CliError, args::Global};
use crate::{domain::Timestamp, files::DataDir, store::Store};
use rustix::{
    fs::{Gid, Uid},
    process::geteuid,
    thread::{set_thread_gid, set_thread_groups, set_thread_uid},
};
use std::{
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::{Path, PathBuf},
};

/// The data of the server on this box, while no server runs.
pub struct Data {
    root: PathBuf,
}

impl Data {
    /// The data directory the configuration names.
    ///
    /// # Errors
    /// A server is named or runs, or there is no data.
    pub fn of(global: &Global) -> Result<Self, CliError> {
        if global.server.is_some() {
            return Err(CliError::Usage(
                "this works on the box itself only: leave out --server and IMG_SERVER".to_owned(),
            ));
        }
        let config = global.load_config()?;
        let socket = global.socket.clone().unwrap_or_else(|| config.socket());
        if UnixStream::connect(&socket).is_ok() {
            return Err(CliError::Failed(anyhow::anyhow!(
                "the server runs: stop it first (`systemctl stop img`), and start it again \
                 afterwards"
            )));
        }
        let root = config.server.data_dir;
        become_owner(&root)?;
        Ok(Self { root })
    }

    /// Where the store lies.
    pub fn store_dir(&self) -> PathBuf {
        self.root.join("db")
    }

    /// Keeps a server from starting, and other commands like this one away, until it is dropped.
    ///
    /// # Errors
    /// Somebody else has the data, or they are of a newer version.
    pub fn lock(&self) -> Result<DataDir, CliError> {
        DataDir::open(&self.root).map_err(|e| CliError::Failed(e.into()))
    }

    /// Opens the store, which must be there already; the second part is the lock on it.
    ///
    /// # Errors
    /// There is none, somebody else has it, or it cannot be read.
    pub fn open(&self) -> Result<(Store, DataDir), CliError> {
        let dir = self.store_dir();
        if !dir.is_dir() {
            return Err(CliError::Failed(anyhow::anyhow!(
                "there is no store in {}: start the server once, or name its configuration with \
                 --config",
                self.root.display()
            )));
        }
        let lock = self.lock()?;
        Ok((open(&dir)?, lock))
    }
}

/// Opens the store in `dir`, or makes one.
///
/// # Errors
/// Somebody else has it, or it cannot be read.
pub fn open(dir: &Path) -> Result<Store, CliError> {
    let (store, report) = Store::open(dir).map_err(|e| CliError::Failed(e.into()))?;
    if report.quarantined > 0 {
        let text = format!("{} damaged records were put aside", report.quarantined);
        super::terminal::note(&text);
    }
    Ok(store)
}

/// Root becomes whoever owns the data directory. Threads that are started later inherit it; none
/// runs yet.
fn become_owner(root: &Path) -> Result<(), CliError> {
    let what = |e: std::io::Error| {
        CliError::failed(format!("cannot use the data directory {}", root.display()), e)
    };
    let about = std::fs::metadata(root).map_err(what)?;
    if !geteuid().is_root() || about.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(about.uid()), Gid::from_raw(about.gid()));
    set_thread_groups(&[])
        .and_then(|()| set_thread_gid(gid))
        .and_then(|()| set_thread_uid(uid))
        .map_err(|e| what(e.into()))
}

/// The clock, read once per command.
#[expect(clippy::disallowed_methods, reason = "a command that is run by hand begins now")]
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
