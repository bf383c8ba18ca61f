//! Deletions of many jobs that were asked for and wait to be carried out. See `records`.

use super::{
    Batch, Store, StoreError, Tx,
    codec::{Damage, Record},
    keys::Space,
};
use crate::domain::{JobId, Timestamp};
use serde::{Deserialize, Serialize};

/// See [`Batch`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBatch {
    number: u64,
    by: String,
    peer: String,
    request: String,
    at: i64,
    run: u64,
    /// By how much each job's number is above the one before it: one byte each for most, so that
    /// all jobs of a large store fit into one record.
    steps: Vec<u64>,
}

impl Record for Batch {
    const SPACE: Space = Space::Batches;
    type Stored = StoredBatch;

    fn key(&self) -> Vec<u8> {
        self.number.to_be_bytes().into()
    }

    fn to_stored(&self) -> StoredBatch {
        let mut jobs: Vec<u64> = self.jobs.iter().map(|job| job.get()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        let before = std::iter::once(0).chain(jobs.iter().copied());
        let steps = jobs.iter().zip(before).map(|(job, before)| job.saturating_sub(before));
        StoredBatch {
            number: self.number,
            by: self.by.clone(),
            peer: self.peer.clone(),
            request: self.request.clone(),
            at: self.at.as_millis(),
            run: self.run,
            steps: steps.collect(),
        }
    }

    fn from_stored(stored: StoredBatch) -> Result<Self, Damage> {
        let wrong = || Damage::Value("its job numbers do not rise".into());
        let mut last: u64 = 0;
        let mut job = |step: u64| {
            last = last.checked_add(step).filter(|_| step > 0).ok_or_else(wrong)?;
            JobId::new(last).ok_or_else(wrong)
        };
        Ok(Self {
            jobs: stored.steps.into_iter().map(&mut job).collect::<Result<_, _>>()?,
            number: stored.number,
            by: stored.by,
            peer: stored.peer,
            request: stored.request,
            at: Timestamp::from_millis(stored.at),
            run: stored.run,
        })
    }
}

impl Store {
    /// Deletions that were asked for and are not carried out yet, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        self.all()
    }
}

impl Tx<'_> {
    /// Notes a deletion that was asked for.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_batch(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.put(batch)
    }

    /// A batch is carried out; not being there is success.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_batch(&mut self, number: u64) -> Result<(), StoreError> {
        self.remove(Space::Batches, &number.to_be_bytes()).map(drop)
    }
}
