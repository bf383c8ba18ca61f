//! What happens to one job: its log line by line, its head when something else changed, and the
//! end.

use super::{
    log_events::LogEvents,
    pulse::{Beat, Pulse, Source},
    sse,
};
use crate::{
    app::{App, Change},
    domain::{Actor, JobId},
    web::pages,
};
use bytes::Bytes;
use std::time::Duration;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

/// At most four heads a second.
const HEAD_PAUSE: Duration = Duration::from_millis(250);

enum Stage {
    Opening,
    Log,
    End,
    Over,
}

/// The events of one job.
pub struct JobEvents {
    app: App,
    actor: Actor,
    id: JobId,
    log: LogEvents,
    changes: broadcast::Receiver<Change>,
    pulse: Pulse,
    stage: Stage,
    /// When the head goes out next, if it changed.
    head_due: Option<Instant>,
    /// Before that it must not.
    next_head: Instant,
}

impl JobEvents {
    /// The events of job `id` for `actor`.
    pub fn new(
        app: App,
        actor: Actor,
        id: JobId,
        log: LogEvents,
        changes: broadcast::Receiver<Change>,
        pulse: Pulse,
    ) -> Self {
        let now = Instant::now();
        Self {
            app,
            actor,
            id,
            log,
            changes,
            pulse,
            stage: Stage::Opening,
            // The page is older than this connection.
            head_due: Some(now),
            next_head: now,
        }
    }

    async fn live(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                event = self.log.next() => match event {
                    Ok(Some(event)) => return Some(event),
                    Ok(None) => {
                        self.stage = Stage::End;
                        return self.head().or_else(|| self.end());
                    }
                    Err(error) => {
                        tracing::warn!(job.id = %self.id, %error, "a log cannot be read");
                        return None;
                    }
                },
                change = self.changes.recv() => match change {
                    Ok(Change::Job(id)) if id != self.id => {}
                    // Whoever lost messages may have lost one about this job.
                    Ok(Change::Job(_) | Change::Queues) | Err(RecvError::Lagged(_)) => {
                        self.head_due = self.head_due.or(Some(self.next_head));
                    }
                    Err(RecvError::Closed) => return None,
                },
                beat = self.pulse.wait(self.head_due) => match beat {
                    Beat::Due => {
                        (self.head_due, self.next_head) = (None, Instant::now() + HEAD_PAUSE);
                        if let Some(head) = self.head() {
                            return Some(head);
                        }
                    }
                    Beat::Quiet(comment) => return Some(comment),
                    Beat::End => return None,
                },
            }
        }
    }

    fn head(&self) -> Option<Bytes> {
        let now = self.pulse.now();
        let view = self.app.job(&self.actor, self.id, now).ok()?;
        Some(sse::event("head", None, &pages::job_head(&view, now).0))
    }

    fn end(&mut self) -> Option<Bytes> {
        self.stage = Stage::Over;
        Some(sse::event("end", None, ""))
    }
}

impl Source for JobEvents {
    async fn next(&mut self) -> Option<Bytes> {
        let event = match self.stage {
            Stage::Opening => {
                self.stage = Stage::Log;
                Some(sse::RETRY)
            }
            Stage::Log => self.live().await,
            Stage::End => self.end(),
            Stage::Over => None,
        };
        self.pulse.spoke();
        event
    }
}
