//! The dispatcher: hands waiting jobs to free slots and writes every change of a job's state.
//!
//! It is one task. Wishes (submit, cancel, launch) and the ends of builds reach it as messages;
//! disk writes run beside it and report back, so a slow disk never stops it from listening.

mod far;
mod moving;
mod saving;

use super::{
    Clock,
    disk::look_now,
    requeue::{Again, failed_by_the_box},
    watch::{Ended, watch},
};
use crate::{
    app::{App, AppError, Chore, Peer, Wish},
    builder::{
        Build, Remote,
        protocol::{Finished, Limits, Order, Outcome, StopReason},
    },
    domain::{
        Artifact, Cause, Failure, Job, JobId, JobState, Queue, QueueName, RunnerId, StateKind,
        Timestamp, TransitionRefused, UserName, job::BuildResult, retention::Trigger,
    },
    store::AuditRecord,
};
use moving::Move;
pub(super) use saving::forget_secrets;
use saving::{again, measured, note_ended, persist, save, save_with, write_launched};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch as signal},
    task::JoinHandle,
};

/// Starts a build; in the service this is [`Builder::start`](crate::builder::Builder::start).
pub type StartBuild = Arc<dyn Fn(Order) -> Build + Send + Sync>;

/// What of the configuration the dispatcher needs.
#[derive(Clone, Debug)]
pub struct DispatcherConfig {
    /// Grace after SIGINT before SIGTERM, and after SIGTERM before the kill.
    pub grace: [Duration; 2],
    /// Bytes of a log that are kept.
    pub log: u64,
    /// How long running builds may go on after the service was told to stop.
    pub stop_grace: Duration,
}

/// What reports back to the dispatcher.
enum Note {
    /// A build ended.
    Ended(JobId, Box<Ended>),
    /// A job's final state is on disk.
    Settled(Box<Job>),
    /// A job's new queue is on disk.
    Moved(JobId),
    /// A job's new queue was deleted before that: it goes back to this one.
    Unmoved(JobId, QueueName),
    /// A job that repeats a failed one is on disk.
    Again(Box<Job>),
}

struct Running {
    job: Job,
    stop: mpsc::Sender<StopReason>,
    cancelled_by: Option<UserName>,
}

/// The one writer of job state.
pub struct Dispatcher {
    app: App,
    start: StartBuild,
    clock: Clock,
    config: DispatcherConfig,
    waiting: HashMap<JobId, Job>,
    running: HashMap<JobId, Running>,
    /// Ended, but not yet on disk.
    settling: HashSet<JobId>,
    /// In another queue, but on disk still in the one before.
    moving: HashSet<JobId>,
    notes: (mpsc::UnboundedSender<Note>, mpsc::UnboundedReceiver<Note>),
    stopping: bool,
    /// Where builds are carried out, if not in this process.
    remote: Option<Remote>,
    /// Jobs that it carries out without having been asked by this process.
    found: mpsc::UnboundedReceiver<JobId>,
}

impl Dispatcher {
    /// A dispatcher over the jobs that wait (as [`recover`](super::recover) found them).
    pub fn new(
        app: App,
        start: StartBuild,
        clock: Clock,
        config: DispatcherConfig,
        waiting: Vec<Job>,
    ) -> Self {
        for job in &waiting {
            app.board().enqueue(job, None);
        }
        Self {
            app,
            start,
            clock,
            config,
            waiting: waiting.into_iter().map(|job| (job.id, job)).collect(),
            running: HashMap::new(),
            settling: HashSet::new(),
            moving: HashSet::new(),
            notes: mpsc::unbounded_channel(),
            stopping: false,
            remote: None,
            found: mpsc::unbounded_channel().1,
        }
    }

    /// Works until `stop` turns true, then lets running builds go on for the stop grace, stops
    /// the rest as interrupted and returns when every end is on disk.
    pub async fn run(
        mut self,
        mut wishes: mpsc::UnboundedReceiver<Wish>,
        mut stop: signal::Receiver<bool>,
    ) {
        self.fill();
        loop {
            tokio::select! {
                biased;
                Some(note) = self.notes.1.recv() => self.take_note(note),
                Some(id) = self.found.recv() => self.take_found(id),
                Some(wish) = wishes.recv() => self.take_wish(wish),
                _ = stop.wait_for(|stop| *stop) => break,
            }
            // Whatever else is there already goes first: one look at the queues then serves all.
            while let Ok(note) = self.notes.1.try_recv() {
                self.take_note(note);
            }
            while let Ok(wish) = wishes.try_recv() {
                self.take_wish(wish);
            }
            self.fill();
        }
        self.stop(wishes).await;
    }

    async fn stop(mut self, mut wishes: mpsc::UnboundedReceiver<Wish>) {
        self.stopping = true;
        self.app.board().set_stopping();
        self.let_go();
        let grace = tokio::time::sleep(self.config.stop_grace);
        tokio::pin!(grace);
        let mut interrupted = false;
        while !self.running.is_empty() || !self.settling.is_empty() {
            tokio::select! {
                biased;
                Some(note) = self.notes.1.recv() => self.take_note(note),
                Some(wish) = wishes.recv() => self.take_wish(wish),
                () = &mut grace, if !interrupted => {
                    interrupted = true;
                    self.interrupt_all();
                }
            }
        }
    }

    fn interrupt_all(&self) {
        for running in self.running.values() {
            // A full channel means that a stop is already under way.
            let _ = running.stop.try_send(StopReason::Interrupted);
        }
    }

    fn take_wish(&mut self, wish: Wish) {
        match wish {
            Wish::Submitted { job, estimate, place } => {
                // It may have been switched off since the job was looked at.
                self.refresh_runner(&job.runner);
                self.app.board().enqueue(&job, estimate);
                // In line now: the promise is kept.
                drop(place);
                self.waiting.insert(job.id, *job);
            }
            Wish::Wake => self.refresh_runners(),
            Wish::Cancel { job, by, peer, done } => self.cancel(job, by, &peer, done),
            Wish::Launch { job, by, peer, done } => self.launch(job, by, &peer, done),
            Wish::Move { job, queue, by, peer, done } => {
                self.move_job(Move { job, queue, by, peer }, done);
            }
        }
    }

    /// Tells the board which runners are not there for the jobs that wait.
    fn refresh_runners(&self) {
        let runners: HashSet<_> = self.waiting.values().map(|job| job.runner.clone()).collect();
        runners.iter().for_each(|runner| self.refresh_runner(runner));
    }

    fn refresh_runner(&self, runner: &RunnerId) {
        let reason = self.app.catalog().runner(runner.as_str()).err().map(|e| e.reason);
        self.app.board().set_unavailable(runner, reason);
    }

    /// Starts what may start: queues by priority, jobs by the rules of `domain::queue`.
    fn fill(&mut self) {
        if self.stopping || self.waiting.is_empty() {
            return;
        }
        let mut queues = match self.app.store().queues() {
            Ok(queues) => queues,
            Err(error) => {
                tracing::error!(%error, "queues cannot be read: nothing starts");
                return;
            }
        };
        queues.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        for queue in &queues {
            while self.has_slot(queue) {
                let Some(id) = self.app.board().next(queue, &self.waiting) else { break };
                self.begin(id, queue);
            }
        }
    }

    fn has_slot(&self, queue: &Queue) -> bool {
        let of_queue = self.running.values().filter(|r| r.job.queue == queue.name).count();
        self.running.len() < self.app.live().slots as usize && of_queue < queue.slots as usize
    }

    fn begin(&mut self, id: JobId, queue: &Queue) {
        let Some(mut job) = self.waiting.remove(&id) else { return };
        let now = (self.clock)();
        match job.state.start(now) {
            Ok(state) => job.state = state,
            Err(refused) => return self.refused(&job, refused),
        }
        self.app.board().begin(&job, now);
        self.save(job.clone());
        let (stop, stops) = mpsc::channel(4);
        let limits = self.limits(queue);
        let build = watch(self.app.clone(), Arc::clone(&self.start), job.clone(), limits, stops);
        let notes = self.notes.0.clone();
        tokio::spawn(async move {
            // The dispatcher outlives its builds, so somebody listens.
            let _ = notes.send(Note::Ended(id, Box::new(build.await)));
        });
        tracing::info!(job.id = id.get(), queue = %queue.name, "build started");
        self.running.insert(id, Running { job, stop, cancelled_by: None });
    }

    fn limits(&self, queue: &Queue) -> Limits {
        Limits {
            total: queue.total_timeout,
            silence: queue.silence_timeout,
            grace: self.config.grace,
            log: self.config.log,
            bounds: self.app.live().bounds.with(&queue.bounds),
        }
    }

    fn refused(&self, job: &Job, refused: TransitionRefused) {
        self.app.board().dequeue(&job.queue, job.id);
        tracing::error!(job.id = job.id.get(), %refused, "the job was left alone");
    }

    fn cancel(
        &mut self,
        id: JobId,
        by: UserName,
        peer: &Peer,
        done: oneshot::Sender<Result<(), AppError>>,
    ) {
        if let Some(running) = self.running.get_mut(&id) {
            running.cancelled_by = Some(by.clone());
            // A full channel means that a stop is already under way.
            let _ = running.stop.try_send(StopReason::Cancelled);
            self.app.board().update(id, |live| live.stopping = true);
            let written = self.audit(&by, peer, "job.cancel", id);
            tokio::spawn(async move {
                // Whoever is told that it is being stopped finds it so after a restart too.
                let _ = written.await;
                let _ = done.send(Ok(()));
            });
            return;
        }
        let Some(mut job) = self.waiting.remove(&id) else {
            let _ = done.send(Err(self.not_open(id)));
            return;
        };
        match job.state.cancel(by.clone(), (self.clock)()) {
            Ok(state) => job.state = state,
            Err(refused) => {
                self.refused(&job, refused);
                let _ = done.send(Err(self.not_open(id)));
                return;
            }
        }
        self.app.board().dequeue(&job.queue, id);
        self.audit(&by, peer, "job.cancel", id);
        forget_secrets(&mut job);
        self.settle(job, Some(done));
    }

    fn not_open(&self, id: JobId) -> AppError {
        let state = self.app.store().job(id).ok().flatten().map(|job| job.state.kind());
        let hint = "there is nothing left to stop".to_owned();
        AppError::Conflict { job: id, state: state.unwrap_or(StateKind::Building), hint }
    }

    fn launch(
        &mut self,
        id: JobId,
        by: UserName,
        peer: &Peer,
        done: oneshot::Sender<Result<(), AppError>>,
    ) {
        let Some(job) = self.waiting.get_mut(&id).filter(|job| !job.launched) else {
            let state = self.app.store().job(id).ok().flatten().map(|job| job.state.kind());
            let hint = "it does not wait for being launched".to_owned();
            let state = state.unwrap_or(StateKind::Queued);
            let _ = done.send(Err(AppError::Conflict { job: id, state, hint }));
            return;
        };
        job.launched = true;
        let job = job.clone();
        self.audit(&by, peer, "job.launch", id);
        let save = persist(self.app.clone(), id, move |tx| write_launched(tx, &job));
        tokio::spawn(async move {
            save.await;
            let _ = done.send(Ok(()));
        });
    }

    /// Writes down who asked for what; ends when that is done, or cannot be.
    fn audit(&self, by: &UserName, peer: &Peer, action: &str, id: JobId) -> JoinHandle<()> {
        let record = AuditRecord {
            at: (self.clock)(),
            actor: by.to_string(),
            peer: peer.shown(),
            action: action.to_owned(),
            object: format!("job {id}"),
            detail: String::new(),
            request: peer.request.clone(),
        };
        let store = self.app.store().clone();
        tokio::spawn(async move {
            if let Err(error) = store.write(move |tx| tx.append_audit(&record)).await {
                tracing::warn!(%error, "an audit record could not be written");
            }
        })
    }

    fn take_note(&mut self, note: Note) {
        match note {
            Note::Ended(id, ended) => self.ended(id, *ended),
            Note::Moved(id) => drop(self.moving.remove(&id)),
            Note::Unmoved(id, back) => self.unmoved(id, back),
            Note::Again(job) => self.repeat(*job),
            Note::Settled(job) => {
                self.settling.remove(&job.id);
                self.app.board().end(&job);
                self.forget_build(job.id);
                self.app.compress_log(&job);
                self.app.send_errand(Chore::Cleanup, Trigger::JobEnded);
            }
        }
    }

    fn ended(&mut self, id: JobId, ended: Ended) {
        let Some(Running { mut job, cancelled_by, .. }) = self.running.remove(&id) else { return };
        let now = (self.clock)();
        let outcome = ended.finished.outcome.clone();
        // Somebody may have cancelled it before this process began: that is not known any more.
        let cancelled = outcome == Outcome::Stopped(StopReason::Cancelled);
        let wanted = cancelled_by.is_none() && !cancelled;
        job.result = result(ended);
        match end_state(&job.state, outcome, cancelled_by, now) {
            Ok(state) => job.state = state,
            Err(refused) => return self.refused(&job, refused),
        }
        if let (JobState::Done { .. }, Some(length)) = (&job.state, job.state.length(now)) {
            self.app.board().remember_length(&job, length);
        }
        self.app.board().remember_peak(&job);
        self.app.board().add_bytes(&job);
        tracing::info!(job.id = id.get(), state = job.state.kind().as_str(), "build ended");
        if wanted && failed_by_the_box(&job) {
            return self.settle_or_repeat(job);
        }
        forget_secrets(&mut job);
        self.settle(job, None);
    }

    /// What failed because of the box, a stop of the service or of its builder included, may be
    /// handed in again.
    fn settle_or_repeat(&mut self, mut job: Job) {
        self.settling.insert(job.id);
        let (notes, app, now) = (self.notes.0.clone(), self.app.clone(), (self.clock)());
        tokio::spawn(async move {
            let again = again(&app, &job, now).await;
            again.iter().for_each(|again| again.tell(&mut job));
            forget_secrets(&mut job);
            let job = measured(&app, job).await;
            let next = again.as_ref().map(Again::job);
            save_with(app.clone(), job.clone(), again).await;
            note_ended(&app, &job).await;
            let _ = notes.send(Note::Settled(Box::new(job)));
            if let Some(next) = next {
                look_now(&app, now).await;
                let _ = notes.send(Note::Again(Box::new(next)));
            }
        });
    }

    fn settle(&mut self, job: Job, done: Option<oneshot::Sender<Result<(), AppError>>>) {
        self.settling.insert(job.id);
        let save = save(self.app.clone(), job.clone());
        let (notes, app) = (self.notes.0.clone(), self.app.clone());
        tokio::spawn(async move {
            save.await;
            note_ended(&app, &job).await;
            if let Some(done) = done {
                let _ = done.send(Ok(()));
            }
            let _ = notes.send(Note::Settled(Box::new(job)));
        });
    }

    fn save(&self, job: Job) {
        tokio::spawn(save(self.app.clone(), job));
    }
}

fn result(ended: Ended) -> BuildResult {
    let Finished { artifacts, residual, peak_disk, used, .. } = ended.finished;
    let artifact = |a: crate::builder::protocol::StagedArtifact| Artifact {
        name: a.name,
        role: a.role,
        label: a.label,
        size: a.size,
        sha256: a.sha256,
    };
    BuildResult {
        artifacts: artifacts.into_iter().map(artifact).collect(),
        log_size: ended.log.0,
        log_lines: ended.log.1,
        phases: ended.phases,
        commands: ended.commands,
        residual,
        peak_disk,
        used,
    }
}

fn end_state(
    state: &JobState,
    outcome: Outcome,
    cancelled_by: Option<UserName>,
    now: Timestamp,
) -> Result<JobState, TransitionRefused> {
    match (outcome, cancelled_by) {
        // It may have ended by itself before the stop reached it: then that is what happened.
        (Outcome::Done, _) => state.finish(now),
        (Outcome::Stopped(_), Some(by)) => state.cancel(by, now),
        // Its builder died before it could say that it had stopped it.
        (Outcome::Failed(failure), Some(by)) if failure.cause == Cause::Interrupted => {
            state.cancel(by, now)
        }
        (Outcome::Failed(failure), _) => state.fail(failure, now),
        (Outcome::Stopped(StopReason::Cancelled), None) => {
            let mut failure = interrupted("somebody cancelled this, and it is not known who");
            failure.suggestion = None;
            state.fail(failure, now)
        }
        (Outcome::Stopped(StopReason::Interrupted), None) => {
            state.fail(interrupted("the service was stopped while this was building"), now)
        }
    }
}

/// The failure of a build that the box broke off.
pub(super) fn interrupted(message: &str) -> Failure {
    Failure {
        cause: Cause::Interrupted,
        message: message.to_owned(),
        suggestion: Some("submit it again".to_owned()),
        line: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_nobody_here_asked_for_tells_what_it_was() {
        let building = JobState::Building { started: Timestamp::default() };
        let end = |reason| {
            let ended = end_state(&building, Outcome::Stopped(reason), None, Timestamp::default());
            let JobState::Failed { failure, .. } = ended.unwrap() else { panic!("not failed") };
            (failure.cause, failure.message)
        };
        let (cause, message) = end(StopReason::Cancelled);
        assert_eq!(cause, Cause::Interrupted);
        assert!(message.contains("somebody cancelled"), "{message}");
        assert!(end(StopReason::Interrupted).1.contains("the service was stopped"));
    }
}
