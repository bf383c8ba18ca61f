//! The builder inside the server's own process: [`protocol`](super::protocol) messages over
//! channels instead of a socket.
//!
//! Each build has a thread of its own, which sleeps in `poll`: nothing of it runs on the async
//! threads, and it needs no runtime.

use super::{
    job::Task,
    leftovers::{self, Candidates},
    outbox::Outbox,
    planner::{self, Source},
    protocol::{Event, Finished, Order, Outcome, StopReason},
    sandbox::{self, Confinement, Reach},
    stop::Stop,
    workspace,
};
use crate::{
    domain::Cause,
    files::{Crew, DataDir, Freed},
    plugin::Catalog,
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, OnceLock},
};
use tokio::sync::mpsc;

/// Events on their way at once; with pieces of the log this is at most a few megabytes.
const EVENTS: usize = 32;

/// How builds run on this box.
#[derive(Clone, Debug)]
pub struct BuilderConfig {
    /// `namespaces` (default when allowed) or `off`.
    pub sandbox: bool,
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
    /// Found out at the first build.
    reach: Arc<OnceLock<Reach>>,
    crew: Arc<Crew>,
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
            crew: Crew::new("build"),
        }
    }

    /// What confines the steps of builds on this box, for people. Found out by trying, once.
    pub fn sandbox(&self) -> String {
        self.reach().sentence(&[])
    }

    fn reach(&self) -> &Reach {
        self.reach.get_or_init(|| {
            if self.config.sandbox {
                sandbox::probe(&self.config.own_exe)
            } else {
                Reach { best: Confinement::Off, why: Some("switched off".into()) }
            }
        })
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

    fn run(&self, order: Order, events: mpsc::Sender<Event>, stopped: mpsc::Receiver<StopReason>) {
        let job = order.job;
        let last = Outbox::new(events.clone());
        let outbox = Outbox::new(events);
        let work = || -> io::Result<(Outbox, Finished)> {
            let stop = Stop::new(stopped)?;
            let task = Task {
                data: Arc::clone(&self.data),
                source: Arc::clone(&self.source),
                config: Arc::clone(&self.config),
                reach: self.reach().clone(),
                order,
            };
            Ok(task.run(outbox, stop))
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok((outbox, finished))) => outbox.finish(finished),
            Ok(Err(e)) => last.finish(lost(&format!("cannot wait for messages: {e}"))),
            Err(_) => {
                tracing::error!(job.id = job.get(), "the builder panicked");
                last.finish(self.after_panic(&job.dir_name()));
            }
        }
    }

    /// A mistake of ours: the job fails, and what it left is freed all the same.
    fn after_panic(&self, name: &str) -> Finished {
        let mut freed = Freed::default();
        let path = self.data.root().join("build").join(name);
        leftovers::end_processes(&path, &Candidates::All, &mut freed);
        workspace::clear(&self.data, name, &mut freed);
        Finished { residual: freed.residual, ..lost("the builder failed inside; see the journal") }
    }

    /// Frees what builds of a process that died left behind: processes, mounts, loop devices and
    /// directories below the build directory, and what is in the trash. Returns one sentence per
    /// thing found.
    pub fn sweep(&self) -> Vec<String> {
        let mut found = self.sweep_builds();
        found.extend(sweep_trash(&self.data));
        found
    }

    /// As [`sweep`](Self::sweep), for a builder whose server looks after the trash.
    pub fn sweep_builds(&self) -> Vec<String> {
        let mut freed = Freed::default();
        let build = self.data.root().join("build");
        leftovers::end_processes(&build, &Candidates::All, &mut freed);
        match self.data.build().names(usize::MAX) {
            Ok(names) => {
                for name in names {
                    let name = name.to_string_lossy();
                    freed.found.push(format!("build/{name} was left by a build that died"));
                    workspace::clear(&self.data, &name, &mut freed);
                }
            }
            Err(e) => freed.residual.push(e.to_string()),
        }
        freed.found.extend(freed.residual.iter().map(|what| format!("not freed: {what}")));
        freed.found
    }
}

/// Empties the trash. Returns a sentence if there was something, and one for what could not go.
pub fn sweep_trash(data: &DataDir) -> Vec<String> {
    let trash = data.empty_trash();
    let mut found = Vec::new();
    if trash.entries > 0 {
        found.push(format!("trash/ still held {} entries", trash.entries));
    }
    found.extend(trash.errors.iter().map(|what| format!("not freed: {what}")));
    found
}

/// The end of a build that never really began.
pub(super) fn lost(message: &str) -> Finished {
    Finished::plain(Outcome::failed(Cause::Box, message))
}
