//! How something is deleted: intent, guards under lock, unmount and detach, into the trash, gone,
//! record. A kill at any point leaves an intent or a trash that the next run ends.

use super::{App, Change, Claim};
use crate::{
    domain::{
        JobId, Timestamp,
        retention::{Busy, Class, Doomed, Item, Rule, guard, last_good},
    },
    files::{FilesError, Removed},
    store::{AuditRecord, Gone, Intent, Receipt, ShelfRecord, StoreError, Tx},
};
use std::collections::{HashMap, HashSet, hash_map::Entry};

/// One thing to delete.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) job: JobId,
    pub(super) class: Class,
    pub(super) bytes: u64,
    pub(super) why: String,
    pub(super) by: String,
    pub(super) run: u64,
    /// The reference of the request that asked for it; empty where none did.
    pub(super) request: String,
    /// Somebody asked for exactly this: it need not be old.
    pub(super) asked: bool,
}

impl Target {
    /// What is left of an ended job, because somebody asked for its deletion: the artifacts first.
    /// `by` is a name and an address with a space between.
    pub(super) fn asked(item: &Item, by: &str, request: &str) -> Vec<Self> {
        let who = by.split(' ').next().unwrap_or(by);
        let all = [(item.artifact_class(), item.artifacts), (Class::Logs, item.logs)];
        let target = |(class, bytes)| Self {
            job: item.id,
            class,
            bytes,
            why: format!("{who} asked for it"),
            by: by.to_owned(),
            run: 0,
            request: request.to_owned(),
            asked: true,
        };
        all.into_iter().filter(|(_, bytes)| *bytes > 0).map(target).collect()
    }

    pub(super) fn of(doomed: Doomed, by: &str) -> Self {
        let asked = doomed.rule == Rule::Asked;
        let why = doomed.rule.to_string();
        let Doomed { id: job, class, bytes, .. } = doomed;
        Self { job, class, bytes, why, by: by.to_owned(), run: 0, request: String::new(), asked }
    }

    fn intent(&self) -> Intent {
        Intent {
            job: self.job,
            class: self.class,
            bytes: self.bytes,
            why: self.why.clone(),
            run: self.run,
            by: self.by.clone(),
        }
    }
}

impl From<Intent> for Target {
    fn from(intent: Intent) -> Self {
        let Intent { job, class, bytes, why, run, by } = intent;
        // Its age was looked at when it was written down.
        Self { job, class, bytes, why, by, run, request: String::new(), asked: true }
    }
}

/// How it went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The files are gone.
    Gone(Removed),
    /// They are still there; why.
    Kept(String),
}

/// One thing, how it went, and what was noticed on the way.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) target: Target,
    pub(super) outcome: Outcome,
    pub(super) remarks: Vec<String>,
}

/// Files that are gone or were kept; nobody pins or takes what is left of their jobs until
/// [`record`](Self::record) says so.
pub(super) struct Group {
    pub(super) done: Vec<Done>,
    claims: HashMap<JobId, Claim>,
}

/// Deletes the files of `targets` in order. Their intents are written together before.
pub(super) fn delete_files(
    app: &App,
    targets: &[Target],
    now: Timestamp,
    breathe: &mut dyn FnMut(),
) -> Group {
    let remark = write_intents(app, targets);
    let inputs = app.inputs_in_use().unwrap_or_default();
    let good = good_now(app, targets);
    let mut group = Group { done: Vec::new(), claims: HashMap::new() };
    for target in targets {
        let mut done = Done {
            target: target.clone(),
            outcome: Outcome::Kept(String::new()),
            remarks: Vec::new(),
        };
        done.outcome = match group.claim(app, target.job) {
            Err(busy) => Outcome::Kept(crate::domain::retention::Guard::Busy(busy).to_string()),
            Ok(()) => {
                match refusal(app, target, (&inputs, &good), now)
                    .or_else(|| too_early(app, target, &group.done))
                {
                    Some(why) => Outcome::Kept(why),
                    None => carry_out(app, target, &mut done.remarks, breathe),
                }
            }
        };
        group.done.push(done);
    }
    if let (Some(remark), Some(first)) = (remark, group.done.first_mut()) {
        first.remarks.push(remark);
    }
    group
}

impl Group {
    fn claim(&mut self, app: &App, job: JobId) -> Result<(), Busy> {
        if let Entry::Vacant(free) = self.claims.entry(job) {
            free.insert(app.claims().deletion(job)?);
        }
        Ok(())
    }

    /// Writes down what happened, together with how far the run is; then the jobs are free again.
    /// Says what kept it from being written.
    pub(super) fn record(
        self,
        app: &App,
        now: Timestamp,
        receipt: Option<Receipt>,
    ) -> Option<String> {
        let written = write_records(app, &self.done, now, receipt);
        drop(self.claims);
        written.err().map(|error| {
            format!(
                "files are gone, but the records could not be written: {error}; the next comparison mends them"
            )
        })
    }
}

/// With a full disk there may be no room for an intent: then the deletion, which makes room, is
/// done without; what a kill leaves of it is found by the next comparison of files and records.
fn write_intents(app: &App, targets: &[Target]) -> Option<String> {
    let intents: Vec<_> = targets.iter().map(Target::intent).collect();
    let written = app
        .store()
        .write_blocking(move |tx| intents.iter().try_for_each(|intent| tx.put_intent(intent)));
    written.err().map(|error| format!("deleted without a note beforehand: {error}"))
}

/// Why it must not be deleted after all; the last look before the first file goes.
fn refusal(
    app: &App,
    target: &Target,
    (inputs, good): (&HashMap<JobId, JobId>, &HashSet<JobId>),
    now: Timestamp,
) -> Option<String> {
    use crate::domain::retention::Guard;
    if is_gone(app, target) {
        // A run that was cut short moved the files away: nothing is left to guard, only to mark.
        return None;
    }
    if let Some(job) = inputs.get(&target.job) {
        return Some(Guard::Busy(Busy::Input(*job)).to_string());
    }
    let shelf = match app.store().shelf(target.job) {
        Ok(shelf) => shelf,
        Err(error) => return Some(error.to_string()),
    };
    let mut item = app.item(target.job)?;
    item.pinned = shelf.pinned.is_some();
    item.keep_until = shelf.keep_until;
    let mut policy = app.live().retention.clone();
    if target.asked {
        policy.min_age = std::time::Duration::ZERO;
        // Who asks for it knows that somebody wanted it longer; a pin is for everybody.
        item.keep_until = None;
    }
    let last = target.class == Class::Images && good.contains(&target.job);
    let guard = guard(&item, &policy, now).or_else(|| last.then_some(Guard::LastGood));
    guard.map(|guard| guard.to_string())
}

/// The last good images as they are now: newer ones may have been deleted since the plan was made.
/// Nobody's own wish depends on them.
fn good_now(app: &App, targets: &[Target]) -> HashSet<JobId> {
    if !targets.iter().any(|t| t.class == Class::Images && !t.asked) {
        return HashSet::new();
    }
    let items: Vec<_> = app.inventory().lock_items().values().cloned().collect();
    last_good(&items, app.live().retention.keep_last_good)
}

/// True if the files are certainly not there any more.
fn is_gone(app: &App, target: &Target) -> bool {
    let there = match target.class {
        Class::Images | Class::Leftovers => app.data().has_artifacts(target.job),
        Class::Logs => app.data().job_dir(target.job).map(drop),
        Class::Records => return false,
    };
    there.is_err_and(|error| error.is_not_found())
}

/// A log stays as long as its artifacts.
fn too_early(app: &App, target: &Target, before: &[Done]) -> Option<String> {
    if target.class != Class::Logs || app.item(target.job).is_none_or(|item| item.artifacts == 0) {
        return None;
    }
    let of_it = |done: &&Done| done.target.job == target.job;
    let gone = |done: &Done| matches!(done.outcome, Outcome::Gone(_));
    let went = before.iter().filter(of_it).any(gone);
    (!went).then(|| "its artifacts are still there".to_owned())
}

fn carry_out(
    app: &App,
    target: &Target,
    remarks: &mut Vec<String>,
    breathe: &mut dyn FnMut(),
) -> Outcome {
    if target.class == Class::Records {
        return Outcome::Gone(Removed::default());
    }
    let data = app.data();
    let freed = data.free_job(target.job);
    if !freed.residual.is_empty() {
        return Outcome::Kept(freed.residual.join("; "));
    }
    remarks.extend(freed.found);
    let trashed: Result<Option<String>, FilesError> = match target.class {
        Class::Images | Class::Leftovers => data.discard_artifacts(target.job),
        Class::Logs => data.discard_job(target.job),
        Class::Records => Ok(None),
    };
    match trashed {
        Ok(Some(name)) => Outcome::Gone(data.trash().remove_tree_paced(name, breathe)),
        // Somebody was quicker: gone is gone.
        Ok(None) => Outcome::Gone(Removed::default()),
        Err(error) => Outcome::Kept(error.to_string()),
    }
}

fn write_records(
    app: &App,
    all: &[Done],
    now: Timestamp,
    receipt: Option<Receipt>,
) -> Result<(), StoreError> {
    let facts: Vec<_> = all
        .iter()
        .map(|done| (done.target.clone(), matches!(done.outcome, Outcome::Gone(_))))
        .collect();
    let sizes = image_sizes(app, all);
    let written = app.store().write_blocking(move |tx| {
        let mut shelves = Vec::new();
        for (target, gone) in &facts {
            tx.remove_intent(target.job, target.class)?;
            if *gone {
                shelves.extend(write_one(tx, target, now)?);
            }
        }
        receipt.iter().try_for_each(|receipt| tx.put_receipt(receipt))?;
        Ok(shelves)
    });
    let written = written.map(|shelves| {
        for shelf in &shelves {
            app.inventory().mark(shelf);
            if let (Some(bytes), Ok(Some(job))) =
                (sizes.get(&shelf.job), app.store().job(shelf.job))
            {
                app.board().remove_bytes(&job, *bytes);
            }
        }
    });
    tell(app, all);
    written
}

/// What images took that are about to be marked as gone.
fn image_sizes(app: &App, all: &[Done]) -> HashMap<JobId, u64> {
    all.iter()
        .filter(|done| done.target.class == Class::Images)
        .filter_map(|done| app.item(done.target.job).map(|item| (item.id, item.artifacts)))
        .collect()
}

/// More things than that are told as one change.
const TOLD: usize = 50;

fn tell(app: &App, all: &[Done]) {
    let gone: Vec<_> = all.iter().filter(|done| matches!(done.outcome, Outcome::Gone(_))).collect();
    for done in gone.iter().filter(|done| done.target.class == Class::Records) {
        app.inventory().forget(done.target.job);
    }
    if gone.len() > TOLD {
        return app.board().announce(Change::Queues);
    }
    for done in gone {
        app.board().announce(Change::Job(done.target.job));
    }
}

fn write_one(
    tx: &mut Tx<'_>,
    target: &Target,
    now: Timestamp,
) -> Result<Option<ShelfRecord>, StoreError> {
    tx.append_audit(&AuditRecord {
        at: now,
        actor: target.by.split(' ').next().unwrap_or_default().to_owned(),
        peer: target.by.split_once(' ').map(|(_, peer)| peer.to_owned()).unwrap_or_default(),
        action: format!("delete.{}", target.class),
        object: format!("job {}", target.job),
        detail: target.why.clone(),
        request: target.request.clone(),
    })?;
    if target.class == Class::Records {
        tx.remove_job(target.job)?;
        return Ok(None);
    }
    let mut shelf = tx.shelf(target.job)?;
    let gone = Some(Gone { at: now, why: target.why.clone(), run: target.run });
    match target.class {
        Class::Images | Class::Leftovers => shelf.artifacts_gone = gone,
        Class::Logs => {
            shelf.artifacts_gone = shelf.artifacts_gone.or_else(|| gone.clone());
            shelf.logs_gone = gone;
        }
        Class::Records => {}
    }
    tx.put_shelf(&shelf)?;
    Ok(Some(shelf))
}
