//! Everything but jobs as it lies on disk: queues, people, sites, sessions, tokens, audit lines
//! and settings. See `records`.

use super::{
    AuditRecord, SessionRecord, TokenRecord,
    codec::{Damage, Record},
    keys::Space,
    records::name,
};
use crate::domain::{
    Group, GroupName, Queue, QueueName, Site, Timestamp, User, UserName, UserQuota, Verb, Verbs,
    retention::Override,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See [`Queue`]; times in milliseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredQueue {
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

impl Record for Queue {
    const SPACE: Space = Space::Queues;
    type Stored = StoredQueue;

    fn key(&self) -> Vec<u8> {
        self.name.as_str().into()
    }

    fn to_stored(&self) -> StoredQueue {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        StoredQueue {
            name: self.name.to_string(),
            description: self.description.clone(),
            slots: self.slots,
            priority: self.priority,
            paused: self.paused.clone(),
            launch: self.launch,
            cap: self.cap,
            total_timeout: millis(self.total_timeout),
            silence_timeout: millis(self.silence_timeout),
        }
    }

    fn from_stored(stored: StoredQueue) -> Result<Self, Damage> {
        Ok(Self {
            name: name(QueueName::new(&stored.name))?,
            description: stored.description,
            slots: stored.slots,
            priority: stored.priority,
            paused: stored.paused,
            launch: stored.launch,
            cap: stored.cap,
            total_timeout: Duration::from_millis(stored.total_timeout),
            silence_timeout: Duration::from_millis(stored.silence_timeout),
            submitters: Vec::new(),
            runners: Vec::new(),
            retention: Override::default(),
            kept_bytes: None,
            requeue: false,
        })
    }
}

/// See [`User`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredUser {
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

impl Record for User {
    const SPACE: Space = Space::Users;
    type Stored = StoredUser;

    fn key(&self) -> Vec<u8> {
        self.name.as_str().into()
    }

    fn to_stored(&self) -> StoredUser {
        StoredUser {
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
        }
    }

    fn from_stored(stored: StoredUser) -> Result<Self, Damage> {
        let groups = stored.groups.iter().map(|g| name(GroupName::new(g)));
        Ok(Self {
            name: name(UserName::new(&stored.name))?,
            full_name: stored.full_name,
            mail: stored.mail,
            password_hash: stored.password_hash,
            active: stored.active,
            staff: stored.staff,
            superuser: stored.superuser,
            must_set_password: stored.must_set_password,
            groups: groups.collect::<Result<_, _>>()?,
            verbs: verbs(&stored.verbs),
            created: Timestamp::from_millis(stored.created),
            last_login: stored.last_login.map(Timestamp::from_millis),
            quota: UserQuota::default(),
            setup: None,
        })
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

/// An audit line with its number and the hash of the line before it, so that a line that was
/// changed or taken out shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuditLine {
    /// Its number, counted from 1.
    pub(super) number: u64,
    /// SHA-256 of the encoded line before it; zeros for the first.
    pub(super) before: [u8; 32],
    /// The line.
    pub(super) record: AuditRecord,
}

/// See [`AuditLine`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAudit {
    number: u64,
    before: [u8; 32],
    at: i64,
    actor: String,
    peer: String,
    action: String,
    object: String,
    detail: String,
}

impl Record for AuditLine {
    const SPACE: Space = Space::Audit;
    type Stored = StoredAudit;

    fn key(&self) -> Vec<u8> {
        self.number.to_be_bytes().into()
    }

    fn to_stored(&self) -> StoredAudit {
        let line = &self.record;
        StoredAudit {
            number: self.number,
            before: self.before,
            at: line.at.as_millis(),
            actor: line.actor.clone(),
            peer: line.peer.clone(),
            action: line.action.clone(),
            object: line.object.clone(),
            detail: line.detail.clone(),
        }
    }

    fn from_stored(stored: StoredAudit) -> Result<Self, Damage> {
        let record = AuditRecord {
            at: Timestamp::from_millis(stored.at),
            actor: stored.actor,
            peer: stored.peer,
            action: stored.action,
            object: stored.object,
            detail: stored.detail,
            request: String::new(),
        };
        Ok(Self { number: stored.number, before: stored.before, record })
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
