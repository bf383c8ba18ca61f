//! An appliance without a web server and without runners, over a folder of its own.
#![allow(dead_code, reason = "every test crate uses its own part")]

use img::{
    app::{App, Chore, DiskSettings, Parts, Settings, Timetable, Told, Wish},
    domain::{
        Artifact, Bounds, Job, JobId, JobName, JobState, QueueName, Role, RunnerId, StateKind,
        Timestamp, UserName,
        admission::Thresholds,
        job::{BuildResult, Request},
        retention::Policy,
    },
    files::DataDir,
    plugin::{Catalog, CatalogConfig, Limits},
    store::Store,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc::UnboundedReceiver;

pub const DAY: i64 = 86_400_000;
/// The moment of every test: 2026-11-25.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_600_000_000);

/// What such an appliance is told; no chore is ever due.
pub fn settings(retention: Policy) -> Settings {
    Settings {
        definition_limit: 1 << 20,
        session_idle: Duration::from_secs(3600),
        session_absolute: Duration::from_secs(3600),
        first_login: Duration::from_secs(3600),
        hosts: Vec::new(),
        sandbox: Told::new(String::new),
        bounds: Bounds::default(),
        slots: 1,
        started: NOW,
        swept: Vec::new(),
        timetable: Chore::ALL.into_iter().map(|chore| (chore, String::new())).collect(),
        retention,
        audit_kept: None,
        cache_budget: u64::MAX,
        disk: DiskSettings {
            thresholds: Thresholds::new(1, 1, 0).unwrap(),
            ..DiskSettings::default()
        },
    }
}

/// The volume of a test may be as full as it likes.
pub fn policy() -> Policy {
    Policy { budget: 100, ..Policy::default() }
}

/// The appliance over `root`.
pub fn open(root: &Path, retention: Policy) -> App {
    open_with(root, settings(retention))
}

/// As [`open`], with other times for its chores.
pub fn open_timed(root: &Path, timetable: Timetable) -> App {
    open_with(root, Settings { timetable, ..settings(policy()) })
}

/// As [`open`], on a volume that is nearly full below `emergency` free bytes until `wanted` are.
pub fn open_pressed(root: &Path, emergency: u64, wanted: u64) -> App {
    let thresholds = Thresholds::new(wanted, wanted, emergency).unwrap();
    let disk = DiskSettings { thresholds, ..DiskSettings::default() };
    open_with(root, Settings { disk, ..settings(policy()) })
}

fn open_with(root: &Path, settings: Settings) -> App {
    open_wishing(root, settings).0
}

/// As [`open`], with the wishes that a dispatcher has to make true.
pub fn open_wishing(root: &Path, settings: Settings) -> (App, UnboundedReceiver<Wish>) {
    let data = Arc::new(DataDir::open(root).unwrap());
    let (store, _) = Store::open(&root.join("db")).unwrap();
    let config = CatalogConfig {
        plugin_dir: root.join("plugins"),
        cache_dir: root.join("cwasm"),
        ..CatalogConfig::default()
    };
    let catalog = Catalog::open_with(config, Limits::default(), Vec::new()).unwrap();
    let parts = Parts { store, data, catalog: Arc::new(catalog), settings };
    App::new(parts).unwrap()
}

pub fn id(n: u64) -> JobId {
    JobId::new(n).unwrap()
}

/// A job that ended `days` ago and left an image of `size` bytes if it is done.
pub fn job(n: u64, name: &str, days: i64, state: StateKind, size: usize) -> Job {
    let ended = Timestamp::from_millis(NOW.as_millis() - days * DAY);
    let by = UserName::new("ann").unwrap();
    let state = match state {
        StateKind::Done => JobState::Done { started: ended, ended },
        _ => JobState::Cancelled { started: Some(ended), ended, by: by.clone() },
    };
    let image = Artifact {
        name: "image.raw".into(),
        role: Role::Image,
        label: String::new(),
        size: size as u64,
        sha256: data_encoding::HEXLOWER.encode(&sha2_of(&vec![n as u8; size])),
    };
    Job {
        id: id(n),
        name: JobName::new(name).unwrap(),
        owner: by,
        queue: QueueName::new("web").unwrap(),
        runner: RunnerId::new("mic").unwrap(),
        runner_version: "1".into(),
        runner_sha256: String::new(),
        image_type: img::domain::ImageTypeId::new("raw").unwrap(),
        arch: img::domain::Arch::new("x86_64").unwrap(),
        priority: 0,
        launched: false,
        submitted: ended,
        retry_of: None,
        request: Request { definition_size: 5, ..Request::default() },
        result: BuildResult {
            artifacts: if state.kind() == StateKind::Done { vec![image] } else { Vec::new() },
            log_size: 4,
            log_lines: 1,
            ..BuildResult::default()
        },
        state,
    }
}

pub fn sha2_of(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

/// Puts a job's files on disk and its record into the store.
pub fn put(app: &App, job: &Job) {
    app.data().create_job(job.id, b"part\n", b"{}").unwrap();
    let dir = folder(app, job.id);
    std::fs::write(dir.join("log"), b"log\n").unwrap();
    for artifact in &job.result.artifacts {
        let bytes = vec![job.id.get() as u8; artifact.size as usize];
        std::fs::write(dir.join("artifacts").join(&artifact.name), bytes).unwrap();
    }
    let record = job.clone();
    app.store().write_blocking(move |tx| tx.put_job(&record)).unwrap();
}

pub fn folder(app: &App, id: JobId) -> PathBuf {
    app.data().root().join("jobs").join(id.dir_name())
}
