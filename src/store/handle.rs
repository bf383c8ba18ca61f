//! The store as others hold it: opening, writing, stopping. Reading is in `reads` and `query`.

use super::{
    StoreError,
    core::{Core, Ids, lock},
    engine::io,
    keys::{Space, meta},
    tx::Tx,
    writer::{self, Channel, Reply, Wish},
};
use crate::domain::JobId;
use std::sync::{Arc, atomic::Ordering};

/// Job numbers that are reserved with one write. After a crash at most so many are left out.
const RESERVE: u64 = 128;

/// The store. Cheap to clone; all clones are the same store. Reads are immediate; writes go
/// through [`write`](Store::write). Dropping the last clone ends the writer and closes the files.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    core: Arc<Core>,
    sender: Option<Channel>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.sender.take());
        let Some(thread) = self.thread.take() else { return };
        // A change may hold the last clone; the writer cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the store's writer ended in a panic");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.core().dir).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn start(core: Core) -> Result<Self, StoreError> {
        let core = Arc::new(core);
        let (sender, thread) =
            writer::start(Arc::clone(&core)).map_err(|e| io("start its writer", e.to_string()))?;
        let handle = Handle { core, sender: Some(sender), thread: Some(thread) };
        Ok(Self { handle: Arc::new(handle) })
    }

    pub(super) fn core(&self) -> &Core {
        &self.handle.core
    }

    /// Runs `change` as one transaction in the writer thread, and resolves when it is on disk
    /// (flushed and synced; many writes share one flush). An `Err` of `change` writes nothing.
    ///
    /// # Errors
    /// What `change` returned, or that the disk refused (then nothing was acknowledged).
    pub async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.send(change, Reply::Task(sender));
        answer.await.unwrap_or_else(|_| Err(writer_gone()))
    }

    /// As [`write`](Self::write), for threads without a runtime (start-up, CLI).
    ///
    /// # Errors
    /// As `write`.
    pub fn write_blocking<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = std::sync::mpsc::sync_channel(1);
        self.send(change, Reply::Thread(sender));
        answer.recv().unwrap_or_else(|_| Err(writer_gone()))
    }

    /// Sends a change; a writer that is gone drops it, and whoever waits learns of that.
    pub(super) fn send<T, F>(&self, change: F, reply: Reply<T>)
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        if let Some(sender) = &self.handle.sender {
            drop(sender.send(Wish::new(change, reply)));
        }
    }

    /// The next job number; never given twice, not even after a crash (gaps may appear). Waits
    /// for the disk once in 128 calls.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn next_job_id(&self) -> Result<JobId, StoreError> {
        let mut ids = lock(&self.core().ids);
        loop {
            let void = ids.next < self.core().least_id.load(Ordering::SeqCst);
            if void || ids.next >= ids.limit {
                *ids = self.reserve()?;
            }
            let number = ids.next;
            ids.next = number.saturating_add(1);
            // A restored job may have brought a number of its own into the reserved ones.
            let taken = self.core().engine()?.has(Space::Jobs, &number.to_be_bytes())?;
            if let Some(id) = JobId::new(number).filter(|_| !taken) {
                return Ok(id);
            }
        }
    }

    fn reserve(&self) -> Result<Ids, StoreError> {
        self.write_blocking(|tx| {
            let next = tx.meta_number(meta::NEXT_JOB)?.unwrap_or(1).max(1);
            let limit = next.saturating_add(RESERVE);
            tx.put_meta(meta::NEXT_JOB, Some(limit.to_be_bytes().to_vec()));
            Ok(Ids { next, limit })
        })
    }

    /// Format of the store on disk and bytes it takes there.
    pub fn facts(&self) -> (u32, u64) {
        (super::open::FORMAT, self.core().engine().map_or(0, |engine| engine.size()))
    }

    /// How often a write has met a full disk since the start.
    pub fn met_full_disk(&self) -> u64 {
        self.core().full.load(Ordering::Relaxed)
    }

    /// How many damaged records are in quarantine.
    pub fn quarantined(&self) -> u64 {
        self.core().count_of_aside()
    }

    /// Everything to disk; called once when the service stops.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(&self) -> Result<(), StoreError> {
        // Whatever was sent before this is written before this is answered.
        self.write_blocking(|_| Ok(()))?;
        writer::give_back(self.core())?;
        self.core().sync(self.core().engine()?.as_ref())
    }
}

fn writer_gone() -> StoreError {
    io("write", "its writer has ended: restart img")
}
