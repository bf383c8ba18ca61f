//! Queues, users, groups and sites as a change sees all of them, and taking them away.

use super::{
    Store, StoreError, Tx,
    codec::Record,
    keys::{self, Dim, Space},
    people::Setting,
};
use crate::domain::{Group, GroupName, Queue, QueueName, Site, User, UserName};

impl Store {
    /// One queue.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queue(&self, name: &QueueName) -> Result<Option<Queue>, StoreError> {
        self.record(name.as_str().as_bytes())
    }

    /// Every setting whose key begins with `prefix`, by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn settings(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let settings = self.beginning::<Setting>(prefix.as_bytes())?;
        Ok(settings.into_iter().map(|s| (s.key, s.value)).collect())
    }
}

impl Tx<'_> {
    /// Every queue as this transaction sees it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queues(&mut self) -> Result<Vec<Queue>, StoreError> {
        self.all()
    }

    /// Every user as this transaction sees it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&mut self) -> Result<Vec<User>, StoreError> {
        self.all()
    }

    /// Every group as this transaction sees it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn groups(&mut self) -> Result<Vec<Group>, StoreError> {
        self.all()
    }

    /// Every site as this transaction sees it, by domain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sites(&mut self) -> Result<Vec<Site>, StoreError> {
        self.all()
    }

    /// Removes a queue; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_queue(&mut self, name: &QueueName) -> Result<bool, StoreError> {
        self.remove(Space::Queues, name.as_str().as_bytes())
    }

    /// Removes a user with every session and token; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_user(&mut self, name: &UserName) -> Result<bool, StoreError> {
        self.remove_sessions_of(name, None)?;
        self.remove_tokens_of(name)?;
        self.remove(Space::Users, name.as_str().as_bytes())
    }

    /// Removes a group; says whether there was one. Who is in it still names it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_group(&mut self, name: &GroupName) -> Result<bool, StoreError> {
        self.remove(Space::Groups, name.as_str().as_bytes())
    }

    /// Removes a token by its hash; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_token_by(&mut self, id_hash: &[u8; 32]) -> Result<bool, StoreError> {
        let Some(token) = self.token(id_hash)? else { return Ok(false) };
        self.forget(keys::index_key(Dim::TokenOf, token.user.as_str(), id_hash));
        self.remove(Space::Tokens, id_hash)
    }

    /// Removes every token of `user`; says how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_tokens_of(&mut self, user: &UserName) -> Result<u64, StoreError> {
        let mut removed = 0;
        for id in self.hashes_of(Dim::TokenOf, user)? {
            removed += u64::from(self.remove_token_by(&id)?);
        }
        Ok(removed)
    }

    fn all<R: Record>(&mut self) -> Result<Vec<R>, StoreError> {
        let mut found = Vec::new();
        for key in self.keys(R::SPACE, &[])? {
            found.extend(self.record(&key)?);
        }
        Ok(found)
    }
}
