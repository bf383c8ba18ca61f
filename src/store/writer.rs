//! The one thread that writes. It takes what waits, lets every change speak in order, and makes
//! all of them durable with one flush and one sync. Nobody is told "done" before that.

use super::{
    StoreError,
    core::{Core, lock},
    engine::{Engine, io, panic_text},
    keys::meta,
    overlay::Overlay,
    tx::Tx,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, Sender, SyncSender},
    },
};

/// Most changes that share one sync: enough to use the disk well, few enough that the first of
/// them does not wait for long.
const GROUP: usize = 128;

/// A change that waits for its turn.
pub(super) trait Change: Send {
    /// Lets the change speak; what it wrote is laid over `group` if it succeeds.
    fn run(&mut self, engine: &Engine, group: &mut Overlay);
    /// Tells whoever waits how it went.
    fn answer(self: Box<Self>, durable: &Result<(), StoreError>);
}

/// Where an answer goes.
pub(super) enum Reply<T> {
    /// To a task.
    Task(tokio::sync::oneshot::Sender<Result<T, StoreError>>),
    /// To a thread that waits.
    Thread(SyncSender<Result<T, StoreError>>),
    /// Nobody waits.
    Nobody,
}

/// A closure with the place its answer goes to.
pub(super) struct Wish<T, F> {
    change: Option<F>,
    outcome: Result<T, StoreError>,
    reply: Reply<T>,
}

impl<T, F> Wish<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    /// A change to be sent to the writer.
    pub(super) fn new(change: F, reply: Reply<T>) -> Box<Self> {
        Box::new(Self { change: Some(change), outcome: Err(io("write", "it never ran")), reply })
    }
}

impl<T, F> Change for Wish<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    fn run(&mut self, engine: &Engine, group: &mut Overlay) {
        let Some(change) = self.change.take() else { return };
        let mut tx = Tx::new(engine, group);
        self.outcome = match catch_unwind(AssertUnwindSafe(|| change(&mut tx))) {
            Ok(outcome) => outcome,
            Err(panic) => Err(io("carry out a change", panic_text(panic.as_ref()))),
        };
        if self.outcome.is_ok() {
            let changes = tx.into_changes();
            group.absorb(changes);
        }
    }

    fn answer(self: Box<Self>, durable: &Result<(), StoreError>) {
        let outcome = match (self.outcome, durable) {
            (Ok(_), Err(error)) => Err(again(error)),
            (Err(_), Err(error)) if self.change.is_some() => Err(again(error)),
            (outcome, _) => outcome,
        };
        // Whoever waited may have gone away: the change stays made.
        match self.reply {
            Reply::Task(sender) => drop(sender.send(outcome)),
            Reply::Thread(sender) => drop(sender.send(outcome)),
            Reply::Nobody => {}
        }
    }
}

/// The same error for one more of those who share it.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Io { what, reason } => io(what, reason.clone()),
        other => io("write", other.to_string()),
    }
}

/// Starts the thread; it ends when the last sender is gone.
pub(super) fn start(core: Arc<Core>) -> std::io::Result<(Channel, std::thread::JoinHandle<()>)> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("store-writer".into());
    let thread = thread.spawn(move || work(&core, &receiver))?;
    Ok((sender, thread))
}

/// To the writer.
pub(super) type Channel = Sender<Box<dyn Change>>;

fn work(core: &Core, receiver: &Receiver<Box<dyn Change>>) {
    while let Ok(first) = receiver.recv() {
        let mut group = vec![first];
        group.extend(receiver.try_iter().take(GROUP - 1));
        let carried = catch_unwind(AssertUnwindSafe(|| carry_out(core, &mut group)));
        let durable = carried.unwrap_or_else(|p| Err(io("write", panic_text(p.as_ref()))));
        for change in group {
            change.answer(&durable);
        }
    }
    if let Err(error) = give_back(core) {
        tracing::warn!(%error, "some job numbers will be left out after the next start");
    }
}

fn carry_out(core: &Core, group: &mut [Box<dyn Change>]) -> Result<(), StoreError> {
    let mut gate = core.gate();
    core.ready(&mut gate)?;
    let engine = core.engine()?;
    let mut changes = Overlay::default();
    for change in group {
        change.run(&engine, &mut changes);
    }
    drop(engine);
    if changes.is_empty() { Ok(()) } else { core.commit(&mut gate, changes) }
}

/// Job numbers that were reserved and not used are free again after an orderly end.
pub(super) fn give_back(core: &Core) -> Result<(), StoreError> {
    let mut ids = lock(&core.ids);
    if ids.next >= ids.limit || ids.next < core.least_id.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut changes = Overlay::default();
    let next = ids.next.to_be_bytes().to_vec();
    changes.set(super::keys::Space::Meta, meta::NEXT_JOB.to_vec(), Some(next));
    let mut gate = core.gate();
    core.ready(&mut gate)?;
    core.commit(&mut gate, changes)?;
    ids.limit = ids.next;
    Ok(())
}
