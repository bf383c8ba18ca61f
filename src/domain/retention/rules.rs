//! The words of retention: classes, lifetimes, the policy, and what is known of a job's files.

use crate::domain::{Job, JobId, QueueName, StateKind, Timestamp};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What of a job is deleted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What failed, cancelled and interrupted jobs left.
    Leftovers,
    /// The artifacts of jobs that are done.
    Images,
    /// Log, definition and request; they stay at least as long as the artifacts.
    Logs,
    /// The record itself.
    Records,
}

impl Class {
    /// Every class, in the order a run works.
    pub const ALL: [Self; 4] = [Self::Leftovers, Self::Images, Self::Logs, Self::Records];

    /// The word in config.toml, in the store and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leftovers => "leftovers",
            Self::Images => "images",
            Self::Logs => "logs",
            Self::Records => "records",
        }
    }

    /// The class a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody deletes it.
    Forever,
    /// This long after the job's end.
    For(Duration),
}

/// What a queue has of its own; `None` takes the general value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// For [`Class::Images`].
    pub images: Option<Lifetime>,
    /// For [`Class::Leftovers`].
    pub leftovers: Option<Lifetime>,
    /// For [`Class::Logs`].
    pub logs: Option<Lifetime>,
    /// For [`Class::Records`].
    pub records: Option<Lifetime>,
}

/// The rules of a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For [`Class::Images`].
    pub images: Lifetime,
    /// For [`Class::Leftovers`].
    pub leftovers: Lifetime,
    /// For [`Class::Logs`].
    pub logs: Lifetime,
    /// For [`Class::Records`].
    pub records: Lifetime,
    /// Queues with lifetimes of their own.
    pub queues: BTreeMap<QueueName, Override>,
    /// Images of one recipe that are kept at most, the newest; 0: any number.
    pub keep_newest: u32,
    /// Newest good images of each recipe that no rule takes.
    pub keep_last_good: u32,
    /// Per cent of the volume that may be used before images go; 100: never for that reason.
    pub budget: u8,
    /// Nothing younger is deleted by any rule.
    pub min_age: Duration,
    /// How far into the future "Keep longer" reaches.
    pub longest_extension: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for Policy {
    fn default() -> Self {
        Self {
            images: Lifetime::For(14 * DAY),
            leftovers: Lifetime::For(Duration::from_secs(4 * 3600)),
            logs: Lifetime::For(180 * DAY),
            records: Lifetime::Forever,
            queues: BTreeMap::new(),
            keep_newest: 3,
            keep_last_good: 1,
            budget: 80,
            min_age: Duration::from_secs(3600),
            longest_extension: 90 * DAY,
        }
    }
}

impl Policy {
    /// How long `class` is kept on `queue`, and whether that is the queue's own rule.
    pub fn lifetime(&self, class: Class, queue: &QueueName) -> (Lifetime, bool) {
        let own = self.queues.get(queue).and_then(|own| match class {
            Class::Images => own.images,
            Class::Leftovers => own.leftovers,
            Class::Logs => own.logs,
            Class::Records => own.records,
        });
        let general = match class {
            Class::Images => self.images,
            Class::Leftovers => self.leftovers,
            Class::Logs => self.logs,
            Class::Records => self.records,
        };
        (own.unwrap_or(general), own.is_some())
    }
}

/// Why a job's files are in use at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Somebody takes one of its files now.
    Download,
    /// A job that waits or builds takes its files as input.
    Input(JobId),
    /// Somebody changes what becomes of it at this moment.
    Changing,
}

/// What retention knows of an ended job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The job.
    pub id: JobId,
    /// What it builds: jobs with the same text build the same thing.
    pub recipe: Arc<str>,
    /// Its queue.
    pub queue: Arc<QueueName>,
    /// How it ended.
    pub state: StateKind,
    /// When it ended.
    pub ended: Timestamp,
    /// Bytes of its artifacts; 0 when there are none (any more).
    pub artifacts: u64,
    /// Bytes of log, definition and request; 0 when they are gone.
    pub logs: u64,
    /// Nobody's rule may touch it.
    pub pinned: bool,
    /// Somebody wanted it kept until then.
    pub keep_until: Option<Timestamp>,
    /// When a file of it was last taken.
    pub downloaded: Option<Timestamp>,
    /// Why it is in use, if it is.
    pub busy: Option<Busy>,
}

/// The text of an [`Item::recipe`].
pub fn recipe_of(job: &Job) -> String {
    format!("{} {} {} {}", job.name, job.runner, job.image_type, job.arch)
}

impl Item {
    /// What its artifacts count as.
    pub fn artifact_class(&self) -> Class {
        if self.state == StateKind::Done { Class::Images } else { Class::Leftovers }
    }

    /// When it was last of use to anybody.
    pub fn last_use(&self) -> Timestamp {
        self.downloaded.map_or(self.ended, |at| at.max(self.ended))
    }
}

/// The volume the data directory lies on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that can still be written.
    pub free: u64,
}

/// Why something goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is older than its class is kept.
    Age {
        /// How long the class is kept.
        limit: Duration,
        /// The queue, if the lifetime is its own.
        queue: Option<Arc<QueueName>>,
    },
    /// There are enough newer ones of its recipe.
    Number {
        /// How many are kept.
        keep: u32,
        /// The newest of them.
        newest: JobId,
    },
    /// The volume is used beyond its budget, and this was of no use for longest.
    Budget {
        /// Per cent.
        percent: u8,
    },
    /// The volume is nearly full.
    Emergency,
    /// Somebody asked for it.
    Asked,
}

/// Why something stays although a rule wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Somebody pinned it.
    Pinned,
    /// Somebody wanted it longer.
    KeepUntil(Timestamp),
    /// It is in use.
    Busy(Busy),
    /// It is among the newest good images of its recipe.
    LastGood,
    /// It is younger than anything that may be deleted.
    Young(Duration),
}

/// What made a cleanup run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Its time had come.
    Schedule,
    /// It was due while the service was off.
    CatchUp,
    /// A job has ended.
    JobEnded,
    /// The volume is below a threshold.
    Watermark,
    /// The last run was cut short.
    Resumed,
    /// Somebody asked for a cleanup.
    Person(String),
    /// Somebody asked for the files of certain jobs to be deleted: no rule is applied.
    Asked,
}
