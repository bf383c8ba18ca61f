//! One action on many jobs: each with the same rules, audit lines and reasons as alone.

use super::{App, AppError, Peer, marks::Mark};
use crate::domain::{Actor, JobId, QueueName, Tag, Timestamp, Verb};
use futures_util::{StreamExt as _, stream};
use std::sync::{Arc, OnceLock};

/// Jobs marked in one transaction.
const GROUP: usize = 500;
/// Wishes on their way at once.
const IN_FLIGHT: usize = 32;
/// Jobs that are named of those left as they were.
const NAMED: usize = 50;

/// What is done to jobs. Deleting their files is [`App::start_deletion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkAction {
    /// Stop them.
    Cancel,
    /// Hand their requests in again.
    Retry,
    /// Pin their files.
    Pin,
    /// Let the rules have their files again.
    Unpin,
    /// Put a tag on them.
    Tag(Tag),
    /// Take a tag off them.
    Untag(Tag),
    /// Let them wait in another queue.
    Move(QueueName),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkDone {
    /// For how many jobs it is done, or was so already.
    pub done: u64,
    /// The first 50 jobs that stay as they were, and why.
    pub skipped: Vec<(JobId, String)>,
    /// How many more stay as they were.
    pub more_skipped: u64,
}

impl BulkDone {
    fn note(&mut self, id: JobId, outcome: Result<(), AppError>) {
        match outcome {
            Ok(()) => self.done += 1,
            Err(error) if self.skipped.len() < NAMED => self.skipped.push((id, error.to_string())),
            Err(_) => self.more_skipped += 1,
        }
    }
}

impl BulkAction {
    /// The permissions of which one is needed at least; with the first alone, one's own jobs are
    /// all that can be reached, where there is a second.
    pub fn verbs(&self) -> &'static [Verb] {
        match self {
            Self::Cancel => &[Verb::CancelOwn, Verb::CancelAny],
            Self::Retry => &[Verb::Submit],
            Self::Pin | Self::Unpin => &[Verb::Pin],
            Self::Tag(_) | Self::Untag(_) => &[Verb::KeepOwn, Verb::ChangeJobs],
            Self::Move(_) => &[Verb::ChangeJobs],
        }
    }

    /// True if there may be jobs on which this person may do it.
    pub fn may(&self, actor: &Actor) -> bool {
        self.verbs().iter().any(|verb| actor.verbs.has(*verb))
    }

    /// Its word in forms and addresses.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Tag(_) => "tag",
            Self::Untag(_) => "untag",
            Self::Move(_) => "move",
        }
    }

    /// What people read.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Cancel => "Cancel selected image jobs",
            Self::Retry => "Retry selected image jobs",
            Self::Pin => "Pin selected image jobs",
            Self::Unpin => "Unpin selected image jobs",
            Self::Tag(_) => "Tag selected image jobs",
            Self::Untag(_) => "Take a tag off selected image jobs",
            Self::Move(_) => "Move selected image jobs to another queue",
        }
    }

    fn mark(&self) -> Option<Mark> {
        match self {
            Self::Pin => Some(Mark::Pin),
            Self::Unpin => Some(Mark::Unpin),
            Self::Tag(tag) => Some(Mark::Tag(tag.clone())),
            Self::Untag(tag) => Some(Mark::Untag(tag.clone())),
            Self::Cancel | Self::Retry | Self::Move(_) => None,
        }
    }
}

/// Who does what, from where and when.
#[derive(Clone)]
struct Task {
    app: App,
    actor: Actor,
    action: BulkAction,
    peer: Peer,
    now: Timestamp,
    /// Why no more jobs are taken; said once.
    full: Arc<OnceLock<String>>,
}

impl App {
    /// Does one thing to many jobs, the oldest first. It goes on to its end even if nobody waits
    /// for it any more.
    ///
    /// # Errors
    /// Denied when there can be no job on which this person may do it. What fails for one job is
    /// told in the answer.
    pub async fn bulk(
        &self,
        actor: &Actor,
        action: &BulkAction,
        ids: Vec<JobId>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<BulkDone, AppError> {
        if let Some(least) = action.verbs().first().filter(|_| !action.may(actor)) {
            actor.allow(*least)?;
        }
        let (actor, action, peer) = (actor.clone(), action.clone(), peer.clone());
        let task = Task { app: self.clone(), actor, action, peer, now, full: Arc::default() };
        let ids = super::batch::in_order(ids);
        let done = tokio::spawn(async move {
            match task.action.mark() {
                Some(mark) => task.mark_all(&mark, &ids).await,
                None => task.wish_all(ids).await,
            }
        });
        done.await.map_err(|e| AppError::internal("not all jobs were looked at: try again", e))?
    }
}

impl Task {
    async fn mark_all(self, mark: &Mark, ids: &[JobId]) -> Result<BulkDone, AppError> {
        let mut all = BulkDone::default();
        for group in ids.chunks(GROUP) {
            let marked = self.app.mark_all(&self.actor, group, mark, &self.peer, self.now);
            for (id, outcome) in marked.await? {
                all.note(id, outcome);
            }
        }
        Ok(all)
    }

    async fn wish_all(self, ids: Vec<JobId>) -> Result<BulkDone, AppError> {
        let wishes = stream::iter(ids).map(|id| {
            let task = self.clone();
            async move { (id, task.wish(id).await) }
        });
        let mut wishes = wishes.buffered(IN_FLIGHT);
        let mut all = BulkDone::default();
        while let Some((id, outcome)) = wishes.next().await {
            all.note(id, outcome);
        }
        Ok(all)
    }

    async fn wish(self, id: JobId) -> Result<(), AppError> {
        match &self.action {
            BulkAction::Cancel => self.app.cancel(&self.actor, id, &self.peer).await,
            BulkAction::Move(queue) => {
                self.app.move_job(&self.actor, id, queue, &self.peer, self.now).await
            }
            BulkAction::Retry => self.retry(id).await,
            // These are marks.
            BulkAction::Pin | BulkAction::Unpin | BulkAction::Tag(_) | BulkAction::Untag(_) => {
                Ok(())
            }
        }
    }

    /// Once there is no room for one, the others need not be tried.
    async fn retry(&self, id: JobId) -> Result<(), AppError> {
        if let Some(why) = self.full.get() {
            return Err(AppError::Refused(why.clone()));
        }
        match self.app.retry(&self.actor, id, &self.peer, self.now).await {
            Err(AppError::Busy { message, retry_after }) => {
                let _ = self.full.set(message.clone());
                Err(AppError::Busy { message, retry_after })
            }
            other => other.map(drop),
        }
    }
}
