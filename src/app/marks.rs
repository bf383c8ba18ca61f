//! Marks of people on jobs: pinned, kept longer, tagged. One job or many, the rules are the same.

use super::{App, AppError, Change, Claim, Peer};
use crate::{
    domain::{Actor, Job, JobId, Tag, Timestamp, UserName, Verb},
    store::{AuditRecord, ShelfRecord, StoreError, Tx},
};

/// Tags one job may have.
const TAGS: usize = 16;
/// More jobs than that are told as one change.
const TOLD: usize = 50;

/// What is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Pin,
    Unpin,
    KeepUntil(Timestamp),
    Tag(Tag),
    Untag(Tag),
}

/// How it went, job by job.
pub(super) type Marked = Vec<(JobId, Result<(), AppError>)>;

/// Who marks, from where and when.
#[derive(Clone)]
struct Hand {
    by: UserName,
    peer: Peer,
    now: Timestamp,
}

/// Why a job keeps its marks as they are.
enum Left {
    Gone,
    Refused(String),
}

impl Mark {
    fn action(&self) -> &'static str {
        match self {
            Self::Pin => "job.pin",
            Self::Unpin => "job.unpin",
            Self::KeepUntil(_) => "job.keep",
            Self::Tag(_) => "job.tag",
            Self::Untag(_) => "job.untag",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Pin | Self::Unpin => String::new(),
            Self::KeepUntil(until) => format!("until {}", until.as_millis()),
            Self::Tag(tag) | Self::Untag(tag) => tag.to_string(),
        }
    }

    /// True if it says something about files, and nothing where there are none.
    fn is_of_files(&self) -> bool {
        match self {
            Self::Pin | Self::Unpin | Self::KeepUntil(_) => true,
            Self::Tag(_) | Self::Untag(_) => false,
        }
    }

    fn may(&self, actor: &Actor, job: &Job) -> Result<(), AppError> {
        let own = job.owner == actor.user && actor.verbs.has(Verb::KeepOwn);
        match self {
            Self::Pin | Self::Unpin => actor.allow(Verb::Pin)?,
            Self::KeepUntil(_) if !own => actor.allow(Verb::Pin)?,
            Self::Tag(_) | Self::Untag(_) if !own => actor.allow(Verb::ChangeJobs)?,
            Self::KeepUntil(_) | Self::Tag(_) | Self::Untag(_) => return Ok(()),
        };
        Ok(())
    }

    /// Puts the mark on; says whether anything is different now.
    fn put(&self, shelf: &mut ShelfRecord, by: &UserName, now: Timestamp) -> Result<bool, Left> {
        match self {
            Self::Pin => shelf.pinned = Some((by.clone(), now)),
            Self::Unpin => shelf.pinned = None,
            Self::KeepUntil(until) => shelf.keep_until = Some(*until),
            Self::Tag(tag) => {
                let Err(place) = shelf.tags.binary_search(tag) else { return Ok(false) };
                if shelf.tags.len() >= TAGS {
                    let job = shelf.job;
                    return Err(Left::Refused(format!(
                        "job {job} has {TAGS} tags already: take one away first"
                    )));
                }
                shelf.tags.insert(place, tag.clone());
            }
            Self::Untag(tag) => {
                let Ok(place) = shelf.tags.binary_search(tag) else { return Ok(false) };
                shelf.tags.remove(place);
            }
        }
        Ok(true)
    }

    /// The mark and its audit line, for one job.
    fn write(
        &self,
        tx: &mut Tx<'_>,
        id: JobId,
        hand: &Hand,
    ) -> Result<Result<Option<ShelfRecord>, Left>, StoreError> {
        let mut shelf = tx.shelf(id)?;
        if self.is_of_files() && shelf.logs_gone.is_some() {
            return Ok(Err(Left::Gone));
        }
        match self.put(&mut shelf, &hand.by, hand.now) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(None)),
            Err(left) => return Ok(Err(left)),
        }
        tx.put_shelf(&shelf)?;
        tx.append_audit(&AuditRecord {
            at: hand.now,
            actor: hand.by.to_string(),
            peer: hand.peer.shown(),
            action: self.action().to_owned(),
            object: format!("job {id}"),
            detail: self.detail(),
            request: hand.peer.request.clone(),
        })?;
        Ok(Ok(Some(shelf)))
    }
}

impl App {
    /// Tags a job, or takes a tag away. What is so already is success.
    ///
    /// # Errors
    /// `NotFound`, denied, `Refused` when the job has all the tags it may have.
    pub async fn tag(
        &self,
        actor: &Actor,
        id: JobId,
        tag: &Tag,
        on: bool,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let mark = if on { Mark::Tag(tag.clone()) } else { Mark::Untag(tag.clone()) };
        self.mark(actor, id, &mark, peer, now).await
    }

    /// Puts a mark on one job.
    pub(super) async fn mark(
        &self,
        actor: &Actor,
        id: JobId,
        mark: &Mark,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let marked = self.mark_all(actor, &[id], mark, peer, now).await?;
        marked.into_iter().try_for_each(|(_, outcome)| outcome)
    }

    /// Puts a mark on jobs, in one transaction; on disk when this returns.
    pub(super) async fn mark_all(
        &self,
        actor: &Actor,
        ids: &[JobId],
        mark: &Mark,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<Marked, AppError> {
        let (mut claims, mut free, mut all) = (Vec::new(), Vec::new(), Marked::new());
        for id in ids {
            match self.claim_for(actor, *id, mark) {
                Ok(claim) => {
                    claims.extend(claim);
                    free.push(*id);
                }
                Err(error) => all.push((*id, Err(error))),
            }
        }
        let hand = Hand { by: actor.user.clone(), peer: peer.clone(), now };
        let mark = mark.clone();
        let write = move |tx: &mut Tx<'_>| {
            let one = |id| mark.write(tx, id, &hand).map(|outcome| (id, outcome));
            free.into_iter().map(one).collect::<Result<Vec<_>, StoreError>>()
        };
        let written = self.store().write(write).await?;
        let changed: Vec<_> =
            written.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()?.as_ref()).collect();
        self.tell_marked(&changed);
        drop(claims);
        all.extend(written.into_iter().map(|(id, outcome)| (id, said(id, outcome))));
        Ok(all)
    }

    /// As long as it is held no deletion begins; one that goes on already wins.
    fn claim_for(&self, actor: &Actor, id: JobId, mark: &Mark) -> Result<Option<Claim>, AppError> {
        if matches!(mark, Mark::Pin | Mark::Unpin) {
            actor.allow(Verb::Pin)?;
        }
        mark.may(actor, &self.known(actor, id)?)?;
        if !mark.is_of_files() {
            return Ok(None);
        }
        self.claims().input(id).map(Some).ok_or_else(|| AppError::gone(id))
    }

    fn tell_marked(&self, changed: &[&ShelfRecord]) {
        for shelf in changed {
            self.inventory().mark(shelf);
        }
        if changed.len() > TOLD {
            return self.board().announce(Change::Queues);
        }
        for shelf in changed {
            self.board().announce(Change::Job(shelf.job));
        }
    }
}

fn said(id: JobId, outcome: Result<Option<ShelfRecord>, Left>) -> Result<(), AppError> {
    match outcome {
        Ok(_) => Ok(()),
        Err(Left::Gone) => Err(AppError::gone(id)),
        Err(Left::Refused(why)) => Err(AppError::Refused(why)),
    }
}
