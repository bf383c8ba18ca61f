//! The messages between the server and a builder: the same whether the builder lives in this
//! process, behind a unix socket or on another box. Plain data, versioned, a closed set of verbs.

use crate::{
    domain::{Bounds, Cause, Complaints, Failure, JobId, Role, RunnerId, Timestamp, Used},
    plugin::Ask,
};
use bytes::Bytes;
use std::{borrow::Cow, time::Duration};

/// Version of these messages. A builder refuses an order of another version.
pub const VERSION: u32 = 3;

/// "Build this job."
#[derive(Clone, Debug)]
pub struct Order {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// Which runner, and exactly which component: another SHA-256 is refused.
    pub runner: RunnerId,
    /// SHA-256 (hex) of the runner's component.
    pub runner_sha256: String,
    /// What the job asks for.
    pub request: Ask,
    /// What the build may use.
    pub limits: Limits,
}

/// What a build may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest it may take in all.
    pub total: Duration,
    /// Longest it may print nothing.
    pub silence: Duration,
    /// Grace after SIGINT before SIGTERM, and after SIGTERM before the kill.
    pub grace: [Duration; 2],
    /// Bytes of its log that are kept: the beginning, and a little of the end.
    pub log: u64,
    /// What it may use of the box.
    pub bounds: Bounds,
}

/// Why a build is stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked.
    Cancelled,
    /// The service stops.
    Interrupted,
}

/// What a builder tells about one job, in this order: `Started`, any number of the middle ones,
/// exactly one `Finished` at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A builder was found that carries out this job already: all that is known of it so far, in
    /// place of what was told before. Only a [`Remote`](super::Remote) says this; the end, if the
    /// build has ended, follows as `Finished`.
    Resumed(Box<Standing>),
    /// The plan was computed and its first step is about to run.
    Started {
        /// The commands that will run, one per step, secrets masked.
        commands: Vec<String>,
        /// What confines the steps, for people: "own mount, PID, IPC and UTS namespaces".
        sandbox: String,
        /// When.
        at: Timestamp,
    },
    /// Bytes of the log, masked and folded, whole UTF-8 or not as the tool printed them.
    Log {
        /// Where in the log they begin. Always the sum of the lengths sent before.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
        /// When they were read.
        at: Timestamp,
    },
    /// A new phase began.
    Phase {
        /// Its name.
        name: String,
        /// When.
        at: Timestamp,
    },
    /// How far the phase is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, if known.
        total: Option<u64>,
        /// What is counted: "packages".
        unit: String,
    },
    /// The tool complained: all of its complaints so far. What they say is in the log.
    Complaints(Complaints),
    /// What the build uses.
    Usage {
        /// Allocated bytes in its directory now.
        disk: u64,
        /// What else it has used so far.
        used: Used,
    },
    /// The end.
    Finished(Finished),
}

/// What a builder knows of a job that it carries out, or that has ended and whose end nobody has
/// acknowledged yet: all a new server needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The job.
    pub job: JobId,
    /// When its order came.
    pub ordered: Timestamp,
    /// True once the plan was computed.
    pub started: bool,
    /// See [`Event::Started`]; empty before.
    pub commands: Vec<String>,
    /// See [`Event::Started`]; empty before.
    pub sandbox: String,
    /// Phases and when each began.
    pub phases: Vec<(String, Timestamp)>,
    /// How far the phase is: units done, units in all, what is counted.
    pub progress: Option<(u64, Option<u64>, String)>,
    /// What the tool has complained of.
    pub complaints: Complaints,
    /// Bytes of the log, and line ends in it.
    pub log: (u64, u64),
    /// Bytes the build directory holds.
    pub disk: u64,
    /// What else it has used so far.
    pub used: Used,
    /// Why it is being stopped, if it is.
    pub stopping: Option<StopReason>,
    /// The end, once there is one.
    pub finished: Option<Finished>,
}

impl Standing {
    /// A job whose order has just come.
    pub fn new(job: JobId, ordered: Timestamp) -> Self {
        Self {
            job,
            ordered,
            started: false,
            commands: Vec::new(),
            sandbox: String::new(),
            phases: Vec::new(),
            progress: None,
            complaints: Complaints::default(),
            log: (0, 0),
            disk: 0,
            used: Used::default(),
            stopping: None,
            finished: None,
        }
    }

    /// Takes in what happened.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Resumed(standing) => self.clone_from(standing),
            Event::Started { commands, sandbox, at: _ } => {
                self.started = true;
                self.commands.clone_from(commands);
                self.sandbox.clone_from(sandbox);
            }
            Event::Log { offset, bytes, at: _ } => {
                let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
                self.log = (offset.saturating_add(bytes.len() as u64), self.log.1 + ends);
            }
            Event::Phase { name, at } => {
                remember_phase(&mut self.phases, name, *at);
                self.progress = None;
            }
            Event::Progress { done, total, unit } => {
                self.progress = Some((*done, *total, unit.clone()));
            }
            Event::Usage { disk, used } => (self.disk, self.used) = (*disk, *used),
            Event::Complaints(complaints) => self.complaints = *complaints,
            Event::Finished(finished) => self.finished = Some(finished.clone()),
        }
    }
}

/// Phases that are remembered; of a build with more, the later ones are not.
const PHASES: usize = 1_000;
/// Bytes of a phase's name that are remembered.
const PHASE: usize = 200;
/// Bytes of one text for people.
const TEXT: usize = 16 << 10;
/// Bytes of a list of texts for people.
const LIST: usize = 200 << 10;

/// Adds a phase to those of a job, as far as they are remembered: all there is to say of a job has
/// to fit in one record.
pub fn remember_phase(phases: &mut Vec<(String, Timestamp)>, name: &str, at: Timestamp) {
    if phases.len() < PHASES {
        phases.push((cut(name, PHASE).into_owned(), at));
    }
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default()))
}

/// A text for people, cut to a size that always fits: 16 KiB.
pub fn shortened(text: &str) -> Cow<'_, str> {
    cut(text, TEXT)
}

/// Texts for people, each [`shortened`] and of all of them as many as always fit: 200 KiB.
pub fn short_list(texts: &[String]) -> Vec<String> {
    let mut room = LIST;
    let mut list = Vec::new();
    for text in texts {
        let text = shortened(text);
        let Some(left) = room.checked_sub(text.len() + 8) else {
            list.push("…".to_owned());
            break;
        };
        room = left;
        list.push(text.into_owned());
    }
    list
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The verdict.
    pub outcome: Outcome,
    /// What was moved into the job's `artifacts/`.
    pub artifacts: Vec<StagedArtifact>,
    /// What could not be freed, one sentence each, with the way out.
    pub residual: Vec<String>,
    /// Most bytes the build directory held.
    pub peak_disk: u64,
    /// What else it used.
    pub used: Used,
}

impl Finished {
    /// The end of a build whose builder died.
    pub fn interrupted() -> Self {
        Self::plain(Outcome::Failed(Failure {
            cause: Cause::Interrupted,
            message: "the builder was restarted while this was building".to_owned(),
            suggestion: Some("submit it again".to_owned()),
            line: None,
        }))
    }
}

/// The verdict on a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step ended with 0 and there is an image.
    Done,
    /// Something failed; why.
    Failed(Failure),
    /// Stopped from outside.
    Stopped(StopReason),
}

/// A file in the job's `artifacts/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedArtifact {
    /// File name, no directory part.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// For people.
    pub label: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 (hex).
    pub sha256: String,
}

impl Finished {
    /// An end without anything made or left.
    pub fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            artifacts: Vec::new(),
            residual: Vec::new(),
            peak_disk: 0,
            used: Used::default(),
        }
    }
}

impl Outcome {
    /// A failure in one line.
    pub fn failed(cause: Cause, message: impl Into<String>) -> Self {
        Self::Failed(Failure { cause, message: message.into(), suggestion: None, line: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_a_build_has_a_size_that_always_fits() {
        let mut standing = Standing::new(JobId::FIRST, Timestamp::default());
        let name = "é".repeat(3_000);
        for _ in 0..3_000 {
            let at = Timestamp::default();
            standing.note(&Event::Phase { name: name.clone(), at });
        }
        assert_eq!(standing.phases.len(), PHASES);
        assert_eq!(standing.phases[0].0, format!("{}…", "é".repeat(PHASE / 2)));
        let commands = short_list(&vec!["x".repeat(1 << 20); 10_000]);
        let bytes: usize = commands.iter().map(String::len).sum();
        assert!(bytes <= LIST && commands.last().is_some_and(|last| last == "…"), "{bytes}");
    }
}
