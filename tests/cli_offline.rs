//! The command line without a server: what it says of itself, of wrong usage, and of nobody
//! answering.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, as it should, and this one starts the program"
)]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// `img` with an environment in which nothing is set.
fn img(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_img"));
    for name in ["IMG_SERVER", "IMG_SOCKET", "IMG_TOKEN", "IMG_CONFIG", "IMG_CA", "IMG_LISTEN"] {
        command.env_remove(name);
    }
    command
        .args(args)
        .env("IMG_DATA_DIR", dir.join("data"))
        .env("COLUMNS", "100")
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Exit code and what was said, the directory's path made stable.
fn run(dir: &Path, args: &[&str]) -> (i32, String) {
    let output = img(dir, args);
    let said = text(&output.stderr).replace(dir.to_str().unwrap(), "DIR");
    (output.status.code().unwrap(), said)
}

#[test]
fn the_help_names_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let output = img(dir.path(), &["--help"]);
    assert!(output.status.success());
    insta::assert_snapshot!("help", text(&output.stdout));
    let output = img(dir.path(), &["submit", "--help"]);
    insta::assert_snapshot!("submit_help", text(&output.stdout));
}

#[test]
fn without_a_word_it_prints_its_help() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = run(dir.path(), &[]);
    assert_eq!(code, 2);
    assert!(said.contains("Usage: img") && said.contains("submit"), "{said}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.ks"), "x").unwrap();
    for (args, says) in [
        (&["build"][..], "unrecognized subcommand"),
        (&["job", "0"], "is no job number"),
        (&["jobs", "--state", "broken"], "[possible values: queued, building"),
        (&["submit", "a.ks", "-t", "raw"], "--arch"),
        (&["submit", "none.ks", "-t", "raw", "-a", "i586"], "cannot read the definition none.ks"),
        (&["--server", "example.org", "jobs"], "give its URL with http:// or https://"),
        (&["--token-file", "none", "jobs"], "cannot read the token in none"),
        (&["--server", "https://example.org", "--ca", "a.ks", "jobs"], "there is none in it"),
        (&["plugin", "check", "none.wasm"], "cannot read none.wasm"),
        (&["restore", "none"], "cannot read none"),
        (&["fsck", "--server", "http://localhost:1"], "works on the box itself only"),
        (&["audit"], "Usage: img audit"),
    ] {
        let (code, said) = run(dir.path(), args);
        assert_eq!(code, 2, "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn nobody_answering_ends_with_3_and_says_what_was_tried_and_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["jobs"][..],
        &["job", "1"],
        &["log", "1", "-f"],
        &["cancel", "1"],
        &["download", "1"],
        &["version"],
        &["plugin", "list"],
    ] {
        let (code, said) = run(dir.path(), args);
        assert_eq!(code, 3, "{args:?}: {said}");
        assert_eq!(
            said,
            "img: no server answers at the socket DIR/data/img.sock (No such file or directory \
             (os error 2)): start it with `systemctl start img` or `img serve`, or name another \
             one with --server URL or IMG_SERVER\n"
        );
    }
}

#[test]
fn a_url_nobody_answers_at_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // Bound and closed again: nothing listens there.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let (code, said) = run(dir.path(), &["--server", &url, "jobs"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&url) && said.contains("refused"), "{said}");
}

#[test]
fn something_else_that_answers_is_no_img_server() {
    use std::io::{Read as _, Write as _};
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Not joined: if nobody comes, the test fails below instead of waiting for ever.
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
            .unwrap();
    });
    let (code, said) = run(dir.path(), &["--server", &url, "jobs"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("does not answer as an img server does"), "{said}");
}

#[test]
fn a_configuration_is_good_or_says_where_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[build]\nslots = 3\n").unwrap();
    let output = img(dir.path(), &["check-config", "--config", "config.toml"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "config.toml is good\n");
    std::fs::write(&file, "[build]\nslots = 0\n").unwrap();
    let (code, said) = run(dir.path(), &["check-config", "--config", "config.toml"]);
    assert_eq!(code, 2);
    assert!(said.contains("config.toml: build.slots is 0"), "{said}");
    let (code, said) = run(dir.path(), &["check-config", "--config", "none.toml"]);
    assert_eq!(code, 2);
    assert!(said.contains("cannot read the configuration none.toml"), "{said}");
}

#[test]
fn commands_on_the_store_say_when_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let (code, said) = run(dir.path(), &["fsck"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there is no store in DIR/data: start the server once"), "{said}");
    let (code, said) = run(dir.path(), &["backup", "out"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("there is no store in DIR/data"), "{said}");
    assert!(!dir.path().join("out").exists(), "an empty backup was left behind");
}

#[test]
fn a_password_that_is_too_short_is_refused_before_anything_is_asked() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_img"))
        .args(["user", "passwd", "imager"])
        .env("IMG_DATA_DIR", dir.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"short\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("12"), "{}", text(&output.stderr));
}

#[test]
fn a_file_that_is_no_component_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.wasm"), "no component").unwrap();
    let (code, said) = run(dir.path(), &["plugin", "check", "a.wasm"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a.wasm"), "{said}");
}

#[test]
fn completions_are_there_for_every_shell() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = img(dir.path(), &["completions", shell]);
        assert!(output.status.success(), "{shell}");
        assert!(text(&output.stdout).contains("check-config"), "{shell}");
    }
}
