//! What outlives this program: older and newer stores, exports, damaged ones.

use super::*;
use crate::domain::{OwnBounds, Queue};
use crate::store::{
    codec,
    engine::Engine,
    keys,
    keys::{Dim, Space, meta},
    overlay::Overlay,
    people, records, salvage,
};
use data_encoding::HEXLOWER;
use std::path::Path;

/// The jobs of the old store.
fn old_jobs() -> Vec<Job> {
    let old = |(n, state)| {
        let mut job = in_state(full_job(n), state);
        job.result.used = Used::default();
        job
    };
    (1..).zip(StateKind::ALL).map(old).collect()
}

/// Exactly what a store of format 1 holds: records, and indexes and counters of three fields.
fn format_1() -> Overlay {
    let mut old = Overlay::default();
    let mut counts = std::collections::BTreeMap::<Vec<u8>, u64>::new();
    for job in old_jobs() {
        let key = keys::job_key(job.id);
        old.set(Space::Jobs, key.to_vec(), Some(records::job_1(&job)));
        let terms = [
            (Dim::State, job.state.kind().as_str()),
            (Dim::Queue, job.queue.as_str()),
            (Dim::Owner, job.owner.as_str()),
        ];
        for (dim, value) in terms {
            old.set(Space::Index, keys::index_key(dim, value, &key), Some(Vec::new()));
            *counts.entry(keys::counter_key(dim, value)).or_default() += 1;
        }
        *counts.entry(keys::counter_key(Dim::All, "")).or_default() += 1;
    }
    for (key, count) in counts {
        old.set(Space::Counters, key, Some(count.to_be_bytes().to_vec()));
    }
    let user = user("ann");
    old.set(Space::Users, b"ann".to_vec(), Some(people::user_1(&user)));
    let session = session(1, &ann());
    old.set(Space::Sessions, vec![1; 32], Some(codec::encode(&session).unwrap()));
    old.set(Space::Meta, meta::FORMAT.to_vec(), Some(1u32.to_be_bytes().to_vec()));
    old.set(Space::Meta, meta::NEXT_JOB.to_vec(), Some(40u64.to_be_bytes().to_vec()));
    old
}

/// A store as text: tree, key and value of every pair.
fn dump(pairs: &Overlay) -> String {
    let mut text = String::new();
    for (space, changes) in pairs.spaces() {
        for (key, value) in changes {
            let value = HEXLOWER.encode(value.as_deref().unwrap_or_default());
            text += &format!("{} {} {value}\n", space.tree_name(), HEXLOWER.encode(key));
        }
    }
    text
}

/// Tree, key and value of every pair of a store as text.
fn words_of(text: &str) -> impl Iterator<Item = (Space, Vec<u8>, Vec<u8>)> {
    text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let space = Space::ALL.into_iter().find(|s| s.tree_name() == words[0]).unwrap();
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
        (space, bytes(words[1]), bytes(words[2]))
    })
}

fn load(dir: &Path, text: &str) {
    let mut pairs = Overlay::default();
    for (space, key, value) in words_of(text) {
        pairs.set(space, key, Some(value));
    }
    let (engine, _) = Engine::open(dir).unwrap();
    engine.apply(&pairs).unwrap();
    engine.sync().unwrap();
}

/// A store as an older program left it.
fn fixture_of(format: u32) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store");
    std::fs::read_to_string(path.join(format!("format-{format}.txt"))).unwrap()
}

fn fixture() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store/format-1.txt");
    if std::env::var_os("IMG_WRITE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, dump(&format_1())).unwrap();
    }
    fixture_of(1)
}

#[test]
fn a_store_of_format_1_is_upgraded_and_holds_everything_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    load(&db, &fixture());
    let (store, report) = Store::open(&db).unwrap();
    assert_eq!((report.upgraded_from, report.created), (Some(1), false));
    for job in old_jobs() {
        assert_eq!(store.job(job.id).unwrap(), Some(job));
    }
    assert_eq!(store.user(&ann()).unwrap(), Some(user("ann")));
    assert_eq!(store.sessions_of(&ann()).unwrap(), [session(1, &ann())]);
    let filter = crate::store::JobFilter { text: Some("CORE-3".into()), ..Default::default() };
    let page = store.jobs(&filter, crate::store::Cursor::Newest, 9).unwrap();
    assert_eq!(page.jobs.len(), 1);
    assert_eq!(store.next_job_id().unwrap().get(), 40);
    assert_eq!(findings(&store), [""; 0]);
    drop(store);
    let (_store, report) = Store::open(&db).unwrap();
    assert_eq!(report.upgraded_from, None);
}

#[test]
fn the_fixture_of_format_1_is_what_format_1_wrote() {
    assert_eq!(fixture(), dump(&format_1()));
}

/// What the store of format 3 holds beside what [`fill`] writes: marks of two jobs, a deletion
/// under way, a receipt, seven audit lines of which the first two were trimmed.
fn format_3(dir: &Path) -> (Store, crate::store::OpenReport) {
    let db = dir.join("db");
    load(&db, &fixture_of(3));
    Store::open(&db).unwrap()
}

#[test]
fn a_store_of_format_3_is_upgraded_and_old_records_read_with_what_was_usual_then() {
    let dir = tempfile::tempdir().unwrap();
    let (store, report) = format_3(dir.path());
    assert_eq!((report.upgraded_from, report.quarantined), (Some(3), 0));
    assert_eq!(findings(&store), [""; 0]);
    for job in old_jobs() {
        assert_eq!(store.job(job.id).unwrap(), Some(job));
    }
    let web = QueueName::new("web").unwrap();
    let standard = crate::domain::Queue::standard(web.clone(), "pages");
    assert_eq!(store.queue(&web).unwrap(), Some(standard));
    assert_eq!(store.user(&ann()).unwrap(), Some(user("ann")));
    assert_eq!((store.groups().unwrap().len(), store.sites().unwrap().len()), (4, 1));
    assert_eq!(store.tokens_of(&ann()).unwrap().len(), 3);
    let marked = store.shelf(id(3)).unwrap();
    assert_eq!((marked.pinned, marked.damage.len()), (Some((ann(), at(5))), 1));
    assert_eq!(marked.tags, []);
    assert_eq!(store.shelf(id(4)).unwrap().logs_gone.unwrap().run, 2);
    assert_eq!((store.intents().unwrap().len(), store.receipts().unwrap().len()), (1, 1));
    assert_eq!(store.audit(9).unwrap(), [7, 6, 5, 4, 3].map(audit));
    assert_eq!(store.audit_counts().unwrap().total, 5);
    let page = store.rows(&crate::store::RowQuery { limit: 9, ..Default::default() }).unwrap();
    assert_eq!((page.total, page.facets.pinned), (5, (4, 1)));
    assert_eq!((page.facets.files, page.bytes), ((1, 4), 28 << 40));
}

#[test]
fn a_trail_goes_on_with_lines_of_a_newer_version_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = format_3(dir.path());
    let newer = crate::store::AuditRecord { request: "r-1".into(), ..audit(8) };
    let line = newer.clone();
    put(&store, move |tx| tx.append_audit(&line));
    let check = store.verify_audit().unwrap();
    assert_eq!(check.broken, [""; 0]);
    assert_eq!((check.lines, check.first, check.last), (6, 3, 8));
    assert_eq!(store.audit(1).unwrap(), [newer]);
    assert_eq!(store.write_blocking(|tx| tx.trim_audit(at(6), 99)).unwrap(), 3);
    assert_eq!(store.verify_audit().unwrap().broken, [""; 0]);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_trimmed_trail_is_whole_after_it_was_carried_away_and_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = format_3(dir.path());
    let bytes = exported(&first);
    let (_other, second) = store();
    second.import(&mut bytes.as_slice()).unwrap();
    assert_eq!(exported(&second), bytes);
    assert_eq!(findings(&second), [""; 0]);
    put(&second, |tx| tx.append_audit(&audit(8)));
    let check = second.verify_audit().unwrap();
    assert_eq!((check.first, check.last, check.broken), (3, 8, vec![]));
    second.write_blocking(|tx| tx.trim_audit(at(99), 99)).unwrap();
    let (_third, third) = store();
    third.import(&mut exported(&second).as_slice()).unwrap();
    put(&third, |tx| tx.append_audit(&audit(9)));
    let check = third.verify_audit().unwrap();
    assert_eq!((check.first, check.last, check.broken), (9, 9, vec![]), "no number comes twice");
}

/// An export as format 3 wrote it: of the store's own facts only the next job number.
fn export_of_format_3() -> Vec<u8> {
    let next = HEXLOWER.encode(meta::NEXT_JOB);
    let mut bytes = b"img store export 1, format 3\n".to_vec();
    let mut records = 0u64;
    for (space, key, value) in words_of(&fixture_of(3)) {
        let fact = space == Space::Meta && HEXLOWER.encode(&key) == next;
        if !fact && !Space::RECORDS.contains(&space) {
            continue;
        }
        let value = if fact { codec::add_checksum(value) } else { value };
        bytes.push(space as u8);
        for part in [&key, &value] {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        }
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&value);
        records += 1;
    }
    bytes.push(0xFF);
    bytes.extend_from_slice(&records.to_be_bytes());
    let sum = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

#[test]
fn a_backup_of_format_3_is_taken_and_its_trimmed_trail_is_whole() {
    let (_dir, store) = store();
    store.import(&mut export_of_format_3().as_slice()).unwrap();
    assert_eq!(findings(&store), [""; 0]);
    assert_eq!(store.user(&ann()).unwrap(), Some(user("ann")));
    assert_eq!(store.counts().unwrap().total, 5);
    put(&store, |tx| tx.append_audit(&audit(8)));
    let check = store.verify_audit().unwrap();
    assert_eq!((check.first, check.last, check.broken), (3, 8, vec![]));
}

#[test]
fn a_store_that_was_restored_without_its_trail_s_beginning_begins_it_with_its_oldest_line() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let tail = HEXLOWER.encode(meta::AUDIT_TAIL);
    let text: Vec<String> =
        fixture_of(3).lines().filter(|l| !l.contains(&tail)).map(|l| format!("{l}\n")).collect();
    load(&db, &text.concat());
    let (store, _) = Store::open(&db).unwrap();
    assert_eq!(store.verify_audit().unwrap().broken, [""; 0]);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_newer_store_is_refused_with_both_numbers_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let newer = HEXLOWER.encode(&77u32.to_be_bytes());
    load(&db, &format!("meta {} {newer}\n", HEXLOWER.encode(meta::FORMAT)));
    for _ in 0..2 {
        match Store::open(&db) {
            Err(StoreError::Newer { found: 77, known, .. }) => {
                assert_eq!(known, crate::store::open::FORMAT);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_rebuild_that_was_cut_short_is_done_again_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    fill(&open(dir.path()));
    let (engine, _) = Engine::open(&db).unwrap();
    let mut cut = Overlay::default();
    let word = keys::Unfinished::Rebuild.word().to_vec();
    cut.set(Space::Meta, meta::UNFINISHED.to_vec(), Some(word));
    engine.apply(&cut).unwrap();
    engine.clear(Space::Facets).unwrap();
    engine.clear(Space::Counters).unwrap();
    drop(engine);
    let store = open(dir.path());
    assert_eq!(findings(&store), [""; 0]);
    assert_eq!(store.counts().unwrap().total, 5);
}

fn exported(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.export(&mut bytes).unwrap();
    bytes
}

#[test]
fn an_export_brings_everything_back() {
    let (_dir, first) = store();
    fill(&first);
    let mut long = job(6);
    long.request.packages = (0..3000).map(|n| format!("package-{n}")).collect();
    put_job(&first, &long);
    let bytes = exported(&first);
    let (_other, second) = store();
    let records = second.import(&mut bytes.as_slice()).unwrap();
    assert!(records > 15, "{records}");
    assert_eq!(exported(&second), bytes);
    assert_eq!(second.job(id(6)).unwrap(), Some(long));
    assert_eq!(second.counts().unwrap(), first.counts().unwrap());
    assert_eq!(second.queues().unwrap(), first.queues().unwrap());
    assert_eq!(second.next_job_id().unwrap().get(), 7);
    assert_eq!(findings(&second), [""; 0]);
    put(&second, |tx| tx.append_audit(&audit(4)));
    assert_eq!(findings(&second), [""; 0], "the audit trail goes on where it was");
}

#[test]
fn a_damaged_or_cut_export_is_refused_and_nothing_is_written() {
    let (_dir, first) = store();
    fill(&first);
    let good = exported(&first);
    let (_other, second) = store();
    let refuse = |bytes: &[u8]| {
        let mut input = bytes;
        let refused = second.import(&mut input).unwrap_err().to_string();
        assert!(refused.contains("nothing was written"), "{refused}");
        assert_eq!(second.counts().unwrap().total, 0);
        assert_eq!(second.users().unwrap(), []);
    };
    for at in (0..good.len()).step_by(41).chain(good.len() - 41..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        refuse(&bad);
        refuse(&good[..at]);
    }
    refuse(&[good.as_slice(), b"x"].concat());
    refuse(b"");
    second.import(&mut good.as_slice()).unwrap();
    assert_eq!(second.counts().unwrap().total, 5);
}

#[test]
fn only_an_empty_store_takes_an_export() {
    let (_dir, store) = store();
    fill(&store);
    let bytes = exported(&store);
    let refused = store.import(&mut bytes.as_slice()).unwrap_err().to_string();
    assert!(refused.contains("it is not empty"), "{refused}");
}

#[test]
fn an_export_of_a_newer_program_is_refused_by_name() {
    let (_dir, store) = store();
    let mut newer: &[u8] = b"img store export 9, format 9\n";
    let refused = store.import(&mut newer).unwrap_err().to_string();
    assert!(refused.contains("use a newer img"), "{refused}");
}

#[test]
fn an_import_that_was_cut_short_leaves_an_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let (engine, _) = Engine::open(&dir.path().join("db")).unwrap();
    let mut cut = Overlay::default();
    let word = keys::Unfinished::Import.word().to_vec();
    cut.set(Space::Meta, meta::UNFINISHED.to_vec(), Some(word));
    engine.apply(&cut).unwrap();
    drop(engine);
    let store = open(dir.path());
    assert_eq!(store.counts().unwrap().total, 0);
    assert_eq!(store.users().unwrap(), []);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_store_that_cannot_be_opened_is_moved_aside_and_nothing_of_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    for n in 1..3 {
        fill(&open(dir.path()));
        let aside = salvage(&db).unwrap();
        assert_eq!(aside, dir.path().join(format!("db.damaged-{n}")));
        assert!(aside.join("db").exists() && !db.exists());
        let (_store, report) = Store::open(&db).unwrap();
        assert!(report.created);
    }
}

#[test]
fn a_queue_of_format_5_has_no_most_of_its_own_and_all_else() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let mut queue = Queue::standard(QueueName::new("web").unwrap(), "old");
    queue.bounds = OwnBounds { memory: Some(1 << 30), io_weight: Some(7), ..Default::default() };
    let mut old = Overlay::default();
    old.set(Space::Queues, b"web".to_vec(), Some(people::queue_3(&queue)));
    old.set(Space::Meta, meta::FORMAT.to_vec(), Some(5u32.to_be_bytes().to_vec()));
    load(&db, &dump(&old));
    let (store, report) = Store::open(&db).unwrap();
    assert_eq!(report.upgraded_from, Some(5));
    assert_eq!(store.queue(&queue.name).unwrap(), Some(queue.clone()));
    queue.bounds = OwnBounds { cpu_max: Some(150), io_max: Some(1 << 20), ..queue.bounds };
    let changed = queue.clone();
    put(&store, move |tx| tx.put_queue(&changed));
    assert_eq!(store.queue(&queue.name).unwrap(), Some(queue));
}
