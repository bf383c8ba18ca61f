//! What people do about retention of one job: pin it, keep it longer, delete it.

use super::{App, AppError, Chore, JobView, Peer, Retained, marks::Mark};
use crate::domain::{
    Actor, Job, JobId, Timestamp, Verb,
    retention::{Class, Trigger, expiry},
};
use std::time::Duration;

/// Keeping one's own files longer takes less than keeping another's.
fn may_keep(actor: &Actor, job: &Job) -> Result<(), AppError> {
    if job.owner == actor.user && actor.verbs.has(Verb::KeepOwn) {
        return Ok(());
    }
    actor.allow(Verb::Pin).map(drop).map_err(AppError::from)
}

/// Deleting one's own files takes less than deleting another's.
pub(super) fn may_delete(actor: &Actor, job: &Job) -> Result<(), AppError> {
    may_delete_of(actor, job.owner.as_str())
}

/// As [`may_delete`], where nothing but the owner's name is at hand.
pub(super) fn may_delete_of(actor: &Actor, owner: &str) -> Result<(), AppError> {
    if owner == actor.user.as_str() && actor.verbs.has(Verb::DeleteOwn) {
        return Ok(());
    }
    actor.allow(Verb::DeleteAny).map(drop).map_err(AppError::from)
}

fn ended(view: &JobView, hint: &str) -> Result<(), AppError> {
    let state = view.job.state.kind();
    if state.is_final() {
        return Ok(());
    }
    Err(AppError::Conflict { job: view.job.id, state, hint: hint.to_owned() })
}

/// How exactly the moment of a download is kept.
const DOWNLOAD_STEP: Duration = Duration::from_secs(60);

impl App {
    /// What becomes of a job's files, for its page and the API.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn retained(&self, actor: &Actor, job: &Job) -> Result<Retained, AppError> {
        let shelf = self.store().shelf(job.id)?;
        let live = self.live();
        let policy = &live.retention;
        let item = self.item(job.id).filter(|item| item.logs > 0);
        let class = item.as_ref().map(|item| match item.artifacts {
            0 => Class::Logs,
            _ => item.artifact_class(),
        });
        let until = item.zip(class).and_then(|(item, class)| expiry(&item, class, policy));
        let ended = job.state.kind().is_final();
        let own = job.owner == actor.user;
        let any =
            |mine: Verb, others: Verb| (own && actor.verbs.has(mine)) || actor.verbs.has(others);
        Ok(Retained {
            class,
            until,
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
        match self.live().retention.lifetime(Class::Images, queue).0 {
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
        let mark = if pinned { Mark::Pin } else { Mark::Unpin };
        self.mark(actor, id, &mark, peer, now).await
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
        may_keep(actor, &job)?;
        let reach = self.live().retention.longest_extension;
        let longest = now.plus(reach);
        if until <= now || until > longest {
            let days = reach.as_secs() / 86_400;
            let message = format!(
                "that day cannot be chosen: give one from tomorrow to {days} days from now"
            );
            return Err(AppError::Invalid(vec![super::Problem::new("until", message)]));
        }
        self.mark(actor, id, &Mark::KeepUntil(until), peer, now).await
    }

    /// The job, if the asking person can keep its files longer now.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` while it waits or builds, `Gone`.
    pub fn job_to_keep(
        &self,
        actor: &Actor,
        id: JobId,
        now: Timestamp,
    ) -> Result<JobView, AppError> {
        let view = self.job(actor, id, now)?;
        may_keep(actor, &view.job)?;
        if view.kept.files_gone().is_some() {
            return Err(AppError::gone(id));
        }
        let hint = "its files count from its end, keep them longer then";
        ended(&view, hint).map(|()| view)
    }

    /// The job, if the asking person can delete its files now.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` while it waits or builds, `Refused` when it is pinned,
    /// `Gone`.
    pub fn job_to_delete(
        &self,
        actor: &Actor,
        id: JobId,
        now: Timestamp,
    ) -> Result<JobView, AppError> {
        let view = self.job(actor, id, now)?;
        may_delete(actor, &view.job)?;
        if view.kept.shelf.logs_gone.is_some() {
            return Err(AppError::gone(id));
        }
        if let Some((by, _)) = &view.kept.shelf.pinned {
            return Err(AppError::kept(id, &format!("{by} pinned them: unpin the job first")));
        }
        ended(&view, "cancel it first").map(|()| view)
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
