//! What happens on one queue page: `row` for every job on it that changed, at most four times a
//! second; `gone` for one that no longer fits its filter; `reload` when more changed than rows
//! are worth, or when the browser was away.

use super::{
    pulse::{Beat, Pulse, Source},
    sse,
};
use crate::{
    app::{App, AppError, Change, Cursor, JobFilter},
    domain::{Actor, Job, JobId},
    web::pages::{self, QueueQuery},
};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

/// Sent first: how long to wait before connecting again, and the mark by which a browser that
/// does is known.
const OPENING: Bytes = Bytes::from_static(b"retry: 1000\nid: again\n\n");
/// Between two rows of one job.
const ROW_PAUSE: Duration = Duration::from_millis(250);
/// After a `reload`: the whole page is dearer than a row.
const RELOAD_PAUSE: Duration = Duration::from_secs(2);
/// More jobs than that at once are answered with one `reload`.
const BURST: usize = 50;

/// What changed since it was last told.
#[derive(Debug, Default)]
struct Changed {
    jobs: BTreeSet<JobId>,
    reload: bool,
}

impl Changed {
    fn add(&mut self, change: Change) {
        match change {
            Change::Queues => self.all(),
            Change::Job(_) if self.reload => {}
            Change::Job(id) => {
                self.jobs.insert(id);
                if self.jobs.len() > BURST {
                    self.all();
                }
            }
        }
    }

    fn all(&mut self) {
        self.reload = true;
        self.jobs.clear();
    }

    fn is_empty(&self) -> bool {
        !self.reload && self.jobs.is_empty()
    }
}

/// The jobs on a page.
#[derive(Debug)]
struct Shown {
    jobs: BTreeSet<JobId>,
    size: usize,
    /// New jobs come onto the first page only.
    first: bool,
}

impl Shown {
    /// Whether a job that fits the filter belongs on the page; a new one pushes the oldest off.
    fn takes(&mut self, id: JobId) -> bool {
        if self.jobs.contains(&id) {
            return true;
        }
        let newer = self.first && self.jobs.last().is_none_or(|newest| id > *newest);
        if newer {
            self.jobs.insert(id);
            if self.jobs.len() > self.size {
                self.jobs.pop_first();
            }
        }
        newer
    }
}

/// The events of one queue page.
pub struct QueueEvents {
    app: App,
    actor: Actor,
    csrf: String,
    filter: JobFilter,
    shown: Shown,
    changes: broadcast::Receiver<Change>,
    pulse: Pulse,
    changed: Changed,
    ready: VecDeque<Bytes>,
    /// Before that nothing is told.
    next: Instant,
}

impl QueueEvents {
    /// The events of the page `query` for `actor`, whose rows' forms hold `csrf`. `again`: the
    /// browser was connected before and may have missed something.
    ///
    /// # Errors
    /// When the page cannot be had.
    pub fn new(
        app: App,
        (actor, csrf): (Actor, String),
        query: QueueQuery,
        changes: broadcast::Receiver<Change>,
        pulse: Pulse,
        again: bool,
    ) -> Result<Self, AppError> {
        let page = app.queue_page(&actor, &query.filter, query.at, query.size, pulse.now())?;
        let shown = Shown {
            jobs: page.rows.iter().map(|row| row.job.id).collect(),
            size: query.size,
            first: query.at == Cursor::Newest,
        };
        Ok(Self {
            app,
            actor,
            csrf,
            filter: query.filter,
            shown,
            changes,
            pulse,
            changed: Changed { reload: again, ..Changed::default() },
            ready: VecDeque::from([OPENING]),
            next: Instant::now(),
        })
    }

    fn gather(&mut self) {
        let Changed { jobs, reload } = std::mem::take(&mut self.changed);
        let pause = if reload { RELOAD_PAUSE } else { ROW_PAUSE };
        self.next = Instant::now() + pause;
        if reload {
            self.ready.push_back(sse::event("reload", None, ""));
            return;
        }
        for id in jobs {
            let event = self.row(id);
            self.ready.extend(event);
        }
    }

    fn row(&mut self, id: JobId) -> Option<Bytes> {
        let now = self.pulse.now();
        match self.app.job(&self.actor, id, now) {
            Ok(view) if fits(&self.filter, &view.job) => self.shown.takes(id).then(|| {
                let row = pages::queue_row(&view, now, &self.csrf);
                sse::event("row", None, &row.0)
            }),
            Ok(_) | Err(AppError::NotFound(_)) => {
                self.shown.jobs.remove(&id).then(|| sse::event("gone", None, &id.to_string()))
            }
            Err(_) => None,
        }
    }
}

impl Source for QueueEvents {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.pulse.spoke();
                return Some(event);
            }
            let due = Some(self.next).filter(|_| !self.changed.is_empty());
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) => self.changed.add(change),
                    Err(RecvError::Lagged(_)) => self.changed.all(),
                    Err(RecvError::Closed) => return None,
                },
                beat = self.pulse.wait(due) => match beat {
                    Beat::Due => self.gather(),
                    Beat::Quiet(comment) => self.ready.push_back(comment),
                    Beat::End => return None,
                },
            }
        }
    }
}

/// Whether the page would show the job; as the store's search does.
fn fits(filter: &JobFilter, job: &Job) -> bool {
    fn is<T: PartialEq>(wanted: Option<&T>, given: &T) -> bool {
        wanted.is_none_or(|wanted| wanted == given)
    }
    let text = filter.text.as_ref().is_none_or(|text| {
        let name = job.name.as_str().to_lowercase();
        name.contains(&text.to_lowercase()) || job.id.to_string() == *text
    });
    text && is(filter.state.as_ref(), &job.state.kind())
        && is(filter.queue.as_ref(), &job.queue)
        && is(filter.owner.as_ref(), &job.owner)
        && is(filter.image_type.as_ref(), &job.image_type)
        && is(filter.arch.as_ref(), &job.arch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Arch, ImageTypeId, JobName, JobState, QueueName, RunnerId, StateKind, Timestamp, UserName,
        job,
    };

    fn job() -> Job {
        Job {
            id: JobId::new(42).unwrap(),
            name: JobName::new("Handset-Image").unwrap(),
            owner: UserName::new("ann").unwrap(),
            queue: QueueName::new("web").unwrap(),
            runner: RunnerId::new("mic").unwrap(),
            runner_version: String::new(),
            runner_sha256: String::new(),
            image_type: ImageTypeId::new("raw").unwrap(),
            arch: Arch::new("i586").unwrap(),
            priority: 0,
            launched: false,
            submitted: Timestamp::default(),
            retry_of: None,
            request: job::Request::default(),
            state: JobState::Queued,
            result: job::BuildResult::default(),
        }
    }

    #[test]
    fn a_page_gets_the_rows_it_would_show() {
        let text = |text: &str| JobFilter { text: Some(text.into()), ..JobFilter::default() };
        assert!(fits(&JobFilter::default(), &job()));
        assert!(fits(&text("handset"), &job()) && fits(&text("42"), &job()));
        assert!(!fits(&text("4"), &job()) && !fits(&text("tablet"), &job()));
        let state = |state| JobFilter { state: Some(state), ..JobFilter::default() };
        assert!(fits(&state(StateKind::Queued), &job()));
        assert!(!fits(&state(StateKind::Done), &job()));
        let owner = |name| JobFilter { owner: UserName::new(name).ok(), ..JobFilter::default() };
        assert!(fits(&owner("ann"), &job()) && !fits(&owner("bo"), &job()));
    }

    #[test]
    fn a_row_comes_only_onto_its_own_page() {
        let id = |number| JobId::new(number).unwrap();
        let page = |first| Shown { jobs: BTreeSet::from([id(5), id(7)]), size: 2, first };
        let mut newest = page(true);
        assert!(newest.takes(id(5)) && newest.takes(id(7)));
        assert!(!newest.takes(id(6)) && !newest.takes(id(1)));
        assert!(newest.takes(id(8)));
        assert!(!newest.takes(id(5)), "pushed off by the new one");
        let mut older = page(false);
        assert!(older.takes(id(5)) && !older.takes(id(8)));
    }

    #[test]
    fn a_burst_becomes_one_reload() {
        let mut changed = Changed::default();
        for number in 1..=BURST as u64 {
            changed.add(Change::Job(JobId::new(number).unwrap()));
            changed.add(Change::Job(JobId::new(number).unwrap()));
        }
        assert!(!changed.reload && changed.jobs.len() == BURST);
        changed.add(Change::Job(JobId::new(9_999).unwrap()));
        assert!(changed.reload && changed.jobs.is_empty());
        changed.add(Change::Job(JobId::new(1).unwrap()));
        assert!(changed.jobs.is_empty());
    }
}
