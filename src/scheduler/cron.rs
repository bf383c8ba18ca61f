//! Chores on a timetable. Timers only send a message; each chore runs beside the others, never
//! twice at once, and how it went is kept in the store. What was missed while the service was off
//! is done at its start.

use super::Clock;
use crate::{
    app::{App, Chore, CronText, CronTextError, Errand, LastRun, Receipt, Timetable},
    domain::{Timestamp, retention::Trigger},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use uuid::Uuid;

/// Cleanups because a job has ended are at least so far apart.
const SPACING: Duration = Duration::from_secs(10);

/// Why the timetable cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ChoresError {
    /// A cron text that is none, or that never comes.
    #[error("schedule.{chore}: {error}")]
    Text {
        /// The chore.
        chore: &'static str,
        /// What is wrong with it.
        error: CronTextError,
    },
    /// The scheduler itself failed.
    #[error("the timetable cannot be started: {0}")]
    Scheduler(#[from] JobSchedulerError),
}

/// What the worker hears.
enum Heard {
    Due(Chore),
    Errand(Errand),
    Timetable,
    Ended(Chore),
    Spaced,
    Stop,
}

/// The timetable and its worker.
pub struct Chores {
    scheduler: JobScheduler,
    timers: HashMap<Chore, (String, Uuid)>,
    due: (mpsc::Sender<Chore>, mpsc::Receiver<Chore>),
    ended: (mpsc::UnboundedSender<Chore>, mpsc::UnboundedReceiver<Chore>),
    /// A cleanup that was wanted while one ran, or too soon after one.
    again: Option<Trigger>,
    /// Somebody asked for a deletion while a cleanup ran: it comes right after it.
    asked: bool,
    last_cleanup: Option<Instant>,
    stopping: watch::Sender<bool>,
}

impl Chores {
    /// Reads the timetable: cron texts of six fields, in UTC; an empty one is never due.
    ///
    /// # Errors
    /// [`ChoresError::Text`] names the setting.
    pub async fn new(timetable: &Timetable, now: Timestamp) -> Result<Self, ChoresError> {
        for (chore, text) in timetable.iter().filter(|(_, text)| !text.trim().is_empty()) {
            CronText::read(text, now)
                .map_err(|error| ChoresError::Text { chore: chore.as_str(), error })?;
        }
        Ok(Self {
            scheduler: JobScheduler::new().await?,
            timers: HashMap::new(),
            due: mpsc::channel(Chore::ALL.len()),
            ended: mpsc::unbounded_channel(),
            again: None,
            asked: false,
            last_cleanup: None,
            stopping: watch::channel(false).0,
        })
    }

    /// Runs chores when they are due or wanted, until `stop` turns true; chores that run then are
    /// waited for.
    ///
    /// # Errors
    /// When the scheduler cannot be started.
    pub async fn run(
        mut self,
        app: App,
        clock: Clock,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), ChoresError> {
        // Somebody else has them: then only the timetable counts.
        let mut errands = app.take_errands().unwrap_or_else(|| mpsc::unbounded_channel().1);
        let mut changes = app.timetable_changes();
        self.set_timers(&app, clock()).await?;
        self.scheduler.start().await?;
        self.catch_up(&app, clock);
        loop {
            let spaced = self.again.as_ref().and(self.last_cleanup).map(|at| at + SPACING);
            let heard = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Heard::Stop,
                Some(chore) = self.ended.1.recv() => Heard::Ended(chore),
                Some(chore) = self.due.1.recv() => Heard::Due(chore),
                Some(errand) = errands.recv() => Heard::Errand(errand),
                Ok(()) = changes.changed() => Heard::Timetable,
                () = wait_until(spaced), if spaced.is_some() => Heard::Spaced,
            };
            match heard {
                Heard::Due(chore) => self.begin(&app, clock, chore, Trigger::Schedule),
                Heard::Errand(Errand { chore, trigger }) => self.begin(&app, clock, chore, trigger),
                Heard::Timetable => self.set_timers(&app, clock()).await?,
                Heard::Ended(chore) => {
                    app.end_chore(chore);
                    tell_next(&app, clock());
                }
                Heard::Spaced => {}
                Heard::Stop => break,
            }
            let free = !app.running_chores().contains(&Chore::Cleanup);
            if free && std::mem::take(&mut self.asked) {
                self.begin(&app, clock, Chore::Cleanup, Trigger::Asked);
                continue;
            }
            if free && let Some(trigger) = self.again.take_if(|_| far(self.last_cleanup)) {
                self.begin(&app, clock, Chore::Cleanup, trigger);
            }
        }
        let _ = self.stopping.send(true);
        while !app.running_chores().is_empty() {
            let Some(chore) = self.ended.1.recv().await else { break };
            app.end_chore(chore);
        }
        self.scheduler.shutdown().await?;
        Ok(())
    }

    /// Timers as the timetable is now.
    async fn set_timers(&mut self, app: &App, now: Timestamp) -> Result<(), ChoresError> {
        for (chore, text) in app.timetable() {
            if self.timers.get(&chore).is_some_and(|(known, _)| *known == text) {
                continue;
            }
            if let Some((_, id)) = self.timers.remove(&chore) {
                self.scheduler.remove(&id).await?;
            }
            if CronText::read(&text, now).is_err() {
                // Empty, or kept from a version that could read it: never due.
                continue;
            }
            let send = self.due.0.clone();
            let job = Job::new_async(text.as_str(), move |_, _| {
                let send = send.clone();
                Box::pin(async move {
                    // Full: the worker is behind, and this chore waits there already.
                    let _ = send.try_send(chore);
                })
            })?;
            let id = self.scheduler.add(job).await?;
            self.timers.insert(chore, (text, id));
        }
        tell_next(app, now);
        Ok(())
    }

    /// What was cut short or missed while the service was off.
    fn catch_up(&mut self, app: &App, clock: Clock) {
        let now = clock();
        let cut_short = app.store().intents().is_ok_and(|open| !open.is_empty())
            || app.store().batches().is_ok_and(|asked| !asked.is_empty())
            || app.store().receipts().is_ok_and(|all| all.iter().any(|r| r.ended.is_none()));
        if cut_short {
            self.begin(app, clock, Chore::Cleanup, Trigger::Resumed);
        }
        for (chore, text) in app.timetable() {
            let Some(last) = app.last_run(chore) else {
                if chore == Chore::ExpireSessions {
                    self.begin(app, clock, chore, Trigger::CatchUp);
                }
                continue;
            };
            let missed = CronText::read(&text, now)
                .ok()
                .and_then(|cron| cron.after(Timestamp::from_millis(last.at)))
                .is_some_and(|due| due <= now);
            if missed && !(chore == Chore::Cleanup && cut_short) {
                self.begin(app, clock, chore, Trigger::CatchUp);
            }
        }
    }

    fn begin(&mut self, app: &App, clock: Clock, chore: Chore, trigger: Trigger) {
        let now = clock();
        if chore == Chore::Cleanup && trigger == Trigger::JobEnded && !far(self.last_cleanup) {
            self.again.get_or_insert(trigger);
            return;
        }
        if !app.begin_chore(chore) {
            if trigger == Trigger::Asked {
                self.asked = true;
            } else if chore == Chore::Cleanup && trigger != Trigger::Schedule {
                self.again = Some(trigger);
            } else {
                tracing::warn!(chore = chore.as_str(), "still running: this run is left out");
                let app = app.clone();
                tokio::task::spawn_blocking(move || app.note_left_out(chore, now));
            }
            return;
        }
        if chore == Chore::Cleanup && trigger != Trigger::Asked {
            self.last_cleanup = Some(Instant::now());
        }
        let (app, ended) = (app.clone(), self.ended.0.clone());
        let stopping = self.stopping.subscribe();
        tokio::spawn(async move {
            let work = tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                let done = work(&app, chore, &trigger, clock, &stopping);
                note(&app, chore, &trigger, now, begun, done);
            });
            if let Err(error) = work.await {
                tracing::error!(chore = chore.as_str(), %error, "a chore broke");
            }
            // The worker outlives its chores.
            let _ = ended.send(chore);
        });
    }
}

/// Held jobs say when the next cleanup comes.
fn tell_next(app: &App, now: Timestamp) {
    let at = app.next_cleanup(now).and_then(|at| {
        let at = chrono::DateTime::from_timestamp_millis(at.as_millis())?;
        Some(at.format("%H:%M UTC").to_string())
    });
    app.board().set_next_cleanup(at);
}

fn size(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

fn far(last: Option<Instant>) -> bool {
    last.is_none_or(|at| at.elapsed() >= SPACING)
}

async fn wait_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

fn deleted(items: u64, bytes: u64) -> String {
    match (items, bytes) {
        (0, 0) => "nothing to delete".to_owned(),
        (1, bytes) => format!("1 thing deleted, {}", size(bytes)),
        (items, bytes) => format!("{items} things deleted, {}", size(bytes)),
    }
}

/// Does it; says in one sentence what came of it.
fn work(
    app: &App,
    chore: Chore,
    trigger: &Trigger,
    clock: Clock,
    stopping: &watch::Receiver<bool>,
) -> Result<String, String> {
    let said = |error: crate::app::AppError| error.to_string();
    match chore {
        Chore::Cleanup if *trigger == Trigger::Asked => {
            let receipts = app.run_batches(&clock).map_err(said)?;
            let sum = |of: fn(&Receipt) -> u64| receipts.iter().map(of).sum();
            Ok(deleted(sum(|r| r.items), sum(|r| r.bytes)))
        }
        Chore::Cleanup => {
            let receipt = app.run_cleanup(trigger, &clock).map_err(said)?;
            Ok(deleted(receipt.items, receipt.bytes))
        }
        Chore::Orphans => {
            let found = app.compare(clock()).map_err(said)?;
            Ok(format!(
                "{} directories without a record, {} records without files",
                found.directories.len(),
                found.missing.len()
            ))
        }
        Chore::ExpireSessions => {
            let (sessions, tokens) = app.expire(clock()).map_err(|e| e.to_string())?;
            Ok(format!("{sessions} sessions and {tokens} tokens removed"))
        }
        Chore::Backup => {
            let (name, bytes) = app.keep_backup(clock()).map_err(said)?;
            Ok(format!("{name}, {}", size(bytes)))
        }
        Chore::Verify => {
            let mut breathe = || {
                if app.board().building().0 > 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                !*stopping.borrow()
            };
            let found = app.verify(&clock, &mut breathe).map_err(said)?;
            let said = format!("{} jobs read, {} damaged", found.jobs, found.damaged);
            if found.damaged > 0 { Err(said) } else { Ok(said) }
        }
    }
}

fn note(
    app: &App,
    chore: Chore,
    trigger: &Trigger,
    now: Timestamp,
    begun: Instant,
    done: Result<String, String>,
) {
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let well = done.is_ok();
    let (Ok(outcome) | Err(outcome)) = done;
    if well {
        tracing::debug!(chore = chore.as_str(), outcome, "a chore is done");
    } else {
        tracing::warn!(chore = chore.as_str(), outcome, "a chore failed");
    }
    // After every job that ends there would be one: only what changes something is kept. What
    // somebody asked for was no look at the rules: whether one was missed does not hang on it.
    if !matches!(trigger, Trigger::JobEnded | Trigger::Asked) {
        let trigger = trigger.to_string();
        let run = LastRun { at: now.as_millis(), took, trigger, outcome, well, left_out: None };
        app.note_run(chore, &run);
    }
}
