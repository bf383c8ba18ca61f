//! What is kept of the jobs at the builder, and of the connection.

use super::{
    super::{
        protocol::{Event, Finished, Outcome, Standing, StopReason},
        wire::{Ordered, ToBuilder},
    },
    trust,
};
use crate::domain::{Cause, JobId, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// How the connection to a builder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it listens.
    pub socket: PathBuf,
    /// Since when it is there; `None` while it is away.
    pub since: Option<Timestamp>,
    /// The version of its program; empty before it was there for the first time.
    pub program: String,
    /// What confines its builds, for people; empty before it was there for the first time.
    pub sandbox: String,
    /// True once it has said that it is about to stop.
    pub stopping: bool,
    /// Why the last connection, or try, ended.
    pub error: Option<String>,
}

impl Link {
    pub(super) fn new(socket: &Path) -> Self {
        let (since, error) = (None, None);
        let (program, sandbox) = (String::new(), String::new());
        Self { socket: socket.to_owned(), since, program, sandbox, stopping: false, error }
    }

    /// Why jobs cannot start now, if they cannot.
    pub fn away(&self) -> Option<String> {
        match (&self.since, self.stopping) {
            (Some(_), false) => None,
            (Some(_), true) => Some("it is being stopped".to_owned()),
            (None, _) => Some(match &self.error {
                Some(error) => error.clone(),
                None => "it was not asked yet".to_owned(),
            }),
        }
    }
}

/// What is kept of a job.
pub(super) struct Entry {
    /// To its watcher; gone with the end.
    events: Option<mpsc::Sender<Event>>,
    /// Until the builder has told something of it.
    pub(super) order: Option<Box<Ordered>>,
    pub(super) started: bool,
    /// Where its log goes on.
    pub(super) log: u64,
    pub(super) stop: Option<StopReason>,
    /// Its watcher has been told the end.
    pub(super) ended: bool,
}

/// What the builder has to be told after a meeting.
pub(super) enum Word {
    Nothing,
    Stop(StopReason),
    /// It does not count any more, whatever it still says of this job.
    Disown {
        running: bool,
    },
}

impl Entry {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events: Some(events), order: None, started: false, log: 0, stop: None, ended: false }
    }

    /// To its watcher, for what has just happened. After the end there is nobody to tell.
    pub(super) fn watcher(&mut self) -> Option<mpsc::Sender<Event>> {
        if self.ended { self.events.take() } else { self.events.clone() }
    }

    /// Tells its watcher the end, at the very beginning.
    pub(super) fn end(&mut self, finished: Finished) {
        self.ended = true;
        if let Some(to) = self.watcher() {
            // The channel is new, so there is room.
            let _ = to.try_send(Event::Finished(finished));
        }
    }

    /// Gives the order, now or when the builder is there.
    pub(super) fn give(&mut self, state: &State, ordered: Ordered) {
        let order = ToBuilder::Order(Box::new(ordered));
        if let Err(error) = order.encode(&mut Vec::new()) {
            let why = format!("the order cannot be sent: {error}");
            return self.end(Finished::plain(Outcome::failed(Cause::Box, why)));
        }
        if let ToBuilder::Order(ordered) = &order {
            self.order = Some(ordered.clone());
        }
        state.say(order);
    }

    /// The builder stands so with this job; what its watcher is told.
    pub(super) fn meet(
        &mut self,
        mut standing: Standing,
        looked: Result<(), String>,
        socket: &Path,
    ) -> (Vec<Event>, Word) {
        if self.ended {
            return (Vec::new(), Word::Nothing);
        }
        let finished = standing.finished.take();
        let checked = looked.and_then(|()| trust::not_shorter(self.log, standing.log.0));
        if let Err(lie) = checked {
            self.ended = true;
            let word = Word::Disown { running: finished.is_none() };
            return (vec![Event::Finished(trust::caught(socket, &lie))], word);
        }
        self.order = None;
        self.started = standing.started;
        self.log = standing.log.0;
        let mut events = vec![Event::Resumed(Box::new(standing))];
        if let Some(finished) = finished {
            self.ended = true;
            events.push(Event::Finished(finished));
            return (events, Word::Nothing);
        }
        (events, self.stop.map_or(Word::Nothing, Word::Stop))
    }

    /// What the builder tells of a running job.
    ///
    /// # Errors
    /// A sentence about what cannot be.
    pub(super) fn hear(&mut self, event: &Event) -> Result<(), String> {
        self.order = None;
        match event {
            Event::Started { .. } if self.started => {
                return Err("told twice that the build began".to_owned());
            }
            Event::Started { .. } => self.started = true,
            Event::Log { offset, bytes, .. } => {
                trust::in_order(self.log, *offset)?;
                self.log = offset.saturating_add(bytes.len() as u64);
            }
            Event::Finished(finished) => {
                if finished.outcome == Outcome::Done && !self.started {
                    return Err("told of the end of a build that never began".to_owned());
                }
                self.ended = true;
            }
            Event::Resumed(_)
            | Event::Phase { .. }
            | Event::Progress { .. }
            | Event::Complaints(_)
            | Event::Usage { .. } => {}
        }
        Ok(())
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct State {
    pub(super) jobs: HashMap<JobId, Entry>,
    /// To the builder, while it is there.
    pub(super) out: Option<mpsc::UnboundedSender<ToBuilder>>,
    /// What the builder knows and nobody here has asked for.
    pub(super) unclaimed: HashMap<JobId, Standing>,
    /// Jobs whose builder does not count any more, until it has forgotten them.
    pub(super) disowned: HashSet<JobId>,
}

impl State {
    /// Tells the builder; false while it is away.
    pub(super) fn say(&self, message: ToBuilder) -> bool {
        self.out.as_ref().is_some_and(|out| out.send(message).is_ok())
    }

    /// Tells the builder what a meeting led to.
    pub(super) fn follow_up(&mut self, job: JobId, word: Word) {
        match word {
            Word::Nothing => {}
            Word::Stop(reason) => drop(self.say(ToBuilder::Stop(job, reason))),
            Word::Disown { running: true } => {
                self.disowned.insert(job);
                self.say(ToBuilder::Stop(job, StopReason::Interrupted));
            }
            // It has ended: once that is written down the builder may forget it, as ever.
            Word::Disown { running: false } => drop(self.disowned.insert(job)),
        }
    }
}
