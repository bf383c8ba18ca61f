//! kill -9 at random moments while requests are handed in and images are built, by tools that only
//! pretend and by real ones: nothing that was acknowledged is lost, no job builds on paper only,
//! nothing is left behind.
//!
//! `make test` runs 30 rounds, `make soak` 500 (`IMG_KILL_ROUNDS`); with a builder that is a process
//! of its own the server, the builder or both are killed. `IMG_KILL_SEED` repeats a run.
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

use common::{
    Service, assert_nothing_left, config, is_root, mounts_below, processes_below, said, until,
};
use serde_json::Value;
use sha2::Digest as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
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
    std::env::var("IMG_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(30)
}

fn seed(usual: u64) -> u64 {
    std::env::var("IMG_KILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(usual)
}

/// What can be handed in: the words behind `img submit`.
struct Requests(Vec<Vec<String>>);

impl Requests {
    /// Kickstarts for the pretended mic, and definitions for mmdebstrap and genimage where those
    /// are installed; genimage makes its disk from a tree that mmdebstrap has built before.
    fn of(service: &Service) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let fake = |how: &str| {
            let file = service.write(&format!("{how}.ks"), &kickstart(how));
            words(&[file.to_str().unwrap(), "--type", "raw", "--arch", "x86_64"])
        };
        let mut all: Vec<_> = ["succeed", "slow", "hang", "litter"].map(fake).into();
        if let Some(missing) = missing_tool() {
            common::skip(&format!("builds by real tools: `{missing}` is not installed"));
            return Self(all);
        }
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
        let tree = plugins.join("mmdebstrap/examples/busybox.toml");
        let disk = plugins.join("genimage/examples/disk.cfg");
        let id = service.submit(&tree, "tar", "amd64", &[]);
        let job = service.wait(id);
        assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(id));
        let input = id.to_string();
        let tree = words(&[tree.to_str().unwrap(), "--type", "tar", "--arch", "amd64"]);
        let disk = [disk.to_str().unwrap(), "--type", "hdimage", "--arch", "amd64"];
        let disk = words(&[&disk[..], &["--input-job", &input]].concat());
        // Half of what is handed in is real.
        all.extend([tree.clone(), tree, disk.clone(), disk]);
        Self(all)
    }

    /// Some at once, of kinds that chance decides.
    fn submit(&self, service: &Service, random: &mut Random, count: usize) -> Vec<Child> {
        let mut submit = || {
            let request = &self.0[random.below(self.0.len() as u64) as usize];
            let words: Vec<_> = request.iter().map(String::as_str).collect();
            let mut command = service.command(&[&["submit"], &words[..], &["--json"]].concat());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        (0..count).map(|_| submit()).collect()
    }
}

fn missing_tool() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |tool: &&str| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file());
    ["mmdebstrap", "genimage", "genext2fs"].into_iter().find(|tool| !there(tool))
}

fn kickstart(how: &str) -> String {
    format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\nrepo --name=oss --baseurl=http://repo.example/oss\npart / --size 400 --fstype ext4 --ondisk=sda\n%packages\nbusybox\n%end\n"
    )
}

/// Numbers of the jobs that were acknowledged.
fn take_acknowledged(submitters: Vec<Child>, acknowledged: &mut BTreeSet<u64>) {
    for submitter in submitters {
        let output = submitter.wait_with_output().unwrap();
        if output.status.success() {
            let job: Value = serde_json::from_slice(&output.stdout).unwrap();
            acknowledged.insert(job["id"].as_u64().unwrap());
        } else {
            let said = said(&output);
            assert!(!said.contains("definition"), "the request itself was refused: {said}");
        }
    }
}

/// Every job, by its number.
fn jobs(service: &Service) -> BTreeMap<u64, Value> {
    let mut all = BTreeMap::new();
    let mut before = None;
    loop {
        let oldest: Option<u64> = before;
        let oldest = oldest.map(|id| id.to_string());
        let mut words = vec!["jobs", "--limit", "100"];
        if let Some(oldest) = &oldest {
            words.extend(["--before", oldest]);
        }
        let page = service.json(&words);
        let page = page["jobs"].as_array().unwrap();
        all.extend(page.iter().map(|job| (job["id"].as_u64().unwrap(), job.clone())));
        if page.len() < 100 {
            return all;
        }
        before = all.keys().next().copied();
    }
}

fn is_building(job: &Value) -> bool {
    job["state"] == "building"
}

/// Every acknowledged job is there, in a state that makes sense.
fn assert_known(jobs: &BTreeMap<u64, Value>, acknowledged: &BTreeSet<u64>, round: u64) {
    for id in acknowledged {
        let job = jobs.get(id).unwrap_or_else(|| panic!("round {round}: job {id} is lost"));
        let state = job["state"].as_str().unwrap();
        let known = ["queued", "building", "done", "failed", "cancelled"];
        assert!(known.contains(&state), "round {round}: {job:#}");
        let said = job["failure"]["message"].as_str().unwrap_or_default();
        assert!(!said.starts_with("the builder at"), "who died is no liar: {job:#}");
    }
}

/// Nothing of a build outlives the process that carried it out.
fn assert_dead(service: &Service) {
    let data = service.data();
    until("the death of every process of the builds", || {
        let left = [processes_below(&data.join("build")), marked(&data)].concat();
        left.is_empty().then_some(())
    });
}

/// Processes that a build below `data` started, wherever they went.
fn marked(data: &Path) -> Vec<String> {
    let mark = format!("IMG_BUILD_DIR={}", data.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of_build = processes.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
    });
    of_build.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Cancels most of what waits or builds, so that a round begins with something to do and never
/// with hundreds.
fn empty_the_queue(service: &Service, jobs: &BTreeMap<u64, Value>) {
    let open =
        |state: &'static str| jobs.iter().rev().filter(move |(_, job)| job["state"] == state);
    for (id, _) in open("queued").skip(3).chain(open("building").skip(3)) {
        // It may have ended by itself in the meantime.
        let _ = service.cli(&["cancel", &id.to_string()]);
    }
}

/// Ends what is open and looks at everything once more.
fn assert_well(service: &mut Service, acknowledged: &BTreeSet<u64>) -> [usize; 3] {
    for (id, _) in jobs(service).iter().filter(|(_, job)| job["state"] == "queued") {
        let _ = service.cli(&["cancel", &id.to_string()]);
    }
    for (id, _) in jobs(service).iter().filter(|(_, job)| is_building(job)) {
        let _ = service.cli(&["cancel", &id.to_string()]);
        service.wait(*id);
    }
    let all = jobs(service);
    assert_known(&all, acknowledged, 0);
    for (id, job) in &all {
        if let Some(place) = temporary(&service.log(*id)) {
            assert!(!Path::new(&place).exists(), "{place} is left of {job:#}");
        }
        let state = job["state"].as_str().unwrap();
        assert!(["done", "failed", "cancelled"].contains(&state), "a ghost: {job:#}");
        if state == "done" {
            assert_whole(service, *id);
        }
    }
    assert_nothing_left(service);
    assert_eq!(marked(&service.data()), [""; 0], "stray processes");
    for entry in std::fs::read_dir(service.data().join("jobs")).unwrap().flatten() {
        let id: u64 = entry.file_name().to_str().unwrap().parse().unwrap();
        assert!(all.contains_key(&id), "jobs/{id} has no record");
    }
    service.stop();
    let fsck = service.cli(&["fsck"]);
    assert!(fsck.status.success(), "{}", said(&fsck));
    ["done", "failed", "cancelled"].map(|s| all.values().filter(|job| job["state"] == s).count())
}

/// The directory that mmdebstrap works in, as it tells.
fn temporary(log: &str) -> Option<String> {
    let told = log.lines().find_map(|line| line.strip_prefix("I: using "))?;
    Some(told.strip_suffix(" as tempdir")?.to_owned())
}

/// The log and the files of a finished job are what its record says.
fn assert_whole(service: &Service, id: u64) {
    let job = service.job(id);
    let log = service.log(id).len() as u64;
    assert_eq!(job["log_size"].as_u64(), Some(log), "{job:#}");
    for artifact in job["artifacts"].as_array().unwrap() {
        let bytes = std::fs::read(artifact["path"].as_str().unwrap()).unwrap();
        let sum = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&bytes));
        assert_eq!(artifact["sha256"], sum.as_str(), "{artifact:#} of {job:#}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_left() {
    if !is_root("mic") {
        return;
    }
    let mut service = Service::outside_of_tmp(&config("[limits]\nqueue_cap = 10000\n"));
    let seed = seed(20_101);
    let mut random = Random(seed);
    let mut acknowledged = BTreeSet::new();
    let requests = Requests::of(&service);
    let (mut slowest_start, mut in_the_middle) = (Duration::ZERO, 0);
    for round in 0..rounds() {
        let submitters = requests.submit(&service, &mut random, 3);
        // Many short rounds and some that let real tools come far.
        let longest = if random.below(4) == 0 { 9_000 } else { 1_500 };
        std::thread::park_timeout(Duration::from_millis(random.below(longest)));
        service.kill();
        take_acknowledged(submitters, &mut acknowledged);
        assert_dead(&service);
        let data = service.data();
        in_the_middle += std::fs::read_dir(data.join("build")).unwrap().count();
        let begun = Instant::now();
        service.spawn();
        slowest_start = slowest_start.max(begun.elapsed());
        assert_eq!(mounts_below(&data), [""; 0], "round {round}: stray mounts");
        let all = jobs(&service);
        assert_known(&all, &acknowledged, round);
        empty_the_queue(&service, &all);
    }
    let ended = assert_well(&mut service, &acknowledged);
    println!(
        "{} kills of the server, {in_the_middle} builds killed in the middle, {} acknowledged jobs \
         ({ended:?} done, failed, cancelled), slowest start {} ms (seed {seed})",
        rounds(),
        acknowledged.len(),
        slowest_start.as_millis()
    );
    assert!(in_the_middle > 0 && !acknowledged.is_empty(), "nothing was killed: no proof");
}

/// What a round kills.
struct Killed {
    server: bool,
    builder: bool,
}

#[test]
fn with_a_builder_of_its_own_no_kill_of_the_server_loses_a_build() {
    if !is_root("mic") {
        return;
    }
    let (mut service, mut builder) = builder::both_outside_of_tmp("[limits]\nqueue_cap = 10000\n");
    let seed = seed(40_402);
    let mut random = Random(seed);
    let mut acknowledged = BTreeSet::new();
    let requests = Requests::of(&service);
    let (mut servers, mut builders, mut survived, mut in_the_middle) = (0, 0, 0, 0);
    let mut lost = BTreeSet::new();
    for round in 0..rounds() {
        let submitters = requests.submit(&service, &mut random, 2);
        std::thread::park_timeout(Duration::from_millis(random.below(2_500)));
        let killed = match random.below(6) {
            0 => Killed { server: true, builder: true },
            1 => Killed { server: false, builder: true },
            _ => Killed { server: true, builder: false },
        };
        let before: Vec<_> =
            jobs(&service).into_iter().filter(|(_, job)| is_building(job)).collect();
        if killed.server {
            service.kill();
            servers += 1;
        }
        if killed.builder {
            builder.kill();
            builders += 1;
            in_the_middle += std::fs::read_dir(service.data().join("build")).unwrap().count();
        }
        take_acknowledged(submitters, &mut acknowledged);
        if killed.builder {
            assert_dead(&service);
            builder.spawn();
        }
        if killed.server {
            service.spawn();
        }
        let all = jobs(&service);
        assert_known(&all, &acknowledged, round);
        if killed.builder {
            // The server may hear of that only in a later round.
            lost.extend(before.iter().map(|(id, _)| *id));
            lost.extend(all.iter().filter(|(_, job)| is_building(job)).map(|(id, _)| *id));
        } else {
            // Whoever builds when only the server dies builds on, or has ended by itself.
            for (id, _) in before.into_iter().filter(|(id, _)| !lost.contains(id)) {
                let job = &all[&id];
                assert_ne!(job["failure"]["cause"], "interrupted", "round {round}: {job:#}");
                assert_ne!(job["state"], "queued", "round {round}: {job:#}");
                survived += u64::from(is_building(job));
            }
        }
        empty_the_queue(&service, &all);
    }
    let ended = assert_well(&mut service, &acknowledged);
    println!(
        "{servers} kills of the server and {builders} of the builder in {} rounds, {in_the_middle} \
         builds killed in the middle, {survived} times a build had survived the server, {} \
         acknowledged jobs ({ended:?} done, failed, cancelled) (seed {seed})",
        rounds(),
        acknowledged.len(),
    );
    assert!(survived > 0 && !acknowledged.is_empty(), "nothing survived: the test proves nothing");
}
