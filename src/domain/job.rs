//! A job and the states it goes through.
//!
//! ```text
//! queued ──▶ building ──▶ done | failed | cancelled
//!    └──────────────────▶        failed | cancelled
//! ```
//! A final state has no way out: retrying makes a new job that names the old one.

use super::{Arch, ImageTypeId, JobId, JobName, QueueName, RunnerId, Timestamp, Used, UserName};
use std::{fmt, time::Duration};

/// One request for one image: a row of the queue table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What the requester calls the image.
    pub name: JobName,
    /// Who asked for it.
    pub owner: UserName,
    /// Where it waits.
    pub queue: QueueName,
    /// Which runner plans it.
    pub runner: RunnerId,
    /// The runner's version when the job was accepted.
    pub runner_version: String,
    /// SHA-256 (hex) of the runner's component when the job was accepted.
    pub runner_sha256: String,
    /// What comes out.
    pub image_type: ImageTypeId,
    /// For which machines.
    pub arch: Arch,
    /// Higher goes first inside a queue; 0 is ordinary.
    pub priority: i16,
    /// True once somebody released it on a queue that does not launch by itself.
    pub launched: bool,
    /// When it was accepted.
    pub submitted: Timestamp,
    /// The job this one repeats.
    pub retry_of: Option<JobId>,
    /// What was handed in, without the definition's bytes (they are a file).
    pub request: Request,
    /// Where it stands.
    pub state: JobState,
    /// What the build left behind.
    pub result: BuildResult,
}

/// What was handed in with a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The file name the definition had on the requester's machine; for display only.
    pub definition_name: String,
    /// Bytes of the definition.
    pub definition_size: u64,
    /// SHA-256 (hex) of the definition.
    pub definition_sha256: String,
    /// Extra packages: `name`, `-name` or `@group`.
    pub packages: Vec<String>,
    /// Values of the runner's own fields, by field id.
    pub options: Vec<(String, String)>,
    /// Field ids whose values must never be shown.
    pub secret_options: Vec<String>,
    /// A finished job whose artifacts are the input of this one.
    pub input_job: Option<JobId>,
}

/// What a build left behind, filled in when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildResult {
    /// The files it produced, in the runner's order.
    pub artifacts: Vec<Artifact>,
    /// Bytes of the log.
    pub log_size: u64,
    /// Lines of the log.
    pub log_lines: u64,
    /// The phases it went through and when each began.
    pub phases: Vec<(String, Timestamp)>,
    /// The commands that were run, one per step, secrets masked.
    pub commands: Vec<String>,
    /// What could not be freed after the build (mounts, loop devices, files), one sentence each.
    pub residual: Vec<String>,
    /// Most bytes the build directory held.
    pub peak_disk: u64,
    /// What else it used, as far as the box counts it.
    pub used: Used,
}

impl BuildResult {
    /// The artifact that is *the* image, if there is one.
    pub fn image(&self) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.role == Role::Image)
    }
}

/// A file a job produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// File name inside the job's `artifacts/`; no directory part.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// A word for people, such as "root file system".
    pub label: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 (hex) taken while it was moved into place.
    pub sha256: String,
}

/// What an artifact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The image itself.
    Image,
    /// A kernel beside it.
    Kernel,
    /// An initial ram disk beside it.
    Initrd,
    /// What is inside: package lists and the like.
    Manifest,
    /// Checksums.
    Checksum,
    /// The tool's own log.
    Log,
    /// Anything else worth keeping.
    Other,
}

impl Role {
    /// Every role, in the order pages show them.
    pub const ALL: [Self; 7] = [
        Self::Image,
        Self::Kernel,
        Self::Initrd,
        Self::Manifest,
        Self::Checksum,
        Self::Log,
        Self::Other,
    ];

    /// The role's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Manifest => "manifest",
            Self::Checksum => "checksum",
            Self::Log => "log",
            Self::Other => "other",
        }
    }
}

/// Where a job stands, with what is known there and only there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for a slot.
    Queued,
    /// A builder carries it out.
    Building {
        /// When it left the queue.
        started: Timestamp,
    },
    /// Every step ended well and there is an image.
    Done {
        /// When it left the queue.
        started: Timestamp,
        /// When it ended.
        ended: Timestamp,
    },
    /// It ended without a usable image.
    Failed {
        /// When it left the queue, if it did.
        started: Option<Timestamp>,
        /// When it ended.
        ended: Timestamp,
        /// Why.
        failure: Failure,
    },
    /// Somebody stopped it.
    Cancelled {
        /// When it left the queue, if it did.
        started: Option<Timestamp>,
        /// When it ended.
        ended: Timestamp,
        /// Who stopped it.
        by: UserName,
    },
}

/// Why a job failed, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault, roughly.
    pub cause: Cause,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub suggestion: Option<String>,
    /// The log line that shows it, counted from 1.
    pub line: Option<u64>,
}

/// Whose fault a failure is: where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The definition asks for something that cannot be.
    Definition,
    /// A mirror or the network.
    Repository,
    /// This box: disk, memory, a missing tool.
    Box,
    /// It took longer than the queue allows.
    Timeout,
    /// It printed nothing for too long.
    Silent,
    /// It used more memory, room or processes than it may.
    Limit,
    /// The box restarted.
    Interrupted,
    /// The plugin failed, or answered what it may not.
    Runner,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Definition,
        Self::Repository,
        Self::Box,
        Self::Timeout,
        Self::Silent,
        Self::Limit,
        Self::Interrupted,
        Self::Runner,
    ];

    /// True if the box was at fault and not what was asked for: the same request may well end
    /// otherwise the next time.
    pub fn is_of_the_box(self) -> bool {
        match self {
            Self::Box | Self::Interrupted => true,
            Self::Definition
            | Self::Repository
            | Self::Timeout
            | Self::Silent
            | Self::Limit
            | Self::Runner => false,
        }
    }

    /// The cause's word, as the API and the filters use it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Repository => "repository",
            Self::Box => "box",
            Self::Timeout => "timeout",
            Self::Silent => "silent",
            Self::Limit => "limit",
            Self::Interrupted => "interrupted",
            Self::Runner => "runner",
        }
    }
}

/// What a tool has complained of so far, as its runner understands it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Complaints {
    /// How many were errors.
    pub errors: u64,
    /// How many were warnings.
    pub warnings: u64,
    /// The log line, counted from 1, of the first error; of the first warning as long as there is
    /// no error. 0 while there is neither.
    pub first: u64,
}

impl Complaints {
    /// One more.
    pub fn note(&mut self, error: bool, line: u64) {
        let same = if error { &mut self.errors } else { &mut self.warnings };
        *same = same.saturating_add(1);
        let begins = *same == 1;
        if begins && (error || self.errors == 0) {
            self.first = line;
        }
    }
}

/// A state without its data: what filters, indexes and badges need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKind {
    /// See [`JobState::Queued`].
    Queued,
    /// See [`JobState::Building`].
    Building,
    /// See [`JobState::Done`].
    Done,
    /// See [`JobState::Failed`].
    Failed,
    /// See [`JobState::Cancelled`].
    Cancelled,
}

impl StateKind {
    /// Every kind, in the order a job meets them.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Building, Self::Done, Self::Failed, Self::Cancelled];

    /// The word in URLs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Building => "building",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// What the queue table shows, as the first IMG did.
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "IN QUEUE",
            Self::Building => "BUILDING",
            Self::Done => "DONE",
            Self::Failed => "ERROR",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The kind a word of [`as_str`](Self::as_str) names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }

    /// True if nothing will ever change any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Building => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// A change of state that the rules do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {} cannot become {}", from.as_str(), to.as_str())]
pub struct TransitionRefused {
    /// Where the job stands.
    pub from: StateKind,
    /// Where it was to go.
    pub to: StateKind,
}

impl JobState {
    /// The state without its data.
    pub fn kind(&self) -> StateKind {
        match self {
            Self::Queued => StateKind::Queued,
            Self::Building { .. } => StateKind::Building,
            Self::Done { .. } => StateKind::Done,
            Self::Failed { .. } => StateKind::Failed,
            Self::Cancelled { .. } => StateKind::Cancelled,
        }
    }

    /// When the build began, if it did.
    pub fn started(&self) -> Option<Timestamp> {
        match self {
            Self::Queued => None,
            Self::Building { started } | Self::Done { started, .. } => Some(*started),
            Self::Failed { started, .. } | Self::Cancelled { started, .. } => *started,
        }
    }

    /// When the job reached its final state, if it has.
    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            Self::Queued | Self::Building { .. } => None,
            Self::Done { ended, .. }
            | Self::Failed { ended, .. }
            | Self::Cancelled { ended, .. } => Some(*ended),
        }
    }

    /// How long the build has taken, or took. `None` if it never began.
    pub fn length(&self, now: Timestamp) -> Option<Duration> {
        self.started().map(|started| self.ended().unwrap_or(now).since(started))
    }

    /// queued → building.
    ///
    /// # Errors
    /// Refused from any other state.
    pub fn start(&self, now: Timestamp) -> Result<Self, TransitionRefused> {
        match self {
            Self::Queued => Ok(Self::Building { started: now }),
            Self::Building { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => Err(self.refuse(StateKind::Building)),
        }
    }

    /// building → done.
    ///
    /// # Errors
    /// Refused from any other state.
    pub fn finish(&self, now: Timestamp) -> Result<Self, TransitionRefused> {
        match self {
            Self::Building { started } => Ok(Self::Done { started: *started, ended: now }),
            Self::Queued | Self::Done { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                Err(self.refuse(StateKind::Done))
            }
        }
    }

    /// queued or building → failed.
    ///
    /// # Errors
    /// Refused from a final state.
    pub fn fail(&self, failure: Failure, now: Timestamp) -> Result<Self, TransitionRefused> {
        match self {
            Self::Queued | Self::Building { .. } => {
                Ok(Self::Failed { started: self.started(), ended: now, failure })
            }
            Self::Done { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                Err(self.refuse(StateKind::Failed))
            }
        }
    }

    /// queued or building → cancelled.
    ///
    /// # Errors
    /// Refused from a final state.
    pub fn cancel(&self, by: UserName, now: Timestamp) -> Result<Self, TransitionRefused> {
        match self {
            Self::Queued | Self::Building { .. } => {
                Ok(Self::Cancelled { started: self.started(), ended: now, by })
            }
            Self::Done { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                Err(self.refuse(StateKind::Cancelled))
            }
        }
    }

    fn refuse(&self, to: StateKind) -> TransitionRefused {
        TransitionRefused { from: self.kind(), to }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn failure() -> Failure {
        Failure { cause: Cause::Box, message: "no space".into(), suggestion: None, line: None }
    }

    fn apply(state: &JobState, step: u8, now: Timestamp) -> Result<JobState, TransitionRefused> {
        match step {
            0 => state.start(now),
            1 => state.finish(now),
            2 => state.fail(failure(), now),
            _ => state.cancel(UserName::new("kim").unwrap(), now),
        }
    }

    #[test]
    fn length_counts_from_the_start_of_the_build() {
        let state = JobState::Queued.start(at(1_000)).unwrap();
        assert_eq!(state.length(at(4_000)), Some(Duration::from_secs(3)));
        let done = state.finish(at(9_000)).unwrap();
        assert_eq!(done.length(at(99_000)), Some(Duration::from_secs(8)));
        assert_eq!(JobState::Queued.length(at(5)), None);
    }

    #[test]
    fn a_refusal_names_both_states() {
        let refused = JobState::Queued.finish(at(0)).unwrap_err();
        assert_eq!(refused.to_string(), "a job that is queued cannot become done");
    }

    proptest! {
        #[test]
        fn there_is_no_way_out_of_a_final_state(
            steps in proptest::collection::vec(0u8..4, 1..30),
        ) {
            let mut state = JobState::Queued;
            for (i, step) in steps.into_iter().enumerate() {
                let was = state.clone();
                match apply(&state, step, at(i as i64)) {
                    Ok(next) => {
                        prop_assert!(!was.kind().is_final());
                        prop_assert!(next.kind() > was.kind(), "states only move forward");
                        state = next;
                    }
                    Err(refused) => prop_assert_eq!(refused.from, was.kind()),
                }
            }
        }

        #[test]
        fn an_end_is_never_without_its_time(steps in proptest::collection::vec(0u8..4, 1..9)) {
            let mut state = JobState::Queued;
            for step in steps {
                state = apply(&state, step, at(7)).unwrap_or(state);
                prop_assert_eq!(state.kind().is_final(), state.ended().is_some());
            }
        }
    }
}
