//! What the API says, as JSON. The command line reads the same types, so neither can drift from
//! the other. Names are snake_case; moments are RFC 3339 in UTC; lengths are milliseconds; sizes
//! are bytes. Fields may be added within `/api/v1`; none is renamed or removed.

pub use super::retention_types::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobJson {
    /// Its number.
    pub id: u64,
    /// What the requester calls the image.
    pub name: String,
    /// Who asked for it.
    pub owner: String,
    /// Where it waits or waited.
    pub queue: String,
    /// The runner that plans it.
    pub runner: String,
    /// The runner's version when the job was accepted.
    pub runner_version: String,
    /// SHA-256 of the runner's component when the job was accepted.
    pub runner_sha256: String,
    /// The output format.
    pub image_type: String,
    /// The architecture it is built for.
    pub arch: String,
    /// Higher goes first.
    pub priority: i16,
    /// `queued`, `building`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// When it was accepted.
    pub submitted: String,
    /// When it left the queue.
    pub started: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// How long the build has taken, or took.
    pub length_ms: Option<u64>,
    /// The job this one repeats.
    pub retry_of: Option<u64>,
    /// The definition, without its text (`/jobs/{id}/definition.txt`).
    pub definition: DefinitionJson,
    /// Extra packages.
    pub packages: Vec<String>,
    /// Values of the runner's own fields; secret ones are masked.
    pub options: BTreeMap<String, String>,
    /// The job whose artifacts are the input.
    pub input_job: Option<u64>,
    /// Place in its queue while it waits; 1 is next.
    pub position: Option<u64>,
    /// Why it may not start now.
    pub hold: Option<String>,
    /// The phase the tool is in.
    pub phase: Option<String>,
    /// How far the phase is.
    pub progress: Option<ProgressJson>,
    /// When it will probably end.
    pub expected_end: Option<String>,
    /// A stop was asked for and is under way.
    pub stopping: bool,
    /// Why it failed.
    pub failure: Option<FailureJson>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Bytes of the log.
    pub log_size: u64,
    /// Lines of the log.
    pub log_lines: u64,
    /// The phases it went through.
    pub phases: Vec<PhaseJson>,
    /// The commands that were run, secrets masked.
    pub commands: Vec<String>,
    /// The files it produced.
    pub artifacts: Vec<ArtifactJson>,
    /// What could not be freed after the build, one sentence each.
    pub residual: Vec<String>,
    /// Most bytes the build directory held.
    pub peak_disk: u64,
    /// Time of the processors it used, in milliseconds; 0 where that is not counted.
    pub cpu_ms: u64,
    /// Most bytes of memory it had; 0 where that is not counted.
    pub peak_memory: u64,
    /// Bytes it wrote to disks; 0 where that is not counted.
    pub written: u64,
    /// Until when its files are kept; absent while it is open, when it is pinned, or for ever.
    pub expires: Option<String>,
    /// Who pinned it, so that no rule takes its files.
    pub pinned: Option<PinnedJson>,
    /// That its files were deleted: then `artifacts` is empty.
    pub files_deleted: Option<GoneJson>,
    /// That its log and definition were deleted.
    pub log_deleted: Option<GoneJson>,
    /// What the last verification found wrong with its files, one sentence each.
    pub damage: Vec<String>,
    /// Words to find it by, in order.
    pub tags: Vec<String>,
    /// The job's page.
    pub url: String,
}

/// The definition of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefinitionJson {
    /// The file name it had on the requester's machine.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressJson {
    /// Done so far.
    pub done: u64,
    /// In all, if known.
    pub total: Option<u64>,
    /// Of what: `packages`, `bytes` …
    pub unit: String,
}

/// Why a job failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureJson {
    /// `definition`, `repository`, `box`, `timeout`, `silent`, `limit`, `interrupted` or `runner`.
    pub cause: String,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub suggestion: Option<String>,
    /// The log line that shows it, from 1.
    pub line: Option<u64>,
}

/// A phase of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseJson {
    /// Its name.
    pub name: String,
    /// When it began.
    pub began: String,
}

/// A file a job produced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactJson {
    /// Its file name.
    pub name: String,
    /// `image`, `kernel`, `initrd`, `manifest`, `checksum`, `log` or `other`.
    pub role: String,
    /// A word for people.
    pub label: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// Where it is downloaded.
    pub url: String,
    /// Where it lies on the box; only told through the local socket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsJson {
    /// The jobs.
    pub jobs: Vec<JobJson>,
    /// Pass as `before` for older ones.
    pub older: Option<u64>,
    /// Pass as `after` for newer ones.
    pub newer: Option<u64>,
    /// How many match in all, where that is known without a search.
    pub total: Option<u64>,
}

/// The files of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesJson {
    /// Which job.
    pub job: u64,
    /// Its files.
    pub files: Vec<ArtifactJson>,
}

/// What a check found, and what would be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckJson {
    /// Remarks on the definition.
    pub remarks: Vec<RemarkJson>,
    /// The steps, in order.
    pub steps: Vec<StepJson>,
    /// Files written before the first step.
    pub files: Vec<PlannedFileJson>,
    /// Bytes of disk the runner expects to need.
    pub disk: Option<u64>,
}

/// A remark on a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemarkJson {
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// One sentence.
    pub message: String,
    /// Line of the definition, from 1.
    pub line: Option<u32>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A planned step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepJson {
    /// Its name.
    pub name: String,
    /// The command line, secrets masked.
    pub command: String,
    /// Privileges it asks for.
    pub privileges: Vec<String>,
}

/// A file that a plan writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFileJson {
    /// Where, inside the build directory.
    pub path: String,
    /// What it begins with.
    pub text: String,
}

/// What can be submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoicesJson {
    /// The runners.
    pub runners: Vec<RunnerJson>,
    /// The queues.
    pub queues: Vec<QueueJson>,
}

/// A runner that can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerJson {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// One paragraph.
    pub description: String,
    /// What its definition is called.
    pub definition: String,
    /// File name extensions of definitions.
    pub extensions: Vec<String>,
    /// Bytes a definition may have.
    pub max_size: u64,
    /// Output formats.
    pub image_types: Vec<ImageTypeJson>,
    /// Its own fields, given as `option.<id>`.
    pub options: Vec<FieldJson>,
    /// Programs it needs that are not on the box.
    pub missing_programs: Vec<String>,
}

/// An output format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTypeJson {
    /// Its id.
    pub id: String,
    /// For people.
    pub label: String,
    /// The architectures it can be built for.
    pub archs: Vec<String>,
}

/// A field a runner declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldJson {
    /// Its id.
    pub id: String,
    /// For people.
    pub label: String,
    /// One paragraph.
    pub help: String,
    /// Must be given.
    pub required: bool,
    /// Never shown again.
    pub secret: bool,
    /// `text`, `boolean`, `integer`, `choice` or `text_list`.
    pub kind: String,
    /// What it is when not given.
    pub default: String,
    /// Valid values of a choice.
    pub choices: Vec<String>,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueJson {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Jobs that wait on it.
    pub waiting: u64,
    /// Why nothing starts on it, if it is paused.
    pub paused: Option<String>,
    /// False: its jobs wait until somebody launches them.
    pub launch: bool,
}

/// Every runner the box knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginsJson {
    /// The runners.
    pub plugins: Vec<PluginJson>,
}

/// A runner as the box sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginJson {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component.
    pub sha256: String,
    /// `built in` or the file's name.
    pub origin: String,
    /// "enabled", or why not.
    pub status: String,
    /// True if it can be used.
    pub usable: bool,
    /// Programs it may need.
    pub programs: Vec<ProgramJson>,
    /// Image type × architecture pairs it can build.
    pub pairs: u64,
}

/// A program a runner needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramJson {
    /// Its name.
    pub name: String,
    /// Where it is; absent when it is not installed.
    pub path: Option<String>,
    /// What it says of its version.
    pub version: Option<String>,
}

/// How the box is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthJson {
    /// True if nothing needs attention.
    pub well: bool,
    /// Facts in groups.
    pub groups: Vec<HealthGroupJson>,
}

/// A group of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthGroupJson {
    /// Its title.
    pub title: String,
    /// The facts.
    pub facts: Vec<FactJson>,
}

/// One fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactJson {
    /// What.
    pub name: String,
    /// How it is.
    pub value: String,
    /// True if somebody should look at it.
    pub attention: bool,
}

/// Which program answers, and whom it takes one for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionJson {
    /// `img`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The user the token belongs to; `console` through the local socket.
    pub user: String,
}

/// A new password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordJson {
    /// In clear; never logged.
    pub password: String,
}
