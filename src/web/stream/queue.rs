//! What happens on the queue page: a row for every job that changed and still fits the page's
//! filter, at most four times a second; and `reload` when more changed than rows are worth.

use super::{
    pulse::{Beat, Pulse, Source},
    sse,
};
use crate::{
    app::{App, AppError, Change, JobFilter},
    domain::{Actor, Job, JobId},
    web::pages,
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

/// The events of one queue page.
pub struct QueueEvents {
    app: App,
    actor: Actor,
    csrf: String,
    filter: JobFilter,
    changes: broadcast::Receiver<Change>,
    pulse: Pulse,
    changed: Changed,
    ready: VecDeque<Bytes>,
    /// Before that nothing is told.
    next: Instant,
}

impl QueueEvents {
    /// The events of the jobs that fit `filter`, for `actor`; `csrf` goes into the rows' forms.
    pub fn new(
        app: App,
        actor: Actor,
        csrf: String,
        filter: JobFilter,
        changes: broadcast::Receiver<Change>,
        pulse: Pulse,
    ) -> Self {
        Self {
            app,
            actor,
            csrf,
            filter,
            changes,
            pulse,
            changed: Changed::default(),
            ready: VecDeque::from([sse::RETRY]),
            next: Instant::now(),
        }
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

    fn row(&self, id: JobId) -> Option<Bytes> {
        let now = self.pulse.now();
        match self.app.job(&self.actor, id, now) {
            Ok(view) if fits(&self.filter, &view.job) => {
                let row = pages::queue_row(&view, now, &self.csrf);
                Some(sse::event("row", None, &row.0))
            }
            // Only the state of a job ever changes: it may have been on the page until now.
            Ok(view) if self.filter.state.is_some_and(|s| s != view.job.state.kind()) => {
                Some(sse::event("gone", None, &id.to_string()))
            }
            Err(AppError::NotFound(_)) => Some(sse::event("gone", None, &id.to_string())),
            Ok(_) | Err(_) => None,
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
