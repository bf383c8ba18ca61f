//! Pages of the audit trail, and whether it is whole.

use super::{
    AuditCheck, AuditCounts, AuditCursor, AuditEntry, AuditFilter, AuditPage, Batch, Store,
    StoreError, Tx,
};
use crate::domain::{Group, GroupName, Queue, QueueName, Site, User, UserName};

impl Store {
    /// A page of at most `limit` lines, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_page(
        &self,
        _filter: &AuditFilter,
        _cursor: AuditCursor,
        _limit: usize,
    ) -> Result<AuditPage, StoreError> {
        todo!()
    }

    /// One line.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_line(&self, _number: u64) -> Result<Option<AuditEntry>, StoreError> {
        todo!()
    }

    /// The kept counters of the audit trail.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_counts(&self) -> Result<AuditCounts, StoreError> {
        todo!()
    }

    /// Follows the chain from the oldest line to the newest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn verify_audit(&self) -> Result<AuditCheck, StoreError> {
        todo!()
    }

    /// Deletions that were asked for and are not carried out yet, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        todo!()
    }

    /// One queue.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queue(&self, _name: &QueueName) -> Result<Option<Queue>, StoreError> {
        todo!()
    }

    /// Every setting whose key begins with `prefix`, by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn settings(&self, _prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        todo!()
    }
}

impl Tx<'_> {
    /// Notes a deletion that was asked for.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_batch(&mut self, _batch: &Batch) -> Result<(), StoreError> {
        todo!()
    }

    /// A batch is carried out; not being there is success.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_batch(&mut self, _number: u64) -> Result<(), StoreError> {
        todo!()
    }

    /// Every queue as this transaction sees it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queues(&mut self) -> Result<Vec<Queue>, StoreError> {
        todo!()
    }

    /// Every user as this transaction sees it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&mut self) -> Result<Vec<User>, StoreError> {
        todo!()
    }

    /// Every group as this transaction sees it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn groups(&mut self) -> Result<Vec<Group>, StoreError> {
        todo!()
    }

    /// Every site as this transaction sees it, by domain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sites(&mut self) -> Result<Vec<Site>, StoreError> {
        todo!()
    }

    /// Removes a queue; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_queue(&mut self, _name: &QueueName) -> Result<bool, StoreError> {
        todo!()
    }

    /// Removes a user with every session and token; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_user(&mut self, _name: &UserName) -> Result<bool, StoreError> {
        todo!()
    }

    /// Removes a group; says whether there was one. Who is in it still names it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_group(&mut self, _name: &GroupName) -> Result<bool, StoreError> {
        todo!()
    }

    /// Removes a token by its hash; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_token_by(&mut self, _id_hash: &[u8; 32]) -> Result<bool, StoreError> {
        todo!()
    }

    /// Removes every token of `user`; says how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_tokens_of(&mut self, _user: &UserName) -> Result<u64, StoreError> {
        todo!()
    }
}
