//! kill -9 at random moments while requests are handed in and images are built: nothing that was
//! acknowledged is lost, no job builds on paper only, nothing is left behind.
//!
//! `make test` runs 50 rounds, `make soak` 500 (`IMG_KILL_ROUNDS`); with a builder that is a process
//! of its own 40, of the server, the builder or both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

#[path = "support/builder.rs"]
mod builder;
mod common;

use common::{Service, config, is_root, loops_below, mounts_below, processes_below, until};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Child, Stdio},
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
        let submitters = submit_some(&service, &files, &mut random, 3);
        std::thread::park_timeout(Duration::from_millis(random.below(800)));
        service.kill();
        take_acknowledged(submitters, &mut acknowledged);
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

/// Some requests at once, of kinds that chance decides.
fn submit_some(
    service: &Service,
    files: &[PathBuf],
    random: &mut Random,
    count: usize,
) -> Vec<Child> {
    let submit = |file: &PathBuf| {
        let words =
            ["submit", file.to_str().unwrap(), "--type", "raw", "--arch", "x86_64", "--json"];
        let mut command = service.command(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    (0..count).map(|_| submit(&files[random.below(files.len() as u64) as usize])).collect()
}

/// Numbers of the jobs that were acknowledged.
fn take_acknowledged(submitters: Vec<Child>, acknowledged: &mut BTreeSet<u64>) {
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
}
/// A kill of the server, of the builder, or of both.
#[test]
fn with_a_builder_of_its_own_no_kill_of_the_server_loses_a_build() {
    if !is_root("mic") {
        return;
    }
    let (mut service, mut builder) = builder::both("[limits]\nqueue_cap = 10000\n");
    let seed = std::env::var("IMG_KILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(40_402);
    let mut random = Random(seed);
    let kinds = ["succeed", "slow", "hang", "litter"];
    let files: Vec<_> =
        kinds.iter().map(|how| service.write(&format!("{how}.ks"), &kickstart(how))).collect();
    let mut acknowledged = BTreeSet::new();
    let (mut servers, mut builders, mut survived) = (0, 0, 0);
    for round in 0..builder_rounds() {
        let submitters = submit_some(&service, &files, &mut random, 2);
        std::thread::park_timeout(Duration::from_millis(random.below(900)));
        let (kill_server, kill_builder) = match random.below(6) {
            0 => (true, true),
            1 => (false, true),
            _ => (true, false),
        };
        // Whoever builds when only the server dies must still build, or have ended well.
        if kill_server {
            service.kill();
            servers += 1;
        }
        if kill_builder {
            builder.kill();
            builders += 1;
        }
        take_acknowledged(submitters, &mut acknowledged);
        if kill_builder {
            let data = service.data();
            until("the death of every process of the builds", || {
                processes_below(&data.join("build")).is_empty().then_some(())
            });
            builder.spawn();
            assert_eq!(mounts_below(&data), [""; 0], "round {round}: stray mounts");
        }
        if kill_server {
            service.spawn();
        }
        for id in &acknowledged {
            let job = service.job(*id);
            let (state, cause) = (job["state"].as_str().unwrap(), &job["failure"]["cause"]);
            if !kill_builder && builders == 0 {
                assert_ne!(cause, "interrupted", "round {round}: {job:#}");
            }
            survived += u64::from(state == "building" && kill_server && !kill_builder);
        }
        empty_the_queue(&service);
    }
    for id in &acknowledged {
        let _ = service.cli(&["cancel", &id.to_string()]);
    }
    for id in &acknowledged {
        let job = service.wait(*id);
        let state = job["state"].as_str().unwrap();
        assert!(["done", "failed", "cancelled"].contains(&state), "{job:#}");
        let said = job["failure"]["message"].as_str().unwrap_or_default();
        assert!(!said.starts_with("the builder at"), "a builder that died is no liar: {job:#}");
        if state == "done" {
            let size = service.log(*id).len() as u64;
            assert_eq!(job["log_size"].as_u64(), Some(size), "{job:#}");
        }
    }
    common::assert_nothing_left(&service);
    service.stop();
    let fsck = service.cli(&["fsck"]);
    assert!(fsck.status.success(), "{}", common::said(&fsck));
    println!(
        "{servers} kills of the server and {builders} of the builder, {} acknowledged jobs, \
         {survived} times a build had survived (seed {seed})",
        acknowledged.len()
    );
    assert!(survived > 0 && !acknowledged.is_empty(), "nothing survived: the test proves nothing");
}

fn builder_rounds() -> u64 {
    std::env::var("IMG_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
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
