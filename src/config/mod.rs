//! config.toml: typed, strict, documented. Unknown keys, units that do not fit and values out of
//! range are refused with the key, the value and what would be valid.
//!
//! The file config.toml beside Cargo.toml is the reference: a test keeps it equal to the defaults.

mod disk;
mod retention;
mod units;

use crate::domain::{Bounds, bounds, retention::Wrong};
pub use disk::{Disk, Quotas};
pub use retention::{QueueRetention, Retention};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};
pub use units::{Keep, Size, Span};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens and keeps its data.
    pub server: Server,
    /// How builds run.
    pub build: Build,
    /// Where builds run.
    pub builder: Builder,
    /// Sessions and the first sign-in.
    pub sessions: Sessions,
    /// Upper limits for what people hand in.
    pub limits: Limits,
    /// What is kept for how long.
    pub retention: Retention,
    /// What is kept free on the data volume.
    pub disk: Disk,
    /// What one user or queue may have.
    pub quota: Quotas,
    /// What happens by itself, and when.
    pub schedule: Schedule,
    /// What the service writes to the journal.
    pub log: Log,
    /// The plugin directory.
    pub plugins: Plugins,
    /// What each runner may use, by runner id.
    pub runners: BTreeMap<String, Runner>,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Addresses to listen on. TLS is used on every one that is not loopback.
    pub listen: Vec<SocketAddr>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The local socket; empty: `img.sock` in the data directory.
    pub socket: PathBuf,
    /// PEM certificate chain; empty: self-signed, made at the first start.
    pub tls_cert: PathBuf,
    /// PEM private key of `tls_cert`.
    pub tls_key: PathBuf,
    /// Addresses of reverse proxies whose X-Forwarded-For is believed, and that may speak plain HTTP.
    pub trusted_proxies: Vec<IpAddr>,
    /// Host names it answers to, besides loopback, its own addresses and the sites in the store.
    pub hosts: Vec<String>,
    /// Connections at once.
    pub max_connections: usize,
    /// Longest a request's head may take.
    pub header_timeout: Span,
    /// Longest an idle connection is kept.
    pub idle_timeout: Span,
    /// How long running builds may go on after the service was told to stop.
    pub stop_grace: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            data_dir: "/var/lib/img".into(),
            socket: PathBuf::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
            max_connections: 1024,
            header_timeout: Span::seconds(5),
            idle_timeout: Span::seconds(60),
            stop_grace: Span::seconds(30),
        }
    }
}

/// `[build]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Build {
    /// Jobs that may build at once, over all queues.
    pub slots: u32,
    /// How steps are kept apart from the box.
    pub sandbox: Sandbox,
    /// Bytes of memory one build may have; 0: no limit.
    pub memory: Size,
    /// Processes and threads of one build at once; 0: no limit.
    pub tasks: u32,
    /// A build's share of the processors among builds.
    pub cpu_weight: u32,
    /// A build's share of the disks among builds.
    pub io_weight: u32,
    /// Most of the processors one build may use, in percent of one; 0: no limit.
    pub cpu_max: u32,
    /// Most bytes one build may read, and write, in a second; 0: no limit.
    pub io_max: Size,
    /// Bytes the directory of one build may hold; 0: no limit.
    pub scratch: Size,
    /// The first of the 65,536 user and group ids that rootless builds of a root builder have.
    pub rootless_ids: u32,
    /// Directories in which tools are looked up, in order.
    pub path: Vec<PathBuf>,
    /// Grace after SIGINT before SIGTERM.
    pub grace_interrupt: Span,
    /// Grace after SIGTERM before the kill.
    pub grace_terminate: Span,
}

/// How steps are confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// Own namespaces where the system allows them; where not, the log says so.
    Auto,
    /// A user without rights, root only inside a user namespace.
    Rootless,
    /// None: for measurements and for tools that cannot live in one.
    Off,
}

impl Default for Build {
    fn default() -> Self {
        let bounds = Bounds::default();
        let path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        Self {
            slots: 2,
            sandbox: Sandbox::Auto,
            memory: Size::bytes(bounds.memory),
            tasks: bounds.tasks,
            cpu_weight: bounds.cpu_weight,
            io_weight: bounds.io_weight,
            cpu_max: bounds.cpu_max,
            io_max: Size::bytes(bounds.io_max),
            scratch: Size::bytes(bounds.scratch),
            // The last of those systemd sets aside for containers, and the last it would take.
            rootless_ids: 0x6FFF_0000,
            path: path.map(PathBuf::from).to_vec(),
            // mic and mkosi tidy up within a second of SIGINT; ten leave room for slow disks.
            grace_interrupt: Span::seconds(10),
            grace_terminate: Span::seconds(5),
        }
    }
}

impl Build {
    /// What a build may use.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            sandbox: match self.sandbox {
                Sandbox::Auto => bounds::Sandbox::Auto,
                Sandbox::Rootless => bounds::Sandbox::Rootless,
                Sandbox::Off => bounds::Sandbox::Off,
            },
            memory: self.memory.get(),
            tasks: self.tasks,
            cpu_weight: self.cpu_weight,
            io_weight: self.io_weight,
            cpu_max: self.cpu_max,
            io_max: self.io_max.get(),
            scratch: self.scratch.get(),
        }
    }
}

/// `[builder]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Builder {
    /// The socket of a builder that is a process of its own (`img builder`); empty: builds run
    /// inside the service.
    pub socket: PathBuf,
    /// Group that may connect to that socket, by name or number; empty: that of the data directory.
    pub group: String,
}

/// `[sessions]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// A session ends after this long without a request.
    pub idle: Span,
    /// A session ends this long after the sign-in, whatever happens.
    pub absolute: Span,
    /// How long after the very first start imager / imager opens the set-a-password page.
    pub first_login: Span,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { idle: Span::minutes(60), absolute: Span::hours(12), first_login: Span::minutes(60) }
    }
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest definition; a runner may ask for less.
    pub definition: Size,
    /// Jobs that may wait on a queue, for queues made at the first start.
    pub queue_cap: u32,
    /// Longest a build may take, for queues made at the first start.
    pub total: Span,
    /// Longest a build may print nothing, for queues made at the first start.
    pub silence: Span,
    /// Bytes of a job's log that are kept: its beginning and a little of its end.
    pub log: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            definition: Size::mib(4),
            queue_cap: 200,
            total: Span::hours(6),
            // Packing a large image can be silent for a long while.
            silence: Span::minutes(60),
            // A build of a whole distribution prints a few MiB.
            log: Size::mib(64),
        }
    }
}

/// `[schedule]`: cron texts of six fields (second first), in UTC; empty: never.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// When what is no longer kept is deleted; besides that after jobs and when space is short.
    pub cleanup: String,
    /// When files and records are compared.
    pub orphans: String,
    /// When ended sessions and expired tokens are removed.
    pub expire_sessions: String,
    /// When the store is backed up into the data directory.
    pub backup: String,
    /// When kept images are read and compared with their checksums.
    pub verify: String,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            cleanup: "0 */15 * * * *".into(),
            orphans: "0 30 3 * * *".into(),
            expire_sessions: "0 0 * * * *".into(),
            backup: "0 0 2 * * *".into(),
            verify: "0 0 4 * * SUN".into(),
        }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: Level,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Text }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Only what broke.
    Error,
    /// And what may break soon.
    Warn,
    /// And what happened.
    Info,
    /// And every request.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The word the logger knows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[plugins]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// Where further runners are dropped; empty: `plugins` in the data directory.
    pub dir: PathBuf,
}

/// `[runners.<id>]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runner {
    /// False takes it off the submit page.
    pub enabled: bool,
    /// Programs it may start; absent: for a built-in runner those it declares, else none.
    pub programs: Option<Vec<String>>,
    /// Privileges it may use: `root`, `loop-devices`, `network`, `kvm`, `user-namespaces`;
    /// absent: for a built-in runner those it declares, else none.
    pub privileges: Option<Vec<String>>,
    /// True lets a file in the plugin directory take the place of the built-in runner of this id.
    pub replace: bool,
}

impl Default for Runner {
    fn default() -> Self {
        Self { enabled: true, programs: None, privileges: None, replace: false }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The text does not fit.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key, value and what would be valid.
        message: String,
    },
    /// A value that reads well but cannot be.
    #[error("{path}: {key} is {value}: {want}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with its section.
        key: String,
        /// What it is.
        value: String,
        /// What it should be.
        want: String,
    },
}

/// Less would not hold what explains a failure.
const LOG_LEAST: u64 = 64 << 10;
const PRIVILEGES: [&str; 5] = ["root", "loop-devices", "network", "kvm", "user-namespaces"];

impl Config {
    /// Reads a file, or the defaults when there is none to read; then the environment
    /// (`IMG_DATA_DIR`, `IMG_LISTEN`) on top.
    ///
    /// # Errors
    /// See [`ConfigError`]; each names the key, the value and what is valid.
    pub fn load(
        path: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let shown = path.map_or_else(|| PathBuf::from("the built-in defaults"), Path::to_path_buf);
        let mut config = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Read { path: path.into(), source })?;
                Self::parse(&text, path)?
            }
            None => Self::default(),
        };
        if let Some(dir) = env("IMG_DATA_DIR").filter(|v| !v.is_empty()) {
            config.server.data_dir = dir.into();
        }
        if let Some(listen) = env("IMG_LISTEN").filter(|v| !v.is_empty()) {
            config.server.listen = listen
                .split(',')
                .map(|part| part.trim().parse())
                .collect::<Result<_, _>>()
                .map_err(|_| ConfigError::Value {
                    path: "the environment".into(),
                    key: "IMG_LISTEN".into(),
                    value: format!("`{listen}`"),
                    want: "give addresses with ports, such as `127.0.0.1:8080`".into(),
                })?;
        }
        config.validate(&shown)?;
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|e| ConfigError::Parse {
            path: path.into(),
            message: e.to_string().trim_end().to_owned(),
        })
    }

    fn validate(&self, path: &Path) -> Result<(), ConfigError> {
        let bad = |key: &str, value: String, want: &str| {
            Err(ConfigError::Value { path: path.into(), key: key.into(), value, want: want.into() })
        };
        if self.server.data_dir.as_os_str().is_empty() {
            return bad("server.data_dir", "empty".into(), "name a directory");
        }
        if self.build.slots == 0 {
            return bad("build.slots", "0".into(), "give at least 1, or pause the queues instead");
        }
        if let Some(wrong) = self.build.bounds().wrong() {
            return bad(&format!("build.{}", wrong.key), wrong.value, &wrong.want);
        }
        if !self.builder.socket.as_os_str().is_empty() && !self.builder.socket.is_absolute() {
            let value = format!("`{}`", self.builder.socket.display());
            return bad("builder.socket", value, "give a full path, such as /run/img/builder.sock");
        }
        if self.server.max_connections == 0 {
            return bad("server.max_connections", "0".into(), "give at least 1");
        }
        if self.server.tls_cert.as_os_str().is_empty() != self.server.tls_key.as_os_str().is_empty()
        {
            return bad("server.tls_cert", "without its tls_key".into(), "set both or neither");
        }
        if self.sessions.idle.get().is_zero() || self.sessions.absolute.get().is_zero() {
            return bad("sessions.idle", "0".into(), "give a time such as \"60min\"");
        }
        if self.limits.total.get().is_zero() || self.limits.silence.get().is_zero() {
            return bad("limits.total", "0".into(), "give a time such as \"6h\"");
        }
        if let Some(Wrong { key, value, want }) = self.retention.wrong() {
            return bad(&key, value, &want);
        }
        if self.limits.log.get() < LOG_LEAST {
            let bytes = self.limits.log.get();
            return bad("limits.log", format!("{bytes} bytes"), "give at least \"64KiB\"");
        }
        if let Err(e) = self.disk.thresholds() {
            return bad(&format!("disk.{}", e.key), e.value.to_string(), &e.want);
        }
        for (id, runner) in &self.runners {
            if let Err(e) = crate::domain::RunnerId::new(id) {
                return bad("runners", format!("`{id}`"), &e.to_string());
            }
            for privilege in runner.privileges.iter().flatten() {
                if !PRIVILEGES.contains(&privilege.as_str()) {
                    let want = format!("use {}", PRIVILEGES.join(", "));
                    return bad(
                        &format!("runners.{id}.privileges"),
                        format!("`{privilege}`"),
                        &want,
                    );
                }
            }
            for program in runner.programs.iter().flatten() {
                if program.is_empty() || program.contains(['/', '\0']) {
                    let want = "give program names without a directory, such as \"mic\"";
                    return bad(&format!("runners.{id}.programs"), format!("`{program}`"), want);
                }
            }
        }
        Ok(())
    }

    /// The local socket's path.
    pub fn socket(&self) -> PathBuf {
        if self.server.socket.as_os_str().is_empty() {
            self.server.data_dir.join("img.sock")
        } else {
            self.server.socket.clone()
        }
    }

    /// The plugin directory's path.
    pub fn plugin_dir(&self) -> PathBuf {
        if self.plugins.dir.as_os_str().is_empty() {
            self.server.data_dir.join("plugins")
        } else {
            self.plugins.dir.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let path = Path::new("config.toml");
        match Config::parse(text, path).and_then(|c| c.validate(path).map(|()| c)) {
            Ok(_) => panic!("accepted: {text}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn the_reference_file_is_the_defaults_and_names_every_key() {
        let text = include_str!("../../config.toml");
        assert_eq!(Config::parse(text, Path::new("config.toml")).unwrap(), Config::default());
        let keys = "listen data_dir socket group tls_cert tls_key trusted_proxies hosts max_connections \
                    header_timeout idle_timeout stop_grace slots sandbox memory tasks cpu_weight io_weight cpu_max io_max scratch rootless_ids path grace_interrupt \
                    grace_terminate idle absolute first_login definition queue_cap total silence log \
                    images leftovers logs records audit keep_newest \
                    keep_last_good budget min_age keep_longer cache cleanup orphans \
                    expire_sessions backup verify level format dir enabled programs privileges replace \
                    hold_below resume_above emergency_below unknown_need ballast user_running \
                    user_queued user_bytes queue_bytes";
        for key in keys.split_whitespace() {
            let named = text
                .lines()
                .any(|l| l.trim_start_matches(['#', ' ']).starts_with(&format!("{key} =")));
            assert!(named, "config.toml does not explain `{key}`");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_the_valid_ones() {
        let said = refused("[server]\nlisten_on = 1\n");
        assert!(said.contains("listen_on") && said.contains("data_dir"), "{said}");
        assert!(said.contains("line 2"), "{said}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_with_what_would() {
        let said = refused("[server]\nstop_grace = \"5 weeks\"\n");
        assert!(said.contains("5 weeks") && said.contains("14d"), "{said}");
        let said = refused("[limits]\ndefinition = \"many\"\n");
        assert!(said.contains("many") && said.contains("8GiB"), "{said}");
        let said = refused("[limits]\nlog = \"63KiB\"\n");
        assert!(said.contains("limits.log is 64512 bytes") && said.contains("64KiB"), "{said}");
        let said = refused("[build]\nsandbox = \"maybe\"\n");
        assert!(said.contains("maybe") && said.contains("auto"), "{said}");
        let said = refused("[builder]\nsocket = \"builder.sock\"\n");
        assert!(said.contains("builder.socket is `builder.sock`"), "{said}");
        let said = refused("[build]\nslots = 0\n");
        assert!(said.contains("build.slots is 0"), "{said}");
        let said = refused("[build]\nmemory = \"1KiB\"\n");
        assert!(said.contains("build.memory is 1024 bytes") && said.contains("16MiB"), "{said}");
        let said = refused("[build]\ncpu_max = 1000001\n");
        assert!(said.contains("build.cpu_max is 1000001") && said.contains("0 for no"), "{said}");
        let said = refused("[build]\nio_max = \"1KiB\"\n");
        assert!(said.contains("build.io_max is 1024 bytes") && said.contains("64KiB"), "{said}");
        let said = refused("[build]\nio_weight = 10001\n");
        assert!(said.contains("build.io_weight is 10001") && said.contains("10000"), "{said}");
        let said = refused("[runners.mic]\nprivileges = [\"god\"]\n");
        assert!(said.contains("runners.mic.privileges is `god`"), "{said}");
    }

    #[test]
    fn retention_that_cannot_be_is_refused_with_a_way_out() {
        let said = refused("[retention]\nimages = \"0d\"\n");
        assert!(said.contains("retention.images") && said.contains("forever"), "{said}");
        let said = refused("[retention.queues.web]\nlogs = \"5s\"\n");
        assert!(said.contains("retention.queues.web.logs"), "{said}");
        let said = refused("[retention]\nbudget = 0\n");
        assert!(said.contains("retention.budget is 0"), "{said}");
        let said = refused("[retention]\nkeep_newest = 1\nkeep_last_good = 2\n");
        assert!(said.contains("keep_last_good is 2"), "{said}");
        let said = refused("[retention]\nlogs = \"never\"\n");
        assert!(said.contains("`never`") && said.contains("forever"), "{said}");
        let said = refused("[retention.queues.\"../x\"]\n");
        assert!(said.contains("retention.queues"), "{said}");
    }

    #[test]
    fn thresholds_that_contradict_each_other_are_refused_with_both() {
        let said = refused("[disk]\nemergency_below = \"8GiB\"\n");
        assert!(
            said.contains("disk.emergency_below is 8GiB: give less than hold_below, which is 8GiB"),
            "{said}"
        );
        let said = refused(
            "[disk]\nresume_above = \"512MiB\"\nhold_below = \"1GiB\"\n\
                            emergency_below = \"0B\"\n",
        );
        assert!(said.contains("disk.resume_above is 512MiB: give at least hold_below"), "{said}");
        assert!(said.contains("1GiB"), "{said}");
        let fine = "[disk]\nhold_below = \"1B\"\nresume_above = \"1B\"\nemergency_below = \"0B\"\n";
        Config::parse(fine, Path::new("config.toml")).unwrap().disk.thresholds().unwrap();
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let env = |key: &str| match key {
            "IMG_DATA_DIR" => Some("/srv/img".to_owned()),
            "IMG_LISTEN" => Some("127.0.0.1:1, [::1]:2".to_owned()),
            _ => None,
        };
        let config = Config::load(None, env).unwrap();
        assert_eq!(config.server.data_dir, Path::new("/srv/img"));
        assert_eq!(config.server.listen.len(), 2);
        assert_eq!(config.socket(), Path::new("/srv/img/img.sock"));
        let bad = |key: &str| (key == "IMG_LISTEN").then(|| "8080".to_owned());
        let said = Config::load(None, bad).unwrap_err().to_string();
        assert!(said.contains("IMG_LISTEN is `8080`"), "{said}");
    }
}
