//! The builder inside the server's own process: [`protocol`](super::protocol) messages over
//! channels instead of a socket.
//!
//! Each build has a thread of its own, which sleeps in `poll`: nothing of it runs on the async
//! threads, and it needs no runtime.

use super::{
    cgroup::{Group, Groups},
    collect,
    job::Task,
    leftovers::{self, Candidates},
    outbox::Outbox,
    planner::{self, Source},
    process::Ready,
    protocol::{Event, Finished, Order, Outcome, StopReason},
    sandbox::{self, Confinement, Reach, Unfit},
    stop::Stop,
    workspace,
};
use crate::{
    domain::{Cause, JobId, Sandbox},
    files::{Crew, DataDir, Freed, NOT_FREED},
    plugin::Catalog,
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::mpsc;

/// Events on their way at once; with pieces of the log this is at most a few megabytes.
const EVENTS: usize = 32;

/// How builds run on this box.
#[derive(Clone, Debug)]
pub struct BuilderConfig {
    /// How steps are kept apart at least; an order can only make it stricter.
    pub sandbox: Sandbox,
    /// The first of the 65,536 ids of the box that rootless builds of a root builder have.
    pub rootless_ids: u32,
    /// Directories in which granted programs are looked up, in order.
    pub path: Vec<PathBuf>,
    /// This program, for starting the sandbox shim.
    pub own_exe: PathBuf,
}

/// Carries out orders.
#[derive(Clone)]
pub struct Builder {
    data: Arc<DataDir>,
    source: Source,
    config: Arc<BuilderConfig>,
    /// What the box allows of each sandbox; found out at the first build that wants it.
    reach: Arc<[OnceLock<Result<Reach, String>>; 3]>,
    /// The sandbox's helper for the next build, and its control group.
    next: Arc<Mutex<Option<Next>>>,
    groups: Arc<OnceLock<Result<Groups, String>>>,
    crew: Arc<Crew>,
}

/// What was made ready for the next build.
pub(super) struct Next {
    pub(super) ready: Ready,
    pub(super) group: Option<Group>,
}

/// One build under way. Letting go of `events` before the end interrupts the build.
pub struct Build {
    /// What happens, `Finished` last. Bounded: a reader that stops reading stops the build's output.
    pub events: mpsc::Receiver<Event>,
    pub(super) stop: mpsc::Sender<StopReason>,
}

impl Build {
    /// Starts the ladder SIGINT → grace → SIGTERM → grace → kill. More than one call is harmless.
    pub fn stop(&self, reason: StopReason) {
        // A full channel means that a stop is already under way.
        let _ = self.stop.try_send(reason);
    }

    /// A handle that can stop the build while somebody else reads the events.
    pub fn stopper(&self) -> mpsc::Sender<StopReason> {
        self.stop.clone()
    }
}

impl Builder {
    /// A builder over `data`, with the runners of `catalog`.
    pub fn new(data: Arc<DataDir>, catalog: Arc<Catalog>, config: BuilderConfig) -> Self {
        Self::with_source(data, planner::from_catalog(catalog), config)
    }

    /// A builder whose runners come from elsewhere; for tests.
    #[doc(hidden)]
    pub fn with_source(data: Arc<DataDir>, source: Source, config: BuilderConfig) -> Self {
        Self {
            data,
            source,
            config: Arc::new(config),
            reach: Arc::default(),
            next: Arc::default(),
            groups: Arc::default(),
            crew: Crew::new("build"),
        }
    }

    /// What confines the steps of builds on this box where nothing stricter is asked for, and what
    /// holds their limits, for people. Found out by trying, once.
    pub fn sandbox(&self) -> String {
        let confined = match self.reach(self.config.sandbox) {
            Ok(reach) => reach.sentence(&[]),
            Err(why) => why,
        };
        match self.groups(self.config.sandbox) {
            Ok(groups) => format!("{confined}; {}", groups.words()),
            Err(why) => format!("{confined}; no control groups: {why}"),
        }
    }

    fn reach(&self, wanted: Sandbox) -> Result<Reach, String> {
        let BuilderConfig { own_exe, rootless_ids, .. } = &*self.config;
        let probe = || sandbox::probe(own_exe, wanted, *rootless_ids);
        let [off, auto, rootless] = &*self.reach;
        let known = match wanted {
            Sandbox::Off => off,
            Sandbox::Auto => auto,
            Sandbox::Rootless => rootless,
        };
        if let Some(known) = known.get() {
            return known.clone();
        }
        let found = match probe() {
            Ok(reach) => Ok(reach),
            Err(Unfit::Refused(why)) => Err(why),
            // The next build finds out.
            Err(Unfit::Unknown(why)) => return Err(why),
        };
        known.get_or_init(|| found).clone()
    }

    /// Without the shim a tool would be in its group too late.
    fn groups(&self, wanted: Sandbox) -> Result<Groups, String> {
        if wanted == Sandbox::Off {
            return Err("switched off".into());
        }
        self.groups.get_or_init(|| Groups::find(&self.data)).clone()
    }

    /// The helper that was made ready, and its group.
    fn take_next(&self, wanted: Sandbox) -> Option<Next> {
        if wanted == Sandbox::Off {
            return None;
        }
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets go of what waits for the next build, and of the place of control groups: nothing is to
    /// be left when the process ends. Builds that come all the same do without.
    pub fn rest(&self) {
        if let Some(Next { ready, group }) = self.take_next(Sandbox::Auto) {
            ready.discard();
            drop(group);
        }
        if let Some(Ok(groups)) = self.groups.get() {
            groups.leave();
        }
    }

    /// Makes a helper ready for the next build, unless one is.
    fn make_next(&self, wanted: Sandbox) {
        let confined = self.reach(wanted).is_ok_and(|reach| reach.best != Confinement::Off);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if !confined || next.is_some() {
            return;
        }
        let made = || -> Result<Next, String> {
            let group = match self.groups(wanted) {
                Ok(groups) => Some(groups.make_next()?),
                Err(_) => None,
            };
            let ready = Ready::make(&self.config.own_exe, group.as_ref());
            Ok(Next { ready: ready.map_err(|e| e.to_string())?, group })
        };
        match made() {
            Ok(made) => *next = Some(made),
            // The next build starts a little later.
            Err(error) => tracing::debug!(error, "no sandbox is ready for the next build"),
        }
    }

    /// Begins to carry out `order`. Everything that goes wrong arrives as `Finished`.
    pub fn start(&self, order: Order) -> Build {
        let (events, receiver) = mpsc::channel(EVENTS);
        let (stop, stopped) = mpsc::channel(1);
        let (builder, sender) = (self.clone(), events.clone());
        let run = move || builder.run(order, sender, stopped);
        if let Err(e) = self.crew.carry_out(run) {
            // The channel is new, so there is room.
            let _ = events.try_send(Event::Finished(lost(&format!("cannot start a thread: {e}"))));
        }
        Build { events: receiver, stop }
    }

    fn run(
        &self,
        mut order: Order,
        events: mpsc::Sender<Event>,
        stopped: mpsc::Receiver<StopReason>,
    ) {
        let job = order.job;
        let bounds = &mut order.limits.bounds;
        bounds.sandbox = bounds.sandbox.max(self.config.sandbox);
        let wanted = bounds.sandbox;
        let last = Outbox::new(events.clone());
        let outbox = Outbox::new(events);
        let work = || -> io::Result<(Outbox, Finished)> {
            let stop = Stop::new(stopped)?;
            let task = Task {
                data: Arc::clone(&self.data),
                source: Arc::clone(&self.source),
                config: Arc::clone(&self.config),
                reach: self.reach(wanted),
                groups: self.groups(wanted),
                order,
            };
            Ok(task.run(outbox, stop, self.take_next(wanted)))
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok((outbox, finished))) => outbox.finish(finished),
            Ok(Err(e)) => last.finish(lost(&format!("cannot wait for messages: {e}"))),
            Err(_) => {
                tracing::error!(job.id = job.get(), "the builder panicked");
                last.finish(self.after_panic(job));
            }
        }
        self.make_next(wanted);
    }

    /// A mistake of ours: the job fails, and what it left is freed all the same.
    fn after_panic(&self, job: JobId) -> Finished {
        let name = job.dir_name();
        let mut freed = Freed::default();
        let path = self.data.root().join("build").join(&name);
        leftovers::end_processes(&path, &Candidates::All, &mut freed);
        workspace::clear(&self.data, &name, &mut freed);
        freed.residual.extend(collect::discard(&self.data, job));
        Finished { residual: freed.residual, ..lost("the builder failed inside; see the journal") }
    }

    /// Frees what builds of a process that died left behind: processes, mounts, loop devices and
    /// directories below the build directory, and what is in the trash. Returns one sentence per
    /// thing found.
    pub fn sweep(&self) -> Vec<String> {
        let mut found = self.sweep_builds().said;
        found.extend(sweep_trash(&self.data));
        found
    }

    /// As [`sweep`](Self::sweep), for a builder whose server looks after the trash.
    pub fn sweep_builds(&self) -> Swept {
        let mut left = Vec::new();
        let mut freed = Freed::default();
        let build = self.data.root().join("build");
        if let Ok(groups) = self.groups(Sandbox::Auto.max(self.config.sandbox)) {
            let (found, residual) = groups.sweep();
            freed.found.extend(found);
            freed.residual.extend(residual);
        }
        leftovers::end_processes(&build, &Candidates::All, &mut freed);
        match self.data.build().names(usize::MAX) {
            Ok(names) => {
                for name in names {
                    let name = name.to_string_lossy();
                    freed.found.push(format!("build/{name} was left by a build that died"));
                    let before = freed.residual.len();
                    workspace::clear(&self.data, &name, &mut freed);
                    let stays = freed.residual.get(before..).unwrap_or_default();
                    if let Some(job) = name.parse::<JobId>().ok().filter(|_| !stays.is_empty()) {
                        left.push((job, stays.to_vec()));
                    }
                }
            }
            Err(e) => freed.residual.push(e.to_string()),
        }
        freed.found.extend(freed.residual.iter().map(|what| format!("{NOT_FREED}{what}")));
        Swept { said: freed.found, left }
    }
}

/// What a start found of builds that died.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// One sentence per thing that was found, and per thing that could not be freed.
    pub said: Vec<String>,
    /// What could not be freed, by the job that left it; one sentence each, with the way out.
    pub left: Vec<(JobId, Vec<String>)>,
}

/// Empties the trash. Returns a sentence if there was something, and one for what could not go.
pub fn sweep_trash(data: &DataDir) -> Vec<String> {
    let trash = data.empty_trash();
    let mut found = Vec::new();
    if trash.entries > 0 {
        found.push(format!("trash/ still held {} entries", trash.entries));
    }
    found.extend(trash.errors.iter().map(|what| format!("{NOT_FREED}{what}")));
    found
}

/// The end of a build that never really began.
pub(super) fn lost(message: &str) -> Finished {
    Finished::plain(Outcome::failed(Cause::Box, message))
}
