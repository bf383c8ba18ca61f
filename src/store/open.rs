//! Opening: the format number, what a crash has cut short, upgrades, and moving a store aside.

use super::{
    OpenReport, Store, StoreError,
    core::{Core, Gate},
    engine::{Engine, RESTORE, aside, refuse},
    fsck,
    keys::{Space, Unfinished, meta},
    mark::{Mark, MarkFile},
    overlay::Overlay,
    reads::last_job,
    trail,
};
use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// The format this program writes. What the earlier ones were:
///
/// 1. Jobs were indexed and counted by state, queue and owner only; there were no rows to search
///    in, no counters by queue and state, no indexes of sessions and tokens.
/// 2. There was nothing on retention: no shelves, intents and receipts.
/// 3. Rows said nothing of tags, bytes, pins and dates; the audit trail had no index and no
///    counters, and a restored one no tail; there were no batches. Queues, users, shelves and audit
///    lines were written as version 1.
/// 4. Queues said nothing of what their builds may use, jobs nothing of what they used.
/// 5. Queues said nothing of the most of processors and disks.
pub(super) const FORMAT: u32 = 6;

impl Store {
    /// Opens (or makes) the store in `dir`.
    ///
    /// # Errors
    /// Another process holds it, it is newer, or it cannot be read at all; says the way out.
    pub fn open(dir: &Path) -> Result<(Self, OpenReport), StoreError> {
        let (engine, _) = Engine::open(dir)?;
        let (file, mark) = MarkFile::open(dir).map_err(|e| refuse(dir, &e.to_string()))?;
        let core = Core::new(dir, engine, file);
        let mut report = prepare(&core, mark.unwrap_or_default())?;
        let store = Self::start(core)?;
        // Read on every page: what is damaged among them shows now.
        store.queues()?;
        store.groups()?;
        store.sites()?;
        report.quarantined = store.quarantined();
        Ok((store, report))
    }
}

fn prepare(core: &Core, mark: Mark) -> Result<OpenReport, StoreError> {
    let mut report = OpenReport::default();
    let mut gate = core.gate();
    let engine = core.engine()?;
    let commits = engine.number(Space::Meta, meta::COMMITS)?.unwrap_or(0);
    core.commits.store(commits.max(mark.commits), Ordering::SeqCst);
    report.lost_commits = mark.commits.saturating_sub(commits);
    match format_of(core, &engine)? {
        None if mark.commits > 0 => {
            return Err(refuse(&core.dir, &format!("its records are gone: {RESTORE}")));
        }
        None => {
            write_format(core, &mut gate)?;
            report.created = true;
        }
        Some(found) if found > FORMAT => {
            let path = core.dir.display().to_string();
            return Err(StoreError::Newer { path, found, known: FORMAT });
        }
        Some(FORMAT) => finish(core, &mut gate, &engine)?,
        Some(older) => {
            give_tail(core, &mut gate)?;
            fsck::rebuild(core, &mut gate)?;
            write_format(core, &mut gate)?;
            report.upgraded_from = Some(older);
        }
    }
    if report.lost_commits > 0 {
        lost(core, &mut gate, report.lost_commits, mark)?;
    }
    number_jobs(core, &mut gate)?;
    core.changed_all()?;
    Ok(report)
}

/// Before format 4 an export did not say where the audit trail begins.
pub(super) fn give_tail(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let engine = core.engine()?;
    if engine.has(Space::Meta, meta::AUDIT_TAIL)? {
        return Ok(());
    }
    let Some(tail) = trail::first_link(&engine)?.filter(|(number, _)| *number > 1) else {
        return Ok(());
    };
    let mut changes = Overlay::default();
    changes.set(Space::Meta, meta::AUDIT_TAIL.to_vec(), Some(trail::fact(tail)));
    core.commit(gate, changes)
}

/// Part of the store is gone. No job number of that part is given again: its files may be there.
fn lost(core: &Core, gate: &mut Gate, commits: u64, mark: Mark) -> Result<(), StoreError> {
    tracing::error!(
        commits,
        "the store's file is damaged and acknowledged writes are gone: compare with the last backup"
    );
    let next = core.engine()?.number(Space::Meta, meta::NEXT_JOB)?.unwrap_or(0);
    let mut changes = Overlay::default();
    let next = next.max(mark.next_job).to_be_bytes().to_vec();
    changes.set(Space::Meta, meta::NEXT_JOB.to_vec(), Some(next));
    core.commit(gate, changes)
}

/// `None` for a store without anything in it.
fn format_of(core: &Core, engine: &Engine) -> Result<Option<u32>, StoreError> {
    match engine.get(Space::Meta, meta::FORMAT)? {
        Some(bytes) => match bytes.try_into() {
            Ok(number) => Ok(Some(u32::from_be_bytes(number))),
            Err(_) => Err(refuse(&core.dir, &format!("its format number is damaged: {RESTORE}"))),
        },
        None => {
            for space in Space::RECORDS {
                if engine.prefix(space, &[])?.next().is_some() {
                    let lost = format!("its format number is missing: {RESTORE}");
                    return Err(refuse(&core.dir, &lost));
                }
            }
            Ok(None)
        }
    }
}

fn write_format(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let mut changes = Overlay::default();
    changes.set(Space::Meta, meta::FORMAT.to_vec(), Some(FORMAT.to_be_bytes().to_vec()));
    core.commit(gate, changes)
}

/// Ends what a crash has cut short.
fn finish(core: &Core, gate: &mut Gate, engine: &Engine) -> Result<(), StoreError> {
    let word = engine.get(Space::Meta, meta::UNFINISHED)?;
    match word.as_deref() {
        None => Ok(()),
        Some(word) if word == Unfinished::Import.word() => {
            tracing::warn!("an import was cut short: the store begins empty again");
            empty(core, gate)
        }
        Some(_) => fsck::rebuild(core, gate),
    }
}

/// Takes everything out, the note of an unfinished import last.
pub(super) fn empty(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let engine = core.engine()?;
    for space in Space::ALL.into_iter().filter(|s| *s != Space::Meta) {
        engine.clear(space)?;
    }
    let mut changes = Overlay::default();
    for key in [meta::NEXT_JOB, meta::AUDIT_HEAD, meta::AUDIT_TAIL, meta::UNFINISHED] {
        changes.set(Space::Meta, key.to_vec(), None);
    }
    core.commit(gate, changes)
}

/// Makes sure that no number of an existing job is given again.
pub(super) fn number_jobs(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let least = last_job(core)?.saturating_add(1);
    let engine = core.engine()?;
    let next = engine.number(Space::Meta, meta::NEXT_JOB)?.unwrap_or(0);
    core.least_id.store(least, Ordering::SeqCst);
    if next >= least {
        return Ok(());
    }
    let mut changes = Overlay::default();
    changes.set(Space::Meta, meta::NEXT_JOB.to_vec(), Some(least.to_be_bytes().to_vec()));
    core.commit(gate, changes)
}

/// Moves a store that cannot be opened to `<dir>.damaged-<n>`, so that a new one can be made in
/// its place; nothing is deleted. Returns where it is now.
///
/// # Errors
/// When the directory cannot be renamed.
pub fn salvage(dir: &Path) -> Result<PathBuf, StoreError> {
    let aside = aside(dir);
    match std::fs::rename(dir, &aside) {
        Ok(()) => Ok(aside),
        Err(e) => Err(refuse(dir, &format!("it cannot be moved to {}: {e}", aside.display()))),
    }
}
