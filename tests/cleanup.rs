//! Cleaning up on a real data directory: what the plan names is gone from the disk, what it does
//! not name is there, whatever stands in the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "an assumption that fails is a test that fails; some programs of the system are started"
)]

#[path = "support/bare.rs"]
mod bare;
mod common;
#[path = "support/volume.rs"]
mod volume;

use bare::{DAY, NOW, folder, id, job, open, open_pressed, policy, put};
use common::{is_root, skip};
use img::{
    app::{App, AppError, Peer},
    domain::{
        Actor, JobId, StateKind, Timestamp, UserName, Verb,
        retention::{Lifetime, Policy, Trigger},
    },
    files::DataDir,
    store::{Receipt, Store},
};
use proptest::prelude::*;
use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

fn image_is_there(app: &App, n: u64) -> bool {
    folder(app, id(n)).join("artifacts/image.raw").exists()
}

fn run(app: &App) -> Receipt {
    app.run_cleanup(&Trigger::Schedule, &|| NOW).unwrap()
}

fn ann(verbs: &[Verb]) -> Actor {
    let verbs = verbs.iter().copied().collect();
    Actor { user: UserName::new("ann").unwrap(), verbs, staff: false, superuser: false }
}

fn operator() -> Actor {
    ann(Verb::ALL)
}

#[test]
fn what_is_old_is_gone_from_the_disk_and_the_record_and_the_receipt_say_so() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "core", 20, StateKind::Done, 1 << 20));
    put(&app, &job(2, "core", 2, StateKind::Done, 4096));
    put(&app, &job(3, "core", 200, StateKind::Cancelled, 0));
    let preview = app.cleanup_preview(&operator(), 10, NOW).unwrap();
    let named: Vec<_> = preview.doomed.iter().map(|d| (d.job.get(), d.class.as_str())).collect();
    assert_eq!(named, [(1, "images"), (3, "logs")]);

    let receipt = run(&app);
    assert_eq!((receipt.items, receipt.planned_items), (2, 2));
    assert!(receipt.bytes >= 1 << 20, "{}", receipt.bytes);
    assert!(receipt.mishaps.is_empty(), "{:?}", receipt.mishaps);
    assert!(!image_is_there(&app, 1) && image_is_there(&app, 2));
    assert!(folder(&app, id(1)).join("log").exists(), "its log has not had its time");
    assert!(!folder(&app, id(3)).exists());
    assert_eq!(app.data().trash().names(9).unwrap().len(), 0);
    let shelf = app.store().shelf(id(1)).unwrap();
    assert_eq!(shelf.artifacts_gone.unwrap().why, "older than 14 days");
    assert!(shelf.logs_gone.is_none());
    assert_eq!(app.store().job(id(3)).unwrap().unwrap().id, id(3), "the row stays");
    let audit = app.store().audit(9).unwrap();
    assert!(audit.iter().any(|line| line.action == "delete.images" && line.object == "job 1"));
    assert!(app.store().intents().unwrap().is_empty());
    assert_eq!(app.store().receipts().unwrap(), [receipt]);
    assert_eq!(run(&app).items, 0, "a second run finds nothing");
}

#[tokio::test]
async fn people_pin_keep_longer_and_delete_within_their_rights() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    for n in 1..=5 {
        put(&app, &job(n, &format!("core{n}"), 20, StateKind::Done, 100));
        put(&app, &job(n + 10, &format!("core{n}"), 2, StateKind::Done, 100));
    }
    let (peer, all) = (Peer::default(), operator());
    let own = ann(&[Verb::ViewJobs, Verb::KeepOwn, Verb::DeleteOwn]);
    app.load_inventory().unwrap();
    app.pin(&all, id(1), true, &peer, NOW).await.unwrap();
    assert!(matches!(app.pin(&own, id(2), true, &peer, NOW).await, Err(AppError::Denied(_))));
    let in_days = |days: i64| Timestamp::from_millis(NOW.as_millis() + days * DAY);
    app.keep_longer(&own, id(2), in_days(7), &peer, NOW).await.unwrap();
    for bad in [in_days(-1), in_days(0), in_days(91)] {
        let refused = app.keep_longer(&own, id(3), bad, &peer, NOW).await.unwrap_err();
        assert!(refused.to_string().contains("90 days"), "{refused}");
    }
    assert!(matches!(app.delete_job(&own, id(1), &peer, NOW).await, Err(AppError::Refused(_))));
    app.delete_job(&own, id(4), &peer, NOW).await.unwrap();
    assert!(!folder(&app, id(4)).exists());
    assert!(matches!(app.delete_job(&own, id(4), &peer, NOW).await, Err(AppError::Gone(_))));
    assert!(matches!(app.pin(&all, id(4), true, &peer, NOW).await, Err(AppError::Gone(_))));

    let preview = app.cleanup_preview(&all, 99, NOW).unwrap();
    assert_eq!(preview.saved.iter().map(|s| s.job.get()).collect::<Vec<_>>(), [1, 2]);
    run(&app);
    let there: Vec<_> = (1..=5).filter(|n| image_is_there(&app, *n)).collect();
    assert_eq!(there, [1, 2]);
    let later = in_days(8);
    app.run_cleanup(&Trigger::Person("ann".into()), &|| later).unwrap();
    assert!(image_is_there(&app, 1) && !image_is_there(&app, 2), "kept longer is not for ever");
}

#[tokio::test]
async fn what_somebody_downloads_stays_until_they_have_it() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 20, StateKind::Done, 100));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    let view = app.artifact(&operator(), id(1), "image.raw", NOW).unwrap();
    let receipt = run(&app);
    assert_eq!((receipt.items, receipt.saved), (0, 1));
    assert!(image_is_there(&app, 1));
    drop(view);
    assert_eq!(run(&app).items, 1);
    let gone = app.artifact(&operator(), id(1), "image.raw", NOW).map(|_| ()).unwrap_err();
    assert!(matches!(gone, AppError::Gone(_)), "{gone}");
}

#[test]
fn a_job_directory_replaced_by_a_link_costs_nothing_outside() {
    let tmp = tempfile::tempdir().unwrap();
    let victim = tempfile::tempdir().unwrap();
    std::fs::create_dir(victim.path().join("artifacts")).unwrap();
    std::fs::write(victim.path().join("artifacts/precious"), "x").unwrap();
    let app = open(tmp.path(), policy());
    for n in 1..=3 {
        put(&app, &job(n, "a", 30, StateKind::Done, 100));
    }
    put(&app, &job(4, "a", 1, StateKind::Done, 100));
    std::fs::rename(folder(&app, id(1)), tmp.path().join("moved")).unwrap();
    symlink(victim.path(), folder(&app, id(1))).unwrap();
    std::fs::remove_dir_all(folder(&app, id(2)).join("artifacts")).unwrap();
    symlink(victim.path().join("artifacts"), folder(&app, id(2)).join("artifacts")).unwrap();
    let receipt = run(&app);
    assert!(victim.path().join("artifacts/precious").exists());
    assert!(!image_is_there(&app, 3), "the rest of the run went on");
    assert_eq!(receipt.items, 2, "the link itself went, not what it leads to");
    assert_eq!(receipt.mishaps.len(), 1, "{:?}", receipt.mishaps);
    assert!(receipt.mishaps[0].what.contains("link"), "{:?}", receipt.mishaps);
}

#[test]
fn a_mount_left_inside_is_unmounted_and_nothing_of_it_is_lost() {
    if !is_root("a bind mount") {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let victim = tempfile::tempdir().unwrap();
    std::fs::write(victim.path().join("precious"), "x").unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    let inside = folder(&app, id(1)).join("artifacts/mnt");
    std::fs::create_dir(&inside).unwrap();
    let bind = Command::new("mount").arg("--bind").args([victim.path(), &inside]).status().unwrap();
    if !bind.success() {
        skip("mounting is not allowed here");
        return;
    }
    let receipt = run(&app);
    assert!(victim.path().join("precious").exists());
    assert!(!image_is_there(&app, 1));
    assert!(receipt.mishaps[0].what.contains("was still mounted"), "{:?}", receipt.mishaps);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(tmp.path().to_str().unwrap()));
}

#[test]
fn a_file_that_cannot_be_deleted_is_named_and_the_rest_goes_on() {
    if !is_root("chattr +i") {
        return;
    }
    let base = std::env::current_dir().unwrap().join("target");
    std::fs::create_dir_all(&base).unwrap();
    let tmp = tempfile::tempdir_in(base).unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    put(&app, &job(2, "a", 29, StateKind::Done, 100));
    put(&app, &job(3, "a", 1, StateKind::Done, 100));
    let stuck = folder(&app, id(1)).join("artifacts/image.raw");
    let chattr = |flag: &str, path: &Path| {
        Command::new("chattr")
            .arg(flag)
            .arg(path)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !chattr("+i", &stuck) {
        skip("this file system has no immutable files");
        return;
    }
    let receipt = run(&app);
    let trash = app.data().trash().names(9).unwrap();
    let left = tmp.path().join("trash").join(&trash[0]).join("image.raw");
    assert!(chattr("-i", &left), "{}", left.display());
    assert!(!image_is_there(&app, 1) && !image_is_there(&app, 2));
    assert!(receipt.mishaps.iter().any(|m| m.what.contains("image.raw")), "{:?}", receipt.mishaps);
    run(&app);
    assert_eq!(app.data().trash().names(9).unwrap().len(), 0, "the next run has it");
}

#[test]
fn a_volume_that_has_become_read_only_is_named_and_nothing_is_lost() {
    let Some(volume) = volume::SmallVolume::make(128) else { return };
    let root = volume.path().join("data");
    let app = open(&root, policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    // What the kernel does to a file system with a broken disk below it.
    volume.abort();
    match app.run_cleanup(&Trigger::Schedule, &|| NOW) {
        Ok(receipt) => {
            assert_eq!(receipt.items, 0);
            let said = format!("{:?}", receipt.mishaps);
            assert!(said.contains("00000001"), "{said}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert!(image_is_there(&app, 1) && image_is_there(&app, 2));
    drop(app);
    volume.mount_again();
    let app = open(&root, policy());
    assert_eq!(run(&app).items, 1);
    assert!(!image_is_there(&app, 1) && image_is_there(&app, 2));
}

#[test]
fn what_a_kill_moved_away_is_marked_even_if_somebody_pinned_it_meanwhile() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    for n in 1..=3 {
        put(&app, &job(n, "a", 1, StateKind::Done, 100));
    }
    // The first was cut short with a note, the second without.
    for n in 1..=2 {
        std::fs::remove_dir_all(folder(&app, id(n)).join("artifacts")).unwrap();
    }
    let intent = img::store::Intent {
        job: id(1),
        class: img::domain::retention::Class::Images,
        bytes: 100,
        why: "older than 14 days".into(),
        run: 1,
        by: "system".into(),
    };
    let mut shelf = img::store::ShelfRecord::new(id(1));
    shelf.pinned = Some((UserName::new("ann").unwrap(), NOW));
    app.store()
        .write_blocking(move |tx| {
            tx.put_intent(&intent)?;
            tx.put_shelf(&shelf)
        })
        .unwrap();
    run(&app);
    app.compare(NOW).unwrap();
    let gone = |n: u64| app.store().shelf(id(n)).unwrap().artifacts_gone.map(|gone| gone.why);
    assert_eq!(gone(1).as_deref(), Some("older than 14 days"));
    assert!(gone(2).is_some_and(|why| why.contains("missing")));
    assert_eq!(gone(3), None);
    assert!(image_is_there(&app, 3));
}

#[test]
fn in_an_emergency_what_goes_anyway_counts_and_no_image_goes_for_nothing() {
    const MIB: u64 = 1 << 20;
    let Some(volume) = volume::SmallVolume::make(128) else { return };
    let root = volume.path().join("data");
    let app = open(&root, policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 4 << 20));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    put(&app, &job(3, "b", 3, StateKind::Done, 2 << 20));
    put(&app, &job(4, "b", 1, StateKind::Done, 100));
    app.store().close().unwrap();
    drop(app);
    let pressed = |wanted: u64| {
        let free = volume.free();
        open_pressed(&root, free + MIB, free + wanted)
    };
    run(&pressed(3 * MIB));
    let app = pressed(2 * MIB);
    assert!(!image_is_there(&app, 1), "it is too old anyway");
    assert!(image_is_there(&app, 3), "what is too old made room enough");
    run(&app);
    assert!(!image_is_there(&app, 3), "now there is nothing else");
    assert!(image_is_there(&app, 2) && image_is_there(&app, 4));
}

#[test]
fn what_a_receipt_counts_the_file_system_has_again() {
    let Some(volume) = volume::SmallVolume::make(128) else { return };
    let app = open(&volume.path().join("data"), policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 32 << 20));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    rustix::fs::syncfs(app.data().dir()).unwrap();
    let receipt = run(&app);
    let (counted, freed) = (receipt.bytes, receipt.freed.unwrap());
    assert!(counted >= 32 << 20, "{counted}");
    assert!(freed as f64 >= counted as f64 * 0.99, "{freed} of {counted}");
}

#[test]
fn two_cleanups_at_once_are_one() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    let other = app.clone();
    // The clock is read while the run goes on: a good moment for a second one.
    let second = AtomicBool::new(false);
    app.run_cleanup(&Trigger::Schedule, &|| {
        let refused = other.run_cleanup(&Trigger::Schedule, &|| NOW).unwrap_err();
        assert!(matches!(refused, AppError::Busy { .. }), "{refused}");
        second.store(true, Ordering::SeqCst);
        NOW
    })
    .unwrap();
    assert!(second.load(Ordering::SeqCst));
}

#[test]
fn a_clock_that_jumps_a_year_ahead_deletes_nothing_until_somebody_says_so() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 3, StateKind::Done, 100));
    put(&app, &job(2, "a", 2, StateKind::Done, 100));
    run(&app);
    let ahead = Timestamp::from_millis(NOW.as_millis() + 365 * DAY);
    let receipt = app.run_cleanup(&Trigger::Schedule, &|| ahead).unwrap();
    assert!(receipt.unmet[0].contains("clock"), "{:?}", receipt.unmet);
    assert!(image_is_there(&app, 1));
    drop(app);
    let app = open(tmp.path(), policy());
    let receipt = app.run_cleanup(&Trigger::Person("ann".into()), &|| ahead).unwrap();
    assert_eq!(receipt.items, 2, "the image and, after a year, its log");
    assert!(!image_is_there(&app, 1) && image_is_there(&app, 2));
}

#[test]
fn a_clock_that_is_set_back_deletes_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    put(&app, &job(2, "a", 29, StateKind::Done, 100));
    let back = Timestamp::from_millis(NOW.as_millis() - 365 * DAY);
    assert_eq!(app.run_cleanup(&Trigger::Schedule, &|| back).unwrap().items, 0);
}

#[test]
fn files_and_records_are_compared_both_ways_and_nothing_foreign_is_touched() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    for n in 1..=3 {
        put(&app, &job(n, "a", 1, StateKind::Done, 100));
    }
    std::fs::remove_dir_all(folder(&app, id(2))).unwrap();
    app.data().create_job(id(77), b"x", b"{}").unwrap();
    std::fs::create_dir(tmp.path().join("jobs/my-notes")).unwrap();
    std::fs::create_dir(tmp.path().join("build/00000099")).unwrap();
    let later = Timestamp::from_millis(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
            as i64
            + 3_600_000,
    );
    let found = app.compare(NOW).unwrap();
    assert_eq!(found.missing, [id(2)]);
    assert!(found.directories.is_empty(), "a young directory may be a request on its way");
    let found = app.compare(later).unwrap();
    assert_eq!(found.directories.iter().map(|d| d.0).collect::<Vec<_>>(), [id(77)]);
    assert_eq!((found.foreign, found.builds), (vec!["my-notes".into()], vec!["00000099".into()]));
    assert!(found.missing.is_empty(), "it is marked once");
    let gone = app.store().shelf(id(2)).unwrap().logs_gone.unwrap();
    assert!(gone.why.contains("missing"), "{}", gone.why);

    assert!(matches!(app.delete_orphans(&ann(&[]), later), Err(AppError::Denied(_))));
    app.delete_orphans(&operator(), later).unwrap();
    assert!(!folder(&app, id(77)).exists() && !tmp.path().join("build/00000099").exists());
    assert!(tmp.path().join("jobs/my-notes").exists());
    assert!(image_is_there(&app, 1) && image_is_there(&app, 3));
}

#[test]
fn a_flipped_bit_is_reported_on_its_job() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    for n in 1..=3 {
        put(&app, &job(n, "a", 1, StateKind::Done, 3000));
    }
    let image = folder(&app, id(2)).join("artifacts/image.raw");
    let mut bytes = std::fs::read(&image).unwrap();
    bytes[1234] ^= 1;
    std::fs::write(&image, bytes).unwrap();
    std::fs::remove_file(folder(&app, id(3)).join("artifacts/image.raw")).unwrap();
    let found = app.verify(&|| NOW, &mut || true).unwrap();
    assert_eq!((found.jobs, found.damaged), (3, 2));
    let damage = |n: u64| app.store().shelf(id(n)).unwrap().damage;
    assert!(damage(1).is_empty());
    assert!(damage(2)[0].contains("image.raw has changed"), "{:?}", damage(2));
    assert!(damage(3)[0].contains("cannot be read"), "{:?}", damage(3));
}

#[test]
fn seven_backups_are_kept_and_the_newest_can_be_brought_back() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "a", 1, StateKind::Done, 10));
    let mut name = String::new();
    for n in 0..10 {
        name = app.keep_backup(Timestamp::from_millis(NOW.as_millis() + n)).unwrap().0;
    }
    let folder = tmp.path().join("backup");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 7);
    let other = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&other.path().join("db")).unwrap();
    store.import(&mut std::fs::File::open(folder.join(name)).unwrap()).unwrap();
    assert!(store.job(id(1)).unwrap().is_some());
}

#[test]
fn old_audit_lines_go_and_the_chain_stays_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let data = Arc::new(DataDir::open(tmp.path()).unwrap());
    let (store, _) = Store::open(&tmp.path().join("db")).unwrap();
    for n in 0..20 {
        let record = img::store::AuditRecord {
            at: Timestamp::from_millis(n * DAY),
            actor: "ann".into(),
            peer: String::new(),
            action: "login".into(),
            object: String::new(),
            detail: n.to_string(),
            request: String::new(),
        };
        store.write_blocking(move |tx| tx.append_audit(&record)).unwrap();
    }
    let trim = |days: i64| {
        let before = Timestamp::from_millis(days * DAY);
        store.write_blocking(move |tx| tx.trim_audit(before, 100)).unwrap()
    };
    assert_eq!((trim(5), trim(5)), (5, 0));
    assert_eq!(store.audit(99).unwrap().last().unwrap().detail, "5");
    assert_eq!(store.fsck(false).unwrap().findings, [""; 0]);
    drop(data);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_run_does_exactly_what_the_preview_says(
        jobs in prop::collection::vec((0usize..3, 0i64..400, any::<bool>(), 0usize..5000, 0u8..10), 1..25),
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let app = open(tmp.path(), policy());
        for (n, (name, days, done, size, mark)) in (1u64..).zip(jobs) {
            let state = if done { StateKind::Done } else { StateKind::Cancelled };
            put(&app, &job(n, ["a", "b", "c"][name], days, state, size));
            if mark == 0 {
                let mut shelf = img::store::ShelfRecord::new(id(n));
                shelf.pinned = Some((UserName::new("ann").unwrap(), NOW));
                app.store().write_blocking(move |tx| tx.put_shelf(&shelf)).unwrap();
            }
        }
        let preview = app.cleanup_preview(&operator(), usize::MAX, NOW).unwrap();
        let receipt = run(&app);
        prop_assert_eq!(receipt.items, preview.items);
        prop_assert!(receipt.mishaps.is_empty(), "{:?}", receipt.mishaps);
        for planned in &preview.doomed {
            let folder = folder(&app, planned.job);
            match planned.class.as_str() {
                "logs" => prop_assert!(!folder.exists()),
                _ => prop_assert!(!folder.join("artifacts").exists()),
            }
        }
        let kept = |n: &JobId| !preview.doomed.iter().any(|d| d.job == *n);
        let (ids, _) = app.data().job_ids().unwrap();
        for n in ids.iter().filter(|n| kept(n)) {
            prop_assert!(folder(&app, *n).join("log").exists());
        }
        prop_assert!(app.store().intents().unwrap().is_empty());
        prop_assert_eq!(app.cleanup_preview(&operator(), 9, NOW).unwrap().items, 0);
    }
}

/// How long the race goes on: 5 s, or what `make soak` says.
fn race_seconds() -> u64 {
    std::env::var("IMG_RACE_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(5)
}

#[test]
fn whoever_swaps_directories_for_links_while_we_delete_loses_nothing_outside() {
    let tmp = tempfile::tempdir().unwrap();
    let victim = tempfile::tempdir().unwrap();
    for n in 0..200 {
        std::fs::write(victim.path().join(format!("precious-{n}")), "x").unwrap();
    }
    let data = DataDir::open(tmp.path()).unwrap();
    let root = tmp.path().join("jobs/00000001/artifacts");
    let stop = Arc::new(AtomicBool::new(false));
    let attacker = {
        let (stop, root, victim) = (stop.clone(), root.clone(), victim.path().to_owned());
        std::thread::spawn(move || {
            let mut swaps = 0u64;
            while !stop.load(Ordering::Relaxed) {
                for n in 0..20 {
                    for base in [root.clone(), tmp_trash(&root)] {
                        let dir = base.join(format!("d{n}"));
                        if std::fs::rename(&dir, base.join(format!("was{n}"))).is_ok() {
                            swaps += u64::from(symlink(&victim, &dir).is_ok());
                        }
                    }
                }
            }
            swaps
        })
    };
    let deadline = Instant::now() + Duration::from_secs(race_seconds());
    let mut rounds = 0;
    while Instant::now() < deadline {
        std::fs::create_dir_all(&root).unwrap();
        for n in 0..20 {
            let dir = root.join(format!("d{n}"));
            if std::fs::create_dir(&dir).is_ok() {
                for f in 0..10 {
                    let _ = std::fs::write(dir.join(format!("f{f}")), "y");
                }
            }
        }
        let _ = data.trash_job(id(1)).unwrap();
        data.empty_trash();
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = attacker.join().unwrap();
    println!("{rounds} deletions, {swaps} swaps");
    assert!(swaps > 0, "nobody swapped anything: the race was none");
    // What the test itself wrote through a link of its own making does not count.
    let names = std::fs::read_dir(victim.path()).unwrap().map(|e| e.unwrap().file_name());
    let precious = names.filter(|name| name.to_string_lossy().starts_with("precious-"));
    assert_eq!(precious.count(), 200);
}

/// Where the directory lies while it is being deleted: the one entry of the trash.
fn tmp_trash(artifacts: &Path) -> PathBuf {
    let trash = artifacts.ancestors().nth(3).unwrap().join("trash");
    let entry = std::fs::read_dir(&trash).ok().and_then(|mut e| e.next()?.ok());
    entry.map_or(trash, |entry| entry.path().join("artifacts"))
}

/// Kills of a cleanup: 25, or what `make soak` says.
fn kill_rounds() -> u64 {
    std::env::var("IMG_CLEANUP_KILLS").ok().and_then(|s| s.parse().ok()).unwrap_or(25)
}

const CHILD: &str = "IMG_TEST_CLEANS";

/// In the child of the next test: one cleanup; in every other process nothing.
#[test]
fn a_child_of_the_kill_test_cleans() {
    if let Some(root) = std::env::var_os(CHILD) {
        run(&open(Path::new(&root), policy()));
    }
}

/// A cleanup in a process of its own.
fn cleaning_child(root: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_of_the_kill_test_cleans"])
        .env(CHILD, root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What only a run that was cut short leaves.
fn is_cut_short(app: &App) -> bool {
    !app.store().intents().unwrap().is_empty()
        || !app.data().trash().names(1).unwrap().is_empty()
        || app.store().receipts().unwrap().iter().any(|r| r.ended.is_none())
}

/// Every job is whole, or gone and marked as gone.
fn assert_nothing_is_half(app: &App, jobs: u64, round: u64) {
    assert!(!is_cut_short(app), "round {round}");
    let (ids, foreign) = app.data().job_ids().unwrap();
    assert!(foreign.is_empty());
    assert!(ids.len() < 100, "what is old does not pile up: {}", ids.len());
    for n in (1..jobs).map(id) {
        let shelf = app.store().shelf(n).unwrap();
        let folder = folder(app, n);
        assert_eq!(shelf.logs_gone.is_some(), !folder.exists(), "round {round}, job {n}");
        assert_eq!(
            shelf.artifacts_gone.is_some(),
            !folder.join("artifacts/image.raw").exists(),
            "round {round}, job {n}"
        );
    }
}

#[test]
fn a_kill_in_the_middle_leaves_no_orphan_and_no_half_deleted_job() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut next, mut killed, mut cut) = (1, 0, 0);
    // How long a run takes that nobody kills; the first two rounds find out.
    let mut whole = Duration::from_secs(60);
    for round in 0..kill_rounds() + 2 {
        let app = open(tmp.path(), policy());
        for _ in 0..60 {
            put(&app, &job(next, "a", 300 - (next % 100) as i64, StateKind::Done, 3000));
            next += 1;
        }
        app.store().close().unwrap();
        drop(app);
        let begun = Instant::now();
        let mut child = cleaning_child(tmp.path());
        let pause = if round < 2 { whole } else { whole.mul_f64((round * 37 % 100) as f64 / 95.0) };
        while begun.elapsed() < pause && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        killed += u64::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        if round < 2 {
            whole = begun.elapsed();
        }
        let app = open(tmp.path(), policy());
        cut += u64::from(is_cut_short(&app));
        run(&app);
        assert_nothing_is_half(&app, next, round);
    }
    println!("{} rounds, {killed} killed, {cut} in the middle of a deletion", kill_rounds());
    assert!(cut > 0, "no kill ever came in the middle of a deletion");
}

#[test]
fn a_lifetime_for_ever_is_for_ever() {
    let tmp = tempfile::tempdir().unwrap();
    let forever = Policy { images: Lifetime::Forever, keep_newest: 0, ..policy() };
    let app = open(tmp.path(), forever);
    put(&app, &job(1, "a", 9_000, StateKind::Done, 100));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    assert_eq!(run(&app).items, 0);
}
