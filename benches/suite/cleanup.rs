//! Cleaning up: the plan for a hundred thousand jobs, and a million files that go.

use crate::{
    report::{Report, quantile},
    service::on_disk,
};
use img::{
    domain::{
        JobId, QueueName, StateKind, Timestamp,
        retention::{Item, Policy, Volume, plan},
    },
    files::DataDir,
};
use std::{sync::Arc, time::Instant};

const JOBS: u64 = 100_000;
const FILES: u64 = 1_000_000;
/// Files in one directory.
const EACH: u64 = 10_000;
const NOW: i64 = 1_795_600_000_000;

/// `cleanup_plan_ms_100k`: ages, numbers, a budget that takes half of the images, logs.
pub fn planning(report: &mut Report) {
    if !report.wants(&["cleanup_plan_ms_100k"]) {
        return;
    }
    let queue = Arc::new(QueueName::new("web").unwrap());
    let recipes: Vec<Arc<str>> = (0..500).map(|n| format!("image-{n}").into()).collect();
    let items: Vec<_> = (1..=JOBS)
        .map(|n| Item {
            id: JobId::new(n).unwrap(),
            recipe: Arc::clone(&recipes[n as usize % recipes.len()]),
            queue: Arc::clone(&queue),
            state: if n % 5 == 0 { StateKind::Failed } else { StateKind::Done },
            ended: Timestamp::from_millis(NOW - (JOBS - n) as i64 * 600_000),
            artifacts: 1_000_000,
            logs: 10_000,
            pinned: n % 97 == 0,
            keep_until: None,
            downloaded: None,
            busy: None,
        })
        .collect();
    let policy = Policy { keep_newest: 0, ..Policy::default() };
    let volume = Volume { total: 100_000_000_000, free: 1_000_000 };
    let now = Timestamp::from_millis(NOW);
    let mut doomed = 0;
    let mut times: Vec<_> = (0..11)
        .map(|_| {
            let begun = Instant::now();
            doomed = plan(&items, Some(volume), &policy, now, true).doomed.len();
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    report.add("cleanup_plan_ms_100k", quantile(&mut times, 0.5), format!("{doomed} things go"));
}

/// `cleanup_files_per_s`, `cleanup_rss_growth_mb`: a job's directory with a million small files.
pub fn removal(report: &mut Report) {
    if !report.wants(&["cleanup_files_per_s", "cleanup_rss_growth_mb"]) {
        return;
    }
    let dir = on_disk();
    let data = DataDir::open(&dir.path().join("data")).unwrap();
    let job = JobId::FIRST;
    data.create_job(job, b"x", b"{}").unwrap();
    let artifacts = data.artifacts(job).unwrap();
    for n in 0..FILES / EACH {
        let folder = artifacts.make_dir(format!("d{n}"), 0o700).unwrap();
        (0..EACH).for_each(|f| drop(folder.write_new(format!("f{f}"), b"x", 0o600).unwrap()));
    }
    let space = data.space().unwrap();
    let (before, begun) = (rss(), Instant::now());
    let name = data.discard_job(job).unwrap().unwrap();
    let mut most = before;
    let removed = data.trash().remove_tree_paced(name, &mut || most = most.max(rss()));
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(removed.failed, 0, "{:?}", removed.errors);
    let _ = rustix::fs::syncfs(data.dir());
    let freed = data.space().unwrap().free.saturating_sub(space.free);
    let note = format!(
        "1,000,000 files; statvfs shows {:.1} % of {} MB counted",
        freed as f64 / removed.bytes as f64 * 100.0,
        removed.bytes / 1_000_000
    );
    report.add("cleanup_files_per_s", removed.entries as f64 / seconds, note);
    let growth = most.saturating_sub(before) as f64 / 1e6;
    report.add("cleanup_rss_growth_mb", growth, "most while they go");
}

fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
