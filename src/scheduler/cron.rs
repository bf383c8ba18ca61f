//! Chores on a timetable. Timers only send a message; one task does the work, so that no chore
//! ever runs twice at once, and its last run is kept in the store.

use super::Clock;
use crate::{app::App, domain::Timestamp};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Why the timetable cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ChoresError {
    /// A cron text that is none, or that never comes.
    #[error(
        "schedule.{chore} is `{text}`: {reason}; give six fields (second minute hour day month weekday), such as \"0 0 * * * *\""
    )]
    Text {
        /// The chore.
        chore: &'static str,
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The scheduler itself failed.
    #[error("the timetable cannot be started: {0}")]
    Scheduler(#[from] JobSchedulerError),
}

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chore {
    ExpireSessions,
}

impl Chore {
    fn name(self) -> &'static str {
        match self {
            Self::ExpireSessions => "expire_sessions",
        }
    }
}

/// The timetable and its one worker.
pub struct Chores {
    scheduler: JobScheduler,
    due: mpsc::Receiver<Chore>,
}

impl Chores {
    /// Reads the timetable. `expire_sessions` is a cron text of six fields, in UTC.
    ///
    /// # Errors
    /// [`ChoresError::Text`] names the setting.
    pub async fn new(expire_sessions: &str) -> Result<Self, ChoresError> {
        let scheduler = JobScheduler::new().await?;
        // One place: a chore that is due while its last run still waits is the same run.
        let (send, due) = mpsc::channel(1);
        add(&scheduler, Chore::ExpireSessions, expire_sessions, send).await?;
        Ok(Self { scheduler, due })
    }

    /// Runs chores when they are due, until `stop` turns true. What was missed while the service
    /// was off is done first.
    ///
    /// # Errors
    /// When the scheduler cannot be started.
    pub async fn run(
        mut self,
        app: App,
        clock: Clock,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), ChoresError> {
        do_chore(&app, Chore::ExpireSessions, clock()).await;
        self.scheduler.start().await?;
        loop {
            let chore = tokio::select! {
                chore = self.due.recv() => chore,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(chore) = chore else { break };
            do_chore(&app, chore, clock()).await;
        }
        self.scheduler.shutdown().await?;
        Ok(())
    }
}

async fn add(
    scheduler: &JobScheduler,
    chore: Chore,
    text: &str,
    send: mpsc::Sender<Chore>,
) -> Result<(), ChoresError> {
    let bad =
        |reason: String| ChoresError::Text { chore: chore.name(), text: text.to_owned(), reason };
    let job = Job::new_async(text, move |_, _| {
        let send = send.clone();
        Box::pin(async move {
            // Full: the last one still waits, and this one would do the same.
            let _ = send.try_send(chore);
        })
    })
    .map_err(|e| bad(e.to_string()))?;
    let id = scheduler.add(job).await?;
    // Impossible dates are taken without a word and never come.
    match scheduler.clone().next_tick_for_job(id).await? {
        Some(_) => Ok(()),
        None => Err(bad("this date never comes".into())),
    }
}

async fn do_chore(app: &App, chore: Chore, now: Timestamp) {
    let worker = app.clone();
    let work = tokio::task::spawn_blocking(move || match chore {
        Chore::ExpireSessions => worker.expire(now),
    });
    match work.await {
        Ok(Ok((sessions, tokens))) => {
            tracing::debug!(sessions, tokens, "ended sessions and tokens were removed");
            note_run(app, chore, now).await;
        }
        Ok(Err(error)) => tracing::warn!(chore = chore.name(), %error, "a chore failed"),
        Err(error) => tracing::error!(chore = chore.name(), %error, "a chore broke"),
    }
}

async fn note_run(app: &App, chore: Chore, now: Timestamp) {
    let (key, value) = (format!("chore.{}.last-run", chore.name()), now.as_millis().to_string());
    let noted = app.store().write(move |tx| tx.put_setting(&key, Some(&value)));
    let noted = tokio::time::timeout(Duration::from_secs(10), noted).await;
    if !matches!(noted, Ok(Ok(()))) {
        tracing::warn!(chore = chore.name(), "the run of a chore could not be noted");
    }
}
