//! Fills a store with finished jobs, as years of work would.

use img::{
    domain::{
        Arch, Artifact, ImageTypeId, Job, JobId, JobName, JobState, QueueName, Role, RunnerId,
        Timestamp, UserName,
        job::{BuildResult, Request},
    },
    store::Store,
};
use std::{path::Path, time::Duration};

/// Jobs of one transaction.
const BATCH: u64 = 2_000;

/// Puts `count` jobs into the store in `dir`, which no server may hold.
pub fn seed(dir: &Path, count: u64) {
    let (store, _) = Store::open(dir).unwrap();
    let mut next = 0;
    while next < count {
        let end = (next + BATCH).min(count);
        let jobs: Vec<_> = (next..end)
            .map(|n| {
                let id = store.next_job_id().unwrap();
                job(n, id)
            })
            .collect();
        store.write_blocking(move |tx| jobs.iter().try_for_each(|job| tx.put_job(job))).unwrap();
        next = end;
    }
    store.close().unwrap();
}

fn job(n: u64, id: JobId) -> Job {
    let submitted = Timestamp::from_millis(1_700_000_000_000 + n as i64 * 60_000);
    let started = submitted.plus(Duration::from_secs(5));
    let ended = started.plus(Duration::from_secs(60 + n % 600));
    let users = ["ann", "bo", "cy", "imager"];
    let types = [("raw", "x86_64"), ("fs", "i686"), ("loop", "armv7hl"), ("livecd", "x86_64")];
    let (image_type, arch) = types[(n % 4) as usize];
    Job {
        id,
        name: JobName::new(&format!("image-{}", n % 500)).unwrap(),
        owner: UserName::new(users[(n % 4) as usize]).unwrap(),
        queue: QueueName::new(if n.is_multiple_of(3) { "api" } else { "web" }).unwrap(),
        runner: RunnerId::new("mic").unwrap(),
        runner_version: "1.0.0".into(),
        runner_sha256: "0".repeat(64),
        image_type: ImageTypeId::new(image_type).unwrap(),
        arch: Arch::new(arch).unwrap(),
        priority: 0,
        launched: false,
        submitted,
        retry_of: None,
        request: Request {
            definition_name: "image.ks".into(),
            definition_size: 2_000,
            definition_sha256: "0".repeat(64),
            ..Request::default()
        },
        state: JobState::Done { started, ended },
        result: BuildResult {
            artifacts: vec![Artifact {
                name: "image.raw".into(),
                role: Role::Image,
                label: "Image".into(),
                size: 1 << 30,
                sha256: "0".repeat(64),
            }],
            log_size: 100_000,
            log_lines: 1_000,
            phases: vec![("install".into(), started)],
            ..BuildResult::default()
        },
    }
}
