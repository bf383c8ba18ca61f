//! Bad input gets one clear sentence and a status that fits; nothing is lost and nothing panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;

use common::{Service, config, img, is_root, said};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Output,
    time::Duration,
};

const GOOD: &str = "lang en_US.UTF-8\ntimezone UTC\nrepo --name=oss --baseurl=http://repo.example/oss\n\
                    part / --size 400 --fstype ext4 --ondisk=sda\n%packages\nbusybox\n%end\n";

fn submit(service: &Service, file: &Path, more: &[&str]) -> Output {
    let mut args = vec!["submit", file.to_str().unwrap()];
    args.extend(more);
    service.cli(&args)
}

/// The submission is refused with code 1 and these words.
fn refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    let text = said(output);
    for word in words {
        assert!(text.contains(word), "`{word}` is not said in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn jobs(service: &Service) -> usize {
    service.json(&["jobs"])["jobs"].as_array().unwrap().len()
}

/// Sends bytes as they are; returns everything that comes back.
fn raw(service: &Service, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", service.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_pair_that_cannot_be_built_is_refused_with_those_that_can() {
    let service = Service::start();
    let file = service.write("good.ks", GOOD);
    let output = submit(&service, &file, &["--type", "livecd", "--arch", "armv7hl"]);
    refused(&output, &["livecd", "armv7hl", "x86_64"]);
    let output = submit(&service, &file, &["--type", "floppy", "--arch", "x86_64"]);
    refused(&output, &["floppy", "raw", "livecd"]);
    assert_eq!(jobs(&service), 0);
}

#[test]
fn a_definition_over_the_limit_or_no_text_is_refused() {
    let service = Service::with_config(&config("[limits]\ndefinition = \"4KiB\"\n"));
    let large = service.write("large.ks", &format!("{GOOD}# {}\n", "x".repeat(8_000)));
    let output = submit(&service, &large, &["--type", "raw", "--arch", "x86_64"]);
    refused(&output, &["bytes", "4096"]);
    let binary = service.dir.path().join("binary.ks");
    std::fs::write(&binary, b"lang en_US\n\xff\xfe\x00\n").unwrap();
    let output = submit(&service, &binary, &["--type", "raw", "--arch", "x86_64"]);
    refused(&output, &["UTF-8"]);
    assert_eq!(jobs(&service), 0);
}

#[test]
fn what_the_runner_rejects_is_told_with_its_lines() {
    let service = Service::start();
    let file = service.write("bad.ks", &format!("{GOOD}prat / --size 1\nrepo --name=second\n"));
    let output = submit(&service, &file, &["--type", "raw", "--arch", "x86_64"]);
    refused(&output, &["line 8", "prat", "line 9"]);
}

#[test]
fn a_name_that_could_climb_or_be_an_option_is_refused_with_the_character() {
    let service = Service::start();
    let file = service.write("good.ks", GOOD);
    for (name, word) in [("a/b", "`/`"), ("a..b", "`..`"), ("-rf", "`-`"), ("", "name")] {
        let name = format!("--name={name}");
        let output = submit(&service, &file, &["--type", "raw", "--arch", "x86_64", &name]);
        if name == "--name=" {
            // No name: then the file's own.
            assert!(output.status.success() || said(&output).contains("mic"), "{}", said(&output));
            continue;
        }
        refused(&output, &[word]);
    }
    let body = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na\0b\r\n--b--\r\n";
    let answer =
        over_socket(&service, "POST", "/api/v1/jobs", "multipart/form-data; boundary=b", body);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(!answer.contains("panicked"));
}

/// A request through the local socket.
fn over_socket(service: &Service, method: &str, path: &str, kind: &str, body: &str) -> String {
    let mut stream =
        std::os::unix::net::UnixStream::connect(service.data().join("img.sock")).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_missing_tool_is_named_before_anything_is_queued() {
    let service = Service::with_config("[build]\npath = [\"/nonexistent\"]\n");
    let file = service.write("good.ks", GOOD);
    let output = submit(&service, &file, &["--type", "raw", "--arch", "x86_64"]);
    refused(&output, &["`mic`", "not installed"]);
    assert_eq!(jobs(&service), 0);
}

#[test]
fn a_full_queue_says_so_and_loses_nothing() {
    if !is_root("mic") {
        return;
    }
    let service = Service::with_config(&config("[limits]\nqueue_cap = 1\n"));
    let file = service.write("deaf.ks", &format!("# fake-mic: hang\n{GOOD}"));
    let args = ["--type", "raw", "--arch", "x86_64"];
    for _ in 0..2 {
        let id = service.submit(&file, "raw", "x86_64", &[]);
        service.wait_for(id, "its start", |job| job["state"] == "building");
    }
    assert!(submit(&service, &file, &args).status.success());
    refused(&submit(&service, &file, &args), &["queue api is full"]);
    assert_eq!(jobs(&service), 3);
    for id in ["1", "2", "3"] {
        assert!(service.cli(&["cancel", id]).status.success());
    }
}

#[test]
fn a_wrong_range_is_416_with_the_size() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let file = service.write("good.ks", GOOD);
    let id = service.submit(&file, "raw", "x86_64", &[]);
    assert_eq!(service.wait(id)["state"], "done");
    let head = |range: &str| {
        let mut stream =
            std::os::unix::net::UnixStream::connect(service.data().join("img.sock")).unwrap();
        let text = format!(
            "GET /api/v1/jobs/{id}/image HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nRange: {range}\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = head("bytes=99999999-");
    assert!(answer.starts_with("HTTP/1.1 416"), "{answer}");
    assert!(answer.to_lowercase().contains("content-range: bytes */1048576"), "{answer}");
    assert!(head("bytes=0-9").starts_with("HTTP/1.1 206"));
    assert!(head("lines=1").starts_with("HTTP/1.1 200"), "an unknown unit is no range");
}

#[test]
fn a_broken_cookie_is_signed_out_and_a_half_sent_request_is_ended() {
    let service = Service::with_config(&config("[server]\nheader_timeout = \"1s\"\n"));
    let host = format!("Host: 127.0.0.1:{}\r\n", service.port);
    let answer = raw(
        &service,
        format!(
            "GET /queue HTTP/1.1\r\n{host}Cookie: img=%00garbage; ;;=\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("/login"), "{answer}");
    // The connection ends by itself, with or without a word; `raw` returns only then.
    let answer = raw(&service, format!("GET / HTTP/1.1\r\n{host}X-Half: ").as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(service.cli(&["version"]).status.success());
}

#[test]
fn a_file_that_is_no_component_is_named_and_the_rest_works() {
    let service = Service::start();
    let dropped = service.data().join("plugins/nonsense.wasm");
    std::fs::write(&dropped, "this is no component").unwrap();
    let listed = common::until("the file to be found", || {
        let listed = said(&service.cli(&["plugin", "list"]));
        listed.contains("nonsense").then_some(listed)
    });
    assert!(listed.contains("failed"), "{listed}");
    assert!(listed.contains("mmdebstrap"), "{listed}");
    let output = img().args(["plugin", "check", dropped.to_str().unwrap()]).output().unwrap();
    refused(&output, &["nonsense.wasm", "no WebAssembly"]);
}

#[test]
fn a_runner_dropped_in_while_running_builds_once_it_is_granted() {
    let grants = "[runners.script]\nprograms = [\"bash\", \"cp\"]\n\
                  privileges = [\"root\", \"loop-devices\", \"network\"]\n";
    let service = Service::with_config(&config(grants));
    std::fs::copy(
        common::fixture("plugins/script.wasm"),
        service.data().join("plugins/script.wasm"),
    )
    .unwrap();
    common::until("the runner to be found", || {
        said(&service.cli(&["plugin", "list"])).contains("script").then_some(())
    });
    let file = service.write("hello.sh", "copy\n");
    let id = service.submit(&file, "raw", "noarch", &["--name", "hello"]);
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(id));
    common::assert_nothing_left(&service);
}

#[test]
fn a_config_with_an_unknown_key_does_not_start_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[server]\nlisten_on = \"0.0.0.0:80\"\n").unwrap();
    for command in ["serve", "check-config"] {
        let output = img().arg(command).arg("--config").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let text = said(&output);
        assert!(text.contains("listen_on") && text.contains("`listen`"), "{text}");
    }
}
