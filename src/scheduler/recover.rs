//! Assume the last run died: what it left half done is put right before anything starts.

use super::{
    dispatch::{forget_secrets, interrupted},
    requeue::{self, Again},
};
use crate::{
    app::App,
    domain::{Job, JobId, JobState, StateKind, Timestamp},
    store::{Cursor, JobFilter, StoreError},
};

/// Ended jobs that are looked at to learn how long recipes take and how much disk.
const REMEMBER: usize = 500;

/// What a start found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Jobs that wait, oldest first.
    pub waiting: Vec<Job>,
    /// Jobs that were building in a process of its own: it knows how they stand.
    pub building: Vec<Job>,
    /// How many were building and are now failed(interrupted), or cancelled if somebody had asked
    /// for that.
    pub interrupted: usize,
    /// How many of those are handed in again; they wait.
    pub requeued: usize,
    /// How many directories of requests that were never acknowledged were removed.
    pub unacknowledged: usize,
}

/// Where the builds of the last run were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builds {
    /// In the server: they died with it.
    Here,
    /// In a process of its own, where they may go on.
    Elsewhere,
}

/// building → failed(interrupted), and handed in again where the queue says so, or cancelled where
/// somebody had asked for that, unless builds are carried out elsewhere; directories of requests whose record never reached the disk are
/// removed; how long recipes took and how much disk they held is remembered. Call it after
/// the builder's sweep and before the dispatcher starts.
///
/// # Errors
/// When the store cannot be read or written.
pub fn recover(app: &App, now: Timestamp, builds: Builds) -> Result<Recovered, StoreError> {
    let mut found = Recovered::default();
    for job in app.store().open_jobs()? {
        match job.state {
            JobState::Queued => found.waiting.push(job),
            JobState::Building { .. } if builds == Builds::Elsewhere => found.building.push(job),
            JobState::Building { .. } => {
                let again = interrupt(app, job, now)?;
                found.interrupted += 1;
                found.requeued += usize::from(again.is_some());
                found.waiting.extend(again);
            }
            // Not among the open ones.
            JobState::Done { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => {}
        }
    }
    found.unacknowledged = remove_unacknowledged(app)?;
    remember(app)?;
    Ok(found)
}

/// Tells of each job what of it could not be freed at the start, with the way out.
///
/// # Errors
/// When the store cannot be read or written.
pub fn note_left(app: &App, left: Vec<(JobId, Vec<String>)>) -> Result<(), StoreError> {
    for (id, residual) in left {
        app.store().write_blocking(move |tx| {
            let Some(mut job) = tx.job(id)? else { return Ok(()) };
            job.result.residual = residual;
            tx.put_job(&job)
        })?;
    }
    Ok(())
}

/// Ends it; returns the job that takes its place, if one does. What somebody had cancelled is
/// cancelled: the stop of the box only came before the end of the build.
fn interrupt(app: &App, mut job: Job, now: Timestamp) -> Result<Option<Job>, StoreError> {
    let failure = interrupted("the box or the service stopped while this was building");
    let state = match requeue::cancelled_by(app, job.id) {
        Some(by) => job.state.cancel(by, now),
        None => job.state.fail(failure, now),
    };
    let Ok(state) = state else { return Ok(None) };
    job.state = state;
    let again = requeue::again(app, &job, now);
    again.iter().for_each(|again| again.tell(&mut job));
    forget_secrets(&mut job);
    measure_log(app, &mut job);
    app.store().write_blocking(move |tx| {
        tx.put_job(&job)?;
        again.as_ref().map_or(Ok(()), |again| again.write(tx))?;
        Ok(again.map(Again::into_job))
    })
}

/// How much of a log there is where nobody saw its end.
pub(super) fn measure_log(app: &App, job: &mut Job) {
    if let Ok(Some(index)) = app.data().open_log_index(job.id) {
        job.result.log_lines = index.lines().unwrap_or(0);
    }
    if let Ok(Some(log)) = app.data().open_log(job.id) {
        job.result.log_size = log.len().unwrap_or(0);
    }
}

/// Files come before the record, so a kill in between leaves a directory nobody was told about.
/// One with a log or artifacts was known once (an older backup may have been brought back): it
/// stays.
fn remove_unacknowledged(app: &App) -> Result<usize, StoreError> {
    let mut removed = 0;
    let fresh = match app.data().fresh_jobs() {
        Ok(fresh) => fresh,
        Err(error) => {
            tracing::warn!(%error, "job directories cannot be listed");
            return Ok(0);
        }
    };
    for id in fresh {
        if app.store().job(id)?.is_some() {
            continue;
        }
        match app.data().remove_job(id) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(%error, "a request nobody was told about stays"),
        }
    }
    Ok(removed)
}

fn remember(app: &App) -> Result<(), StoreError> {
    for state in [StateKind::Failed, StateKind::Done] {
        let ended = JobFilter { state: Some(state), ..JobFilter::default() };
        for job in app.store().jobs(&ended, Cursor::Newest, REMEMBER)?.jobs.into_iter().rev() {
            app.board().remember_peak(&job);
            let length = job.state.ended().and_then(|ended| job.state.length(ended));
            if let (StateKind::Done, Some(length)) = (state, length) {
                app.board().remember_length(&job, length);
            }
        }
    }
    Ok(())
}

/// Counts what the images of older jobs take, newest first. It can take seconds where there are
/// very many: run it on a blocking thread, beside everything else. It ends early once `go_on`
/// says no.
pub(super) fn count_kept(app: &App, go_on: impl Fn() -> bool) -> Result<(), StoreError> {
    let done = JobFilter { state: Some(StateKind::Done), ..JobFilter::default() };
    let mut cursor = Cursor::Newest;
    while go_on() {
        let page = app.store().jobs(&done, cursor, REMEMBER)?;
        let mut kept = page.jobs;
        // What is deleted takes nothing; what cannot be read is not taken for deleted.
        kept.retain(|job| app.store().shelf(job.id).map_or(true, |s| s.artifacts_gone.is_none()));
        app.board().count_bytes(&kept);
        match page.older {
            Some(older) => cursor = Cursor::Before(older),
            None => {
                app.board().counted_bytes();
                break;
            }
        }
    }
    Ok(())
}
