//! What a fresh appliance has: the three queues and four groups of the first IMG, a site, and the
//! user `imager`, who can do nothing before a password of their own is set.

use super::{App, AppError, FIRST_CODE, FIRST_USER, people::FIRST_PASSWORD};
use crate::{
    accounts::{self, code},
    domain::{Group, Queue, QueueName, Site, Timestamp, User, UserName, UserQuota, Verbs},
};
use std::time::Duration;

/// The queues of the first IMG and what each is for.
const QUEUES: [(&str, &str); 3] = [
    ("web", "Jobs handed in on the pages."),
    ("api", "Jobs handed in by scripts and the command line."),
    ("requests", "Requests that are recorded and wait until an operator launches them."),
];

/// The limits of the queues made at the first start; later they are the queues' own.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Jobs of one queue that may build at once.
    pub slots: u32,
    /// Jobs that may wait.
    pub cap: u32,
    /// Longest a build may take.
    pub total: Duration,
    /// Longest it may print nothing.
    pub silence: Duration,
}

impl App {
    /// Fills a store that was made just now. Returns the one-time code for a first sign-in from
    /// another machine; `None` if the store had users already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn first_start(
        &self,
        limits: &QueueLimits,
        now: Timestamp,
    ) -> Result<Option<String>, AppError> {
        if !self.store().users()?.is_empty() {
            return Ok(None);
        }
        let failed = |e: &dyn std::fmt::Display| {
            AppError::internal("the first user cannot be made", e.to_string())
        };
        let secret = code::generate().map_err(|e| failed(&e))?;
        let hash = accounts::hash_blocking(FIRST_PASSWORD).map_err(|e| failed(&e))?;
        let user = first_user(hash, now)?;
        let queues = QUEUES
            .iter()
            .map(|(name, purpose)| standard_queue(name, purpose, limits))
            .collect::<Result<Vec<_>, _>>()?;
        let stored = code::hash(&secret);
        self.store().write_blocking(move |tx| {
            for queue in &queues {
                tx.put_queue(queue)?;
            }
            for group in Group::standard() {
                tx.put_group(&group)?;
            }
            tx.put_site(&Site { domain: "localhost".into(), display_name: "IMG".into() })?;
            tx.put_setting(FIRST_CODE, Some(&stored))?;
            tx.put_user(&user)
        })?;
        Ok(Some(secret))
    }

    /// True as long as the one-time code is good for something.
    pub fn first_code_open(&self) -> bool {
        self.store().setting(FIRST_CODE).is_ok_and(|code| code.is_some())
    }
}

fn standard_queue(name: &str, purpose: &str, limits: &QueueLimits) -> Result<Queue, AppError> {
    let mut queue = Queue::standard(QueueName::new(name)?, purpose);
    queue.cap = limits.cap;
    queue.slots = limits.slots;
    queue.total_timeout = limits.total;
    queue.silence_timeout = limits.silence;
    queue.launch = name != "requests";
    Ok(queue)
}

fn first_user(password_hash: String, now: Timestamp) -> Result<User, AppError> {
    Ok(User {
        name: UserName::new(FIRST_USER)?,
        full_name: "First administrator".into(),
        mail: String::new(),
        password_hash,
        active: true,
        staff: true,
        superuser: true,
        must_set_password: true,
        groups: Vec::new(),
        verbs: Verbs::NONE,
        created: now,
        last_login: None,
        quota: UserQuota::default(),
        setup: None,
    })
}
