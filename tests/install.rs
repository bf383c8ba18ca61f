//! `img install` and `img uninstall` with a folder in the place of `/`: what they say is what they
//! do, twice is the same as once, and nothing of anybody else is touched.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, as it should, and this one starts the program"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Output, Stdio},
};

const UNIT: &str = "etc/systemd/system/img.service";
const CONFIG: &str = "etc/img/config.toml";
const PROGRAM: &str = "usr/local/bin/img";

/// What a complete installation consists of, with modes.
const ALL: [(&str, u32); 8] = [
    (CONFIG, 0o644),
    ("etc/systemd/system/img-builder.service", 0o644),
    ("etc/systemd/system/img-builder.socket", 0o644),
    (UNIT, 0o644),
    ("usr/lib/sysusers.d/img.conf", 0o644),
    ("usr/lib/tmpfiles.d/img.conf", 0o644),
    (PROGRAM, 0o755),
    ("var/lib/img", 0o700),
];

fn img(args: &[&str], prefix: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_img"));
    for name in ["IMG_SERVER", "IMG_SOCKET", "IMG_TOKEN", "IMG_CONFIG", "IMG_LISTEN"] {
        command.env_remove(name);
    }
    command.args(args).arg("--prefix").arg(prefix).stdin(Stdio::null()).output().unwrap()
}

/// Runs it, which must succeed; what it says, with the prefix taken out.
fn said(args: &[&str], prefix: &Path) -> String {
    let output = img(args, prefix);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    text(&output.stdout, prefix)
}

/// Runs it, which must fail; the reason, with the prefix taken out.
fn refused(args: &[&str], prefix: &Path) -> String {
    let output = img(args, prefix);
    assert!(!output.status.success(), "{args:?} succeeded");
    text(&output.stderr, prefix)
}

fn text(bytes: &[u8], prefix: &Path) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replace(env!("CARGO_BIN_EXE_img"), "OWN").replace(prefix.to_str().unwrap(), "")
}

/// Every file and every folder without one, with its mode, when it was written and its number.
fn tree(root: &Path) -> BTreeMap<String, (u32, u64, i64, u64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() && fs::read_dir(&path).unwrap().next().is_some() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let mode = meta.permissions().mode() & 0o7777;
            found.insert(name, (mode, meta.ino(), meta.mtime_nsec(), meta.len()));
        }
    }
    found
}

fn names(root: &Path) -> Vec<String> {
    tree(root).into_keys().collect()
}

fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn get(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join(name)).unwrap()
}

#[test]
fn a_dry_run_names_everything_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let would = said(&["install", "--dry-run"], dir.path());
    for (name, mode) in ALL {
        let line = would.lines().find(|line| line.contains(&format!("/{name} ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not named in\n{would}"));
        assert!(line.starts_with("would ") && line.contains(&format!("({mode:04o}")), "{line}");
    }
    assert!(names(dir.path()).is_empty());
    assert_eq!(would.replace("would ", ""), said(&["install"], dir.path()));
}

#[test]
fn exactly_the_named_files_are_written_with_their_modes() {
    let dir = tempfile::tempdir().unwrap();
    said(&["install"], dir.path());
    let there = tree(dir.path());
    let there: Vec<_> = there.iter().map(|(name, about)| (name.as_str(), about.0)).collect();
    assert_eq!(there, ALL);
    let program = fs::read(dir.path().join(PROGRAM)).unwrap();
    assert!(program == fs::read(env!("CARGO_BIN_EXE_img")).unwrap(), "the program differs");
    assert_eq!(get(dir.path(), UNIT), include_str!("../systemd/img.service"));
    let checked = Command::new(dir.path().join(PROGRAM))
        .args(["check-config", "--config"])
        .arg(dir.path().join(CONFIG))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn twice_is_the_same_as_once() {
    let dir = tempfile::tempdir().unwrap();
    said(&["install"], dir.path());
    let once = tree(dir.path());
    let again = said(&["install"], dir.path());
    assert_eq!(tree(dir.path()), once);
    assert!(again.lines().all(|line| line.starts_with("leave ")), "{again}");
}

#[test]
fn a_configuration_that_is_there_stays_and_what_is_new_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = "# ours\n[server]\nlisten = [\"127.0.0.1:8081\"]\n";
    put(dir.path(), CONFIG, theirs);
    let said = said(&["install"], dir.path());
    assert_eq!(get(dir.path(), CONFIG), theirs);
    assert!(said.contains("leave /etc/img/config.toml: it is yours"), "{said}");
    assert!(said.contains("build.slots") && !said.contains("server.listen"), "{said}");
}

#[test]
fn a_configuration_that_is_wrong_is_told_before_anything_changes() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), CONFIG, "[server]\nlisten_on = 1\n");
    let why = refused(&["install"], dir.path());
    assert!(why.contains("listen_on") && why.contains("install again"), "{why}");
    assert_eq!(names(dir.path()), [CONFIG]);
}

#[test]
fn an_older_unit_of_ours_is_replaced_and_one_of_somebody_elses_is_kept_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), UNIT, "[Unit]\nDescription=made by hand\n");
    let socket = "etc/systemd/system/img-builder.socket";
    put(dir.path(), socket, "# Part of IMG. `img install` writes this file, long ago.\n");
    said(&["install"], dir.path());
    assert_eq!(get(dir.path(), &format!("{UNIT}.saved")), "[Unit]\nDescription=made by hand\n");
    assert_eq!(get(dir.path(), UNIT), include_str!("../systemd/img.service"));
    assert_eq!(get(dir.path(), socket), include_str!("../systemd/img-builder.socket"));
    assert_eq!(names(dir.path()).len(), ALL.len() + 1);
}

#[test]
fn the_drop_in_that_would_make_the_pages_root_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (format!("{UNIT}.d/root-tools.conf"), format!("{UNIT}.d/mine.conf"));
    put(dir.path(), &ours, "# For a box whose tools have to be root (mic): …\nUser=root\n");
    put(dir.path(), &theirs, "[Service]\nCPUQuota=50%\n");
    let said = said(&["install"], dir.path());
    assert!(said.contains("it would make the pages root"), "{said}");
    assert!(!dir.path().join(&ours).exists() && dir.path().join(&theirs).exists());
    assert!(dir.path().join(format!("{ours}.saved")).exists());
}

#[test]
fn a_masked_unit_is_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("elsewhere");
    fs::write(&target, "precious").unwrap();
    fs::create_dir_all(dir.path().join(UNIT).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&target, dir.path().join(UNIT)).unwrap();
    let why = refused(&["install"], dir.path());
    assert!(why.contains(&format!("/{UNIT} is a link")) && why.contains("unmask"), "{why}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(!dir.path().join(PROGRAM).exists());
}

#[test]
fn what_cannot_be_written_is_named_and_what_is_there_stays() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "usr/lib/sysusers.d", "a file where a folder belongs");
    let why = refused(&["install"], dir.path());
    assert!(why.contains("/usr/lib/sysusers.d/img.conf"), "{why}");
    fs::remove_file(dir.path().join("usr/lib/sysusers.d")).unwrap();
    said(&["install"], dir.path());
    assert_eq!(names(dir.path()).len(), ALL.len());
}

#[test]
fn uninstall_takes_away_what_is_ours_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    said(&["install"], dir.path());
    put(dir.path(), "etc/systemd/system/other.service", "[Unit]\n");
    put(dir.path(), "usr/lib/tmpfiles.d/img.conf", "# written by somebody else\n");
    put(dir.path(), "var/lib/img/jobs/00000001/log", "a log\n");
    let before = tree(dir.path());
    let would = said(&["uninstall", "--dry-run"], dir.path());
    assert_eq!(tree(dir.path()), before);
    let done = said(&["uninstall"], dir.path());
    assert_eq!(would.replace("would ", ""), done);
    assert!(done.contains("leave /usr/lib/tmpfiles.d/img.conf"), "{done}");
    assert_eq!(
        names(dir.path()).into_iter().filter(|name| !name.ends_with(".d")).collect::<Vec<_>>(),
        [
            CONFIG,
            "etc/systemd/system/other.service",
            "usr/lib/tmpfiles.d/img.conf",
            "usr/local/bin",
            "var/lib/img/jobs/00000001/log"
        ]
    );
    let again = said(&["uninstall"], dir.path());
    assert!(again.lines().all(|line| line.starts_with("leave ")), "{again}");
}

#[test]
fn another_program_of_that_name_stays() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), PROGRAM, "#!/bin/sh\n");
    let done = said(&["uninstall"], dir.path());
    assert!(done.contains("it is another program than this one"), "{done}");
    assert_eq!(get(dir.path(), PROGRAM), "#!/bin/sh\n");
}

#[test]
fn a_purge_asks_first_and_keeps_what_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    said(&["install"], dir.path());
    put(dir.path(), "var/lib/img/jobs/00000001/log", "a log\n");
    put(dir.path(), "etc/img/tls.key", "a key\n");
    let before = tree(dir.path());
    let why = refused(&["uninstall", "--purge"], dir.path());
    assert!(why.contains("add --yes"), "{why}");
    assert_eq!(tree(dir.path()), before);
    said(&["uninstall", "--purge", "--yes"], dir.path());
    assert_eq!(get(dir.path(), "etc/img/tls.key"), "a key\n");
    assert!(!dir.path().join(CONFIG).exists() && !dir.path().join("var/lib/img").exists());
    assert!(refused(&["uninstall", "--yes"], dir.path()).contains("--purge"));
}

#[test]
fn the_box_itself_needs_root() {
    let dir = tempfile::tempdir().unwrap();
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        let output = Command::new(env!("CARGO_BIN_EXE_img")).arg("install").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("needs root"));
        return;
    }
    // As root the same program is asked as somebody else.
    let program = dir.path().join("img");
    fs::copy(env!("CARGO_BIN_EXE_img"), &program).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    use std::os::unix::process::CommandExt as _;
    let output = Command::new(&program).args(["uninstall"]).uid(65534).gid(65534).output();
    let Ok(output) = output else {
        println!("SKIPPED: {} cannot be reached by another user", dir.path().display());
        return;
    };
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs root"), "{output:?}");
}
