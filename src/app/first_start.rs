//! What a fresh appliance has: the three queues and four groups of the first IMG, a site, and the
//! user `imager`, who can do nothing before a password of their own is set.

use super::{App, AppError, FIRST_CODE, FIRST_USER, people::FIRST_PASSWORD};
use crate::{
    accounts::{self, code},
    domain::{Group, Queue, QueueName, Site, Timestamp, User, UserName, UserQuota, Verb, Verbs},
    store::AuditRecord,
};
use std::time::Duration;

/// The queues of the first IMG and what each is for.
const QUEUES: [(&str, &str); 3] = [
    ("web", "Jobs handed in on the pages."),
    ("api", "Jobs handed in by scripts and the command line."),
    ("requests", "Requests that are recorded and wait until an operator launches them."),
];

/// Setting that says which permissions the groups know; absent before there were any for each kind
/// of thing.
const RIGHTS: &str = "rights.known";
const RIGHTS_NOW: &str = "2";

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
            tx.put_setting(RIGHTS, Some(RIGHTS_NOW))?;
            tx.put_user(&user)
        })?;
        Ok(Some(secret))
    }

    /// Gives what is new to those who had everything of its kind in a store (or a backup) from
    /// before there were permissions for each kind of thing; then, whoever saw the box's health
    /// could enter the Admin tab.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn widen_rights(&self, now: Timestamp) -> Result<(), AppError> {
        if self.store().setting(RIGHTS)?.is_some() {
            return Ok(());
        }
        let line = AuditRecord {
            at: now,
            actor: "system".into(),
            peer: String::new(),
            action: "store.upgrade".into(),
            object: "groups and users".into(),
            detail: "groups that had everything got the new permissions; who could enter the Admin tab is staff".into(),
            request: String::new(),
        };
        self.store().write_blocking(move |tx| {
            let mut groups = tx.groups()?;
            for group in &mut groups {
                if widened(group) {
                    tx.put_group(group)?;
                }
            }
            for mut user in tx.users()? {
                let entered = user.actor(&groups).verbs.has(Verb::ViewHealth);
                if entered && !user.staff {
                    user.staff = true;
                    tx.put_user(&user)?;
                }
            }
            tx.put_setting(RIGHTS, Some(RIGHTS_NOW))?;
            tx.append_audit(&line)
        })?;
        Ok(())
    }

    /// True as long as the one-time code is good for something.
    pub fn first_code_open(&self) -> bool {
        self.store().setting(FIRST_CODE).is_ok_and(|code| code.is_some())
    }
}

/// Adds to a standard group what it has today, if it still had all it had then.
fn widened(group: &mut Group) -> bool {
    let standard = Group::standard().into_iter().find(|s| s.name == group.name);
    let Some(standard) = standard else { return false };
    let then: Verbs = standard.verbs.iter().filter(|verb| *verb <= Verb::Backup).collect();
    let whole = then.without(group.verbs).is_empty();
    if whole {
        group.verbs = group.verbs.union(standard.verbs);
    }
    whole
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupName;

    #[test]
    fn a_group_that_had_all_of_its_kind_gets_what_is_new_and_another_does_not() {
        let named = |name: &str, verbs: Verbs| Group { name: GroupName::new(name).unwrap(), verbs };
        let old: Verbs = Verb::ALL.iter().copied().filter(|v| *v <= Verb::Backup).collect();
        let mut whole = named("Administrators", old);
        assert!(widened(&mut whole));
        assert_eq!(whole.verbs, Verbs::all());
        let less: Verbs = old.iter().filter(|v| *v != Verb::Pin).collect();
        let mut cut = named("Administrators", less);
        assert!(!widened(&mut cut));
        assert_eq!(cut.verbs, less);
        assert!(!widened(&mut named("Our own", Verbs::all())));
    }
}
