//! What must hold of the store, whatever happens to its process and its disk.

mod audit;
mod crash;
mod disk;
mod formats;
mod paging;
mod records;
mod roster;
mod rows;

use super::{AuditRecord, SessionRecord, Store, StoreError, TokenRecord, Tx};
use crate::domain::{
    Arch, Artifact, Cause, Failure, ImageTypeId, Job, JobId, JobName, JobState, QueueName, Role,
    RunnerId, StateKind, Timestamp, Used, User, UserName, Verb, Verbs,
    job::{BuildResult, Request},
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Looks into the writer, and lets a test be its disk.
#[derive(Default)]
pub(super) struct Hooks {
    /// How often the disk said yes.
    pub(super) syncs: AtomicU64,
    /// How often it will say no from now on.
    pub(super) refuse: AtomicU64,
    /// Called before the disk says yes.
    pub(super) before: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Hooks {
    pub(super) fn synced(&self) -> Result<(), StoreError> {
        let less = |n: u64| n.checked_sub(1);
        if self.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(super::engine::io("sync", "input/output error"));
        }
        if let Some(before) = super::core::lock(&self.before).as_ref() {
            before();
        }
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A store in a directory of its own.
pub(super) fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

/// The store below a test's directory.
pub(super) fn open(dir: &std::path::Path) -> Store {
    Store::open(&dir.join("db")).unwrap().0
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(super) fn id(number: u64) -> JobId {
    JobId::new(number).unwrap()
}

pub(super) fn ann() -> UserName {
    UserName::new("ann").unwrap()
}

/// A waiting job of ann on `web`.
pub(super) fn job(number: u64) -> Job {
    Job {
        id: id(number),
        name: JobName::new(&format!("Core-{number}")).unwrap(),
        owner: ann(),
        queue: QueueName::new("web").unwrap(),
        runner: RunnerId::new("mic").unwrap(),
        runner_version: "1.0".into(),
        runner_sha256: "ab".repeat(32),
        image_type: ImageTypeId::new("raw").unwrap(),
        arch: Arch::new("armv7hl").unwrap(),
        priority: 0,
        launched: false,
        submitted: at(1_700_000_000_000),
        retry_of: None,
        request: Request::default(),
        state: JobState::Queued,
        result: BuildResult::default(),
    }
}

/// The job in another state.
pub(super) fn in_state(mut job: Job, state: StateKind) -> Job {
    let (started, ended) = (at(5), at(9));
    job.state = match state {
        StateKind::Queued => JobState::Queued,
        StateKind::Building => JobState::Building { started },
        StateKind::Done => JobState::Done { started, ended },
        StateKind::Failed => {
            let message = "no space left".into();
            let suggestion = Some("free some".into());
            let failure = Failure { cause: Cause::Box, message, suggestion, line: Some(3) };
            JobState::Failed { started: Some(started), ended, failure }
        }
        StateKind::Cancelled => JobState::Cancelled { started: None, ended, by: ann() },
    };
    job
}

/// A job in which no field is empty.
pub(super) fn full_job(number: u64) -> Job {
    let artifact = |role: Role| Artifact {
        name: format!("{}.img", role.as_str()),
        role,
        label: "root file system".into(),
        size: 1 << 40,
        sha256: "cd".repeat(32),
    };
    Job {
        priority: -7,
        launched: true,
        retry_of: JobId::new(1),
        request: Request {
            definition_name: "core.ks".into(),
            definition_size: 77,
            definition_sha256: "ef".repeat(32),
            packages: vec!["vim".into(), "-nano".into()],
            options: vec![("release".into(), "1.2".into())],
            secret_options: vec!["token".into()],
            input_job: JobId::new(3),
        },
        result: BuildResult {
            artifacts: Role::ALL.into_iter().map(artifact).collect(),
            log_size: 8,
            log_lines: 9,
            phases: vec![("install".into(), at(-4))],
            commands: vec!["mic cr raw".into()],
            residual: vec!["loop0 stays".into()],
            peak_disk: 10,
            used: Used { cpu: Duration::from_micros(7), memory: 8, written: 9 },
        },
        ..in_state(job(number), StateKind::Failed)
    }
}

/// The verbs of the first store format.
const OLD_VERBS: [Verb; 8] = [
    Verb::ViewJobs,
    Verb::Submit,
    Verb::CancelOwn,
    Verb::CancelAny,
    Verb::Launch,
    Verb::PrivilegedDefinitions,
    Verb::ViewHealth,
    Verb::Backup,
];

pub(super) fn user(name: &str) -> User {
    User {
        name: UserName::new(name).unwrap(),
        full_name: "Ann".into(),
        mail: "a@b".into(),
        password_hash: "$argon2id$".into(),
        active: true,
        staff: false,
        superuser: true,
        must_set_password: true,
        groups: vec![crate::domain::GroupName::new("Image builders").unwrap()],
        // What there was when the fixture of an old store was written.
        verbs: OLD_VERBS.into_iter().collect(),
        created: at(1),
        last_login: Some(at(2)),
        quota: crate::domain::UserQuota::default(),
        setup: None,
    }
}

pub(super) fn session(n: u8, owner: &UserName) -> SessionRecord {
    SessionRecord {
        id_hash: [n; 32],
        user: owner.clone(),
        created: at(n.into()),
        last_used: at(n.into()),
        peer: "::1".into(),
        agent: "curl".into(),
        only_set_password: n == 1,
    }
}

pub(super) fn token(n: u8, owner: &UserName) -> TokenRecord {
    TokenRecord {
        id_hash: [n; 32],
        prefix: format!("img_{n}"),
        label: "ci".into(),
        user: owner.clone(),
        scope: Verbs::all(),
        created: at(n.into()),
        expires: Some(at(99)),
        last_used: None,
    }
}

pub(super) fn audit(n: i64) -> AuditRecord {
    AuditRecord {
        at: at(n),
        actor: "ann".into(),
        peer: "::1".into(),
        action: "job.submit".into(),
        object: format!("job {n}"),
        detail: String::new(),
        request: String::new(),
    }
}

/// Writes, and it must succeed.
pub(super) fn put(
    store: &Store,
    change: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
) {
    store.write_blocking(change).unwrap();
}

/// Writes one job.
pub(super) fn put_job(store: &Store, job: &Job) {
    let job = job.clone();
    put(store, move |tx| tx.put_job(&job));
}

/// One of everything.
pub(super) fn fill(store: &Store) {
    put(store, |tx| {
        for (n, state) in (1..).zip(StateKind::ALL) {
            tx.put_job(&in_state(full_job(n), state))?;
        }
        tx.put_queue(&crate::domain::Queue::standard(QueueName::new("web").unwrap(), "pages"))?;
        tx.put_user(&user("ann"))?;
        for group in crate::domain::Group::standard() {
            tx.put_group(&group)?;
        }
        let site = crate::domain::Site { domain: "img.local".into(), display_name: "IMG".into() };
        tx.put_site(&site)?;
        for n in 1..4 {
            tx.put_session(&session(n, &ann()))?;
            tx.put_token(&token(n, &ann()))?;
            tx.append_audit(&audit(n.into()))?;
        }
        tx.put_setting("first-code", Some("1234"))
    });
}

/// The findings of a check that repairs nothing.
pub(super) fn findings(store: &Store) -> Vec<String> {
    store.fsck(false).unwrap().findings
}
