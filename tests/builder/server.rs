//! A process that builds is killed without warning: nothing of its build goes on.

use crate::bench::{bench_in, plan, processes_below, soon};
use std::{path::PathBuf, process::Stdio};

const ROLE: &str = "IMG_TEST_SERVER_DIR";

/// Only a role: it is the process that the test below kills. Without the variable there is
/// nothing to do.
#[test]
fn server_role() {
    let Some(dir) = std::env::var_os(ROLE).map(PathBuf::from) else { return };
    let tmp = tempfile::Builder::new().tempdir_in(dir).unwrap();
    let script = "setsid sleep 301 & sleep 302 & echo ready; sleep 303";
    let bench = bench_in(tmp, true, plan(script));
    bench.build(1);
}

#[test]
fn a_kill_of_the_service_leaves_no_process_behind() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test is its own server")]
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server::server_role", "--test-threads=1"])
        .env(ROLE, &root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = soon(|| processes_below(&root).len() >= 4);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(ready, "the build did not begin");
    assert!(soon(|| processes_below(&root).is_empty()), "{:?}", processes_below(&root));
}
