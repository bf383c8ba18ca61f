//! The command line against the real service: what it fetches, how it ends, and what it does to
//! the store when no service runs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, as it should, and mounting is done by a program"
)]

mod common;

use common::{PASSWORD, Service, config, img, is_root, said};
use serde_json::Value;
use std::{path::PathBuf, process::Output};

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A kickstart that makes the pretended mic behave as `how` says.
fn kickstart(service: &Service, how: &str) -> PathBuf {
    let text = format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\nrootpw --plaintext secret-of-root\n\
         part / --size 400 --fstype ext4 --ondisk=sda\nrepo --name=oss --baseurl=http://repo.example/oss\n\
         %packages\nbusybox\n%end\n"
    );
    service.write(&format!("{how}.ks"), &text)
}

fn image(job: &Value) -> &Value {
    job["artifacts"].as_array().unwrap().iter().find(|a| a["role"] == "image").unwrap()
}

#[test]
fn watching_ends_with_the_image_and_its_checksum() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let file = kickstart(&service, "succeed");
    let args = ["submit", file.to_str().unwrap(), "-t", "raw", "-a", "x86_64", "--watch"];
    let output = service.cli(&args);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let job = service.job(1);
    assert!(text.starts_with(&service.log(1)), "the log comes first:\n{text}");
    let path = image(&job)["path"].as_str().unwrap();
    let sum = image(&job)["sha256"].as_str().unwrap();
    assert!(text.contains(path) && text.trim_end().ends_with(sum), "{text}");

    let file = kickstart(&service, "no-package");
    let args = ["submit", file.to_str().unwrap(), "-t", "raw", "-a", "x86_64", "--watch"];
    let output = service.cli(&args);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(stderr(&output).contains("job 2 is failed"), "{}", said(&output));
}

#[test]
fn a_download_is_checked_resumed_and_never_goes_over_another_file() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let id = service.submit(&kickstart(&service, "succeed"), "raw", "x86_64", &[]);
    let job = service.wait(id);
    assert_eq!(job["state"], "done", "{job:#}");
    let bytes = std::fs::read(image(&job)["path"].as_str().unwrap()).unwrap();
    let number = id.to_string();
    let target = service.dir.path().join("image");
    let part = service.dir.path().join("image.part");
    let fetch = |more: &[&str]| {
        let mut args = vec!["download", &number, "-o", target.to_str().unwrap()];
        args.extend(more);
        service.cli(&args)
    };

    std::fs::write(&part, &bytes[..400_000]).unwrap();
    let output = fetch(&["--resume"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(std::fs::read(&target).unwrap() == bytes && !part.exists());
    assert_eq!(code(&fetch(&[])), 0, "the same file is there already");

    std::fs::write(&target, "mine").unwrap();
    let output = fetch(&[]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(stderr(&output).contains("is a different file: replace it with --force"));
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    assert_eq!(code(&fetch(&["--force"])), 0);
    assert!(std::fs::read(&target).unwrap() == bytes);

    std::fs::write(&target, "").unwrap();
    std::fs::write(&part, vec![7; 400_000]).unwrap();
    let output = fetch(&["--resume", "--force"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(stderr(&output).contains("run it again without --resume"), "{}", said(&output));
    assert_eq!(std::fs::read(&target).unwrap(), b"");
}

#[test]
fn what_is_wrong_with_a_request_is_said_in_one_line_each() {
    let service = Service::start();
    let file = service.write("a.ks", "lang en_US.UTF-8\n");
    let file = file.to_str().unwrap();
    for (args, says) in [
        (&["job", "999"][..], "there is no job 999"),
        (&["log", "999"], "there is no job 999"),
        (&["cancel", "999"], "there is no job 999"),
        (&["download", "999"], "there is no job 999"),
        (&["submit", file, "-t", "nothing", "-a", "x86_64"], "nothing"),
        (&["submit", file, "-t", "raw", "-a", "x86_64", "-q", "none"], "queue"),
        (&["submit", file, "-t", "raw", "-a", "x86_64", "-n", "../x"], "../x"),
        (&["submit", file, "-t", "raw", "-a", "x86_64", "-r", "none"], "none"),
        (&["jobs", "--owner", "a/b"], "a/b"),
    ] {
        let output = service.cli(args);
        assert_eq!(code(&output), 1, "{args:?}: {}", said(&output));
        let text = stderr(&output);
        assert!(text.contains(says) && text.starts_with("img: "), "{args:?}: {text}");
    }
}

#[test]
fn over_http_a_token_is_needed() {
    let service = Service::start();
    let url = service.url("");
    let run = |token: Option<&str>| {
        let mut command = img();
        command.args(["jobs", "--server", &url]);
        if let Some(token) = token {
            command.env("IMG_TOKEN", token);
        }
        command.output().unwrap()
    };
    let output = run(None);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(stderr(&output).contains("put it into IMG_TOKEN"), "{}", said(&output));
    let output = run(Some("img_wrong"));
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(stderr(&output).contains("the token is not accepted"), "{}", said(&output));
}

#[test]
fn a_running_server_answers_for_its_store_and_keeps_others_off_it() {
    let service = Service::start();
    assert!(service.json(&["jobs"])["jobs"].as_array().unwrap().is_empty());
    assert_eq!(service.json(&["version"])["server"], env!("CARGO_PKG_VERSION"));
    let file = service.dir.path().join("backup");
    let path = file.to_str().unwrap();
    let output = service.cli(&["backup", path]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(code(&service.cli(&["backup", path])), 1, "a backup goes over no file");
    for args in [&["fsck"][..], &["audit", "verify"], &["restore", path, "--replace"]] {
        let output = service.cli(args);
        assert_eq!(code(&output), 1, "{}", said(&output));
        assert!(stderr(&output).contains("the server runs: stop it first"), "{}", said(&output));
    }
}

#[test]
fn without_a_server_the_store_is_backed_up_checked_and_brought_back() {
    let mut service = Service::start();
    service.stop();
    let file = service.dir.path().join("backup");
    let path = file.to_str().unwrap();
    let output = service.cli(&["backup", path]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(service.json(&["fsck"])["findings"], serde_json::json!([]));

    let trail = service.json(&["audit", "verify"]);
    assert_eq!(trail["broken"], serde_json::json!([]));

    let cut = service.dir.path().join("cut");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let output = service.cli(&["restore", cut.to_str().unwrap(), "--replace"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    service.set_password("imager", PASSWORD);

    let output = service.cli(&["restore", path, "--replace"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(service.data().join("db.old-1").is_dir());
    assert_eq!(service.json(&["fsck"])["findings"], serde_json::json!([]));
    assert_eq!(service.json(&["audit", "verify"]), trail);
    service.spawn();
    assert!(service.json(&["jobs"])["jobs"].as_array().unwrap().is_empty());
}

/// Two images of one recipe on a box where nothing goes because its disk is well filled.
fn two_images() -> Service {
    let service = Service::with_config(&config("[retention]\nbudget = 100\n"));
    for _ in 0..2 {
        let id = service.submit(&kickstart(&service, "succeed"), "raw", "x86_64", &[]);
        assert_eq!(service.wait(id)["state"], "done");
    }
    service
}

#[test]
fn files_are_pinned_kept_and_deleted() {
    if !is_root("mic") {
        return;
    }
    let service = two_images();
    let text = said(&service.cli(&["job", "1"]));
    assert!(text.contains("kept until:"), "{text}");

    let output = service.cli(&["pin", "1"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(service.job(1)["pinned"]["by"], "console");
    let output = service.cli(&["delete", "1"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(stderr(&output).contains("it is pinned"), "{}", said(&output));
    assert_eq!(code(&service.cli(&["unpin", "1"])), 0);

    let before = service.job(1)["expires"].clone();
    let output = service.cli(&["keep", "1", "--days", "30"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("job 1 is kept until 20"), "{}", said(&output));
    assert_ne!(service.job(1)["expires"], before);
    for bad in ["2000-01-01", "soon"] {
        let output = service.cli(&["keep", "1", "--until", bad]);
        assert_eq!(code(&output), 1, "{}", said(&output));
        assert!(stderr(&output).contains(bad), "{}", said(&output));
    }
    assert_eq!(code(&service.cli(&["keep", "1"])), 2, "until when?");

    let output = service.cli(&["delete", "1"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let text = said(&service.cli(&["job", "1"]));
    assert!(text.contains(" asked for it") && !text.contains("sha256"), "{text}");
    for args in [&["download", "1"][..], &["delete", "1"], &["pin", "1"], &["log", "1"]] {
        let output = service.cli(args);
        if args[0] != "log" {
            assert_eq!(code(&output), 1, "{args:?}: {}", said(&output));
            assert!(stderr(&output).contains("deleted"), "{args:?}: {}", said(&output));
        }
    }
    assert_eq!(code(&service.cli(&["pin", "99"])), 1);
}

/// A file system below the trash, which no cleanup can remove.
struct Mounted(PathBuf);

impl Mounted {
    fn at(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "none"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(mount.status.success(), "{}", said(&mount));
        std::fs::write(path.join("inside"), "mine").unwrap();
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_cleanup_is_previewed_run_and_accounted_for() {
    if !is_root("mic and mounting") {
        return;
    }
    let service = two_images();
    let output = service.cli(&["cleanup", "--dry-run"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("nothing would be deleted"), "{}", said(&output));
    assert_eq!(service.json(&["cleanup", "--dry-run"])["items"], 0);

    let receipt = service.json(&["cleanup"]);
    assert_eq!((&receipt["items"], &receipt["trigger"]), (&0.into(), &"console".into()));
    let next = service.json(&["cleanup"]);
    assert!(next["run"].as_u64() > receipt["run"].as_u64(), "{next}");

    let held = Mounted::at(service.data().join("trash/held"));
    let output = service.cli(&["cleanup"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("went wrong: ") && text.contains("held"), "{text}");
    assert!(stderr(&output).contains("went wrong in cleanup"), "{}", said(&output));
    assert!(held.0.join("inside").exists());
    drop(held);
    assert_eq!(code(&service.cli(&["cleanup"])), 0);
}
