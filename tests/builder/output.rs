//! What the log holds.

use crate::bench::{Bench, bench, bench_in, is_root, plan, sh};
use img::{domain::Cause, files::DataDir, plugin::api};
use std::time::{Duration, Instant};

#[test]
fn a_secret_written_in_two_halves_is_masked() {
    let script = "printf 'the word is s3cr'; sleep 0.1; echo 'et-word'; echo > ../output/i";
    let mut bench = bench(false, plan(script));
    bench.secrets = vec!["s3cret-word".into()];
    let told = bench.build(1);
    told.assert_done();
    assert!(told.log.contains("the word is ••••••\n"), "{}", told.log);
    let file = std::fs::read_to_string(bench.path("jobs/00000001/log")).unwrap();
    assert!(!file.contains("s3cret-word"));
}

#[test]
fn a_secret_argument_is_masked_in_commands_and_output() {
    let mut step = sh("echo $0 > ../output/i; echo $0");
    step.arguments.push(api::Argument { value: "hidden-value".into(), secret: true });
    let bench = bench(false, crate::bench::Fixed { steps: vec![step], ..Default::default() });
    let told = bench.build(1);
    told.assert_done();
    assert!(!told.log.contains("hidden-value"), "{}", told.log);
    assert!(!told.commands[0].contains("hidden-value"), "{:?}", told.commands);
    assert_eq!(
        std::fs::read(bench.path("jobs/00000001/artifacts/i")).unwrap(),
        b"hidden-value\n",
        "the tool itself gets it"
    );
}

#[test]
fn what_is_printed_slowly_is_seen_while_it_is_printed() {
    let script = "for n in 1 2 3; do printf \"$n.\"; sleep 0.15; done; echo; echo > ../output/i";
    let bench = bench(false, plan(script));
    let mut first = None;
    let told = bench.follow(bench.start(1), |_, log| {
        if log.ends_with("\n1.") {
            first.get_or_insert_with(Instant::now);
        }
    });
    told.assert_done();
    let early = first.expect("the first part came alone").elapsed();
    assert!(early >= Duration::from_millis(250), "{early:?}");
}

#[test]
fn what_was_printed_before_the_end_is_in_the_log_however_late_it_is_read() {
    // More pieces than may be on their way, then as much as the pipe holds.
    let script = "for n in $(seq 60); do echo $n; sleep 0.02; done; \
                  yes 0123456789 | head -c 900000; echo the last words; echo > ../output/i";
    let bench = bench(false, plan(script));
    let build = bench.start(1);
    let image = bench.path("build/00000001/output/i");
    let mut ended = None;
    // Longer than strays are listened to.
    while ended.is_none_or(|ended: Instant| ended.elapsed() < Duration::from_millis(800)) {
        if ended.is_none() && image.exists() {
            ended = Some(Instant::now());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let told = bench.follow(build, |_, _| {});
    told.assert_done();
    assert!(told.log.contains("the last words\n"), "{} bytes", told.log.len());
}

#[test]
fn fifty_megabytes_pass_without_staying_in_memory() {
    let script = "i=0; line=$(printf '%0100d' 7); yes $line | head -c 52428800; echo > ../output/i";
    let bench = bench(false, plan(script));
    let before = peak_memory();
    let mut build = bench.start(1);
    let mut total = 0;
    while let Some(event) = build.events.blocking_recv() {
        if let img::builder::protocol::Event::Log { bytes, .. } = event {
            total += bytes.len();
        }
    }
    assert!(total > 52_428_800, "{total}");
    let grown = peak_memory() - before;
    assert!(grown < 40 << 10, "grew by {grown} KiB");
    let index = bench.data.open_log_index(crate::bench::id(1)).unwrap().unwrap();
    assert!(index.lines().unwrap() > 519_000);
}

/// The most memory this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_log_over_its_cap_keeps_both_ends_and_the_build_goes_on() {
    let script = "echo first; yes 0123456789012345678901234567890123456789 | head -c 80000000; \
                  echo last; echo > ../output/i";
    let bench = bench(false, plan(script));
    let mut build = bench.start(1);
    while build.events.blocking_recv().is_some() {}
    let log = std::fs::read(bench.path("jobs/00000001/log")).unwrap();
    assert!(log.len() < 65 << 20, "{}", log.len());
    let tail = String::from_utf8_lossy(&log[log.len() - 300..]).into_owned();
    assert!(tail.ends_with("last\n"), "{tail}");
    assert!(memchr::memmem::find(&log[..4_000], b"\nfirst\n").is_some());
    assert!(memchr::memmem::find(&log, b"bytes are left out here").is_some());
    assert!(bench.path("jobs/00000001/artifacts/i").exists());
}

#[test]
fn an_image_with_a_second_name_is_the_runners_mistake_where_it_has_to_be_handed_over() {
    if !is_root() {
        return println!("skipped: giving files away needs root");
    }
    let tmp = tempfile::tempdir().unwrap();
    drop(DataDir::open(tmp.path()).unwrap());
    let linked = "echo > ../output/i; ln ../output/i ../output/j";
    let own = bench_in(tmp, false, plan(linked)).build(1);
    own.assert_done();

    let tmp = tempfile::tempdir().unwrap();
    drop(DataDir::open(tmp.path()).unwrap());
    std::os::unix::fs::chown(tmp.path(), Some(65_534), Some(65_534)).unwrap();
    let bench = Bench::for_another(tmp, plan(linked));
    assert!(bench.data.is_foreign());
    let failure = bench.build(1).failure().clone();
    assert_eq!(failure.cause, Cause::Runner, "{failure:?}");
    assert!(failure.message.contains("has further names"), "{failure:?}");
}
