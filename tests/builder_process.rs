//! The builder as a process of its own: builds outlive the server, the server outlives the builder,
//! and neither believes what it is told.
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

use builder::{apart, both, held};
use common::{Service, assert_nothing_left, children_of, is_root, place_of_groups, said, until};
use serde_json::Value;
use std::{os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

/// A kickstart that makes the pretended mic behave as `how` says.
fn kickstart(service: &Service, how: &str) -> PathBuf {
    let text = format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\n\
         part / --size 400 --fstype ext4 --ondisk=sda\nrepo --name=oss --baseurl=http://repo.example/oss\n\
         %packages\nbusybox\n%end\n"
    );
    service.write(&format!("{how}.ks"), &text)
}

fn submit(service: &Service, how: &str) -> u64 {
    service.submit(&kickstart(service, how), "raw", "x86_64", &[])
}

fn cause(job: &Value) -> &str {
    job["failure"]["cause"].as_str().unwrap_or("none")
}

fn message(job: &Value) -> &str {
    job["failure"]["message"].as_str().unwrap_or("none")
}

/// The log of a slow build has every line, once and in order.
fn assert_whole(log: &str) {
    let installed: Vec<_> = log.lines().filter(|l| l.contains("Installing: ")).collect();
    let numbers: Vec<_> = installed.iter().map(|l| l.rsplit_once('[').unwrap().1).collect();
    let wanted: Vec<_> = (1..=8).map(|n| format!("{n}/8]")).collect();
    assert_eq!(numbers, wanted, "{log}");
}

/// What the health page knows, as root on the box is told it.
fn health(service: &Service) -> String {
    use std::io::{Read as _, Write as _};
    let socket = service.data().join("img.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let ask = "GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn log_on_disk(service: &Service, id: u64) -> String {
    let dir = service.data().join(format!("jobs/{id:08}"));
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

#[test]
fn a_build_runs_in_a_process_of_its_own() {
    if !is_root("mic") {
        return;
    }
    let (service, _builder) = both("");
    let id = submit(&service, "succeed");
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(id));
    let image = job["artifacts"].as_array().unwrap().iter().find(|a| a["role"] == "image");
    assert_eq!(image.unwrap()["size"], 1_048_576);
    assert_whole(&service.log(id));
    assert!(!job["phases"].as_array().unwrap().is_empty(), "{job:#}");
    let id = submit(&service, "no-package");
    let job = service.wait(id);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "definition"), "{job:#}");
    let id = submit(&service, "hang");
    until("the hanging", || service.log(id).contains("hanging now").then_some(()));
    assert!(service.cli(&["cancel", &id.to_string()]).status.success());
    assert_eq!(service.wait(id)["state"], "cancelled");
    assert!(service.log(id).contains("tidying up after SIGINT"), "{}", service.log(id));
    let id = submit(&service, "talkative");
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}");
    let log = service.log(id);
    assert!(log.contains("line 000001 of") && log.contains("line 040000 of"));
    let health = health(&service);
    assert!(health.contains("b.sock: img ") && health.contains("there for"), "{health}");
    assert_eq!(job["log_size"].as_u64(), Some(log.len() as u64), "{job:#}");
    assert_nothing_left(&service);
}

#[test]
fn jobs_wait_while_the_builder_is_away_and_start_when_it_is_there() {
    if !is_root("mic") {
        return;
    }
    let (mut service, mut builder) = apart("");
    let id = submit(&service, "succeed");
    let hold = held(&service, id, "the builder does not answer");
    assert!(hold.contains("b.sock") && hold.contains("when it is back"), "{hold}");
    let health = health(&service);
    assert!(health.contains("b.sock: away ("), "{health}");
    // A restart changes nothing of it.
    service.stop();
    service.spawn();
    held(&service, id, "the builder does not answer");
    builder.spawn();
    assert_eq!(service.wait(id)["state"], "done");
}

#[test]
fn a_build_goes_on_while_the_server_is_killed_and_comes_back() {
    if !is_root("mic") {
        return;
    }
    let (mut service, _builder) = both("");
    let id = submit(&service, "slow");
    let before = service.wait_for(id, "progress", |job| job["progress"]["done"].as_u64() > Some(1));
    service.kill();
    let had = log_on_disk(&service, id).len();
    until("the build to go on without a server", || {
        (log_on_disk(&service, id).len() > had).then_some(())
    });
    service.spawn();
    let after = service.job(id);
    assert_eq!(after["state"], "building", "{after:#}");
    assert_eq!(after["started"], before["started"], "{after:#}");
    assert!(after["progress"]["done"].as_u64() >= before["progress"]["done"].as_u64(), "{after:#}");
    let follow = service.cli(&["log", "-f", &id.to_string()]);
    assert!(follow.status.success(), "{}", said(&follow));
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}");
    let log = service.log(id);
    assert_whole(&log);
    assert_eq!(String::from_utf8_lossy(&follow.stdout), log, "following misses nothing");
    assert_eq!(job["log_size"].as_u64(), Some(log.len() as u64), "{job:#}");
    let phases: Vec<_> = job["phases"].as_array().unwrap().iter().collect();
    assert!(phases.len() > 1, "{job:#}");
    assert_nothing_left(&service);
}

#[test]
fn an_end_that_came_while_the_server_was_away_is_not_lost() {
    if !is_root("mic") {
        return;
    }
    let (mut service, mut builder) = both("");
    let id = submit(&service, "slow");
    service.wait_for(id, "progress", |job| job["progress"]["done"].as_u64() > Some(1));
    service.kill();
    let kept = service.data().join(format!("builder/{id:08}"));
    until("the end of the build", || kept.exists().then_some(()));
    // Not even when the builder dies as well.
    builder.kill();
    builder.spawn();
    service.spawn();
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}");
    assert_whole(&service.log(id));
    assert!(!job["artifacts"].as_array().unwrap().is_empty(), "{job:#}");
    // It is acknowledged: a further restart finds nothing of it.
    until("the acknowledgement", || (!kept.exists()).then_some(()));
    service.kill();
    service.spawn();
    assert_eq!(service.job(id)["state"], "done");
}

#[test]
fn a_stop_of_the_server_lets_go_of_its_builds() {
    if !is_root("mic") {
        return;
    }
    let (mut service, _builder) = both("");
    let id = submit(&service, "hang");
    until("the hanging", || service.log(id).contains("hanging now").then_some(()));
    let took = service.stop();
    assert!(took < Duration::from_secs(15), "it waited for its builds: {took:?}");
    service.spawn();
    assert_eq!(service.job(id)["state"], "building");
    assert!(service.cli(&["cancel", &id.to_string()]).status.success());
    let job = service.wait(id);
    assert_eq!(job["state"], "cancelled", "{job:#}");
    assert!(service.log(id).contains("tidying up after SIGINT"), "{}", service.log(id));
    assert_nothing_left(&service);
}

#[test]
fn the_death_of_the_builder_ends_its_jobs_with_a_sentence_and_the_next_one_sweeps() {
    if !is_root("mic") {
        return;
    }
    let (service, mut builder) = both("");
    let id = submit(&service, "hang");
    until("the hanging", || service.log(id).contains("hanging now").then_some(()));
    let waiting = submit(&service, "succeed");
    service.wait(waiting);
    builder.kill();
    let next = submit(&service, "succeed");
    held(&service, next, "the builder does not answer");
    let found = builder.spawn();
    assert!(found.contains(&format!("build/{id:08} was left")), "{found}");
    let job = service.wait(id);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "interrupted"), "{job:#}");
    assert!(message(&job).contains("builder"), "{job:#}");
    let log = service.log(id);
    assert_eq!(job["log_size"].as_u64(), Some(log.len() as u64), "{job:#}");
    assert_eq!(service.wait(next)["state"], "done");
    assert_nothing_left(&service);
}

/// Changes a flag of a file that even root respects; false where there is none.
fn immutable(file: &std::path::Path, flag: &str) -> bool {
    let ended = std::process::Command::new("chattr").arg(flag).arg(file).status();
    ended.is_ok_and(|ended| ended.success())
}

#[test]
fn what_a_start_cannot_free_is_told_of_the_job_that_left_it() {
    if !is_root("mic") {
        return;
    }
    let (mut service, mut builder) = both("");
    for embedded in [false, true] {
        if embedded {
            builder.kill();
            service = Service::start();
        }
        let id = submit(&service, "hang");
        until("the hanging", || service.log(id).contains("hanging now").then_some(()));
        let left = service.data().join(format!("build/{id:08}/work/left"));
        std::fs::write(&left, "x").unwrap();
        if !immutable(&left, "+i") {
            return common::skip("nothing can be made immutable here");
        }
        if embedded {
            service.kill();
            service.spawn();
        } else {
            builder.kill();
            builder.spawn();
        }
        let job = service.wait(id);
        let told = health(&service);
        assert!(immutable(&left, "-i"));
        assert_eq!(cause(&job), "interrupted", "{job:#}");
        let residual = job["residual"][0].as_str().expect("what is left");
        assert!(residual.contains("chattr -R -ia "), "{residual}");
        assert_eq!(told.contains("Not freed"), embedded, "{told}");
    }
}

#[test]
fn a_build_that_died_with_its_builder_is_handed_in_again_once() {
    if !is_root("mic") {
        return;
    }
    let (mut service, mut builder) = both("");
    service.requeue();
    let first = submit(&service, "hang");
    until("the hanging", || service.log(first).contains("hanging now").then_some(()));
    builder.kill();
    builder.spawn();
    let job = service.wait(first);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "interrupted"), "{job:#}");
    let [second] = service.repeats_of(first)[..] else { panic!("not handed in again once") };
    until("the hanging", || service.log(second).contains("hanging now").then_some(()));
    builder.kill();
    builder.spawn();
    let job = service.wait(second);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "interrupted"), "{job:#}");
    let next = submit(&service, "succeed");
    assert_eq!(service.wait(next)["state"], "done");
    assert_eq!((service.repeats_of(first), service.repeats_of(second)), (vec![second], vec![]));
    assert_nothing_left(&service);
}

#[test]
fn after_a_reboot_in_the_middle_nothing_is_left_and_what_was_asked_for_is_built() {
    if !is_root("mounts and loop devices") {
        return;
    }
    let (mut service, mut builder) = both("");
    service.requeue();
    let slow = submit(&service, "slow");
    service.wait_for(slow, "progress", |job| job["progress"]["done"].as_u64() > Some(1));
    let hanging = submit(&service, "litter-and-hang");
    until("the hanging", || service.log(hanging).contains("hanging now").then_some(()));
    let waiting = submit(&service, "succeed");
    assert_eq!(service.job(waiting)["state"], "queued");
    service.kill();
    builder.kill();
    let build = service.data().join("build");
    until("the death of every tool", || common::processes_below(&build).is_empty().then_some(()));
    let found = builder.spawn();
    assert!(found.contains(&format!("build/{hanging:08} was left")), "{found}");
    assert_nothing_left(&service);
    service.spawn();
    for id in [slow, hanging] {
        let job = service.wait(id);
        assert_eq!(
            (job["state"].as_str(), cause(&job)),
            (Some("failed"), "interrupted"),
            "{job:#}"
        );
    }
    assert_eq!(service.wait(waiting)["state"], "done");
    let again = [slow, hanging].map(|id| service.repeats_of(id));
    let [[slow], [hanging]] = again.each_ref().map(|ids| &ids[..]) else { panic!("{again:?}") };
    assert_eq!(service.wait(*slow)["state"], "done");
    assert!(service.cli(&["cancel", &hanging.to_string()]).status.success());
    assert_eq!(service.wait(*hanging)["state"], "cancelled");
    assert_nothing_left(&service);
}

#[test]
fn a_builder_that_hangs_is_told_of_and_outlasted() {
    if !is_root("mic") {
        return;
    }
    let (service, builder) = both("");
    let slow = submit(&service, "slow");
    let hanging = submit(&service, "hang");
    until("the hanging", || service.log(hanging).contains("hanging now").then_some(()));
    builder.signal(rustix::process::Signal::STOP);
    // Nothing here waits for it: people look, hand in and cancel.
    let late = submit(&service, "succeed");
    assert!(service.cli(&["cancel", &hanging.to_string()]).status.success());
    assert_eq!(service.job(hanging)["state"], "building");
    // It is asked now and then, and answers no more; after that it does not say hello.
    let hold = held(&service, late, "the builder does not answer");
    assert!(hold.contains("nothing was heard") || hold.contains("hello in time"), "{hold}");
    let health = health(&service);
    assert!(health.contains("b.sock: away ("), "{health}");
    builder.signal(rustix::process::Signal::CONT);
    assert_eq!(service.wait(hanging)["state"], "cancelled");
    assert!(service.log(hanging).contains("tidying up after SIGINT"));
    let job = service.wait(slow);
    assert_eq!(job["state"], "done", "{job:#}");
    assert_whole(&service.log(slow));
    assert_eq!(service.wait(late)["state"], "done");
    assert_nothing_left(&service);
}

#[test]
fn a_builder_that_is_told_to_stop_interrupts_what_does_not_end() {
    if !is_root("mic") {
        return;
    }
    let (service, mut builder) = both("[server]\nstop_grace = \"3s\"\n");
    let hanging = submit(&service, "hang");
    until("the hanging", || service.log(hanging).contains("hanging now").then_some(()));
    let slow = submit(&service, "slow");
    service.wait_for(slow, "the slow build", |job| job["progress"]["done"].as_u64() > Some(1));
    builder.terminate();
    let late = submit(&service, "succeed");
    held(&service, late, "the builder does not answer");
    builder.waited();
    assert!(!builder.socket().exists(), "the socket goes with it");
    assert_eq!(service.wait(slow)["state"], "done", "it ended within the grace");
    let job = service.wait(hanging);
    assert_eq!((job["state"].as_str(), cause(&job)), (Some("failed"), "interrupted"), "{job:#}");
    assert!(service.log(hanging).contains("tidying up after SIGINT"));
    assert_nothing_left(&service);
    builder.spawn();
    assert_eq!(service.wait(late)["state"], "done");
}

#[test]
fn two_builders_never_share_a_data_directory() {
    let (mut service, mut builder) = both("");
    let second = builder.command().output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("another builder works in"), "{}", said(&second));
    service.stop();
    // A server that would build by itself is refused as well, while one that has a builder is not.
    let alone = service.command(&["serve"]).env("IMG_LISTEN", "127.0.0.1:0").output().unwrap();
    assert_eq!(alone.status.code(), Some(1), "{}", said(&alone));
    assert!(said(&alone).contains("builder.socket"), "{}", said(&alone));
    service.spawn();
    assert!(builder.is_alive());
}

#[test]
fn a_builder_without_data_or_socket_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = common::img();
        command.args(args).env("IMG_DATA_DIR", dir.path().join("data")).env_remove("IMG_SOCKET");
        command.output().unwrap()
    };
    let none = run(&["builder"]);
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    assert!(said(&none).contains("start `img serve` once"), "{}", said(&none));
    drop(img::files::DataDir::open(&dir.path().join("data")).unwrap());
    let none = run(&["builder"]);
    assert!(said(&none).contains("builder.socket"), "{}", said(&none));
}

#[test]
fn systemd_may_make_the_socket() {
    if !is_root("mic") {
        return;
    }
    let (service, builder) = apart("");
    let socket = std::os::unix::net::UnixListener::bind(builder.socket()).unwrap();
    // What systemd does: the socket is handle 3, and the variables name this very process.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let command = builder.command();
    let mut child = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(socket)))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let id = submit(&service, "succeed");
    let job = service.wait(id);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(job["state"], "done", "{job:#}");
    assert!(builder.socket().exists(), "it is systemd's to remove");
}

/// What a server that is not root makes of files that a builder which is root made.
#[test]
fn files_of_a_root_builder_belong_to_the_owner_of_the_data_directory() {
    if !is_root("another user") {
        return;
    }
    const NOBODY: u32 = 65_534;
    let (mut service, mut builder) = apart("");
    service.stop();
    let path = service.dir.path().to_owned();
    give_away(&path, NOBODY);
    let sockets = builder.socket().parent().unwrap().to_owned();
    std::fs::set_permissions(&sockets, std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .unwrap();
    service.spawn_as(Some(NOBODY));
    builder.spawn();
    let id = submit(&service, "talkative");
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(id));
    let dir = service.data().join(format!("jobs/{id:08}"));
    until("the compressed log", || dir.join("log.gz").exists().then_some(()));
    let mut looked = 0;
    let mut places = vec![dir.clone()];
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).unwrap().flatten() {
            let about = entry.metadata().unwrap();
            assert_eq!(about.uid(), NOBODY, "{}", entry.path().display());
            looked += 1;
            if about.is_dir() {
                places.push(entry.path());
            }
        }
    }
    assert!(looked > 5, "{looked}");
    let to = service.dir.path().join("taken");
    std::fs::create_dir(&to).unwrap();
    let output = service.cli(&["download", &id.to_string(), "-o", to.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(service.cli(&["delete", &id.to_string()]).status.success());
    until("the deletion", || (!dir.join("artifacts").exists()).then_some(()));
}

#[test]
fn what_waits_for_the_next_build_and_its_control_group_end_with_the_process() {
    if !is_root("mic") {
        return;
    }
    let waits = |process: u32, service: &Service| {
        let id = submit(service, "succeed");
        assert_eq!(service.wait(id)["state"], "done");
        let waits = until("what waits for the next build", || {
            Some(children_of(process)).filter(|children| !children.is_empty())
        });
        // Not every box has groups of version 2.
        let log = service.log(id);
        let grouped = log.contains("a control group");
        assert_eq!(place_of_groups(&service.data()).is_some(), grouped, "{log}");
        waits
    };
    let all_gone = |waited: &[u32], service: &Service| {
        let mut left = waited.iter().filter(|n| PathBuf::from(format!("/proc/{n}")).exists());
        assert_eq!(left.next(), None, "of {waited:?}");
        assert_eq!(place_of_groups(&service.data()), None);
    };
    let mut near = Service::start();
    let waited = waits(near.pid(), &near);
    near.stop();
    all_gone(&waited, &near);

    let (far, mut builder) = both("");
    let waited = waits(builder.pid(), &far);
    builder.terminate();
    builder.waited();
    all_gone(&waited, &far);
}

#[test]
fn a_running_service_goes_on_with_its_own_helper_after_an_upgrade() {
    if !is_root("mic") {
        return;
    }
    let mut service = Service::start();
    service.stop();
    service.spawn_as(Some(0));
    let sandbox = |service: &Service| {
        let id = submit(service, "succeed");
        assert_eq!(service.wait(id)["state"], "done", "{}", service.log(id));
        let log = service.log(id);
        let line = log.lines().find(|line| line.contains("sandbox: ")).unwrap_or_default();
        line.rsplit_once("sandbox: ").map(|(_, kind)| kind.to_owned()).unwrap_or(log)
    };
    let before = sandbox(&service);
    assert!(before.contains("namespaces"), "{before}");
    // What waits for the second build is from before, what waits for the third one is not.
    let other = service.write("other", "#!/bin/sh\nexit 7\n");
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(&other, service.dir.path().join("for-everybody")).unwrap();
    for _ in 0..3 {
        assert_eq!(sandbox(&service), before, "the same one at work");
    }
    assert_nothing_left(&service);
}

fn give_away(dir: &std::path::Path, owner: u32) {
    std::os::unix::fs::chown(dir, Some(owner), Some(owner)).unwrap();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        std::os::unix::fs::lchown(entry.path(), Some(owner), Some(owner)).unwrap();
        if kind.is_dir() {
            give_away(&entry.path(), owner);
        }
    }
}
