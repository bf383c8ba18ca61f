//! Whom a failure is blamed on: what the box knows, then the runner, then the log's first error.

use crate::bench::{Fixed, Told, bench, bench_in, is_root, plan, recorded_tools};
use img::{domain::Cause, plugin::api};
use std::time::Duration;

/// The log line that a failure points at.
fn line(told: &Told) -> &str {
    let number = usize::try_from(told.failure().line.expect("a line")).unwrap();
    told.log.lines().nth(number - 1).unwrap_or_else(|| panic!("no line {number}:\n{}", told.log))
}

fn explained(suggestion: &str) -> Option<api::Explanation> {
    Some(api::Explanation {
        cause: api::Cause::Definition,
        message: "the runner's opinion".into(),
        suggestion: Some(suggestion.into()),
        line: Some(1),
    })
}

#[test]
fn a_kill_from_outside_is_told_before_the_runner_is_asked() {
    for (script, words) in [
        ("echo working; kill -9 $$", "signal 9 (SIGKILL), not by img"),
        ("echo working; kill -15 $$", "signal 15 (SIGTERM), not by img"),
        ("echo working; exit 137", "exit code 137, as after signal 9 (SIGKILL), not by img"),
    ] {
        let told = bench(false, Fixed { explanation: explained(""), ..plan(script) }).build(1);
        let failure = told.failure();
        assert_eq!(failure.cause, Cause::Box, "{script}");
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(failure.suggestion.is_some());
        assert_eq!(line(&told), "working");
    }
}

#[test]
fn a_crash_is_the_runners_to_explain() {
    let told = bench(false, Fixed { explanation: explained("x"), ..plan("kill -11 $$") }).build(1);
    assert_eq!(told.failure().message, "the runner's opinion");
}

#[test]
fn without_an_opinion_the_first_error_line_is_quoted() {
    let script = "echo fine; echo 'error: the lab is closed'; echo error: so is all else; exit 3";
    let told = bench(false, plan(script)).build(1);
    let failure = told.failure();
    assert_eq!(failure.message, "`sh` ended with exit code 3: error: the lab is closed");
    assert_eq!(failure.cause, Cause::Definition);
    assert_eq!(line(&told), "error: the lab is closed");
}

#[test]
fn only_the_failing_steps_own_output_counts() {
    let steps = vec![crate::bench::sh("echo error: not fatal"), crate::bench::sh("exit 2")];
    let told = bench(false, Fixed { steps, ..Fixed::default() }).build(1);
    assert_eq!(told.failure().message, "`sh` ended with exit code 2");
}

#[test]
fn a_program_that_a_script_misses_is_named() {
    let told = bench(false, plan("no-such-tool --now")).build(1);
    let failure = told.failure();
    assert_eq!(failure.cause, Cause::Box);
    assert_eq!(failure.message, "`no-such-tool`, which `sh` starts, is not installed");
    assert!(line(&told).contains("no-such-tool: not found"));
}

#[test]
fn programs_that_cannot_run_are_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    for (mode, first_line, words) in [
        (0o644, "#!/bin/sh", "is not executable"),
        (0o755, "#!/no/such/interpreter", "could not be run"),
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let tools = recorded_tools(tmp.path(), "", 0);
        std::fs::write(tools.join("broken"), format!("{first_line}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(tools.join("broken"), mode).unwrap();
        let step = api::Step { program: "broken".into(), ..crate::bench::sh("") };
        let runner = Fixed { steps: vec![step], ..Fixed::default() };
        let told = crate::bench::bench_with_path(tools, runner).build(1);
        let failure = told.failure();
        assert_eq!(failure.cause, Cause::Box);
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(failure.message.contains("`broken`") && failure.suggestion.is_some());
    }
}

#[test]
fn exit_0_without_an_image_is_explained_by_the_runner_where_it_can() {
    let runner = Fixed { explanation: explained("x"), ..plan("echo said something") };
    let told = bench(false, runner).build(1);
    assert_eq!(told.failure().message, "the runner's opinion");
    assert_eq!(line(&told), "said something");
}

#[test]
fn what_a_runner_suggests_holds_no_secret() {
    let explanation = explained("use hunter22 again");
    let mut bench = bench(false, Fixed { explanation, ..plan("exit 1") });
    bench.secrets = vec!["hunter22".into()];
    let told = bench.build(1);
    let suggestion = told.failure().suggestion.clone().unwrap();
    assert!(!suggestion.contains("hunter22") && suggestion.starts_with("use "), "{suggestion}");
}

#[test]
fn silence_tells_the_last_words() {
    let mut bench = bench(false, plan("echo one; echo 'Continue? [y/N]'; sleep 60"));
    bench.limits.silence = Duration::from_millis(300);
    let told = bench.build(1);
    let failure = told.failure();
    assert_eq!(failure.cause, Cause::Silent);
    assert_eq!(failure.message, "`sh` printed nothing for 300 ms; its last words: Continue? [y/N]");
    assert_eq!(line(&told), "Continue? [y/N]");
}

#[test]
fn a_full_device_that_is_not_the_builds_is_told_apart() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("skipped: there is no /dev/full here");
        return;
    }
    let script = "dd if=/dev/zero of=/dev/full bs=1k count=1; exit 1";
    let told = bench(false, plan(script)).build(1);
    let failure = told.failure();
    assert_eq!(failure.cause, Cause::Definition);
    assert!(failure.message.contains("not the one of the builds"), "{failure:?}");
    assert!(line(&told).contains("No space left on device"));
}

#[test]
fn a_full_disk_is_told_even_when_the_tool_has_tidied_up() {
    if !is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let place = tmp.path().join("small");
    std::fs::create_dir(&place).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    if let Err(e) = rustix::mount::mount("none", &place, "tmpfs", flags, c"size=100m") {
        println!("skipped: this kernel does not let us mount: {e}");
        return;
    }
    let inner = tempfile::tempdir_in(&place).unwrap();
    // It goes on for a moment, as a tool does that says so and then removes its directory.
    let script = "dd if=/dev/zero of=big bs=1M count=300; sleep 0.3; rm big; exit 1";
    let runner = Fixed { explanation: explained("x"), ..plan(script) };
    let bench = bench_in(inner, false, runner);
    let told = bench.build(1);
    drop(bench);
    // The build's thread lets go of its handles a moment after it has told the end.
    let unmount = || rustix::mount::unmount(&place, rustix::mount::UnmountFlags::empty());
    assert!(crate::bench::soon(|| unmount().is_ok()), "{:?}", unmount());
    let failure = told.failure();
    assert_eq!(failure.cause, Cause::Box);
    assert!(failure.message.starts_with("the disk is full: 0 MiB"), "{failure:?}");
    assert!(line(&told).contains("No space left on device"));
}

#[test]
fn the_line_is_right_in_a_log_that_was_too_long_to_keep() {
    let noise = "i=0; while [ $i -lt 6000 ]; do echo noise number $i of many; i=$((i+1)); done";
    let script = format!("{noise}; echo error: decisive; echo goodbye; exit 1");
    let mut bench = bench(false, plan(&script));
    bench.limits.log = 64 << 10;
    let told = bench.build(1);
    assert!(told.log.contains("bytes are left out here"), "{}", told.log);
    assert_eq!(told.failure().message, "`sh` ended with exit code 1: error: decisive");
    assert_eq!(line(&told), "error: decisive");
}
