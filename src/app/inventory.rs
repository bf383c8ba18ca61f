//! What retention knows of every ended job, in memory: a plan for a hundred thousand jobs has no
//! time to read a hundred thousand records. Built from the store beside the start, kept up to date
//! by whoever changes something.

use super::App;
use crate::{
    domain::{
        Job, JobId, QueueName, StateKind,
        retention::{Item, recipe_of},
    },
    store::{ShelfRecord, StoreError},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Default)]
struct Inner {
    loaded: bool,
    items: BTreeMap<JobId, Item>,
    recipes: HashSet<Arc<str>>,
    queues: HashMap<QueueName, Arc<QueueName>>,
}

/// The items of all ended jobs that still have something to delete.
#[derive(Default)]
pub(super) struct Inventory(Mutex<Inner>);

impl Inner {
    fn recipe(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.recipes.get(text.as_str()) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.recipes.insert(Arc::clone(&new));
        new
    }

    fn queue(&mut self, name: &QueueName) -> Arc<QueueName> {
        let shared = self.queues.entry(name.clone()).or_insert_with(|| Arc::new(name.clone()));
        Arc::clone(shared)
    }
}

impl Inventory {
    pub(super) fn lock_items(
        &self,
    ) -> impl std::ops::DerefMut<Target = BTreeMap<JobId, Item>> + '_ {
        Items(self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves whole items.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an ended job; `leftovers` is what a job that is not done left among its artifacts.
    fn put(&self, job: &Job, shelf: Option<&ShelfRecord>, leftovers: u64) {
        let Some(ended) = job.state.ended() else { return };
        let mut inner = self.lock();
        let item = Item {
            id: job.id,
            recipe: inner.recipe(recipe_of(job)),
            queue: inner.queue(&job.queue),
            state: job.state.kind(),
            ended,
            artifacts: match job.state.kind() {
                StateKind::Done => job.result.artifacts.iter().map(|a| a.size).sum(),
                _ => leftovers,
            },
            // Never nothing: the request is always there.
            logs: (job.result.log_size + job.request.definition_size).max(1),
            pinned: false,
            keep_until: None,
            downloaded: None,
            busy: None,
        };
        inner.items.insert(job.id, item);
        drop(inner);
        if let Some(shelf) = shelf {
            self.mark(shelf);
        }
    }

    /// Takes over what people and runs have marked.
    pub(super) fn mark(&self, shelf: &ShelfRecord) {
        let mut inner = self.lock();
        let Some(item) = inner.items.get_mut(&shelf.job) else { return };
        item.pinned = shelf.pinned.is_some();
        item.keep_until = shelf.keep_until;
        item.downloaded = shelf.downloaded;
        if shelf.artifacts_gone.is_some() {
            item.artifacts = 0;
        }
        if shelf.logs_gone.is_some() {
            item.logs = 0;
        }
    }

    /// The job's record is gone.
    pub(super) fn forget(&self, job: JobId) {
        self.lock().items.remove(&job);
    }
}

struct Items<'a>(MutexGuard<'a, Inner>);

impl std::ops::Deref for Items<'_> {
    type Target = BTreeMap<JobId, Item>;
    fn deref(&self) -> &Self::Target {
        &self.0.items
    }
}

impl std::ops::DerefMut for Items<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0.items
    }
}

impl App {
    /// Fills the inventory from the store, once. Takes about 3 µs a job.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load_inventory(&self) -> Result<(), StoreError> {
        let inventory = self.inventory();
        if inventory.lock().loaded {
            return Ok(());
        }
        let shelves: HashMap<_, _> =
            self.store().shelves()?.into_iter().map(|shelf| (shelf.job, shelf)).collect();
        self.store().each_job(|job| {
            if job.state.kind().is_final() && !inventory.lock().items.contains_key(&job.id) {
                self.take_in(&job, shelves.get(&job.id));
            }
        })?;
        inventory.lock().loaded = true;
        Ok(())
    }

    /// A job has ended and its record says so.
    pub fn note_ended(&self, job: &Job) {
        // Somebody may have pinned it while it built.
        self.take_in(job, self.store().shelf(job.id).ok().as_ref());
    }

    fn take_in(&self, job: &Job, shelf: Option<&ShelfRecord>) {
        let gone = shelf.is_some_and(|shelf| shelf.artifacts_gone.is_some());
        let leftovers = match job.state.kind() {
            StateKind::Done => 0,
            _ if gone => 0,
            _ => self.data().artifacts_usage(job.id),
        };
        self.inventory().put(job, shelf, leftovers);
    }

    /// What retention knows of one ended job, as it is now.
    pub(super) fn item(&self, id: JobId) -> Option<Item> {
        self.inventory().lock().items.get(&id).cloned()
    }
}
