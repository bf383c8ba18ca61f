//! Threads for work that waits: builds, and files on their way to disk. One that is done waits a
//! while for more: for a short job, starting and ending threads was a good part of the work.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Desk {
    work: VecDeque<Work>,
    /// Threads that wait.
    idle: usize,
}

/// The threads. Work never waits for other work: there are as many as there is work at once.
pub struct Crew {
    name: &'static str,
    desk: Mutex<Desk>,
    called: Condvar,
}

impl Crew {
    /// A crew without anybody in it yet; its threads will have this name.
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, desk: Mutex::default(), called: Condvar::new() })
    }

    /// Carries out `work` on a thread of its own. It has to catch its own panics.
    ///
    /// # Errors
    /// When no thread can be had; then `work` is gone.
    pub fn carry_out(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut desk = self.lock();
        if desk.idle > desk.work.len() {
            desk.work.push_back(Box::new(work));
            self.called.notify_one();
            return Ok(());
        }
        drop(desk);
        let crew = Arc::clone(self);
        let member = move || {
            work();
            while let Some(work) = crew.next() {
                work();
            }
        };
        thread::Builder::new().name(self.name.into()).spawn(member).map(drop)
    }

    fn next(&self) -> Option<Work> {
        let mut desk = self.lock();
        desk.idle += 1;
        let waited = self.called.wait_timeout_while(desk, IDLE, |desk| desk.work.is_empty());
        desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        desk.idle -= 1;
        desk.work.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        // No code that may panic runs under the lock.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_is_used_again_and_work_never_waits_for_other_work() {
        let crew = Crew::new("crew");
        let (say, said) = channel();
        let mut hold = Vec::new();
        for _ in 0..3 {
            let (release, released) = channel::<()>();
            let say = say.clone();
            hold.push(release);
            crew.carry_out(move || {
                say.send(thread::current().id()).unwrap();
                let _ = released.recv();
            })
            .unwrap();
        }
        let mut first: Vec<_> = (0..3).map(|_| said.recv().unwrap()).collect();
        hold.clear();
        while crew.lock().idle < 3 {
            thread::yield_now();
        }
        crew.carry_out(move || say.send(thread::current().id()).unwrap()).unwrap();
        let again = said.recv().unwrap();
        assert!(first.contains(&again));
        first.dedup();
        assert_eq!(first.len(), 3);
    }
}
