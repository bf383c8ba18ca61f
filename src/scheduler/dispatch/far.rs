//! Builds in a process of its own: they are taken up again after a restart of the service, and let
//! go of at its end.

use super::{Dispatcher, Note, Running};
use crate::{
    builder::{
        Remote,
        protocol::{Outcome, StopReason},
    },
    domain::{Job, JobId, JobState, UserName},
    scheduler::watch::watch_on,
    store::{AuditCursor, AuditFilter},
};
use tokio::sync::mpsc;

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
        let (stop, stops) = mpsc::channel(4);
        let build = watch_on(self.app.clone(), job.clone(), remote.resume(id), stops);
        let notes = self.notes.0.clone();
        tokio::spawn(async move {
            // The dispatcher outlives its builds, so somebody listens.
            let _ = notes.send(Note::Ended(id, Box::new(build.await)));
        });
        tracing::info!(job.id = id.get(), "build taken up again");
        self.running.insert(id, Running { job, stop, cancelled_by: None });
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

    /// A job that repeats one which the stop of a builder broke off waits like any other.
    pub(super) fn repeat(&mut self, job: Job) {
        if !self.stopping {
            self.refresh_runner(&job.runner);
            self.app.board().enqueue(&job, None);
            self.waiting.insert(job.id, job);
        }
    }

    /// Who asked for the stop of a job before this process began, if somebody did.
    pub(super) fn cancelled_before(&self, id: JobId, outcome: &Outcome) -> Option<UserName> {
        if self.remote.is_none() || *outcome != Outcome::Stopped(StopReason::Cancelled) {
            return None;
        }
        let asked = AuditFilter {
            action: Some("job.cancel".to_owned()),
            object: Some(format!("job {id}")),
            ..AuditFilter::default()
        };
        let page = self.app.store().audit_page(&asked, AuditCursor::Newest, 1).ok()?;
        UserName::new(&page.lines.first()?.record.actor).ok()
    }
}
