//! Looking at jobs, and asking for them to be stopped or launched.

use super::{
    App, AppError, ArtifactView, Change, JobView, LogState, LogView, Peer, QueueView, StartView,
    Wish,
};
use crate::{
    domain::{Actor, Job, JobId, Queue, QueueName, StateKind, Timestamp, Verb},
    store::{Cursor, JobFilter},
};
use tokio::sync::{broadcast, oneshot, watch};

/// Rows of "building now" and "ended last" on the start page.
const START_ROWS: usize = 8;

impl App {
    /// The start page's data.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn start_page(&self, actor: &Actor, now: Timestamp) -> Result<StartView, AppError> {
        actor.allow(Verb::ViewJobs)?;
        let of = |state| JobFilter { state: Some(state), ..JobFilter::default() };
        let building = self.store().jobs(&of(StateKind::Building), Cursor::Newest, START_ROWS)?;
        let mut finished = Vec::new();
        for state in [StateKind::Done, StateKind::Failed, StateKind::Cancelled] {
            finished.extend(self.store().jobs(&of(state), Cursor::Newest, START_ROWS)?.jobs);
        }
        finished.sort_by_key(|job| std::cmp::Reverse((job.state.ended(), job.id)));
        finished.truncate(START_ROWS);
        let queues = self.store().queues()?;
        let counts = self.store().counts()?;
        Ok(StartView {
            building: self.views(actor, building.jobs, &queues)?,
            finished: self.views(actor, finished, &queues)?,
            waiting: counts.by_state.get(&StateKind::Queued).copied().unwrap_or(0),
            space: self.data().space().ok().map(|space| (space.total, space.free)),
            next_cleanup: self.next_cleanup(now),
        })
    }

    /// A page of the queue, `limit` rows.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn queue_page(
        &self,
        actor: &Actor,
        filter: &JobFilter,
        cursor: Cursor,
        limit: usize,
        _now: Timestamp,
    ) -> Result<QueueView, AppError> {
        actor.allow(Verb::ViewJobs)?;
        let page = self.store().jobs(filter, cursor, limit)?;
        let queues = self.store().queues()?;
        Ok(QueueView {
            rows: self.views(actor, page.jobs, &queues)?,
            older: page.older,
            newer: page.newer,
            total: page.total,
            counts: self.store().counts()?,
            queues,
            building: self.board().building().1,
            builder_away: self.board().builder().and_then(|link| link.away),
        })
    }

    fn views(
        &self,
        actor: &Actor,
        jobs: Vec<Job>,
        queues: &[Queue],
    ) -> Result<Vec<JobView>, AppError> {
        jobs.into_iter().map(|job| self.view(actor, job, queues)).collect()
    }

    fn view(&self, actor: &Actor, job: Job, queues: &[Queue]) -> Result<JobView, AppError> {
        let queue = queues.iter().find(|q| q.name == job.queue);
        let live = self.board().live(&job, queue);
        let open = !job.state.kind().is_final();
        let held = queue.is_some_and(|q| !q.launch) && !job.launched;
        let kept = self.retained(actor, &job)?;
        let definition = kept.shelf.logs_gone.is_none();
        Ok(JobView {
            may_retry: !open && definition && actor.verbs.has(Verb::Submit),
            kept,
            may_cancel: open && !live.stopping && actor.allow_cancel(&job.owner).is_ok(),
            may_launch: job.state.kind() == StateKind::Queued
                && held
                && actor.allow(Verb::Launch).is_ok(),
            live,
            job,
        })
    }

    /// One job.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn job(&self, actor: &Actor, id: JobId, _now: Timestamp) -> Result<JobView, AppError> {
        let job = self.record(actor, id)?;
        let queues = self.store().queues()?;
        self.view(actor, job, &queues)
    }

    pub(super) fn known(&self, actor: &Actor, id: JobId) -> Result<Job, AppError> {
        self.record(actor, id)
    }

    fn record(&self, actor: &Actor, id: JobId) -> Result<Job, AppError> {
        actor.allow(Verb::ViewJobs)?;
        self.store().job(id)?.ok_or_else(|| AppError::NotFound(format!("job {id}")))
    }

    /// The definition of a job as it was sent.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn definition(&self, actor: &Actor, id: JobId) -> Result<Vec<u8>, AppError> {
        let job = self.record(actor, id)?;
        let read = self.data().read_definition(id, job.request.definition_size);
        read.map_err(|e| self.explain(id, e))
    }

    /// The log of a job.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn log(&self, actor: &Actor, id: JobId) -> Result<LogView, AppError> {
        let job = self.record(actor, id)?;
        let open = !job.state.kind().is_final();
        let progress = match self.board().watch_log(id, open) {
            Some(progress) => {
                // It may have ended between the two looks: then nobody would ever tell.
                if self.record(actor, id)?.state.kind().is_final() {
                    self.board().end_log(id);
                }
                progress
            }
            None => {
                let (len, lines) = (job.result.log_size, job.result.log_lines);
                watch::channel(LogState { len, lines, ended: true }).1
            }
        };
        let found = self.data().open_log_indexed(id)?;
        Ok(LogView { file: found.log, index: found.index, progress })
    }

    /// An artifact of a job, open for sending.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn artifact(
        &self,
        actor: &Actor,
        id: JobId,
        name: &str,
        now: Timestamp,
    ) -> Result<ArtifactView, AppError> {
        let job = self.record(actor, id)?;
        let modified = job.state.ended().unwrap_or(job.submitted);
        let Some(artifact) = job.result.artifacts.into_iter().find(|a| a.name == name) else {
            let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            return Err(AppError::NotFound(format!("file `{shown}` of job {id}")));
        };
        let Some(claim) = self.claims().download(id) else { return Err(AppError::gone(id)) };
        let (file, _) =
            self.data().open_artifact(id, &artifact.name).map_err(|e| self.explain(id, e))?;
        self.note_download(id, now);
        Ok(ArtifactView { artifact, file, modified, claim })
    }

    /// A file that is not there because it was deleted is no failure.
    fn explain(&self, id: JobId, error: crate::files::FilesError) -> AppError {
        let gone = error.is_not_found()
            && self
                .store()
                .shelf(id)
                .is_ok_and(|s| s.artifacts_gone.is_some() || s.logs_gone.is_some());
        if gone { AppError::gone(id) } else { error.into() }
    }

    /// Where an artifact lies on this box, for somebody who sits at it.
    pub fn artifact_path(&self, id: JobId, name: &str) -> std::path::PathBuf {
        self.data().root().join("jobs").join(id.dir_name()).join("artifacts").join(name)
    }

    /// What changes, from now on. A slow reader loses messages, never blocks anybody.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.board().changes()
    }

    /// Asks for a job to be stopped. Queued jobs are cancelled when this returns; building ones
    /// are being stopped.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` when it ended already.
    pub async fn cancel(&self, actor: &Actor, id: JobId, peer: &Peer) -> Result<(), AppError> {
        let job = self.record(actor, id)?;
        actor.allow_cancel(&job.owner)?;
        let (done, answer) = oneshot::channel();
        let (by, peer) = (actor.user.clone(), peer.clone());
        self.wish(Wish::Cancel { job: id, by, peer, done })?;
        answer.await.map_err(|_| AppError::stopping())?
    }

    /// Releases a recorded job on a queue that does not launch by itself.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` when it is not waiting for that.
    pub async fn launch(&self, actor: &Actor, id: JobId, peer: &Peer) -> Result<(), AppError> {
        actor.allow(Verb::Launch)?;
        self.record(actor, id)?;
        let (done, answer) = oneshot::channel();
        let (by, peer) = (actor.user.clone(), peer.clone());
        self.wish(Wish::Launch { job: id, by, peer, done })?;
        answer.await.map_err(|_| AppError::stopping())?
    }
    /// Lets a waiting job wait in another queue; it keeps its age. What is so already is success.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` when it does not wait, `Refused` when there is no such queue,
    /// or it is full or takes no such job.
    pub async fn move_job(
        &self,
        actor: &Actor,
        id: JobId,
        queue: &QueueName,
        peer: &Peer,
        _now: Timestamp,
    ) -> Result<(), AppError> {
        actor.allow(Verb::ChangeJobs)?;
        self.record(actor, id)?;
        self.may_use(actor, queue)?;
        let (done, answer) = oneshot::channel();
        let (queue, by, peer) = (queue.clone(), actor.user.clone(), peer.clone());
        self.wish(Wish::Move { job: id, queue, by, peer, done })?;
        answer.await.map_err(|_| AppError::stopping())?
    }
}
