//! sled, held at arm's length: its panics become errors, its flush becomes durable.

use super::{
    StoreError,
    keys::Space,
    overlay::{Changes, Overlay},
};
use rustix::fs::FlockOperation;
use sled::{
    IVec, Transactional as _, Tree,
    transaction::{ConflictableTransactionError, TransactionalTree, UnabortableTransactionError},
};
use std::{
    fs::File,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes of pages sled may keep in memory.
const CACHE: u64 = 32 * 1024 * 1024;
/// How long to wait for a lock that this process itself may still be giving back.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How often to look at it.
const LOCK_STEP: Duration = Duration::from_millis(10);
/// What to do about damage, at the end of every message that speaks of it.
pub(super) const WAY_OUT: &str = "stop the service and run `img fsck --repair`; if that does not \
    help, move the directory aside and run `img restore FILE` with the last backup";
/// What to do about a store that cannot be opened at all.
pub(super) const RESTORE: &str =
    "move the directory aside and run `img restore FILE` with the last backup";

/// An opened sled.
pub(super) struct Engine {
    db: sled::Db,
    trees: Vec<Tree>,
    /// sled's `db` file, opened once more: sled's own flush does not sync it.
    file: File,
}

/// A key and its value.
pub(super) type Pair = (IVec, IVec);

impl Engine {
    /// Opens or makes the sled in `dir`. Says if it made it.
    pub(super) fn open(dir: &Path) -> Result<(Self, bool), StoreError> {
        make_dir(dir).map_err(|e| refuse(dir, &format!("{e}: check its owner and mode")))?;
        let fresh = !dir.join("db").exists();
        drop_unfinished(dir).map_err(|e| refuse(dir, &e.to_string()))?;
        let db = open_locked(dir)?;
        let made = guarded("open", || {
            Space::ALL.iter().map(|s| db.open_tree(s.tree_name())).collect::<Result<Vec<_>, _>>()
        });
        let trees = made.map_err(|e| unreadable(dir, &e.to_string()))?;
        let file = File::options().read(true).write(true).open(dir.join("db"));
        let file = file.map_err(|e| refuse(dir, &e.to_string()))?;
        if fresh {
            sync_new(dir).map_err(|e| refuse(dir, &e.to_string()))?;
        }
        Ok((Self { db, trees, file }, fresh))
    }

    fn tree(&self, space: Space) -> Result<&Tree, StoreError> {
        let at = usize::from(space as u8).saturating_sub(1);
        self.trees.get(at).ok_or_else(|| io("read", format!("{} has no tree", space.tree_name())))
    }

    /// What stands in a place.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tree = self.tree(space)?;
        Ok(guarded("read", || tree.get(key))?.map(|value| value.to_vec()))
    }

    /// The number that stands in a place.
    pub(super) fn number(&self, space: Space, key: &[u8]) -> Result<Option<u64>, StoreError> {
        Ok(self.get(space, key)?.as_deref().and_then(super::keys::number))
    }

    /// True if something stands in a place.
    pub(super) fn has(&self, space: Space, key: &[u8]) -> Result<bool, StoreError> {
        let tree = self.tree(space)?;
        guarded("read", || tree.contains_key(key))
    }

    /// The pairs of `space` between two keys, backwards if `newest_first`.
    pub(super) fn range(
        &self,
        space: Space,
        (from, to): (Bound<Vec<u8>>, Bound<Vec<u8>>),
        newest_first: bool,
    ) -> Result<Pairs, StoreError> {
        let iter = self.tree(space)?.range((from, to));
        Ok(Pairs { iter, newest_first, ended: false })
    }

    /// The pairs whose keys begin with `prefix`, in order.
    pub(super) fn prefix(&self, space: Space, prefix: &[u8]) -> Result<Pairs, StoreError> {
        let iter = self.tree(space)?.scan_prefix(prefix);
        Ok(Pairs { iter, newest_first: false, ended: false })
    }

    /// What stands now in every place that `changes` speak of.
    pub(super) fn before(&self, changes: &Overlay) -> Result<Overlay, StoreError> {
        let mut before = Overlay::default();
        for (space, changes) in changes.spaces() {
            for key in changes.keys() {
                before.set(space, key.clone(), self.get(space, key)?);
            }
        }
        Ok(before)
    }

    /// Makes all of `changes` visible at once, and after a crash all or none of them: one sled
    /// transaction over the trees they touch. Durable only after [`sync`](Self::sync).
    pub(super) fn apply(&self, changes: &Overlay) -> Result<(), StoreError> {
        let trees: Vec<&Tree> =
            changes.spaces().map(|(space, _)| self.tree(space)).collect::<Result<_, _>>()?;
        guarded("write", || {
            trees.as_slice().transaction(|views| {
                for ((_, changes), view) in changes.spaces().zip(views) {
                    put_all(view, changes)?;
                }
                Ok::<(), ConflictableTransactionError<sled::Error>>(())
            })
        })
    }

    /// Everything applied so far to the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        guarded("flush", || self.db.flush())?;
        self.file.sync_data().map_err(|e| io("sync", e.to_string()))
    }

    /// Makes sure that `bytes` more can be written: a full disk shall be met here, where nothing
    /// has happened yet, and not inside sled. Returns the end of what is set aside.
    pub(super) fn set_aside(&self, bytes: u64) -> Result<u64, StoreError> {
        let full = |e: std::io::Error| {
            io("write", format!("{e}: make room on its disk, nothing was changed"))
        };
        let end = self.file.metadata().map_err(full)?.len();
        let kept = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, kept, end, bytes) {
            // Some file systems cannot set aside; there the write itself has to tell.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(e) => return Err(full(e.into())),
        }
        Ok(end.saturating_add(bytes))
    }

    /// Asks the disk whether it answers, without writing.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|e| io("sync", e.to_string()))
    }

    /// Empties a space; not atomic.
    pub(super) fn clear(&self, space: Space) -> Result<(), StoreError> {
        let tree = self.tree(space)?;
        guarded("write", || tree.clear())
    }

    /// Where sled's file ends.
    pub(super) fn end(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        guarded("read", || self.db.size_on_disk()).unwrap_or(0)
    }
}

fn put_all(view: &TransactionalTree, changes: &Changes) -> Result<(), UnabortableTransactionError> {
    for (key, value) in changes {
        match value {
            Some(value) => view.insert(key.as_slice(), value.as_slice())?,
            None => view.remove(key.as_slice())?,
        };
    }
    Ok(())
}

/// An iterator that ends at the first error.
pub(super) struct Pairs {
    iter: sled::Iter,
    newest_first: bool,
    ended: bool,
}

impl Iterator for Pairs {
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let iter = &mut self.iter;
        let backwards = self.newest_first;
        let next = guarded("read", || {
            if backwards { iter.next_back().transpose() } else { iter.next().transpose() }
        });
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// Writes every block of sled's file again and syncs it. After a sync that failed, Linux holds
/// pages for clean that never reached the disk: a later sync would say yes with a hole in the log.
pub(super) fn rewrite(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let file = File::options().read(true).write(true).open(dir.join("db"))?;
    // sled's threads may still be giving the file back.
    let mut waited = Duration::ZERO;
    while let Err(e) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if waited >= LOCK_PATIENCE {
            return Err(e.into());
        }
        std::thread::sleep(LOCK_STEP);
        waited += LOCK_STEP;
    }
    let mut block = vec![0; 1024 * 1024];
    let mut at = 0;
    loop {
        let got = file.read_at(&mut block, at)?;
        let Some(bytes) = block.get(..got).filter(|b| !b.is_empty()) else { break };
        file.write_all_at(bytes, at)?;
        at += bytes.len() as u64;
    }
    file.sync_all()
}

/// A process that dies while sled writes a snapshot (which it does at every start) leaves a piece
/// of one, and sled 0.34 takes that for the newest snapshot and refuses to open. The snapshot
/// before it is still there, and the log holds everything anyway.
fn drop_unfinished(dir: &Path) -> std::io::Result<()> {
    let file = match File::open(dir.join("db")) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    // Whoever holds it may be writing one right now; opening will say that it is held.
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    let handle = File::open(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("snap.") && text.ends_with(".generating") {
            tracing::warn!(file = %text, "a snapshot of the store was cut short: it is removed");
            rustix::fs::unlinkat(&handle, &name, rustix::fs::AtFlags::empty())?;
        }
    }
    Ok(())
}

fn open_locked(dir: &Path) -> Result<sled::Db, StoreError> {
    let mut waited = Duration::ZERO;
    loop {
        // No thread of sled's own that flushes by time: every write here is flushed at once, and
        // closing would wait for ever for such a thread once it has died of a damaged page.
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(None);
        match guarded("open", || config.open()) {
            Ok(db) => return Ok(db),
            Err(e) if locked(&e) && waited < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_STEP);
                waited += LOCK_STEP;
            }
            Err(e) if locked(&e) => {
                let way = "another process holds it: stop the img that uses it, or ask that one";
                return Err(refuse(dir, way));
            }
            Err(StoreError::Io { reason, .. }) => return Err(unreadable(dir, &reason)),
            Err(e) => return Err(unreadable(dir, &e.to_string())),
        }
    }
}

/// The refusal to open what cannot be read, with the way out said once.
fn unreadable(dir: &Path, reason: &str) -> StoreError {
    let reason = reason.split(WAY_OUT).next().unwrap_or(reason);
    let reason: String = reason.trim_end_matches([':', ' ']).chars().take(300).collect();
    refuse(dir, &format!("{reason}: {RESTORE}"))
}

fn locked(error: &StoreError) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A store that was just made is there after a power loss too.
fn sync_new(dir: &Path) -> std::io::Result<()> {
    for name in ["conf", "db"] {
        File::open(dir.join(name))?.sync_all()?;
    }
    File::open(dir)?.sync_all()?;
    match dir.parent().filter(|p| *p != Path::new("")) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// The refusal to open `dir`.
pub(super) fn refuse(dir: &Path, reason: &str) -> StoreError {
    StoreError::Open { path: dir.display().to_string(), reason: reason.to_owned() }
}

/// The failure of `what`.
pub(super) fn io(what: &'static str, reason: impl Into<String>) -> StoreError {
    StoreError::Io { what, reason: reason.into() }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    text.chars().take(200).collect()
}

/// Runs a call into sled. It panics on some damage that it could have reported.
fn guarded<T, E: std::fmt::Display>(
    what: &'static str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => {
            let text = e.to_string();
            let damaged = text.contains("corrupt") || text.contains("Corrupt");
            Err(io(what, if damaged { format!("{text}: {WAY_OUT}") } else { text }))
        }
        Err(panic) => {
            let text = panic_text(panic.as_ref());
            Err(io(what, format!("its file is damaged ({text}): {WAY_OUT}")))
        }
    }
}

/// The first name beside `dir` that is free: `<dir>.damaged-<n>`.
pub(super) fn aside(dir: &Path) -> PathBuf {
    let name = |n: u64| {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".damaged-{n}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|path| std::fs::symlink_metadata(path).is_err()).unwrap_or_else(|| name(0))
}
