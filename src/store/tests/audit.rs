//! The audit trail: pages, counters, and a chain that shows what was done to it.

use super::{records::tamper, *};
use crate::store::{
    AuditCursor, AuditEntry, AuditFilter, AuditPage, codec,
    codec::Record as _,
    keys::{self, Dim, Space, meta},
    overlay::Overlay,
    trail::AuditLine,
};
use proptest::{prelude::*, sample::select};
use std::collections::BTreeMap;

const ACTORS: [&str; 3] = ["ann", "bo", "system"];
const ACTIONS: [&str; 3] = ["login", "job.submit", "job.delete"];
const OBJECTS: [&str; 4] = ["job 1", "job 11", "", "NUL \0 in it"];

/// A trail of ten lines.
fn ten() -> (tempfile::TempDir, Store) {
    let (dir, store) = store();
    put(&store, |tx| (1..=10).try_for_each(|n| tx.append_audit(&audit(n))));
    (dir, store)
}

fn key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Writes below the store.
fn lay(store: &Store, space: Space, key: Vec<u8>, value: Option<Vec<u8>>) {
    let mut changes = Overlay::default();
    changes.set(space, key, value);
    store.core().engine().unwrap().apply(&changes).unwrap();
}

fn line(store: &Store, number: u64) -> AuditLine {
    store.record::<AuditLine>(&key(number)).unwrap().unwrap()
}

/// What a check says, and that fsck says it too, before and after a repair.
fn broken(store: &Store) -> Vec<String> {
    let broken = store.verify_audit().unwrap().broken;
    let told = |found: Vec<String>| {
        broken.iter().all(|b| found.iter().any(|finding| finding.contains(b.as_str())))
    };
    assert!(told(findings(store)));
    store.fsck(true).unwrap();
    assert_eq!(store.verify_audit().unwrap().broken, broken, "a repair hides nothing");
    broken
}

#[test]
fn a_whole_trail_is_whole() {
    let (_dir, store) = ten();
    let check = store.verify_audit().unwrap();
    assert_eq!((check.lines, check.first, check.last, check.broken), (10, 1, 10, vec![]));
    let (_dir, empty) = super::store();
    assert_eq!(empty.verify_audit().unwrap(), crate::store::AuditCheck::default());
}

#[test]
fn a_changed_line_is_found_though_its_checksum_fits() {
    let (_dir, store) = ten();
    let mut forged = line(&store, 4);
    forged.record.actor = "nobody".into();
    lay(&store, Space::Audit, key(4), Some(codec::encode(&forged).unwrap()));
    assert_eq!(broken(&store), ["line 5 does not continue line 4: one of them was changed"]);
}

#[test]
fn the_newest_line_cannot_be_changed_either() {
    let (_dir, store) = ten();
    let mut forged = line(&store, 10);
    forged.record.detail = "nothing happened".into();
    lay(&store, Space::Audit, key(10), Some(codec::encode(&forged).unwrap()));
    assert_eq!(broken(&store), ["line 10, the newest, was changed"]);
    put(&store, |tx| tx.append_audit(&audit(11)));
    assert_eq!(broken(&store), ["line 11 does not continue line 10: one of them was changed"]);
}

#[test]
fn lines_that_were_taken_out_are_missed_wherever_they_were() {
    for (taken, said) in [
        (1..=1, "line 1 was taken out"),
        (5..=7, "lines 5 to 7 were taken out"),
        (9..=10, "lines 9 to 10 were taken out"),
        (1..=10, "lines 1 to 10 were taken out"),
    ] {
        let (_dir, store) = ten();
        taken.for_each(|n| lay(&store, Space::Audit, key(n), None));
        assert_eq!(broken(&store), [said]);
    }
}

#[test]
fn swapped_lines_are_found() {
    let (_dir, store) = ten();
    let (mut a, mut b) = (line(&store, 3), line(&store, 4));
    (a.number, b.number) = (4, 3);
    for line in [a, b] {
        lay(&store, Space::Audit, line.key(), Some(codec::encode(&line).unwrap()));
    }
    assert_eq!(broken(&store).len(), 3);
    let (_dir, store) = ten();
    let bytes = codec::encode(&line(&store, 3)).unwrap();
    lay(&store, Space::Audit, key(4), Some(bytes));
    let said = store.verify_audit().unwrap().broken;
    assert_eq!(said, ["line 4 cannot be read: a value in it is impossible: it belongs elsewhere"]);
}

#[test]
fn lines_that_were_put_in_are_found_at_both_ends() {
    let (_dir, store) = ten();
    store.write_blocking(|tx| tx.trim_audit(at(4), 99)).unwrap();
    let mut more = line(&store, 5);
    for number in [2, 12] {
        more.number = number;
        lay(&store, Space::Audit, key(number), Some(codec::encode(&more).unwrap()));
    }
    let said = store.verify_audit().unwrap();
    assert_eq!((said.first, said.last), (2, 10));
    assert_eq!(
        said.broken,
        [
            "line 2 was put in before line 4, where the trail begins",
            "line 12 was put in behind the newest one"
        ]
    );
}

#[test]
fn a_line_that_cannot_be_read_is_one_broken_place() {
    let (_dir, store) = ten();
    tamper(&store, Space::Audit, &key(6), |bytes| bytes[20] ^= 1);
    let said = store.verify_audit().unwrap().broken;
    assert_eq!(said, ["line 6 cannot be read: its checksum does not fit"]);
    assert_eq!(store.audit_line(6).unwrap(), None);
    put(&store, |_| Ok(()));
    assert_eq!(store.verify_audit().unwrap().broken, ["line 6 was taken out"]);
    assert!(!findings(&store).is_empty(), "its index entries and counts are left");
    store.fsck(true).unwrap();
    assert_eq!(findings(&store), ["the audit trail is broken: line 6 was taken out"]);
    assert_eq!(numbers(&ask(&store, &AuditFilter::default(), AuditCursor::Newest, 3)), [10, 9, 8]);
}

#[test]
fn trimming_keeps_the_chain_and_the_counts_and_no_number_comes_twice() {
    let (_dir, store) = ten();
    assert_eq!(store.write_blocking(|tx| tx.trim_audit(at(6), 3)).unwrap(), 3);
    let check = store.verify_audit().unwrap();
    assert_eq!((check.lines, check.first, check.last, check.broken), (7, 4, 10, vec![]));
    assert_eq!(store.write_blocking(|tx| tx.trim_audit(at(99), 99)).unwrap(), 7);
    assert_eq!(store.audit_counts().unwrap(), crate::store::AuditCounts::default());
    assert_eq!(findings(&store), [""; 0]);
    put(&store, |tx| tx.append_audit(&audit(50)));
    assert_eq!(store.audit_line(11).unwrap().unwrap().record, audit(50));
    assert_eq!(findings(&store), [""; 0]);
    assert_eq!(store.engine_entries(Dim::AuditObject), 1);
}

impl Store {
    fn engine_entries(&self, dim: Dim) -> usize {
        self.core().engine().unwrap().prefix(Space::Index, &[dim as u8]).unwrap().count()
    }
}

#[test]
fn a_wrong_index_or_counter_of_the_trail_is_found_and_built_again() {
    let (_dir, store) = ten();
    let entry = |object: &str, n: u64| keys::index_key(Dim::AuditObject, object, &key(n));
    lay(&store, Space::Index, entry("job 3", 3), None);
    lay(&store, Space::Index, entry("job 99", 3), Some(Vec::new()));
    let counter = |dim, word: &str| keys::counter_key(dim, word);
    lay(&store, Space::Counters, counter(Dim::AuditAll, ""), None);
    lay(&store, Space::Counters, counter(Dim::AuditActor, "bo"), Some(key(2)));
    assert_eq!(
        findings(&store),
        [
            "line 3 of the audit trail is missing in an index",
            "an index entry has no record",
            "the counter of all audit lines says 0, there are 10",
            "the counter of audit lines by bo says 2, there are 0",
        ]
    );
    store.fsck(true).unwrap();
    assert_eq!(findings(&store), [""; 0]);
    let filter = AuditFilter { object: Some("job 3".into()), ..AuditFilter::default() };
    assert_eq!(numbers(&ask(&store, &filter, AuditCursor::Newest, 9)), [3]);
}

#[test]
fn texts_that_could_not_stand_in_a_key_are_indexed_all_the_same() {
    let (_dir, store) = store();
    let long = |end: &str| format!("{}{end}", "é".repeat(300));
    let objects = [long("a"), long("b"), "x\0y".into(), "x".into(), String::new()];
    put(&store, {
        let objects = objects.clone();
        move |tx| {
            objects.iter().try_for_each(|object| {
                tx.append_audit(&AuditRecord { object: object.clone(), ..audit(1) })
            })
        }
    });
    for (number, object) in (1..).zip(objects) {
        let filter = AuditFilter { object: Some(object), ..AuditFilter::default() };
        assert_eq!(numbers(&ask(&store, &filter, AuditCursor::Newest, 9)), [number]);
    }
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_page_looks_at_so_many_lines_and_says_where_to_go_on() {
    let (_dir, store) = store();
    for _ in 0..21 {
        put(&store, |tx| (1..=1000).try_for_each(|n| tx.append_audit(&audit(n))));
    }
    let filter = AuditFilter { text: Some("nothing".into()), ..AuditFilter::default() };
    let page = ask(&store, &filter, AuditCursor::Newest, 9);
    assert_eq!((page.lines.len(), page.older), (0, Some(1001)));
    let page = ask(&store, &filter, AuditCursor::Before(1001), 9);
    assert_eq!((page.lines.len(), page.older), (0, None));
    assert_eq!(page.newer, None, "nothing newer has it either");
}

fn ask(store: &Store, filter: &AuditFilter, cursor: AuditCursor, limit: usize) -> AuditPage {
    store.audit_page(filter, cursor, limit).unwrap()
}

fn numbers(page: &AuditPage) -> Vec<u64> {
    page.lines.iter().map(|line| line.number).collect()
}

fn lines() -> impl Strategy<Value = Vec<AuditRecord>> {
    let line = (select(&ACTORS), select(&ACTIONS), select(&OBJECTS), 0i64..5);
    proptest::collection::vec(line, 0..60).prop_map(|lines| {
        let mut now = 0;
        let line = |(actor, action, object, step): (&str, &str, &str, i64)| {
            // Now and then the clock is set back a little.
            now += step - 1;
            AuditRecord {
                at: at(now),
                actor: actor.into(),
                action: action.into(),
                object: object.into(),
                detail: format!("Step {step}"),
                ..audit(1)
            }
        };
        lines.into_iter().map(line).collect()
    })
}

fn filters() -> impl Strategy<Value = AuditFilter> {
    fn pick(words: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
        let words: Vec<String> =
            words.iter().chain(&["nobody"]).map(|word| (*word).to_owned()).collect();
        proptest::option::weighted(0.4, select(words))
    }
    let text = proptest::option::weighted(
        0.3,
        select(vec!["STEP 3", "job.", " ", "system", "nothing", "::1"]),
    );
    let day = || proptest::option::weighted(0.3, -5i64..70);
    (pick(&ACTORS), pick(&ACTIONS), pick(&OBJECTS), text, day(), day()).prop_map(
        |(actor, action, object, text, from, until)| AuditFilter {
            actor,
            action,
            object,
            text: text.map(str::to_owned),
            from: from.map(at),
            until: until.map(at),
        },
    )
}

/// What the filter means, said once more and slowly.
fn wanted(line: &AuditRecord, filter: &AuditFilter) -> bool {
    let same = |asked: &Option<String>, has: &String| asked.as_ref().is_none_or(|a| a == has);
    let text = filter.text.as_deref().unwrap_or("").trim().to_lowercase();
    let words = [&line.actor, &line.peer, &line.action, &line.object, &line.detail, &line.request];
    same(&filter.actor, &line.actor)
        && same(&filter.action, &line.action)
        && same(&filter.object, &line.object)
        && filter.from.is_none_or(|from| line.at >= from)
        && filter.until.is_none_or(|until| line.at < until)
        && words.iter().any(|word| word.to_lowercase().contains(&text))
}

fn walk(store: &Store, filter: &AuditFilter, limit: usize) -> (Vec<AuditEntry>, Vec<u64>) {
    let mut page = ask(store, filter, AuditCursor::Newest, limit);
    assert_eq!(page.newer, None);
    let mut up = vec![];
    let mut down = page.lines.clone();
    while let Some(older) = page.older {
        page = ask(store, filter, AuditCursor::Before(older), limit);
        assert!(page.newer.is_some() && !page.lines.is_empty() && page.lines.len() <= limit);
        down.extend(page.lines.clone());
    }
    up.push(numbers(&page));
    while let Some(newer) = page.newer {
        page = ask(store, filter, AuditCursor::After(newer), limit);
        assert!(page.older.is_some() && !page.lines.is_empty() && page.lines.len() <= limit);
        up.push(numbers(&page));
    }
    up.reverse();
    (down, up.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn pages_hold_exactly_the_matching_lines_both_ways(
        lines in lines(), filters in proptest::collection::vec(filters(), 8), limit in 1usize..9,
        trimmed in 0usize..10,
    ) {
        let (_dir, store) = store();
        let all = lines.clone();
        put(&store, move |tx| all.iter().try_for_each(|line| tx.append_audit(line)));
        store.write_blocking(move |tx| tx.trim_audit(at(9999), trimmed)).unwrap();
        let kept: Vec<(u64, AuditRecord)> = (1..).zip(lines).skip(trimmed).collect();
        for filter in filters {
            let mut expected: Vec<AuditEntry> = kept
                .iter()
                .filter(|(_, line)| wanted(line, &filter))
                .map(|(number, line)| AuditEntry { number: *number, record: line.clone() })
                .collect();
            expected.reverse();
            let (down, up) = walk(&store, &filter, limit);
            prop_assert_eq!(&down, &expected, "{:?}", filter);
            let numbers: Vec<u64> = expected.iter().map(|line| line.number).collect();
            prop_assert_eq!(up, numbers, "{:?}", filter);
            let total = ask(&store, &filter, AuditCursor::Newest, 1).total;
            prop_assert!(total.is_none_or(|t| t == expected.len() as u64), "{:?}", filter);
        }
        let counts = store.audit_counts().unwrap();
        let count = |of: fn(&AuditRecord) -> &String| {
            let mut counts = BTreeMap::<String, u64>::new();
            kept.iter().for_each(|(_, line)| *counts.entry(of(line).clone()).or_default() += 1);
            counts
        };
        prop_assert_eq!(counts.actors, count(|line| &line.actor));
        prop_assert_eq!(counts.actions, count(|line| &line.action));
        prop_assert_eq!(counts.total, kept.len() as u64);
        prop_assert_eq!(findings(&store), Vec::<String>::new());
    }
}

#[test]
fn totals_are_known_where_a_counter_knows() {
    let (_dir, store) = ten();
    let none = AuditFilter::default();
    let total = |filter: AuditFilter| ask(&store, &filter, AuditCursor::Newest, 1).total;
    assert_eq!(total(none.clone()), Some(10));
    assert_eq!(total(AuditFilter { actor: Some("ann".into()), ..none.clone() }), Some(10));
    assert_eq!(total(AuditFilter { action: Some("login".into()), ..none.clone() }), Some(0));
    assert_eq!(total(AuditFilter { object: Some("job 1".into()), ..none.clone() }), None);
    assert_eq!(total(AuditFilter { from: Some(at(3)), ..none }), None);
}

#[test]
fn the_head_of_a_trail_is_one_of_the_store_s_facts() {
    let (_dir, store) = ten();
    let head = store.core().engine().unwrap().get(Space::Meta, meta::AUDIT_HEAD).unwrap().unwrap();
    assert_eq!(keys::chained(&head).unwrap().0, 11);
}
