//! Cleaning up: the plan of this moment, its preview, and the run that carries it out.

use super::{
    App, AppError, CleanupPreview, Orphans, PlannedRow, deletion,
    deletion::{Outcome, Target},
};
use crate::{
    domain::{
        Actor, JobId, Timestamp, Verb,
        retention::{
            Busy, Class, CleanupPlan, Doomed, Item, Trigger, Volume, plan, plan_emergency,
        },
    },
    store::{Mishap, Receipt, StoreError},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A jump of the clock while the service runs that is no correction.
const JUMP: Duration = Duration::from_secs(24 * 3600);
/// Nothing of ours stays off for so long without somebody having a look afterwards.
const ABSENCE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long ages are not believed after a jump.
const DISTRUST: Duration = Duration::from_secs(24 * 3600);
/// Things whose intents are written together.
const GROUP: usize = 64;
/// Mishaps kept in a receipt; more are counted.
const MISHAPS: usize = 100;
/// Receipts kept.
const RECEIPTS: usize = 1_000;
/// Lines of the audit trail removed by one run at most.
const AUDIT_LINES: usize = 10_000;
/// When the last cleanup ran, in the store's settings.
const LAST_SEEN: &str = "cleanup.last-seen";

/// What one run leaves for the next.
#[derive(Default)]
pub(super) struct Cleaning {
    /// Held while a run goes on.
    running: Mutex<Clock>,
    orphans: Mutex<Option<Orphans>>,
    walked: Mutex<Option<super::gauge::Walked>>,
}

impl Cleaning {
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

#[derive(Default)]
struct Clock {
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
        let mut seen = match self.cleaning().running.try_lock() {
            Ok(seen) => seen,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return Err(AppError::cleaning()),
        };
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
        run.end(clock(), trigger)
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
        let done = tokio::task::spawn_blocking(move || app.delete_asked(&job, &by, now));
        done.await.map_err(|e| AppError::internal("the deletion broke: try again", e))?
    }

    fn delete_asked(
        &self,
        job: &crate::domain::Job,
        by: &str,
        now: Timestamp,
    ) -> Result<(), AppError> {
        self.load_inventory()?;
        let Some(item) = self.item(job.id).filter(|item| item.logs > 0) else {
            return Err(AppError::gone(job.id));
        };
        let target = |class, bytes| Target {
            job: job.id,
            class,
            bytes,
            why: format!("{} asked for it", by.split(' ').next().unwrap_or(by)),
            by: by.to_owned(),
            run: 0,
            asked: true,
        };
        let mut targets = vec![target(Class::Logs, item.logs)];
        if item.artifacts > 0 {
            targets.insert(0, target(item.artifact_class(), item.artifacts));
        }
        for done in deletion::delete_group(self, &targets, now, &mut || {}) {
            match done.outcome {
                Outcome::Gone(removed) if removed.failed > 0 => {
                    tracing::warn!(
                        job.id = job.id.get(),
                        failed = removed.failed,
                        "entries stay in the trash"
                    );
                }
                Outcome::Gone(_) => {}
                Outcome::Kept(why) => return Err(AppError::kept(job.id, &why)),
            }
        }
        Ok(())
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

/// One run.
struct Run<'a> {
    app: &'a App,
    receipt: Receipt,
    free_before: Option<u64>,
}

impl<'a> Run<'a> {
    fn begin(app: &'a App, trigger: String, now: Timestamp) -> Result<Self, AppError> {
        // A run that was cut short is closed by the next one.
        let receipts = app.store().receipts()?;
        let open: Vec<_> = receipts.iter().filter(|r| r.ended.is_none()).cloned().collect();
        for mut receipt in open {
            receipt.ended = Some(now);
            receipt.mishaps.push(Mishap {
                job: None,
                what: "the service stopped in the middle: the next run went on".into(),
            });
            write_receipt(app, receipt);
        }
        let run = receipts.last().map_or(0, |last| last.run) + 1;
        let receipt = Receipt { run, begun: now, trigger, ..Receipt::default() };
        Ok(Self { app, receipt, free_before: app.data().space().ok().map(|s| s.free) })
    }

    fn mishap(&mut self, job: Option<JobId>, what: impl Into<String>) {
        let what = what.into();
        tracing::warn!(job.id = job.map(JobId::get), "cleanup: {what}");
        if self.receipt.mishaps.len() < MISHAPS {
            self.receipt.mishaps.push(Mishap { job, what });
        } else {
            self.receipt.more_mishaps += 1;
        }
    }

    fn count_trash(&mut self, removed: crate::files::Removed) {
        self.receipt.bytes += removed.bytes;
        for error in removed.errors {
            self.mishap(None, error.to_string());
        }
    }

    fn note_plan(&mut self, plan: &CleanupPlan) {
        self.receipt.planned_items = plan.doomed.len() as u64;
        self.receipt.planned_bytes = plan.bytes();
        self.receipt.saved = plan.saved.len() as u64;
        self.receipt.unmet.clone_from(&plan.unmet);
        if !plan.doomed.is_empty() {
            // So that a run that is cut short can be seen afterwards.
            write_receipt(self.app, self.receipt.clone());
        }
    }

    fn finish_open_intents(&mut self, now: Timestamp) -> Result<(), AppError> {
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

    fn delete(&mut self, targets: &[Target], now: Timestamp) {
        let app = self.app;
        let mut breathe = || {
            if app.board().building().0 > 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        for group in targets.chunks(GROUP) {
            let group: Vec<_> =
                group.iter().map(|t| Target { run: self.receipt.run, ..t.clone() }).collect();
            for done in deletion::delete_group(app, &group, now, &mut breathe) {
                let deletion::Done { target, outcome, remarks } = done;
                for remark in remarks {
                    self.mishap(Some(target.job), remark);
                }
                match outcome {
                    Outcome::Gone(removed) => self.count(&target, removed),
                    Outcome::Kept(why) => self.mishap(Some(target.job), why),
                }
            }
        }
    }

    fn count(&mut self, target: &Target, removed: crate::files::Removed) {
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

    fn trim_caches(&mut self) {
        let building: Vec<String> = self.app.board().building_runners();
        let budget = self.app.live().cache_budget;
        let removed = self.app.data().trim_cache(budget, &building, &mut || {});
        self.count_trash(removed);
    }

    fn trim_audit(&mut self, now: Timestamp) {
        let Some(kept) = self.app.live().audit_kept else { return };
        let before = Timestamp::from_millis(
            now.as_millis().saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX)),
        );
        let trimmed = self.app.store().write_blocking(move |tx| tx.trim_audit(before, AUDIT_LINES));
        if let Err(error) = trimmed {
            self.mishap(None, format!("old audit lines stay: {error}"));
        }
    }

    fn end(mut self, now: Timestamp, trigger: &Trigger) -> Result<Receipt, AppError> {
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
        let nothing = r.planned_items == 0 && r.bytes == 0 && r.mishaps.is_empty();
        tracing::info!(
            run = r.run,
            items = r.items,
            bytes = r.bytes,
            trigger = r.trigger,
            "cleanup ended"
        );
        // One for every job that ends would bury the others.
        if !(nothing && *trigger == Trigger::JobEnded) {
            write_receipt(self.app, self.receipt.clone());
            self.app.board().announce(super::Change::Queues);
        }
        Ok(self.receipt)
    }
}

fn write_receipt(app: &App, receipt: Receipt) {
    let oldest = receipt.run.saturating_sub(RECEIPTS as u64);
    let written = app.store().write_blocking(move |tx| {
        if oldest > 0 {
            tx.remove_receipt(oldest)?;
        }
        tx.put_receipt(&receipt)
    });
    if let Err(error) = written {
        tracing::warn!(%error, "the receipt of a cleanup could not be written");
    }
}
