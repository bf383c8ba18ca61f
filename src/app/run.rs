//! One cleanup while it goes on: what it deletes, what it counts, and its receipt.

use super::{
    App, AppError, RunProgress, deletion,
    deletion::{Outcome, Target},
};
use crate::{
    domain::{JobId, Timestamp, retention::CleanupPlan},
    files::Removed,
    store::{Batch, Mishap, Receipt, StoreError, Tx},
};
use std::time::Duration;

/// Things whose intents are written together.
pub(super) const GROUP: usize = 64;
/// Mishaps kept in a receipt; more are counted.
const MISHAPS: usize = 100;
/// Receipts kept.
const RECEIPTS: usize = 1_000;
/// Lines of the audit trail removed by one run at most.
const AUDIT_LINES: usize = 10_000;
/// What stands before the reason why something that was asked for stayed.
pub const SKIPPED: &str = "skipped because ";

impl App {
    /// The number of a new run. Numbers of runs that left no receipt are given again.
    pub(super) fn reserve_run(&self) -> Result<u64, StoreError> {
        let mut next = self.cleaning().next();
        let run = match *next {
            Some(run) => run,
            None => {
                let receipts = self.store().receipts()?;
                let batches = self.store().batches()?;
                let last = receipts.iter().map(|r| r.run).chain(batches.iter().map(|b| b.run));
                last.max().unwrap_or(0) + 1
            }
        };
        *next = Some(run + 1);
        Ok(run)
    }

    /// A run left nothing that bears its number.
    pub(super) fn give_back_run(&self, run: u64) {
        let mut next = self.cleaning().next();
        if *next == Some(run + 1) {
            *next = Some(run);
        }
    }

    /// How far a run is that goes on, or is about to begin; `None` once it has ended.
    pub fn run_progress(&self, run: u64) -> Option<RunProgress> {
        self.cleaning().progress().get(&run).copied()
    }
}

/// Adds a mishap to a receipt, or counts it.
pub(super) fn note_mishap(receipt: &mut Receipt, job: Option<JobId>, what: String) {
    if receipt.mishaps.len() < MISHAPS {
        receipt.mishaps.push(Mishap { job, what });
    } else {
        receipt.more_mishaps += 1;
    }
}

/// Receipts beyond those that are kept go with a new one.
pub(super) fn put_receipt(tx: &mut Tx<'_>, receipt: &Receipt) -> Result<(), StoreError> {
    let oldest = receipt.run.saturating_sub(RECEIPTS as u64);
    if oldest > 0 {
        tx.remove_receipt(oldest)?;
    }
    tx.put_receipt(receipt)
}

/// One run.
pub(super) struct Run<'a> {
    app: &'a App,
    run: u64,
    receipt: Receipt,
    free_before: Option<u64>,
    /// It carries out what somebody asked for: what stays was skipped.
    asked: bool,
    /// The job that was skipped last: it is told once, not for each thing of it.
    skipped: Option<JobId>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.app.cleaning().progress().remove(&self.run);
    }
}

impl<'a> Run<'a> {
    /// A run that applies the rules.
    pub(super) fn begin(app: &'a App, trigger: String, now: Timestamp) -> Result<Self, AppError> {
        close_cut_short(app, now)?;
        let run = app.reserve_run()?;
        let receipt = Receipt { run, begun: now, trigger, ..Receipt::default() };
        Ok(Self::over(app, receipt, false))
    }

    /// The run that carries out `batch`, from where it is.
    pub(super) fn resume(app: &'a App, batch: &Batch, now: Timestamp) -> Result<Self, AppError> {
        let mut receipt = app.store().receipt(batch.run)?.unwrap_or_else(|| Receipt {
            run: batch.run,
            begun: now,
            trigger: batch.by.clone(),
            ..Receipt::default()
        });
        // What was skipped is tried again.
        let before = receipt.mishaps.len();
        receipt.mishaps.retain(|m| m.job.is_none_or(|job| batch.jobs.binary_search(&job).is_err()));
        if receipt.mishaps.len() < before {
            receipt.saved = receipt.mishaps.len() as u64;
            receipt.more_mishaps = 0;
        }
        Ok(Self::over(app, receipt, true))
    }

    fn over(app: &'a App, receipt: Receipt, asked: bool) -> Self {
        let free_before = app.data().space().ok().map(|s| s.free);
        Self { app, run: receipt.run, receipt, free_before, asked, skipped: None }
    }

    pub(super) fn mishap(&mut self, job: Option<JobId>, what: impl Into<String>) {
        let what = what.into();
        tracing::warn!(job.id = job.map(JobId::get), "cleanup: {what}");
        note_mishap(&mut self.receipt, job, what);
    }

    /// Something that was asked for stays. Nothing went wrong.
    pub(super) fn skip(&mut self, job: JobId, why: &str) {
        if self.skipped.replace(job) != Some(job) {
            self.receipt.saved += 1;
            note_mishap(&mut self.receipt, Some(job), format!("{SKIPPED}{why}"));
        }
    }

    pub(super) fn count_trash(&mut self, removed: Removed) {
        self.receipt.bytes += removed.bytes;
        for error in removed.errors {
            self.mishap(None, error.to_string());
        }
    }

    pub(super) fn note_plan(&mut self, plan: &CleanupPlan) {
        self.receipt.planned_items = plan.doomed.len() as u64;
        self.receipt.planned_bytes = plan.bytes();
        self.receipt.saved = plan.saved.len() as u64;
        self.receipt.unmet.clone_from(&plan.unmet);
        if !plan.doomed.is_empty() {
            // So that a run that is cut short can be seen afterwards.
            write_receipt(self.app, self.receipt.clone());
            self.plan_progress(self.receipt.planned_items);
        }
    }

    /// From now on it can be seen how far the run is, of `planned`.
    pub(super) fn plan_progress(&self, planned: u64) {
        let progress = RunProgress { done: 0, planned, bytes: self.receipt.bytes };
        self.app.cleaning().progress().insert(self.run, progress);
    }

    pub(super) fn note_progress(&self, more: u64) {
        if let Some(progress) = self.app.cleaning().progress().get_mut(&self.run) {
            progress.done = progress.done.saturating_add(more).min(progress.planned);
            progress.bytes = self.receipt.bytes;
        }
    }

    pub(super) fn finish_open_intents(&mut self, now: Timestamp) -> Result<(), AppError> {
        let open = self.app.store().intents()?;
        if open.is_empty() {
            return Ok(());
        }
        self.app.load_inventory()?;
        let targets: Vec<_> = open.into_iter().map(Target::from).collect();
        self.receipt.planned_items += targets.len() as u64;
        self.delete(&targets, now);
        Ok(())
    }

    /// What this very run had begun before it was cut short.
    pub(super) fn finish_own_intents(&mut self, now: Timestamp) -> Result<(), AppError> {
        let mut open = self.app.store().intents()?;
        open.retain(|intent| intent.run == self.run);
        if !open.is_empty() {
            self.count_trash(self.app.data().empty_trash());
            let targets: Vec<_> = open.into_iter().map(Target::from).collect();
            self.delete_groups(&targets, now);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, targets: &[Target], now: Timestamp) {
        for group in targets.chunks(GROUP) {
            self.delete_groups(group, now);
            self.note_progress(group.len() as u64);
        }
    }

    pub(super) fn delete_groups(&mut self, targets: &[Target], now: Timestamp) {
        let app = self.app;
        let mut breathe = || {
            if app.board().building().0 > 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        for group in targets.chunks(GROUP) {
            let run = self.run;
            let targets: Vec<_> = group.iter().map(|t| Target { run, ..t.clone() }).collect();
            let mut group = deletion::delete_files(app, &targets, now, &mut breathe);
            for done in &mut group.done {
                self.count(done);
            }
            // In one commit with the records: after a kill it tells neither more nor less.
            if let Some(remark) = group.record(app, now, Some(self.receipt.clone())) {
                self.mishap(None, remark);
            }
        }
    }

    fn count(&mut self, done: &mut deletion::Done) {
        let job = done.target.job;
        for remark in std::mem::take(&mut done.remarks) {
            self.mishap(Some(job), remark);
        }
        match &done.outcome {
            Outcome::Gone(removed) => self.count_gone(&done.target, removed),
            Outcome::Kept(why) if self.asked => self.skip(job, why),
            Outcome::Kept(why) => self.mishap(Some(job), why.clone()),
        }
    }

    fn count_gone(&mut self, target: &Target, removed: &Removed) {
        self.receipt.items += 1;
        self.receipt.bytes += removed.bytes;
        let known = self.receipt.by_class.iter_mut().find(|(class, ..)| *class == target.class);
        match known {
            Some((_, items, bytes)) => {
                *items += 1;
                *bytes += removed.bytes;
            }
            None => self.receipt.by_class.push((target.class, 1, removed.bytes)),
        }
        if removed.failed > 0 {
            let first = removed.errors.first().map(ToString::to_string).unwrap_or_default();
            let failed = removed.failed;
            self.mishap(
                Some(target.job),
                format!("{failed} entries could not be removed and wait in trash/: {first}"),
            );
        }
    }

    pub(super) fn trim_caches(&mut self) {
        let building: Vec<String> = self.app.board().building_runners();
        let budget = self.app.live().cache_budget;
        let removed = self.app.data().trim_cache(budget, &building, &mut || {});
        self.count_trash(removed);
    }

    pub(super) fn trim_audit(&mut self, now: Timestamp) {
        let Some(kept) = self.app.live().audit_kept else { return };
        let before = Timestamp::from_millis(
            now.as_millis().saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX)),
        );
        let trimmed = self.app.store().write_blocking(move |tx| tx.trim_audit(before, AUDIT_LINES));
        if let Err(error) = trimmed {
            self.mishap(None, format!("old audit lines stay: {error}"));
        }
    }

    /// Ends it. Of a `quiet` one in which nothing happened no receipt is kept: one for every job
    /// that ends would bury the others.
    pub(super) fn end(mut self, now: Timestamp, quiet: bool) -> Receipt {
        self.measure(now);
        let r = &self.receipt;
        let nothing = r.planned_items == 0 && r.bytes == 0 && r.mishaps.is_empty();
        if nothing && quiet {
            self.app.give_back_run(self.run);
        } else {
            write_receipt(self.app, self.receipt.clone());
            self.app.board().announce(super::Change::Queues);
        }
        std::mem::take(&mut self.receipt)
    }

    /// Ends the run of a batch, which is forgotten with that.
    pub(super) fn close(mut self, number: u64, now: Timestamp) -> Receipt {
        self.measure(now);
        let receipt = self.receipt.clone();
        let written = self.app.store().write_blocking(move |tx| {
            put_receipt(tx, &receipt)?;
            tx.remove_batch(number)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "the receipt of a deletion could not be written: it is looked through again");
        }
        self.app.board().announce(super::Change::Queues);
        std::mem::take(&mut self.receipt)
    }

    fn measure(&mut self, now: Timestamp) {
        // What was freed counts once the file system has written it down; with nothing freed,
        // whoever builds is spared the wait for everybody's data.
        if self.receipt.bytes > 0 {
            let _ = rustix::fs::syncfs(self.app.data().dir());
        }
        if let (Some(before), Ok(after)) = (self.free_before, self.app.data().space()) {
            let change = i128::from(after.free) - i128::from(before);
            self.receipt.freed = i64::try_from(change).ok();
        }
        self.receipt.ended = Some(now);
        let r = &self.receipt;
        tracing::info!(
            run = r.run,
            items = r.items,
            bytes = r.bytes,
            trigger = r.trigger,
            "cleanup ended"
        );
    }
}

/// A run that was cut short is closed by the next one, unless a batch says that it goes on.
fn close_cut_short(app: &App, now: Timestamp) -> Result<(), AppError> {
    // In this order: a receipt and its batch are written together.
    let open = app.store().receipts()?.into_iter().filter(|r| r.ended.is_none());
    let open: Vec<_> = open.collect();
    if open.is_empty() {
        return Ok(());
    }
    let batches = app.store().batches()?;
    for mut receipt in open {
        if batches.iter().any(|batch| batch.run == receipt.run) {
            continue;
        }
        receipt.ended = Some(now);
        let what = "the service stopped in the middle: the next run went on".to_owned();
        receipt.mishaps.push(Mishap { job: None, what });
        write_receipt(app, receipt);
    }
    Ok(())
}

fn write_receipt(app: &App, receipt: Receipt) {
    let written = app.store().write_blocking(move |tx| put_receipt(tx, &receipt));
    if let Err(error) = written {
        tracing::warn!(%error, "the receipt of a cleanup could not be written");
    }
}
