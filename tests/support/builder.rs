//! A builder that is a process of its own, and one that lies.
#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::common::{PATIENCE, Service, config, img, until};
use img::{
    builder::{
        protocol::{Event, Standing},
        wire::{FromBuilder, ToBuilder},
    },
    domain::JobId,
};
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Instant,
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
};

/// A builder and where it listens. Dropping it kills it.
pub struct BuilderProcess {
    dir: TempDir,
    config: PathBuf,
    data: PathBuf,
    child: Option<Child>,
}

/// Where builders of tests listen, below a directory of their own.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::Builder::new().prefix("img-builder-").tempdir().unwrap();
    let socket = dir.path().join("b.sock");
    (dir, socket)
}

/// The tests' configuration with a builder at `socket`.
pub fn text(socket: &Path, more: &str) -> String {
    config(&format!("{more}\n[builder]\nsocket = {socket:?}\n"))
}

/// A service whose builder is a process of its own; it does not run yet.
pub fn apart(more: &str) -> (Service, BuilderProcess) {
    apart_with(more, Service::with_config)
}

fn apart_with(more: &str, start: impl FnOnce(&str) -> Service) -> (Service, BuilderProcess) {
    let (dir, socket) = place();
    let text = text(&socket, more);
    let config = dir.path().join("config.toml");
    std::fs::write(&config, &text).unwrap();
    let service = start(&text);
    let data = service.data();
    (service, BuilderProcess { dir, config, data, child: None })
}

/// As [`both`], with data where they are on a box.
pub fn both_outside_of_tmp(more: &str) -> (Service, BuilderProcess) {
    let (service, mut builder) = apart_with(more, Service::outside_of_tmp);
    builder.spawn();
    (service, builder)
}

/// A service with its builder at work.
pub fn both(more: &str) -> (Service, BuilderProcess) {
    let (service, mut builder) = apart(more);
    builder.spawn();
    (service, builder)
}

impl BuilderProcess {
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("b.sock")
    }

    pub fn command(&self) -> Command {
        let mut command = img();
        command
            .args(["builder", "--config"])
            .arg(&self.config)
            .env("IMG_DATA_DIR", &self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it (again) and waits until it listens. What it said until then.
    pub fn spawn(&mut self) -> String {
        assert!(self.child.is_none(), "it runs already");
        let mut child = self.command().spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        self.child = Some(child);
        let (tell, told) = mpsc::channel();
        let echo = std::env::var_os("IMG_TEST_LOG").is_some();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if echo {
                    eprintln!("builder: {line}");
                }
                let _ = tell.send(line);
            }
        });
        let (mut said, deadline) = (String::new(), Instant::now() + PATIENCE);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = told.recv_timeout(left) else { panic!("no builder:\n{said}") };
            said += &line;
            said += "\n";
            if line.contains("ready to build") {
                return said;
            }
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The process id of the running program.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM; `waited` waits for the end.
    pub fn terminate(&mut self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub fn waited(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(child.wait().unwrap().success(), "a graceful stop ends with 0");
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.as_mut().unwrap().try_wait(), Ok(None))
    }
}

impl Drop for BuilderProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A builder that says what a test wants.
pub struct Liar {
    _dir: TempDir,
    pub socket: PathBuf,
    listener: UnixListener,
    runtime: tokio::runtime::Runtime,
}

/// A server that is connected to a [`Liar`].
pub struct Server<'a> {
    stream: UnixStream,
    runtime: &'a tokio::runtime::Runtime,
}

impl Liar {
    pub fn new() -> Self {
        let (dir, socket) = place();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async { UnixListener::bind(&socket).unwrap() });
        Self { _dir: dir, socket, listener, runtime }
    }

    /// The next server that connects, after the greeting.
    pub fn greet(&self, standings: Vec<Standing>) -> Server<'_> {
        let mut server = self.meet();
        assert!(matches!(server.hear(), ToBuilder::Hello));
        let running = u32::try_from(standings.len()).unwrap();
        let (program, sandbox) = ("0.0.lie".into(), String::new());
        server.say(&FromBuilder::Hello { program, sandbox, running });
        for standing in standings {
            server.say(&FromBuilder::Standing(Box::new(standing)));
        }
        server
    }

    /// The next server that connects.
    pub fn meet(&self) -> Server<'_> {
        let accepted = async {
            let accepting = self.listener.accept();
            tokio::time::timeout(PATIENCE, accepting).await.expect("nobody connects").unwrap().0
        };
        Server { stream: self.runtime.block_on(accepted), runtime: &self.runtime }
    }
}

impl Server<'_> {
    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.runtime.block_on(self.stream.write_all(bytes)).unwrap();
    }

    pub fn say(&mut self, message: &FromBuilder) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        self.send(&bytes);
    }

    pub fn tell(&mut self, job: u64, event: Event) {
        self.say(&FromBuilder::Event(JobId::new(job).unwrap(), event));
    }

    /// What the server says, pings left out.
    pub fn hear(&mut self) -> ToBuilder {
        let said = self.hear_or_end();
        said.expect("the server went away")
    }

    /// The same; `None` when it has gone.
    pub fn hear_or_end(&mut self) -> Option<ToBuilder> {
        self.runtime.block_on(async {
            loop {
                let read = ToBuilder::read(&mut self.stream);
                let read = tokio::time::timeout(PATIENCE, read).await.expect("nothing is said");
                match read {
                    Ok(ToBuilder::Ping) => {}
                    other => return other.ok(),
                }
            }
        })
    }

    /// Waits for the order of a job.
    pub fn order(&mut self) -> u64 {
        match self.hear() {
            ToBuilder::Order(ordered) => ordered.order.job.get(),
            other => panic!("no order but {other:?}"),
        }
    }
}

/// Waits until the reason why a job waits says `word`.
pub fn held(service: &Service, id: u64, word: &str) -> String {
    until(&format!("a hold that says {word}"), || {
        let job = service.job(id);
        let hold = job["hold"].as_str().unwrap_or_default().to_owned();
        hold.contains(word).then_some(hold)
    })
}
