//! What the dispatcher writes down about jobs, beside everything else it does.

use crate::{
    app::App,
    domain::{Job, JobId, StateKind, Timestamp},
    scheduler::{
        recover::measure_log,
        requeue::{self, Again},
    },
    store::{StoreError, Tx},
};
use std::{sync::Arc, time::Duration};

/// How often a write that the disk refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Makes a change, again and again until the disk takes it: a state that only this process knows
/// would be lost. False if no disk ever would.
pub(super) async fn persist(
    app: App,
    id: JobId,
    change: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + Sync + 'static,
) -> bool {
    let change = Arc::new(change);
    loop {
        let once = Arc::clone(&change);
        let Err(error) = app.store().write(move |tx| once(tx)).await else { return true };
        tracing::error!(job.id = id.get(), %error, "the job's state cannot be written yet");
        if matches!(error, StoreError::TooLong { .. }) {
            return false;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Writes a job. A write that comes late never takes a state back.
pub(super) async fn save(app: App, job: Job) {
    save_with(app, job, None).await;
}

/// As [`save`], with the job that repeats it. What is said of a build is cut to a size that fits
/// long before; should it not fit all the same, the end is worth more than what it tells.
pub(super) async fn save_with(app: App, mut job: Job, again: Option<Again>) {
    let (id, again) = (job.id, Arc::new(again));
    if !persist(app.clone(), id, written(job.clone(), Arc::clone(&again))).await {
        let result = &mut job.result;
        (result.phases, result.commands, result.residual) = Default::default();
        persist(app, id, written(job, again)).await;
    }
}

fn written(
    job: Job,
    again: Arc<Option<Again>>,
) -> impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + Sync + 'static {
    move |tx| {
        match tx.job(job.id)? {
            Some(old) if old.state.kind() > job.state.kind() => return Ok(()),
            Some(_) | None => tx.put_job(&job)?,
        }
        again.as_ref().as_ref().map_or(Ok(()), |again| again.write(tx))
    }
}

/// Nothing but the release changes: what else was written meanwhile stays.
pub(super) fn write_launched(tx: &mut Tx<'_>, job: &Job) -> Result<(), StoreError> {
    match tx.job(job.id)? {
        Some(old) if old.state.kind() > StateKind::Queued => Ok(()),
        Some(old) => tx.put_job(&Job { launched: true, ..old }),
        None => tx.put_job(job),
    }
}

/// Whatever has to be copied is copied beside everything else.
pub(super) async fn again(app: &App, job: &Job, now: Timestamp) -> Option<Again> {
    let (app, job) = (app.clone(), job.clone());
    let copied = tokio::task::spawn_blocking(move || requeue::again(&app, &job, now)).await;
    copied.inspect_err(|error| tracing::error!(%error, "a job is not handed in again")).ok()?
}

/// Its builder may have died without telling how much of the log there is.
pub(super) async fn measured(app: &App, mut job: Job) -> Job {
    let (app, same) = (app.clone(), job.clone());
    let measure = move || {
        measure_log(&app, &mut job);
        job
    };
    tokio::task::spawn_blocking(measure).await.unwrap_or(same)
}

/// What a job that is not done left is looked for on disk, beside everything else.
pub(super) async fn note_ended(app: &App, job: &Job) {
    if job.state.kind() == StateKind::Done {
        return app.note_ended(job);
    }
    let (app, job) = (app.clone(), job.clone());
    if let Err(error) = tokio::task::spawn_blocking(move || app.note_ended(&job)).await {
        tracing::error!(%error, "an ended job is not known to the cleanup");
    }
}

/// Values of secret fields are needed until the build has ended, and never after.
pub(in crate::scheduler) fn forget_secrets(job: &mut Job) {
    let secret = std::mem::take(&mut job.request.secret_options);
    job.request.options.retain(|(id, _)| !secret.contains(id));
    job.request.secret_options = secret;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::bare,
        domain::{
            Arch, ImageTypeId, JobName, JobState, QueueName, RunnerId, UserName,
            job::{BuildResult, Request},
        },
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn an_end_is_written_even_if_what_the_build_tells_is_too_long_for_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let (app, _wishes) = bare::app_in(dir.path());
        let at = Timestamp::default();
        let job = Job {
            id: JobId::FIRST,
            name: JobName::new("handset").unwrap(),
            owner: UserName::new("ann").unwrap(),
            queue: QueueName::new("web").unwrap(),
            runner: RunnerId::new("mic").unwrap(),
            runner_version: String::new(),
            runner_sha256: String::new(),
            image_type: ImageTypeId::new("raw").unwrap(),
            arch: Arch::new("i586").unwrap(),
            priority: 0,
            launched: false,
            submitted: at,
            retry_of: None,
            request: Request::default(),
            state: JobState::Queued.start(at).unwrap().finish(at).unwrap(),
            result: BuildResult {
                log_size: 5,
                residual: vec!["x".repeat(4 << 20)],
                ..BuildResult::default()
            },
        };
        save(app.clone(), job.clone()).await;
        let told = app.store().job(job.id).unwrap().unwrap();
        assert_eq!(told.state, job.state);
        assert_eq!((told.result.log_size, told.result.residual.len()), (5, 0));
    }
}
