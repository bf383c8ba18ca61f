//! What a change may do: read (its own writes included) and write, all of it or nothing.

use super::{
    SessionRecord, ShelfRecord, StoreError, TokenRecord,
    codec::{self, Damage, Record},
    engine::Engine,
    facets::Facets,
    keys::{self, Dim, Space, meta},
    overlay::{Look, Overlay, whole},
    people::Setting,
};
use crate::domain::{
    Group, GroupName, Job, JobId, Queue, QueueName, Site, StateKind, User, UserName,
};
use std::collections::BTreeSet;

/// A transaction: reads see its own writes; nothing is visible to others before it is committed.
pub struct Tx<'a> {
    pub(super) engine: &'a Engine,
    /// What the changes before this one in the same group have written.
    group: &'a Overlay,
    mine: Overlay,
}

impl Look for Tx<'_> {
    fn look(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.mine.get(space, key).or_else(|| self.group.get(space, key)) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.engine.get(space, key),
        }
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(engine: &'a Engine, group: &'a Overlay) -> Self {
        Self { engine, group, mine: Overlay::default() }
    }

    pub(super) fn into_changes(self) -> Overlay {
        self.mine
    }

    /// One job as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.record(&keys::job_key(id))
    }

    /// Writes a job; indexes and counters follow.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_job(&mut self, job: &Job) -> Result<(), StoreError> {
        let shelf = self.shelf(job.id)?;
        self.put_row(job, &shelf)?;
        self.put(job)
    }

    /// How many jobs of `queue` are in `state`, from counters.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&mut self, queue: &QueueName, state: StateKind) -> Result<u64, StoreError> {
        let pair = keys::queue_state(queue.as_str(), state);
        self.counter(&keys::counter_key(Dim::QueueState, &pair))
    }

    /// One queue as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queue(&mut self, name: &QueueName) -> Result<Option<Queue>, StoreError> {
        self.record(name.as_str().as_bytes())
    }

    /// Writes a queue.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_queue(&mut self, queue: &Queue) -> Result<(), StoreError> {
        self.put(queue)
    }

    /// One user as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn user(&mut self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.record(name.as_str().as_bytes())
    }

    /// Writes a user.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.put(user)
    }

    /// One group as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn group(&mut self, name: &GroupName) -> Result<Option<Group>, StoreError> {
        self.record(name.as_str().as_bytes())
    }

    /// Writes a group.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_group(&mut self, group: &Group) -> Result<(), StoreError> {
        self.put(group)
    }

    /// Writes a site.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_site(&mut self, site: &Site) -> Result<(), StoreError> {
        self.put(site)
    }

    /// Removes a site; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_site(&mut self, domain: &str) -> Result<bool, StoreError> {
        self.remove(Space::Sites, domain.as_bytes())
    }

    /// One session as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn session(&mut self, id_hash: &[u8; 32]) -> Result<Option<SessionRecord>, StoreError> {
        self.record(id_hash)
    }

    /// Writes a session.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_session(&mut self, session: &SessionRecord) -> Result<(), StoreError> {
        self.remove_session(&session.id_hash)?;
        let user = session.user.as_str();
        self.note(keys::index_key(Dim::SessionOf, user, &session.id_hash));
        self.put(session)
    }

    /// Removes a session; not being there is success.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_session(&mut self, id_hash: &[u8; 32]) -> Result<(), StoreError> {
        if let Some(old) = self.session(id_hash)? {
            self.forget(keys::index_key(Dim::SessionOf, old.user.as_str(), id_hash));
            self.remove(Space::Sessions, id_hash)?;
        }
        Ok(())
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
        let mut removed = 0;
        for id in self.hashes_of(Dim::SessionOf, user)? {
            if keep != Some(&id) && self.session(&id)?.is_some() {
                self.remove_session(&id)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// One token as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn token(&mut self, id_hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        self.record(id_hash)
    }

    /// Writes a token.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_token(&mut self, token: &TokenRecord) -> Result<(), StoreError> {
        if let Some(old) = self.token(&token.id_hash)? {
            self.forget(keys::index_key(Dim::TokenOf, old.user.as_str(), &token.id_hash));
        }
        self.note(keys::index_key(Dim::TokenOf, token.user.as_str(), &token.id_hash));
        self.put(token)
    }

    /// Removes a token of `user` by its prefix; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_token(&mut self, user: &UserName, prefix: &str) -> Result<bool, StoreError> {
        for id in self.hashes_of(Dim::TokenOf, user)? {
            if self.token(&id)?.is_some_and(|token| token.prefix == prefix) {
                self.forget(keys::index_key(Dim::TokenOf, user.as_str(), &id));
                return self.remove(Space::Tokens, &id);
            }
        }
        Ok(false)
    }

    /// A setting as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn setting(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.record::<Setting>(key.as_bytes())?.map(|s| s.value))
    }

    /// Writes a setting; `None` removes it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn put_setting(&mut self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        match value {
            Some(value) => self.put(&Setting { key: key.to_owned(), value: value.to_owned() }),
            None => self.remove(Space::Settings, key.as_bytes()).map(drop),
        }
    }
}

/// What every kind of record shares.
impl Tx<'_> {
    /// The record in a place; a damaged one is put aside and reads as `None`.
    pub(super) fn record<R: Record>(&mut self, key: &[u8]) -> Result<Option<R>, StoreError> {
        let Some(value) = self.look(R::SPACE, key)? else { return Ok(None) };
        match whole(self, R::SPACE, key, value)?.and_then(|bytes| decode_at(key, &bytes)) {
            Ok(record) => Ok(Some(record)),
            Err(damage) => {
                log_damage(R::SPACE, key, &damage);
                self.put_aside(R::SPACE, key)?;
                Ok(None)
            }
        }
    }

    pub(super) fn put<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        self.put_bytes(R::SPACE, record.key(), codec::encode(record)?)
    }

    /// Writes an encoded record, in pieces if it is long.
    pub(super) fn put_bytes(
        &mut self,
        space: Space,
        key: Vec<u8>,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.remove(space, &key)?;
        let place = match codec::cut(&bytes)? {
            None => bytes,
            Some((place, parts)) => {
                for (n, part) in (0..).zip(parts) {
                    self.mine.set(Space::Parts, keys::part_key(space, &key, n), Some(part));
                }
                place
            }
        };
        self.mine.set(space, key, Some(place));
        Ok(())
    }

    /// Empties a place, pieces included; says whether something stood there.
    pub(super) fn remove(&mut self, space: Space, key: &[u8]) -> Result<bool, StoreError> {
        let Some(old) = self.look(space, key)? else { return Ok(false) };
        for n in 0..codec::parts_of(&old) {
            self.mine.set(Space::Parts, keys::part_key(space, key, n), None);
        }
        self.mine.set(space, key.to_vec(), None);
        Ok(true)
    }

    /// Moves what stands in a place into quarantine. Of a job, its indexes and counters go too; of a
    /// shelf, the job's row forgets it. What a damaged line of the audit trail was counted under
    /// nobody can read any more: its entries stay, readers skip them and fsck finds them.
    pub(super) fn put_aside(&mut self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        let Some(value) = self.look(space, key)? else { return Ok(()) };
        let job = keys::number(key).and_then(JobId::new);
        if let (Space::Jobs, Some(id)) = (space, job) {
            self.drop_derived(id)?;
        }
        self.remove(space, key)?;
        self.mine.set(Space::Quarantine, keys::quarantine_key(space, key), Some(value));
        if let (Space::Shelves, Some(id)) = (space, job) {
            self.refresh_row(id)?;
        }
        Ok(())
    }

    /// Writes a job's row anew, after its shelf has changed.
    pub(super) fn refresh_row(&mut self, id: JobId) -> Result<(), StoreError> {
        let Some(job) = self.job(id)? else { return Ok(()) };
        let shelf = self.shelf(id)?;
        self.put_row(&job, &shelf)
    }

    /// Writes a job's row, and where they change its index entries and counts.
    fn put_row(&mut self, job: &Job, shelf: &ShelfRecord) -> Result<(), StoreError> {
        let row = Facets::of(job, shelf);
        let bytes = row.encode();
        let key = keys::job_key(job.id);
        let old = self.look(Space::Facets, &key)?;
        if old.as_deref() == Some(&bytes) {
            return Ok(());
        }
        let old = old.as_deref().map(Facets::decode);
        if !old.is_some_and(|old| old.is_ok_and(|old| old.terms() == row.terms())) {
            self.drop_derived(job.id)?;
            self.number_is_taken(job.id)?;
            self.add_derived(job.id, &row)?;
        }
        self.mine.set(Space::Facets, key.to_vec(), Some(bytes));
        Ok(())
    }

    /// Takes away the row, index entries and counts that a job has now. A row that is damaged
    /// leaves its entries behind; readers skip those and fsck finds them.
    pub(super) fn drop_derived(&mut self, id: JobId) -> Result<(), StoreError> {
        let key = keys::job_key(id);
        let Some(bytes) = self.look(Space::Facets, &key)? else { return Ok(()) };
        self.mine.set(Space::Facets, key.to_vec(), None);
        let Ok(row) = Facets::decode(&bytes) else { return Ok(()) };
        for entry in row.index_keys(id) {
            self.forget(entry);
        }
        row.counter_keys().into_iter().try_for_each(|counter| self.bump(counter, -1))
    }

    /// A job that brings its own number (one that is restored) keeps it from being given again.
    fn number_is_taken(&mut self, id: JobId) -> Result<(), StoreError> {
        if self.meta_number(meta::NEXT_JOB)?.is_none_or(|next| next <= id.get()) {
            let next = id.get().saturating_add(1).to_be_bytes().to_vec();
            self.put_meta(meta::NEXT_JOB, Some(next));
        }
        Ok(())
    }

    fn add_derived(&mut self, id: JobId, row: &Facets<'_>) -> Result<(), StoreError> {
        for entry in row.index_keys(id) {
            self.note(entry);
        }
        row.counter_keys().into_iter().try_for_each(|counter| self.bump(counter, 1))
    }

    pub(super) fn note(&mut self, entry: Vec<u8>) {
        self.mine.set(Space::Index, entry, Some(Vec::new()));
    }

    pub(super) fn forget(&mut self, entry: Vec<u8>) {
        self.mine.set(Space::Index, entry, None);
    }

    pub(super) fn bump(&mut self, counter: Vec<u8>, by: i64) -> Result<(), StoreError> {
        let now = self.counter(&counter)?.saturating_add_signed(by);
        let value = (now > 0).then(|| now.to_be_bytes().to_vec());
        self.mine.set(Space::Counters, counter, value);
        Ok(())
    }

    fn counter(&self, key: &[u8]) -> Result<u64, StoreError> {
        let value = self.look(Space::Counters, key)?;
        Ok(value.as_deref().and_then(keys::number).unwrap_or(0))
    }

    /// A number among the store's own facts.
    pub(super) fn meta_number(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        Ok(self.look(Space::Meta, key)?.as_deref().and_then(keys::number))
    }

    /// Writes one of the store's own facts.
    pub(super) fn put_meta(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        self.mine.set(Space::Meta, key.to_vec(), value);
    }

    pub(super) fn hashes_of(&self, dim: Dim, user: &UserName) -> Result<Vec<[u8; 32]>, StoreError> {
        let prefix = keys::index_prefix(dim, user.as_str());
        let found = self.keys(Space::Index, &prefix)?;
        Ok(found.iter().filter_map(|key| key.get(prefix.len()..)?.try_into().ok()).collect())
    }

    /// The keys of a space that begin with `prefix`, as this transaction sees them.
    pub(super) fn keys(
        &self,
        space: Space,
        prefix: &[u8],
    ) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let mut found = BTreeSet::new();
        for pair in self.engine.prefix(space, prefix)? {
            found.insert(pair?.0.to_vec());
        }
        for layer in [self.group, &self.mine] {
            for (key, value) in layer.prefix(space, prefix) {
                match value {
                    Some(_) => found.insert(key.to_vec()),
                    None => found.remove(key),
                };
            }
        }
        Ok(found)
    }
}

/// The record in `bytes`, if it is the one that belongs under `key`.
pub(super) fn decode_at<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R, Damage> {
    let record: R = codec::decode(bytes)?;
    if record.key() == key { Ok(record) } else { Err(Damage::Value("it belongs elsewhere".into())) }
}

/// Says once in the log that a record cannot be read.
pub(super) fn log_damage(space: Space, key: &[u8], damage: &Damage) {
    let record = space.show(key);
    tracing::error!(record, %damage, "a stored record cannot be read: it is put into quarantine");
}
