//! What a tool sees of the box. Each test says what it skipped where namespaces are not allowed.

use crate::bench::{Fixed, bench, bench_in, plan, sh};
use img::plugin::api;

fn has_namespaces(told: &crate::bench::Told) -> bool {
    let has = told.sandbox.contains("PID");
    if !has {
        println!("skipped: no namespaces here: {}", told.sandbox);
    }
    has
}

#[test]
fn a_tool_sees_only_its_own_processes_and_its_own_host_name() {
    let script = "hostname=$(cat /proc/sys/kernel/hostname); echo host=$hostname; \
                  echo count=$(ls -d /proc/[0-9]* | wc -l); \
                  tr '\\0' ' ' < /proc/1/cmdline; echo; echo me=$$; echo > ../output/i";
    let told = bench(true, plan(script)).build(1);
    told.assert_done();
    if !has_namespaces(&told) {
        return;
    }
    let value = |name: &str| {
        told.log.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    assert_eq!(value("host="), "img-1");
    assert!(value("count=").parse::<u32>().unwrap() < 10, "{}", told.log);
    assert!(value("me=").parse::<u32>().unwrap() < 10, "{}", told.log);
    assert!(told.log.contains("__sandbox"), "{}", told.log);
}

#[test]
fn a_step_without_the_network_privilege_has_no_network() {
    let routes = "echo routes=$(tail -n +2 /proc/net/route | wc -l); echo > ../output/i";
    let told = bench(true, plan(routes)).build(1);
    told.assert_done();
    if has_namespaces(&told) {
        assert!(told.log.lines().any(|line| line == "routes=0"), "{}", told.log);
    }
    let step = api::Step { privileges: vec![api::Privilege::Network], ..sh(routes) };
    let told = bench(true, Fixed { steps: vec![step], ..Fixed::default() }).build(1);
    told.assert_done();
    let here = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let line = format!("routes={}", here.lines().count().saturating_sub(1));
    assert!(told.log.lines().any(|l| l == line), "not the box's network: {}", told.log);
}

#[test]
fn the_data_directory_is_covered() {
    let script = "ls ../../../db ../../../jobs ../../../trash 2>/dev/null | grep -v : | tr -d '\\n'; \
                  echo .; echo > ../output/i";
    let bench = bench(true, plan(script));
    std::fs::write(bench.path("db/precious"), b"x").unwrap();
    let told = bench.build(1);
    told.assert_done();
    if has_namespaces(&told) {
        assert!(told.log.lines().any(|line| line == "."), "{}", told.log);
        assert!(!told.log.contains("precious\n") && bench.path("db/precious").exists());
    }
}

#[test]
fn mounts_of_a_confined_tool_end_with_it() {
    if !crate::bench::is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let script = "mkdir m; mount -t tmpfs none m && echo mounted; echo > ../output/i";
    let told = bench(true, plan(script)).build(1);
    told.assert_done();
    if has_namespaces(&told) && told.log.lines().any(|line| line == "mounted") {
        assert!(!told.log.contains("was still mounted"), "{}", told.log);
    }
}

#[test]
fn temporary_files_end_with_the_build() {
    let Ok(tmp) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: no /dev/shm");
        return;
    };
    let name = format!("img-test-{}", std::process::id());
    let script = format!("echo x > /tmp/{name}; ls ../tmp; echo > ../output/i");
    let told = bench_in(tmp, true, plan(&script)).build(1);
    told.assert_done();
    let shared = std::env::temp_dir().join(&name);
    if has_namespaces(&told) {
        assert!(told.log.lines().any(|line| line == name), "{}", told.log);
        assert!(!shared.exists(), "the file is on the box");
    } else {
        let _ = rustix::fs::unlink(&shared);
    }
}

#[test]
fn a_program_that_cannot_be_started_says_so() {
    let mut step = sh("");
    step.program = "broken".into();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("broken"), "#!/no/such/interpreter\n").unwrap();
    rustix::fs::chmod(dir.path().join("broken"), rustix::fs::Mode::RWXU).unwrap();
    for sandbox in [false, true] {
        let mut config = crate::bench::config(sandbox);
        config.path.insert(0, dir.path().into());
        let runner = std::sync::Arc::new(Fixed { steps: vec![step.clone()], ..Fixed::default() });
        let mut bench = bench(sandbox, Fixed::default());
        let source = std::sync::Arc::new(move |_: &str, _: &str| {
            Ok(std::sync::Arc::clone(&runner) as std::sync::Arc<dyn img::builder::Planner>)
        });
        bench.builder =
            img::builder::Builder::with_source(std::sync::Arc::clone(&bench.data), source, config);
        let told = bench.build(1);
        let said = &told.failure().message;
        assert!(said.contains("broken") && said.contains("No such file"), "{said}");
    }
}

#[test]
fn memory_shared_under_a_name_is_the_builds_own_and_goes_with_it() {
    let name = format!("img-test-{}", std::process::id());
    let script = format!(
        "ls -A /dev/shm | wc -l; echo x >/dev/shm/{name} && cat /dev/shm/{name}; echo > ../output/i"
    );
    if !std::path::Path::new("/dev/shm").is_dir() {
        println!("skipped: there is no /dev/shm here");
        return;
    }
    let bench = bench(true, plan(&script));
    let told = bench.build(1);
    told.assert_done();
    if has_namespaces(&told) {
        let said: Vec<_> = told.log.lines().filter(|line| !line.starts_with("[img]")).collect();
        assert_eq!(said, ["0", "x"], "{}", told.log);
        assert!(!std::path::Path::new("/dev/shm").join(name).exists());
    }
}
