//! A process that dies at any moment, and a file in which any byte is wrong.

use super::*;
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

const CHILD: &str = "IMG_TEST_STORE_TO_WRITE";
const THIS: &str = "store::tests::crash::an_acknowledged_write_survives_a_kill_at_any_moment";
const KILLS: u64 = 30;

/// Submits and changes jobs on two threads for ever, and says what was acknowledged.
fn write_until_killed(dir: &Path) {
    let store = open(dir);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = store.next_job_id().unwrap().get();
                    println!("given {number}");
                    put_job(&store, &job(number));
                    println!("queued {number}");
                    put_job(&store, &in_state(job(number), StateKind::Building));
                    println!("building {number}");
                }
            });
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "a process has to die, and it is this very test")]
fn child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS, "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a writer live for `lines` acknowledgements, kills it, and returns all that it said.
fn kill_after(dir: &Path, lines: u64) -> Vec<(String, u64)> {
    let mut child = child(dir);
    let mut said = Vec::new();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = output.next() {
        // The test runner's own words share the stream.
        let words: Vec<&str> = line.split_whitespace().rev().collect();
        if let [number, word, ..] = words.as_slice()
            && let Ok(number) = number.parse()
            && ["given", "queued", "building"].contains(word)
        {
            said.push(((*word).to_owned(), number));
        }
        if said.len() as u64 == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said.len() as u64 >= lines, "the writer ended by itself");
    said
}

#[test]
fn an_acknowledged_write_survives_a_kill_at_any_moment() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut given = std::collections::BTreeSet::new();
    let mut last = 0;
    for round in 0..KILLS {
        // Any moment: the number of lines wanders, and where in a write the signal comes is chance.
        let said = kill_after(dir.path(), 1 + round * 7919 % 83);
        let (store, report) = Store::open(&dir.path().join("db")).unwrap();
        for (word, number) in said {
            if word == "given" {
                assert!(given.insert(number), "the number {number} was given twice");
                last = last.max(number);
                continue;
            }
            let job = store.job(id(number)).unwrap();
            let state = job.unwrap_or_else(|| panic!("job {number} is lost")).state.kind();
            let right = word == "queued" || state == StateKind::Building;
            assert!(right, "job {number} was {word} and is {state} now");
        }
        assert_eq!(report.lost_commits, 0);
        assert_eq!(findings(&store), [""; 0], "round {round}");
        assert_eq!(store.quarantined(), 0);
        assert!(store.next_job_id().unwrap().get() > last);
        given.insert(store.next_job_id().unwrap().get());
    }
}

/// Copies the files of a store, with one byte or a whole block of them changed.
fn damaged_copy(from: &Path, to: &Path, seed: u64) {
    std::fs::create_dir_all(to.join("blobs")).unwrap();
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let names: Vec<String> = std::fs::read_dir(from)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    for name in &names {
        let mut bytes = std::fs::read(from.join(name)).unwrap();
        // Without a right mark nobody can tell that the end is missing.
        if name == "db" || (name != "mark" && next() % 4 == 0) {
            let used = bytes.iter().rposition(|b| *b != 0).map_or(1, |at| at + 1);
            for _ in 0..=next() % 8 {
                let at = (next() % used as u64) as usize;
                let end = if next() % 8 == 0 { (at + 600).min(bytes.len()) } else { at + 1 };
                for byte in &mut bytes[at..end] {
                    *byte ^= (next() % 255 + 1) as u8;
                }
            }
            if next() % 16 == 0 {
                bytes.truncate((next() % used as u64) as usize);
            }
        }
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

#[test]
fn a_store_with_wrong_bytes_opens_or_is_refused_with_the_way_out_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let good = open(dir.path());
    fill(&good);
    for n in 10..200 {
        put_job(&good, &job(n));
    }
    drop(good);
    let mut refused = 0;
    for seed in 1..=300u64 {
        let copy = tempfile::tempdir().unwrap();
        let db = copy.path().join("db");
        damaged_copy(&dir.path().join("db"), &db, seed);
        match Store::open(&db) {
            Ok((store, report)) => {
                let all = store.counts().is_ok_and(|c| c.total == 195);
                let said = report.lost_commits > 0 || report.quarantined > 0;
                assert!(all || said || !findings(&store).is_empty(), "seed {seed}: a silent loss");
                use_it(&store);
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                let way_out = text.contains("img restore") || text.contains("newer img");
                assert!(way_out, "seed {seed}: {text}");
                salvage_works(&db);
            }
        }
    }
    assert!(refused < 300, "not one of them opened");
}

/// Whatever it answers, it answers.
fn use_it(store: &Store) {
    for n in 1..200 {
        let _ = store.job(id(n));
    }
    let filter = crate::store::JobFilter { text: Some("core".into()), ..Default::default() };
    let _ = store.jobs(&filter, crate::store::Cursor::Newest, 20);
    let _ = (store.users(), store.sessions(), store.audit(9), store.counts(), store.open_jobs());
    let _ = store.fsck(true);
    let _ = store.write_blocking(|tx| tx.put_job(&job(500)));
    let _ = store.close();
}

fn salvage_works(db: &Path) {
    crate::store::salvage(db).unwrap();
    let (_store, report) = Store::open(db).unwrap();
    assert!(report.created);
}

#[test]
fn a_snapshot_that_was_cut_short_does_not_keep_the_store_from_opening() {
    let (tmp, store) = store();
    put_job(&store, &job(1));
    let dir = tmp.path().join("db");
    store.close().unwrap();
    drop(store);
    // What a kill leaves while sled writes a snapshot at a start.
    let cut = dir.join("snap.0000000000000FFF.generating");
    std::fs::write(&cut, [7; 20]).unwrap();
    let store = open(tmp.path());
    assert_eq!(store.job(id(1)).unwrap(), Some(job(1)));
    assert!(!cut.exists());
}
