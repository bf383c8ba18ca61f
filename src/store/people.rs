//! People and what is about them as it lies on disk: queues, users, groups, sites, sessions, tokens
//! and settings. See `records`.
//!
//! A form that grew holds its first version whole: postcard writes no frames, so the bytes are those
//! of one long form, and an old record is the first part with nothing behind it.

use super::{
    SessionRecord, TokenRecord,
    codec::{Damage, Record, form},
    keys::Space,
    records::name,
};
use crate::domain::{
    Group, GroupName, OwnBounds, Queue, QueueName, RunnerId, Sandbox, SetUp, Site, Timestamp, User,
    UserName, UserQuota, Verb, Verbs,
    retention::{Lifetime, Override},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See [`Queue`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredQueue {
    before: StoredQueue3,
    most: StoredMost,
}

/// Version 3.
#[derive(Serialize, Deserialize)]
struct StoredQueue3 {
    before: StoredQueue2,
    bounds: StoredBounds,
}

/// See [`OwnBounds`]; what version 4 added.
#[derive(Default, Serialize, Deserialize)]
struct StoredMost {
    cpu_max: Option<u32>,
    io_max: Option<u64>,
}

/// Version 2.
#[derive(Serialize, Deserialize)]
struct StoredQueue2 {
    first: StoredQueue1,
    more: QueueMore,
}

/// See [`OwnBounds`]; what version 3 added.
#[derive(Default, Serialize, Deserialize)]
struct StoredBounds {
    sandbox: Option<String>,
    memory: Option<u64>,
    tasks: Option<u32>,
    cpu_weight: Option<u32>,
    io_weight: Option<u32>,
    scratch: Option<u64>,
}

impl StoredBounds {
    fn of(bounds: &OwnBounds) -> Self {
        Self {
            sandbox: bounds.sandbox.map(|sandbox| sandbox.as_str().to_owned()),
            memory: bounds.memory,
            tasks: bounds.tasks,
            cpu_weight: bounds.cpu_weight,
            io_weight: bounds.io_weight,
            scratch: bounds.scratch,
        }
    }

    fn back(self, most: &StoredMost) -> Result<OwnBounds, Damage> {
        let sandbox = |word: String| {
            Sandbox::from_word(&word).ok_or_else(|| Damage::Value(format!("sandbox `{word}`")))
        };
        Ok(OwnBounds {
            sandbox: self.sandbox.map(sandbox).transpose()?,
            memory: self.memory,
            tasks: self.tasks,
            cpu_weight: self.cpu_weight,
            io_weight: self.io_weight,
            cpu_max: most.cpu_max,
            io_max: most.io_max,
            scratch: self.scratch,
        })
    }
}

/// Version 1; times in milliseconds.
#[derive(Serialize, Deserialize)]
struct StoredQueue1 {
    name: String,
    description: String,
    slots: u32,
    priority: i16,
    paused: Option<String>,
    launch: bool,
    cap: u32,
    total_timeout: u64,
    silence_timeout: u64,
}

/// What version 2 added.
#[derive(Default, Serialize, Deserialize)]
struct QueueMore {
    submitters: Vec<String>,
    runners: Vec<String>,
    images: Option<StoredLifetime>,
    leftovers: Option<StoredLifetime>,
    logs: Option<StoredLifetime>,
    records: Option<StoredLifetime>,
    kept_bytes: Option<u64>,
    requeue: bool,
}

/// See [`Lifetime`]; in milliseconds.
#[derive(Serialize, Deserialize)]
enum StoredLifetime {
    Forever,
    For(u64),
}

impl StoredLifetime {
    fn of(lifetime: Lifetime) -> Self {
        match lifetime {
            Lifetime::Forever => Self::Forever,
            Lifetime::For(span) => Self::For(millis(span)),
        }
    }

    fn back(self) -> Lifetime {
        match self {
            Self::Forever => Lifetime::Forever,
            Self::For(ms) => Lifetime::For(Duration::from_millis(ms)),
        }
    }
}

impl QueueMore {
    fn of(queue: &Queue) -> Self {
        let own = &queue.retention;
        Self {
            submitters: queue.submitters.iter().map(ToString::to_string).collect(),
            runners: queue.runners.iter().map(ToString::to_string).collect(),
            images: own.images.map(StoredLifetime::of),
            leftovers: own.leftovers.map(StoredLifetime::of),
            logs: own.logs.map(StoredLifetime::of),
            records: own.records.map(StoredLifetime::of),
            kept_bytes: queue.kept_bytes,
            requeue: queue.requeue,
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Record for Queue {
    const SPACE: Space = Space::Queues;
    const VERSION: u8 = 4;
    type Stored = StoredQueue;

    fn key(&self) -> Vec<u8> {
        self.name.as_str().into()
    }

    fn to_stored(&self) -> StoredQueue {
        let first = StoredQueue1 {
            name: self.name.to_string(),
            description: self.description.clone(),
            slots: self.slots,
            priority: self.priority,
            paused: self.paused.clone(),
            launch: self.launch,
            cap: self.cap,
            total_timeout: millis(self.total_timeout),
            silence_timeout: millis(self.silence_timeout),
        };
        let before = StoredQueue2 { first, more: QueueMore::of(self) };
        let before = StoredQueue3 { before, bounds: StoredBounds::of(&self.bounds) };
        let most = StoredMost { cpu_max: self.bounds.cpu_max, io_max: self.bounds.io_max };
        StoredQueue { before, most }
    }

    fn from_stored(stored: StoredQueue) -> Result<Self, Damage> {
        let StoredQueue { before: StoredQueue3 { before, bounds }, most } = stored;
        let StoredQueue2 { first, more } = before;
        let submitters = more.submitters.iter().map(|g| name(GroupName::new(g)));
        let runners = more.runners.iter().map(|r| name(RunnerId::new(r)));
        Ok(Self {
            name: name(QueueName::new(&first.name))?,
            description: first.description,
            slots: first.slots,
            priority: first.priority,
            paused: first.paused,
            launch: first.launch,
            cap: first.cap,
            total_timeout: Duration::from_millis(first.total_timeout),
            silence_timeout: Duration::from_millis(first.silence_timeout),
            submitters: submitters.collect::<Result<_, _>>()?,
            runners: runners.collect::<Result<_, _>>()?,
            retention: Override {
                images: more.images.map(StoredLifetime::back),
                leftovers: more.leftovers.map(StoredLifetime::back),
                logs: more.logs.map(StoredLifetime::back),
                records: more.records.map(StoredLifetime::back),
            },
            kept_bytes: more.kept_bytes,
            requeue: more.requeue,
            bounds: bounds.back(&most)?,
        })
    }

    fn older(version: u8, body: &[u8]) -> Result<Self, Damage> {
        let second = |before| StoredQueue3 { before, bounds: StoredBounds::default() };
        let before = match version {
            1 => second(StoredQueue2 { first: form(body)?, more: QueueMore::default() }),
            2 => second(form(body)?),
            3 => form(body)?,
            other => return Err(Damage::Version(other)),
        };
        Self::from_stored(StoredQueue { before, most: StoredMost::default() })
    }
}

/// See [`User`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredUser {
    first: StoredUser1,
    more: UserMore,
}

/// Version 1.
#[derive(Serialize, Deserialize)]
struct StoredUser1 {
    name: String,
    full_name: String,
    mail: String,
    password_hash: String,
    active: bool,
    staff: bool,
    superuser: bool,
    must_set_password: bool,
    groups: Vec<String>,
    verbs: Vec<String>,
    created: i64,
    last_login: Option<i64>,
}

/// What version 2 added; of a link to set a password its hash and its end.
#[derive(Default, Serialize, Deserialize)]
struct UserMore {
    running: Option<u32>,
    queued: Option<u32>,
    bytes: Option<u64>,
    setup: Option<([u8; 32], i64)>,
}

impl Record for User {
    const SPACE: Space = Space::Users;
    const VERSION: u8 = 2;
    type Stored = StoredUser;

    fn key(&self) -> Vec<u8> {
        self.name.as_str().into()
    }

    fn to_stored(&self) -> StoredUser {
        let first = StoredUser1 {
            name: self.name.to_string(),
            full_name: self.full_name.clone(),
            mail: self.mail.clone(),
            password_hash: self.password_hash.clone(),
            active: self.active,
            staff: self.staff,
            superuser: self.superuser,
            must_set_password: self.must_set_password,
            groups: self.groups.iter().map(ToString::to_string).collect(),
            verbs: words(self.verbs),
            created: self.created.as_millis(),
            last_login: self.last_login.map(Timestamp::as_millis),
        };
        let UserQuota { running, queued, bytes } = self.quota;
        let setup = self.setup.map(|link| (link.hash, link.until.as_millis()));
        StoredUser { first, more: UserMore { running, queued, bytes, setup } }
    }

    fn from_stored(StoredUser { first, more }: StoredUser) -> Result<Self, Damage> {
        let groups = first.groups.iter().map(|g| name(GroupName::new(g)));
        let link = |(hash, until)| SetUp { hash, until: Timestamp::from_millis(until) };
        Ok(Self {
            name: name(UserName::new(&first.name))?,
            full_name: first.full_name,
            mail: first.mail,
            password_hash: first.password_hash,
            active: first.active,
            staff: first.staff,
            superuser: first.superuser,
            must_set_password: first.must_set_password,
            groups: groups.collect::<Result<_, _>>()?,
            verbs: verbs(&first.verbs),
            created: Timestamp::from_millis(first.created),
            last_login: first.last_login.map(Timestamp::from_millis),
            quota: UserQuota { running: more.running, queued: more.queued, bytes: more.bytes },
            setup: more.setup.map(link),
        })
    }

    fn older(version: u8, body: &[u8]) -> Result<Self, Damage> {
        match version {
            1 => Self::from_stored(StoredUser { first: form(body)?, more: UserMore::default() }),
            other => Err(Damage::Version(other)),
        }
    }
}

/// See [`Group`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredGroup {
    name: String,
    verbs: Vec<String>,
}

impl Record for Group {
    const SPACE: Space = Space::Groups;
    type Stored = StoredGroup;

    fn key(&self) -> Vec<u8> {
        self.name.as_str().into()
    }

    fn to_stored(&self) -> StoredGroup {
        StoredGroup { name: self.name.to_string(), verbs: words(self.verbs) }
    }

    fn from_stored(stored: StoredGroup) -> Result<Self, Damage> {
        Ok(Self { name: name(GroupName::new(&stored.name))?, verbs: verbs(&stored.verbs) })
    }
}

/// See [`Site`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSite {
    domain: String,
    display_name: String,
}

impl Record for Site {
    const SPACE: Space = Space::Sites;
    type Stored = StoredSite;

    fn key(&self) -> Vec<u8> {
        self.domain.as_bytes().into()
    }

    fn to_stored(&self) -> StoredSite {
        StoredSite { domain: self.domain.clone(), display_name: self.display_name.clone() }
    }

    fn from_stored(stored: StoredSite) -> Result<Self, Damage> {
        Ok(Self { domain: stored.domain, display_name: stored.display_name })
    }
}

/// See [`SessionRecord`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSession {
    id_hash: [u8; 32],
    user: String,
    created: i64,
    last_used: i64,
    peer: String,
    agent: String,
    only_set_password: bool,
}

impl Record for SessionRecord {
    const SPACE: Space = Space::Sessions;
    type Stored = StoredSession;

    fn key(&self) -> Vec<u8> {
        self.id_hash.into()
    }

    fn to_stored(&self) -> StoredSession {
        StoredSession {
            id_hash: self.id_hash,
            user: self.user.to_string(),
            created: self.created.as_millis(),
            last_used: self.last_used.as_millis(),
            peer: self.peer.clone(),
            agent: self.agent.clone(),
            only_set_password: self.only_set_password,
        }
    }

    fn from_stored(stored: StoredSession) -> Result<Self, Damage> {
        Ok(Self {
            id_hash: stored.id_hash,
            user: name(UserName::new(&stored.user))?,
            created: Timestamp::from_millis(stored.created),
            last_used: Timestamp::from_millis(stored.last_used),
            peer: stored.peer,
            agent: stored.agent,
            only_set_password: stored.only_set_password,
        })
    }
}

/// See [`TokenRecord`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredToken {
    id_hash: [u8; 32],
    prefix: String,
    label: String,
    user: String,
    scope: Vec<String>,
    created: i64,
    expires: Option<i64>,
    last_used: Option<i64>,
}

impl Record for TokenRecord {
    const SPACE: Space = Space::Tokens;
    type Stored = StoredToken;

    fn key(&self) -> Vec<u8> {
        self.id_hash.into()
    }

    fn to_stored(&self) -> StoredToken {
        StoredToken {
            id_hash: self.id_hash,
            prefix: self.prefix.clone(),
            label: self.label.clone(),
            user: self.user.to_string(),
            scope: words(self.scope),
            created: self.created.as_millis(),
            expires: self.expires.map(Timestamp::as_millis),
            last_used: self.last_used.map(Timestamp::as_millis),
        }
    }

    fn from_stored(stored: StoredToken) -> Result<Self, Damage> {
        Ok(Self {
            id_hash: stored.id_hash,
            prefix: stored.prefix,
            label: stored.label,
            user: name(UserName::new(&stored.user))?,
            scope: verbs(&stored.scope),
            created: Timestamp::from_millis(stored.created),
            expires: stored.expires.map(Timestamp::from_millis),
            last_used: stored.last_used.map(Timestamp::from_millis),
        })
    }
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setting {
    /// Its key.
    pub(super) key: String,
    /// Its value.
    pub(super) value: String,
}

impl Record for Setting {
    const SPACE: Space = Space::Settings;
    type Stored = Self;

    fn key(&self) -> Vec<u8> {
        self.key.as_bytes().into()
    }

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Result<Self, Damage> {
        Ok(stored)
    }
}

fn words(verbs: Verbs) -> Vec<String> {
    verbs.iter().map(|v| v.as_str().to_owned()).collect()
}

/// A word that this program does not know grants nothing.
fn verbs(words: &[String]) -> Verbs {
    words.iter().filter_map(|w| Verb::from_word(w)).collect()
}

/// A queue as version 3 wrote one.
#[cfg(test)]
pub(super) fn queue_3(queue: &Queue) -> Vec<u8> {
    super::codec::seal(3, &queue.to_stored().before).unwrap_or_default()
}

/// A user as version 1 wrote one.
#[cfg(test)]
pub(super) fn user_1(user: &User) -> Vec<u8> {
    super::codec::seal(1, &user.to_stored().first).unwrap_or_default()
}
