//! Logs of ended jobs are compressed beside everything else: one at a time, on one thread of low
//! priority that nobody waits for. Logs of jobs that just ended go first; those that an earlier
//! run left plain are looked through once after each start.

use super::App;
use crate::{
    domain::{Job, JobId},
    files::{Crew, SMALL_LOG},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What the priority of the thread is lowered by: half of what is possible.
const NICE: i32 = 10;
/// Longest the end of the service waits for the piece that is being compressed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Desk {
    /// Jobs that ended in this run.
    fresh: VecDeque<JobId>,
    /// Older ones, the newest last.
    old: Vec<JobId>,
    /// Somebody works.
    busy: bool,
}

/// What waits to be compressed.
pub(super) struct Press {
    desk: Mutex<Desk>,
    done: Condvar,
    stopping: AtomicBool,
    crew: Arc<Crew>,
}

impl Default for Press {
    fn default() -> Self {
        Self {
            desk: Mutex::default(),
            done: Condvar::new(),
            stopping: AtomicBool::new(false),
            crew: Crew::new("compress"),
        }
    }
}

impl Press {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        // No code that may panic runs under the lock.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The next job; nobody works any more when there is none.
    fn next(&self) -> Option<JobId> {
        let mut desk = self.lock();
        let next = (!self.stopping()).then(|| desk.fresh.pop_front().or_else(|| desk.old.pop()));
        let next = next.flatten();
        if next.is_none() {
            desk.busy = false;
            self.done.notify_all();
        }
        next
    }

    fn idle(&self) {
        self.lock().busy = false;
        self.done.notify_all();
    }
}

/// Were the work to panic, the next job would start it again.
struct Working<'a>(&'a Press);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.idle();
        }
    }
}

impl App {
    /// Compresses the log of a job that has ended, and whose end is on disk, when its turn comes.
    pub fn compress_log(&self, job: &Job) {
        if job.result.log_size >= SMALL_LOG {
            self.press().lock().fresh.push_back(job.id);
            self.keep_compressing(|_| {});
        }
    }

    /// Compresses what an earlier run left plain. Call it when it is known how jobs of that run
    /// ended.
    pub fn compress_old_logs(&self) {
        self.keep_compressing(|app| match app.data().job_ids() {
            Ok((ids, _)) => app.press().lock().old = ids,
            Err(error) => tracing::warn!(%error, "older logs stay as they are"),
        });
    }

    /// Ends compressing: what is half done is given up, and what waits is found at the next start.
    pub fn stop_compressing(&self) {
        let press = self.press();
        press.stopping.store(true, Ordering::Relaxed);
        let desk = press.lock();
        // If it takes too long, nothing is lost: it may be ended at any point.
        let _ = press.done.wait_timeout_while(desk, PATIENCE, |desk| desk.busy);
    }

    /// Sees to it that somebody works; begins with `first` if nobody does yet.
    fn keep_compressing(&self, first: impl FnOnce(&Self) + Send + 'static) {
        let press = self.press();
        if press.stopping() || std::mem::replace(&mut press.lock().busy, true) {
            return;
        }
        // Held weakly between two jobs: this work keeps nothing open that everybody else let go.
        let app = self.weak();
        let work = move || {
            // Where it cannot be lowered, the work is done all the same.
            let _ = rustix::process::setpriority_process(None, NICE);
            if let Some(app) = app() {
                let _working = Working(app.press());
                first(&app);
            }
            while app().is_some_and(|app| app.compress_next()) {}
        };
        if let Err(error) = press.crew.carry_out(work) {
            press.idle();
            tracing::warn!(%error, "no thread can be had: logs stay as they are for now");
        }
    }

    /// False when there was nothing to do.
    fn compress_next(&self) -> bool {
        let press = self.press();
        let _working = Working(press);
        let Some(id) = press.next() else { return false };
        if !self.has_ended(id) {
            return true;
        }
        match self.data().compress_log(id, &|| !press.stopping()) {
            Ok(None) => {}
            Ok(Some((before, after))) => {
                tracing::debug!(job.id = id.get(), before, after, "log compressed");
            }
            Err(error) => tracing::warn!(job.id = id.get(), %error, "a log stays as it is"),
        }
        true
    }

    /// To the log of a job that has not ended somebody may still append; of one without a record
    /// nothing is known.
    fn has_ended(&self, id: JobId) -> bool {
        let job = self.store().job(id).ok().flatten();
        job.is_some_and(|job| job.state.kind().is_final())
    }
}
