//! What a build may use: room, memory, processes, and being root. Each test says what it skipped
//! where the box has no namespaces or no control groups.

use crate::bench::{
    Bench, Fixed, Told, bench, id, is_root, plan, processes_below, sh, soon, stop_at,
};
use img::{
    builder::protocol::{Outcome, StopReason},
    domain::{Cause, Sandbox},
    plugin::api,
};
use std::os::unix::fs::MetadataExt as _;

const IDS: u32 = 1_878_982_656;

fn lines_with<'a>(told: &'a Told, start: &str) -> Vec<&'a str> {
    told.log.lines().filter_map(|line| line.strip_prefix(start)).collect()
}

#[test]
fn a_build_that_outgrows_its_room_is_ended_and_says_so() {
    for sandbox in [false, true] {
        let script = "dd if=/dev/zero of=big bs=1M count=8 2>/dev/null; echo written; sleep 60";
        let mut bench = bench(sandbox, plan(script));
        bench.limits.bounds.scratch = 2 << 20;
        let told = bench.build(1);
        let failure = told.failure();
        assert_eq!(failure.cause, Cause::Limit, "{}", failure.message);
        assert!(failure.message.contains("it may hold 2MiB"), "{}", failure.message);
        assert!(told.log.contains("its directory holds more than it may"), "{}", told.log);
        assert!(told.finished.peak_disk >= 8 << 20, "the most is told: {:?}", told.finished);
    }
}

#[test]
fn a_build_within_its_room_is_done() {
    let script = "dd if=/dev/zero of=../output/i bs=1M count=3 2>/dev/null";
    let mut bench = bench(true, plan(script));
    bench.limits.bounds.scratch = 64 << 20;
    bench.build(1).assert_done();
}

/// A bench whose orders are rootless; `None` where the box does not allow that.
fn rootless(steps: Vec<api::Step>) -> Option<Bench> {
    let mut bench = bench(true, Fixed { steps, ..Fixed::default() });
    bench.limits.bounds.sandbox = Sandbox::Rootless;
    if is_root() {
        return Some(bench);
    }
    println!("skipped: only a builder that is root has something to give up");
    None
}

#[test]
fn a_rootless_tool_is_root_inside_and_nobody_on_the_box() {
    let script = "echo uid=$(id -u) groups=$(id -G); echo map=$(echo $(cat /proc/self/uid_map)); \
        for file in /etc/shadow /proc/1/environ; do cat $file >/dev/null 2>&1 && echo read=$file; done; \
        for file in /etc/img-test /usr/img-test; do touch $file 2>/dev/null && echo wrote=$file; done; \
        mkdir m; mount -t tmpfs none m && echo mounted=yes; \
        mknod b b 7 0 2>/dev/null && echo node=made; \
        chown 1000:1000 ../work && echo chowned=yes; \
        ls ../.. | sed s/^/seen=/; ls ../../.. | sed s/^/seen=/; \
        echo own > ../tmp/file; echo > ../output/i";
    let Some(bench) = rootless(vec![sh(script)]) else { return };
    let told = bench.build(1);
    told.assert_done();
    assert!(told.sandbox.contains("root only inside a user namespace"), "{}", told.sandbox);
    assert_eq!(lines_with(&told, "uid="), ["0 groups=0"], "{}", told.log);
    assert_eq!(lines_with(&told, "map="), [format!("0 {IDS} 65536")]);
    for never in ["read=", "wrote=", "node="] {
        assert_eq!(lines_with(&told, never), [""; 0], "{}", told.log);
    }
    assert_eq!(lines_with(&told, "mounted="), ["yes"], "{}", told.log);
    assert_eq!(lines_with(&told, "chowned="), ["yes"], "{}", told.log);
    let mut seen = lines_with(&told, "seen=");
    seen.sort_unstable();
    assert_eq!(seen, ["00000001", "build", "cache"], "nothing else of the data directory");
    let image = bench.path("jobs/00000001/artifacts/i").metadata().unwrap();
    assert_eq!(image.uid(), rustix::process::geteuid().as_raw(), "the image is the service's");
}

#[test]
fn a_rootless_tool_finds_its_files_and_its_cache_and_keeps_it() {
    let script = "cat given/file && echo more >> given/file && ls -ln given/file; \
                  ls ../../../cache/fixed; echo kept > ../../../cache/fixed/$(ls ../.. )-$$; \
                  echo > ../output/i";
    let file =
        api::File { path: "given/file".into(), contents: b"given\n".to_vec(), executable: false };
    let Some(mut bench) = rootless(vec![sh(script)]) else { return };
    bench.replace(Fixed { steps: vec![sh(script)], files: vec![file], ..Fixed::default() });
    let first = bench.build(1);
    first.assert_done();
    assert!(first.log.lines().any(|line| line == "given"), "{}", first.log);
    let second = bench.build(2);
    second.assert_done();
    assert!(second.log.lines().any(|line| line.starts_with("00000001-")), "{}", second.log);
    let names = |dir: &str| std::fs::read_dir(bench.path(dir)).map_or(0, Iterator::count);
    assert_eq!(names("cache/fixed.rootless"), 2);
    assert_eq!(names("cache/fixed"), 0, "what root will use is not touched");
}

#[test]
fn a_rootless_build_reads_its_input_and_cannot_change_it() {
    let script =
        "cat ../input/i; echo changed 2>/dev/null > ../input/i; cat ../input/i > ../output/i";
    let Some(mut bench) = rootless(vec![sh("echo original > ../output/i")]) else { return };
    bench.build(1).assert_done();
    bench.replace(plan(script));
    bench.input_job = Some(id(1));
    let told = bench.build(2);
    told.assert_done();
    assert!(told.log.lines().any(|line| line == "original"), "{}", told.log);
    let kept = std::fs::read_to_string(bench.path("jobs/00000001/artifacts/i")).unwrap();
    assert_eq!(kept, "original\n");
}

#[test]
fn what_has_to_be_root_is_refused_where_builds_are_rootless() {
    use api::Privilege::{LoopDevices, Network, Root};
    for privileges in [vec![Root], vec![Network, LoopDevices]] {
        let step = api::Step { privileges, ..sh("echo > ../output/i") };
        let Some(bench) = rootless(vec![step]) else { return };
        let told = bench.build(1);
        let failure = told.failure();
        assert_eq!(failure.cause, Cause::Definition, "never tried again: {}", failure.message);
        assert!(failure.message.contains("`sh` has to be root"), "{}", failure.message);
        assert!(failure.suggestion.as_ref().unwrap().contains("another queue"));
        assert!(told.commands.is_empty(), "nothing ran");
    }
}

#[test]
fn a_rootless_build_that_is_cancelled_leaves_nothing() {
    let script = "mkdir m; mount -t tmpfs none m; setsid sleep 300 & trap '' INT TERM; \
                  echo waiting; while :; do sleep 0.05; done";
    let Some(bench) = rootless(vec![sh(script)]) else { return };
    let build = bench.start(1);
    let told = bench.follow(build, stop_at("waiting"));
    assert_eq!(told.finished.outcome, Outcome::Stopped(StopReason::Cancelled), "{}", told.log);
    assert_eq!(processes_below(&bench.path("build")), [""; 0]);
}

#[test]
fn an_interrupt_reaches_a_rootless_tool() {
    let script = "trap 'echo tidied; exit 3' INT; echo waiting; while :; do sleep 0.05; done";
    let Some(bench) = rootless(vec![sh(script)]) else { return };
    let told = bench.follow(bench.start(1), stop_at("waiting"));
    assert!(told.log.lines().any(|line| line == "tidied"), "{}", told.log);
}

/// The group the tool was in, as the box sees it; `None` where there are none.
fn group_of(told: &Told) -> Option<std::path::PathBuf> {
    let name = told.log.lines().find_map(|line| line.strip_prefix("group="))?;
    if !told.sandbox.contains("a control group") || told.sandbox.contains("no control group") {
        println!("skipped: {}", told.sandbox);
        return None;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
    Some(std::path::Path::new(line.split(' ').nth(4).unwrap()).join(name.trim_start_matches('/')))
}

/// Our children that wait as the sandbox's helper.
fn helpers() -> Vec<i32> {
    let me = std::process::id().to_string();
    let ours = |pid: &i32| {
        let read =
            |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let stat = read("stat");
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let alive = fields.next().is_some_and(|state| state != "Z");
        alive && fields.next() == Some(&me) && read("cmdline").contains("__sandbox")
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(ours).collect()
}

#[test]
fn the_next_build_runs_in_what_was_made_ready_for_it() {
    let script = format!("{SHOW_GROUP} echo > ../output/i");
    let bench = bench(true, plan(&script));
    let first = bench.build(1);
    first.assert_done();
    if first.sandbox.starts_with("none") {
        println!("skipped: {}", first.sandbox);
        return;
    }
    assert!(soon(|| helpers().len() == 1), "one waits: {:?}", helpers());
    let second = bench.build(2);
    second.assert_done();
    if let Some(group) = group_of(&second) {
        assert_eq!(group.file_name().unwrap(), "next-0");
        assert!(!group.exists(), "it is gone with its job");
    }
    let waiting = {
        assert!(soon(|| helpers().len() == 1), "another one waits: {:?}", helpers());
        helpers()[0]
    };
    // Somebody ends it: the next build does without.
    let pid = rustix::process::Pid::from_raw(waiting).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(soon(|| helpers().is_empty()));
    bench.build(3).assert_done();
    drop(bench);
    assert!(soon(|| helpers().is_empty()), "none outlives its builder: {:?}", helpers());
}

#[test]
fn what_the_box_allows_is_found_out_again_when_it_could_not_be() {
    let mut bench = bench(true, plan("echo > ../output/i"));
    let exe = bench.path("helper");
    bench.replace_exe(exe.clone());
    let told = bench.build(1);
    let failure = told.failure();
    assert_eq!(failure.cause, Cause::Box, "not built without any sandbox: {}", told.log);
    assert!(failure.message.contains("cannot be tried out"), "{}", failure.message);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_img"), exe).unwrap();
    bench.build(2).assert_done();
}

const SHOW_GROUP: &str = "echo group=$(sed -n s/^0:://p /proc/self/cgroup); ";

#[test]
fn a_build_has_a_group_of_its_own_that_goes_with_it() {
    let script = format!("{SHOW_GROUP} echo > ../output/i");
    let bench = bench(true, plan(&script));
    let told = bench.build(1);
    told.assert_done();
    let Some(group) = group_of(&told) else { return };
    assert_eq!(group.file_name().unwrap(), "job-1");
    assert!(group.parent().unwrap().is_dir(), "the place of this data directory");
    assert!(!group.exists(), "it is gone with its job");
    drop(bench);
    assert!(soon(|| !group.parent().unwrap().exists()), "and the place with the builder");
    let used = told.finished.used;
    assert!(!used.cpu.is_zero(), "the processors' time is counted: {used:?}");
    assert!(told.log.contains("s of the processors"), "and told: {}", told.log);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test needs somebody to be ended")]
fn groups_of_a_builder_that_died_are_ended_with_all_that_is_in_them() {
    let script = format!("{SHOW_GROUP} echo > ../output/i");
    let bench = bench(true, plan(&script));
    let told = bench.build(1);
    told.assert_done();
    let Some(group) = group_of(&told) else { return };
    std::fs::create_dir_all(group.join("made-by-a-tool")).unwrap();
    let mut stray = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    std::fs::write(group.join("made-by-a-tool/cgroup.procs"), stray.id().to_string()).unwrap();
    let found = bench.builder.sweep();
    assert!(found.iter().any(|found| found.contains("control group job-1")), "{found:?}");
    assert!(!stray.wait().unwrap().success(), "it was killed");
    assert!(!group.exists());
}
