//! A process that builds is killed without warning: nothing of its build goes on.

use crate::bench::{Fixed, bench_in, processes_below, sh, soon};
use img::plugin::api;
use std::{path::PathBuf, process::Stdio};

const ROLE: &str = "IMG_TEST_SERVER_DIR";
const OUTSIDE: &str = "IMG_TEST_SERVER_OUTSIDE";

/// Only a role: it is the process that the test below kills. Without the variable there is
/// nothing to do.
#[test]
fn server_role() {
    let Some(dir) = std::env::var_os(ROLE).map(PathBuf::from) else { return };
    let tmp = tempfile::Builder::new().tempdir_in(dir).unwrap();
    let script = "setsid sleep 301 & sleep 302 & echo ready; sleep 303";
    // As another user than root this takes the step out of the namespaces.
    let privileges = match std::env::var_os(OUTSIDE) {
        Some(_) => vec![api::Privilege::UserNamespaces],
        None => Vec::new(),
    };
    let steps = vec![api::Step { privileges, ..sh(script) }];
    bench_in(tmp, true, Fixed { steps, ..Fixed::default() }).build(1);
}

#[test]
fn a_kill_of_the_service_leaves_no_process_behind() {
    kill_while_building(false);
    kill_while_building(true);
}

fn kill_while_building(outside: bool) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test is its own server")]
    let mut server = std::process::Command::new(std::env::current_exe().unwrap());
    server
        .args(["--exact", "server::server_role", "--test-threads=1"])
        .env(ROLE, &root)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if outside {
        server.env(OUTSIDE, "1");
    }
    let mut server = server.spawn().unwrap();
    let ready = soon(|| processes_below(&root).len() >= 4);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(ready, "the build did not begin");
    assert!(soon(|| processes_below(&root).is_empty()), "{:?}", processes_below(&root));
}
