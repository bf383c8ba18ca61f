//! A page of rows is a slice of the filtered and sorted list, whatever was written before.

use super::*;
use crate::{
    domain::Tag,
    store::{
        Gone, RowCursor, RowFacets, RowFilter, RowOrder, RowPage, RowQuery, ShelfRecord,
        keys::Space,
    },
};
use proptest::{prelude::*, sample::select};
use std::{cmp::Ordering as Order, collections::BTreeMap};

const DAY: i64 = 86_400_000;
const QUEUES: [&str; 3] = ["web", "api", "requests"];
const OWNERS: [&str; 3] = ["ann", "bo", "anna"];
const TYPES: [&str; 2] = ["raw", "raw2"];
const ARCHS: [&str; 2] = ["armv7hl", "i586"];
const NAMES: [&str; 5] = ["Core-1", "core-1", "Base", "web.17", "a"];
const TAGS: [&str; 3] = ["nightly", "release-1.2", "core"];
const ORDERS: [RowOrder; 8] = [
    RowOrder::Id,
    RowOrder::Name,
    RowOrder::Owner,
    RowOrder::Queue,
    RowOrder::ImageType,
    RowOrder::Arch,
    RowOrder::State,
    RowOrder::Bytes,
];

#[derive(Clone, Debug)]
enum Change {
    Job(Box<Job>),
    Shelf(Box<ShelfRecord>),
    Remove(u64),
}

fn jobs() -> impl Strategy<Value = Change> {
    let words = (select(&QUEUES), select(&OWNERS), select(&TYPES), select(&ARCHS), select(&NAMES));
    let rest = (1u64..30, 0usize..5, -2i64..3, proptest::option::of(0u64..4));
    (words, rest).prop_map(|((queue, owner, image_type, arch, name), (n, state, day, size))| {
        let mut job = Job {
            queue: QueueName::new(queue).unwrap(),
            owner: UserName::new(owner).unwrap(),
            image_type: ImageTypeId::new(image_type).unwrap(),
            arch: Arch::new(arch).unwrap(),
            name: JobName::new(name).unwrap(),
            submitted: at(day * DAY + 7),
            ..in_state(job(n), StateKind::ALL[state])
        };
        let mut artifacts = full_job(1).result.artifacts;
        artifacts.truncate(if size.is_some() { 2 } else { 0 });
        artifacts.iter_mut().for_each(|a| a.size = size.unwrap_or(0));
        job.result.artifacts = artifacts;
        Change::Job(Box::new(job))
    })
}

fn shelves() -> impl Strategy<Value = Change> {
    let tags = proptest::sample::subsequence(TAGS.to_vec(), 0..=3);
    (1u64..30, any::<bool>(), any::<bool>(), tags).prop_map(|(n, pinned, gone, tags)| {
        let gone = gone.then(|| Gone { at: at(1), why: "old".into(), run: 1 });
        Change::Shelf(Box::new(ShelfRecord {
            pinned: pinned.then(|| (ann(), at(3))),
            artifacts_gone: gone,
            tags: tags.iter().map(|tag| Tag::new(tag).unwrap()).collect(),
            ..ShelfRecord::new(id(n))
        }))
    })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        5 => jobs(),
        3 => shelves(),
        1 => (1u64..30).prop_map(Change::Remove),
    ];
    proptest::collection::vec(change, 0..60)
}

fn filters() -> impl Strategy<Value = RowFilter> {
    fn pick(words: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
        // A word that no job has is asked for too.
        let words: Vec<String> =
            words.iter().chain(&["nobody"]).map(|word| (*word).to_owned()).collect();
        proptest::option::weighted(0.25, select(words))
    }
    let texts = vec!["core", "CORE-1", "7", "17", "release-1.2", "Nightly", " ", "nothing", "a"];
    let text = proptest::option::weighted(0.25, select(texts));
    let day = || proptest::option::weighted(0.25, -2i64..3);
    let marks = (proptest::option::weighted(0.2, any::<bool>()), day(), day());
    (
        (proptest::option::weighted(0.25, 0usize..5), pick(&QUEUES), pick(&OWNERS)),
        (pick(&TYPES), pick(&ARCHS), pick(&TAGS)),
        (proptest::option::weighted(0.2, any::<bool>()), text),
        marks,
    )
        .prop_map(|((state, queue, owner), (image_type, arch, tag), (pinned, text), marks)| {
            RowFilter {
                state: state.map(|at| StateKind::ALL[at]),
                queue,
                owner,
                image_type,
                arch,
                tag,
                pinned,
                files: marks.0,
                text: text.map(str::to_owned),
                from: marks.1.map(|day| at(day * DAY)),
                until: marks.2.map(|day| at(day * DAY)),
            }
        })
}

fn queries() -> impl Strategy<Value = RowQuery> {
    (filters(), select(&ORDERS), any::<bool>(), 1usize..9).prop_map(
        |(filter, order, descending, limit)| RowQuery {
            filter,
            order,
            descending,
            limit,
            ..RowQuery::default()
        },
    )
}

/// A job as the rows should show it.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    id: u64,
    state: StateKind,
    queue: String,
    owner: String,
    image_type: String,
    arch: String,
    name: String,
    tags: Vec<String>,
    submitted: Timestamp,
    bytes: u64,
    pinned: bool,
    gone: bool,
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<u64, Job>,
    shelves: BTreeMap<u64, ShelfRecord>,
}

impl Model {
    fn change(&mut self, change: &Change) {
        match change {
            Change::Job(job) => drop(self.jobs.insert(job.id.get(), (**job).clone())),
            Change::Shelf(shelf) => {
                drop(self.shelves.insert(shelf.job.get(), (**shelf).clone()));
            }
            Change::Remove(n) => {
                self.jobs.remove(n);
                self.shelves.remove(n);
            }
        }
    }

    fn rows(&self) -> Vec<Plain> {
        let row = |(n, job): (&u64, &Job)| {
            let shelf = self.shelves.get(n).cloned().unwrap_or_else(|| ShelfRecord::new(id(*n)));
            let gone = shelf.artifacts_gone.is_some();
            let bytes: u64 = job.result.artifacts.iter().map(|a| a.size).sum();
            Plain {
                id: *n,
                state: job.state.kind(),
                queue: job.queue.to_string(),
                owner: job.owner.to_string(),
                image_type: job.image_type.to_string(),
                arch: job.arch.to_string(),
                name: job.name.to_string(),
                tags: shelf.tags.iter().map(ToString::to_string).collect(),
                submitted: job.submitted,
                bytes: if gone { 0 } else { bytes },
                pinned: shelf.pinned.is_some(),
                gone,
            }
        };
        self.jobs.iter().map(row).collect()
    }
}

/// What the filter means, said once more and slowly.
fn wanted(row: &Plain, filter: &RowFilter) -> bool {
    let same = |asked: &Option<String>, has: &str| asked.as_deref().is_none_or(|a| a == has);
    let text = filter.text.as_deref().unwrap_or("").trim().to_lowercase();
    filter.state.is_none_or(|state| state == row.state)
        && same(&filter.queue, &row.queue)
        && same(&filter.owner, &row.owner)
        && same(&filter.image_type, &row.image_type)
        && same(&filter.arch, &row.arch)
        && filter.tag.as_ref().is_none_or(|tag| row.tags.contains(tag))
        && filter.pinned.is_none_or(|pinned| pinned == row.pinned)
        && filter.files.is_none_or(|files| files == (row.bytes > 0))
        && filter.from.is_none_or(|from| row.submitted >= from)
        && filter.until.is_none_or(|until| row.submitted < until)
        && (row.name.to_lowercase().contains(&text)
            || row.tags.contains(&text)
            || row.id.to_string() == text)
}

fn tally<K: Ord>(keys: impl Iterator<Item = K>, asked: Option<K>) -> BTreeMap<K, u64> {
    let mut counts: BTreeMap<K, u64> = asked.into_iter().map(|key| (key, 0)).collect();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

fn facets(rows: &[Plain], filter: &RowFilter) -> RowFacets {
    let without = |change: &dyn Fn(&mut RowFilter)| -> Vec<&Plain> {
        let mut others = filter.clone();
        change(&mut others);
        rows.iter().filter(|row| wanted(row, &others)).collect()
    };
    let word = |rows: Vec<&Plain>, of: fn(&Plain) -> &String, asked: &Option<String>| {
        tally(rows.into_iter().map(|row| of(row).clone()), asked.clone())
    };
    let yes = |rows: Vec<&Plain>, is: fn(&Plain) -> bool| {
        let yes = rows.iter().filter(|row| is(row)).count() as u64;
        (rows.len() as u64 - yes, yes)
    };
    let dates = |f: &mut RowFilter| (f.from, f.until) = (None, None);
    RowFacets {
        state: tally(without(&|f| f.state = None).iter().map(|r| r.state), filter.state),
        queue: word(without(&|f| f.queue = None), |r| &r.queue, &filter.queue),
        owner: word(without(&|f| f.owner = None), |r| &r.owner, &filter.owner),
        image_type: word(without(&|f| f.image_type = None), |r| &r.image_type, &filter.image_type),
        arch: word(without(&|f| f.arch = None), |r| &r.arch, &filter.arch),
        tag: tally(
            without(&|f| f.tag = None).iter().flat_map(|r| r.tags.clone()),
            filter.tag.clone(),
        ),
        pinned: yes(without(&|f| f.pinned = None), |r| r.pinned),
        files: yes(without(&|f| f.files = None), |r| r.bytes > 0),
        days: tally(
            without(&dates).iter().map(|r| r.submitted.as_millis().div_euclid(DAY) as i32),
            None,
        ),
    }
}

/// How a job stands to a place in the list.
fn against(row: &Plain, cursor: &RowCursor, order: RowOrder) -> Order {
    let place = |state: StateKind| StateKind::ALL.iter().position(|s| *s == state);
    let value = match order {
        RowOrder::Id => Order::Equal,
        RowOrder::Name => row.name.cmp(&cursor.value),
        RowOrder::Owner => row.owner.cmp(&cursor.value),
        RowOrder::Queue => row.queue.cmp(&cursor.value),
        RowOrder::ImageType => row.image_type.cmp(&cursor.value),
        RowOrder::Arch => row.arch.cmp(&cursor.value),
        RowOrder::State => {
            place(row.state).cmp(&place(StateKind::from_word(&cursor.value).unwrap()))
        }
        RowOrder::Bytes => row.bytes.cmp(&cursor.value.parse().unwrap()),
    };
    value.then(row.id.cmp(&cursor.id.get()))
}

fn cursor_of(row: &Plain, order: RowOrder) -> RowCursor {
    let value = match order {
        RowOrder::Id => String::new(),
        RowOrder::Name => row.name.clone(),
        RowOrder::Owner => row.owner.clone(),
        RowOrder::Queue => row.queue.clone(),
        RowOrder::ImageType => row.image_type.clone(),
        RowOrder::Arch => row.arch.clone(),
        RowOrder::State => row.state.as_str().to_owned(),
        RowOrder::Bytes => row.bytes.to_string(),
    };
    RowCursor { id: id(row.id), value }
}

/// The whole list, filtered and sorted.
fn list(rows: &[Plain], query: &RowQuery) -> Vec<Plain> {
    let mut list: Vec<Plain> =
        rows.iter().filter(|row| wanted(row, &query.filter)).cloned().collect();
    list.sort_by(|a, b| against(a, &cursor_of(b, query.order), query.order));
    if query.descending {
        list.reverse();
    }
    list
}

fn numbers(page: &RowPage) -> Vec<u64> {
    page.ids.iter().map(|id| id.get()).collect()
}

/// All pages from the first on; then all pages back from the last one, put in the same order.
fn walk(store: &Store, query: &RowQuery, look: impl Fn(&RowPage)) -> (Vec<u64>, Vec<u64>) {
    let ask = |cursor: Option<RowCursor>, backwards| {
        let page = store.rows(&RowQuery { cursor, backwards, ..query.clone() }).unwrap();
        look(&page);
        page
    };
    let mut page = ask(None, false);
    assert_eq!(page.before, None);
    let mut forth = numbers(&page);
    while let Some(after) = page.after {
        page = ask(Some(after), false);
        assert!(page.before.is_some() && !page.ids.is_empty() && page.ids.len() <= query.limit);
        forth.extend(numbers(&page));
    }
    let mut back = vec![numbers(&page)];
    while let Some(before) = page.before {
        page = ask(Some(before), true);
        assert!(page.after.is_some() && !page.ids.is_empty() && page.ids.len() <= query.limit);
        back.push(numbers(&page));
    }
    back.reverse();
    (forth, back.concat())
}

fn write(store: &Store, changes: Vec<Change>) {
    put(store, move |tx| {
        changes.iter().try_for_each(|change| match change {
            Change::Job(job) => tx.put_job(job),
            Change::Shelf(shelf) => tx.put_shelf(shelf),
            Change::Remove(n) => tx.remove_job(id(*n)).map(drop),
        })
    });
}

/// A store with these changes, and what it should hold. The table is in memory from early on.
fn made(changes: &[Change]) -> (tempfile::TempDir, Store, Vec<Plain>) {
    let (dir, store) = store();
    let mut model = Model::default();
    for group in changes.chunks(5) {
        group.iter().for_each(|change| model.change(change));
        write(&store, group.to_vec());
        store.warm_rows().unwrap();
    }
    (dir, store, model.rows())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_page_of_rows_is_a_slice_of_the_filtered_and_sorted_list(
        changes in changes(), queries in proptest::collection::vec(queries(), 8),
    ) {
        let (_dir, store, rows) = made(&changes);
        for fresh in [false, true] {
            if fresh {
                store.core().rows.forget();
            }
            for query in &queries {
                let expected = list(&rows, query);
                let ids: Vec<u64> = expected.iter().map(|row| row.id).collect();
                let facets = facets(&rows, &query.filter);
                let bytes: u64 = expected.iter().map(|row| row.bytes).sum();
                let (forth, back) = walk(&store, query, |page| {
                    assert_eq!(page.total, expected.len() as u64, "{query:?}");
                    assert_eq!(page.bytes, bytes, "{query:?}");
                    assert_eq!(page.facets, facets, "{query:?}");
                });
                prop_assert_eq!(&forth, &ids, "{:?}", query);
                prop_assert_eq!(&back, &ids, "{:?}", query);
            }
        }
        prop_assert_eq!(findings(&store), Vec::<String>::new());
    }

    #[test]
    fn a_page_begins_where_a_job_was_that_is_gone_by_now(
        changes in changes(), queries in proptest::collection::vec(queries(), 8),
        gone in proptest::collection::vec(jobs(), 4), backwards in any::<bool>(),
    ) {
        let (_dir, store, rows) = made(&changes);
        for (query, place) in queries.iter().flat_map(|q| gone.iter().map(move |g| (q, g))) {
            let mut once = Model::default();
            once.change(place);
            let cursor = cursor_of(&once.rows()[0], query.order);
            let after = if query.descending { Order::Less } else { Order::Greater };
            let side = if backwards { after.reverse() } else { after };
            let mut expected = list(&rows, query);
            expected.retain(|row| against(row, &cursor, query.order) == side);
            let extra = expected.len().saturating_sub(query.limit);
            expected.drain(..if backwards { extra } else { 0 });
            expected.truncate(query.limit);
            let expected: Vec<u64> = expected.iter().map(|row| row.id).collect();
            let query = RowQuery { cursor: Some(cursor), backwards, ..query.clone() };
            let page = store.rows(&query).unwrap();
            prop_assert_eq!(numbers(&page), expected, "{:?}", query);
            let more = if backwards { page.before } else { page.after };
            prop_assert_eq!(more.is_some(), extra > 0, "{:?}", query);
        }
    }

    #[test]
    fn every_row_is_shown_as_it_is_newest_first(changes in changes(), filter in filters()) {
        let (_dir, store, rows) = made(&changes);
        let mut seen = Vec::new();
        store.each_row(&filter, &mut |row| seen.push(plain(&row))).unwrap();
        let mut expected: Vec<Plain> =
            rows.iter().filter(|row| wanted(row, &filter)).cloned().collect();
        expected.iter_mut().for_each(|row| row.tags.clear());
        expected.reverse();
        prop_assert_eq!(&seen, &expected);
        let ids: Vec<JobId> = (1..40).step_by(3).map(id).collect();
        let mut some = Vec::new();
        store.rows_of(&ids, &mut |row| some.push(row.id.get())).unwrap();
        let there: Vec<u64> = ids.iter().map(|id| id.get()).filter(|n| rows.iter().any(|r| r.id == *n)).collect();
        prop_assert_eq!(some, there);
    }
}

fn plain(row: &crate::store::Row<'_>) -> Plain {
    Plain {
        id: row.id.get(),
        state: row.state,
        queue: row.queue.into(),
        owner: row.owner.into(),
        image_type: row.image_type.into(),
        arch: row.arch.into(),
        name: row.name.into(),
        tags: Vec::new(),
        submitted: row.submitted,
        bytes: row.bytes,
        pinned: row.pinned,
        gone: row.gone,
    }
}

fn all(store: &Store) -> RowPage {
    store.rows(&RowQuery { descending: true, limit: 9999, ..RowQuery::default() }).unwrap()
}

#[test]
fn a_table_that_is_read_while_others_write_has_what_they_wrote() {
    let (_dir, store) = store();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=120u64 {
                put_job(&store, &job(n));
                put_job(&store, &in_state(job(n), StateKind::Done));
                if n % 3 == 0 {
                    put(&store, move |tx| tx.remove_job(id(n - 1)).map(drop));
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                store.core().rows.forget();
                store.warm_rows().unwrap();
            }
        });
    });
    let followed = all(&store);
    assert_eq!((followed.total, followed.facets.state[&StateKind::Done]), (80, 80));
    store.core().rows.forget();
    assert_eq!(all(&store), followed);
}

#[test]
fn a_change_that_the_disk_refused_is_not_in_the_table() {
    let (_dir, store) = store();
    put_job(&store, &job(1));
    let before = all(&store);
    store.core().hooks.refuse.store(1, Ordering::SeqCst);
    store.write_blocking(|tx| tx.put_job(&job(2))).unwrap_err();
    assert_eq!(all(&store), before);
    store.core().rows.forget();
    assert_eq!(all(&store), before);
}

#[test]
fn a_repair_and_an_import_are_followed() {
    let (_dir, first) = store();
    fill(&first);
    assert_eq!(all(&first).total, 5);
    super::records::tamper(&first, Space::Jobs, &3u64.to_be_bytes(), |bytes| bytes[9] ^= 1);
    first.fsck(true).unwrap();
    assert_eq!(numbers(&all(&first)), [5, 4, 2, 1]);
    let mut bytes = Vec::new();
    first.export(&mut bytes).unwrap();
    let (_other, second) = store();
    assert_eq!(all(&second).total, 0);
    second.import(&mut bytes.as_slice()).unwrap();
    assert_eq!(all(&second), all(&first));
}

#[test]
fn a_damaged_shelf_is_put_aside_and_the_row_forgets_it() {
    let (_dir, store) = store();
    let shelf = ShelfRecord { pinned: Some((ann(), at(1))), ..ShelfRecord::new(id(1)) };
    put_job(&store, &job(1));
    put(&store, move |tx| tx.put_shelf(&shelf));
    assert_eq!(all(&store).facets.pinned, (0, 1));
    super::records::tamper(&store, Space::Shelves, &1u64.to_be_bytes(), |bytes| bytes[3] ^= 1);
    assert_eq!(store.shelf(id(1)).unwrap(), ShelfRecord::new(id(1)));
    put(&store, |_| Ok(()));
    assert_eq!(all(&store).facets.pinned, (1, 0));
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_row_that_says_something_else_than_job_and_shelf_is_found_and_repaired() {
    let (_dir, store) = store();
    put_job(&store, &full_job(1));
    let right = all(&store);
    assert_eq!(right.bytes, 7 << 40);
    let engine = store.core().engine().unwrap();
    let gone = Some(Gone { at: at(1), why: "old".into(), run: 1 });
    let shelf = ShelfRecord { artifacts_gone: gone, ..ShelfRecord::new(id(1)) };
    let wrong = crate::store::facets::Facets::of(&full_job(1), &shelf).encode();
    let mut changes = crate::store::overlay::Overlay::default();
    changes.set(Space::Facets, 1u64.to_be_bytes().to_vec(), Some(wrong));
    engine.apply(&changes).unwrap();
    drop(engine);
    assert_eq!(findings(&store), ["job 1 has no right row to search in"]);
    store.fsck(true).unwrap();
    assert_eq!(findings(&store), [""; 0]);
    assert_eq!(all(&store), right);
}

#[test]
fn so_many_tags_that_no_row_could_hold_them_do_no_harm() {
    let (_dir, store) = store();
    let tags = (0..2000).map(|n| Tag::new(&format!("tag-{n}-{}", "x".repeat(20))).unwrap());
    let shelf = ShelfRecord { tags: tags.collect(), ..ShelfRecord::new(id(1)) };
    let written = shelf.clone();
    put(&store, move |tx| {
        tx.put_shelf(&written)?;
        tx.put_job(&job(1))
    });
    assert_eq!(store.shelf(id(1)).unwrap(), shelf);
    let page = all(&store);
    assert!(page.facets.tag.len() > 200 && page.facets.tag.len() < 2000);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn removed_jobs_leave_nothing_behind_however_many_they_are() {
    let (_dir, store) = store();
    let some = |from: u64, to: u64| (from..to).map(|n| Change::Job(Box::new(job(n)))).collect();
    write(&store, some(1, 6000));
    assert_eq!(all(&store).total, 5999);
    write(&store, (1..5500).map(Change::Remove).collect());
    write(&store, some(100, 103));
    let page = all(&store);
    let mut expected: Vec<u64> = (100..103).chain(5500..6000).collect();
    expected.reverse();
    assert_eq!(numbers(&page), expected);
    assert_eq!((page.total, page.facets.queue["web"]), (503, 503));
    let named = RowFilter { text: Some("core-5501".into()), ..RowFilter::default() };
    let found = store.rows(&RowQuery { filter: named, limit: 9, ..RowQuery::default() }).unwrap();
    assert_eq!(numbers(&found), [5501]);
}
