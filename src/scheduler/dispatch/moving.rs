//! A waiting job goes to another queue. Its state stays what it is.

use super::{Dispatcher, Note, saving::persist};
use crate::{
    app::{AppError, Peer},
    domain::{Job, JobId, Queue, QueueName, StateKind, UserName},
    store::{AuditRecord, StoreError, Tx},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::oneshot;

/// What is asked for.
pub(super) struct Move {
    pub(super) job: JobId,
    pub(super) queue: QueueName,
    pub(super) by: UserName,
    pub(super) peer: Peer,
}

impl Dispatcher {
    pub(super) fn move_job(&mut self, asked: Move, done: oneshot::Sender<Result<(), AppError>>) {
        match self.moved(&asked) {
            Ok(Some((was, job))) => {
                self.app.board().move_to(&was, &job);
                self.waiting.insert(job.id, job.clone());
                self.save_move(asked, &was, job, done);
            }
            // It is there already.
            Ok(None) => drop(done.send(Ok(()))),
            Err(refused) => drop(done.send(Err(refused))),
        }
    }

    /// The queue it waits in and the job as it will be; `None` when that is the same.
    fn moved(&self, asked: &Move) -> Result<Option<(QueueName, Job)>, AppError> {
        let id = asked.job;
        let Some(job) = self.waiting.get(&id) else { return Err(self.not_waiting(id)) };
        if job.queue == asked.queue {
            return Ok(None);
        }
        if self.moving.contains(&id) {
            return Err(AppError::Refused(format!(
                "job {id} is being moved at this moment: look where it is now"
            )));
        }
        let queues = self.app.store().queues()?;
        let Some(queue) = queues.iter().find(|queue| queue.name == asked.queue) else {
            let known: Vec<_> = queues.iter().map(|queue| queue.name.as_str()).collect();
            let (queue, known) = (&asked.queue, known.join(", "));
            return Err(AppError::Refused(format!("there is no queue {queue}: choose {known}")));
        };
        self.takes(queue, job)?;
        Ok(Some((job.queue.clone(), Job { queue: queue.name.clone(), ..job.clone() })))
    }

    fn takes(&self, queue: &Queue, job: &Job) -> Result<(), AppError> {
        let (name, id) = (&queue.name, job.id);
        if !queue.runners.is_empty() && !queue.runners.contains(&job.runner) {
            let known: Vec<_> = queue.runners.iter().map(|runner| runner.as_str()).collect();
            return Err(AppError::Refused(format!(
                "queue {name} does not build with the runner {} of job {id}: it takes {}",
                job.runner,
                known.join(", ")
            )));
        }
        if self.app.board().waiting(name) >= queue.cap as usize {
            return Err(AppError::Refused(format!(
                "queue {name} is full ({} jobs wait): move job {id} when some have started",
                queue.cap
            )));
        }
        Ok(())
    }

    fn not_waiting(&self, id: JobId) -> AppError {
        let state = self.app.store().job(id).ok().flatten().map(|job| job.state.kind());
        let hint = "only a job that waits can be moved".to_owned();
        AppError::Conflict { job: id, state: state.unwrap_or(StateKind::Building), hint }
    }

    fn save_move(
        &mut self,
        asked: Move,
        was: &QueueName,
        job: Job,
        done: oneshot::Sender<Result<(), AppError>>,
    ) {
        let id = job.id;
        self.moving.insert(id);
        let audit = AuditRecord {
            at: (self.clock)(),
            actor: asked.by.to_string(),
            peer: asked.peer.shown(),
            action: "job.move".to_owned(),
            object: format!("job {id}"),
            detail: format!("{was} → {}", job.queue),
            request: asked.peer.request,
        };
        let gone = Arc::new(AtomicBool::new(false));
        let (was, queue, found) = (was.clone(), job.queue.clone(), Arc::clone(&gone));
        let saved = persist(self.app.clone(), id, move |tx| {
            let there = write(tx, &job, &audit)?;
            found.store(!there, Ordering::Relaxed);
            Ok(())
        });
        let notes = self.notes.0.clone();
        tokio::spawn(async move {
            saved.await;
            if gone.load(Ordering::Relaxed) {
                let _ = notes.send(Note::Unmoved(id, was));
                let message = format!("queue {queue} was deleted just now: choose another one");
                let _ = done.send(Err(AppError::Refused(message)));
                return;
            }
            let _ = done.send(Ok(()));
            let _ = notes.send(Note::Moved(id));
        });
    }

    /// What waits goes back; what builds already does not care.
    pub(super) fn unmoved(&mut self, id: JobId, back: QueueName) {
        self.moving.remove(&id);
        if let Some(job) = self.waiting.get_mut(&id) {
            let there = std::mem::replace(&mut job.queue, back);
            self.app.board().move_to(&there, job);
        }
    }
}

/// Nothing but the queue changes: what else was written meanwhile stays. A job that has begun
/// meanwhile has its new queue in its record. False, and nothing is written, if that is gone.
fn write(tx: &mut Tx<'_>, job: &Job, audit: &AuditRecord) -> Result<bool, StoreError> {
    if tx.queue(&job.queue)?.is_none() {
        return Ok(false);
    }
    match tx.job(job.id)? {
        Some(old) if old.state.kind() == StateKind::Queued => {
            tx.put_job(&Job { queue: job.queue.clone(), ..old })?;
        }
        Some(_) => {}
        None => tx.put_job(job)?,
    }
    tx.append_audit(audit)?;
    Ok(true)
}
