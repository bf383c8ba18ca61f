//! What a builder with a process of its own keeps of its jobs, and the one server it tells.
//!
//! Each build has a task that takes its events: they are noted in the job's [`Standing`] and go to
//! the server that listens at that moment, if one does. A server that comes gets every standing
//! and, from exactly that moment on, every event; nothing is sent twice or left out. A server that
//! is slow slows the builds' output; without a server they go on.

use super::{
    clock,
    embedded::{Build, Builder, lost},
    ends,
    protocol::{Event, Order, Standing, StopReason},
    wire::FromBuilder,
};
use crate::{domain::JobId, files::DataDir};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, oneshot, watch};

/// Messages on their way to the server at once.
const MESSAGES: usize = 32;
/// Jobs that are carried out, or whose end nobody has acknowledged, at most.
const JOBS: usize = 1_024;

struct Entry {
    standing: Standing,
    stop: mpsc::Sender<StopReason>,
}

struct Listener {
    number: u64,
    out: mpsc::Sender<FromBuilder>,
    /// Dropped when another server takes its place.
    _place: oneshot::Sender<()>,
}

#[derive(Default)]
struct Inner {
    jobs: BTreeMap<JobId, Entry>,
    listener: Option<Listener>,
    next: u64,
    /// No further orders.
    closed: bool,
}

/// The desk. Cheap to clone.
#[derive(Clone)]
pub(super) struct Desk {
    data: Arc<DataDir>,
    inner: Arc<Mutex<Inner>>,
    /// How many jobs have not ended, and how many ends nobody has acknowledged.
    counts: Arc<watch::Sender<(usize, usize)>>,
}

/// What a server that comes gets.
pub(super) struct Seat {
    pub(super) number: u64,
    pub(super) standings: Vec<Standing>,
    pub(super) messages: mpsc::Receiver<FromBuilder>,
    /// For answers.
    pub(super) out: mpsc::Sender<FromBuilder>,
    /// Ends when another server takes this one's place.
    pub(super) replaced: oneshot::Receiver<()>,
}

impl Desk {
    /// A desk with the ends that the last builder could not tell anybody.
    pub(super) fn new(data: Arc<DataDir>) -> Self {
        let mut inner = Inner::default();
        for standing in ends::all(&data) {
            // Nothing runs any more that could be stopped.
            let stop = mpsc::channel(1).0;
            inner.jobs.insert(standing.job, Entry { standing, stop });
        }
        let counts = Arc::new(watch::Sender::new((0, inner.jobs.len())));
        Self { data, inner: Arc::new(Mutex::new(inner)), counts }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is whole: no code that may panic runs in between.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, inner: &Inner) {
        let ended = inner.jobs.values().filter(|e| e.standing.finished.is_some()).count();
        self.counts.send_replace((inner.jobs.len() - ended, ended));
    }

    /// A server sits down; the one before it is sent away.
    pub(super) fn sit(&self) -> Seat {
        let (out, messages) = mpsc::channel(MESSAGES);
        let (place, replaced) = oneshot::channel();
        let mut inner = self.lock();
        inner.next += 1;
        let number = inner.next;
        inner.listener = Some(Listener { number, out: out.clone(), _place: place });
        if inner.closed {
            // The channel is new, so there is room.
            let _ = out.try_send(FromBuilder::Stopping);
        }
        let standings = inner.jobs.values().map(|entry| entry.standing.clone()).collect();
        Seat { number, standings, messages, out, replaced }
    }

    /// That server has gone.
    pub(super) fn leave(&self, number: u64) {
        self.lock().listener.take_if(|listener| listener.number == number);
    }

    /// Begins to carry out an order that was checked, for the server of this number.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn begin(&self, number: u64, order: Order, builder: &Builder) -> Result<(), String> {
        let job = order.job;
        let mut inner = self.lock();
        let present = inner.listener.as_ref().is_some_and(|listener| listener.number == number);
        // A job that is known goes on; a server that went, or a builder that stops, is not told
        // anything: the order was never taken, and whoever comes next gives it again.
        if !present || inner.closed || inner.jobs.contains_key(&job) {
            return Ok(());
        }
        if inner.jobs.len() >= JOBS {
            return Err(format!(
                "{JOBS} jobs are being carried out or wait for their end to be read"
            ));
        }
        let build = builder.start(order);
        let standing = Standing::new(job, clock::now());
        inner.jobs.insert(job, Entry { standing, stop: build.stopper() });
        self.count(&inner);
        drop(inner);
        tokio::spawn(self.clone().follow(job, build));
        Ok(())
    }

    async fn follow(self, job: JobId, mut build: Build) {
        loop {
            let gone = || Event::Finished(lost("the build went away without a word"));
            let event = build.events.recv().await.unwrap_or_else(gone);
            let last = matches!(event, Event::Finished(_));
            if last {
                self.keep(job, &event).await;
            }
            if let Some(out) = self.note(job, &event) {
                // A server that is gone gets the standing when it is back.
                let _ = out.send(FromBuilder::Event(job, event)).await;
            }
            if last {
                return;
            }
        }
    }

    /// Keeps an end on disk before anybody is told.
    async fn keep(&self, job: JobId, end: &Event) {
        let Some(mut standing) = self.lock().jobs.get(&job).map(|e| e.standing.clone()) else {
            return;
        };
        standing.note(end);
        let data = Arc::clone(&self.data);
        let kept = tokio::task::spawn_blocking(move || ends::keep(&data, &standing)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(job.id = job.get(), %error, "how it ended is only known in memory");
        }
    }

    /// Notes an event; whom to tell.
    fn note(&self, job: JobId, event: &Event) -> Option<mpsc::Sender<FromBuilder>> {
        let mut inner = self.lock();
        inner.jobs.get_mut(&job)?.standing.note(event);
        if matches!(event, Event::Finished(_)) {
            self.count(&inner);
        }
        inner.listener.as_ref().map(|listener| listener.out.clone())
    }

    /// Stops a job; of one that is not known, or has ended, there is nothing to stop.
    pub(super) fn stop(&self, job: JobId, reason: StopReason) {
        if let Some(entry) = self.lock().jobs.get_mut(&job) {
            entry.standing.stopping.get_or_insert(reason);
            // A full channel means that a stop is already under way.
            let _ = entry.stop.try_send(reason);
        }
    }

    /// The end of a job is written down.
    pub(super) fn acknowledge(&self, job: JobId) {
        let mut inner = self.lock();
        let ended = inner.jobs.get(&job).is_some_and(|e| e.standing.finished.is_some());
        if ended {
            inner.jobs.remove(&job);
            ends::forget(&self.data, job);
            self.count(&inner);
        }
    }

    /// From now on orders are not taken; the server is told.
    pub(super) async fn close(&self) {
        let out = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.listener.as_ref().map(|listener| listener.out.clone())
        };
        if let Some(out) = out {
            let _ = out.send(FromBuilder::Stopping).await;
        }
    }

    /// Stops every build that goes on.
    pub(super) fn stop_all(&self, reason: StopReason) {
        let jobs: Vec<_> = self.lock().jobs.keys().copied().collect();
        jobs.into_iter().for_each(|job| self.stop(job, reason));
    }

    /// Sends the server away.
    pub(super) fn dismiss(&self) {
        self.lock().listener = None;
    }

    /// True while a server listens.
    pub(super) fn is_heard(&self) -> bool {
        self.lock().listener.is_some()
    }

    /// How many jobs have not ended, and how many ends nobody has acknowledged; changes are seen.
    pub(super) fn counts(&self) -> watch::Receiver<(usize, usize)> {
        self.counts.subscribe()
    }
}
