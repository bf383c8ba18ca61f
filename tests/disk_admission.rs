//! A volume that gets full while the real program runs: a small ext4 of its own, mounted for the
//! test. Jobs wait with a reason and start by themselves when there is room; with 0 bytes free the
//! service goes on to answer, because it gives up its ballast.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;
#[path = "support/volume.rs"]
mod volume;

use common::{Service, img, said, until};
use std::fs::File;
use volume::{MIB, SmallVolume};

/// An appliance on the volume, with a runner that copies.
fn appliance(volume: &SmallVolume, ballast: &str) -> Service {
    let plugins = volume.dir.path().join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    std::fs::copy(common::fixture("plugins/script.wasm"), plugins.join("script.wasm")).unwrap();
    let text = format!(
        "[disk]\nhold_below = \"60MiB\"\nresume_above = \"100MiB\"\nemergency_below = \"16MiB\"\n\
         unknown_need = \"8MiB\"\nballast = {ballast:?}\n[plugins]\ndir = {plugins:?}\n\
         [runners.script]\nprograms = [\"bash\", \"cp\"]\n\
         privileges = [\"root\", \"loop-devices\", \"network\"]\n"
    );
    let on_volume = volume.path().join("data");
    std::fs::create_dir_all(&on_volume).unwrap();
    Service::prepared(&text, |data| std::os::unix::fs::symlink(&on_volume, data).unwrap())
}

fn submit(service: &Service) -> u64 {
    let file = service.write("copy.sh", "copy\n");
    service.submit(&file, "raw", "noarch", &[])
}

/// Submits until one is held: the volume is looked at once a second.
fn held(service: &Service) -> u64 {
    until("a job that waits for the disk", || {
        let id = submit(service);
        service.job(id)["hold"].is_string().then_some(id)
    })
}

fn hold(service: &Service, id: u64) -> String {
    let jobs = service.json(&["jobs", "--state", "queued"]);
    let jobs = jobs["jobs"].as_array().unwrap().clone();
    let job = jobs.iter().find(|job| job["id"] == id).unwrap_or_else(|| panic!("{jobs:?}"));
    job["hold"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_low_volume_holds_jobs_with_the_reason_and_room_starts_them_by_itself() {
    let Some(volume) = SmallVolume::make(256) else { return };
    let mut service = appliance(&volume, "0B");
    let id = submit(&service);
    assert_eq!(service.wait(id)["state"], "done");
    volume.fill(40 * MIB);
    let id = held(&service);
    let told = hold(&service, id);
    assert!(told.starts_with("the volume has ") && told.contains("MiB free"), "{told}");
    assert!(told.contains("jobs wait until 100 MiB are free"), "{told}");
    // It is not forgotten over a restart, and nothing starts before the first look.
    service.stop();
    service.spawn();
    assert_eq!(hold(&service, id), told);
    // More than it was low with is not yet enough.
    volume.empty();
    volume.fill(80 * MIB);
    until("the new number in the reason", || {
        let told = hold(&service, id);
        assert!(!told.is_empty(), "it started with less than resume_above");
        (told.contains("has 7") || told.contains("has 80")).then_some(())
    });
    volume.empty();
    assert_eq!(service.wait(id)["state"], "done");
}

#[test]
fn a_full_volume_gives_up_the_ballast_so_that_the_service_works_and_takes_it_back() {
    let Some(volume) = SmallVolume::make(256) else { return };
    let service = appliance(&volume, "24MiB");
    let ballast = volume.path().join("data/ballast");
    let size = || std::fs::metadata(&ballast).map(|m| m.len()).ok();
    until("the ballast", || (size() == Some(24 * MIB)).then_some(()));
    volume.fill(40 * MIB);
    let first = held(&service);
    volume.fill(0);
    until("the end of the ballast", || size().is_none().then_some(()));
    // With what it gave back, people can still look, cancel and hand in.
    assert!(volume.free() > 16 * MIB, "only {} bytes came back", volume.free());
    let output = service.cli(&["cancel", &first.to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(service.job(first)["state"], "cancelled");
    let second = submit(&service);
    assert!(hold(&service, second).contains("jobs wait until 100 MiB"));
    volume.empty();
    assert_eq!(service.wait(second)["state"], "done");
    until("the ballast again", || (size() == Some(24 * MIB)).then_some(()));
}

#[test]
fn a_build_that_a_full_disk_failed_waits_for_room_when_it_is_handed_in_again() {
    let Some(volume) = SmallVolume::make(256) else { return };
    let mut service = appliance(&volume, "0B");
    service.requeue();
    let go = service.dir.path().join("go");
    let script = format!(
        "until [ -e {go:?} ]; do sleep 0.1; done\n\
         head -c 30000000 /dev/zero >\"$OUTPUT/a\"\n"
    );
    let id = service.submit(&service.write("a.sh", &script), "raw", "noarch", &[]);
    service.wait_for(id, "the build", |job| job["state"] == "building");
    volume.fill(4 * MIB);
    File::create(&go).unwrap();
    let job = service.wait(id);
    assert_eq!((&job["state"], &job["failure"]["cause"]), (&"failed".into(), &"box".into()));
    let message = job["failure"]["message"].as_str().unwrap();
    assert!(message.contains("disk") && message.contains("full"), "{job:#}");
    let [again] = service.repeats_of(id)[..] else { panic!("not handed in again once: {job:#}") };
    let told = hold(&service, again);
    assert!(told.contains("jobs wait until 100 MiB are free"), "{told}");
    volume.empty();
    assert_eq!(service.wait(again)["state"], "done", "{}", service.log(again));
}

#[test]
fn two_builds_are_not_started_into_room_for_one() {
    let Some(volume) = SmallVolume::make(256) else { return };
    let service = appliance(&volume, "0B");
    // Each takes 80 MiB at a time; what was seen of the first counts for those after it.
    let takes = "sleep 0.1\nfallocate -l 80M \"$OUTPUT/large\"\n";
    let first = service.submit(&service.write("large.sh", takes), "raw", "noarch", &[]);
    assert_eq!(service.wait(first)["state"], "done", "{}", service.log(first));
    let go = service.dir.path().join("go");
    let waits =
        format!("until [ -e {go:?} ]; do sleep 0.1; done\nhead -c 1000 /dev/zero >\"$OUTPUT/a\"\n");
    let file = service.write("large.sh", &waits);
    let ids: Vec<_> = (0..2).map(|_| service.submit(&file, "raw", "noarch", &[])).collect();
    service.wait_for(ids[0], "the first to build", |job| job["state"] == "building");
    let told = service.wait_for(ids[1], "the second to wait", |job| job["hold"].is_string());
    let told = told["hold"].as_str().unwrap().to_owned();
    assert!(told.contains("running builds may still write"), "{told}");
    File::create(&go).unwrap();
    for id in ids {
        assert_eq!(service.wait(id)["state"], "done", "{}", service.log(id));
    }
}

#[test]
fn contradictory_thresholds_are_refused_with_both_values() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let output = img().args(["check-config", "--config"]).arg(&path).output().unwrap();
        (output.status.success(), said(&output))
    };
    let (fine, text) = check("[disk]\nhold_below = \"1GiB\"\nemergency_below = \"3GiB\"\n");
    assert!(!fine, "{text}");
    assert!(
        text.contains("disk.emergency_below is 3GiB: give less than hold_below, which is 1GiB"),
        "{text}"
    );
    let (fine, text) = check("[disk]\nresume_above = \"4GiB\"\n");
    assert!(!fine && text.contains("disk.resume_above is 4GiB"), "{text}");
    let (fine, text) = check("[disk]\nballast = \"a lot\"\n");
    assert!(!fine && text.contains("`a lot` is no size"), "{text}");
    let (fine, text) = check("[disk]\nhold_below = \"1GiB\"\nemergency_below = \"0B\"\n");
    assert!(fine, "{text}");
}
