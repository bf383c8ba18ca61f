//! Comparing what lies on disk with what the records say, both ways.

use super::{App, AppError};
use crate::{
    domain::{Actor, JobId, Timestamp, Verb},
    store::{AuditRecord, Gone, StoreError},
};
use std::time::Duration;

/// A directory younger than this may belong to a request that is being accepted.
const YOUNG: Duration = Duration::from_secs(600);
/// Bytes of at most so many entries are counted per directory.
const COUNTED: usize = 100_000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// When it was looked.
    pub at: Timestamp,
    /// Job directories without a record, with their bytes.
    pub directories: Vec<(JobId, u64)>,
    /// Names in `jobs/` that IMG did not make: never touched.
    pub foreign: Vec<String>,
    /// Records whose files are missing; they are marked now.
    pub missing: Vec<JobId>,
    /// Entries of `build/` without a build.
    pub builds: Vec<String>,
    /// Entries of `trash/` that could not be removed.
    pub trash: u64,
}

impl Orphans {
    /// True if there is something to do.
    pub fn any(&self) -> bool {
        !(self.directories.is_empty() && self.builds.is_empty()) || self.trash > 0
    }
}

impl App {
    /// Compares both ways and marks records whose files are missing. Blocks.
    ///
    /// # Errors
    /// When store or data directory cannot be read.
    pub fn compare(&self, now: Timestamp) -> Result<Orphans, AppError> {
        self.load_inventory()?;
        let (ids, foreign) = self.data().job_ids()?;
        let mut found = Orphans { at: now, foreign, ..Orphans::default() };
        for id in &ids {
            if self.store().job(*id)?.is_none() && self.data().is_settled(*id, now, YOUNG) {
                found.directories.push((*id, self.data().job_usage_up_to(*id, COUNTED)));
            }
        }
        found.missing = self.mark_missing(&ids, now)?;
        let building = self.board().building_jobs();
        let builds = self.data().build().names(usize::MAX)?;
        let builds = builds.into_iter().map(|name| name.to_string_lossy().into_owned());
        let at_work = |name: &String| name.parse().is_ok_and(|id: JobId| building.contains(&id));
        found.builds = builds.filter(|name| !at_work(name)).collect();
        found.trash = self.data().trash().names(usize::MAX)?.len() as u64;
        self.cleaning().note_orphans(found.clone());
        Ok(found)
    }

    /// Ended jobs whose directory is gone get a mark that says so.
    fn mark_missing(&self, ids: &[JobId], now: Timestamp) -> Result<Vec<JobId>, AppError> {
        let there = |id: &JobId| ids.binary_search(id).is_ok();
        let gone: Vec<JobId> = {
            let items = self.inventory().lock_items();
            items.values().filter(|i| i.logs > 0 && !there(&i.id)).map(|i| i.id).collect()
        };
        self.mark_missing_artifacts(now)?;
        let mut marked = Vec::new();
        for id in gone {
            // Looked at again: it may have been deleted in between.
            if self.claims().is_deleting(id) || self.data().job_dir(id).is_ok() {
                continue;
            }
            let shelf = self.store().write_blocking(move |tx| -> Result<_, StoreError> {
                let mut shelf = tx.shelf(id)?;
                let missing = Gone { at: now, why: "its files were found missing".into(), run: 0 };
                shelf.artifacts_gone = shelf.artifacts_gone.or_else(|| Some(missing.clone()));
                shelf.logs_gone = shelf.logs_gone.or(Some(missing));
                tx.put_shelf(&shelf)?;
                Ok(shelf)
            })?;
            self.inventory().mark(&shelf);
            self.board().announce(super::Change::Job(id));
            marked.push(id);
        }
        Ok(marked)
    }

    /// Images whose directory is gone while the log is still there: a deletion that was cut short
    /// with no room for a note.
    fn mark_missing_artifacts(&self, now: Timestamp) -> Result<(), AppError> {
        let with: Vec<JobId> = {
            let items = self.inventory().lock_items();
            items.values().filter(|i| i.artifacts > 0).map(|i| i.id).collect()
        };
        for id in with {
            let missing = self.data().has_artifacts(id).is_err_and(|e| e.is_not_found());
            if !missing || self.claims().is_deleting(id) || self.data().job_dir(id).is_err() {
                continue;
            }
            let shelf = self.store().write_blocking(move |tx| -> Result<_, StoreError> {
                let mut shelf = tx.shelf(id)?;
                let why = "its files were found missing".to_owned();
                shelf.artifacts_gone = shelf.artifacts_gone.or(Some(Gone { at: now, why, run: 0 }));
                tx.put_shelf(&shelf)?;
                Ok(shelf)
            })?;
            self.inventory().mark(&shelf);
            self.board().announce(super::Change::Job(id));
        }
        Ok(())
    }

    /// What the last comparison found.
    pub fn orphans(&self) -> Option<Orphans> {
        self.cleaning().orphans()
    }

    /// Deletes what the last comparison found and nobody knows: job directories without a record,
    /// build directories without a build, the trash. Never anything else. Returns freed bytes.
    ///
    /// # Errors
    /// Denied, or something stays; the rest is gone.
    pub fn delete_orphans(&self, actor: &Actor, now: Timestamp) -> Result<u64, AppError> {
        actor.allow(Verb::RunCleanup)?;
        let found = self.compare(now)?;
        let mut bytes = 0;
        let mut stay = Vec::new();
        let mut add = |removed: crate::files::Removed| {
            bytes += removed.bytes;
            stay.extend(removed.errors.iter().map(ToString::to_string));
        };
        for (id, _) in &found.directories {
            if self.store().job(*id)?.is_none() {
                self.data().free_job(*id);
                add(self.data().trash_job(*id)?);
            }
        }
        for name in &found.builds {
            add(self.data().build().remove_tree(name));
        }
        add(self.data().empty_trash());
        let audit = AuditRecord {
            at: now,
            actor: actor.user.to_string(),
            peer: String::new(),
            action: "orphans.delete".into(),
            object: format!("{} directories", found.directories.len() + found.builds.len()),
            detail: String::new(),
            request: String::new(),
        };
        self.store().write_blocking(move |tx| tx.append_audit(&audit))?;
        self.compare(now)?;
        match stay.first() {
            None => Ok(bytes),
            Some(first) => Err(AppError::Refused(format!(
                "{} entries could not be removed: {first}",
                stay.len()
            ))),
        }
    }
}
