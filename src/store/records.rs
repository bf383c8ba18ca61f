//! A job as it lies on disk. The domain's types are not `Serialize`: these are, and they change
//! only together with the record's version.

use super::{
    codec::{Damage, Record, form},
    keys::{Space, job_key},
};
use crate::domain::{
    Arch, Artifact, Cause, Failure, ImageTypeId, Job, JobId, JobName, JobState, QueueName, Role,
    RunnerId, Timestamp, Used, UserName,
    job::{BuildResult, Request},
};
use serde::{Deserialize, Serialize};

/// See [`Job`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredJob {
    first: StoredJob1,
    used: StoredUsed,
}

/// What version 2 added; the time of the processors in microseconds.
#[derive(Default, Serialize, Deserialize)]
struct StoredUsed {
    cpu: u64,
    memory: u64,
    written: u64,
}

/// Version 1.
#[derive(Serialize, Deserialize)]
struct StoredJob1 {
    id: u64,
    name: String,
    owner: String,
    queue: String,
    runner: String,
    runner_version: String,
    runner_sha256: String,
    image_type: String,
    arch: String,
    priority: i16,
    launched: bool,
    submitted: i64,
    retry_of: Option<u64>,
    request: StoredRequest,
    state: StoredState,
    result: StoredResult,
}

#[derive(Serialize, Deserialize)]
struct StoredRequest {
    definition_name: String,
    definition_size: u64,
    definition_sha256: String,
    packages: Vec<String>,
    options: Vec<(String, String)>,
    secret_options: Vec<String>,
    input_job: Option<u64>,
}

#[derive(Serialize, Deserialize)]
enum StoredState {
    Queued,
    Building { started: i64 },
    Done { started: i64, ended: i64 },
    Failed { started: Option<i64>, ended: i64, failure: StoredFailure },
    Cancelled { started: Option<i64>, ended: i64, by: String },
}

#[derive(Serialize, Deserialize)]
struct StoredFailure {
    cause: String,
    message: String,
    suggestion: Option<String>,
    line: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredResult {
    artifacts: Vec<StoredArtifact>,
    log_size: u64,
    log_lines: u64,
    phases: Vec<(String, i64)>,
    commands: Vec<String>,
    residual: Vec<String>,
    peak_disk: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredArtifact {
    name: String,
    role: String,
    label: String,
    size: u64,
    sha256: String,
}

impl Record for Job {
    const SPACE: Space = Space::Jobs;
    const VERSION: u8 = 2;
    type Stored = StoredJob;

    fn key(&self) -> Vec<u8> {
        job_key(self.id).to_vec()
    }

    fn to_stored(&self) -> StoredJob {
        let first = StoredJob1 {
            id: self.id.get(),
            name: self.name.to_string(),
            owner: self.owner.to_string(),
            queue: self.queue.to_string(),
            runner: self.runner.to_string(),
            runner_version: self.runner_version.clone(),
            runner_sha256: self.runner_sha256.clone(),
            image_type: self.image_type.to_string(),
            arch: self.arch.to_string(),
            priority: self.priority,
            launched: self.launched,
            submitted: self.submitted.as_millis(),
            retry_of: self.retry_of.map(JobId::get),
            request: StoredRequest::of(&self.request),
            state: StoredState::of(&self.state),
            result: StoredResult::of(&self.result),
        };
        StoredJob { first, used: StoredUsed::of(&self.result.used) }
    }

    fn from_stored(StoredJob { first: stored, used }: StoredJob) -> Result<Self, Damage> {
        Ok(Self {
            id: id(stored.id)?,
            name: name(JobName::new(&stored.name))?,
            owner: name(UserName::new(&stored.owner))?,
            queue: name(QueueName::new(&stored.queue))?,
            runner: name(RunnerId::new(&stored.runner))?,
            runner_version: stored.runner_version,
            runner_sha256: stored.runner_sha256,
            image_type: name(ImageTypeId::new(&stored.image_type))?,
            arch: name(Arch::new(&stored.arch))?,
            priority: stored.priority,
            launched: stored.launched,
            submitted: Timestamp::from_millis(stored.submitted),
            retry_of: stored.retry_of.map(id).transpose()?,
            request: stored.request.back()?,
            state: stored.state.back()?,
            result: BuildResult { used: used.back(), ..stored.result.back()? },
        })
    }

    fn older(version: u8, body: &[u8]) -> Result<Self, Damage> {
        match version {
            1 => Self::from_stored(StoredJob { first: form(body)?, used: StoredUsed::default() }),
            other => Err(Damage::Version(other)),
        }
    }
}

impl StoredUsed {
    fn of(used: &Used) -> Self {
        Self {
            cpu: u64::try_from(used.cpu.as_micros()).unwrap_or(u64::MAX),
            memory: used.memory,
            written: used.written,
        }
    }

    fn back(self) -> Used {
        let cpu = std::time::Duration::from_micros(self.cpu);
        Used { cpu, memory: self.memory, written: self.written }
    }
}

impl StoredRequest {
    fn of(request: &Request) -> Self {
        Self {
            definition_name: request.definition_name.clone(),
            definition_size: request.definition_size,
            definition_sha256: request.definition_sha256.clone(),
            packages: request.packages.clone(),
            options: request.options.clone(),
            secret_options: request.secret_options.clone(),
            input_job: request.input_job.map(JobId::get),
        }
    }

    fn back(self) -> Result<Request, Damage> {
        Ok(Request {
            definition_name: self.definition_name,
            definition_size: self.definition_size,
            definition_sha256: self.definition_sha256,
            packages: self.packages,
            options: self.options,
            secret_options: self.secret_options,
            input_job: self.input_job.map(id).transpose()?,
        })
    }
}

impl StoredState {
    fn of(state: &JobState) -> Self {
        let millis = |t: &Option<Timestamp>| t.map(Timestamp::as_millis);
        match state {
            JobState::Queued => Self::Queued,
            JobState::Building { started } => Self::Building { started: started.as_millis() },
            JobState::Done { started, ended } => {
                Self::Done { started: started.as_millis(), ended: ended.as_millis() }
            }
            JobState::Failed { started, ended, failure } => Self::Failed {
                started: millis(started),
                ended: ended.as_millis(),
                failure: StoredFailure::of(failure),
            },
            JobState::Cancelled { started, ended, by } => Self::Cancelled {
                started: millis(started),
                ended: ended.as_millis(),
                by: by.to_string(),
            },
        }
    }

    fn back(self) -> Result<JobState, Damage> {
        let at = Timestamp::from_millis;
        Ok(match self {
            Self::Queued => JobState::Queued,
            Self::Building { started } => JobState::Building { started: at(started) },
            Self::Done { started, ended } => {
                JobState::Done { started: at(started), ended: at(ended) }
            }
            Self::Failed { started, ended, failure } => JobState::Failed {
                started: started.map(at),
                ended: at(ended),
                failure: failure.back()?,
            },
            Self::Cancelled { started, ended, by } => JobState::Cancelled {
                started: started.map(at),
                ended: at(ended),
                by: name(UserName::new(&by))?,
            },
        })
    }
}

impl StoredFailure {
    fn of(failure: &Failure) -> Self {
        Self {
            cause: failure.cause.as_str().to_owned(),
            message: failure.message.clone(),
            suggestion: failure.suggestion.clone(),
            line: failure.line,
        }
    }

    fn back(self) -> Result<Failure, Damage> {
        let cause = Cause::ALL.into_iter().find(|c| c.as_str() == self.cause);
        Ok(Failure {
            cause: cause.ok_or_else(|| Damage::Value(format!("cause `{}`", self.cause)))?,
            message: self.message,
            suggestion: self.suggestion,
            line: self.line,
        })
    }
}

impl StoredResult {
    fn of(result: &BuildResult) -> Self {
        let phase = |(name, at): &(String, Timestamp)| (name.clone(), at.as_millis());
        Self {
            artifacts: result.artifacts.iter().map(StoredArtifact::of).collect(),
            log_size: result.log_size,
            log_lines: result.log_lines,
            phases: result.phases.iter().map(phase).collect(),
            commands: result.commands.clone(),
            residual: result.residual.clone(),
            peak_disk: result.peak_disk,
        }
    }

    fn back(self) -> Result<BuildResult, Damage> {
        let phase = |(name, at)| (name, Timestamp::from_millis(at));
        Ok(BuildResult {
            artifacts: self
                .artifacts
                .into_iter()
                .map(StoredArtifact::back)
                .collect::<Result<_, _>>()?,
            log_size: self.log_size,
            log_lines: self.log_lines,
            phases: self.phases.into_iter().map(phase).collect(),
            commands: self.commands,
            residual: self.residual,
            peak_disk: self.peak_disk,
            used: Used::default(),
        })
    }
}

impl StoredArtifact {
    fn of(artifact: &Artifact) -> Self {
        Self {
            name: artifact.name.clone(),
            role: artifact.role.as_str().to_owned(),
            label: artifact.label.clone(),
            size: artifact.size,
            sha256: artifact.sha256.clone(),
        }
    }

    fn back(self) -> Result<Artifact, Damage> {
        let role = Role::ALL.into_iter().find(|r| r.as_str() == self.role);
        Ok(Artifact {
            name: self.name,
            role: role.ok_or_else(|| Damage::Value(format!("role `{}`", self.role)))?,
            label: self.label,
            size: self.size,
            sha256: self.sha256,
        })
    }
}

/// The number of a job; 0 is none.
pub(super) fn id(number: u64) -> Result<JobId, Damage> {
    JobId::new(number).ok_or_else(|| Damage::Value("job number 0".into()))
}

/// A name that passed its grammar once; if it does not now, the record is damaged.
pub(super) fn name<T>(read: Result<T, crate::domain::NameError>) -> Result<T, Damage> {
    read.map_err(|e| Damage::Value(e.to_string()))
}

/// A job as version 1 of the record wrote it.
#[cfg(test)]
pub(super) fn job_1(job: &Job) -> Vec<u8> {
    super::codec::seal(1, &job.to_stored().first).unwrap_or_default()
}
