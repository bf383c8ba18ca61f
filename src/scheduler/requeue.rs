//! A build that failed because of the box is handed in again, once, where its queue says so. What
//! somebody cancelled is not.

use crate::{
    app::{App, AppError, request_file},
    domain::{Cause, Failure, Job, JobId, JobState, Timestamp, UserName, job::BuildResult},
    store::{AuditCursor, AuditFilter, AuditRecord, StoreError, Tx},
};

/// A job that takes the place of one that failed; its files are on disk, its record is not.
pub(super) struct Again {
    job: Job,
    audit: AuditRecord,
}

/// What repeats `old`, which failed, with everything that was handed in for it: secret values too,
/// so `old` must still have them. `None` if the box was not at fault, if its queue does not ask
/// for that, if it was a second try itself, or if its definition cannot be copied.
pub(super) fn again(app: &App, old: &Job, now: Timestamp) -> Option<Again> {
    if !failed_by_the_box(old) {
        return None;
    }
    match wanted(app, old) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(error) => {
            tracing::warn!(job.id = old.id.get(), %error, "it is not handed in again");
            return None;
        }
    }
    let made = copy(app, old, now);
    made.inspect_err(|error| {
        tracing::warn!(job.id = old.id.get(), %error, "it could not be handed in again");
    })
    .ok()
}

fn wanted(app: &App, old: &Job) -> Result<bool, StoreError> {
    let queues = app.store().queues()?;
    if !queues.iter().any(|queue| queue.name == old.queue && queue.requeue) {
        return Ok(false);
    }
    let Some(first) = old.retry_of else { return Ok(true) };
    // Of what is not known any more it is not known either whether this is the second try.
    Ok(app.store().job(first)?.is_some_and(|first| !failed_by_the_box(&first)))
}

/// True if it failed and the box was at fault.
pub(super) fn failed_by_the_box(job: &Job) -> bool {
    matches!(&job.state, JobState::Failed { failure, .. } if failure.cause.is_of_the_box())
}

/// Who asked for the stop of a job, if somebody did: the audit trail outlives the process that
/// heard them.
pub(super) fn cancelled_by(app: &App, id: JobId) -> Option<UserName> {
    let asked = AuditFilter {
        action: Some("job.cancel".to_owned()),
        object: Some(format!("job {id}")),
        ..AuditFilter::default()
    };
    let page = app.store().audit_page(&asked, AuditCursor::Newest, 1);
    let page = page.inspect_err(|error| {
        tracing::warn!(job.id = id.get(), %error, "it is not known whether somebody cancelled it");
    });
    UserName::new(&page.ok()?.lines.first()?.record.actor).ok()
}

/// Files first, as for every job.
fn copy(app: &App, old: &Job, now: Timestamp) -> Result<Again, AppError> {
    let definition = app.data().read_definition(old.id, old.request.definition_size)?;
    let mut job = Job {
        id: app.store().next_job_id()?,
        submitted: now,
        retry_of: Some(old.id),
        state: JobState::Queued,
        result: BuildResult::default(),
        ..old.clone()
    };
    // The service may have come back with newer runners; the old ones are gone then.
    if let Ok(runner) = app.catalog().runner(job.runner.as_str()) {
        job.runner_version.clone_from(&runner.info().version);
        runner.sha256().clone_into(&mut job.runner_sha256);
    }
    let request = request_file::encode(&job)
        .map_err(|e| AppError::internal("the request cannot be written down", e))?;
    app.data().create_job(job.id, &definition, &request)?;
    let why = match failure_of(old).map(|failure| failure.cause) {
        Some(Cause::Interrupted) => "which was interrupted",
        Some(_) | None => "which failed because of the box",
    };
    let audit = AuditRecord {
        at: now,
        actor: "system".into(),
        peer: String::new(),
        action: "job.requeue".into(),
        object: format!("job {}", job.id),
        detail: format!("repeats job {}, {why}", old.id),
        request: String::new(),
    };
    Ok(Again { job, audit })
}

fn failure_of(job: &Job) -> Option<&Failure> {
    match &job.state {
        JobState::Failed { failure, .. } => Some(failure),
        JobState::Queued
        | JobState::Building { .. }
        | JobState::Done { .. }
        | JobState::Cancelled { .. } => None,
    }
}

impl Again {
    /// Says in the failure of the job it repeats that nobody has to do so.
    pub(super) fn tell(&self, old: &mut Job) {
        let JobState::Failed { failure, .. } = &mut old.state else { return };
        let here = format!("it was handed in again as job {}", self.job.id);
        failure.suggestion = Some(match failure.suggestion.take() {
            Some(otherwise) => format!("{here}; if that fails too, {otherwise}"),
            None => here,
        });
    }

    /// Its record, in one commit with the end of the job it repeats.
    pub(super) fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.put_job(&self.job)?;
        tx.append_audit(&self.audit)
    }

    /// A copy of the job itself.
    pub(super) fn job(&self) -> Job {
        self.job.clone()
    }

    /// The job itself.
    pub(super) fn into_job(self) -> Job {
        self.job
    }
}
