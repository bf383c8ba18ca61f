//! Records, transactions and counters.

use super::*;
use crate::{
    domain::{Group, Queue, Site},
    store::{Counts, Cursor, JobFilter, keys, keys::Space, overlay::Overlay},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Changes bytes behind the store's back.
pub(super) fn tamper(store: &Store, space: Space, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let engine = store.core().engine().unwrap();
    let mut value = engine.get(space, key).unwrap().unwrap();
    change(&mut value);
    let mut changes = Overlay::default();
    changes.set(space, key.to_vec(), Some(value));
    engine.apply(&changes).unwrap();
}

fn newest(store: &Store) -> Vec<u64> {
    let page = store.jobs(&JobFilter::default(), Cursor::Newest, 100).unwrap();
    page.jobs.iter().map(|j| j.id.get()).collect()
}

#[test]
fn what_was_written_is_read_back_after_the_store_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let store = open(dir.path());
    for (n, state) in (1..).zip(StateKind::ALL) {
        assert_eq!(store.job(id(n)).unwrap(), Some(in_state(full_job(n), state)));
    }
    assert_eq!(store.queues().unwrap(), [Queue::standard(QueueName::new("web").unwrap(), "pages")]);
    assert_eq!(store.user(&ann()).unwrap(), Some(user("ann")));
    assert_eq!(store.users().unwrap(), [user("ann")]);
    let mut groups = Group::standard();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(store.groups().unwrap(), groups);
    let site = Site { domain: "img.local".into(), display_name: "IMG".into() };
    assert_eq!(store.sites().unwrap(), [site]);
    assert_eq!(store.session(&[2; 32]).unwrap(), Some(session(2, &ann())));
    let newest_first = [3, 2, 1];
    assert_eq!(store.sessions_of(&ann()).unwrap(), newest_first.map(|n| session(n, &ann())));
    assert_eq!(store.tokens_of(&ann()).unwrap(), newest_first.map(|n| token(n, &ann())));
    assert_eq!(store.audit(2).unwrap(), [audit(3), audit(2)]);
    assert_eq!(store.setting("first-code").unwrap().as_deref(), Some("1234"));
    assert_eq!(store.setting("nothing").unwrap(), None);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_change_that_fails_writes_nothing() {
    let (_dir, store) = store();
    let refused = store.write_blocking::<(), _>(|tx| {
        tx.put_job(&job(1))?;
        tx.append_audit(&audit(1))?;
        Err(StoreError::Refused("the queue is full".into()))
    });
    assert!(matches!(refused, Err(StoreError::Refused(why)) if why == "the queue is full"));
    assert_eq!(store.job(id(1)).unwrap(), None);
    assert_eq!(store.counts().unwrap(), Counts::default());
    assert_eq!(store.audit(9).unwrap(), []);
}

#[test]
fn a_change_that_panics_writes_nothing_and_the_next_one_works() {
    let (_dir, store) = store();
    let failed = store.write_blocking::<(), _>(|tx| {
        tx.put_job(&job(1))?;
        panic!("a bug in a change")
    });
    assert!(failed.unwrap_err().to_string().contains("a bug in a change"));
    put_job(&store, &job(2));
    assert_eq!(newest(&store), [2]);
}

#[test]
fn a_transaction_sees_its_own_writes_and_others_do_not_before_it_ends() {
    let (_dir, store) = store();
    let other = store.clone();
    put(&store, move |tx| {
        let web = QueueName::new("web").unwrap();
        tx.put_job(&job(1))?;
        assert_eq!(tx.job(id(1))?, Some(job(1)));
        assert_eq!(tx.count(&web, StateKind::Queued)?, 1);
        tx.put_job(&in_state(job(1), StateKind::Done))?;
        assert_eq!(tx.count(&web, StateKind::Queued)?, 0);
        assert_eq!(tx.count(&web, StateKind::Done)?, 1);
        tx.put_session(&session(1, &ann()))?;
        tx.put_session(&session(2, &ann()))?;
        assert_eq!(tx.remove_sessions_of(&ann(), Some(&[2; 32]))?, 1);
        assert_eq!(tx.session(&[1; 32])?, None);
        tx.put_token(&token(1, &ann()))?;
        assert!(tx.remove_token(&ann(), "img_1")?);
        assert!(!tx.remove_token(&ann(), "img_1")?);
        tx.put_setting("a", Some("1"))?;
        tx.put_setting("b", Some("2"))?;
        tx.put_setting("a", None)?;
        assert_eq!((tx.setting("a")?, tx.setting("b")?.as_deref()), (None, Some("2")));
        assert_eq!(other.job(id(1))?, None);
        Ok(())
    });
    assert_eq!(store.sessions_of(&ann()).unwrap(), [session(2, &ann())]);
    assert_eq!(store.tokens().unwrap(), []);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn sessions_and_tokens_of_one_user_are_not_another_s() {
    let (_dir, store) = store();
    let (an, bo) = (UserName::new("an").unwrap(), UserName::new("bo").unwrap());
    put(&store, {
        let (an, bo) = (an.clone(), bo.clone());
        move |tx| {
            for (n, who) in (1..).zip([&an, &ann(), &bo, &ann()]) {
                tx.put_session(&session(n, who))?;
                tx.put_token(&token(n, who))?;
            }
            Ok(())
        }
    });
    assert_eq!(store.sessions_of(&ann()).unwrap().len(), 2);
    assert_eq!(store.tokens_of(&an).unwrap(), [token(1, &an)]);
    let gone = store.write_blocking(move |tx| tx.remove_sessions_of(&ann(), None)).unwrap();
    assert_eq!(gone, 2);
    assert_eq!(store.sessions().unwrap(), [session(1, &an), session(3, &bo)]);
    let taken = store.write_blocking(move |tx| tx.remove_token(&bo, "img_1")).unwrap();
    assert!(!taken, "another user's token");
}

#[test]
fn a_list_that_was_read_before_a_write_is_not_kept_after_it() {
    let (_dir, store) = store();
    assert_eq!(store.groups().unwrap(), []);
    put(&store, |tx| tx.put_group(&Group::standard()[0]));
    assert_eq!(store.groups().unwrap().len(), 1);
    put(&store, |tx| {
        tx.put_site(&Site { domain: "a".into(), display_name: "A".into() })?;
        tx.put_site(&Site { domain: "b".into(), display_name: "B".into() })
    });
    assert_eq!(store.sites().unwrap().len(), 2);
    assert!(store.write_blocking(|tx| tx.remove_site("a")).unwrap());
    assert_eq!(store.sites().unwrap().len(), 1);
}

#[test]
fn a_record_that_is_longer_than_sled_keeps_well_is_cut_and_comes_back_whole() {
    let (dir, store) = store();
    let mut long = job(1);
    long.request.packages = (0..9000).map(|n| format!("package-{n}")).collect();
    put_job(&store, &long);
    assert_eq!(store.job(id(1)).unwrap().as_ref(), Some(&long));
    let engine = store.core().engine().unwrap();
    assert!(engine.prefix(Space::Parts, &[]).unwrap().count() > 5);
    let blobs = std::fs::read_dir(dir.path().join("db/blobs")).unwrap().count();
    assert_eq!(blobs, 0, "sled never syncs its blobs");
    put_job(&store, &job(1));
    assert_eq!(engine.prefix(Space::Parts, &[]).unwrap().count(), 0);
    assert_eq!(findings(&store), [""; 0]);
    long.request.packages = vec!["x".repeat(4 << 20)];
    let refused = store.write_blocking(move |tx| tx.put_job(&long)).unwrap_err().to_string();
    assert!(refused.contains("shorten"), "{refused}");
}

#[test]
fn a_damaged_record_reads_as_nothing_and_is_put_aside_with_all_that_counts_it() {
    let (_dir, store) = store();
    fill(&store);
    let web = QueueName::new("web").unwrap();
    tamper(&store, Space::Jobs, &keys::job_key(id(3)), |bytes| bytes[9] ^= 1);
    assert_eq!(store.job(id(3)).unwrap(), None);
    assert_eq!(store.quarantined(), 1);
    assert_eq!(store.job(id(3)).unwrap(), None);
    put(&store, |_| Ok(()));
    assert_eq!(store.quarantined(), 1);
    assert_eq!(newest(&store), [5, 4, 2, 1]);
    assert_eq!(store.counts().unwrap().by_queue[&web], 4);
    assert_eq!(findings(&store), [""; 0]);
    let engine = store.core().engine().unwrap();
    let kept = engine.prefix(Space::Quarantine, &[]).unwrap().count();
    assert_eq!(kept, 1, "its bytes are not lost");
}

#[test]
fn a_record_of_a_version_from_the_future_is_put_aside_and_the_others_are_read() {
    let (_dir, store) = store();
    put(&store, |tx| {
        tx.put_user(&user("ann"))?;
        tx.put_user(&user("bo"))
    });
    tamper(&store, Space::Users, b"bo", |bytes| {
        bytes[0] = 9;
        let body = bytes.len() - 4;
        let sum = crc32fast::hash(&bytes[..body]).to_be_bytes();
        bytes[body..].copy_from_slice(&sum);
    });
    assert_eq!(store.users().unwrap(), [user("ann")]);
    assert_eq!(store.quarantined(), 1);
}

#[test]
fn a_damaged_user_in_a_transaction_reads_as_nothing_and_can_be_written_anew() {
    let (dir, store) = store();
    put(&store, |tx| tx.put_user(&user("ann")));
    tamper(&store, Space::Users, b"ann", |bytes| bytes.truncate(3));
    put(&store, |tx| {
        assert_eq!(tx.user(&ann())?, None);
        tx.put_user(&user("ann"))
    });
    assert_eq!(store.user(&ann()).unwrap(), Some(user("ann")));
    assert_eq!(store.quarantined(), 1);
    drop(store);
    let (_store, report) = Store::open(&dir.path().join("db")).unwrap();
    assert_eq!(report.quarantined, 1);
}

#[test]
fn a_changed_audit_line_is_found_and_repair_does_not_hide_it() {
    let (_dir, store) = store();
    fill(&store);
    let line = crate::store::trail::AuditLine { number: 2, before: [7; 32], record: audit(66) };
    let forged = crate::store::codec::encode(&line).unwrap();
    tamper(&store, Space::Audit, &2u64.to_be_bytes(), |bytes| *bytes = forged);
    let found = findings(&store);
    assert!(found.iter().any(|f| f.contains("audit trail is broken")), "{found:?}");
    assert!(store.fsck(true).unwrap().rebuilt);
    assert!(!findings(&store).is_empty());
}

#[test]
fn a_check_finds_what_is_wrong_with_indexes_and_counters_and_repair_builds_them_again() {
    let (_dir, store) = store();
    fill(&store);
    let engine = store.core().engine().unwrap();
    let mut wrong = Overlay::default();
    let key = |dim, value, n| keys::index_key(dim, value, &keys::job_key(id(n)));
    wrong.set(Space::Index, key(keys::Dim::Owner, "ann", 2), None);
    wrong.set(Space::Index, key(keys::Dim::Owner, "bo", 99), Some(Vec::new()));
    wrong.set(Space::Facets, keys::job_key(id(4)).to_vec(), None);
    let counter = keys::counter_key(keys::Dim::State, "queued");
    wrong.set(Space::Counters, counter, Some(7u64.to_be_bytes().to_vec()));
    wrong.set(Space::Parts, keys::part_key(Space::Jobs, b"x", 0), Some(vec![1]));
    engine.apply(&wrong).unwrap();
    drop(engine);
    let found = findings(&store).join("\n");
    for sentence in [
        "job 2 is missing in an index",
        "an index entry has no record",
        "job 4 has no right row",
        "the counter of queued says 7, there are 1",
        "a piece of a long record belongs to none",
    ] {
        assert!(found.contains(sentence), "{sentence} not in {found}");
    }
    let report = store.fsck(true).unwrap();
    assert!(report.rebuilt && report.records > 10);
    assert_eq!(findings(&store), [""; 0]);
    assert_eq!(newest(&store), [5, 4, 3, 2, 1]);
}

#[test]
fn open_jobs_are_those_that_wait_or_build_oldest_first() {
    let (_dir, store) = store();
    fill(&store);
    put_job(&store, &job(6));
    let open: Vec<u64> = store.open_jobs().unwrap().iter().map(|j| j.id.get()).collect();
    assert_eq!(open, [1, 2, 6]);
}

#[test]
fn a_job_number_is_never_given_twice_and_an_orderly_end_leaves_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let given: Vec<u64> = (0..300).map(|_| store.next_job_id().unwrap().get()).collect();
    assert_eq!(given, (1..=300).collect::<Vec<_>>());
    store.close().unwrap();
    assert_eq!(store.next_job_id().unwrap().get(), 301);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.next_job_id().unwrap().get(), 302);
    put_job(&store, &job(304));
    put_job(&store, &job(900));
    let more: Vec<u64> = (0..200).map(|_| store.next_job_id().unwrap().get()).collect();
    assert!(more.windows(2).all(|w| w[0] < w[1]) && !more.contains(&304) && !more.contains(&900));
    assert_eq!(findings(&store), [""; 0]);
}

fn operations() -> impl Strategy<Value = Vec<(u64, u8, usize)>> {
    proptest::collection::vec((1u64..12, 0u8..3, 0usize..5), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counters_equal_a_recount_after_any_changes(operations in operations()) {
        let (_dir, store) = store();
        let mut model = BTreeMap::new();
        for group in operations.chunks(7) {
            let jobs: Vec<Job> = group.iter().map(|(number, queue, state)| {
                let mut job = in_state(job(*number), StateKind::ALL[*state]);
                job.queue = QueueName::new(["web", "api", "requests"][usize::from(*queue)]).unwrap();
                job
            }).collect();
            model.extend(jobs.iter().map(|j| (j.id, j.clone())));
            put(&store, move |tx| jobs.iter().try_for_each(|j| tx.put_job(j)));
        }
        let mut recount = Counts { total: model.len() as u64, ..Counts::default() };
        for job in model.values() {
            *recount.by_state.entry(job.state.kind()).or_default() += 1;
            *recount.by_queue.entry(job.queue.clone()).or_default() += 1;
        }
        prop_assert_eq!(store.counts().unwrap(), recount);
        prop_assert_eq!(findings(&store), Vec::<String>::new());
    }
}
