//! One build under way: its events become what pages show, its end becomes a note to the
//! dispatcher.

use super::dispatch::StartBuild;
use crate::{
    app::App,
    builder::{
        Build,
        protocol::{
            Event, Finished, Limits, Order, Outcome, Standing, StopReason, VERSION, remember_phase,
            short_list,
        },
    },
    domain::{Cause, Job, Timestamp},
    plugin::Ask,
};
use tokio::sync::mpsc;

/// What is known of a build when it has ended.
pub(super) struct Ended {
    /// The builder's verdict and what it left.
    pub finished: Finished,
    /// The commands that ran, secrets masked.
    pub commands: Vec<String>,
    /// Phases and when each began.
    pub phases: Vec<(String, Timestamp)>,
    /// Bytes and lines of the log.
    pub log: (u64, u64),
}

/// The limits a job's build runs under.
fn order(job: &Job, definition: Vec<u8>, limits: Limits) -> Order {
    Order {
        version: VERSION,
        job: job.id,
        runner: job.runner.clone(),
        runner_sha256: job.runner_sha256.clone(),
        request: Ask::of(job, definition.into()),
        limits,
    }
}

/// Carries one job through its build. Never fails: everything that goes wrong is in the answer.
pub(super) async fn watch(
    app: App,
    start: StartBuild,
    job: Job,
    limits: Limits,
    stop: mpsc::Receiver<StopReason>,
) -> Ended {
    let seen = Seen { app: app.clone(), job: job.clone(), ended: Ended::nothing() };
    let data = app.data().clone();
    let begun = tokio::task::spawn_blocking(move || {
        match data.read_definition(job.id, job.request.definition_size) {
            Ok(definition) => Ok(start(order(&job, definition, limits))),
            Err(error) => Err(format!("the definition cannot be read: {error}")),
        }
    });
    match begun.await {
        Ok(Ok(build)) => follow(seen, build, stop).await,
        Ok(Err(error)) => seen.failed(error),
        Err(error) => seen.failed(format!("the build cannot be started: {error}")),
    }
}

/// As [`watch`], for a build that was begun before.
pub(super) async fn watch_on(
    app: App,
    job: Job,
    build: Build,
    stop: mpsc::Receiver<StopReason>,
) -> Ended {
    follow(Seen { app, job, ended: Ended::nothing() }, build, stop).await
}

async fn follow(mut seen: Seen, mut build: Build, mut stop: mpsc::Receiver<StopReason>) -> Ended {
    let mut stoppable = true;
    loop {
        tokio::select! {
            biased;
            event = build.events.recv() => match event {
                Some(Event::Finished(finished)) => {
                    let residual = short_list(&finished.residual);
                    seen.ended.finished = Finished { residual, ..finished };
                    return seen.ended;
                }
                Some(event) => seen.take(event),
                None => return seen.failed("the builder went away without a word".into()),
            },
            reason = stop.recv(), if stoppable => match reason {
                Some(reason) => build.stop(reason),
                None => stoppable = false,
            },
        }
    }
}

impl Ended {
    fn nothing() -> Self {
        let finished = Finished::plain(Outcome::Stopped(StopReason::Interrupted));
        Self { finished, commands: Vec::new(), phases: Vec::new(), log: (0, 0) }
    }
}

struct Seen {
    app: App,
    job: Job,
    ended: Ended,
}

impl Seen {
    fn failed(mut self, message: String) -> Ended {
        self.ended.finished.outcome = Outcome::failed(Cause::Box, message);
        self.ended
    }

    fn take(&mut self, event: Event) {
        let (board, id) = (self.app.board(), self.job.id);
        match event {
            Event::Resumed(standing) => self.resume(*standing),
            Event::Started { commands, sandbox, at: _ } => {
                self.ended.commands = short_list(&commands);
                board.update(id, |live| live.sandbox = Some(sandbox));
            }
            Event::Log { offset, bytes, at: _ } => {
                let newlines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
                let (_, lines) = self.ended.log;
                self.ended.log = (offset + bytes.len() as u64, lines + newlines);
                board.log_grew(id, self.ended.log.0, self.ended.log.1);
            }
            Event::Phase { name, at } => {
                remember_phase(&mut self.ended.phases, &name, at);
                board.update(id, |live| {
                    live.phase = Some(name);
                    live.progress = None;
                });
            }
            Event::Progress { done, total, unit } => {
                board.update(id, |live| live.progress = Some((done, total, unit)));
            }
            Event::Usage { disk, used } => {
                board.update(id, |live| (live.disk, live.used) = (disk, used));
            }
            Event::Complaints(all) => board.update(id, |live| live.complaints = all),
            // Taken by the caller.
            Event::Finished(_) => {}
        }
    }

    /// What a builder that was found again knows, in place of what was known here.
    fn resume(&mut self, standing: Standing) {
        self.ended.commands = standing.commands;
        self.ended.phases = standing.phases;
        self.ended.log = standing.log;
        let phase = self.ended.phases.last().map(|(name, _)| name.clone());
        let board = self.app.board();
        board.update(self.job.id, |live| {
            live.sandbox = Some(standing.sandbox).filter(|words| !words.is_empty());
            live.phase = phase;
            live.progress = standing.progress;
            live.complaints = standing.complaints;
            live.disk = standing.disk;
            live.used = standing.used;
            live.stopping |= standing.stopping.is_some();
        });
        board.log_grew(self.job.id, standing.log.0, standing.log.1);
    }
}
