//! Builds in a process of its own: they are taken up again after a restart of the service, and let
//! go of at its end.

use super::{Dispatcher, Note, Running};
use crate::{
    builder::{
        Remote,
        protocol::{Limits, StopReason},
    },
    domain::{Job, JobId, JobState},
    scheduler::{
        requeue::cancelled_by,
        watch::{Ended, watch, watch_on},
    },
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Tells the dispatcher how a build ended. It outlives its builds, so somebody listens.
async fn tell_end(
    id: JobId,
    build: impl Future<Output = Ended>,
    notes: mpsc::UnboundedSender<Note>,
) {
    let _ = notes.send(Note::Ended(id, Box::new(build.await)));
}

impl Dispatcher {
    /// Builds are carried out by `remote`; `found` tells of jobs it knows and nobody here asked
    /// for, `building` are the jobs it was carrying out when the last server ended.
    #[must_use]
    pub fn with_remote(
        mut self,
        remote: Remote,
        found: mpsc::UnboundedReceiver<JobId>,
        building: Vec<Job>,
    ) -> Self {
        self.found = found;
        self.remote = Some(remote.clone());
        building.into_iter().for_each(|job| self.go_on(&remote, job));
        self
    }

    /// Goes on with a job that is building.
    fn go_on(&mut self, remote: &Remote, job: Job) {
        let JobState::Building { started } = job.state else { return };
        let id = job.id;
        self.app.board().begin(&job, started);
        // The last server may have died between the word of whoever cancels and the stop itself.
        let cancelled_by = cancelled_by(&self.app, id);
        let (stop, stops) = mpsc::channel(4);
        let (notes, app, same) = (self.notes.0.clone(), self.app.clone(), job.clone());
        match self.unheard(&job).filter(|_| cancelled_by.is_none()) {
            // A builder that carries it out all the same is not told anything new.
            Some(limits) => {
                let build = watch(app, Arc::clone(&self.start), same, limits, stops);
                tokio::spawn(tell_end(id, build, notes));
            }
            None => {
                tokio::spawn(tell_end(id, watch_on(app, same, remote.resume(id), stops), notes));
            }
        }
        tracing::info!(job.id = id.get(), "build taken up again");
        if cancelled_by.is_some() {
            // The channel is new, so there is room.
            let _ = stop.try_send(StopReason::Cancelled);
            self.app.board().update(id, |live| live.stopping = true);
        }
        self.running.insert(id, Running { job, stop, cancelled_by });
    }

    /// The limits of a build of which there is no log. It never began: the last server died before
    /// its builder had taken the order.
    fn unheard(&self, job: &Job) -> Option<Limits> {
        match self.app.data().open_log(job.id) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return None,
        }
        let queues = self.app.store().queues().ok()?;
        Some(self.limits(queues.iter().find(|queue| queue.name == job.queue)?))
    }

    /// The builder carries out a job that nobody here has asked for. One that waits here was begun
    /// just before the last server died; nobody wants any other.
    pub(super) fn take_found(&mut self, id: JobId) {
        let Some(remote) = self.remote.clone() else { return };
        if self.running.contains_key(&id) || self.settling.contains(&id) {
            return;
        }
        let Some(mut job) = self.waiting.remove(&id) else {
            tracing::warn!(job.id = id.get(), "the builder carries out a job that nobody wants");
            return remote.disown(id);
        };
        match job.state.start((self.clock)()) {
            Ok(state) => job.state = state,
            Err(refused) => return self.refused(&job, refused),
        }
        self.save(job.clone());
        self.go_on(&remote, job);
    }

    /// The end of a job is on disk.
    pub(super) fn forget_build(&self, id: JobId) {
        if let Some(remote) = &self.remote {
            remote.settled(id);
        }
    }

    /// The service stops: what is carried out elsewhere goes on there.
    pub(super) fn let_go(&mut self) {
        if self.remote.is_some() {
            self.running.clear();
        }
    }

    /// A job that repeats another waits like any other.
    pub(super) fn repeat(&mut self, job: Job) {
        if !self.stopping {
            self.refresh_runner(&job.runner);
            self.app.board().enqueue(&job, None);
            self.waiting.insert(job.id, job);
        }
    }
}
