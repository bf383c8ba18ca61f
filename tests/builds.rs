//! How builds end: a `mic` that succeeds, fails, hangs, prints slowly, exits 0 without an image and
//! leaves a mount, a loop device and a process behind. Each must end as the rules say, and nothing
//! may be left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;

use common::{Service, assert_nothing_left, config, is_root, said, until};
use serde_json::Value;
use std::path::PathBuf;

/// A kickstart that makes the pretended mic behave as `how` says.
fn kickstart(service: &Service, how: &str) -> PathBuf {
    let text = format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\nrootpw --plaintext secret-of-root\n\
         part / --size 400 --fstype ext4 --ondisk=sda\nrepo --name=oss --baseurl=http://repo.example/oss\n\
         %packages\nbusybox\n%end\n"
    );
    service.write(&format!("{}.ks", if how.is_empty() { "plain" } else { how }), &text)
}

fn built(service: &Service, how: &str) -> (u64, Value) {
    let file = kickstart(service, how);
    let id = service.submit(&file, "raw", "x86_64", &[]);
    (id, service.wait(id))
}

fn cause(job: &Value) -> &str {
    job["failure"]["cause"].as_str().unwrap_or("none")
}

fn message(job: &Value) -> &str {
    job["failure"]["message"].as_str().unwrap_or("none")
}

#[test]
fn a_build_that_succeeds_has_an_image_with_its_checksum() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let (id, job) = built(&service, "succeed");
    assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(id));
    let artifacts = job["artifacts"].as_array().unwrap();
    let image = artifacts.iter().find(|a| a["role"] == "image").unwrap();
    assert_eq!(image["size"], 1_048_576);
    // SHA-256 of 1 MiB of zeros.
    assert_eq!(image["sha256"], "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
    assert!(artifacts.iter().any(|a| a["name"] == "SHA256SUMS"), "{job:#}");
    let log = service.log(id);
    assert!(log.contains("Installing: demo-package-8"), "{log}");
    assert!(!job["phases"].as_array().unwrap().is_empty(), "{job:#}");
    assert_nothing_left(&service);

    let to = service.dir.path().join("taken");
    std::fs::create_dir(&to).unwrap();
    let output = service.cli(&["download", &id.to_string(), "-o", to.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let name = image["name"].as_str().unwrap();
    assert_eq!(std::fs::metadata(to.join(name)).unwrap().len(), 1_048_576);
}

#[test]
fn a_failure_is_explained_with_its_cause() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let (_, job) = built(&service, "no-package");
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "definition"), "{job:#}");
    assert!(message(&job).contains("no-such-pkg"), "{job:#}");
    let (_, job) = built(&service, "no-repository");
    assert_eq!(cause(&job), "repository", "{job:#}");
    let (_, job) = built(&service, "post-fails");
    assert_eq!(cause(&job), "definition", "{job:#}");
    assert_nothing_left(&service);
}

#[test]
fn exit_0_without_an_image_is_a_failure() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let (id, job) = built(&service, "no-image");
    assert_eq!(job["state"], "failed", "{job:#}");
    assert!(service.log(id).contains("no such option: --bogus"));
    assert!(!message(&job).is_empty());
    assert_nothing_left(&service);
}

#[test]
fn cancelling_gives_the_tool_time_to_tidy_up() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let id = service.submit(&kickstart(&service, "hang"), "raw", "x86_64", &[]);
    until("the hanging", || service.log(id).contains("hanging now").then_some(()));
    let output = service.cli(&["cancel", &id.to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    let job = service.wait(id);
    assert_eq!(job["state"], "cancelled", "{job:#}");
    assert!(service.log(id).contains("tidying up after SIGINT"), "{}", service.log(id));
    assert_nothing_left(&service);
    let again = service.cli(&["cancel", &id.to_string()]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(said(&again).contains("cancelled"), "{}", said(&again));
}

#[test]
fn a_tool_that_hears_no_signal_is_killed() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let id = service.submit(&kickstart(&service, "deaf"), "raw", "x86_64", &[]);
    until("the hanging", || service.log(id).contains("hearing nothing").then_some(()));
    assert!(service.cli(&["cancel", &id.to_string()]).status.success());
    assert_eq!(service.wait(id)["state"], "cancelled");
    assert_nothing_left(&service);
}

#[test]
fn a_queued_job_is_cancelled_at_once() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let file = kickstart(&service, "deaf");
    let ids: Vec<_> = (0..3).map(|_| service.submit(&file, "raw", "x86_64", &[])).collect();
    let last = ids[2];
    assert_eq!(service.job(last)["state"], "queued");
    assert!(service.cli(&["cancel", &last.to_string()]).status.success());
    assert_eq!(service.job(last)["state"], "cancelled");
    for id in &ids[..2] {
        assert!(service.cli(&["cancel", &id.to_string()]).status.success());
        assert_eq!(service.wait(*id)["state"], "cancelled");
    }
    assert_nothing_left(&service);
}

#[test]
fn who_cancelled_before_the_service_died_has_cancelled_and_others_are_handed_in_again() {
    if !is_root("mic") {
        return;
    }
    // Time enough to die in between.
    let text = config("").replace("\"1s\"", "\"10min\"");
    let mut service = Service::with_config(&text);
    service.requeue();
    let file = kickstart(&service, "deaf");
    let ids: Vec<_> = (0..2).map(|_| service.submit(&file, "raw", "x86_64", &[])).collect();
    for id in &ids {
        until("the hanging", || service.log(*id).contains("hearing nothing").then_some(()));
    }
    let [cancelled, other] = ids[..] else { panic!("two jobs") };
    assert!(service.cli(&["cancel", &cancelled.to_string()]).status.success());
    service.kill();
    service.spawn();
    let job = service.job(cancelled);
    assert_eq!(job["state"], "cancelled", "{job:#}");
    let job = service.job(other);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "interrupted"), "{job:#}");
    let [again] = service.repeats_of(other)[..] else { panic!("not handed in again once") };
    let said = job["failure"]["suggestion"].as_str().unwrap();
    assert!(said.starts_with(&format!("it was handed in again as job {again};")), "{said}");
    let new = service.wait_for(again, "the repeated build", |job| job["state"] == "building");
    assert_eq!(new["retry_of"].as_u64(), Some(other), "{new:#}");
    assert_eq!(service.repeats_of(cancelled), [0; 0]);
    // A second time it is left at that.
    service.kill();
    service.spawn();
    let job = service.job(again);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "interrupted"), "{job:#}");
    assert_eq!((service.repeats_of(again), service.repeats_of(other)), (vec![], vec![again]));
    assert_nothing_left(&service);
}

#[test]
fn a_flood_of_output_is_capped_and_costs_no_memory() {
    if !is_root("mic") {
        return;
    }
    let service = Service::with_config(&config("[limits]\nlog = \"1MiB\"\n"));
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    let (_, job) = built(&service, "succeed");
    assert_eq!(job["state"], "done", "{job:#}");
    let before = peak();
    let (id, job) = built(&service, "flood");
    assert_eq!(job["state"], "done", "{job:#}");
    let (after, log) = (peak(), service.log(id));
    assert!((900_000..1_100_000).contains(&log.len()), "{}", log.len());
    assert!(log.contains("bytes are left out here") && log.contains("Finished."), "its ends stay");
    println!("300 MB of output: from {before} to {after} MiB at most");
    assert!(after < before + 32, "from {before} to {after} MiB at most");
}

#[test]
fn a_slow_log_can_be_followed_while_it_grows() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let id = service.submit(&kickstart(&service, "slow"), "raw", "x86_64", &[]);
    let seen = service.wait_for(id, "progress", |job| job["progress"]["done"].as_u64() > Some(2));
    assert_eq!(seen["state"], "building");
    assert_eq!(seen["progress"]["total"], 8, "{seen:#}");
    let follow = service.cli(&["log", "-f", &id.to_string()]);
    assert!(follow.status.success(), "{}", said(&follow));
    let whole = service.log(id);
    assert_eq!(String::from_utf8_lossy(&follow.stdout), whole, "following misses nothing");
    assert_eq!(service.wait(id)["state"], "done");
}

#[test]
fn a_long_log_is_capped_and_compressed_once_its_job_has_ended() {
    use std::io::Read as _;
    if !is_root("mic") {
        return;
    }
    let mut service = Service::with_config(&config("[limits]\nlog = \"1MiB\"\n"));
    let (id, job) = built(&service, "talkative");
    assert_eq!(job["state"], "done", "{job:#}");
    let dir = service.data().join(format!("jobs/{id:08}"));
    let (plain, packed) = (dir.join("log"), dir.join("log.gz"));
    let compressed = || (!plain.exists() && packed.exists()).then_some(());
    until("compressed log", compressed);
    let mut text = String::new();
    let gz = std::fs::File::open(&packed).unwrap();
    flate2::read::MultiGzDecoder::new(gz).read_to_string(&mut text).unwrap();
    assert_eq!(service.log(id), text);
    assert!(text.contains("line 000001 of") && text.contains("line 040000 of"));
    assert!(text.contains("[img] the log has reached 960 KiB"), "{}", text.len());
    assert!((1_000_000..1_060_000).contains(&text.len()), "{}", text.len());
    assert_eq!(job["log_size"].as_u64(), Some(text.len() as u64), "{job:#}");

    // What an earlier run left plain is found at the next start.
    service.kill();
    std::fs::write(&plain, &text).unwrap();
    std::fs::remove_file(&packed).unwrap();
    service.spawn();
    until("compressed log", compressed);
    assert_eq!(service.log(id), text);
}

#[test]
fn a_secret_never_reaches_the_log() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let (id, job) = built(&service, "secret");
    assert_eq!(job["state"], "done", "{job:#}");
    let log = service.log(id);
    assert!(log.contains("repo.example/oss"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn what_a_tool_leaves_is_freed_in_the_sandbox_and_without() {
    if !is_root("mounts and loop devices") {
        return;
    }
    for sandbox in ["auto", "off"] {
        let text = config("").replace("[build]", &format!("[build]\nsandbox = {sandbox:?}"));
        let service = Service::with_config(&text);
        for (how, state) in [("litter", "failed"), ("litter-well", "done")] {
            let (id, job) = built(&service, how);
            let log = service.log(id);
            assert_eq!(job["state"], state, "{sandbox} {how}: {job:#}\n{log}");
            if !log.contains("left a mount") || !log.contains("left the loop device") {
                common::skip("this system lets root neither mount nor use loop devices");
            }
            assert_nothing_left(&service);
        }
    }
}

#[test]
fn a_build_that_says_nothing_ends_with_its_own_cause() {
    if !is_root("mic") {
        return;
    }
    let text = config("").replace("[build]", "[limits]\nsilence = \"1s\"\n[build]");
    let service = Service::with_config(&text);
    let (_, job) = built(&service, "silent");
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "silent"), "{job:#}");
    assert_nothing_left(&service);
}

#[test]
fn a_build_that_takes_too_long_ends_with_its_own_cause() {
    if !is_root("mic") {
        return;
    }
    let text = config("").replace("[build]", "[limits]\ntotal = \"1s\"\n[build]");
    let service = Service::with_config(&text);
    let (_, job) = built(&service, "hang");
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "timeout"), "{job:#}");
    assert_nothing_left(&service);
}

#[test]
fn a_graceful_stop_interrupts_what_does_not_end_and_starts_nothing() {
    if !is_root("mic") {
        return;
    }
    let mut service = Service::with_config(&config("[server]\nstop_grace = \"500ms\"\n"));
    let file = kickstart(&service, "hang");
    let ids: Vec<_> = (0..3).map(|_| service.submit(&file, "raw", "x86_64", &[])).collect();
    for id in &ids[..2] {
        until("the hanging", || service.log(*id).contains("hanging now").then_some(()));
    }
    service.stop();
    service.spawn();
    for id in &ids[..2] {
        let job = service.job(*id);
        assert_eq!(
            (job["state"].as_str(), cause(&job)),
            (Some("failed"), "interrupted"),
            "{job:#}"
        );
    }
    // The third waited and goes on now, as if nothing had happened.
    service.wait_for(ids[2], "the third job", |job| job["state"] == "building");
    assert!(service.cli(&["cancel", &ids[2].to_string()]).status.success());
    service.wait(ids[2]);
    assert_nothing_left(&service);
}
