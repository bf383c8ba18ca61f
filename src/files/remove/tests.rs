use super::*;
use std::{
    fs::create_dir,
    os::unix::fs::{PermissionsExt, symlink},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

fn base() -> (tempfile::TempDir, Dir) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = Dir::open_root(tmp.path()).unwrap();
    (tmp, dir)
}

fn entries(dir: &Dir) -> usize {
    dir.names(usize::MAX).unwrap().len()
}

#[test]
fn nothing_there_is_success() {
    let (_tmp, dir) = base();
    let removed = dir.remove_tree("missing");
    assert_eq!((removed.entries, removed.errors.len()), (0, 0));
}

#[test]
fn links_are_removed_and_never_followed() {
    let (tmp, dir) = base();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("kept"), b"x").unwrap();
    create_dir(tmp.path().join("tree")).unwrap();
    symlink(outside.path(), tmp.path().join("tree/link")).unwrap();
    symlink(outside.path(), tmp.path().join("top")).unwrap();
    assert!(dir.remove_tree("tree").errors.is_empty());
    assert!(dir.remove_tree("top").errors.is_empty());
    assert!(outside.path().join("kept").exists());
    assert_eq!(entries(&dir), 0);
}

#[test]
fn names_of_any_bytes_and_locked_directories_go() {
    let (tmp, dir) = base();
    let tree = tmp.path().join("tree");
    create_dir(&tree).unwrap();
    for name in [&b"\xff\xfe"[..], b"new\nline", b"-rf", b" ", b"\x1b[31m", &[b'n'; 255]] {
        create_dir(tree.join(OsStr::from_bytes(name))).unwrap();
        std::fs::write(tree.join(OsStr::from_bytes(name)).join("f"), b"x").unwrap();
    }
    let locked = tree.join("locked");
    create_dir(&locked).unwrap();
    std::fs::write(locked.join("f"), b"x").unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    let removed = dir.remove_tree("tree");
    assert!(removed.errors.is_empty(), "{:?}", removed.errors);
    assert_eq!(removed.entries, 15);
    assert_eq!(entries(&dir), 0);
}

#[test]
fn a_tree_of_ten_thousand_levels_goes_with_few_handles() {
    let (_tmp, dir) = base();
    dir.make_dir("tree", 0o700).unwrap();
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = fs::openat(&dir, "tree", flags, Mode::empty()).unwrap();
    for _ in 0..10_000 {
        fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = fs::openat(&at, "d", flags, Mode::empty()).unwrap();
    }
    let removed = dir.remove_tree("tree");
    assert!(removed.errors.is_empty(), "{:?}", removed.errors);
    assert_eq!(removed.entries, 10_001);
    assert_eq!(entries(&dir), 0);
}

#[test]
fn the_bytes_freed_are_counted() {
    let (tmp, dir) = base();
    create_dir(tmp.path().join("tree")).unwrap();
    std::fs::write(tmp.path().join("tree/big"), vec![1; 1 << 20]).unwrap();
    let planned = dir.usage(100).0;
    let removed = dir.remove_tree("tree");
    assert!(removed.bytes >= 1 << 20);
    assert!(removed.bytes.abs_diff(planned) <= planned / 100, "{} {planned}", removed.bytes);
}

#[test]
fn many_files_and_directories_in_one_place_all_go() {
    let (tmp, dir) = base();
    let tree = tmp.path().join("tree");
    create_dir(&tree).unwrap();
    for n in 0..5_000 {
        std::fs::write(tree.join(format!("file-with-a-longer-name-{n}")), b"").unwrap();
        if n % 5 == 0 {
            create_dir(tree.join(format!("dir-{n}"))).unwrap();
        }
    }
    assert_eq!(dir.remove_tree("tree").entries, 6_001);
    assert_eq!(entries(&dir), 0);
}

/// While a tree is removed, somebody keeps replacing its directories by links to a victim.
#[test]
fn a_race_that_swaps_directories_for_links_loses_nothing_outside() {
    let (tmp, dir) = base();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    create_dir(&victim).unwrap();
    for n in 0..50 {
        std::fs::write(victim.join(format!("f{n}")), b"precious").unwrap();
    }
    let stop = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_secs(2);
    let root = tmp.path();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for n in 0..8 {
                    let (from, aside) = (root.join(format!("tree/d{n}")), root.join("aside"));
                    let _ = std::fs::rename(&from, &aside);
                    let _ = symlink(&victim, &from);
                    let _ = rustix::fs::unlink(&from);
                    let _ = std::fs::rename(&aside, &from);
                }
            }
        });
        let mut rounds = 0;
        while Instant::now() < until {
            for n in 0..8 {
                let _ = std::fs::create_dir_all(root.join(format!("tree/d{n}/sub")));
                let _ = std::fs::write(root.join(format!("tree/d{n}/sub/f")), b"x");
            }
            dir.remove_tree("tree");
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(rounds > 10, "the race was run only {rounds} times");
    });
    // The test's own writer may have added something through a link; what counts is what was there.
    let kept = (0..50).filter(|n| victim.join(format!("f{n}")).exists()).count();
    assert_eq!(kept, 50, "files outside were lost");
}

#[test]
fn a_mount_inside_is_reported_and_not_crossed() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let (tmp, dir) = base();
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("kept"), b"x").unwrap();
    let inner = tmp.path().join("tree/inner");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(tmp.path().join("tree/gone"), b"x").unwrap();
    if let Err(e) = rustix::mount::mount_bind(host.path(), &inner) {
        println!("skipped: this kernel does not let us mount: {e}");
        return;
    }
    let removed = dir.remove_tree("tree");
    rustix::mount::unmount(&inner, rustix::mount::UnmountFlags::empty()).unwrap();
    assert!(host.path().join("kept").exists(), "a file behind a mount was lost");
    assert!(!tmp.path().join("tree/gone").exists(), "the rest goes all the same");
    let said = removed.into_result().unwrap_err().to_string();
    assert!(said.contains("inner") && said.contains("mounted"), "{said}");
    assert!(dir.remove_tree("tree").errors.is_empty());
}
