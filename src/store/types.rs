//! What the store keeps and how it is asked. See `mod.rs`.

use crate::domain::{
    Arch, Group, GroupName, ImageTypeId, Job, JobId, Queue, QueueName, Site, StateKind, Timestamp,
    User, UserName, Verbs,
};
use std::{collections::BTreeMap, path::Path};

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

/// What `Store::open` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// True if the store was made just now.
    pub created: bool,
    /// Formats it was upgraded through.
    pub upgraded_from: Option<u32>,
    /// Damaged records that were put aside.
    pub quarantined: u64,
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

/// The store. Cheap to clone; all clones are the same store. Reads are immediate; writes go
/// through [`write`](Store::write).
#[derive(Clone)]
pub struct Store {
    _private: (),
}

/// A transaction: reads see its own writes; nothing is visible to others before it is committed.
pub struct Tx<'a> {
    _private: std::marker::PhantomData<&'a ()>,
}

#[expect(unused_variables, clippy::todo, reason = "contract")]
impl Store {
    /// Opens (or makes) the store in `dir`.
    ///
    /// # Errors
    /// Another process holds it, it is newer, or it cannot be read at all; says the way out.
    pub fn open(dir: &Path) -> Result<(Self, OpenReport), StoreError> {
        todo!()
    }

    /// Runs `change` as one transaction in the writer thread, and resolves when it is on disk
    /// (flushed and synced; many writes share one flush). An `Err` of `change` writes nothing.
    ///
    /// # Errors
    /// What `change` returned, or that the disk refused (then nothing was acknowledged).
    pub async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        todo!()
    }

    /// As [`write`](Self::write), for threads without a runtime (start-up, CLI).
    ///
    /// # Errors
    /// As `write`.
    pub fn write_blocking<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        todo!()
    }

    /// The next job number; never given twice, not even after a crash (gaps may appear).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn next_job_id(&self) -> Result<JobId, StoreError> {
        todo!()
    }

    /// One job. A damaged record is quarantined and reads as `None`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        todo!()
    }

    /// A page of at most `limit` jobs, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn jobs(
        &self,
        filter: &JobFilter,
        cursor: Cursor,
        limit: usize,
    ) -> Result<JobPage, StoreError> {
        todo!()
    }

    /// Every job in one of the two states that are not final, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open_jobs(&self) -> Result<Vec<Job>, StoreError> {
        todo!()
    }

    /// The counters.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        todo!()
    }

    /// Every queue, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        todo!()
    }

    /// One user.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        todo!()
    }

    /// Every group, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        todo!()
    }

    /// Every site.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sites(&self) -> Result<Vec<Site>, StoreError> {
        todo!()
    }

    /// One session by the hash of its cookie.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn session(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRecord>, StoreError> {
        todo!()
    }

    /// The sessions of one user, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sessions_of(&self, user: &UserName) -> Result<Vec<SessionRecord>, StoreError> {
        todo!()
    }

    /// Every session.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        todo!()
    }

    /// One token by its hash.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn token(&self, id_hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        todo!()
    }

    /// The tokens of one user, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens_of(&self, user: &UserName) -> Result<Vec<TokenRecord>, StoreError> {
        todo!()
    }

    /// Every token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        todo!()
    }

    /// The newest `limit` lines of the audit trail, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        todo!()
    }

    /// A setting by key; values are short texts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        todo!()
    }

    /// How many damaged records are in quarantine.
    pub fn quarantined(&self) -> u64 {
        todo!()
    }

    /// Format of the store on disk and bytes it takes there.
    pub fn facts(&self) -> (u32, u64) {
        todo!()
    }

    /// Writes everything as a versioned, checksummed export (JSON lines or binary) to `out`.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64, StoreError> {
        todo!()
    }

    /// Fills an EMPTY store from an export; checks the checksum before the first write.
    ///
    /// # Errors
    /// The store is not empty, or the export is damaged, cut or newer.
    pub fn import(&self, input: &mut dyn std::io::Read) -> Result<u64, StoreError> {
        todo!()
    }

    /// Reads every record; with `repair` rebuilds indexes and counters and quarantines the damaged.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn fsck(&self, repair: bool) -> Result<FsckReport, StoreError> {
        todo!()
    }

    /// Everything to disk; called once when the service stops.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(&self) -> Result<(), StoreError> {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "contract")]
impl Tx<'_> {
    /// One job as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        todo!()
    }

    /// Writes a job; indexes and counters follow.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_job(&mut self, job: &Job) -> Result<(), StoreError> {
        todo!()
    }

    /// How many jobs of `queue` are in `state`, from counters.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&mut self, queue: &QueueName, state: StateKind) -> Result<u64, StoreError> {
        todo!()
    }

    /// Writes a queue.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_queue(&mut self, queue: &Queue) -> Result<(), StoreError> {
        todo!()
    }

    /// One user as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn user(&mut self, name: &UserName) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// Writes a user.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        todo!()
    }

    /// Writes a group.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_group(&mut self, group: &Group) -> Result<(), StoreError> {
        todo!()
    }

    /// Writes a site.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_site(&mut self, site: &Site) -> Result<(), StoreError> {
        todo!()
    }

    /// One session as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn session(&mut self, id_hash: &[u8; 32]) -> Result<Option<SessionRecord>, StoreError> {
        todo!()
    }

    /// One token as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn token(&mut self, id_hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        todo!()
    }

    /// Writes a session.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_session(&mut self, session: &SessionRecord) -> Result<(), StoreError> {
        todo!()
    }

    /// Removes a session; not being there is success.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_session(&mut self, id_hash: &[u8; 32]) -> Result<(), StoreError> {
        todo!()
    }

    /// Removes every session of `user` except `keep`; says how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_sessions_of(
        &mut self,
        user: &UserName,
        keep: Option<&[u8; 32]>,
    ) -> Result<u64, StoreError> {
        todo!()
    }

    /// Writes a token.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_token(&mut self, token: &TokenRecord) -> Result<(), StoreError> {
        todo!()
    }

    /// Removes a token of `user` by its prefix; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_token(&mut self, user: &UserName, prefix: &str) -> Result<bool, StoreError> {
        todo!()
    }

    /// Appends to the audit trail.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn append_audit(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        todo!()
    }

    /// Writes a setting; `None` removes it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn put_setting(&mut self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        todo!()
    }

    /// One group as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn group(&mut self, name: &GroupName) -> Result<Option<Group>, StoreError> {
        todo!()
    }
}
