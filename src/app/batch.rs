//! Deleting the files of many jobs because somebody asked for it: written down at once, carried
//! out by the worker that cleans up, told in a receipt of its own.

use super::{
    App, AppError, Chore, Peer,
    deletion::Target,
    keep::may_delete_of,
    run::{GROUP, Run, SKIPPED, note_mishap},
};
use crate::{
    domain::{
        Actor, JobId, StateKind, Timestamp, Verb,
        retention::{Item, Trigger},
    },
    store::{AuditRecord, Batch, Receipt, Row, StoreError},
};

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunProgress {
    /// What is done: jobs where somebody asked for them, things where the rules did.
    pub done: u64,
    /// What there is to do, in the same unit.
    pub planned: u64,
    /// Allocated bytes that were freed.
    pub bytes: u64,
}

/// Jobs of one group: each may be two things.
const JOBS: usize = GROUP / 2;

/// What is known of a job that no deletion can be about.
pub(super) const UNKNOWN: &str = "there is no such job";
/// What is known of one whose files went before.
pub(super) const DELETED: &str = "its files are deleted already";

/// Why a job that is not among the ended ones stays.
pub(super) fn open_words(state: StateKind) -> &'static str {
    match state {
        StateKind::Queued => "it waits in its queue: cancel it first",
        StateKind::Building => "it is being built: cancel it first",
        StateKind::Done | StateKind::Failed | StateKind::Cancelled => {
            "it has ended only just now: try again"
        }
    }
}

/// Calls `look` with what lists know of these jobs, in their order.
pub(super) fn row_facts(
    app: &App,
    ids: &[JobId],
    look: &mut dyn FnMut(Row<'_>),
) -> Result<(), StoreError> {
    app.store().rows_of(ids, look)
}

/// In rising order, none twice.
pub(super) fn in_order(mut ids: Vec<JobId>) -> Vec<JobId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What somebody may delete of what they asked for.
struct Chosen {
    jobs: Vec<JobId>,
    refused: Vec<(JobId, String)>,
    things: u64,
    bytes: u64,
}

impl App {
    /// Asks for the deletion of these jobs' files: images, logs and definitions. It is written
    /// down when this returns, and carried out soon by the run whose number it returns; what is
    /// not this person's to delete is left out, with the reason in the receipt.
    ///
    /// # Errors
    /// Denied when the person may delete nothing at all, or the store cannot be written.
    pub async fn start_deletion(
        &self,
        actor: &Actor,
        ids: Vec<JobId>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<u64, AppError> {
        may_delete_some(actor)?;
        let (app, actor, peer) = (self.clone(), actor.clone(), peer.clone());
        // Whoever asked may go away: then it happens all the same.
        let asked = tokio::spawn(async move { app.ask_for(actor, ids, peer, now).await });
        asked.await.map_err(|e| AppError::internal("the deletion was not taken: try again", e))?
    }

    async fn ask_for(
        &self,
        actor: Actor,
        ids: Vec<JobId>,
        peer: Peer,
        now: Timestamp,
    ) -> Result<u64, AppError> {
        let (app, who) = (self.clone(), actor.clone());
        let chosen = super::submit::blocking(move || app.choose(&who, ids)).await??;
        let app = self.clone();
        let run = super::submit::blocking(move || app.reserve_run()).await??;
        let by = actor.user.to_string();
        let audit = AuditRecord {
            at: now,
            actor: by.clone(),
            peer: peer.shown(),
            action: "jobs.delete".into(),
            object: format!("cleanup {run}"),
            detail: format!("{} jobs", chosen.jobs.len()),
            request: peer.request.clone(),
        };
        let receipt = first_receipt(run, &by, &chosen, now);
        let planned = chosen.jobs.len() as u64;
        let (peer, request, jobs) = (peer.shown(), peer.request, chosen.jobs);
        let batch = Batch { number: run, by, peer, request, at: now, run, jobs };
        let progress = RunProgress { planned, ..RunProgress::default() };
        self.cleaning().progress().insert(run, progress);
        let write = self.store().write(move |tx| {
            tx.put_batch(&batch)?;
            tx.put_receipt(&receipt)?;
            tx.append_audit(&audit)
        });
        if let Err(error) = write.await {
            self.cleaning().progress().remove(&run);
            self.give_back_run(run);
            return Err(error.into());
        }
        self.send_errand(Chore::Cleanup, Trigger::Asked);
        Ok(run)
    }

    /// Looks up what of `ids` this person may delete, and what that is.
    fn choose(&self, actor: &Actor, ids: Vec<JobId>) -> Result<Chosen, AppError> {
        self.load_inventory()?;
        let ids = in_order(ids);
        let mut chosen = Chosen { jobs: ids, refused: Vec::new(), things: 0, bytes: 0 };
        if !actor.verbs.has(Verb::DeleteAny) {
            let (mut own, mut refused) = (Vec::new(), Vec::new());
            row_facts(self, &chosen.jobs, &mut |row| match may_delete_of(actor, row.owner) {
                Ok(()) => own.push(row.id),
                Err(error) => refused.push((row.id, error.to_string())),
            })?;
            (chosen.jobs, chosen.refused) = (own, refused);
        }
        let items = self.inventory().lock_items();
        for item in chosen.jobs.iter().filter_map(|id| items.get(id)) {
            chosen.things += u64::from(item.artifacts > 0) + u64::from(item.logs > 0);
            chosen.bytes += item.artifacts + item.logs;
        }
        drop(items);
        Ok(chosen)
    }

    /// Carries out the deletions that somebody asked for. Blocks; one run at a time.
    ///
    /// # Errors
    /// Another run goes on, or the store cannot be read.
    pub fn run_batches(&self, clock: &dyn Fn() -> Timestamp) -> Result<Vec<Receipt>, AppError> {
        let _alone = self.cleaning().begin()?;
        self.carry_out_batches(clock)
    }

    /// As [`run_batches`](Self::run_batches), inside a run.
    pub(super) fn carry_out_batches(
        &self,
        clock: &dyn Fn() -> Timestamp,
    ) -> Result<Vec<Receipt>, AppError> {
        let batches = self.store().batches()?;
        if !batches.is_empty() {
            self.load_inventory()?;
        }
        batches.iter().map(|batch| self.carry_out(batch, clock)).collect()
    }

    fn carry_out(&self, batch: &Batch, clock: &dyn Fn() -> Timestamp) -> Result<Receipt, AppError> {
        let mut run = Run::resume(self, batch, clock())?;
        run.plan_progress(batch.jobs.len() as u64);
        run.finish_own_intents(clock())?;
        let by = format!("{} {}", batch.by, batch.peer);
        for jobs in batch.jobs.chunks(JOBS) {
            let mut targets = Vec::new();
            for id in jobs {
                match self.what_is_left(*id, batch.run)? {
                    Left::Files(item) => {
                        targets.extend(Target::asked(&item, &by, &batch.request));
                    }
                    Left::Nothing => {}
                    Left::Other(why) => run.skip(*id, why),
                }
            }
            run.delete_groups(&targets, clock());
            run.note_progress(jobs.len() as u64);
        }
        Ok(run.close(batch.number, clock()))
    }

    fn what_is_left(&self, id: JobId, run: u64) -> Result<Left, StoreError> {
        match self.item(id) {
            Some(item) if item.logs > 0 => return Ok(Left::Files(item)),
            Some(_) => {}
            None => {
                let job = self.store().job(id)?;
                return Ok(Left::Other(job.map_or(UNKNOWN, |job| open_words(job.state.kind()))));
            }
        }
        // Before it was cut short, the run itself may have had it.
        let ours = self.store().shelf(id)?.logs_gone.is_some_and(|gone| gone.run == run);
        Ok(if ours { Left::Nothing } else { Left::Other(DELETED) })
    }
}

/// What there is to delete of a job.
enum Left {
    Files(Item),
    /// This run has deleted it.
    Nothing,
    /// Nothing that could be deleted; why.
    Other(&'static str),
}

/// Whoever may delete nothing at all is told so at once.
pub(super) fn may_delete_some(actor: &Actor) -> Result<(), AppError> {
    if !actor.verbs.has(Verb::DeleteAny) {
        actor.allow(Verb::DeleteOwn)?;
    }
    Ok(())
}

/// The receipt as it is before the run begins: with what will be left out.
fn first_receipt(run: u64, by: &str, chosen: &Chosen, now: Timestamp) -> Receipt {
    let mut receipt = Receipt {
        run,
        begun: now,
        trigger: by.to_owned(),
        planned_items: chosen.things,
        planned_bytes: chosen.bytes,
        saved: chosen.refused.len() as u64,
        ..Receipt::default()
    };
    for (id, why) in &chosen.refused {
        note_mishap(&mut receipt, Some(*id), format!("{SKIPPED}{why}"));
    }
    receipt
}
