//! What retention knows of jobs, on disk: marks of people, what is gone and why, deletions under
//! way, and the receipts of runs. See `records`.

use super::{
    Gone, Intent, Mishap, Receipt, ShelfRecord, Store, StoreError, Tx,
    codec::{Damage, Record, form},
    facets::Facets,
    keys::{self, Space},
    overlay::Look as _,
    records::{id, name},
};
use crate::domain::{JobId, Tag, Timestamp, UserName, retention::Class};
use serde::{Deserialize, Serialize};

/// See [`ShelfRecord`] and, for forms that grew, `people`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredShelf {
    first: StoredShelf1,
    /// What version 2 added.
    tags: Vec<String>,
}

/// Version 1; times in milliseconds.
#[derive(Serialize, Deserialize)]
struct StoredShelf1 {
    job: u64,
    pinned: Option<(String, i64)>,
    keep_until: Option<i64>,
    downloaded: Option<i64>,
    artifacts_gone: Option<StoredGone>,
    logs_gone: Option<StoredGone>,
    verified: Option<i64>,
    damage: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredGone {
    at: i64,
    why: String,
    run: u64,
}

impl StoredGone {
    fn of(gone: &Gone) -> Self {
        Self { at: gone.at.as_millis(), why: gone.why.clone(), run: gone.run }
    }

    fn back(self) -> Gone {
        Gone { at: Timestamp::from_millis(self.at), why: self.why, run: self.run }
    }
}

impl Record for ShelfRecord {
    const SPACE: Space = Space::Shelves;
    const VERSION: u8 = 2;
    type Stored = StoredShelf;

    fn key(&self) -> Vec<u8> {
        keys::job_key(self.job).into()
    }

    fn to_stored(&self) -> StoredShelf {
        let first = StoredShelf1 {
            job: self.job.get(),
            pinned: self.pinned.as_ref().map(|(by, at)| (by.to_string(), at.as_millis())),
            keep_until: self.keep_until.map(Timestamp::as_millis),
            downloaded: self.downloaded.map(Timestamp::as_millis),
            artifacts_gone: self.artifacts_gone.as_ref().map(StoredGone::of),
            logs_gone: self.logs_gone.as_ref().map(StoredGone::of),
            verified: self.verified.map(Timestamp::as_millis),
            damage: self.damage.clone(),
        };
        StoredShelf { first, tags: self.tags.iter().map(ToString::to_string).collect() }
    }

    fn from_stored(StoredShelf { first: stored, tags }: StoredShelf) -> Result<Self, Damage> {
        let pinned = |(by, at): (String, i64)| -> Result<_, Damage> {
            Ok((name(UserName::new(&by))?, Timestamp::from_millis(at)))
        };
        Ok(Self {
            job: id(stored.job)?,
            pinned: stored.pinned.map(pinned).transpose()?,
            keep_until: stored.keep_until.map(Timestamp::from_millis),
            downloaded: stored.downloaded.map(Timestamp::from_millis),
            artifacts_gone: stored.artifacts_gone.map(StoredGone::back),
            logs_gone: stored.logs_gone.map(StoredGone::back),
            verified: stored.verified.map(Timestamp::from_millis),
            damage: stored.damage,
            tags: tags.iter().map(|tag| name(Tag::new(tag))).collect::<Result<_, _>>()?,
        })
    }

    fn older(version: u8, body: &[u8]) -> Result<Self, Damage> {
        match version {
            1 => Self::from_stored(StoredShelf { first: form(body)?, tags: Vec::new() }),
            other => Err(Damage::Version(other)),
        }
    }
}

/// See [`Intent`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredIntent {
    job: u64,
    class: String,
    bytes: u64,
    why: String,
    run: u64,
    by: String,
}

/// The number a class has in keys: never use one again.
fn class_byte(class: Class) -> u8 {
    match class {
        Class::Leftovers => 1,
        Class::Images => 2,
        Class::Logs => 3,
        Class::Records => 4,
    }
}

fn intent_key(job: JobId, class: Class) -> Vec<u8> {
    let mut key = keys::job_key(job).to_vec();
    key.push(class_byte(class));
    key
}

impl Record for Intent {
    const SPACE: Space = Space::Intents;
    type Stored = StoredIntent;

    fn key(&self) -> Vec<u8> {
        intent_key(self.job, self.class)
    }

    fn to_stored(&self) -> StoredIntent {
        StoredIntent {
            job: self.job.get(),
            class: self.class.as_str().to_owned(),
            bytes: self.bytes,
            why: self.why.clone(),
            run: self.run,
            by: self.by.clone(),
        }
    }

    fn from_stored(stored: StoredIntent) -> Result<Self, Damage> {
        let class = Class::from_word(&stored.class);
        Ok(Self {
            job: id(stored.job)?,
            class: class.ok_or_else(|| Damage::Value(format!("class `{}`", stored.class)))?,
            bytes: stored.bytes,
            why: stored.why,
            run: stored.run,
            by: stored.by,
        })
    }
}

/// See [`Receipt`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredReceipt {
    run: u64,
    begun: i64,
    ended: Option<i64>,
    trigger: String,
    planned_items: u64,
    planned_bytes: u64,
    items: u64,
    bytes: u64,
    freed: Option<i64>,
    by_class: Vec<(String, u64, u64)>,
    saved: u64,
    unmet: Vec<String>,
    mishaps: Vec<(Option<u64>, String)>,
    more_mishaps: u64,
}

impl Record for Receipt {
    const SPACE: Space = Space::Receipts;
    type Stored = StoredReceipt;

    fn key(&self) -> Vec<u8> {
        self.run.to_be_bytes().into()
    }

    fn to_stored(&self) -> StoredReceipt {
        let class =
            |(class, items, bytes): &(Class, u64, u64)| (class.as_str().to_owned(), *items, *bytes);
        let mishap = |m: &Mishap| (m.job.map(JobId::get), m.what.clone());
        StoredReceipt {
            run: self.run,
            begun: self.begun.as_millis(),
            ended: self.ended.map(Timestamp::as_millis),
            trigger: self.trigger.clone(),
            planned_items: self.planned_items,
            planned_bytes: self.planned_bytes,
            items: self.items,
            bytes: self.bytes,
            freed: self.freed,
            by_class: self.by_class.iter().map(class).collect(),
            saved: self.saved,
            unmet: self.unmet.clone(),
            mishaps: self.mishaps.iter().map(mishap).collect(),
            more_mishaps: self.more_mishaps,
        }
    }

    fn from_stored(stored: StoredReceipt) -> Result<Self, Damage> {
        let class = |(class, items, bytes): (String, u64, u64)| match Class::from_word(&class) {
            Some(class) => Ok((class, items, bytes)),
            None => Err(Damage::Value(format!("class `{class}`"))),
        };
        let mishap = |(job, what): (Option<u64>, String)| -> Result<_, Damage> {
            Ok(Mishap { job: job.map(id).transpose()?, what })
        };
        Ok(Self {
            run: stored.run,
            begun: Timestamp::from_millis(stored.begun),
            ended: stored.ended.map(Timestamp::from_millis),
            trigger: stored.trigger,
            planned_items: stored.planned_items,
            planned_bytes: stored.planned_bytes,
            items: stored.items,
            bytes: stored.bytes,
            freed: stored.freed,
            by_class: stored.by_class.into_iter().map(class).collect::<Result<_, _>>()?,
            saved: stored.saved,
            unmet: stored.unmet,
            mishaps: stored.mishaps.into_iter().map(mishap).collect::<Result<_, _>>()?,
            more_mishaps: stored.more_mishaps,
        })
    }
}

impl Store {
    /// What retention knows of a job; nothing special reads as a fresh record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn shelf(&self, job: JobId) -> Result<ShelfRecord, StoreError> {
        let found = self.record(&keys::job_key(job))?;
        Ok(found.unwrap_or_else(|| ShelfRecord::new(job)))
    }

    /// Everything retention knows of jobs, by number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn shelves(&self) -> Result<Vec<ShelfRecord>, StoreError> {
        self.all()
    }

    /// Deletions that were begun and not ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn intents(&self) -> Result<Vec<Intent>, StoreError> {
        self.all()
    }

    /// The receipts, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn receipts(&self) -> Result<Vec<Receipt>, StoreError> {
        self.all()
    }

    /// The receipt of one run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn receipt(&self, run: u64) -> Result<Option<Receipt>, StoreError> {
        self.record(&run.to_be_bytes())
    }

    /// Calls `look` with every job, oldest first; only one is in memory at a time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_job(&self, mut look: impl FnMut(crate::domain::Job)) -> Result<(), StoreError> {
        self.each(&mut look)
    }
}

impl Tx<'_> {
    /// What retention knows of a job, as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn shelf(&mut self, job: JobId) -> Result<ShelfRecord, StoreError> {
        let found = self.record(&keys::job_key(job))?;
        Ok(found.unwrap_or_else(|| ShelfRecord::new(job)))
    }

    /// Writes what retention knows of a job; the job's row follows.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_shelf(&mut self, shelf: &ShelfRecord) -> Result<(), StoreError> {
        self.put(shelf)?;
        let row = self.look(Space::Facets, &keys::job_key(shelf.job))?;
        match row.as_deref().map(Facets::decode) {
            // A job that is not there has no row; when it comes, it looks here.
            None => Ok(()),
            Some(Ok(row)) if row.shows(shelf) => Ok(()),
            Some(_) => self.refresh_row(shelf.job),
        }
    }

    /// Notes that a deletion begins.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_intent(&mut self, intent: &Intent) -> Result<(), StoreError> {
        self.put(intent)
    }

    /// A deletion has ended, or was given up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_intent(&mut self, job: JobId, class: Class) -> Result<(), StoreError> {
        self.remove(Space::Intents, &intent_key(job, class)).map(drop)
    }

    /// Writes a receipt.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_receipt(&mut self, receipt: &Receipt) -> Result<(), StoreError> {
        self.put(receipt)
    }

    /// Removes a receipt; not being there is success.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_receipt(&mut self, run: u64) -> Result<(), StoreError> {
        self.remove(Space::Receipts, &run.to_be_bytes()).map(drop)
    }

    /// Removes a job's record with everything that is derived from it. Its number is never given
    /// again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_job(&mut self, job: JobId) -> Result<bool, StoreError> {
        let key = keys::job_key(job);
        self.drop_derived(job)?;
        self.remove(Space::Shelves, &key)?;
        self.remove(Space::Jobs, &key)
    }
}
