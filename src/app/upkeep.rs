//! Chores that look after what is kept: backups of the store, and checksums of images.

use super::{App, AppError, Change};
use crate::{
    domain::{Artifact, JobId, StateKind, Timestamp},
    files::FilesError,
    store::{ShelfRecord, StoreError},
};
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};

/// Backups kept.
const BACKUPS: usize = 7;
/// What their names begin with and end with.
const BACKUP_NAME: (&str, &str) = ("img-", ".backup");
const CHUNK: usize = 1 << 20;

/// What a verification found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Jobs whose artifacts were read.
    pub jobs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Jobs with damage.
    pub damaged: u64,
}

impl App {
    /// Writes an export of the store into `backup/` and removes the oldest ones beyond seven.
    /// Returns the new file's name and how many bytes it has.
    ///
    /// # Errors
    /// When it cannot be written; then what was written of it is removed.
    pub fn keep_backup(&self, now: Timestamp) -> Result<(String, u64), AppError> {
        let (first, last) = BACKUP_NAME;
        let dir = self.data().dir().ensure_dir("backup")?;
        // Fixed width: the order of names is the order of time.
        let name = format!("{first}{:015}{last}", now.as_millis().max(0));
        let new = format!(".{name}.new");
        dir.remove_file(&new)?;
        let mut file = dir.create_file(&new, 0o600)?;
        let written = self.store().export(&mut file).map_err(AppError::from).and_then(|_| {
            let flushed = file.flush().and_then(|()| file.sync_all());
            flushed.map_err(|e| AppError::internal("the backup did not reach the disk", e))
        });
        if let Err(error) = written {
            dir.remove_file(&new)?;
            return Err(error);
        }
        let bytes = file.metadata().map_or(0, |m| m.len());
        dir.remove_file(&name)?;
        dir.rename(&new, &dir, &name)?;
        dir.sync()?;
        let mut names: Vec<_> = dir
            .names(usize::MAX)?
            .into_iter()
            .filter_map(|n| n.into_string().ok())
            .filter(|n| n.starts_with(first) && n.ends_with(last))
            .collect();
        names.sort_unstable();
        for old in names.iter().rev().skip(BACKUPS) {
            dir.remove_file(old)?;
        }
        Ok((name, bytes))
    }

    /// Reads every kept artifact and compares its checksum. What does not fit is noted on the job.
    /// `breathe` is called for every megabyte; it stops when that says false.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn verify(
        &self,
        clock: &dyn Fn() -> Timestamp,
        breathe: &mut dyn FnMut() -> bool,
    ) -> Result<Verified, AppError> {
        self.load_inventory()?;
        let kept: Vec<JobId> = {
            let items = self.inventory().lock_items();
            let kept =
                |i: &&crate::domain::retention::Item| i.state == StateKind::Done && i.artifacts > 0;
            items.values().filter(kept).map(|i| i.id).collect()
        };
        let mut found = Verified::default();
        for id in kept {
            let Some(claim) = self.claims().download(id) else { continue };
            let Some(job) = self.store().job(id)? else { continue };
            let mut damage = Vec::new();
            let mut whole = true;
            for artifact in &job.result.artifacts {
                match self.check_artifact(id, artifact, &mut found.bytes, breathe) {
                    Ok(None) => {}
                    Ok(Some(what)) => damage.push(what),
                    Err(Stopped) => whole = false,
                }
            }
            drop(claim);
            if !whole {
                break;
            }
            found.jobs += 1;
            found.damaged += u64::from(!damage.is_empty());
            self.note_verified(id, damage, clock())?;
        }
        Ok(found)
    }

    /// `None` when it is what it was; else what is wrong.
    fn check_artifact(
        &self,
        id: JobId,
        artifact: &Artifact,
        bytes: &mut u64,
        breathe: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Stopped> {
        let name = &artifact.name;
        let mut file = match self.data().open_artifact(id, name) {
            Ok((file, size)) if size == artifact.size => file,
            Ok((_, size)) => {
                return Ok(Some(format!("{name} has {size} bytes, it had {}", artifact.size)));
            }
            Err(error) => return Ok(Some(unreadable(name, &error))),
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            if !breathe() {
                return Err(Stopped);
            }
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(buffer.get(..read).unwrap_or_default());
                    *bytes += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Some(format!("{name} cannot be read: {error}"))),
            }
        }
        let is = data_encoding::HEXLOWER.encode(&hash.finalize());
        let differs =
            || format!("{name} has changed: its SHA-256 is {is}, it was {}", artifact.sha256);
        Ok((is != artifact.sha256).then(differs))
    }

    fn note_verified(
        &self,
        id: JobId,
        damage: Vec<String>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let told = !damage.is_empty();
        for what in &damage {
            tracing::error!(job.id = id.get(), "{what}");
        }
        let written = self.store().write_blocking(move |tx| -> Result<ShelfRecord, StoreError> {
            let mut shelf = tx.shelf(id)?;
            shelf.verified = Some(now);
            shelf.damage.clone_from(&damage);
            tx.put_shelf(&shelf)?;
            Ok(shelf)
        });
        written?;
        if told {
            self.board().announce(Change::Job(id));
        }
        Ok(())
    }
}

/// The service stops.
struct Stopped;

fn unreadable(name: &str, error: &FilesError) -> String {
    format!("{name} cannot be read: {error}")
}
