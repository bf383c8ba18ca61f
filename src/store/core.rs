//! What all clones of a store share: the engine, what is cached of it, and how it comes back
//! after the disk has refused.

use super::{
    StoreError, engine,
    engine::{Engine, io},
    keys::{self, Space, meta},
    mark::{Mark, MarkFile},
    overlay::Overlay,
    rows::Rows,
};
use crate::domain::{Group, Queue, Site};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Bytes set aside on the disk ahead of sled's writes; far more than one group of changes takes.
const AHEAD: u64 = 4 * 1024 * 1024;
/// With less than this left of it, more is set aside: two of sled's segments.
const LEAST_AHEAD: u64 = 1024 * 1024;
/// How long to wait for readers before the engine is opened again.
const READERS_PATIENCE: Duration = Duration::from_secs(5);
const READERS_STEP: Duration = Duration::from_millis(1);

/// The shared part of a store.
pub(super) struct Core {
    pub(super) dir: PathBuf,
    /// `None` only after it could not be opened again.
    engine: RwLock<Option<Arc<Engine>>>,
    gate: Mutex<Gate>,
    mark: MarkFile,
    /// Number of the last commit.
    pub(super) commits: AtomicU64,
    /// Job numbers that may be given out.
    pub(super) ids: Mutex<Ids>,
    /// Reserved numbers below this one are void. No lock: whoever holds the gate sets it, while
    /// whoever holds `ids` may wait for the gate.
    pub(super) least_id: AtomicU64,
    /// How often a write met a full disk.
    pub(super) full: AtomicU64,
    /// Keys of everything in quarantine.
    aside: Mutex<BTreeSet<Vec<u8>>>,
    pub(super) queues: Cached<Queue>,
    pub(super) groups: Cached<Group>,
    pub(super) sites: Cached<Site>,
    pub(super) rows: Rows,
    #[cfg(test)]
    pub(super) hooks: super::tests::Hooks,
}

/// Held by whoever writes: the writer for one group, or an export, import or check as a whole.
#[derive(Default)]
pub(super) struct Gate {
    /// The disk refused: what stood there before the change that failed.
    broken: Option<Overlay>,
    /// Up to where sled's file may grow without asking the disk for room.
    set_aside_to: u64,
    /// Where it ended when that was last looked at.
    end: u64,
}

/// Reserved job numbers: `next..limit`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ids {
    pub(super) next: u64,
    pub(super) limit: u64,
}

/// A lock whose holder panicked protects nothing that could be half-done here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(super) fn new(dir: &Path, engine: Engine, mark: MarkFile) -> Self {
        Self {
            mark,
            commits: AtomicU64::new(0),
            dir: dir.to_owned(),
            engine: RwLock::new(Some(Arc::new(engine))),
            gate: Mutex::default(),
            ids: Mutex::default(),
            least_id: AtomicU64::new(0),
            full: AtomicU64::new(0),
            aside: Mutex::default(),
            queues: Cached::default(),
            groups: Cached::default(),
            sites: Cached::default(),
            rows: Rows::default(),
            #[cfg(test)]
            hooks: super::tests::Hooks::default(),
        }
    }

    /// The engine, to read from.
    pub(super) fn engine(&self) -> Result<Arc<Engine>, StoreError> {
        let slot = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        slot.clone().ok_or_else(|| {
            io("read", "the disk refused and the store could not be opened again: restart img")
        })
    }

    /// The right to write.
    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }

    /// Comes back from a disk that refused, if it did, and makes sure there is room.
    pub(super) fn ready(&self, gate: &mut Gate) -> Result<(), StoreError> {
        self.recover(gate)?;
        self.room(gate, 0)
    }

    /// Applies `changes` and puts them on disk. After an error they are not there, or are taken
    /// back as soon as the disk answers again.
    pub(super) fn commit(&self, gate: &mut Gate, mut changes: Overlay) -> Result<(), StoreError> {
        let number = self.commits.load(Ordering::SeqCst).saturating_add(1);
        let bytes = number.to_be_bytes().to_vec();
        changes.set(Space::Meta, meta::COMMITS.to_vec(), Some(bytes));
        self.room(gate, changes.bytes() as u64)?;
        let engine = self.engine()?;
        let before = engine.before(&changes)?;
        let done = engine.apply(&changes).and_then(|()| self.sync(&engine));
        if let Err(error) = done {
            drop(engine);
            return Err(self.broke(gate, before, error));
        }
        self.commits.store(number, Ordering::SeqCst);
        self.changed(&changes);
        let next_job = engine.number(Space::Meta, meta::NEXT_JOB)?.unwrap_or(0);
        self.mark.note(Mark { commits: number, next_job });
        Ok(())
    }

    /// Applies one of many pieces of long work; only the last piece is committed.
    pub(super) fn apply_piece(&self, gate: &mut Gate, piece: &Overlay) -> Result<(), StoreError> {
        self.room(gate, piece.bytes() as u64)?;
        let applied = self.engine()?.apply(piece);
        applied.map_err(|error| self.broke(gate, Overlay::default(), error))
    }

    pub(super) fn sync(&self, engine: &Engine) -> Result<(), StoreError> {
        engine.sync()?;
        #[cfg(test)]
        self.hooks.synced()?;
        Ok(())
    }

    fn room(&self, gate: &mut Gate, bytes: u64) -> Result<(), StoreError> {
        let engine = self.engine()?;
        // Pages are written again around what changes in them.
        let need = bytes.saturating_mul(4).saturating_add(LEAST_AHEAD);
        let end = engine.end();
        // A file that has become shorter has given back what was set aside behind its end.
        if end < gate.end || end.saturating_add(need) > gate.set_aside_to {
            let ahead = engine.set_aside(need.max(AHEAD));
            gate.set_aside_to = ahead.inspect_err(|_| {
                self.full.fetch_add(1, Ordering::Relaxed);
            })?;
        }
        gate.end = end;
        Ok(())
    }

    /// Notes that the disk refused, and tries once to take the change back.
    fn broke(&self, gate: &mut Gate, before: Overlay, error: StoreError) -> StoreError {
        tracing::error!(%error, "the disk refused a write to the store");
        if is_full(&error) {
            self.full.fetch_add(1, Ordering::Relaxed);
        }
        gate.broken = Some(before);
        if let Err(error) = self.recover(gate) {
            tracing::error!(%error, "the store serves reads only until its disk answers again");
        }
        let StoreError::Io { reason, .. } = error else { return error };
        io("write", format!("the disk refused ({reason}): the change was not made, try again"))
    }

    /// sled keeps the first error of its disk for ever, so it is closed and opened again, and what
    /// was never acknowledged is taken back.
    fn recover(&self, gate: &mut Gate) -> Result<(), StoreError> {
        let Some(before) = gate.broken.clone() else { return Ok(()) };
        let engine = self.reopen()?;
        if !before.is_empty() {
            engine.apply(&before)?;
        }
        self.sync(&engine)?;
        *gate = Gate::default();
        self.changed(&before);
        tracing::warn!("the store writes again");
        Ok(())
    }

    fn reopen(&self) -> Result<Arc<Engine>, StoreError> {
        let mut slot = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = slot.take() {
            let closed = match old.probe() {
                Ok(()) => alone(old),
                Err(error) => Err((old, error)),
            };
            match closed {
                Ok(old) => drop(old),
                Err((old, error)) => {
                    *slot = Some(old);
                    return Err(error);
                }
            }
        }
        let rewritten = engine::rewrite(&self.dir);
        let engine = Arc::new(Engine::open(&self.dir)?.0);
        *slot = Some(Arc::clone(&engine));
        rewritten.map_err(|e| io("write", e.to_string()))?;
        Ok(engine)
    }

    /// Forgets what was cached of the places that changed, follows jobs in the table of rows, and
    /// counts what went into quarantine. The changes are applied already; doing it twice is well.
    fn changed(&self, changes: &Overlay) {
        for (space, changes) in changes.spaces() {
            match space {
                Space::Queues => self.queues.forget(),
                Space::Groups => self.groups.forget(),
                Space::Sites => self.sites.forget(),
                Space::Facets => self.rows.changed(changes),
                Space::Quarantine => {
                    let keys = changes.iter().filter(|(_, v)| v.is_some()).map(|(k, _)| k.clone());
                    lock(&self.aside).extend(keys);
                }
                Space::Jobs
                | Space::Users
                | Space::Sessions
                | Space::Tokens
                | Space::Audit
                | Space::Settings
                | Space::Meta
                | Space::Parts
                | Space::Index
                | Space::Counters
                | Space::Shelves
                | Space::Intents
                | Space::Receipts
                | Space::Batches => {}
            }
        }
    }

    /// Forgets all that is cached: the records were changed as a whole.
    pub(super) fn changed_all(&self) -> Result<(), StoreError> {
        self.queues.forget();
        self.groups.forget();
        self.sites.forget();
        self.rows.forget();
        let engine = self.engine()?;
        let keys = engine.prefix(Space::Quarantine, &[])?.map(|pair| Ok(pair?.0.to_vec()));
        *lock(&self.aside) = keys.collect::<Result<_, StoreError>>()?;
        Ok(())
    }

    /// Counts a damaged record; true if it is seen for the first time.
    pub(super) fn count_aside(&self, space: Space, key: &[u8]) -> bool {
        lock(&self.aside).insert(keys::quarantine_key(space, key))
    }

    /// How many records are in quarantine, or on their way there.
    pub(super) fn count_of_aside(&self) -> u64 {
        lock(&self.aside).len() as u64
    }
}

/// Where room cannot be set aside beforehand, sled meets the full disk, and only its text tells.
fn is_full(error: &StoreError) -> bool {
    use rustix::io::Errno;
    let text = error.to_string();
    let says = |e: Errno| text.contains(&format!("os error {}", e.raw_os_error()));
    says(Errno::NOSPC) || says(Errno::DQUOT)
}

/// Waits until no reader holds the engine; new ones wait at the lock that the caller holds.
fn alone(mut engine: Arc<Engine>) -> Result<Engine, (Arc<Engine>, StoreError)> {
    let mut waited = Duration::ZERO;
    loop {
        match Arc::try_unwrap(engine) {
            Ok(engine) => return Ok(engine),
            Err(shared) if waited < READERS_PATIENCE => engine = shared,
            Err(shared) => return Err((shared, io("write", "readers still hold the store"))),
        }
        std::thread::sleep(READERS_STEP);
        waited += READERS_STEP;
    }
}

/// A short list that is read on every page: decoded once, until the writer changes one of it.
pub(super) struct Cached<T> {
    /// How often it was forgotten, and the list.
    slot: RwLock<(u64, Option<Arc<Vec<T>>>)>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { slot: RwLock::new((0, None)) }
    }
}

impl<T: Clone> Cached<T> {
    /// The list, through `load` if it is not there.
    pub(super) fn get(
        &self,
        load: impl FnOnce() -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (age, list) = self.slot.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(list) = list {
            return Ok(list.as_ref().clone());
        }
        let loaded = load()?;
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        // What was read before a change must not be kept after it.
        if slot.0 == age {
            slot.1 = Some(Arc::new(loaded.clone()));
        }
        Ok(loaded)
    }

    fn forget(&self) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        *slot = (slot.0.wrapping_add(1), None);
    }
}
