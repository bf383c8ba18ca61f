//! Where everything lies: one sled tree per [`Space`], big-endian keys so that order is order.

use crate::domain::{JobId, StateKind};

/// A tree. The numbers appear in quarantine keys and exports: never use one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Space {
    /// Job records by number.
    Jobs = 1,
    /// Queue records by name.
    Queues,
    /// User records by name.
    Users,
    /// Group records by name.
    Groups,
    /// Site records by domain.
    Sites,
    /// Session records by hash.
    Sessions,
    /// Token records by hash.
    Tokens,
    /// Audit lines by their running number.
    Audit,
    /// Settings by key.
    Settings,
    /// Facts about the store itself.
    Meta,
    /// The pieces of records that are too long for one value.
    Parts,
    /// One short row per job: what filters and searches look at. Derived.
    Facets,
    /// Secondary index entries without values. Derived.
    Index,
    /// Counters. Derived.
    Counters,
    /// Damaged records: where they were, and their bytes.
    Quarantine,
    /// What retention knows of a job, by the job's number.
    Shelves,
    /// Deletions under way, by job and class.
    Intents,
    /// Receipts of cleanups, by run.
    Receipts,
    /// Deletions that were asked for, by number.
    Batches,
}

impl Space {
    /// Every space, in the order of the trees in the engine.
    pub(super) const ALL: [Self; 19] = [
        Self::Jobs,
        Self::Queues,
        Self::Users,
        Self::Groups,
        Self::Sites,
        Self::Sessions,
        Self::Tokens,
        Self::Audit,
        Self::Settings,
        Self::Meta,
        Self::Parts,
        Self::Facets,
        Self::Index,
        Self::Counters,
        Self::Quarantine,
        Self::Shelves,
        Self::Intents,
        Self::Receipts,
        Self::Batches,
    ];

    /// Records that exist in their own right: what an export carries.
    pub(super) const RECORDS: [Self; 12] = [
        Self::Jobs,
        Self::Queues,
        Self::Users,
        Self::Groups,
        Self::Sites,
        Self::Sessions,
        Self::Tokens,
        Self::Audit,
        Self::Settings,
        Self::Shelves,
        Self::Receipts,
        Self::Batches,
    ];

    /// The sled tree's name.
    pub(super) fn tree_name(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Queues => "queues",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Sites => "sites",
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
            Self::Audit => "audit",
            Self::Settings => "settings",
            Self::Meta => "meta",
            Self::Parts => "parts",
            Self::Facets => "facets",
            Self::Index => "index",
            Self::Counters => "counters",
            Self::Quarantine => "quarantine",
            Self::Shelves => "shelves",
            Self::Intents => "intents",
            Self::Receipts => "receipts",
            Self::Batches => "batches",
        }
    }

    /// The space with this number.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| *s as u8 == byte)
    }

    /// A key of this space as people read it.
    pub(super) fn show(self, key: &[u8]) -> String {
        let name = match self {
            Self::Jobs
            | Self::Facets
            | Self::Audit
            | Self::Shelves
            | Self::Receipts
            | Self::Batches => match number(key) {
                Some(n) => n.to_string(),
                None => hex(key),
            },
            Self::Sessions | Self::Tokens => hex(key.get(..4).unwrap_or(key)),
            Self::Queues | Self::Users | Self::Groups | Self::Sites | Self::Settings => {
                String::from_utf8_lossy(key).escape_debug().collect()
            }
            Self::Meta
            | Self::Parts
            | Self::Index
            | Self::Counters
            | Self::Quarantine
            | Self::Intents => hex(key),
        };
        format!("{} {name}", self.tree_name())
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The keys of [`Space::Meta`].
pub(super) mod meta {
    /// The store's format, `u32`.
    pub(in crate::store) const FORMAT: &[u8] = b"format";
    /// The first job number that was never reserved, `u64`.
    pub(in crate::store) const NEXT_JOB: &[u8] = b"next-job";
    /// The next audit line's number, `u64`, and the hash of the last line.
    pub(in crate::store) const AUDIT_HEAD: &[u8] = b"audit-head";
    /// The number of the oldest audit line that is kept, `u64`, and the hash of the one before it.
    pub(in crate::store) const AUDIT_TAIL: &[u8] = b"audit-tail";
    /// How many commits there were, `u64`.
    pub(in crate::store) const COMMITS: &[u8] = b"commits";
    /// What a crash has cut short, see [`super::Unfinished`].
    pub(in crate::store) const UNFINISHED: &[u8] = b"unfinished";
}

/// Long work that a crash can cut short; noted in the store while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// Indexes and counters are incomplete: rebuild them.
    Rebuild,
    /// The records themselves are incomplete: begin empty again.
    Import,
}

impl Unfinished {
    /// The word kept in the store.
    pub(super) fn word(self) -> &'static [u8] {
        match self {
            Self::Rebuild => b"rebuild",
            Self::Import => b"import",
        }
    }
}

/// What an index is by. The numbers are part of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Dim {
    /// Every job (a counter only: the jobs' own tree is the index).
    All = 0,
    /// Jobs by state.
    State,
    /// Jobs by queue.
    Queue,
    /// Jobs by owner.
    Owner,
    /// Jobs by image type.
    ImageType,
    /// Jobs by architecture.
    Arch,
    /// Jobs by queue and state (a counter only).
    QueueState,
    /// Sessions by user.
    SessionOf = 16,
    /// Tokens by user.
    TokenOf,
    /// Every line of the audit trail (a counter only).
    AuditAll = 32,
    /// Lines of the audit trail by who did it.
    AuditActor,
    /// Lines of the audit trail by action.
    AuditAction,
    /// Lines of the audit trail by what it was done to (an index only: there are too many).
    AuditObject,
}

/// What stands before the job's number in an index key. No value contains NUL, so one value's
/// entries never lie among another's.
pub(super) fn index_prefix(dim: Dim, value: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(value.len() + 10);
    key.push(dim as u8);
    key.extend_from_slice(value.as_bytes());
    key.push(0);
    key
}

/// The index entry of `id` (a job's number or a record's hash) under `value`.
pub(super) fn index_key(dim: Dim, value: &str, id: &[u8]) -> Vec<u8> {
    let mut key = index_prefix(dim, value);
    key.extend_from_slice(id);
    key
}

/// The counter of `value`.
pub(super) fn counter_key(dim: Dim, value: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(value.len() + 1);
    key.push(dim as u8);
    key.extend_from_slice(value.as_bytes());
    key
}

/// The value of [`Dim::QueueState`]. A queue's name has no blank.
pub(super) fn queue_state(queue: &str, state: StateKind) -> String {
    format!("{queue} {}", state.as_str())
}

/// A job's key.
pub(super) fn job_key(id: JobId) -> [u8; 8] {
    id.get().to_be_bytes()
}

/// The number in an eight-byte key or value.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// A line's number and a hash, as they stand in the store's own facts.
pub(super) fn chained(bytes: &[u8]) -> Option<(u64, [u8; 32])> {
    let (line, hash) = bytes.split_at_checked(8)?;
    Some((number(line)?, hash.try_into().ok()?))
}

/// The job whose number ends an index key.
pub(super) fn job_at_end(key: &[u8]) -> Option<JobId> {
    JobId::new(number(key.get(key.len().checked_sub(8)?..)?)?)
}

/// Where a damaged record of `space` is put aside.
pub(super) fn quarantine_key(space: Space, key: &[u8]) -> Vec<u8> {
    let mut aside = Vec::with_capacity(key.len() + 1);
    aside.push(space as u8);
    aside.extend_from_slice(key);
    aside
}

/// The key of the `n`-th piece of a long record.
pub(super) fn part_key(space: Space, key: &[u8], n: u16) -> Vec<u8> {
    let mut part = quarantine_key(space, key);
    part.push(0);
    part.extend_from_slice(&n.to_be_bytes());
    part
}
