//! What a build counts as.

use crate::bench::{Fixed, bench, plan, sh};
use img::{
    builder::protocol::{Outcome, VERSION},
    domain::{Cause, Role},
    plugin::api,
};
use sha2::{Digest, Sha256};

#[test]
fn a_build_with_an_image_is_done_and_its_files_are_kept() {
    let bench = bench(
        false,
        plan("echo phase making; mkdir ../output/a; printf image > ../output/a/i.raw"),
    );
    let told = bench.build(1);
    told.assert_done();
    assert_eq!(told.phases, ["making"]);
    let [image, sums] = &told.finished.artifacts[..] else { panic!("{:?}", told.finished) };
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(b"image"));
    assert_eq!((image.name.as_str(), image.role, image.size), ("i.raw", Role::Image, 5));
    assert_eq!(image.sha256, sha256);
    assert_eq!((sums.name.as_str(), sums.role), ("SHA256SUMS", Role::Checksum));
    let dir = bench.path("jobs/00000001/artifacts");
    assert_eq!(std::fs::read(dir.join("i.raw")).unwrap(), b"image");
    let text = std::fs::read_to_string(dir.join("SHA256SUMS")).unwrap();
    assert_eq!(text, format!("{sha256}  i.raw\n"));
    assert!(told.finished.peak_disk > 0);
}

#[test]
fn the_events_hold_what_the_log_file_holds() {
    let bench = bench(false, plan("echo one; echo two >&2; echo x > ../output/i"));
    let told = bench.build(1);
    let file = std::fs::read_to_string(bench.path("jobs/00000001/log")).unwrap();
    assert_eq!(told.log, file);
    assert!(file.contains("\none\ntwo\n"), "{file}");
    assert!(file.starts_with("[img] sandbox: "), "{file}");
}

#[test]
fn exit_0_without_an_image_is_a_failure() {
    let told = bench(false, plan("echo all well")).build(1);
    let failure = told.failure();
    assert_eq!(failure.cause, Cause::Definition);
    assert_eq!(failure.message, "every step ended well, but there is no image: output/ is empty");
}

#[test]
fn an_exit_code_is_a_failure_even_when_there_is_an_image() {
    let bench = bench(false, plan("echo x > ../output/i; exit 3"));
    let told = bench.build(1);
    assert_eq!(told.failure().message, "`sh` ended with exit code 3");
    assert!(told.finished.artifacts.is_empty());
    assert_eq!(std::fs::read_dir(bench.path("jobs/00000001/artifacts")).unwrap().count(), 0);
}

#[test]
fn a_signal_is_named() {
    let told = bench(false, plan("kill -9 $$")).build(1);
    assert_eq!(told.failure().cause, Cause::Box);
    assert!(told.failure().message.contains("SIGKILL"), "{:?}", told.failure());
    let told = bench(false, plan("kill -11 $$")).build(1);
    assert!(told.failure().message.contains("signal 11 (SIGSEGV)"), "{:?}", told.failure());
}

#[test]
fn the_runner_explains_and_its_line_becomes_a_line_of_the_log() {
    let explanation = api::Explanation {
        cause: api::Cause::Repository,
        message: "the mirror is away".into(),
        suggestion: Some("try another one".into()),
        line: Some(2),
    };
    let runner = Fixed { explanation: Some(explanation), ..plan("echo a; echo b; exit 1") };
    let told = bench(false, runner).build(1);
    let failure = told.failure();
    assert_eq!(
        (failure.cause, failure.message.as_str()),
        (Cause::Repository, "the mirror is away")
    );
    let line = usize::try_from(failure.line.unwrap()).unwrap();
    assert_eq!(told.log.lines().nth(line - 1), Some("b"));
}

#[test]
fn a_missing_program_is_the_boxs_fault_and_nothing_runs() {
    let mut step = sh("");
    step.program = "no-such-tool".into();
    let runner = Fixed { steps: vec![sh("echo ran"), step], ..Fixed::default() };
    let told = bench(false, runner).build(1);
    assert_eq!(told.failure().cause, Cause::Box);
    assert!(told.failure().message.contains("`no-such-tool` is not installed"));
    assert!(told.failure().suggestion.as_ref().is_some_and(|s| s.contains("install")));
    assert!(!told.log.lines().any(|line| line == "ran"));
}

#[test]
fn a_link_is_never_taken_for_an_image() {
    let claims = vec!["passwd".to_owned()];
    let runner = Fixed { claims, ..plan("ln -s /etc/passwd ../output/passwd") };
    let bench = bench(false, runner);
    let told = bench.build(1);
    assert_eq!(told.failure().cause, Cause::Runner);
    assert!(told.failure().message.contains("symbolic link"), "{:?}", told.failure());
    assert_eq!(std::fs::read_dir(bench.path("jobs/00000001/artifacts")).unwrap().count(), 0);
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[test]
fn a_path_through_a_link_or_upwards_is_never_kept() {
    for claim in ["dir/passwd", "../work/here", "/etc/passwd"] {
        let script = "ln -s /etc ../output/dir; echo x > here; echo x > ../output/ok";
        let runner = Fixed { claims: vec![claim.into()], ..plan(script) };
        let told = bench(false, runner).build(1);
        assert_eq!(told.failure().cause, Cause::Runner, "{claim}: {:?}", told.failure());
    }
}

#[test]
fn steps_that_tidy_up_run_after_a_failure_and_others_do_not() {
    let tidy = api::Step { always: true, ..sh("echo tidied") };
    let steps = vec![sh("exit 1"), sh("echo skipped"), tidy];
    let told = bench(false, Fixed { steps, ..Fixed::default() }).build(1);
    assert_eq!(told.failure().message, "`sh` ended with exit code 1");
    let lines: Vec<_> = told.log.lines().collect();
    assert!(lines.contains(&"tidied") && !lines.contains(&"skipped"), "{}", told.log);
}

#[test]
fn the_plans_files_lie_in_the_work_directory() {
    let file = |path: &str, executable| api::File {
        path: path.into(),
        contents: b"#!/bin/sh\necho from the file\n".to_vec(),
        executable,
    };
    let files = vec![file("sub/run", true), file("plain", false)];
    let script =
        "./sub/run; test -x plain || echo not executable; echo $HOME; pwd; echo > ../output/i";
    let told = bench(false, Fixed { files, ..plan(script) }).build(1);
    told.assert_done();
    let lines: Vec<_> = told.log.lines().collect();
    let at = lines.iter().position(|line| *line == "from the file").unwrap();
    assert_eq!(lines[at + 1], "not executable");
    assert_eq!(lines[at + 2], lines[at + 3]);
    for path in ["../escape", "/etc/escape", "a/../../escape"] {
        let told = bench(false, Fixed { files: vec![file(path, false)], ..plan("true") }).build(1);
        assert_eq!(told.failure().cause, Cause::Runner, "{path}");
    }
}

#[test]
fn the_environment_is_an_allow_list() {
    // Cargo sets this for every test; a tool must not see it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let told = bench(false, plan("env; echo > ../output/i")).build(1);
    assert!(!told.log.contains("CARGO_MANIFEST_DIR"), "{}", told.log);
    assert!(told.log.contains("\nLANG=C.UTF-8\n") && told.log.contains("\nTERM=dumb\n"));
    assert!(!told.log.contains("\nTMPDIR="));
}

#[test]
fn an_order_of_another_version_is_refused() {
    let bench = bench(false, plan("true"));
    bench.data.create_job(crate::bench::id(1), b"", b"{}").unwrap();
    let mut order = bench.order(1);
    order.version += 1;
    let told = bench.follow(bench.builder.start(order), |_, _| {});
    assert!(
        told.failure().message.contains(&format!("version {}", VERSION + 1)),
        "{:?}",
        told.failure()
    );
}

#[test]
fn a_mistake_inside_the_builder_is_a_failed_job_not_a_lost_one() {
    let told = bench(false, Fixed { traps: true, ..plan("true") }).build(1);
    assert_eq!(told.failure().cause, Cause::Box);
    assert!(told.failure().message.contains("failed inside"), "{:?}", told.failure());
}

#[test]
fn another_jobs_artifacts_are_input_and_stay_as_they_are() {
    let script = "if [ -d ../input ]; then cat ../input/i.raw; rm -f ../input/i.raw; \
                  echo spoiled > ../input/i.raw; echo two > ../output/j.raw; \
                  else echo one > ../output/i.raw; fi; true";
    for sandbox in [false, true] {
        let mut bench = bench(sandbox, plan(script));
        bench.build(1).assert_done();
        bench.input_job = Some(crate::bench::id(1));
        let told = bench.build(2);
        told.assert_done();
        assert!(told.log.lines().any(|line| line == "one"), "{}", told.log);
        let original = bench.path("jobs/00000001/artifacts/i.raw");
        assert_eq!(std::fs::read(original).unwrap(), b"one\n");
        assert!(matches!(told.finished.outcome, Outcome::Done));
    }
}
