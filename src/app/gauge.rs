//! What the Disk page shows: what fills the volume, how fast, what goes next, and what past
//! cleanups did.

use super::{App, AppError, Chore, Orphans};
use crate::{
    domain::{
        Actor, JobId, StateKind, Timestamp, Verb,
        retention::{Class, Doomed, Item, Lifetime, Policy, Rule, expiry, plan},
    },
    store::{Cursor, JobFilter, Receipt},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    ffi::OsStr,
    sync::PoisonError,
    time::Duration,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The past a forecast looks at.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Jobs that a forecast looks at, at most.
const LOOKED_AT: usize = 1_000;
/// How far "goes next" looks ahead.
const HORIZON: Duration = Duration::from_secs(400 * 24 * 3600);
/// Rows of "goes next".
const NEXT_ROWS: usize = 20;
/// Receipts a page shows.
const RECEIPTS: usize = 30;
/// What was counted by walking over directories is believed so long.
const FRESH: Duration = Duration::from_secs(60);
/// Entries a walk looks at, at most.
const ENTRIES: usize = 100_000;
/// The file that keeps room for emergencies, if there is one.
const BALLAST: &str = "ballast";

/// What takes room on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taker {
    /// Artifacts of jobs that are done.
    Images,
    /// Logs, definitions and requests.
    Logs,
    /// What failed, cancelled and interrupted jobs left.
    Leftovers,
    /// Builds that go on now.
    Builds,
    /// Caches of runners.
    Caches,
    /// The store.
    Store,
    /// Backups of the store.
    Backups,
    /// Room that is kept for emergencies.
    Ballast,
    /// What could not be removed yet.
    Trash,
    /// Everything else on the volume, which IMG did not write.
    Foreign,
}

/// The Disk page.
#[derive(Clone, Debug, Default)]
pub struct DiskView {
    /// Total and free bytes of the volume; `None` when it does not answer.
    pub space: Option<(u64, u64)>,
    /// What takes how many bytes, in the order of [`Taker`].
    pub parts: Vec<(Taker, u64)>,
    /// Below so many free bytes a cleanup takes more than its rules.
    pub emergency_below: u64,
    /// Below so many free bytes no job starts.
    pub hold_below: u64,
    /// As many bytes an emergency makes free, and from then on jobs start again.
    pub resume_above: u64,
    /// True while jobs wait for the volume.
    pub holds: bool,
    /// Bytes that jobs which build now may still write.
    pub reserved: u64,
    /// Per cent of the volume that may be used before images go; 100: never for that reason.
    pub budget: u8,
    /// Bytes by which it grows a day, as the last week was; 0: it does not.
    pub growth: u64,
    /// What goes next, the first first.
    pub next: Vec<NextRow>,
    /// The last receipts, the newest first.
    pub receipts: Vec<Receipt>,
    /// What the last comparison of files and records found.
    pub orphans: Option<Orphans>,
    /// When the next cleanup is due.
    pub next_cleanup: Option<Timestamp>,
    /// True while a cleanup runs.
    pub cleaning: bool,
    /// True while files and records are compared.
    pub comparing: bool,
}

/// A thing that goes by its rule, if nothing happens.
#[derive(Clone, Debug)]
pub struct NextRow {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// What of it.
    pub class: Class,
    /// When; `None`: with the next cleanup.
    pub at: Option<Timestamp>,
    /// The rule as a sentence.
    pub why: String,
    /// Bytes, as far as known.
    pub bytes: u64,
    /// Whose.
    pub owner: String,
}

/// What was counted by a walk, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walked {
    at: Timestamp,
    caches: u64,
    backups: u64,
    trash: u64,
}

impl App {
    /// The Disk page's data.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub async fn disk_page(&self, actor: &Actor, now: Timestamp) -> Result<DiskView, AppError> {
        actor.allow(Verb::ViewHealth)?;
        let app = self.clone();
        let gathered = tokio::task::spawn_blocking(move || app.gather_disk(now));
        gathered.await.map_err(|e| AppError::internal("the disk could not be looked at", e))?
    }

    /// The last receipts, the newest first, `most` of them.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn receipts(&self, actor: &Actor, most: usize) -> Result<Vec<Receipt>, AppError> {
        actor.allow(Verb::ViewHealth)?;
        Ok(self.newest_receipts(most)?)
    }

    /// The receipt of one run.
    ///
    /// # Errors
    /// Denied, `NotFound`, or the store cannot be read.
    pub fn receipt(&self, actor: &Actor, run: u64) -> Result<Receipt, AppError> {
        actor.allow(Verb::ViewHealth)?;
        let found = self.store().receipt(run)?;
        found.ok_or_else(|| {
            AppError::NotFound(format!(
                "cleanup run {run}: it never was, or its receipt is no longer kept"
            ))
        })
    }

    /// Asks for a cleanup now; says the newest receipt there is, so that the one that comes can be
    /// told from it.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn ask_cleanup(&self, actor: &Actor) -> Result<u64, AppError> {
        actor.allow(Verb::RunCleanup)?;
        let last = self.newest_receipts(1)?.first().map_or(0, |receipt| receipt.run);
        self.start_chore(actor, Chore::Cleanup)?;
        Ok(last)
    }

    fn newest_receipts(&self, most: usize) -> Result<Vec<Receipt>, crate::store::StoreError> {
        let all = self.store().receipts()?;
        Ok(all.into_iter().rev().take(most).collect())
    }

    fn gather_disk(&self, now: Timestamp) -> Result<DiskView, AppError> {
        self.load_inventory()?;
        let (live, state) = (self.live(), self.disk());
        let space = self.data().space().ok().map(|space| (space.total, space.free));
        let items: Vec<Item> = self.inventory().lock_items().values().cloned().collect();
        let running = self.running_chores();
        Ok(DiskView {
            space,
            parts: self.parts(&items, space, now)?,
            emergency_below: state.thresholds.emergency_below(),
            hold_below: state.thresholds.hold_below(),
            resume_above: state.thresholds.resume_above(),
            holds: state.holds(),
            reserved: state.reserved,
            budget: live.retention.budget,
            growth: self.growth(&items, now)?,
            next: self.goes_next(&items, now)?,
            receipts: self.newest_receipts(RECEIPTS)?,
            orphans: self.orphans(),
            next_cleanup: self.next_cleanup(now),
            cleaning: running.contains(&Chore::Cleanup),
            comparing: running.contains(&Chore::Orphans),
        })
    }

    fn parts(
        &self,
        items: &[Item],
        space: Option<(u64, u64)>,
        now: Timestamp,
    ) -> Result<Vec<(Taker, u64)>, AppError> {
        let walked = self.walked(now);
        let sum = |good: bool| {
            let these = items.iter().filter(|i| (i.state == StateKind::Done) == good);
            these.map(|i| i.artifacts).fold(0, u64::saturating_add)
        };
        let own = [
            (Taker::Images, sum(true)),
            // An item without files still has one byte, so that its logs are known to be there.
            (Taker::Logs, items.iter().map(|i| i.logs).fold(0, u64::saturating_add)),
            (Taker::Leftovers, sum(false)),
            (Taker::Builds, self.builds()?),
            (Taker::Caches, walked.caches),
            (Taker::Store, self.store().facts().1),
            (Taker::Backups, walked.backups),
            (Taker::Ballast, self.ballast_bytes()),
            (Taker::Trash, walked.trash),
        ];
        let known = own.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
        let used = space.map_or(0, |(total, free)| total.saturating_sub(free));
        let foreign = (Taker::Foreign, used.saturating_sub(known));
        Ok(own.into_iter().chain([foreign]).collect())
    }

    /// Bytes of the builds that go on, as last measured.
    fn builds(&self) -> Result<u64, AppError> {
        let open = self.store().open_jobs()?;
        let building = open.iter().filter(|job| job.state.kind() == StateKind::Building);
        Ok(building.map(|job| self.board().live(job, None).disk).fold(0, u64::saturating_add))
    }

    fn ballast_bytes(&self) -> u64 {
        self.data().dir().look(OsStr::new(BALLAST)).map_or(0, |(_, _, bytes)| bytes)
    }

    /// What only a walk over directories tells, at most a minute old.
    fn walked(&self, now: Timestamp) -> Walked {
        let mut last = self.cleaning().walked().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = *last
            && last.at <= now
            && now.since(last.at) < FRESH
        {
            return last;
        }
        let backups = self.data().dir().open_dir("backup");
        let fresh = Walked {
            at: now,
            caches: self.data().cache_usage(),
            backups: backups.map_or(0, |dir| dir.usage(ENTRIES).0),
            trash: self.data().trash().usage(ENTRIES).0,
        };
        *last = Some(fresh);
        fresh
    }

    /// Bytes a day: what jobs of the last week made, without what cleanups and people took away.
    fn growth(&self, items: &[Item], now: Timestamp) -> Result<u64, AppError> {
        let done = JobFilter { state: Some(StateKind::Done), ..JobFilter::default() };
        let jobs = self.store().jobs(&done, Cursor::Newest, LOOKED_AT)?.jobs;
        let recent = |at: Timestamp| now.since(at) < WEEK;
        let there: HashSet<_> = items.iter().filter(|i| i.artifacts > 0).map(|i| i.id).collect();
        let (mut made, mut taken, mut first) = (0u64, 0u64, now);
        for job in &jobs {
            let Some(ended) = job.state.ended().filter(|at| recent(*at)) else { continue };
            let bytes = job.result.artifacts.iter().map(|a| a.size).fold(0, u64::saturating_add);
            first = first.min(ended);
            made = made.saturating_add(bytes);
            // No receipt tells what a person deleted.
            if !there.contains(&job.id)
                && self.store().shelf(job.id)?.artifacts_gone.is_some_and(|gone| gone.run == 0)
            {
                taken = taken.saturating_add(bytes);
            }
        }
        for receipt in self.store().receipts()?.iter().filter(|r| recent(r.begun)) {
            let images = receipt.by_class.iter().filter(|(class, ..)| *class == Class::Images);
            taken = images.map(|(_, _, bytes)| *bytes).fold(taken, u64::saturating_add);
        }
        Ok(per_day(made.saturating_sub(taken), now.since(first)))
    }

    /// What goes by its rule, soonest first. What somebody pinned and the last good image of a
    /// recipe are not among it.
    fn goes_next(&self, items: &[Item], now: Timestamp) -> Result<Vec<NextRow>, AppError> {
        let mut rows: BTreeMap<_, (Option<Timestamp>, Doomed)> = BTreeMap::new();
        for doomed in self.plan_now(now)?.doomed {
            rows.insert((doomed.id, doomed.class), (None, doomed));
        }
        for (at, doomed) in ahead(items, &self.live().retention, now) {
            rows.entry((doomed.id, doomed.class)).or_insert_with(|| {
                // What something keeps just now goes with the first cleanup after that.
                (Some(at).filter(|at| *at > now), doomed)
            });
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.retain(|(_, doomed)| doomed.class != Class::Records);
        rows.sort_by_key(|(at, doomed)| (*at, doomed.class, doomed.id));
        rows.truncate(NEXT_ROWS);
        let mut shown = Vec::with_capacity(rows.len());
        for (at, doomed) in rows {
            let Some(job) = self.store().job(doomed.id)? else { continue };
            shown.push(NextRow {
                job: doomed.id,
                name: job.name.to_string(),
                class: doomed.class,
                at,
                why: doomed.rule.to_string(),
                bytes: doomed.bytes,
                owner: job.owner.to_string(),
            });
        }
        Ok(shown)
    }
}

/// What the rules take later, and when; a thing that two rules take comes with the earlier one.
fn ahead(items: &[Item], policy: &Policy, now: Timestamp) -> Vec<(Timestamp, Doomed)> {
    // Ages go before numbers in a plan: to see what goes by its number first, ages count for
    // nothing.
    let ageless = Policy {
        images: Lifetime::Forever,
        leftovers: Lifetime::Forever,
        logs: Lifetime::Forever,
        records: Lifetime::Forever,
        queues: BTreeMap::new(),
        ..policy.clone()
    };
    let by_id: HashMap<_, _> = items.iter().map(|item| (item.id, item)).collect();
    let mut first: HashMap<_, (Timestamp, Doomed)> = HashMap::new();
    for rules in [&ageless, policy] {
        for doomed in plan(items, None, rules, now.plus(HORIZON), true).doomed {
            let Some(item) = by_id.get(&doomed.id) else { continue };
            let Some(at) = due(item, doomed.class, &doomed.rule, policy) else { continue };
            match first.entry((doomed.id, doomed.class)) {
                Entry::Occupied(mut known) if at < known.get().0 => {
                    known.insert((at, doomed));
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(new) => {
                    new.insert((at, doomed));
                }
            }
        }
    }
    first.into_values().collect()
}

/// When a rule takes something that nothing guards by then; `None`: nobody knows.
fn due(item: &Item, class: Class, rule: &Rule, policy: &Policy) -> Option<Timestamp> {
    match rule {
        Rule::Age { .. } => expiry(item, class, policy),
        Rule::Number { .. } | Rule::Budget { .. } | Rule::Emergency | Rule::Asked => {
            let old_enough = item.ended.plus(policy.min_age);
            Some(item.keep_until.map_or(old_enough, |until| until.max(old_enough)))
        }
    }
}

/// `bytes` in `span` as bytes a day; less than a day counts as one, so that a first build is no
/// flood.
fn per_day(bytes: u64, span: Duration) -> u64 {
    let seconds = u128::from(span.max(DAY).as_secs());
    u64::try_from(u128::from(bytes) * u128::from(DAY.as_secs()) / seconds).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::QueueName;
    use std::sync::Arc;

    fn item(ended: i64) -> Item {
        Item {
            id: JobId::new(1).unwrap(),
            recipe: "a".into(),
            queue: Arc::new(QueueName::new("web").unwrap()),
            state: StateKind::Done,
            ended: Timestamp::from_millis(ended),
            artifacts: 5,
            logs: 1,
            pinned: false,
            keep_until: None,
            downloaded: None,
            busy: None,
        }
    }

    #[test]
    fn the_first_hour_of_a_box_is_no_flood() {
        assert_eq!(per_day(100, Duration::from_secs(3600)), 100);
        assert_eq!(per_day(700, WEEK), 100);
        assert_eq!(per_day(0, Duration::ZERO), 0);
        assert_eq!(per_day(u64::MAX, DAY), u64::MAX);
    }

    #[test]
    fn what_goes_by_its_number_comes_before_what_grows_old() {
        let policy = Policy::default();
        let now = Timestamp::default().plus(10 * DAY);
        let items: Vec<_> = (1..=5)
            .map(|n| Item { id: JobId::new(n).unwrap(), ..item(i64::try_from(n).unwrap()) })
            .collect();
        let mut rows = ahead(&items, &policy, now);
        rows.sort_by_key(|(at, doomed)| (*at, doomed.id));
        let images: Vec<_> =
            rows.iter().filter(|(_, d)| d.class == Class::Images).map(|(_, d)| d).collect();
        let ids: Vec<_> = images.iter().map(|d| d.id.get()).collect();
        assert_eq!(ids, [1, 2, 3, 4], "the fifth is the last good one");
        assert!(images[..2].iter().all(|d| matches!(d.rule, Rule::Number { .. })));
        assert!(images[2..].iter().all(|d| matches!(d.rule, Rule::Age { .. })));
    }

    #[test]
    fn what_somebody_keeps_goes_when_that_is_over() {
        let policy = Policy::default();
        let mut item = item(0);
        let age = Rule::Age { limit: 14 * DAY, queue: None };
        let number = Rule::Number { keep: 3, newest: JobId::new(9).unwrap() };
        let day = |n: u32| Some(Timestamp::default().plus(n * DAY));
        let hour = Some(Timestamp::default().plus(policy.min_age));
        assert_eq!(due(&item, Class::Images, &age, &policy), day(14));
        assert_eq!(due(&item, Class::Images, &number, &policy), hour);
        item.keep_until = day(30);
        assert_eq!(due(&item, Class::Images, &age, &policy), day(30));
        assert_eq!(due(&item, Class::Images, &number, &policy), day(30));
    }
}
