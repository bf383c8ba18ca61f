//! The messages' data as it travels. The domain's types are not `Serialize`: these are, and they
//! change only together with [`VERSION`](super::super::protocol::VERSION).

use super::Ordered;
use crate::{
    builder::protocol::{self, Limits, short_list, shortened},
    domain::{
        self, Arch, Cause, Complaints, ImageTypeId, JobId, JobName, NameError, Role, RunnerId,
        Timestamp,
    },
    plugin::Ask,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// A job's number; 0 is none.
pub(super) fn job(number: u64) -> Result<JobId, String> {
    JobId::new(number).ok_or_else(|| "0 is no job number".to_owned())
}

fn name<T>(read: Result<T, NameError>) -> Result<T, String> {
    read.map_err(|e| e.to_string())
}

fn hex64(what: &str, text: String) -> Result<String, String> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 64 && text.bytes().all(hex) {
        return Ok(text);
    }
    Err(format!("{what} is no SHA-256"))
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum Reason {
    Cancelled,
    Interrupted,
}

impl Reason {
    pub(super) fn of(reason: protocol::StopReason) -> Self {
        match reason {
            protocol::StopReason::Cancelled => Self::Cancelled,
            protocol::StopReason::Interrupted => Self::Interrupted,
        }
    }

    pub(super) fn back(self) -> protocol::StopReason {
        match self {
            Self::Cancelled => protocol::StopReason::Cancelled,
            Self::Interrupted => protocol::StopReason::Interrupted,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    version: u32,
    job: u64,
    runner: String,
    runner_sha256: String,
    name: String,
    image_type: String,
    arch: String,
    packages: Vec<String>,
    options: Vec<(String, String)>,
    secrets: Vec<String>,
    input_job: Option<u64>,
    definition_size: u64,
    definition_sha256: String,
    total_ms: u64,
    silence_ms: u64,
    grace_ms: [u64; 2],
    log: u64,
    bounds: Bounds,
}

/// See [`domain::Bounds`](crate::domain::Bounds).
#[derive(Serialize, Deserialize)]
struct Bounds {
    sandbox: String,
    memory: u64,
    tasks: u32,
    cpu_weight: u32,
    io_weight: u32,
    cpu_max: u32,
    io_max: u64,
    scratch: u64,
}

impl Bounds {
    fn of(bounds: &domain::Bounds) -> Self {
        Self {
            sandbox: bounds.sandbox.as_str().to_owned(),
            memory: bounds.memory,
            tasks: bounds.tasks,
            cpu_weight: bounds.cpu_weight,
            io_weight: bounds.io_weight,
            cpu_max: bounds.cpu_max,
            io_max: bounds.io_max,
            scratch: bounds.scratch,
        }
    }

    fn back(self) -> Result<domain::Bounds, String> {
        let sandbox = domain::Sandbox::from_word(&self.sandbox);
        let word = shortened(&self.sandbox);
        Ok(domain::Bounds {
            sandbox: sandbox.ok_or_else(|| format!("`{word}` is no sandbox"))?,
            memory: self.memory,
            tasks: self.tasks,
            cpu_weight: self.cpu_weight,
            io_weight: self.io_weight,
            cpu_max: self.cpu_max,
            io_max: self.io_max,
            scratch: self.scratch,
        })
    }
}

/// See [`domain::Used`](crate::domain::Used); the time in microseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct Used(u64, u64, u64);

impl Used {
    fn of(used: &domain::Used) -> Self {
        let cpu = u64::try_from(used.cpu.as_micros()).unwrap_or(u64::MAX);
        Self(cpu, used.memory, used.written)
    }

    fn back(self) -> domain::Used {
        let Self(cpu, memory, written) = self;
        domain::Used { cpu: Duration::from_micros(cpu), memory, written }
    }
}

impl Order {
    pub(super) fn of(ordered: &Ordered) -> Self {
        let protocol::Order { version, job, runner, runner_sha256, request, limits } =
            &ordered.order;
        Self {
            version: *version,
            job: job.get(),
            runner: runner.to_string(),
            runner_sha256: runner_sha256.clone(),
            name: request.name.to_string(),
            image_type: request.image_type.to_string(),
            arch: request.arch.to_string(),
            packages: request.packages.clone(),
            options: request.options.clone(),
            secrets: request.secrets.clone(),
            input_job: request.input_job.map(JobId::get),
            definition_size: ordered.definition_size,
            definition_sha256: ordered.definition_sha256.clone(),
            total_ms: ms(limits.total),
            silence_ms: ms(limits.silence),
            grace_ms: limits.grace.map(ms),
            log: limits.log,
            bounds: Bounds::of(&limits.bounds),
        }
    }

    pub(super) fn back(self) -> Result<Ordered, String> {
        let request = Ask {
            name: name(JobName::new(&self.name))?,
            definition: bytes::Bytes::new(),
            image_type: name(ImageTypeId::new(&self.image_type))?,
            arch: name(Arch::new(&self.arch))?,
            packages: self.packages,
            options: self.options,
            secrets: self.secrets,
            input_job: self.input_job.map(job).transpose()?,
        };
        let limits = Limits {
            total: Duration::from_millis(self.total_ms),
            silence: Duration::from_millis(self.silence_ms),
            grace: self.grace_ms.map(Duration::from_millis),
            log: self.log,
            bounds: self.bounds.back()?,
        };
        let order = protocol::Order {
            version: self.version,
            job: job(self.job)?,
            runner: name(RunnerId::new(&self.runner))?,
            runner_sha256: hex64("the runner's checksum", self.runner_sha256)?,
            request,
            limits,
        };
        let definition_sha256 = hex64("the definition's checksum", self.definition_sha256)?;
        Ok(Ordered { order, definition_size: self.definition_size, definition_sha256 })
    }
}

impl Ordered {
    /// What travels of an order; its definition lies in the job's directory already.
    pub fn of(order: protocol::Order) -> Self {
        let definition = &order.request.definition;
        let definition_size = definition.len() as u64;
        let definition_sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(definition));
        let request = Ask { definition: bytes::Bytes::new(), ..order.request };
        let order = protocol::Order { request, ..order };
        Self { order, definition_size, definition_sha256 }
    }
}

/// The middle ones; pieces of log have a kind of their own.
#[derive(Serialize, Deserialize)]
pub(super) enum Event {
    Started { commands: Vec<String>, sandbox: String, at: i64 },
    Phase { name: String, at: i64 },
    Progress { done: u64, total: Option<u64>, unit: String },
    Complaints(Complained),
    Usage { disk: u64, used: Used },
    Finished(Finished),
}

impl Event {
    /// `None` for what has a frame of its own, or does not travel.
    pub(super) fn of(event: &protocol::Event) -> Option<Self> {
        use protocol::Event as E;
        Some(match event {
            E::Started { commands, sandbox, at } => Self::Started {
                commands: short_list(commands),
                sandbox: shortened(sandbox).into_owned(),
                at: at.as_millis(),
            },
            E::Phase { name, at } => {
                Self::Phase { name: shortened(name).into_owned(), at: at.as_millis() }
            }
            E::Progress { done, total, unit } => {
                Self::Progress { done: *done, total: *total, unit: shortened(unit).into_owned() }
            }
            E::Complaints(all) => Self::Complaints(Complained::of(*all)),
            E::Usage { disk, used } => Self::Usage { disk: *disk, used: Used::of(used) },
            E::Finished(finished) => Self::Finished(Finished::of(finished)),
            E::Log { .. } | E::Resumed(_) => return None,
        })
    }

    pub(super) fn back(self) -> Result<protocol::Event, String> {
        use protocol::Event as E;
        let at = Timestamp::from_millis;
        Ok(match self {
            Self::Started { commands, sandbox, at: ms } => {
                E::Started { commands, sandbox, at: at(ms) }
            }
            Self::Phase { name, at: ms } => E::Phase { name, at: at(ms) },
            Self::Progress { done, total, unit } => E::Progress { done, total, unit },
            Self::Complaints(all) => E::Complaints(all.back()),
            Self::Usage { disk, used } => E::Usage { disk, used: used.back() },
            Self::Finished(finished) => E::Finished(finished.back()?),
        })
    }
}

/// Errors, warnings, the line of the first.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Complained(u64, u64, u64);

impl Complained {
    fn of(all: Complaints) -> Self {
        Self(all.errors, all.warnings, all.first)
    }

    fn back(self) -> Complaints {
        Complaints { errors: self.0, warnings: self.1, first: self.2 }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Finished {
    outcome: Outcome,
    artifacts: Vec<Artifact>,
    residual: Vec<String>,
    peak_disk: u64,
    used: Used,
}

#[derive(Serialize, Deserialize)]
enum Outcome {
    Done,
    Failed { cause: String, message: String, suggestion: Option<String>, line: Option<u64> },
    Stopped(Reason),
}

#[derive(Serialize, Deserialize)]
struct Artifact {
    name: String,
    role: String,
    label: String,
    size: u64,
    sha256: String,
}

impl Finished {
    fn of(finished: &protocol::Finished) -> Self {
        Self {
            outcome: Outcome::of(&finished.outcome),
            artifacts: finished.artifacts.iter().map(Artifact::of).collect(),
            residual: short_list(&finished.residual),
            peak_disk: finished.peak_disk,
            used: Used::of(&finished.used),
        }
    }

    fn back(self) -> Result<protocol::Finished, String> {
        Ok(protocol::Finished {
            outcome: self.outcome.back()?,
            artifacts: self.artifacts.into_iter().map(Artifact::back).collect::<Result<_, _>>()?,
            residual: self.residual,
            peak_disk: self.peak_disk,
            used: self.used.back(),
        })
    }
}

impl Outcome {
    fn of(outcome: &protocol::Outcome) -> Self {
        match outcome {
            protocol::Outcome::Done => Self::Done,
            protocol::Outcome::Failed(failure) => Self::Failed {
                cause: failure.cause.as_str().to_owned(),
                message: shortened(&failure.message).into_owned(),
                suggestion: failure.suggestion.as_deref().map(|s| shortened(s).into_owned()),
                line: failure.line,
            },
            protocol::Outcome::Stopped(reason) => Self::Stopped(Reason::of(*reason)),
        }
    }

    fn back(self) -> Result<protocol::Outcome, String> {
        Ok(match self {
            Self::Done => protocol::Outcome::Done,
            Self::Failed { cause, message, suggestion, line } => {
                let found = Cause::ALL.into_iter().find(|c| c.as_str() == cause);
                let cause = found.ok_or_else(|| format!("`{}` is no cause", shortened(&cause)))?;
                let failure = crate::domain::Failure { cause, message, suggestion, line };
                protocol::Outcome::Failed(failure)
            }
            Self::Stopped(reason) => protocol::Outcome::Stopped(reason.back()),
        })
    }
}

impl Artifact {
    fn of(artifact: &protocol::StagedArtifact) -> Self {
        Self {
            name: artifact.name.clone(),
            role: artifact.role.as_str().to_owned(),
            label: shortened(&artifact.label).into_owned(),
            size: artifact.size,
            sha256: artifact.sha256.clone(),
        }
    }

    fn back(self) -> Result<protocol::StagedArtifact, String> {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == self.role);
        Ok(protocol::StagedArtifact {
            role: role.ok_or_else(|| format!("`{}` is no role", shortened(&self.role)))?,
            name: self.name,
            label: self.label,
            size: self.size,
            sha256: hex64("an artifact's checksum", self.sha256)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Standing {
    job: u64,
    ordered: i64,
    started: bool,
    commands: Vec<String>,
    sandbox: String,
    phases: Vec<(String, i64)>,
    progress: Option<(u64, Option<u64>, String)>,
    complaints: Complained,
    log: (u64, u64),
    disk: u64,
    used: Used,
    stopping: Option<Reason>,
    finished: Option<Finished>,
}

impl Standing {
    pub(super) fn of(standing: &protocol::Standing) -> Self {
        let names: Vec<_> = standing.phases.iter().map(|(name, _)| name.clone()).collect();
        let times = standing.phases.iter().map(|(_, at)| at.as_millis());
        Self {
            job: standing.job.get(),
            ordered: standing.ordered.as_millis(),
            started: standing.started,
            commands: short_list(&standing.commands),
            sandbox: shortened(&standing.sandbox).into_owned(),
            phases: short_list(&names).into_iter().zip(times).collect(),
            progress: standing
                .progress
                .as_ref()
                .map(|(done, total, unit)| (*done, *total, shortened(unit).into_owned())),
            complaints: Complained::of(standing.complaints),
            log: standing.log,
            disk: standing.disk,
            used: Used::of(&standing.used),
            stopping: standing.stopping.map(Reason::of),
            finished: standing.finished.as_ref().map(Finished::of),
        }
    }

    pub(super) fn back(self) -> Result<protocol::Standing, String> {
        let phase = |(name, at)| (name, Timestamp::from_millis(at));
        Ok(protocol::Standing {
            job: job(self.job)?,
            ordered: Timestamp::from_millis(self.ordered),
            started: self.started,
            commands: self.commands,
            sandbox: self.sandbox,
            phases: self.phases.into_iter().map(phase).collect(),
            progress: self.progress,
            complaints: self.complaints.back(),
            log: self.log,
            disk: self.disk,
            used: self.used.back(),
            stopping: self.stopping.map(Reason::back),
            finished: self.finished.map(Finished::back).transpose()?,
        })
    }
}
