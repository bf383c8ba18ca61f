//! A builder over a fresh data directory, and runners that answer what a test says.

use img::{
    builder::{
        Build, Builder, BuilderConfig, Observing, Planner,
        protocol::{Event, Finished, Limits, Order, Outcome, StopReason, VERSION},
    },
    domain::{Arch, Bounds, Failure, ImageTypeId, JobId, JobName, RunnerId, Sandbox},
    files::DataDir,
    plugin::{Ask, Catalog, PluginError, api},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// A runner with a fixed plan that keeps every regular file of the output as the image.
#[derive(Clone, Default)]
pub struct Fixed {
    pub steps: Vec<api::Step>,
    pub files: Vec<api::File>,
    /// Named as artifacts whatever is there.
    pub claims: Vec<String>,
    pub explanation: Option<api::Explanation>,
    pub traps: bool,
}

struct Quiet;

impl Observing for Quiet {
    fn feed(&mut self, lines: &[String]) -> Result<Vec<api::Event>, PluginError> {
        let phase =
            |line: &String| line.strip_prefix("phase ").map(|p| api::Event::Phase(p.into()));
        Ok(lines.iter().filter_map(phase).collect())
    }
}

fn image(path: &str) -> api::Artifact {
    api::Artifact { path: path.into(), role: api::Role::Image, label: "image".into() }
}

impl Planner for Fixed {
    fn plan(
        &self,
        _: &api::Request,
    ) -> Result<Result<api::BuildPlan, Vec<api::Diagnostic>>, PluginError> {
        assert!(!self.traps, "a mistake inside the builder");
        let (files, steps) = (self.files.clone(), self.steps.clone());
        Ok(Ok(api::BuildPlan { files, steps, disk: None }))
    }

    fn observer(&self, _: &api::Request) -> Result<Box<dyn Observing>, PluginError> {
        Ok(Box::new(Quiet))
    }

    fn explain(
        &self,
        _: &api::Request,
        _: &api::Failure,
    ) -> Result<Option<api::Explanation>, PluginError> {
        Ok(self.explanation.clone())
    }

    fn collect(
        &self,
        _: &api::Request,
        files: &[api::OutputFile],
    ) -> Result<Result<Vec<api::Artifact>, String>, PluginError> {
        if !self.claims.is_empty() {
            return Ok(Ok(self.claims.iter().map(|path| image(path)).collect()));
        }
        let regular = files.iter().filter(|f| f.kind == api::FileKind::Regular);
        let found: Vec<_> = regular.map(|f| image(&f.path)).collect();
        Ok(if found.is_empty() { Err("output/ is empty".into()) } else { Ok(found) })
    }
}

/// A step that runs `script` with `sh`.
pub fn sh(script: &str) -> api::Step {
    let argument = |value: &str| api::Argument { value: value.into(), secret: false };
    api::Step {
        name: "build".into(),
        program: "sh".into(),
        arguments: vec![argument("-c"), argument(script)],
        environment: Vec::new(),
        directory: String::new(),
        privileges: Vec::new(),
        always: false,
    }
}

pub fn plan(script: &str) -> Fixed {
    Fixed { steps: vec![sh(script)], ..Fixed::default() }
}

pub struct Bench {
    /// Held so that it goes when the test ends.
    _tmp: tempfile::TempDir,
    pub data: Arc<DataDir>,
    pub builder: Builder,
    pub limits: Limits,
    pub secrets: Vec<String>,
    pub input_job: Option<JobId>,
}

pub fn limits() -> Limits {
    Limits {
        total: Duration::from_secs(60),
        silence: Duration::from_secs(60),
        grace: [Duration::from_millis(400), Duration::from_millis(400)],
        log: 64 << 20,
        bounds: Bounds { sandbox: Sandbox::Off, ..Bounds::default() },
    }
}

pub fn id(number: u64) -> JobId {
    JobId::new(number).unwrap()
}

pub fn config(sandbox: bool) -> BuilderConfig {
    BuilderConfig {
        sandbox: if sandbox { Sandbox::Auto } else { Sandbox::Off },
        rootless_ids: 1_878_982_656,
        path: ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from).to_vec(),
        own_exe: env!("CARGO_BIN_EXE_img").into(),
    }
}

pub fn bench(sandbox: bool, runner: Fixed) -> Bench {
    bench_in(tempfile::tempdir().unwrap(), sandbox, runner)
}

pub fn bench_in(tmp: tempfile::TempDir, sandbox: bool, runner: Fixed) -> Bench {
    let data = DataDir::open(tmp.path()).unwrap();
    bench_over(data, tmp, sandbox, runner)
}

fn bench_over(data: DataDir, tmp: tempfile::TempDir, sandbox: bool, runner: Fixed) -> Bench {
    let data = Arc::new(data);
    let runner = Arc::new(runner);
    let source = Arc::new(move |_: &str, _: &str| Ok(Arc::clone(&runner) as Arc<dyn Planner>));
    let builder = Builder::with_source(Arc::clone(&data), source, config(sandbox));
    Bench { _tmp: tmp, data, builder, limits: limits(), secrets: Vec::new(), input_job: None }
}

/// The real runners over tools that print `printed` and end with `exit`.
pub fn bench_of(catalog: Arc<Catalog>, printed: &str, exit: i32) -> Bench {
    let tmp = tempfile::tempdir().unwrap();
    let tools = recorded_tools(tmp.path(), printed, exit);
    let data = Arc::new(DataDir::open(&tmp.path().join("data")).unwrap());
    let mut config = config(false);
    config.path.insert(0, tools);
    let builder = Builder::new(Arc::clone(&data), catalog, config);
    Bench { _tmp: tmp, data, builder, limits: limits(), secrets: Vec::new(), input_job: None }
}

/// A builder that finds programs in `tools` first.
pub fn bench_with_path(tools: PathBuf, runner: Fixed) -> Bench {
    let mut bench = bench(false, runner.clone());
    let mut config = config(false);
    config.path.insert(0, tools);
    let runner = Arc::new(runner);
    let source = Arc::new(move |_: &str, _: &str| Ok(Arc::clone(&runner) as Arc<dyn Planner>));
    bench.builder = Builder::with_source(Arc::clone(&bench.data), source, config);
    bench
}

/// A directory with programs of the runners' names.
pub fn recorded_tools(below: &Path, printed: &str, exit: i32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let tools = below.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let recording = tools.join("recording");
    std::fs::write(&recording, printed).unwrap();
    for name in ["mic", "mmdebstrap", "genimage"] {
        let script = format!("#!/bin/sh\ncat '{}'\nexit {exit}\n", recording.display());
        std::fs::write(tools.join(name), script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(tools.join(name), mode).unwrap();
    }
    tools
}

/// Everything a build told.
pub struct Told {
    pub finished: Finished,
    pub log: String,
    pub commands: Vec<String>,
    pub sandbox: String,
    pub phases: Vec<String>,
}

impl Told {
    pub fn failure(&self) -> &Failure {
        match &self.finished.outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("not failed but {other:?}; log:\n{}", self.log),
        }
    }

    pub fn assert_done(&self) {
        assert_eq!(self.finished.outcome, Outcome::Done, "log:\n{}", self.log);
    }
}

impl Bench {
    /// A builder that is root where the data is somebody else's.
    pub fn for_another(tmp: tempfile::TempDir, runner: Fixed) -> Self {
        let data = DataDir::open_for_builds(tmp.path()).unwrap();
        bench_over(data, tmp, false, runner)
    }

    pub fn order(&self, job: u64) -> Order {
        Order {
            version: VERSION,
            job: id(job),
            runner: RunnerId::new("fixed").unwrap(),
            runner_sha256: "0".repeat(64),
            request: Ask {
                name: JobName::new("image").unwrap(),
                definition: Default::default(),
                image_type: ImageTypeId::new("raw").unwrap(),
                arch: Arch::new("x86_64").unwrap(),
                packages: Vec::new(),
                options: Vec::new(),
                secrets: self.secrets.clone(),
                input_job: self.input_job,
            },
            limits: self.limits.clone(),
        }
    }

    /// From now on another runner.
    pub fn replace(&mut self, runner: Fixed) {
        let runner = Arc::new(runner);
        let source = Arc::new(move |_: &str, _: &str| Ok(Arc::clone(&runner) as Arc<dyn Planner>));
        self.builder = Builder::with_source(Arc::clone(&self.data), source, config(true));
    }

    /// From now on another helper for the sandbox.
    pub fn replace_exe(&mut self, exe: PathBuf) {
        let runner = plan("echo > ../output/i");
        let source =
            Arc::new(move |_: &str, _: &str| Ok(Arc::new(runner.clone()) as Arc<dyn Planner>));
        let config = BuilderConfig { own_exe: exe, ..config(true) };
        self.builder = Builder::with_source(Arc::clone(&self.data), source, config);
    }

    pub fn start(&self, job: u64) -> Build {
        self.data.create_job(id(job), b"", b"{}").unwrap();
        self.builder.start(self.order(job))
    }

    /// Builds job `job` to its end.
    pub fn build(&self, job: u64) -> Told {
        self.follow(self.start(job), |_, _| {})
    }

    /// Follows a build, showing `each` event and the log so far to the test.
    pub fn follow(&self, mut build: Build, mut each: impl FnMut(&Build, &str)) -> Told {
        let (mut log, mut commands, mut sandbox) = (Vec::new(), Vec::new(), String::new());
        let mut phases = Vec::new();
        loop {
            let event = build.events.blocking_recv().expect("the end comes before the silence");
            match event {
                Event::Started { commands: c, sandbox: s, .. } => (commands, sandbox) = (c, s),
                Event::Log { offset, bytes, .. } => {
                    assert_eq!(offset, log.len() as u64, "a gap in the log");
                    log.extend_from_slice(&bytes);
                }
                Event::Resumed(standing) => panic!("nobody was away: {standing:?}"),
                Event::Phase { name, .. } => phases.push(name),
                Event::Finished(finished) => {
                    assert!(build.events.blocking_recv().is_none(), "something after the end");
                    let log = String::from_utf8_lossy(&log).into_owned();
                    self.assert_clean(&finished);
                    return Told { finished, log, commands, sandbox, phases };
                }
                Event::Progress { .. } | Event::Complaints(_) | Event::Usage { .. } => {}
            }
            each(&build, &String::from_utf8_lossy(&log));
        }
    }

    fn assert_clean(&self, finished: &Finished) {
        assert_eq!(finished.residual, Vec::<String>::new());
        let left: Vec<_> = std::fs::read_dir(self.path("build")).unwrap().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.data.root().join(below)
    }
}

/// Stops a build as soon as its log says `word`.
pub fn stop_at(word: &'static str) -> impl FnMut(&Build, &str) {
    move |build, log| {
        // The remark that shows the command holds the word too: only a line of its own counts.
        if log.lines().any(|line| line == word) {
            build.stop(StopReason::Cancelled);
        }
    }
}

/// True once `ask` is; false if that takes too long.
pub fn soon(mut ask: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    true
}

/// Processes whose environment or directory points below `path`.
pub fn processes_below(path: &Path) -> Vec<String> {
    let belongs = |pid: &str| {
        let proc = Path::new("/proc").join(pid);
        let rooted =
            |link: &str| std::fs::read_link(proc.join(link)).is_ok_and(|to| to.starts_with(path));
        let marked = std::fs::read(proc.join("environ")).is_ok_and(|environ| {
            let mark = format!("IMG_BUILD_DIR={}", path.display());
            environ.split(|b| *b == 0).any(|v| v.starts_with(mark.as_bytes()))
        });
        marked || rooted("cwd") || rooted("root")
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()) && belongs(name))
        .collect()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
