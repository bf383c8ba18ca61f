//! What the store is asked and what it answers: plain data, nothing of sled.

use crate::domain::{
    Arch, ImageTypeId, Job, JobId, QueueName, StateKind, Tag, Timestamp, UserName, Verbs,
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
    /// A record is longer than any may be; nothing was written.
    #[error("the record has {bytes} bytes, at most {most} are kept: shorten its texts")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long one may be.
        most: usize,
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
    /// The reference of the request that did it; empty where none did.
    pub request: String,
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
    /// Words to find it by, in order, none twice.
    pub tags: Vec<Tag>,
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
            tags: Vec::new(),
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

/// Which of all jobs; every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// In this state.
    pub state: Option<StateKind>,
    /// On the queue of this name, whether it still exists or not.
    pub queue: Option<String>,
    /// Of the user of this name.
    pub owner: Option<String>,
    /// Of this image type.
    pub image_type: Option<String>,
    /// For this architecture.
    pub arch: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Pinned, or not.
    pub pinned: Option<bool>,
    /// With artifacts that are still on the disk, or without.
    pub files: Option<bool>,
    /// Whose name contains this text (case-insensitive), which has exactly this tag, or whose
    /// number is exactly it.
    pub text: Option<String>,
    /// Submitted at this moment or later.
    pub from: Option<Timestamp>,
    /// Submitted before this moment.
    pub until: Option<Timestamp>,
}

/// What jobs are ordered by; the job's number breaks ties, in the same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowOrder {
    /// By number, which is by submission.
    #[default]
    Id,
    /// By name, in the order of its bytes.
    Name,
    /// By owner.
    Owner,
    /// By queue.
    Queue,
    /// By image type.
    ImageType,
    /// By architecture.
    Arch,
    /// By state, in the order of [`StateKind::ALL`].
    State,
    /// By the bytes of artifacts that are on the disk.
    Bytes,
}

/// A place between two jobs of a list: after (or before) the job with this number, which had this
/// value in the column that orders the list. The job may be gone by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowCursor {
    /// The job's number.
    pub id: JobId,
    /// Its value in the ordering column: a name, a state's word, or digits for bytes; empty for
    /// [`RowOrder::Id`].
    pub value: String,
}

/// A page of all jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowQuery {
    /// Which.
    pub filter: RowFilter,
    /// In which order.
    pub order: RowOrder,
    /// The greatest first.
    pub descending: bool,
    /// Where the page begins (or, with `backwards`, ends): the job of the cursor is not on it.
    pub cursor: Option<RowCursor>,
    /// The page before the cursor.
    pub backwards: bool,
    /// Most jobs on it.
    pub limit: usize,
}

/// The jobs of a page, with what is known of the whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPage {
    /// The jobs, in the order that was asked for.
    pub ids: Vec<JobId>,
    /// Begins the page before (with `backwards`); `None` on the first.
    pub before: Option<RowCursor>,
    /// Begins the next page; `None` on the last.
    pub after: Option<RowCursor>,
    /// How many jobs match.
    pub total: u64,
    /// Bytes of their artifacts that are on the disk.
    pub bytes: u64,
    /// How many jobs each value of each filter would find.
    pub facets: RowFacets,
}

/// How many jobs each value of a filter finds, all the other filters applied. Values that find
/// none are left out, except the one that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFacets {
    /// By state.
    pub state: BTreeMap<StateKind, u64>,
    /// By queue.
    pub queue: BTreeMap<String, u64>,
    /// By owner.
    pub owner: BTreeMap<String, u64>,
    /// By image type.
    pub image_type: BTreeMap<String, u64>,
    /// By architecture.
    pub arch: BTreeMap<String, u64>,
    /// By tag.
    pub tag: BTreeMap<String, u64>,
    /// Not pinned, pinned.
    pub pinned: (u64, u64),
    /// Without artifacts on the disk, with.
    pub files: (u64, u64),
    /// By day of submission: days since 1970-01-01 UTC, all filters but the dates applied.
    pub days: BTreeMap<i32, u64>,
}

/// One job as filters and orders see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its number.
    pub id: JobId,
    /// Where it stands.
    pub state: StateKind,
    /// Its queue.
    pub queue: &'a str,
    /// Whose it is.
    pub owner: &'a str,
    /// What comes out.
    pub image_type: &'a str,
    /// For which machines.
    pub arch: &'a str,
    /// Its name.
    pub name: &'a str,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// Bytes of its artifacts that are on the disk.
    pub bytes: u64,
    /// Somebody pinned it.
    pub pinned: bool,
    /// Its artifacts were deleted.
    pub gone: bool,
}

/// Which lines of the audit trail; every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this person, or "system".
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// On exactly this object, such as "job 42".
    pub object: Option<String>,
    /// With this text anywhere in it, case-insensitive.
    pub text: Option<String>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// Where a page of the audit trail begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditCursor {
    /// At the newest line.
    #[default]
    Newest,
    /// With the first line older than this one.
    Before(u64),
    /// With the page that ends just before this one.
    After(u64),
}

/// A line of the audit trail with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, counted from 1; never used again.
    pub number: u64,
    /// The line.
    pub record: AuditRecord,
}

/// A page of the audit trail, newest first. With a text or dates it may be short, or even empty,
/// and still say where to go on: so many lines are looked at for one page and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The lines.
    pub lines: Vec<AuditEntry>,
    /// Pass as [`AuditCursor::Before`] to get older ones; `None` at the end.
    pub older: Option<u64>,
    /// Pass as [`AuditCursor::After`] to get newer ones; `None` at the beginning.
    pub newer: Option<u64>,
    /// How many match in all, if a counter knows.
    pub total: Option<u64>,
}

/// Kept counters of the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditCounts {
    /// Lines by action.
    pub actions: BTreeMap<String, u64>,
    /// Lines by who did it.
    pub actors: BTreeMap<String, u64>,
    /// Lines in all.
    pub total: u64,
}

/// What a check of the audit trail's chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditCheck {
    /// Lines that were read.
    pub lines: u64,
    /// The oldest line's number; 0 without lines.
    pub first: u64,
    /// The newest line's number; 0 without lines.
    pub last: u64,
    /// One sentence for each place where the chain is broken: none means that nobody changed, took
    /// out or put in a line since the oldest one was written.
    pub broken: Vec<String>,
}

/// Jobs whose deletion somebody asked for at once; kept until it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its number, in the order of asking; removed batches' numbers may come again.
    pub number: u64,
    /// Who asked.
    pub by: String,
    /// From which address.
    pub peer: String,
    /// With which request.
    pub request: String,
    /// When.
    pub at: Timestamp,
    /// The run that carries it out; its receipt tells how far it is.
    pub run: u64,
    /// The jobs, in rising order, none twice.
    pub jobs: Vec<JobId>,
}
