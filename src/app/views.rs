//! What the appliance answers: plain data for pages, the API and the command line.

use crate::domain::{
    Artifact, Complaints, Hold, Job, JobId, Queue, QueueName, Timestamp, UserName, Verbs,
    retention::{Class, Guard},
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// What somebody hands in. Names are still text: [`App::submit`](super::App::submit) parses them
/// and says what is wrong, so that the form can show it beside the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewJob {
    /// What the image is to be called; empty takes the definition's file name.
    pub name: String,
    /// Runner id; empty when only one runner takes it.
    pub runner: String,
    /// Image type id.
    pub image_type: String,
    /// Architecture.
    pub arch: String,
    /// Queue name.
    pub queue: String,
    /// The definition's file name, for display.
    pub definition_name: String,
    /// The definition.
    pub definition: Vec<u8>,
    /// Extra packages.
    pub packages: Vec<String>,
    /// Values of the runner's own fields.
    pub options: Vec<(String, String)>,
    /// Number of a finished job whose artifacts are the input; empty for none.
    pub input_job: String,
}

/// What the submit form offers: only what this person may use and the box can build.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Runners that are enabled.
    pub runners: Vec<RunnerChoice>,
    /// Architectures of all of them, in the order in which they are offered.
    pub archs: Vec<ArchChoice>,
    /// Queues this person may use, with the number of waiting jobs.
    pub queues: Vec<(Queue, u64)>,
}

/// An architecture as the submit form offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchChoice {
    /// Its id.
    pub id: String,
    /// For people.
    pub label: String,
}

/// A runner as the submit form offers it.
#[derive(Clone, Debug)]
pub struct RunnerChoice {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// One paragraph.
    pub description: String,
    /// "Kickstart file".
    pub definition_label: String,
    /// File name extensions, without the dot.
    pub extensions: Vec<String>,
    /// Bytes a definition may have.
    pub max_size: u64,
    /// Output formats: id, label, help, architectures.
    pub image_types: Vec<ImageTypeChoice>,
    /// The runner's own fields.
    pub fields: Vec<FieldChoice>,
    /// Declared programs that are not on this box.
    pub missing_programs: Vec<String>,
}

/// An output format of a runner.
#[derive(Clone, Debug)]
pub struct ImageTypeChoice {
    /// Its id.
    pub id: String,
    /// For people.
    pub label: String,
    /// One paragraph.
    pub help: String,
    /// The architectures it can be built for.
    pub archs: Vec<String>,
}

/// A field a runner declares.
#[derive(Clone, Debug)]
pub struct FieldChoice {
    /// Its id.
    pub id: String,
    /// For people.
    pub label: String,
    /// One paragraph.
    pub help: String,
    /// Must be filled in.
    pub required: bool,
    /// Never shown again.
    pub secret: bool,
    /// What it takes.
    pub kind: FieldKind,
}

/// What a field takes.
#[derive(Clone, Debug)]
pub enum FieldKind {
    /// One line of text; default, pattern, most characters.
    Text {
        /// Filled in at first.
        default: String,
        /// A regular expression the whole value must match.
        pattern: Option<String>,
        /// Most characters.
        max: u32,
    },
    /// On or off; the default.
    Boolean(bool),
    /// A number; default and limits.
    Integer {
        /// Filled in at first.
        default: i64,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of several; default and (value, label) pairs.
    Choice {
        /// Chosen at first.
        default: String,
        /// Value and label.
        choices: Vec<(String, String)>,
    },
    /// One value per line.
    TextList {
        /// Filled in at first.
        default: String,
        /// A regular expression each line must match.
        pattern: Option<String>,
        /// Most characters per line.
        max: u32,
    },
}

/// A remark on a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Line of the definition, from 1.
    pub line: Option<u32>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How bad a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Keeps the job from being queued.
    Error,
    /// Worth knowing.
    Warning,
    /// Good to know.
    Info,
}

/// What a definition says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InspectView {
    /// The runner that read it.
    pub runner: String,
    /// A name it gives itself.
    pub name: Option<String>,
    /// The image type it asks for.
    pub image_type: Option<String>,
    /// The architecture it asks for.
    pub arch: Option<String>,
    /// Remarks with lines.
    pub remarks: Vec<Remark>,
    /// Parts that run as root on the box itself.
    pub privileged: Vec<Remark>,
}

/// What "Check only" shows: nothing was run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckView {
    /// Remarks; none of them an error, or the check would have been refused.
    pub remarks: Vec<Remark>,
    /// The exact commands, one per step, secrets masked.
    pub commands: Vec<PlannedStep>,
    /// Files written before the first step: path and contents (shortened, lossy text).
    pub files: Vec<(String, String)>,
    /// Bytes of scratch and output the runner expects.
    pub disk: Option<u64>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// The command line as one would type it, secrets masked.
    pub command: String,
    /// Privileges it asks for.
    pub privileges: Vec<String>,
}

/// A job as the queue table and the job page show it.
#[derive(Clone, Debug)]
pub struct JobView {
    /// The record.
    pub job: Job,
    /// What is only known while it waits or builds.
    pub live: Live,
    /// True if the asking person may cancel it now.
    pub may_cancel: bool,
    /// True if the asking person may launch it now.
    pub may_launch: bool,
    /// True if the asking person may hand its request in again.
    pub may_retry: bool,
    /// What becomes of its files.
    pub kept: Retained,
}

/// What is only known while a job waits or builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Place in its queue, 1 is next.
    pub position: Option<usize>,
    /// Why it may not start now.
    pub hold: Option<Hold>,
    /// The phase the tool is in.
    pub phase: Option<String>,
    /// Done, in all, unit.
    pub progress: Option<(u64, Option<u64>, String)>,
    /// What the tool has complained of.
    pub complaints: Complaints,
    /// When it will probably end, from past jobs of the same recipe.
    pub expected_end: Option<Timestamp>,
    /// Bytes the build directory holds now.
    pub disk: u64,
    /// What else it has used so far.
    pub used: crate::domain::Used,
    /// What confines the build.
    pub sandbox: Option<String>,
    /// A stop was asked for and is under way.
    pub stopping: bool,
}

/// What becomes of a job's files.
#[derive(Clone, Debug)]
pub struct Retained {
    /// Marks of people, what is gone and why, damage that was found.
    pub shelf: crate::store::ShelfRecord,
    /// What goes first; `None` while the job is open, or when nothing is left.
    pub class: Option<Class>,
    /// Until when that is kept; `None`: nothing but a person or a full disk takes it.
    pub until: Option<Timestamp>,
    /// True if the asking person may pin it, or let go of it.
    pub may_pin: bool,
    /// True if the asking person may keep it longer.
    pub may_keep: bool,
    /// True if the asking person may delete its files.
    pub may_delete: bool,
    /// How far "Keep longer" reaches.
    pub longest: Duration,
}

impl Retained {
    /// Of a job about which nothing is known and nothing may be done.
    pub fn nothing(job: JobId) -> Self {
        Self {
            shelf: crate::store::ShelfRecord::new(job),
            class: None,
            until: None,
            may_pin: false,
            may_keep: false,
            may_delete: false,
            longest: Duration::ZERO,
        }
    }

    /// That its artifacts are gone, when and why.
    pub fn files_gone(&self) -> Option<&crate::store::Gone> {
        self.shelf.artifacts_gone.as_ref()
    }
}

/// What a cleanup would do now.
#[derive(Clone, Debug, Default)]
pub struct CleanupPreview {
    /// The first things that would go.
    pub doomed: Vec<PlannedRow>,
    /// The first things a guard keeps.
    pub saved: Vec<PlannedRow>,
    /// How many would go.
    pub items: u64,
    /// How many are kept by a guard.
    pub saved_items: u64,
    /// Bytes that would go.
    pub bytes: u64,
    /// Things and bytes by class.
    pub by_class: Vec<(Class, u64, u64)>,
    /// Rules that cannot be met.
    pub unmet: Vec<String>,
}

/// One thing of a plan.
#[derive(Clone, Debug)]
pub struct PlannedRow {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// What of it.
    pub class: Class,
    /// Bytes, as far as known.
    pub bytes: u64,
    /// The rule as a sentence.
    pub why: String,
    /// What keeps it, if something does.
    pub guard: Option<Guard>,
    /// When the job ended.
    pub ended: Timestamp,
}

/// A page of the queue.
#[derive(Clone, Debug, Default)]
pub struct QueueView {
    /// The rows.
    pub rows: Vec<JobView>,
    /// Cursor to older rows.
    pub older: Option<JobId>,
    /// Cursor to newer rows.
    pub newer: Option<JobId>,
    /// How many match, if counters can tell.
    pub total: Option<u64>,
    /// Jobs per state, whole box.
    pub counts: crate::store::Counts,
    /// Queues.
    pub queues: Vec<Queue>,
    /// How many jobs of each queue build now.
    pub building: HashMap<QueueName, u32>,
    /// Why no job can start now, because the builder is away.
    pub builder_away: Option<String>,
}

/// The start page.
#[derive(Clone, Debug, Default)]
pub struct StartView {
    /// What builds now.
    pub building: Vec<JobView>,
    /// What ended last.
    pub finished: Vec<JobView>,
    /// How many wait.
    pub waiting: u64,
    /// Total and free bytes of the data volume.
    pub space: Option<(u64, u64)>,
    /// When the next cleanup is due.
    pub next_cleanup: Option<Timestamp>,
}

/// A log that can be read by byte offset and waited on.
pub struct LogView {
    /// The file; `None` while nothing was printed.
    pub file: Option<Arc<crate::files::LogFile>>,
    /// Line starts and times, if there is an index.
    pub index: Option<crate::files::LogIndex>,
    /// Changes whenever bytes were appended or the job ended.
    pub progress: tokio::sync::watch::Receiver<LogState>,
}

/// How far a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Bytes that can be read.
    pub len: u64,
    /// Lines begun.
    pub lines: u64,
    /// True if nothing will be appended any more.
    pub ended: bool,
}

/// An artifact, open for sending.
pub struct ArtifactView {
    /// The record.
    pub artifact: Artifact,
    /// The file.
    pub file: std::fs::File,
    /// When its job ended.
    pub modified: Timestamp,
    /// Keeps it from being deleted as long as it is being sent.
    pub claim: super::Claim,
}

/// A signed-in person.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Who, with rights worked out now.
    pub actor: crate::domain::Actor,
    /// The session-bound CSRF token.
    pub csrf: String,
    /// Hash of the session, to name it in lists.
    pub id_hash: [u8; 32],
    /// Nothing but the set-a-password page answers.
    pub only_set_password: bool,
}

/// A fresh session.
#[derive(Debug)]
pub struct SignedIn {
    /// The cookie's value: 256 random bits.
    pub cookie: String,
    /// Nothing but the set-a-password page answers.
    pub only_set_password: bool,
    /// How long the cookie lives at most.
    pub max_age: Duration,
}

/// The account page.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// The user's record without the password hash.
    pub user: crate::domain::User,
    /// Their sessions, newest first.
    pub sessions: Vec<crate::store::SessionRecord>,
    /// Their API tokens, newest first.
    pub tokens: Vec<crate::store::TokenRecord>,
}

/// A new API token; the only time its secret is seen.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The secret to put into `Authorization: Bearer …`.
    pub secret: String,
    /// What was stored of it.
    pub record: crate::store::TokenRecord,
}

/// The health page: pairs of a name and what is so, in groups.
#[derive(Clone, Debug, Default)]
pub struct HealthView {
    /// Overall: true if nothing needs attention.
    pub well: bool,
    /// Groups such as "Versions", "Store", "Disk", "Builder".
    pub groups: Vec<HealthGroup>,
    /// Runners with what was found.
    pub runners: Vec<RunnerHealth>,
}

/// A group of facts.
#[derive(Clone, Debug, Default)]
pub struct HealthGroup {
    /// Its title.
    pub title: String,
    /// Name, value, and whether it needs attention.
    pub facts: Vec<(String, String, bool)>,
}

/// A runner on the health page.
#[derive(Clone, Debug, Default)]
pub struct RunnerHealth {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 (hex) of its component.
    pub sha256: String,
    /// "built in" or the file's name.
    pub origin: String,
    /// "enabled", "waiting for grant: …", "disabled: …", "failed: …".
    pub status: String,
    /// True if it can be used.
    pub usable: bool,
    /// Program, where it was found, its version.
    pub programs: Vec<(String, Option<String>, Option<String>)>,
    /// Image type × architecture pairs it can build.
    pub pairs: usize,
}

/// Something changed that a page may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This job's row.
    Job(JobId),
    /// A queue, or more than one row.
    Queues,
}

/// A wish for the dispatcher, the one writer of job state.
#[derive(Debug)]
pub enum Wish {
    /// This job was accepted and is on disk.
    Submitted {
        /// The job.
        job: Box<Job>,
        /// Bytes its runner takes it to need, if it was asked.
        estimate: Option<u64>,
        /// The place in line it was promised.
        place: super::Place,
    },
    /// Queues or runners changed: look again for something to start.
    Wake,
    /// Stop this job.
    Cancel {
        /// Which.
        job: JobId,
        /// Who asks.
        by: UserName,
        /// From where.
        peer: super::Peer,
        /// Told when it is on disk (queued jobs) or under way (building jobs).
        done: tokio::sync::oneshot::Sender<Result<(), super::AppError>>,
    },
    /// Let a waiting job wait in another queue.
    Move {
        /// Which.
        job: JobId,
        /// Where to.
        queue: QueueName,
        /// Who asks.
        by: UserName,
        /// From where.
        peer: super::Peer,
        /// Told when it is on disk.
        done: tokio::sync::oneshot::Sender<Result<(), super::AppError>>,
    },
    /// Release a recorded job.
    Launch {
        /// Which.
        job: JobId,
        /// Who asks.
        by: UserName,
        /// From where.
        peer: super::Peer,
        /// Told when it is on disk.
        done: tokio::sync::oneshot::Sender<Result<(), super::AppError>>,
    },
}

/// What a caller may scope a new token to.
pub type TokenScope = Verbs;

/// Shared text.
pub type Text = Arc<str>;
