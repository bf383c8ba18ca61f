//! kill -9 at random moments while requests are handed in and images are built: nothing that was
//! acknowledged is lost, no job builds on paper only, nothing is left behind.
//!
//! `make test` runs 50 rounds, `make soak` 500 (`IMG_KILL_ROUNDS`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;

use common::{Service, config, is_root, loops_below, mounts_below, processes_below, until};
use std::{
    collections::BTreeSet,
    process::Stdio,
    time::{Duration, Instant},
};

/// A small generator: the moments only have to be spread, and a run has to be repeatable.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn rounds() -> u64 {
    std::env::var("IMG_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_left() {
    if !is_root("mic") {
        return;
    }
    let mut service = Service::with_config(&config("[limits]\nqueue_cap = 10000\n"));
    let seed = std::env::var("IMG_KILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_101);
    let mut random = Random(seed);
    let mut acknowledged = BTreeSet::new();
    let kinds = ["succeed", "slow", "hang", "litter"];
    let files: Vec<_> =
        kinds.iter().map(|how| service.write(&format!("{how}.ks"), &kickstart(how))).collect();
    let mut slowest_start = Duration::ZERO;
    for round in 0..rounds() {
        let submitters: Vec<_> = (0..3)
            .map(|_| {
                let file = &files[random.below(kinds.len() as u64) as usize];
                let mut command = service.command(&[
                    "submit",
                    file.to_str().unwrap(),
                    "--type",
                    "raw",
                    "--arch",
                    "x86_64",
                    "--json",
                ]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        std::thread::park_timeout(Duration::from_millis(random.below(800)));
        service.kill();
        for submitter in submitters {
            let output = submitter.wait_with_output().unwrap();
            if output.status.success() {
                let job: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                acknowledged.insert(job["id"].as_u64().unwrap());
            } else {
                let said = common::said(&output);
                assert!(!said.contains("definition"), "the request itself was refused: {said}");
            }
        }
        let data = service.data();
        until("the death of every process of the builds", || {
            processes_below(&data.join("build")).is_empty().then_some(())
        });
        let begun = Instant::now();
        service.spawn();
        slowest_start = slowest_start.max(begun.elapsed());
        assert_eq!(mounts_below(&data), [""; 0], "round {round}: stray mounts");
        for id in &acknowledged {
            let job = service.job(*id);
            let state = job["state"].as_str().unwrap().to_owned();
            assert!(
                ["queued", "building", "done", "failed"].contains(&state.as_str()),
                "round {round}: {job:#}"
            );
        }
        empty_the_queue(&service);
    }
    service.stop();
    service.spawn();
    let data = service.data();
    for id in &acknowledged {
        let job = service.job(*id);
        let state = job["state"].as_str().unwrap();
        assert!(["done", "failed", "cancelled"].contains(&state), "{job:#}");
    }
    assert_eq!(loops_below(&data), [""; 0], "stray loop devices");
    let build: Vec<_> = std::fs::read_dir(data.join("build")).unwrap().collect();
    assert!(build.is_empty(), "stray build directories: {build:?}");
    for entry in std::fs::read_dir(data.join("jobs")).unwrap().flatten() {
        let id: u64 = entry.file_name().to_str().unwrap().parse().unwrap();
        assert!(service.job(id)["id"].as_u64() == Some(id), "jobs/{id} has no record");
    }
    service.stop();
    let fsck = service.cli(&["fsck"]);
    assert!(fsck.status.success(), "{}", common::said(&fsck));
    println!(
        "{} kills, {} acknowledged jobs, slowest start {} ms (seed {seed})",
        rounds(),
        acknowledged.len(),
        slowest_start.as_millis()
    );
    assert!(!acknowledged.is_empty(), "no request was ever acknowledged: the test proves nothing");
}

fn kickstart(how: &str) -> String {
    format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\nrepo --name=oss --baseurl=http://repo.example/oss\npart / --size 400 --fstype ext4 --ondisk=sda\n%packages\nbusybox\n%end\n"
    )
}

/// Cancels most of what waits or builds, so that a round begins with something to do and never
/// with hundreds.
fn empty_the_queue(service: &Service) {
    for state in ["queued", "building"] {
        let jobs = service.json(&["jobs", "--state", state, "--limit", "100"]);
        let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
        for job in jobs.iter().skip(2) {
            let id = job["id"].as_u64().unwrap().to_string();
            // It may have ended by itself in the meantime.
            let _ = service.cli(&["cancel", &id]);
        }
    }
}
