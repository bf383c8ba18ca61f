//! The everyday path with real tools: a Debian tree by mmdebstrap, a disk made of it by genimage,
//! and a machine that boots that disk to a marker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;

use common::{Service, said, skip, until};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What the image prints on its console when it is up.
const MARKER: &str = "IMG-BOOT-OK";
/// Longest the emulated machine may take: it runs without hardware support.
const BOOT: Duration = Duration::from_secs(300);

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join(name)
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        skip(&format!("`{program}` is not installed"));
    }
    found
}

/// Debian's name for this machine.
fn arch() -> String {
    let output = Command::new("dpkg").arg("--print-architecture").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn service() -> Service {
    Service::with_config("[build]\nslots = 1\n")
}

fn image_path(job: &serde_json::Value) -> PathBuf {
    let artifacts = job["artifacts"].as_array().unwrap();
    let image = artifacts.iter().find(|a| a["role"] == "image").unwrap();
    image["path"].as_str().unwrap_or_else(|| panic!("no path in {image}")).into()
}

#[test]
fn a_debian_tree_becomes_a_disk_that_boots() {
    if !["mmdebstrap", "genimage", "genext2fs", "qemu-system-x86_64", "dpkg-deb"]
        .iter()
        .all(|p| has(p))
    {
        return;
    }
    if arch() != "amd64" {
        skip("the machine to boot on is x86_64");
        return;
    }
    let service = service();
    let tree = service.submit(&example("mmdebstrap/examples/busybox.toml"), "tar", "amd64", &[]);
    let job = service.wait(tree);
    assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(tree));

    let tree = tree.to_string();
    let input = ["--input-job", tree.as_str()];
    let disk = service.submit(&example("genimage/examples/disk.cfg"), "hdimage", "amd64", &input);
    let job = service.wait(disk);
    assert_eq!(job["state"], "done", "{job:#}\n{}", service.log(disk));
    common::assert_nothing_left(&service);

    let Some(kernel) = kernel() else { return };
    let console = boot(&kernel, &image_path(&job));
    assert!(console.contains(MARKER), "the image did not come up:\n{console}");
}

/// Mounts and loop devices of the box, as the kernel lists them.
fn traces() -> BTreeSet<String> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let mounts = read(Path::new("/proc/self/mountinfo"));
    // The number of a mount is given again.
    let mounts = mounts.lines().map(|line| line.split(' ').skip(2).collect::<Vec<_>>().join(" "));
    let devices = std::fs::read_dir("/sys/block").unwrap().flatten();
    let loops = devices.map(|device| {
        let file = read(&device.path().join("loop/backing_file"));
        format!("{} {}", device.path().display(), file.trim())
    });
    mounts.chain(loops).collect()
}

/// Lines of a real build's log, each of which is another place to be stopped at.
const MIDDLES: [&str; 4] =
    ["running apt-get update", "downloading packages", "extracting archives", "creating tarball"];

#[test]
fn a_real_build_that_is_cancelled_in_its_middle_leaves_nothing() {
    if !["mmdebstrap", "dpkg-deb"].iter().all(|p| has(p)) {
        return;
    }
    let service = Service::outside_of_tmp("[build]\nslots = 1\n");
    let before = traces();
    let mut stopped = 0;
    for middle in MIDDLES {
        let tree = example("mmdebstrap/examples/busybox.toml");
        let id = service.submit(&tree, "tar", &arch(), &[]);
        until(&format!("`{middle}`, or the end"), || {
            let ended = service.job(id)["state"] == "done";
            (ended || service.log(id).contains(middle)).then_some(())
        });
        let cancel = service.cli(&["cancel", &id.to_string()]);
        let (job, log) = (service.wait(id), service.log(id));
        if cancel.status.success() && job["state"] != "done" {
            assert_eq!(job["state"], "cancelled", "{job:#}\n{log}");
            assert_eq!(job["residual"].as_array().map(Vec::len), Some(0), "{job:#}");
            assert!(log.contains("SIGINT sent to the tool"), "{log}");
            stopped += 1;
        }
        common::assert_nothing_left(&service);
        let place = log.lines().find_map(|line| line.strip_prefix("I: using "));
        let place = place.and_then(|rest| rest.strip_suffix(" as tempdir")).unwrap();
        assert!(!Path::new(place).exists(), "{place} is left: {log}");
        let mut new: Vec<_> = traces().difference(&before).cloned().collect();
        // Other tests mount and use loop devices at the same time.
        let of_others = |trace: &String| trace.contains("img-") || trace.contains("/.tmp");
        new.retain(|trace| trace.contains(service.data().to_str().unwrap()) || !of_others(trace));
        assert_eq!(new, [""; 0], "stopped at `{middle}`: {log}");
    }
    println!("stopped {stopped} of {} times in the middle", MIDDLES.len());
    assert!(stopped >= 2, "the builds ended too soon to be stopped: the test proves nothing");
}

/// Debian's cloud kernel, fetched once and kept in the user's cache.
fn kernel() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
    let kept = cache.join("img/boot/vmlinuz");
    if kept.is_file() {
        return Some(kept);
    }
    let dir = tempfile::tempdir().unwrap();
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let depends = run("apt-cache", &["depends", "linux-image-cloud-amd64"]);
    let package = depends
        .lines()
        .filter_map(|l| l.trim().strip_prefix("Depends: "))
        .find(|p| p.starts_with("linux-image-"));
    let Some(package) = package else {
        skip("apt knows no linux-image-cloud-amd64");
        return None;
    };
    run("apt-get", &["download", "-qq", package]);
    let deb = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    run("dpkg-deb", &["-x", deb.to_str().unwrap(), "kernel"]);
    let boot = dir.path().join("kernel/boot");
    let vmlinuz = std::fs::read_dir(boot)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz")))
        .expect("a kernel in the package");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    let new = kept.with_extension(std::process::id().to_string());
    std::fs::copy(vmlinuz, &new).unwrap();
    std::fs::rename(&new, &kept).unwrap();
    Some(kept)
}

/// Boots a copy of the disk without hardware support; returns the console.
fn boot(kernel: &Path, disk: &Path) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (copy, console) = (dir.path().join("disk.img"), dir.path().join("console"));
    std::fs::copy(disk, &copy).unwrap();
    let mut machine = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-m", "256", "-nographic", "-no-reboot", "-nic", "none"])
        .args(["-append", "console=ttyS0 root=/dev/nvme0n1p1 rw panic=-1 quiet"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-drive")
        .arg(format!("file={},format=raw,if=none,id=disk", copy.display()))
        .args(["-device", "nvme,drive=disk,serial=img"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-monitor", "none", "-display", "none"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let read = || {
        let bytes = std::fs::read(&console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    until("the marker, or the end of the machine", || {
        let over = machine.try_wait().unwrap().is_some() || begun.elapsed() > BOOT;
        (over || read().contains(MARKER)).then_some(())
    });
    let _ = machine.kill();
    let output = machine.wait_with_output().unwrap();
    println!("booted in {} ms", begun.elapsed().as_millis());
    format!("{}{}", read(), String::from_utf8_lossy(&output.stderr))
}
