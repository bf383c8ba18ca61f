//! The release binary on a fresh data directory.

use crate::http::Client;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PASSWORD: &str = "four green kettles sing";

/// The binary under measurement.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("IMG_BENCH_BINARY").map(PathBuf::from);
    let path = path.expect("IMG_BENCH_BINARY names the release binary: run `make bench`");
    assert!(path.is_file(), "{} is not there: run `make bench`", path.display());
    path
}

/// Where the file of a fixture lies.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A running service.
pub struct Service {
    pub dir: TempDir,
    child: Child,
    pub port: u16,
    /// A new password ends every session, so it is set once.
    password: std::cell::Cell<bool>,
}

/// A folder on a file system in memory, or `None` when this box has none.
pub fn on_tmpfs() -> Option<TempDir> {
    tempfile::Builder::new().prefix("img-bench-").tempdir_in("/dev/shm").ok()
}

/// A folder on the disk the sources lie on.
pub fn on_disk() -> TempDir {
    std::fs::create_dir_all(root("target")).unwrap();
    tempfile::Builder::new().prefix("img-bench-").tempdir_in(root("target")).unwrap()
}

/// The configuration of most measurements: six slots, no sandbox, the measuring tool as `bash`.
pub fn config(dir: &Path, sandbox: &str) -> String {
    let tools = dir.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let _ = symlink(std::env::current_exe().unwrap(), tools.join("bash"));
    let plugins = dir.join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    std::fs::copy(root("tests/fixtures/plugins/script.wasm"), plugins.join("script.wasm")).unwrap();
    format!(
        "[build]\nslots = 6\nsandbox = {sandbox:?}\npath = [{tools:?}, \"/usr/sbin\", \"/usr/bin\", \"/sbin\", \"/bin\"]\n\
         [limits]\nqueue_cap = 1000000\n[plugins]\ndir = {plugins:?}\n\
         [runners.script]\nprograms = [\"bash\", \"cp\"]\nprivileges = [\"root\", \"loop-devices\", \"network\"]\n\
         [log]\nlevel = \"info\"\n"
    )
}

impl Service {
    /// Starts it in `dir` with most measurements' configuration.
    pub fn start(dir: TempDir, sandbox: &str) -> Self {
        let text = config(dir.path(), sandbox);
        Self::with_config(dir, &text)
    }

    /// Starts it in `dir` with this configuration.
    pub fn with_config(dir: TempDir, text: &str) -> Self {
        // What is measured is not how much disk this box has.
        let disk = "[disk]\nhold_below = \"1B\"\nresume_above = \"1B\"\n\
                    emergency_below = \"0B\"\nunknown_need = \"1MiB\"\nballast = \"0B\"\n";
        let text = format!("{text}\n{disk}");
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let (child, port) = spawn(dir.path());
        Self { dir, child, port, password: Default::default() }
    }

    /// Ends it and gives the folder back.
    pub fn end(self) -> TempDir {
        let Self { dir, mut child, .. } = self;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap();
        dir
    }

    /// A folder in it.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Signs in; a client with a session.
    pub fn session(&self) -> Client {
        if !self.password.replace(true) {
            let mut child = self.cli(&["user", "passwd", "imager"]);
            let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
            assert!(child.wait().unwrap().success());
        }
        let mut client = Client::new(self.port, "");
        let answer = sign_in(&mut client);
        let cookie = answer.header("set-cookie").expect("a cookie").split(';').next().unwrap();
        Client::new(self.port, &format!("Cookie: {cookie}\r\n"))
    }

    /// A client with an API token.
    pub fn token(&self) -> Client {
        let mut client = self.session();
        let page = client.get("/account").text();
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a csrf field");
        let csrf = rest.split('"').next().unwrap();
        let mut fields = vec![("csrf", csrf), ("label", "bench")];
        // A script runs on the box itself, so handing one in takes the permission for that.
        fields.extend(["submit", "view-jobs", "privileged-definitions"].map(|v| ("scope", v)));
        let page = client.form("/account/tokens", &fields).text();
        let (_, rest) = page.split_once("img_").expect("a token");
        let secret: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        Client::new(self.port, &format!("Authorization: Bearer img_{secret}\r\n"))
    }

    fn cli(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).env("IMG_SOCKET", self.data().join("img.sock"));
        command
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Processor time of the process itself so far, its children left out.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(ticks * 10)
    }
}

/// Posts the sign-in form.
pub fn sign_in(client: &mut Client) -> crate::http::Answer {
    let answer =
        client.form("/login", &[("name", "imager"), ("password", PASSWORD), ("next", "/")]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer
}

/// Starts the program in `dir`; returns when it has said that it is ready.
pub fn spawn(dir: &Path) -> (Child, u16) {
    let mut child = command(dir, 0).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    while let Some(Ok(line)) = lines.next() {
        if let Some((_, rest)) = line.split_once("addresses=[") {
            let first = rest.split([',', ']']).next().unwrap();
            let port = first.rsplit(':').next().unwrap().parse().unwrap();
            std::thread::spawn(move || lines.for_each(drop));
            return (child, port);
        }
        log += &line;
        log += "\n";
    }
    let _ = child.wait();
    panic!("the service did not start:\n{log}");
}

/// The service's command line on `dir`, listening on `port`.
pub fn command(dir: &Path, port: u16) -> Command {
    let mut command = Command::new(binary());
    command
        .args(["serve", "--config"])
        .arg(dir.join("config.toml"))
        .env("IMG_DATA_DIR", dir.join("data"))
        .env("IMG_LISTEN", format!("127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Polls until there is an answer.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
