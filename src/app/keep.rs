//! What people do about retention of one job: pin it, keep it longer, delete it.

use super::{App, AppError, Chore, Peer, Retained};
use crate::{
    domain::{
        Actor, Job, JobId, Timestamp, Verb,
        retention::{Class, Policy, Trigger, expiry},
    },
    store::{AuditRecord, ShelfRecord, StoreError},
};
use std::time::Duration;

/// How exactly the moment of a download is kept.
const DOWNLOAD_STEP: Duration = Duration::from_secs(60);

impl App {
    /// What becomes of a job's files, for its page and the API.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn retained(&self, actor: &Actor, job: &Job) -> Result<Retained, AppError> {
        let shelf = self.store().shelf(job.id)?;
        let policy = &self.settings().retention;
        let until = self.item(job.id).and_then(|item| {
            let class = if item.artifacts > 0 { item.artifact_class() } else { Class::Logs };
            expiry(&item, class, policy)
        });
        let ended = job.state.kind().is_final();
        let own = job.owner == actor.user;
        let any =
            |mine: Verb, others: Verb| (own && actor.verbs.has(mine)) || actor.verbs.has(others);
        Ok(Retained {
            until: until.filter(|_| shelf.logs_gone.is_none()),
            may_pin: actor.verbs.has(Verb::Pin) && shelf.logs_gone.is_none(),
            may_keep: ended && shelf.artifacts_gone.is_none() && any(Verb::KeepOwn, Verb::Pin),
            may_delete: ended && any(Verb::DeleteOwn, Verb::DeleteAny),
            longest: policy.longest_extension,
            shelf,
        })
    }

    /// Until when an image of `queue` would be kept if its job ended at `now`; `None`: for ever.
    pub fn kept_until(
        &self,
        queue: &crate::domain::QueueName,
        now: Timestamp,
    ) -> Option<Timestamp> {
        match self.settings().retention.lifetime(Class::Images, queue).0 {
            crate::domain::retention::Lifetime::Forever => None,
            crate::domain::retention::Lifetime::For(span) => Some(now.plus(span)),
        }
    }

    /// Pins a job's files, or lets go of them.
    ///
    /// # Errors
    /// `NotFound`, denied, `Gone` when they are gone or going.
    pub async fn pin(
        &self,
        actor: &Actor,
        id: JobId,
        pinned: bool,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        actor.allow(Verb::Pin)?;
        let by = actor.user.clone();
        let (action, detail) = if pinned { ("job.pin", "") } else { ("job.unpin", "") };
        self.mark(actor, id, peer, now, (action, detail.to_owned()), move |shelf| {
            shelf.pinned = pinned.then(|| (by.clone(), now));
        })
        .await
    }

    /// Keeps a job's files until `until`, which must lie between now and the limit of the box.
    ///
    /// # Errors
    /// `NotFound`, denied, `Invalid` when the moment is out of reach, `Gone`.
    pub async fn keep_longer(
        &self,
        actor: &Actor,
        id: JobId,
        until: Timestamp,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let job = self.known(actor, id)?;
        if job.owner == actor.user {
            actor.allow(Verb::KeepOwn).or_else(|_| actor.allow(Verb::Pin))?;
        } else {
            actor.allow(Verb::Pin)?;
        }
        let policy: &Policy = &self.settings().retention;
        let longest = now.plus(policy.longest_extension);
        if until <= now || until > longest {
            let days = policy.longest_extension.as_secs() / 86_400;
            let message = format!(
                "that day cannot be chosen: give one from tomorrow to {days} days from now"
            );
            return Err(AppError::Invalid(vec![super::Problem::new("until", message)]));
        }
        let detail = format!("until {}", until.as_millis());
        self.mark(actor, id, peer, now, ("job.keep", detail), move |shelf| {
            shelf.keep_until = Some(until);
        })
        .await
    }

    async fn mark(
        &self,
        actor: &Actor,
        id: JobId,
        peer: &Peer,
        now: Timestamp,
        (action, detail): (&str, String),
        change: impl Fn(&mut ShelfRecord) + Send + 'static,
    ) -> Result<(), AppError> {
        self.known(actor, id)?;
        // As long as it is held no deletion begins; one that goes on already wins.
        let Some(claim) = self.claims().input(id) else { return Err(AppError::gone(id)) };
        let audit = AuditRecord {
            at: now,
            actor: actor.user.to_string(),
            peer: peer.shown(),
            action: action.to_owned(),
            object: format!("job {id}"),
            detail,
        };
        let shelf = self
            .store()
            .write(move |tx| {
                let mut shelf = tx.shelf(id)?;
                if shelf.logs_gone.is_some() {
                    return Err(StoreError::Missing { kind: "file of job", name: id.to_string() });
                }
                change(&mut shelf);
                tx.put_shelf(&shelf)?;
                tx.append_audit(&audit)?;
                Ok(shelf)
            })
            .await
            .map_err(|error| match error {
                StoreError::Missing { .. } => AppError::gone(id),
                other => other.into(),
            })?;
        self.inventory().mark(&shelf);
        drop(claim);
        self.board().announce(super::Change::Job(id));
        Ok(())
    }

    /// Notes that a file of a job was taken. Never fails a download.
    pub fn note_download(&self, id: JobId, now: Timestamp) {
        let recent = |at: Timestamp| now.since(at) < DOWNLOAD_STEP;
        let Some(item) = self.item(id).filter(|item| !item.downloaded.is_some_and(recent)) else {
            return;
        };
        let app = self.clone();
        tokio::spawn(async move {
            let written = app.store().write(move |tx| {
                let mut shelf = tx.shelf(item.id)?;
                shelf.downloaded = Some(now);
                tx.put_shelf(&shelf)?;
                Ok(shelf)
            });
            match written.await {
                Ok(shelf) => app.inventory().mark(&shelf),
                Err(error) => tracing::warn!(%error, "a download could not be noted"),
            }
        });
    }

    /// Asks for a cleanup now.
    ///
    /// # Errors
    /// Denied.
    pub fn start_chore(&self, actor: &Actor, chore: Chore) -> Result<(), AppError> {
        actor.allow(Verb::RunCleanup)?;
        self.send_errand(chore, Trigger::Person(actor.user.to_string()));
        Ok(())
    }
}
