//! A builder that is a process of its own, as the server sees it: the face of the embedded one,
//! over a socket that may come and go. Nothing it says is taken as it is.

mod line;
mod meet;
mod state;
mod trust;

pub use state::Link;

use super::{
    embedded::Build,
    protocol::{Event, Finished, Order, Outcome, StopReason},
    wire::{Ordered, ToBuilder},
};
use crate::{domain::JobId, files::DataDir};
use state::{Entry, State};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

/// Events of a job on their way to its watcher at once.
const EVENTS: usize = 32;

/// How long a builder that is away is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// By those who have cancelled a job that it was carrying out.
    pub cancelled: Duration,
    /// By jobs that it was carrying out.
    pub building: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { cancelled: Duration::from_secs(60), building: Duration::from_secs(3_600) }
    }
}

/// The builder at the other end of a socket. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    data: Arc<DataDir>,
    socket: PathBuf,
    runtime: Handle,
    patience: Patience,
    state: Mutex<State>,
    link: watch::Sender<Link>,
    /// Jobs that the builder knows and nobody here has asked for.
    found: mpsc::UnboundedSender<JobId>,
}

impl Remote {
    /// The builder that listens at `socket`; [`run`](Self::run) connects to it. Tasks that pass on
    /// stops run on `runtime`. The receiver tells of jobs that the builder carries out, or has
    /// ended, without anybody here having asked: [`resume`](Self::resume) or
    /// [`disown`](Self::disown) them.
    pub fn new(
        data: Arc<DataDir>,
        socket: PathBuf,
        runtime: Handle,
    ) -> (Self, mpsc::UnboundedReceiver<JobId>) {
        Self::with_patience(data, socket, runtime, Patience::default())
    }

    /// As [`new`](Self::new), with other times; for tests.
    #[doc(hidden)]
    pub fn with_patience(
        data: Arc<DataDir>,
        socket: PathBuf,
        runtime: Handle,
        patience: Patience,
    ) -> (Self, mpsc::UnboundedReceiver<JobId>) {
        let (found, receiver) = mpsc::unbounded_channel();
        let link = watch::Sender::new(Link::new(&socket));
        let state = Mutex::default();
        let inner = Inner { data, socket, runtime, patience, state, link, found };
        (Self { inner: Arc::new(inner) }, receiver)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.inner.socket
    }

    /// How the connection is, now and whenever that changes.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.inner.link.subscribe()
    }

    /// Waits until it is there, or the first try has failed; no longer than `patience`.
    pub async fn first_answer(&self, patience: Duration) {
        let mut link = self.link();
        let answered = link.wait_for(|link| link.since.is_some() || link.error.is_some());
        // Without an answer it is as good as away.
        let _ = tokio::time::timeout(patience, answered).await;
    }

    /// Begins to carry out `order`, as [`Builder::start`](super::Builder::start) does. While the
    /// builder is away the order waits; a job that it carries out already is taken up.
    pub fn start(&self, order: Order) -> Build {
        let job = order.job;
        let ordered = Ordered::of(order);
        let log = self.log_length(job);
        let (build, mut entry) = self.entry(job);
        let mut state = self.lock();
        match state.unclaimed.remove(&job) {
            Some(standing) => self.take_up(&mut state, &mut entry, standing),
            None => {
                entry.log = log;
                entry.give(&state, ordered);
            }
        }
        state.jobs.insert(job, entry);
        build
    }

    /// Goes on with a job that was building when the last server ended. What the builder does not
    /// know any more ends as interrupted.
    pub fn resume(&self, job: JobId) -> Build {
        let (build, mut entry) = self.entry(job);
        let mut state = self.lock();
        match state.unclaimed.remove(&job) {
            Some(standing) => self.take_up(&mut state, &mut entry, standing),
            None if state.out.is_some() => entry.end(Finished::interrupted()),
            None => {}
        }
        state.jobs.insert(job, entry);
        build
    }

    /// The end of a job is on disk: the builder may forget it.
    pub fn settled(&self, job: JobId) {
        let mut state = self.lock();
        state.jobs.remove(&job);
        if !state.say(ToBuilder::Ack(job)) {
            state.disowned.insert(job);
        }
    }

    /// Nobody wants this job: it is stopped and forgotten.
    pub fn disown(&self, job: JobId) {
        let mut state = self.lock();
        let Some(standing) = state.unclaimed.remove(&job) else { return };
        if standing.finished.is_some() {
            state.say(ToBuilder::Ack(job));
        } else {
            state.say(ToBuilder::Stop(job, StopReason::Interrupted));
            state.disowned.insert(job);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that may panic runs under the lock.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_length(&self, job: JobId) -> u64 {
        let log = self.inner.data.open_log(job).ok().flatten();
        log.and_then(|log| log.len().ok()).unwrap_or(0)
    }

    /// A build for whoever watches it, and what is kept of it here.
    fn entry(&self, job: JobId) -> (Build, Entry) {
        let (events, receiver) = mpsc::channel(EVENTS);
        let (stop, stops) = mpsc::channel(1);
        self.inner.runtime.spawn(self.clone().pass_on_stops(job, stops));
        (Build { events: receiver, stop }, Entry::new(events))
    }

    async fn pass_on_stops(self, job: JobId, mut stops: mpsc::Receiver<StopReason>) {
        while let Some(reason) = stops.recv().await {
            let mut state = self.lock();
            let Some(entry) = state.jobs.get_mut(&job).filter(|entry| !entry.ended) else { return };
            entry.stop.get_or_insert(reason);
            let heard = entry.order.is_none();
            if !state.say(ToBuilder::Stop(job, reason)) {
                drop(state);
                // An order that it never heard of is nobody's work.
                let cancelled = self.inner.patience.cancelled;
                self.end_if_away(job, reason, if heard { cancelled } else { Duration::ZERO });
            }
        }
    }

    /// The builder is away: should it not be back after `patience`, the job ends without it. What
    /// it does about it then, or did, does not count any more.
    fn end_if_away(&self, job: JobId, reason: StopReason, patience: Duration) {
        let remote = self.clone();
        self.inner.runtime.spawn(async move {
            let mut link = remote.link();
            let back = link.wait_for(|link| link.since.is_some());
            if tokio::time::timeout(patience, back).await.is_err() {
                remote.end_without(job, Finished::plain(Outcome::Stopped(reason))).await;
            }
        });
    }

    /// The builder has been away for so long that what it was carrying out counts as lost.
    async fn give_up(&self) {
        let heard = |(job, entry): (&JobId, &Entry)| entry.order.is_none().then_some(*job);
        let jobs: Vec<_> = self.lock().jobs.iter().filter_map(heard).collect();
        for job in jobs {
            self.end_without(job, trust::not_back(&self.inner.socket)).await;
        }
    }

    /// Ends a job while the builder is away.
    async fn end_without(&self, job: JobId, finished: Finished) {
        let to = {
            let mut state = self.lock();
            if state.out.is_some() {
                return;
            }
            let open = state.jobs.get_mut(&job).filter(|entry| !entry.ended);
            let to = open.and_then(|entry| {
                entry.ended = true;
                entry.watcher()
            });
            if to.is_some() {
                state.disowned.insert(job);
            }
            to
        };
        if let Some(to) = to {
            let _ = to.send(Event::Finished(finished)).await;
        }
    }

    /// Takes up a job for which nobody waits yet.
    fn take_up(&self, state: &mut State, entry: &mut Entry, standing: super::protocol::Standing) {
        let job = standing.job;
        let looked = trust::look(&self.inner.data, &standing);
        let (events, word) = entry.meet(standing, looked, &self.inner.socket);
        state.follow_up(job, word);
        let to = entry.watcher();
        for event in events {
            // At most two, and the channel is new.
            let _ = to.as_ref().map(|to| to.try_send(event));
        }
    }
}
