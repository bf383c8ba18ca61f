//! Cleaning up: the plan of this moment, its preview, and the run that carries it out.

use super::{
    App, AppError, CleanupPreview, Orphans, PlannedRow, RunProgress, deletion,
    deletion::{Outcome, Target},
    run::Run,
};
use crate::{
    domain::{
        Actor, JobId, Timestamp, Verb,
        retention::{
            Busy, Class, CleanupPlan, Doomed, Item, Trigger, Volume, plan, plan_emergency,
        },
    },
    store::{Receipt, StoreError},
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

/// A jump of the clock while the service runs that is no correction.
const JUMP: Duration = Duration::from_secs(24 * 3600);
/// Nothing of ours stays off for so long without somebody having a look afterwards.
const ABSENCE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long ages are not believed after a jump.
const DISTRUST: Duration = Duration::from_secs(24 * 3600);
/// When the last cleanup ran, in the store's settings.
const LAST_SEEN: &str = "cleanup.last-seen";

/// What one run leaves for the next.
#[derive(Default)]
pub(super) struct Cleaning {
    /// Held while a run goes on.
    running: Mutex<Clock>,
    /// The number of the next run, once it is known.
    next: Mutex<Option<u64>>,
    /// How far runs are that go on or are about to begin.
    progress: Mutex<HashMap<u64, RunProgress>>,
    orphans: Mutex<Option<Orphans>>,
    walked: Mutex<Option<super::gauge::Walked>>,
}

impl Cleaning {
    /// The right to run, which only one has at a time.
    pub(super) fn begin(&self) -> Result<MutexGuard<'_, Clock>, AppError> {
        match self.running.try_lock() {
            Ok(clock) => Ok(clock),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(AppError::cleaning()),
        }
    }

    pub(super) fn next(&self) -> MutexGuard<'_, Option<u64>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, HashMap<u64, RunProgress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_orphans(&self, found: Orphans) {
        *self.orphans.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    pub(super) fn orphans(&self) -> Option<Orphans> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the Disk page last counted by walking.
    pub(super) fn walked(&self) -> &Mutex<Option<super::gauge::Walked>> {
        &self.walked
    }
}

/// What is believed of the clock.
#[derive(Default)]
pub(super) struct Clock {
    seen: Option<(Timestamp, Instant)>,
    distrust_until: Option<Instant>,
}

impl Clock {
    /// Whether ages can be believed at `now`. `last` is when the last process saw the clock.
    fn trust(&mut self, now: Timestamp, last: Option<Timestamp>, by_person: bool) -> bool {
        let jumped = match (self.seen, last) {
            (Some((at, since)), _) => now.since(at.plus(since.elapsed())) > JUMP,
            (None, Some(last)) => now.since(last) > ABSENCE,
            (None, None) => false,
        };
        self.seen = Some((now, Instant::now()));
        if jumped {
            tracing::warn!("the clock has jumped: nothing is deleted by its age for a day");
            self.distrust_until = Some(Instant::now() + DISTRUST);
        }
        if by_person {
            self.distrust_until = None;
        }
        self.distrust_until.is_none_or(|until| Instant::now() >= until)
    }
}

/// What the rules say now.
struct Decided {
    plan: CleanupPlan,
    items: HashMap<JobId, Item>,
}

impl App {
    /// Exactly what a run would do now.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn cleanup_preview(
        &self,
        actor: &Actor,
        rows: usize,
        now: Timestamp,
    ) -> Result<CleanupPreview, AppError> {
        actor.allow(Verb::ViewHealth)?;
        let Decided { plan, items } = self.decide(now, true)?;
        let row = |id: JobId, class, bytes, why: String, guard| -> Result<_, StoreError> {
            let job = self.store().job(id)?;
            let name = job.map(|job| job.name.to_string()).unwrap_or_default();
            let ended = items.get(&id).map(|item| item.ended).unwrap_or_default();
            Ok(PlannedRow { job: id, name, class, bytes, why, guard, ended })
        };
        let doomed = plan.doomed.iter().take(rows);
        let doomed = doomed.map(|d| row(d.id, d.class, d.bytes, d.rule.to_string(), None));
        let saved = plan.saved.iter().take(rows);
        let saved = saved.map(|s| row(s.id, s.class, s.bytes, s.rule.to_string(), Some(s.guard)));
        Ok(CleanupPreview {
            doomed: doomed.collect::<Result<_, _>>()?,
            saved: saved.collect::<Result<_, _>>()?,
            items: plan.doomed.len() as u64,
            saved_items: plan.saved.len() as u64,
            bytes: plan.bytes(),
            by_class: by_class(&plan.doomed),
            unmet: plan.unmet,
        })
    }

    /// What the rules say now, as a preview and the Disk page tell it.
    pub(super) fn plan_now(&self, now: Timestamp) -> Result<CleanupPlan, AppError> {
        Ok(self.decide(now, true)?.plan)
    }

    fn decide(&self, now: Timestamp, trust_age: bool) -> Result<Decided, AppError> {
        self.load_inventory()?;
        let items = self.items_now()?;
        let live = self.live();
        let volume = self.data().space().ok();
        let volume = volume.map(|space| Volume { total: space.total, free: space.free });
        let mut decided = plan(&items, volume, &live.retention, now, trust_age);
        if let Some(volume) = volume.filter(|v| v.free < live.thresholds.emergency_below()) {
            let wanted = live.thresholds.resume_above();
            // What the rules take anyway is as good as free: only what is missing then goes too.
            let free = volume.free.saturating_add(decided.bytes());
            let rest = without(&items, &decided);
            let volume = Volume { free, ..volume };
            let urgent = plan_emergency(&rest, volume, wanted, &live.retention, now);
            add(&mut decided, urgent);
        }
        let items = items.into_iter().map(|item| (item.id, item)).collect();
        Ok(Decided { plan: decided, items })
    }

    /// All items with who uses them now.
    fn items_now(&self) -> Result<Vec<Item>, StoreError> {
        let inputs = self.inputs_in_use()?;
        let mut items: Vec<Item> = self.inventory().lock_items().values().cloned().collect();
        for item in &mut items {
            item.busy = match inputs.get(&item.id) {
                Some(job) => Some(Busy::Input(*job)),
                None => self.claims().is_downloading(item.id).then_some(Busy::Download),
            };
        }
        Ok(items)
    }

    /// Jobs whose files an open job takes as its input.
    pub(super) fn inputs_in_use(&self) -> Result<HashMap<JobId, JobId>, StoreError> {
        let open = self.store().open_jobs()?;
        Ok(open.iter().filter_map(|job| Some((job.request.input_job?, job.id))).collect())
    }

    /// Carries out what the rules say now. Blocks; one run at a time. Whatever goes wrong with one
    /// thing is in the receipt, and the run goes on.
    ///
    /// # Errors
    /// Another run goes on, or the store cannot be read.
    pub fn run_cleanup(
        &self,
        trigger: &Trigger,
        clock: &dyn Fn() -> Timestamp,
    ) -> Result<Receipt, AppError> {
        let mut seen = self.cleaning().begin()?;
        // What somebody waits for goes first.
        self.carry_out_batches(clock)?;
        let now = clock();
        let by_person = matches!(trigger, Trigger::Person(_));
        let last = self.store().setting(LAST_SEEN)?.and_then(|text| text.parse().ok());
        let trust = seen.trust(now, last.map(Timestamp::from_millis), by_person);
        let mut run = Run::begin(self, trigger.to_string(), now)?;
        let trash = self.data().empty_trash();
        run.count_trash(trash);
        run.finish_open_intents(now)?;
        let Decided { plan, .. } = self.decide(now, trust)?;
        run.note_plan(&plan);
        let by = match trigger {
            Trigger::Person(who) => who.clone(),
            _ => "system".to_owned(),
        };
        let targets = plan.doomed.into_iter().map(|doomed| Target::of(doomed, &by));
        run.delete(&targets.collect::<Vec<_>>(), now);
        // Caches are walked for it: not after every job.
        if *trigger != Trigger::JobEnded {
            run.trim_caches();
            run.trim_audit(now);
        }
        self.remember_clock(now);
        Ok(run.end(clock(), *trigger == Trigger::JobEnded))
    }

    /// Deletes what is left of one job because somebody wants it: artifacts, log, definition. The
    /// record stays and says so.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` while it waits or builds, `Refused` when it is pinned or in
    /// use.
    pub async fn delete_job(
        &self,
        actor: &Actor,
        id: JobId,
        peer: &super::Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let job = self.known(actor, id)?;
        super::keep::may_delete(actor, &job)?;
        if !job.state.kind().is_final() {
            let hint = "cancel it first".to_owned();
            return Err(AppError::Conflict { job: id, state: job.state.kind(), hint });
        }
        let (app, by) = (self.clone(), format!("{} {}", actor.user, peer.shown()));
        let request = peer.request.clone();
        let done = tokio::task::spawn_blocking(move || app.delete_asked(&job, &by, &request, now));
        done.await.map_err(|e| AppError::internal("the deletion broke: try again", e))?
    }

    fn delete_asked(
        &self,
        job: &crate::domain::Job,
        by: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<(), AppError> {
        self.load_inventory()?;
        let Some(item) = self.item(job.id).filter(|item| item.logs > 0) else {
            return Err(AppError::gone(job.id));
        };
        let targets = Target::asked(&item, by, request);
        let group = deletion::delete_files(self, &targets, now, &mut || {});
        let kept = group.done.iter().find_map(|done| match &done.outcome {
            Outcome::Kept(why) => Some(why.clone()),
            Outcome::Gone(removed) if removed.failed > 0 => {
                let failed = removed.failed;
                tracing::warn!(job.id = job.id.get(), failed, "entries stay in the trash");
                None
            }
            Outcome::Gone(_) => None,
        });
        if let Some(remark) = group.record(self, now, None) {
            tracing::error!(job.id = job.id.get(), "{remark}");
        }
        kept.map_or(Ok(()), |why| Err(AppError::kept(job.id, &why)))
    }

    fn remember_clock(&self, now: Timestamp) {
        let text = now.as_millis().to_string();
        let noted = self.store().write_blocking(move |tx| tx.put_setting(LAST_SEEN, Some(&text)));
        if let Err(error) = noted {
            tracing::warn!(%error, "the time of the cleanup could not be noted");
        }
    }
}

/// The items as they are after the artifacts of a plan have gone.
fn without(items: &[Item], plan: &CleanupPlan) -> Vec<Item> {
    let artifacts = |d: &&Doomed| matches!(d.class, Class::Images | Class::Leftovers);
    let gone: std::collections::HashSet<_> =
        plan.doomed.iter().filter(artifacts).map(|d| d.id).collect();
    let left = |item: &Item| match gone.contains(&item.id) {
        true => Item { artifacts: 0, ..item.clone() },
        false => item.clone(),
    };
    items.iter().map(left).collect()
}

/// The emergency's part of a plan, without what the rules take anyway.
fn add(plan: &mut CleanupPlan, urgent: CleanupPlan) {
    let known: std::collections::HashSet<_> = plan.doomed.iter().map(|d| (d.id, d.class)).collect();
    let new = urgent.doomed.into_iter().filter(|d| !known.contains(&(d.id, d.class)));
    plan.doomed.extend(new);
    plan.doomed.sort_by_key(|d| (d.class, d.id));
    let taken: std::collections::HashSet<_> = plan.doomed.iter().map(|d| (d.id, d.class)).collect();
    plan.saved.retain(|s| !taken.contains(&(s.id, s.class)));
    plan.unmet.extend(urgent.unmet);
}

fn by_class(doomed: &[Doomed]) -> Vec<(Class, u64, u64)> {
    let of = |class| {
        let these = doomed.iter().filter(|d| d.class == class);
        let (items, bytes) = these.fold((0, 0), |(n, b), d| (n + 1, b + d.bytes));
        (items > 0).then_some((class, items, bytes))
    };
    Class::ALL.into_iter().filter_map(of).collect()
}
