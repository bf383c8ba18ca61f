//! Starting a tool, with or without the shim between, and signalling it.

use super::{
    cgroup::Group,
    sandbox::{Confinement, IDS, Inner, Outer, Unfit},
    shim,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
    process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open},
};
use std::{
    fs::File,
    io::{self, Read, Write as _},
    os::unix::process::ExitStatusExt,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

/// Bytes the pipe from the tool may hold: fewer wake-ups for a tool that prints much.
const PIPE: usize = 1 << 20;
/// How long trying out a sandbox may take, in seconds.
const TRY_SECONDS: i64 = 10;

/// How a tool ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It never ran, or was lost; why.
    Failed(String),
}

/// A tool that runs.
pub(super) struct Tool {
    child: Child,
    /// Readable when the child (the shim, if there is one) has ended.
    ended: OwnedFd,
    control: Option<UnixStream>,
    heard: Vec<u8>,
    group: Option<Pid>,
    running: bool,
    confined: bool,
    killed: bool,
    report: Option<End>,
    /// The first of the ids a rootless tool gets, until it has them.
    ids: Option<u32>,
    /// It has asked for them.
    asks_ids: bool,
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

impl Tool {
    /// Starts it in a control group, if there is one. The file gives what it prints, without
    /// blocking.
    pub(super) fn start(
        own_exe: &Path,
        outer: &Outer,
        inner: &Inner,
        group: Option<&Group>,
    ) -> io::Result<(Self, File)> {
        if outer.confinement == Confinement::Off {
            let (reader, writer) = output()?;
            return Ok((Self::plain(inner, writer)?, reader));
        }
        Ready::make(own_exe, group)?.start(outer, inner)
    }

    /// No `pre_exec`: so that the standard library can use `posix_spawn`.
    #[expect(clippy::disallowed_methods, reason = "this is where a plan's program is started")]
    fn plain(inner: &Inner, output: OwnedFd) -> io::Result<Self> {
        let child = Command::new(&inner.program)
            .args(&inner.arguments)
            .env_clear()
            .envs(inner.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&inner.directory)
            .stdin(Stdio::null())
            .stderr(Stdio::from(output.try_clone()?))
            .stdout(Stdio::from(output))
            .process_group(0)
            .spawn()?;
        let group = pid_of(&child);
        Self::over(child, None, group)
    }

    /// The sandbox's helper, which waits to be briefed.
    #[expect(clippy::disallowed_methods, reason = "this is where the sandbox is started")]
    fn idle(own_exe: &Path, output: Output) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(own_exe);
        command
            .arg(shim::SHIM_ARGUMENT)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .process_group(0);
        output.apply(&mut command)?;
        let child = command.spawn()?;
        // The command holds the other ends, which must close for the end to be seen.
        drop(command);
        Self::over(child, Some(ours), None)
    }

    /// Ends it before it has become a tool.
    fn discard(mut self) {
        self.kill();
        let _ = self.child.wait();
    }

    fn brief(&mut self, outer: &Outer, inner: &Inner) -> io::Result<()> {
        self.ids = (outer.confinement == Confinement::Rootless).then_some(outer.ids);
        let Some(control) = &self.control else { return Ok(()) };
        // A shim that does not read must not hold up this thread.
        control.set_write_timeout(Some(std::time::Duration::from_secs(10)))?;
        shim::send(control, outer)?;
        shim::send(control, inner)?;
        control.set_nonblocking(true)
    }

    fn over(mut child: Child, control: Option<UnixStream>, group: Option<Pid>) -> io::Result<Self> {
        let Some(pid) = pid_of(&child) else { return Err(io::Error::other("no process number")) };
        let ended = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(e.into());
            }
        };
        let confined = control.is_some();
        Ok(Self {
            child,
            ended,
            control,
            heard: Vec::new(),
            group,
            running: !confined,
            confined,
            killed: false,
            report: None,
            ids: None,
            asks_ids: false,
        })
    }

    /// Makes the surroundings of a confinement without running anything in them.
    pub(super) fn try_out(own_exe: &Path, confinement: Confinement, ids: u32) -> Result<(), Unfit> {
        let outer = Outer { confinement, network: false, ids };
        let inner = Inner {
            confinement,
            program: Default::default(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: Default::default(),
            hostname: "img".into(),
            inputs: Vec::new(),
            tmp: None,
            own_memory: false,
            hide: Vec::new(),
            mask: None,
        };
        let mut tool = Self::idle(own_exe, Output::Null)
            .map_err(|e| Unfit::Unknown(format!("cannot start {}: {e}", own_exe.display())))?;
        if let Err(e) = tool.brief(&outer, &inner) {
            tool.discard();
            return Err(Unfit::Unknown(e.to_string()));
        }
        if !tool.ends_soon() {
            tool.kill();
        }
        let said = tool.report.is_some();
        match tool.finish() {
            End::Exit(0) => Ok(()),
            End::Failed(reason) if said => Err(Unfit::Refused(reason)),
            End::Failed(reason) => Err(Unfit::Unknown(reason)),
            End::Exit(_) | End::Signal(_) => {
                Err(Unfit::Unknown("the sandbox does not answer".into()))
            }
        }
    }

    /// Hears it out until it has ended. False if that takes too long.
    fn ends_soon(&mut self) -> bool {
        loop {
            let timeout = Timespec { tv_sec: TRY_SECONDS, tv_nsec: 0 };
            let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
            fds.extend(self.control.as_ref().map(|control| PollFd::new(control, PollFlags::IN)));
            if !matches!(poll(&mut fds, Some(&timeout)), Ok(1..)) {
                return false;
            }
            let ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
            self.hear();
            if ended {
                return true;
            }
        }
    }

    /// Readable when it has ended.
    pub(super) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Readable when the shim has something to say.
    pub(super) fn control(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(AsFd::as_fd)
    }

    /// Hears what the shim says.
    pub(super) fn hear(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        let mut buffer = [0; 4096];
        let open = loop {
            match control.read(&mut buffer) {
                Ok(0) => break false,
                Ok(read) => self.heard.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break e.kind() == io::ErrorKind::WouldBlock,
            }
        };
        if open {
            self.control = Some(control);
        }
        while let Some(end) = memchr::memchr(b'\n', &self.heard) {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            self.note(String::from_utf8_lossy(&line).trim_end());
        }
        if let Err(e) = self.give_ids() {
            self.report = Some(End::Failed(format!("it cannot be given its ids: {e}")));
            self.kill();
        }
    }

    fn note(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<i32>().ok();
        match word {
            // Once, and never everybody.
            "pid" if self.group.is_none() => {
                self.group = number().filter(|pid| *pid > 1).and_then(Pid::from_raw);
            }
            "user" => self.asks_ids = true,
            "started" => self.running = true,
            "exit" => self.report = number().map(End::Exit),
            "signal" => self.report = number().map(End::Signal),
            "error" => self.report = Some(End::Failed(rest.to_owned())),
            _ => {}
        }
    }

    /// Says which ids of the box a rootless tool's ids stand for, once it waits for that.
    fn give_ids(&mut self) -> io::Result<()> {
        let (true, Some(init)) = (self.asks_ids, self.group) else { return Ok(()) };
        let Some(first) = self.ids.take() else { return Ok(()) };
        let map = format!("0 {first} {IDS}\n");
        for file in ["uid_map", "gid_map"] {
            let path = format!("/proc/{}/{file}", init.as_raw_nonzero());
            File::options().write(true).open(path)?.write_all(map.as_bytes())?;
        }
        self.control.as_ref().map_or(Ok(()), |mut control| control.write_all(b"g"))
    }

    /// True once the tool itself can hear signals.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// Signals the tool's process group. False if the tool is not there to hear it yet.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        match self.group.filter(|_| self.running) {
            Some(group) => kill_process_group(group, signal).is_ok(),
            None => false,
        }
    }

    /// Ends it and what it started, without asking.
    pub(super) fn kill(&mut self) {
        self.killed = true;
        if let Some(group) = self.group {
            // In a PID namespace the leader is its init: everything in it dies with it.
            let _ = kill_process_group(group, Signal::KILL);
        }
        match (&self.control, self.group) {
            // The supervisor ends what is left when its socket closes.
            (Some(_), Some(_)) => self.control = None,
            _ => {
                self.control = None;
                if let Some(pid) = pid_of(&self.child) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }

    /// It does not go although it was killed: somebody waits for it, so that it is gone for good
    /// once it is.
    pub(super) fn abandon(mut self) {
        let wait = move || drop(self.child.wait());
        if let Err(error) = std::thread::Builder::new().name("reap".into()).spawn(wait) {
            tracing::warn!(%error, "nobody waits for a tool that does not end");
        }
    }

    /// Collects how it ended; only to be called when it has.
    pub(super) fn finish(mut self) -> End {
        self.hear();
        if !self.confined {
            // The leader is not reaped yet, so the number of its group is still its own.
            self.signal(Signal::KILL);
        }
        let status = self.child.wait();
        match (self.report.take(), status) {
            (Some(report), _) => report,
            (None, _) if self.killed => End::Signal(Signal::KILL.as_raw()),
            (None, Ok(status)) if !self.confined => of_status(status),
            (None, Ok(status)) => End::Failed(format!("the sandbox was lost: {status}")),
            (None, Err(e)) => End::Failed(format!("its end was not seen: {e}")),
        }
    }
}

/// What a tool prints to, and where that comes out, without blocking.
fn output() -> io::Result<(File, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    // A user over the pipe quota gets the ordinary size.
    let _ = fcntl_setpipe_size(&reader, PIPE);
    rustix::io::ioctl_fionbio(&reader, true)?;
    Ok((File::from(reader), writer))
}

/// The sandbox's helper that waits for its tool, where it will run. Most of what the start of a
/// confined tool takes has been done then: starting this program, and moving into a control group,
/// for which the kernel waits until every processor has noticed.
pub(super) struct Ready {
    tool: Tool,
    output: File,
}

impl Ready {
    pub(super) fn make(own_exe: &Path, group: Option<&Group>) -> io::Result<Self> {
        let (output, writer) = output()?;
        let tool = Tool::idle(own_exe, writer.into())?;
        // Before it is told anything: so whatever it starts is in there too.
        if let Err(e) = group.map_or(Ok(()), |group| group.add(tool.child.id())) {
            tool.discard();
            return Err(io::Error::other(format!("it cannot be put in its control group: {e}")));
        }
        Ok(Self { tool, output })
    }

    /// Starts the tool. The file gives what it prints, without blocking.
    pub(super) fn start(mut self, outer: &Outer, inner: &Inner) -> io::Result<(Tool, File)> {
        match self.tool.brief(outer, inner) {
            Ok(()) => Ok((self.tool, self.output)),
            Err(e) => {
                self.tool.discard();
                Err(e)
            }
        }
    }

    /// Nobody needs it.
    pub(super) fn discard(self) {
        self.tool.discard();
    }
}

fn of_status(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Failed(format!("it ended in an unknown way: {status}")),
    }
}

/// Where a confined process prints to.
enum Output {
    Pipe(OwnedFd),
    Null,
}

impl From<OwnedFd> for Output {
    fn from(fd: OwnedFd) -> Self {
        Self::Pipe(fd)
    }
}

impl Output {
    fn apply(self, command: &mut Command) -> io::Result<()> {
        match self {
            Self::Pipe(fd) => {
                command.stderr(Stdio::from(fd.try_clone()?)).stdout(Stdio::from(fd));
            }
            Self::Null => {
                command.stderr(Stdio::null()).stdout(Stdio::null());
            }
        }
        Ok(())
    }
}
