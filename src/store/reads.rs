//! Looking records up. Nothing here waits for the writer.

use super::{
    AuditRecord, Counts, SessionRecord, Store, StoreError, TokenRecord,
    codec::Record,
    core::Core,
    engine::{Engine, Pair},
    keys::{self, Dim, Space},
    overlay::whole,
    people::Setting,
    trail::AuditLine,
    tx::{decode_at, log_damage},
    writer::Reply,
};
use crate::domain::{Group, Job, JobId, Queue, QueueName, Site, StateKind, User, UserName};
use std::{cmp::Reverse, ops::Bound};

impl Store {
    /// One job. A damaged record is quarantined and reads as `None`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.record(&keys::job_key(id))
    }

    /// Every job in one of the two states that are not final, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let engine = self.core().engine()?;
        let mut ids = Vec::new();
        for state in StateKind::ALL.into_iter().filter(|s| !s.is_final()) {
            let prefix = keys::index_prefix(Dim::State, state.as_str());
            for pair in engine.prefix(Space::Index, &prefix)? {
                ids.extend(keys::job_at_end(&pair?.0));
            }
        }
        ids.sort_unstable();
        // A job that starts while this looks can be met in both states.
        ids.dedup();
        let jobs = ids.into_iter().map(|id| self.job(id)).filter_map(Result::transpose);
        jobs.filter(|job| job.as_ref().map_or(true, |j| !j.state.kind().is_final())).collect()
    }

    /// The counters. States and queues without jobs are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let engine = self.core().engine()?;
        let mut counts = Counts { total: counter(&engine, Dim::All, "")?, ..Counts::default() };
        for state in StateKind::ALL {
            let jobs = counter(&engine, Dim::State, state.as_str())?;
            if jobs > 0 {
                counts.by_state.insert(state, jobs);
            }
        }
        for pair in engine.prefix(Space::Counters, &[Dim::Queue as u8])? {
            let (key, value) = pair?;
            let name = key.get(1..).and_then(|name| std::str::from_utf8(name).ok());
            if let Some(name) = name.and_then(|name| QueueName::new(name).ok()) {
                counts.by_queue.insert(name, keys::number(&value).unwrap_or(0));
            }
        }
        Ok(counts)
    }

    /// Every queue, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        self.core().queues.get(|| self.all())
    }

    /// One user.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.record(name.as_str().as_bytes())
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.all()
    }

    /// Every group, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.core().groups.get(|| self.all())
    }

    /// Every site.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sites(&self) -> Result<Vec<Site>, StoreError> {
        self.core().sites.get(|| self.all())
    }

    /// One session by the hash of its cookie.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn session(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRecord>, StoreError> {
        self.record(id_hash)
    }

    /// The sessions of one user, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sessions_of(&self, user: &UserName) -> Result<Vec<SessionRecord>, StoreError> {
        let mut sessions: Vec<SessionRecord> = self.of_user(Dim::SessionOf, user)?;
        sessions.retain(|s| s.user == *user);
        sessions.sort_by_key(|s| Reverse(s.created));
        Ok(sessions)
    }

    /// Every session.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.all()
    }

    /// One token by its hash.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn token(&self, id_hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        self.record(id_hash)
    }

    /// The tokens of one user, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens_of(&self, user: &UserName) -> Result<Vec<TokenRecord>, StoreError> {
        let mut tokens: Vec<TokenRecord> = self.of_user(Dim::TokenOf, user)?;
        tokens.retain(|t| t.user == *user);
        tokens.sort_by_key(|t| Reverse(t.created));
        Ok(tokens)
    }

    /// Every token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.all()
    }

    /// The newest `limit` lines of the audit trail, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let engine = self.core().engine()?;
        let mut lines = Vec::new();
        for pair in engine.range(Space::Audit, (Bound::Unbounded, Bound::Unbounded), true)? {
            if lines.len() >= limit {
                break;
            }
            lines.extend(self.read::<AuditLine>(&engine, pair?)?.map(|line| line.record));
        }
        Ok(lines)
    }

    /// A setting by key; values are short texts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.record::<Setting>(key.as_bytes())?.map(|s| s.value))
    }
}

/// What every kind of record shares.
impl Store {
    pub(super) fn record<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        let engine = self.core().engine()?;
        match engine.get(R::SPACE, key)? {
            Some(value) => self.decoded(&engine, key, value),
            None => Ok(None),
        }
    }

    pub(super) fn each<R: Record>(&self, look: &mut dyn FnMut(R)) -> Result<(), StoreError> {
        let engine = self.core().engine()?;
        for pair in engine.prefix(R::SPACE, &[])? {
            if let Some(record) = self.read(&engine, pair?)? {
                look(record);
            }
        }
        Ok(())
    }

    pub(super) fn all<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        self.beginning(&[])
    }

    /// The records whose keys begin with `prefix`, in order.
    pub(super) fn beginning<R: Record>(&self, prefix: &[u8]) -> Result<Vec<R>, StoreError> {
        let engine = self.core().engine()?;
        let pairs = engine.prefix(R::SPACE, prefix)?;
        pairs.filter_map(|pair| pair.and_then(|p| self.read(&engine, p)).transpose()).collect()
    }

    fn of_user<R: Record>(&self, dim: Dim, user: &UserName) -> Result<Vec<R>, StoreError> {
        let engine = self.core().engine()?;
        let prefix = keys::index_prefix(dim, user.as_str());
        let entries = engine.prefix(Space::Index, &prefix)?;
        entries
            .filter_map(|pair| {
                let record = pair.and_then(|(key, _)| match key.get(prefix.len()..) {
                    Some(id) => self.record(id),
                    None => Ok(None),
                });
                record.transpose()
            })
            .collect()
    }

    pub(super) fn read<R: Record>(
        &self,
        engine: &Engine,
        pair: Pair,
    ) -> Result<Option<R>, StoreError> {
        let (key, value) = pair;
        self.decoded(engine, &key, value.to_vec())
    }

    fn decoded<R: Record>(
        &self,
        engine: &Engine,
        key: &[u8],
        value: Vec<u8>,
    ) -> Result<Option<R>, StoreError> {
        let found = whole(engine, R::SPACE, key, value.clone())?;
        match found.and_then(|bytes| decode_at(key, &bytes)) {
            Ok(record) => Ok(Some(record)),
            // A long record may have been written anew between its place and its pieces.
            Err(_) if engine.get(R::SPACE, key)?.as_ref() != Some(&value) => self.record(key),
            Err(damage) => {
                if self.core().count_aside(R::SPACE, key) {
                    log_damage(R::SPACE, key, &damage);
                    let key = key.to_vec();
                    // The transaction looks again: it puts aside only what is still damaged.
                    self.send(move |tx| tx.record::<R>(&key).map(drop), Reply::Nobody);
                }
                Ok(None)
            }
        }
    }
}

/// A counter's value.
pub(super) fn counter(engine: &Engine, dim: Dim, value: &str) -> Result<u64, StoreError> {
    let bytes = engine.get(Space::Counters, &keys::counter_key(dim, value))?;
    Ok(bytes.as_deref().and_then(keys::number).unwrap_or(0))
}

/// The highest job number that was ever written.
pub(super) fn last_job(core: &Core) -> Result<u64, StoreError> {
    let engine = core.engine()?;
    let mut newest = engine.range(Space::Jobs, (Bound::Unbounded, Bound::Unbounded), true)?;
    let key = newest.next().transpose()?.map(|(key, _)| key);
    Ok(key.as_deref().and_then(keys::number).unwrap_or(0))
}
