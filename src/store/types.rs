//! What the store is asked and what it answers: plain data, nothing of sled.

use crate::domain::{
    Arch, ImageTypeId, Job, JobId, QueueName, StateKind, Timestamp, UserName, Verbs,
    retention::Class,
};
use std::collections::BTreeMap;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be used (locked by another process, unreadable, read-only …).
    #[error("cannot open the store {path}: {reason}")]
    Open {
        /// The store's directory.
        path: String,
        /// The reason and the way out.
        reason: String,
    },
    /// The store is of a newer format.
    #[error("the store {path} has format {found}, this program knows {known}: use a newer img")]
    Newer {
        /// The store's directory.
        path: String,
        /// What it has.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// A write or read failed.
    #[error("the store cannot {what}: {reason}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        reason: String,
    },
    /// A name that must be unique is taken.
    #[error("{kind} `{name}` exists already: choose another name")]
    Exists {
        /// Of what kind.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// Something that must be there is not.
    #[error("there is no {kind} `{name}`")]
    Missing {
        /// Of what kind.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// A rule above the store refused inside a transaction; nothing was written.
    #[error("{0}")]
    Refused(String),
}

/// Which jobs to list. Every part that is `Some` must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<StateKind>,
    /// On this queue.
    pub queue: Option<QueueName>,
    /// Of this user.
    pub owner: Option<UserName>,
    /// Of this image type.
    pub image_type: Option<ImageTypeId>,
    /// For this architecture.
    pub arch: Option<Arch>,
    /// Whose name contains this text (case-insensitive), or whose number is exactly it.
    pub text: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Pass as `before` to get older ones; `None` at the end.
    pub older: Option<JobId>,
    /// Pass as `after` to get newer ones; `None` at the beginning.
    pub newer: Option<JobId>,
    /// How many match in all, if counters can tell without a scan.
    pub total: Option<u64>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// At the newest job.
    #[default]
    Newest,
    /// With the first job older than this one.
    Before(JobId),
    /// With the page that ends just before this one.
    After(JobId),
}

/// Kept counters: never a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs per state.
    pub by_state: BTreeMap<StateKind, u64>,
    /// Jobs per queue.
    pub by_queue: BTreeMap<QueueName, u64>,
    /// Jobs in all.
    pub total: u64,
}

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 of the cookie's value: the value itself is never stored.
    pub id_hash: [u8; 32],
    /// Whose.
    pub user: UserName,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used (kept to the minute).
    pub last_used: Timestamp,
    /// Address it was made from.
    pub peer: String,
    /// Browser it was made from, shortened.
    pub agent: String,
    /// Only the set-a-password page may be opened with it.
    pub only_set_password: bool,
}

/// A bearer token for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the token.
    pub id_hash: [u8; 32],
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// What it is for.
    pub label: String,
    /// Whose.
    pub user: UserName,
    /// What it may be used for at most.
    pub scope: Verbs,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops to work.
    pub expires: Option<Timestamp>,
    /// When it was last used (kept to the minute).
    pub last_used: Option<Timestamp>,
}

/// One line of the audit trail; append-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who, or "system".
    pub actor: String,
    /// From where.
    pub peer: String,
    /// What: "login", "job.submit", "job.cancel", "password.set" …
    pub action: String,
    /// On what: "job 42".
    pub object: String,
    /// Old → new or other detail, secrets masked.
    pub detail: String,
}

/// What retention knows of a job beyond its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfRecord {
    /// The job.
    pub job: JobId,
    /// Who pinned it, and when.
    pub pinned: Option<(UserName, Timestamp)>,
    /// Somebody wants it kept until then.
    pub keep_until: Option<Timestamp>,
    /// When a file of it was last taken (kept to the minute).
    pub downloaded: Option<Timestamp>,
    /// Its artifacts were deleted.
    pub artifacts_gone: Option<Gone>,
    /// Its log, definition and request were deleted.
    pub logs_gone: Option<Gone>,
    /// When its artifacts were last compared with their checksums.
    pub verified: Option<Timestamp>,
    /// What was wrong with them then, one sentence each.
    pub damage: Vec<String>,
}

impl ShelfRecord {
    /// Nothing special is known.
    pub fn new(job: JobId) -> Self {
        Self {
            job,
            pinned: None,
            keep_until: None,
            downloaded: None,
            artifacts_gone: None,
            logs_gone: None,
            verified: None,
            damage: Vec::new(),
        }
    }
}

/// A deletion that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// When.
    pub at: Timestamp,
    /// The rule as a sentence.
    pub why: String,
    /// The run that did it; 0 when the files were found missing.
    pub run: u64,
}

/// A deletion that has begun: after a crash it is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The job.
    pub job: JobId,
    /// What of it.
    pub class: Class,
    /// Bytes it is known to have.
    pub bytes: u64,
    /// The rule as a sentence.
    pub why: String,
    /// The run.
    pub run: u64,
    /// Who asked, or "system".
    pub by: String,
}

/// What a cleanup did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its number; newer runs have higher ones.
    pub run: u64,
    /// When it began.
    pub begun: Timestamp,
    /// When it ended; `None` while it goes on, or if it was cut short.
    pub ended: Option<Timestamp>,
    /// What made it run.
    pub trigger: String,
    /// How many things the plan named.
    pub planned_items: u64,
    /// Their bytes, as far as known.
    pub planned_bytes: u64,
    /// How many are gone.
    pub items: u64,
    /// Allocated bytes of the entries that were removed.
    pub bytes: u64,
    /// What the volume has more now than before (statvfs); builds that wrote meanwhile count
    /// against it.
    pub freed: Option<i64>,
    /// Things and bytes by class.
    pub by_class: Vec<(Class, u64, u64)>,
    /// How many things a guard kept.
    pub saved: u64,
    /// Rules that could not be met.
    pub unmet: Vec<String>,
    /// What went wrong; the run went on.
    pub mishaps: Vec<Mishap>,
    /// How many more went wrong.
    pub more_mishaps: u64,
}

/// Something that went wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mishap {
    /// The job it concerns.
    pub job: Option<JobId>,
    /// One sentence.
    pub what: String,
}

/// What `Store::open` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// True if the store was made just now.
    pub created: bool,
    /// Formats it was upgraded through.
    pub upgraded_from: Option<u32>,
    /// Damaged records that were put aside.
    pub quarantined: u64,
    /// Acknowledged groups of writes that are gone, because the file is damaged where they were.
    /// Said once: what can be brought back, only a backup knows.
    pub lost_commits: u64,
}

/// What `Store::fsck` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Records read.
    pub records: u64,
    /// One sentence per finding.
    pub findings: Vec<String>,
    /// True if indexes and counters were rebuilt.
    pub rebuilt: bool,
}
