//! Watching one tool run: its output, its end, stop messages and time limits, in one `poll` loop.

use super::{
    cgroup::{Group, Met},
    evidence::{Complaints, Kills, Memory},
    pipeline::Pipeline,
    process::{End, Tool},
    protocol::{Event, Limits, StopReason},
    stop::Stop,
};
use crate::files::Dir;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionread,
    process::Signal,
};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// How soon a reader that is behind is tried again.
const BEHIND: Duration = Duration::from_millis(5);
/// How often the observer is fed while output keeps coming.
const FEED: Duration = Duration::from_millis(50);
/// How often the build directory is measured,
const MEASURE: Duration = Duration::from_secs(5);
/// and where it has a limit, unless that takes more than a tenth of a processor.
const MEASURE_LIMITED: Duration = Duration::from_millis(500);
const SHARE: u32 = 10;
/// Entries that are measured at most,
const MEASURED: usize = 50_000;
/// and where it has a limit.
const MEASURED_LIMITED: usize = 5_000_000;
/// How long the sandbox may take to have the tool running, when it is to be ended already.
const BEGIN: Duration = Duration::from_secs(1);
/// How long output may still come from strays after the tool itself has ended.
const DRAIN: Duration = Duration::from_millis(300);
/// How long a killed tool may take to go.
const KILLED: Duration = Duration::from_secs(15);
/// How long steps that tidy up may take once the build has ended otherwise.
const TIDY: Duration = Duration::from_secs(30);

/// Why a build is ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody asked.
    Stopped(StopReason),
    /// It took too long.
    Total,
    /// It printed nothing for too long.
    Silent,
    /// Its directory holds more bytes than it may.
    Scratch(u64),
    /// Its log cannot be written; the reason.
    Log { reason: String, full: bool },
}

/// SIGINT → grace → SIGTERM → grace → kill.
struct Ladder {
    /// Rungs already taken.
    rung: usize,
    /// When the first was tried.
    asked: Instant,
    next: Instant,
}

/// What lasts over all steps of a job.
pub(super) struct Watch<'a> {
    pub(super) pipeline: &'a mut Pipeline,
    pub(super) stop: &'a mut Stop,
    pub(super) limits: &'a Limits,
    pub(super) begun: Instant,
    pub(super) root: &'a Dir,
    /// Why the build is being ended, once it is.
    pub(super) why: Option<Why>,
    pub(super) peak: u64,
    /// Bytes in the directory, and how long counting them took.
    pub(super) measuring: Option<JoinHandle<(u64, Duration)>>,
    pub(super) measured: Instant,
    /// How long after that it is measured again.
    pub(super) pause: Duration,
    /// Bytes in the directory when it was measured last.
    pub(super) disk: u64,
    pub(super) group: Option<&'a Group>,
    pub(super) buffer: Vec<u8>,
    /// What the kernel had counted when the step began, on the box
    pub(super) kills: Kills,
    /// and in the job's group.
    pub(super) met: Met,
    pub(super) complaints: Complaints,
    /// The program of the newest step.
    pub(super) program: Option<String>,
}

/// One tool while it runs.
struct Run {
    tool: Tool,
    output: Option<File>,
    /// When something was last printed.
    heard: Instant,
    started: Instant,
    ladder: Option<Ladder>,
    ended: Option<Instant>,
    /// Bytes that had been printed when it ended and are not read yet.
    owed: u64,
    /// Only a step that tidies up after the build was ended.
    tidying: bool,
}

#[derive(Default)]
struct Ready {
    output: bool,
    control: bool,
    ended: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        pipeline: &'a mut Pipeline,
        stop: &'a mut Stop,
        limits: &'a Limits,
        root: &'a Dir,
        group: Option<&'a Group>,
    ) -> Self {
        let begun = Instant::now();
        Self {
            pipeline,
            stop,
            limits,
            begun,
            root,
            why: None,
            peak: 0,
            measuring: None,
            measured: begun,
            pause: if limits.bounds.scratch > 0 { MEASURE_LIMITED } else { MEASURE },
            disk: 0,
            group,
            buffer: vec![0; CHUNK],
            kills: Kills::now(),
            met: Met::default(),
            complaints: Complaints::default(),
            program: None,
        }
    }

    /// Looks whether the build is to end; for use between steps.
    pub(super) fn check(&mut self) -> bool {
        if self.why.is_none() {
            self.why = self.reason(Instant::now(), Instant::now());
        }
        self.why.is_some()
    }

    fn reason(&mut self, now: Instant, heard: Instant) -> Option<Why> {
        if let Some(reason) = self.stop.check() {
            return Some(Why::Stopped(reason));
        }
        if self.pipeline.outbox.is_closed() {
            // Nobody will ever take the result.
            return Some(Why::Stopped(StopReason::Interrupted));
        }
        if let Some(e) = &self.pipeline.broken {
            return Some(Why::Log { reason: e.to_string(), full: e.is_full() });
        }
        if now.duration_since(self.begun) >= self.limits.total {
            return Some(Why::Total);
        }
        if (1..self.disk).contains(&self.limits.bounds.scratch) {
            return Some(Why::Scratch(self.disk));
        }
        (now.duration_since(heard) >= self.limits.silence).then_some(Why::Silent)
    }

    /// From here on another step is what fails.
    pub(super) fn begin_step(&mut self) {
        self.kills = Kills::now();
        self.met = self.group.and_then(Group::met).unwrap_or_default();
    }

    /// What the job's group has met in this step; `None` where that is not counted.
    fn met(&self) -> Option<Met> {
        self.group.and_then(Group::met).map(|met| met.since(self.met))
    }

    /// True where the kernel counts for this build alone.
    pub(super) fn is_counted(&self) -> bool {
        self.met().is_some()
    }

    /// Whether a process of this step was killed for want of memory.
    pub(super) fn memory(&self) -> Memory {
        match self.met() {
            Some(met) if met.over_memory > 0 && met.killed > 0 => Memory::OverLimit,
            Some(met) if met.killed > 0 => Memory::Ran,
            Some(_) => Memory::Held,
            None => self.kills.until(Kills::now()),
        }
    }

    /// Whether it was refused a process because it had as many as it may.
    pub(super) fn met_tasks(&self) -> bool {
        self.met().is_some_and(|met| met.over_tasks > 0)
    }

    /// Watches a tool until it, and what it started, is gone.
    pub(super) fn run(&mut self, tool: Tool, output: File) -> End {
        let now = Instant::now();
        let tidying = self.why.is_some();
        let mut run = Run {
            tool,
            output: Some(output),
            heard: now,
            started: now,
            ladder: None,
            ended: None,
            owed: 0,
            tidying,
        };
        loop {
            // A second stop changes nothing, and must not ring for ever.
            self.stop.check();
            let ready = self.wait(&run);
            if ready.output {
                self.read(&mut run);
            }
            if ready.control {
                run.tool.hear();
            }
            if ready.ended && run.ended.is_none() {
                run.ended = Some(Instant::now());
                self.last_words(&mut run);
            }
            self.measure();
            if self.is_over(&mut run) {
                break;
            }
        }
        self.pipeline.end_output();
        if run.ended.is_none() {
            run.tool.abandon();
            return End::Failed("it does not end, even when killed".into());
        }
        run.tool.finish()
    }

    /// True when there is nothing more to wait for. Climbs the ladder where need be.
    fn is_over(&mut self, run: &mut Run) -> bool {
        let now = Instant::now();
        if let Some(ended) = run.ended {
            let behind = self.pipeline.outbox.is_behind();
            let late = now.duration_since(ended) >= DRAIN;
            return run.output.is_none() || (!behind && run.owed == 0 && late);
        }
        if self.why.is_none() {
            self.why = self.reason(now, run.heard);
        }
        let late = run.tidying && now.duration_since(run.started) >= TIDY;
        if (self.why.is_some() && !run.tidying) || late {
            return self.climb(run, now);
        }
        false
    }

    /// One rung further when its time has come. True when even the kill did not help.
    fn climb(&mut self, run: &mut Run, now: Instant) -> bool {
        let (rung, asked) = match &run.ladder {
            Some(ladder) if now < ladder.next => return false,
            Some(ladder) => (ladder.rung, ladder.asked),
            None => {
                let why = self.why.as_ref().map_or("it takes too long", Why::words);
                self.pipeline.remark(&format!("the build is ended: {why}"));
                (0, now)
            }
        };
        if rung == 0 && !run.tool.is_running() && now.duration_since(asked) < BEGIN {
            run.ladder = Some(Ladder { rung, asked, next: now + BEHIND });
            return false;
        }
        let [first, second] = self.limits.grace;
        let wait = match rung {
            0 if self.signal(run, Signal::INT, "SIGINT", first) => first,
            1 if self.signal(run, Signal::TERM, "SIGTERM", second) => second,
            0..=2 => {
                self.pipeline.remark("killed, with everything it started");
                run.tool.kill();
                if let Some(group) = self.group {
                    group.kill();
                }
                run.ladder = Some(Ladder { rung: 3, asked, next: now + KILLED });
                return false;
            }
            _ => return true,
        };
        run.ladder = Some(Ladder { rung: rung + 1, asked, next: now + wait });
        false
    }

    fn signal(&mut self, run: &Run, signal: Signal, name: &str, grace: Duration) -> bool {
        let heard = run.tool.signal(signal);
        if heard {
            let seconds = grace.as_secs_f32();
            self.pipeline.remark(&format!(
                "{name} sent to the tool and what it started; it has {seconds} s to tidy up"
            ));
        }
        heard
    }

    fn wait(&mut self, run: &Run) -> Ready {
        self.pipeline.outbox.flush();
        let mut timeout = self.timeout(run);
        // Whatever waits for the observer waits only while more output keeps coming.
        if self.pipeline.waiting_lines().is_some() {
            let ready =
                poll_once(self.stop, run, !self.pipeline.outbox.is_behind(), Duration::ZERO);
            let due = self
                .pipeline
                .waiting_lines()
                .is_some_and(|fed| fed.is_none_or(|fed| fed.elapsed() >= FEED));
            if ready.output && !due {
                return ready;
            }
            if due {
                self.pipeline.feed();
                return ready;
            }
            timeout = timeout.min(FEED);
        }
        poll_once(self.stop, run, !self.pipeline.outbox.is_behind(), timeout)
    }

    /// Until the next thing that has its time.
    fn timeout(&self, run: &Run) -> Duration {
        let now = Instant::now();
        let left = |since: Instant, span: Duration| {
            span.saturating_sub(now.saturating_duration_since(since))
        };
        let mut timeout = left(self.measured, self.pause);
        if self.pipeline.outbox.is_waiting() {
            timeout = timeout.min(BEHIND);
        }
        if let Some(ended) = run.ended {
            return timeout.min(left(ended, DRAIN)).max(Duration::from_millis(1));
        }
        if let Some(ladder) = &run.ladder {
            return timeout.min(ladder.next.saturating_duration_since(now));
        }
        if run.tidying {
            return timeout.min(left(run.started, TIDY));
        }
        timeout.min(left(self.begun, self.limits.total)).min(left(run.heard, self.limits.silence))
    }

    fn read(&mut self, run: &mut Run) {
        let Some(output) = &mut run.output else { return };
        match output.read(&mut self.buffer) {
            Ok(0) => run.output = None,
            Ok(read) => {
                run.heard = Instant::now();
                run.owed = run.owed.saturating_sub(read as u64);
                let piece = self.buffer.get(..read).unwrap_or_default();
                self.complaints.look(piece, self.root);
                self.pipeline.output(piece);
            }
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => run.output = None,
        }
    }

    /// What the pipe still holds when the tool has ended: all of it is read, however long this box
    /// takes for it.
    fn last_words(&mut self, run: &mut Run) {
        run.tool.hear();
        run.owed = run.output.as_ref().and_then(|pipe| ioctl_fionread(pipe).ok()).unwrap_or(0);
        if !self.pipeline.outbox.is_behind() {
            self.read(run);
        }
    }

    /// Measures the build directory now and then, on a thread of its own.
    fn measure(&mut self) {
        if self.measured.elapsed() < self.pause {
            return;
        }
        self.measured = Instant::now();
        let limited = self.limits.bounds.scratch > 0;
        if let Some(done) = self.measuring.take_if(|thread| thread.is_finished()) {
            let (disk, took) = done.join().unwrap_or_default();
            (self.disk, self.peak) = (disk, self.peak.max(disk));
            if limited {
                self.pause = MEASURE_LIMITED.max(took * SHARE);
            }
            let used = self.group.map(Group::used).unwrap_or_default();
            self.pipeline.outbox.put(Event::Usage { disk, used });
        }
        if self.measuring.is_none()
            && let Ok(root) = self.root.open_dir(".")
        {
            let most = if limited { MEASURED_LIMITED } else { MEASURED };
            let count = move || {
                let begun = Instant::now();
                (root.usage(most).0, begun.elapsed())
            };
            self.measuring = std::thread::Builder::new().name("measure".into()).spawn(count).ok();
        }
    }
}

impl Why {
    /// In a remark.
    fn words(&self) -> &str {
        match self {
            Self::Stopped(StopReason::Cancelled) => "somebody cancelled it",
            Self::Stopped(StopReason::Interrupted) => "the service stops",
            Self::Total => "it has taken as long as it may",
            Self::Silent => "it has printed nothing for too long",
            Self::Scratch(_) => "its directory holds more than it may",
            Self::Log { reason, .. } => reason,
        }
    }
}

fn poll_once(stop: &Stop, run: &Run, hear_output: bool, timeout: Duration) -> Ready {
    let stop = stop.fd();
    let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
    let output = run.output.as_ref().filter(|_| hear_output).map(|output| {
        fds.push(PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN));
        fds.len() - 1
    });
    let control = run.tool.control().map(|control| {
        fds.push(PollFd::from_borrowed_fd(control, PollFlags::IN));
        fds.len() - 1
    });
    let ended = run.ended.is_none().then(|| {
        fds.push(PollFd::from_borrowed_fd(run.tool.ended(), PollFlags::IN));
        fds.len() - 1
    });
    let timeout = Timespec::try_from(timeout).ok();
    // An interrupted wait is one in which nothing happened.
    if poll(&mut fds, timeout.as_ref()).is_err() {
        return Ready::default();
    }
    let ready = |at: Option<usize>| {
        at.and_then(|at| fds.get(at)).is_some_and(|fd| !fd.revents().is_empty())
    };
    Ready { output: ready(output), control: ready(control), ended: ready(ended) }
}
