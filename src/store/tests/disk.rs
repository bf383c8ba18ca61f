//! The writer and the disk: who is told what, and when.

use super::*;
use crate::store::{Cursor, JobFilter};
use std::sync::{Arc, atomic::AtomicBool, mpsc};

#[test]
fn nobody_is_told_done_before_the_disk_said_so() {
    let (_dir, store) = store();
    let (entered, inside) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    *store.core().hooks.before.lock().unwrap() = Some(Box::new(move || {
        entered.send(()).unwrap();
        wait.recv().unwrap();
    }));
    let told = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (store, told) = (store.clone(), Arc::clone(&told));
        move || {
            put_job(&store, &job(1));
            told.store(true, Ordering::SeqCst);
        }
    });
    inside.recv().unwrap();
    assert!(!told.load(Ordering::SeqCst));
    assert!(store.job(id(1)).unwrap().is_some(), "reads do not wait for the disk");
    go.send(()).unwrap();
    writer.join().unwrap();
    *store.core().hooks.before.lock().unwrap() = None;
}

#[test]
fn writes_that_wait_together_share_one_sync() {
    let (_dir, store) = store();
    let (entered, inside) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    *store.core().hooks.before.lock().unwrap() = Some(Box::new(move || {
        entered.send(()).unwrap();
        wait.recv().unwrap();
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let syncs = || store.core().hooks.syncs.load(Ordering::SeqCst);
    let before = syncs();
    runtime.block_on(async {
        // The first write holds the writer at the disk while the others queue up behind it.
        let first = store.write(|tx| tx.put_job(&job(1)));
        let others = (2..=60).map(|n| store.write(move |tx| tx.put_job(&job(n))));
        let others = futures_util::future::join_all(others);
        let mut first = Box::pin(first);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        inside.recv().unwrap();
        let mut others = Box::pin(others);
        assert!(futures_util::poll!(others.as_mut()).is_pending());
        go.send(()).unwrap();
        go.send(()).unwrap();
        first.await.unwrap();
        assert!(others.await.into_iter().all(|written| written.is_ok()));
    });
    assert_eq!(syncs() - before, 2);
    assert_eq!(store.counts().unwrap().total, 60);
    *store.core().hooks.before.lock().unwrap() = None;
}

#[test]
fn a_disk_that_refuses_is_reported_the_change_is_taken_back_and_later_writes_work() {
    let (dir, store) = store();
    put_job(&store, &job(1));
    store.core().hooks.refuse.store(1, Ordering::SeqCst);
    let refused = store.write_blocking(|tx| {
        tx.put_job(&in_state(job(1), StateKind::Done))?;
        tx.put_job(&job(2))
    });
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("the disk refused") && text.contains("try again"), "{text}");
    assert_eq!(store.job(id(1)).unwrap(), Some(job(1)));
    assert_eq!(store.job(id(2)).unwrap(), None);
    put_job(&store, &job(3));
    assert_eq!(findings(&store), [""; 0]);
    drop(store);
    let store = open(dir.path());
    assert_eq!(
        store.jobs(&JobFilter::default(), Cursor::Newest, 9).unwrap().jobs,
        [job(3), job(1)]
    );
}

#[test]
fn reads_go_on_while_the_disk_refuses_everything() {
    let (_dir, store) = store();
    put_job(&store, &job(1));
    store.core().hooks.refuse.store(u64::MAX, Ordering::SeqCst);
    for n in 2..5 {
        assert!(store.write_blocking(move |tx| tx.put_job(&job(n))).is_err());
        assert_eq!(store.job(id(1)).unwrap(), Some(job(1)));
    }
    assert!(store.next_job_id().is_err());
    store.core().hooks.refuse.store(0, Ordering::SeqCst);
    put_job(&store, &job(9));
    assert_eq!(store.counts().unwrap().total, 2);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_second_store_on_the_same_directory_is_refused_with_the_way_out() {
    let (dir, store) = store();
    let refused = Store::open(&dir.path().join("db")).unwrap_err().to_string();
    assert!(refused.contains("another process holds it"), "{refused}");
    put_job(&store, &job(1));
}

#[test]
fn the_last_clone_may_be_dropped_inside_a_change() {
    let (dir, store) = store();
    let (done, wait) = mpsc::channel();
    let inner = store.clone();
    store.send(
        move |tx| {
            tx.put_job(&job(1))?;
            done.send(inner).unwrap();
            Ok(())
        },
        crate::store::writer::Reply::Nobody,
    );
    drop(store);
    drop(wait.recv().unwrap());
    assert!(open(dir.path()).job(id(1)).unwrap().is_some());
}

#[test]
fn facts_speak_of_the_format_and_the_size() {
    let (_dir, store) = store();
    let (format, bytes) = store.facts();
    assert_eq!(format, crate::store::open::FORMAT);
    assert!(bytes > 0);
}

/// A file system of 12 MiB that goes away with the test; `None` without the right to make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn make() -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        let dir = tempfile::tempdir().unwrap();
        let size = c"size=12m";
        match mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), size) {
            Ok(()) => Some(Self(dir)),
            Err(why) => {
                eprintln!("skipped: a small file system cannot be mounted here ({why})");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_is_met_before_anything_changes_and_writing_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::make() else { return };
    let store = open(disk.0.path());
    put_job(&store, &job(1));
    let filler = disk.0.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write(&mut file, &[1; 4096]).is_ok_and(|n| n > 0) {}
    drop(file);
    let long = "x".repeat(300_000);
    let mut written = 1;
    let refused = loop {
        let mut job = job(written + 1);
        job.request.definition_name = long.clone();
        match store.write_blocking(move |tx| tx.put_job(&job)) {
            Ok(()) => written += 1,
            Err(error) => break error.to_string(),
        }
        assert!(written < 1000, "it never gets full");
    };
    assert!(written > 1, "what was set aside before can still be used");
    assert!(refused.contains("make room") && refused.contains("nothing was changed"), "{refused}");
    assert_eq!(store.met_full_disk(), 1);
    assert_eq!(store.counts().unwrap().total, written);
    assert!(store.job(id(1)).unwrap().is_some());
    std::fs::File::create(&filler).unwrap();
    put_job(&store, &job(written + 1));
    assert_eq!(findings(&store), [""; 0]);
    drop(store);
    assert_eq!(open(disk.0.path()).counts().unwrap().total, written + 1);
}
