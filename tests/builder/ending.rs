//! Builds that do not end by themselves.

use crate::bench::{Fixed, bench, bench_in, is_root, plan, processes_below, sh, stop_at};
use img::{
    builder::protocol::{Outcome, StopReason},
    domain::Cause,
    plugin::api,
};
use std::time::{Duration, Instant};

const STOPPED: Outcome = Outcome::Stopped(StopReason::Cancelled);

#[test]
fn a_cancelled_build_hears_sigint_then_sigterm_then_is_killed() {
    for sandbox in [false, true] {
        let script = "trap 'echo got INT' INT; trap 'echo got TERM' TERM; echo ready; \
                      while true; do sleep 0.02; done";
        let bench = bench(sandbox, plan(script));
        let told = bench.follow(bench.start(1), stop_at("ready"));
        assert_eq!(told.finished.outcome, STOPPED);
        let lines: Vec<_> = told.log.lines().skip(2).collect();
        if lines.contains(&"got INT") || sandbox {
            let order = ["SIGINT sent", "got INT", "SIGTERM sent", "got TERM", "killed"];
            let place = |word: &str| lines.iter().position(|line| line.contains(word));
            let places: Vec<_> = order.iter().map(|word| place(word)).collect();
            assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", told.log);
        } else {
            // A test runner started in the background has SIGINT ignored, and so has the shell.
            println!("skipped: SIGINT is ignored here; the sandboxed run covers it");
        }
    }
}

#[test]
fn a_tool_that_tidies_up_on_sigint_is_left_to_it() {
    let script = "trap 'echo tidied; exit 0' INT; echo ready; while true; do sleep 0.02; done";
    let mut bench = bench(true, plan(script));
    bench.limits.grace = [Duration::from_secs(20); 2];
    let begun = Instant::now();
    let told = bench.follow(bench.start(1), stop_at("ready"));
    assert_eq!(told.finished.outcome, STOPPED);
    assert!(told.log.contains("\ntidied\n") && !told.log.contains("SIGTERM"), "{}", told.log);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn one_that_ignores_everything_is_killed() {
    for sandbox in [false, true] {
        let script = "trap '' INT TERM HUP; echo ready; while true; do sleep 0.02; done";
        let bench = bench(sandbox, plan(script));
        let told = bench.follow(bench.start(1), stop_at("ready"));
        assert_eq!(told.finished.outcome, STOPPED);
        assert!(told.log.contains("[img] killed"), "{}", told.log);
        assert!(processes_below(&bench.path("build")).is_empty());
    }
}

#[test]
fn a_step_outside_of_the_namespaces_is_ended_with_all_it_started() {
    let script = "trap 'echo got INT' INT; trap '' TERM; setsid sh -c 'cd /; exec sleep 300' \
                  </dev/null >/dev/null 2>&1 & echo ready; while true; do sleep 0.02; done";
    let privileges = vec![api::Privilege::UserNamespaces];
    let steps = vec![api::Step { privileges, ..sh(script) }];
    let bench = bench(true, Fixed { steps, ..Fixed::default() });
    let told = bench.follow(bench.start(1), stop_at("ready"));
    assert_eq!(told.finished.outcome, STOPPED);
    assert!(told.log.lines().any(|line| line == "got INT"), "{}", told.log);
    assert!(processes_below(&bench.path("build")).is_empty());
    assert_eq!(told.sandbox.contains("outside of them"), !is_root(), "{}", told.sandbox);
}

#[test]
fn a_build_can_be_stopped_before_its_first_step() {
    let bench = bench(false, plan("echo ran; echo > ../output/i"));
    bench.data.create_job(crate::bench::id(1), b"", b"{}").unwrap();
    let build = bench.builder.start(bench.order(1));
    build.stop(StopReason::Interrupted);
    build.stop(StopReason::Cancelled);
    let told = bench.follow(build, |_, _| {});
    // It may have been too quick to be stopped; if it was, its reason is the first one.
    assert!(
        [Outcome::Stopped(StopReason::Interrupted), Outcome::Done].contains(&told.finished.outcome),
        "{:?}",
        told.finished
    );
}

#[test]
fn steps_that_tidy_up_run_after_a_cancel() {
    let tidy = api::Step { always: true, ..sh("echo tidied") };
    let steps = vec![sh("echo ready; sleep 60"), sh("echo skipped"), tidy];
    let bench = bench(true, Fixed { steps, ..Fixed::default() });
    let told = bench.follow(bench.start(1), stop_at("ready"));
    assert_eq!(told.finished.outcome, STOPPED);
    let lines: Vec<_> = told.log.lines().collect();
    assert!(lines.contains(&"tidied") && !lines.contains(&"skipped"), "{}", told.log);
}

#[test]
fn silence_and_length_have_limits_with_causes_of_their_own() {
    let mut silent = bench(false, plan("echo one; sleep 60"));
    silent.limits.silence = Duration::from_millis(300);
    assert_eq!(silent.build(1).failure().cause, Cause::Silent);
    let mut long = bench(false, plan("while true; do echo x; sleep 0.02; done"));
    long.limits.total = Duration::from_millis(400);
    let told = long.build(1);
    assert_eq!(told.failure().cause, Cause::Timeout);
    assert!(told.failure().message.contains("longer than"), "{:?}", told.failure());
}

#[test]
fn a_daemon_that_left_its_session_is_found_and_killed() {
    for sandbox in [false, true] {
        // Nothing ties it to the build but its environment and where it came from.
        let script = "setsid sh -c 'cd /; exec sleep 300' </dev/null >/dev/null 2>&1 & \
                      echo > ../output/i; sleep 0.1";
        let bench = bench(sandbox, plan(script));
        let told = bench.build(1);
        told.assert_done();
        assert!(processes_below(&bench.path("build")).is_empty(), "{}", told.log);
        assert_eq!(told.log.contains("was still running"), !sandbox, "{}", told.log);
    }
}

#[test]
fn a_daemon_that_hides_everything_it_comes_from_ends_with_the_namespace() {
    // Two forks, a session of its own, an empty environment, another directory, no open file, and
    // deaf to every signal that can be ignored.
    let script = "(setsid env -i /bin/sh -c 'cd /; trap \"\" HUP INT TERM; (echo hidden >/proc/self/comm; \
                  while :; do sleep 0.1; done) & exit' </dev/null >/dev/null 2>&1 &) ; sleep 0.3; \
                  grep -l hidden /proc/[0-9]*/comm; echo > ../output/i";
    let bench = bench(true, plan(script));
    let told = bench.build(1);
    told.assert_done();
    if !told.sandbox.contains("PID") {
        println!("skipped: there are no namespaces here: {}", told.sandbox);
        return;
    }
    assert!(told.log.lines().any(|line| line.starts_with("/proc/")), "it ran: {}", told.log);
    let comms = std::fs::read_dir("/proc").unwrap().flatten();
    let hidden = |entry: std::fs::DirEntry| {
        std::fs::read_to_string(entry.path().join("comm")).is_ok_and(|comm| comm == "hidden\n")
    };
    assert_eq!(comms.filter_map(|entry| hidden(entry).then_some(())).count(), 0);
    assert!(processes_below(&bench.path("build")).is_empty());
}

#[test]
fn a_child_that_keeps_the_pipe_open_does_not_hold_up_the_end() {
    let begun = Instant::now();
    let bench = bench(false, plan("setsid sleep 300 & echo > ../output/i; sleep 0.1"));
    bench.build(1).assert_done();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(processes_below(&bench.path("build")).is_empty());
}

#[test]
fn mounts_and_loop_devices_are_freed() {
    if !is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let script = "mkdir m; mount -t tmpfs none m && echo mounted; mkdir 'm/a b'; \
                  mount --bind /etc 'm/a b'; truncate -s 1M disk; losetup -f disk && echo looped; \
                  echo > ../output/i";
    let bench = bench(false, plan(script));
    let told = bench.build(1);
    told.assert_done();
    let lines: Vec<_> = told.log.lines().collect();
    if !lines.contains(&"mounted") || !lines.contains(&"looped") {
        println!("skipped in part: this kernel does not let us: {}", told.log);
    }
    for (word, found) in [("mounted", "was still mounted"), ("looped", "still held")] {
        assert_eq!(lines.contains(&word), told.log.contains(found), "{}", told.log);
    }
    assert!(std::path::Path::new("/etc/passwd").exists(), "a file behind a mount was lost");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&bench.path("build").display().to_string()));
}

/// Under systemd the data directory is a mount of the unit's own. Of a tool that opened a file in
/// its own namespace and is gone, the kernel shows a path from the root of the mount.
#[test]
fn loop_devices_are_freed_wherever_their_file_was_seen_from() {
    if !is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let place = tmp.path().join("mount");
    std::fs::create_dir(&place).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    if let Err(e) = rustix::mount::mount("none", &place, "tmpfs", flags, c"size=64m") {
        println!("skipped: this kernel does not let us mount: {e}");
        return;
    }
    let inner = tempfile::tempdir_in(&place).unwrap();
    let script = "mkdir t; truncate -s 1M named nameless t/elsewhere; mount --bind t /mnt && \
                  losetup -f named && losetup -f nameless && losetup -f /mnt/elsewhere && \
                  echo looped; rm nameless; echo > ../output/i";
    let bench = bench_in(inner, true, plan(script));
    let told = bench.build(1);
    drop(bench);
    // The build's thread, and whoever looks at the same loop device just now, let go after the end.
    let unmount = || rustix::mount::unmount(&place, rustix::mount::UnmountFlags::empty()).is_ok();
    let unmounted = crate::bench::soon(unmount);
    told.assert_done();
    if !told.log.lines().any(|line| line == "looped") {
        println!("skipped: this kernel does not let us: {}", told.log);
        return;
    }
    let held = told.log.lines().filter(|line| line.contains("still held")).count();
    assert_eq!(held, 3, "{}", told.log);
    assert!(unmounted, "something holds the file system still");
}

#[test]
fn a_second_stop_does_not_keep_the_builder_busy() {
    let mut bench = bench(true, plan("trap '' INT TERM; echo ready; sleep 300"));
    bench.limits.grace = [Duration::from_secs(1); 2];
    let spent = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // USER_HZ is 100 on every Linux.
        let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    };
    let mut before = None;
    let told = bench.follow(bench.start(1), |build, log| {
        if log.contains("ready") && before.is_none() {
            before = Some(spent());
            build.stop(StopReason::Cancelled);
        }
        if log.contains("SIGINT sent") {
            build.stop(StopReason::Interrupted);
        }
    });
    assert_eq!(told.finished.outcome, Outcome::Stopped(StopReason::Cancelled));
    let busy = spent().saturating_sub(before.unwrap());
    assert!(busy.as_millis() < 900, "{busy:?} of the two seconds that it had to wait");
}

#[test]
fn a_build_nobody_listens_to_any_more_ends() {
    let bench = bench(true, plan("echo ready; sleep 300"));
    let mut build = bench.start(1);
    while !matches!(
        build.events.blocking_recv(),
        Some(img::builder::protocol::Event::Started { .. })
    ) {}
    drop(build);
    let gone = || std::fs::read_dir(bench.path("build")).unwrap().count() == 0;
    assert!(crate::bench::soon(gone));
    assert!(processes_below(&bench.path("build")).is_empty());
}

#[test]
fn the_next_start_sweeps_what_a_dead_process_left() {
    let bench = bench(false, plan("true"));
    std::fs::create_dir_all(bench.path("build/00000009/work/deep")).unwrap();
    std::fs::write(bench.path("build/00000009/work/deep/f"), b"x").unwrap();
    std::fs::create_dir_all(bench.path("trash/00000003-1")).unwrap();
    let said = bench.builder.sweep();
    assert!(said.iter().any(|s| s.contains("build/00000009")), "{said:?}");
    assert_eq!(std::fs::read_dir(bench.path("build")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(bench.path("trash")).unwrap().count(), 0);
    assert!(bench.builder.sweep().is_empty());
}

#[test]
fn a_full_disk_ends_the_build_as_the_boxs_fault() {
    if !is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let place = tmp.path().join("small");
    std::fs::create_dir(&place).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    if let Err(e) = rustix::mount::mount("none", &place, "tmpfs", flags, c"size=4m") {
        println!("skipped: this kernel does not let us mount: {e}");
        return;
    }
    let inner = tempfile::tempdir_in(&place).unwrap();
    let bench = bench_in(inner, false, plan("yes full | head -c 50000000; sleep 60"));
    let told = bench.build(1);
    drop(bench);
    // The build's thread lets go of the directory after the end.
    let unmount = || rustix::mount::unmount(&place, rustix::mount::UnmountFlags::empty()).is_ok();
    assert!(crate::bench::soon(unmount), "something holds the file system still");
    assert_eq!(told.failure().cause, Cause::Box);
    assert!(told.failure().message.contains("disk is full"), "{:?}", told.failure());
    assert!(told.failure().suggestion.is_some());
}
