//! What is only known while jobs wait or build: places in line, phases, how far each log is.
//!
//! The dispatcher writes it, pages read it. It is rebuilt from the store at every start, so losing
//! it loses nothing.

mod builder;
mod ledger;
mod room;
#[cfg(test)]
mod tests;

pub use builder::BuilderLink;
pub use room::Place;

use super::{Change, Live, LogState};
use crate::domain::{
    Arch, Hold, ImageTypeId, Job, JobId, JobName, Line, Queue, QueueName, RunnerId, Timestamp,
    UserName, Waiting,
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{broadcast, watch};

/// How many past lengths of a recipe the estimate looks at.
const REMEMBERED: usize = 9;
/// How many recipes are remembered before the memory is started afresh.
const RECIPES: usize = 4_096;
/// How many changes a slow reader may fall behind before it loses some.
const CHANGES: usize = 1_024;

/// What stays the same between jobs that build "the same thing".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recipe(JobName, RunnerId, ImageTypeId, Arch);

impl Recipe {
    /// Its runner.
    pub fn runner(&self) -> &RunnerId {
        &self.1
    }

    /// The recipe of a job.
    pub fn of(job: &Job) -> Self {
        Self(job.name.clone(), job.runner.clone(), job.image_type.clone(), job.arch.clone())
    }
}

struct Building {
    queue: QueueName,
    owner: UserName,
    recipe: Recipe,
    started: Timestamp,
    /// Bytes it is taken to need.
    need: u64,
    live: Live,
}

#[derive(Default)]
struct Inner {
    waiting: BTreeMap<QueueName, Line>,
    /// The whole order, as far as somebody wanted to see it.
    orders: HashMap<QueueName, Vec<JobId>>,
    building: HashMap<JobId, Building>,
    logs: HashMap<JobId, watch::Sender<LogState>>,
    lengths: HashMap<Recipe, VecDeque<Duration>>,
    unavailable: HashMap<RunnerId, String>,
    room: room::Room,
    /// A builder that is a process of its own.
    builder: Option<BuilderLink>,
    stopping: bool,
}

/// The board. Locks are held for look-ups only, never across IO.
pub struct Board {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Change>,
}

impl Default for Board {
    fn default() -> Self {
        Self { inner: Mutex::default(), changes: broadcast::channel(CHANGES).0 }
    }
}

impl Inner {
    fn order(&mut self, queue: &QueueName) -> &[JobId] {
        if !self.orders.contains_key(queue) {
            let building = self.building_by_owner(queue);
            let order = self.waiting.get(queue).map(|line| line.order(&building));
            self.orders.insert(queue.clone(), order.unwrap_or_default());
        }
        self.orders.get(queue).map_or(&[], Vec::as_slice)
    }

    fn building_by_owner(&self, queue: &QueueName) -> HashMap<UserName, u32> {
        let mut owners = HashMap::new();
        for building in self.building.values().filter(|b| b.queue == *queue) {
            *owners.entry(building.owner.clone()).or_insert(0) += 1;
        }
        owners
    }

    fn typical_length(&self, recipe: &Recipe) -> Option<Duration> {
        let mut lengths: Vec<_> = self.lengths.get(recipe)?.iter().copied().collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).copied()
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave the maps half-changed in a way that
        // matters: every change is one insert or remove.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Tells watchers about a change; nobody watching is fine.
    pub fn announce(&self, change: Change) {
        let _ = self.changes.send(change);
    }

    /// A job waits; `estimate` is what its runner takes it to need in bytes.
    pub fn enqueue(&self, job: &Job, estimate: Option<u64>) {
        let mut inner = self.lock();
        inner.orders.remove(&job.queue);
        inner.waiting.entry(job.queue.clone()).or_default().insert(Waiting::of(job));
        inner.room.enqueue(job, estimate);
        drop(inner);
        self.announce(Change::Job(job.id));
    }

    /// A job waits no longer.
    pub fn dequeue(&self, queue: &QueueName, id: JobId) {
        let mut inner = self.lock();
        inner.orders.remove(queue);
        inner.room.dequeue(id);
        if let Some(waiting) = inner.waiting.get_mut(queue) {
            waiting.remove(id);
        }
    }

    /// A waiting job left `from` and waits in its new queue; what it is taken to need stays known.
    pub fn move_to(&self, from: &QueueName, job: &Job) {
        let mut inner = self.lock();
        inner.orders.remove(from);
        inner.orders.remove(&job.queue);
        if let Some(waiting) = inner.waiting.get_mut(from) {
            waiting.remove(job.id);
        }
        inner.waiting.entry(job.queue.clone()).or_default().insert(Waiting::of(job));
        drop(inner);
        self.announce(Change::Job(job.id));
    }

    /// The first job of `queue` in order that nothing holds back; `jobs` has every waiting one.
    pub fn next(&self, queue: &Queue, jobs: &HashMap<JobId, Job>) -> Option<JobId> {
        let inner = self.lock();
        let building = inner.building_by_owner(&queue.name);
        let free = |id| jobs.get(&id).is_some_and(|job| inner.hold(job, Some(queue)).is_none());
        inner.waiting.get(&queue.name)?.first(&building, free)
    }

    /// A job left the queue for a builder at `started`.
    pub fn begin(&self, job: &Job, started: Timestamp) {
        let need = self.lock().room.need(job).bytes;
        self.dequeue(&job.queue, job.id);
        let building = Building {
            queue: job.queue.clone(),
            owner: job.owner.clone(),
            recipe: Recipe::of(job),
            started,
            need,
            live: Live::default(),
        };
        let mut inner = self.lock();
        inner.orders.remove(&job.queue);
        inner.building.insert(job.id, building);
        drop(inner);
        self.announce(Change::Job(job.id));
    }

    /// Changes what is known of a building job, and tells watchers.
    pub fn update(&self, id: JobId, change: impl FnOnce(&mut Live)) {
        if let Some(building) = self.lock().building.get_mut(&id) {
            change(&mut building.live);
        }
        self.announce(Change::Job(id));
    }

    /// A job reached its final state: its place, live facts and log watchers are let go.
    pub fn end(&self, job: &Job) {
        let mut inner = self.lock();
        inner.orders.remove(&job.queue);
        inner.building.remove(&job.id);
        let log = inner.logs.remove(&job.id);
        drop(inner);
        if let Some(log) = log {
            log.send_modify(|state| state.ended = true);
        }
        self.announce(Change::Job(job.id));
    }

    /// Remembers how long a successful build of a recipe took.
    pub fn remember_length(&self, job: &Job, length: Duration) {
        let mut inner = self.lock();
        if inner.lengths.len() >= RECIPES {
            inner.lengths.clear();
        }
        let lengths = inner.lengths.entry(Recipe::of(job)).or_default();
        lengths.push_back(length);
        if lengths.len() > REMEMBERED {
            lengths.pop_front();
        }
    }

    /// How many jobs build, in all and per queue.
    pub fn building(&self) -> (usize, HashMap<QueueName, u32>) {
        let inner = self.lock();
        let mut queues = HashMap::new();
        for building in inner.building.values() {
            *queues.entry(building.queue.clone()).or_insert(0) += 1;
        }
        (inner.building.len(), queues)
    }

    /// The jobs that build now.
    pub fn building_jobs(&self) -> std::collections::HashSet<JobId> {
        self.lock().building.keys().copied().collect()
    }

    /// The runners of the jobs that build now.
    pub fn building_runners(&self) -> Vec<String> {
        self.lock().building.values().map(|b| b.recipe.runner().to_string()).collect()
    }

    /// How many jobs wait on `queue`.
    pub fn waiting(&self, queue: &QueueName) -> usize {
        self.lock().waiting.get(queue).map_or(0, Line::len)
    }

    /// Why jobs of `runner` cannot start now; `None` clears it.
    pub fn set_unavailable(&self, runner: &RunnerId, reason: Option<String>) {
        let mut inner = self.lock();
        match reason {
            Some(reason) => inner.unavailable.insert(runner.clone(), reason),
            None => inner.unavailable.remove(runner),
        };
    }

    /// From now on nothing starts.
    pub fn set_stopping(&self) {
        self.lock().stopping = true;
        self.announce(Change::Queues);
    }

    /// What is known of a job only while it waits or builds.
    pub fn live(&self, job: &Job, queue: Option<&Queue>) -> Live {
        let mut inner = self.lock();
        if let Some(building) = inner.building.get(&job.id) {
            let typical = inner.typical_length(&building.recipe);
            let expected_end = typical.map(|length| building.started.plus(length));
            return Live { expected_end, ..building.live.clone() };
        }
        if job.state.kind().is_final() {
            return Live::default();
        }
        let position = inner.order(&job.queue).iter().position(|id| *id == job.id).map(|i| i + 1);
        Live { position, hold: inner.hold(job, queue), ..Live::default() }
    }

    /// Why a waiting job may not start now.
    pub fn hold(&self, job: &Job, queue: Option<&Queue>) -> Option<Hold> {
        self.lock().hold(job, queue)
    }

    /// A watcher of a job's log. `None` once the job ended.
    ///
    /// `open` says whether the store knows the job as not ended; the caller looks again after
    /// this call, because the job may end in between.
    pub fn watch_log(&self, id: JobId, open: bool) -> Option<watch::Receiver<LogState>> {
        let mut inner = self.lock();
        if !open && !inner.building.contains_key(&id) {
            return None;
        }
        let log = inner.logs.entry(id).or_insert_with(|| watch::channel(LogState::default()).0);
        Some(log.subscribe())
    }

    /// Lets go of a log nobody will ever write to, telling its watchers.
    pub fn end_log(&self, id: JobId) {
        if let Some(log) = self.lock().logs.remove(&id) {
            log.send_modify(|state| state.ended = true);
        }
    }

    /// The log of `id` has grown.
    pub fn log_grew(&self, id: JobId, len: u64, lines: u64) {
        let mut inner = self.lock();
        let log = inner.logs.entry(id).or_insert_with(|| watch::channel(LogState::default()).0);
        log.send_replace(LogState { len, lines, ended: false });
    }
}

impl Inner {
    fn hold(&self, job: &Job, queue: Option<&Queue>) -> Option<Hold> {
        if self.stopping {
            return Some(Hold::Stopping);
        }
        if let Some(hold) = queue.and_then(|q| q.hold(job.launched)) {
            return Some(hold);
        }
        if let Some(reason) = self.unavailable.get(&job.runner) {
            return Some(Hold::NoRunner { runner: job.runner.clone(), reason: reason.clone() });
        }
        if let Some(reason) = self.builder.as_ref().and_then(|link| link.away.clone()) {
            return Some(Hold::NoBuilder { reason });
        }
        self.room_hold(job)
    }
}
