//! What the integration tests share: the real program in a fresh data directory, asked through its
//! own command line and through HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The password every test gives the first user.
pub const PASSWORD: &str = "four green kettles sing";
/// Longest a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running appliance. Dropping it kills it and removes its data.
pub struct Service {
    pub dir: TempDir,
    config: PathBuf,
    child: Option<Child>,
    pub port: u16,
}

/// `img …` on this machine.
pub fn img() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_img"));
    command.stdin(Stdio::null()).env_remove("IMG_SERVER").env_remove("IMG_TOKEN");
    command
}

/// True where a missing tool or right is a failure instead of a skip.
pub fn strict() -> bool {
    std::env::var_os("IMG_TEST_STRICT").is_some()
}

/// Says that a test cannot run here; in CI that is a failure.
pub fn skip(why: &str) {
    assert!(!strict(), "cannot run: {why}");
    eprintln!("SKIPPED: {why}");
}

/// A copy of a program in `dir` that another user can start: where it was built may be shut.
pub fn for_everybody(program: &Path, dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = dir.join("for-everybody");
    if !copy.exists() {
        std::fs::copy(program, &copy).unwrap();
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

/// True for root; says what is skipped otherwise.
pub fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(&format!("{what} needs root"));
    }
    root
}

/// The folder of tools that only pretend.
pub fn fake_tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tools")
}

/// A file of the tests' fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A config.toml whose tools come from the fixtures first.
pub fn config(more: &str) -> String {
    format!(
        "{more}\n[build]\nslots = 2\ngrace_interrupt = \"1s\"\ngrace_terminate = \"1s\"\npath = [{:?}, \"/usr/sbin\", \"/usr/bin\", \"/sbin\", \"/bin\"]\n",
        fake_tools()
    )
}

/// Thresholds that hold no job on a box with little disk; those of `text` go before.
fn undemanding(text: &str) -> String {
    let disk = "[disk]\nhold_below = \"1B\"\nresume_above = \"1B\"\nemergency_below = \"0B\"\n\
                unknown_need = \"1MiB\"\nballast = \"0B\"\n";
    if text.contains("[disk]") { text.to_owned() } else { format!("{text}\n{disk}") }
}

impl Service {
    /// Starts an appliance with [`config`] and waits until it answers.
    pub fn start() -> Self {
        Self::with_config(&config(""))
    }

    /// Starts an appliance with this config.toml; without a `[disk]` of its own it holds no job
    /// because of the disk.
    pub fn with_config(text: &str) -> Self {
        Self::prepared(text, |_| {})
    }

    /// The same, with data where they are on a box: not below /tmp, which every build then has for
    /// itself. Who starts several real builds, or kills them, leaves the box's own /tmp clean.
    pub fn outside_of_tmp(text: &str) -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let base = cache.or_else(home).expect("a home directory").join("img/tests");
        std::fs::create_dir_all(&base).unwrap();
        Self::prepared_in(&base, text, |_| {})
    }

    /// As [`with_config`](Self::with_config), after `prepare` has had the place where the data
    /// directory will be.
    pub fn prepared(text: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::prepared_in(&std::env::temp_dir(), text, prepare)
    }

    fn prepared_in(base: &Path, text: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::Builder::new().prefix("img-test-").tempdir_in(base).unwrap();
        let config = dir.path().join("config.toml");
        std::fs::write(&config, undemanding(text)).unwrap();
        let mut service = Self { dir, config, child: None, port: 0 };
        prepare(&service.data());
        service.spawn();
        service
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the program (again) on the same data.
    pub fn spawn(&mut self) {
        self.spawn_as(None);
    }

    /// The same as another user.
    pub fn spawn_as(&mut self, user: Option<u32>) {
        assert!(self.child.is_none(), "it runs already");
        let mut command = match user {
            None => img(),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={user}"), format!("--regid={user}")])
                    .arg("--clear-groups")
                    .arg(for_everybody(Path::new(env!("CARGO_BIN_EXE_img")), self.dir.path()))
                    .stdin(Stdio::null());
                command
            }
        };
        let mut child = command
            .args(["serve", "--config"])
            .arg(&self.config)
            .env("IMG_DATA_DIR", self.data())
            .env("IMG_LISTEN", format!("127.0.0.1:{}", self.port))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        self.child = Some(child);
        self.port = ready(lines).unwrap_or_else(|log| panic!("the service did not start:\n{log}"));
    }

    /// The process id of the running program.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end. Returns how long it took.
    pub fn stop(&mut self) -> Duration {
        let mut child = self.child.take().unwrap();
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success(), "a graceful stop ends with 0");
        begun.elapsed()
    }

    /// Changes every queue, past every page; the service must be stopped.
    pub fn change_queues(&self, change: impl Fn(&mut img::domain::Queue)) {
        assert!(self.child.is_none(), "the store is in use");
        let (store, _) = img::store::Store::open(&self.data().join("db")).unwrap();
        let mut queues = store.queues().unwrap();
        queues.iter_mut().for_each(change);
        let put = move |tx: &mut img::store::Tx<'_>| {
            queues.iter().try_for_each(|queue| tx.put_queue(queue))
        };
        store.write_blocking(put).unwrap();
        store.close().unwrap();
    }

    /// Asks every queue for what the box failed to be handed in again; restarts the service.
    pub fn requeue(&mut self) {
        self.stop();
        self.change_queues(|queue| queue.requeue = true);
        self.spawn();
    }

    /// `img …` against this appliance, through the local socket.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The same, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = img();
        command.args(args).env("IMG_SOCKET", self.data().join("img.sock"));
        command.env("IMG_DATA_DIR", self.data());
        command
    }

    /// `img … --json`, which must succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        let output = self.cli(&all);
        assert!(output.status.success(), "img {args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("img {args:?} printed no JSON ({e}): {}", said(&output)))
    }

    /// Writes a definition and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Submits a definition that must be accepted; returns the job's number.
    pub fn submit(&self, file: &Path, image_type: &str, arch: &str, more: &[&str]) -> u64 {
        let file = file.to_str().unwrap();
        let mut args = vec!["submit", file, "--type", image_type, "--arch", arch];
        args.extend(more);
        let job = self.json(&args);
        job["id"].as_u64().unwrap_or_else(|| panic!("no id in {job}"))
    }

    /// What the API says of a job.
    pub fn job(&self, id: u64) -> Value {
        self.json(&["job", &id.to_string()])
    }

    /// The jobs that repeat another; numbers have gaps after a kill.
    pub fn repeats_of(&self, id: u64) -> Vec<u64> {
        let all = self.json(&["jobs", "--limit", "100"]);
        let all = all["jobs"].as_array().unwrap().iter();
        let repeats = all.filter(|job| job["retry_of"].as_u64() == Some(id));
        repeats.map(|job| job["id"].as_u64().unwrap()).collect()
    }

    /// Waits until `good(job)`.
    pub fn wait_for(&self, id: u64, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        until(what, || Some(self.job(id)).filter(|job| good(job)))
    }

    /// Waits for the job's final state.
    pub fn wait(&self, id: u64) -> Value {
        let ended = |job: &Value| !matches!(job["state"].as_str(), Some("queued" | "building"));
        self.wait_for(id, "the end of the job", ended)
    }

    /// The job's log.
    pub fn log(&self, id: u64) -> String {
        let output = self.cli(&["log", &id.to_string()]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Gives the first user the tests' password.
    pub fn set_first_password(&self) {
        self.set_password("imager", PASSWORD);
    }

    /// Sets a password through the command line, as an administrator would in a pipe.
    pub fn set_password(&self, user: &str, password: &str) {
        use std::io::Write as _;
        let mut child = self
            .command(&["user", "passwd", user])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            forget_groups(&self.data());
        }
        // Keep what a failed test left only when asked to.
        if std::env::var_os("IMG_TEST_KEEP").is_some() {
            self.dir.disable_cleanup(true);
        }
    }
}

/// Where the control groups of a service's builds are, if there are any at this moment.
pub fn place_of_groups(data: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let about = data.metadata().ok()?;
    let name = format!("img-{:x}-{:x}", about.dev(), about.ino());
    let mounted = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let mut places = mounted.map(|place| Path::new(place).join(own).join(&name)).into_iter();
    places.find(|place| place.is_dir())
}

/// Processes that this one started and that are there.
pub fn children_of(process: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |number: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        // The name, in brackets, may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let parent = rest.split(' ').nth(1)?;
        (!rest.starts_with('Z')).then(|| parent.parse::<u32>().ok()).flatten()
    };
    numbers.filter(|number| parent(number) == Some(process)).collect()
}

/// Takes away the empty control groups of a service that was killed, which nobody will start again.
fn forget_groups(data: &Path) {
    while let Some(place) = place_of_groups(data) {
        let jobs = std::fs::read_dir(&place).into_iter().flatten().flatten();
        let groups = jobs.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        groups.for_each(|group| drop(std::fs::remove_dir(group.path())));
        if std::fs::remove_dir(&place).is_err() {
            return;
        }
    }
}

/// Reads the service's log until it says that it is ready; goes on emptying it.
fn ready(lines: std::io::Lines<BufReader<std::process::ChildStderr>>) -> Result<u16, String> {
    let (tell, told) = mpsc::channel();
    let echo = std::env::var_os("IMG_TEST_LOG").is_some();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if echo {
                eprintln!("img: {line}");
            }
            let _ = tell.send(line);
        }
    });
    let mut log = String::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = told.recv_timeout(left) else { return Err(log) };
        log += &line;
        log += "\n";
        if let Some((_, rest)) = line.split_once("addresses=[") {
            let first = rest.split([',', ']']).next().unwrap_or_default();
            let port = first.rsplit(':').next().and_then(|p| p.parse().ok());
            return port.ok_or(log);
        }
    }
}

/// Polls until there is an answer; gives up with `what` after [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Everything a command printed.
pub fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Processes whose command line, directory or root lies below `dir`, this one excluded.
pub fn processes_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        if pid == std::process::id() {
            continue;
        }
        let at = |what: &str| std::fs::read_link(entry.path().join(what)).unwrap_or_default();
        if at("cwd").starts_with(dir) || at("root").starts_with(dir) {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(format!("{pid}: {}", String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}

/// Mounts below `dir`, as this process sees them.
pub fn mounts_below(dir: &Path) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = dir.to_str().unwrap();
    let points = mounts.lines().filter_map(|l| l.split(' ').nth(4));
    points.filter(|p| p.starts_with(dir)).map(str::to_owned).collect()
}

/// Loop devices whose file lies below `dir`.
pub fn loops_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/sys/block").unwrap().flatten() {
        let file = entry.path().join("loop/backing_file");
        let file = std::fs::read_to_string(file).unwrap_or_default();
        if file.trim().starts_with(dir.to_str().unwrap()) {
            found.push(format!("{} {}", entry.file_name().to_string_lossy(), file.trim()));
        }
    }
    found
}

/// Asserts that no build left anything behind.
pub fn assert_nothing_left(service: &Service) {
    let data = service.data();
    let build = data.join("build");
    assert_eq!(processes_below(&build), [""; 0], "stray processes");
    assert_eq!(mounts_below(&data), [""; 0], "stray mounts");
    assert_eq!(loops_below(&data), [""; 0], "stray loop devices");
    let left: Vec<_> = std::fs::read_dir(&build).unwrap().flatten().map(|e| e.path()).collect();
    assert!(left.is_empty(), "stray build directories: {left:?}");
}
