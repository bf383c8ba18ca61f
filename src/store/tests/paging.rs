//! Walking pages gives exactly the jobs that match, in order, whatever the filter.

use super::*;
use crate::store::{Cursor, JobFilter, JobPage};
use proptest::prelude::*;

const QUEUES: [&str; 2] = ["web", "api"];
const OWNERS: [&str; 3] = ["ann", "bo", "anna"];
const TYPES: [&str; 2] = ["raw", "raw2"];
const ARCHS: [&str; 2] = ["armv7hl", "i586"];

fn one(number: u64, pick: (usize, usize, usize, usize, usize)) -> Job {
    Job {
        owner: UserName::new(OWNERS[pick.0 % 3]).unwrap(),
        queue: QueueName::new(QUEUES[pick.1 % 2]).unwrap(),
        image_type: ImageTypeId::new(TYPES[pick.2 % 2]).unwrap(),
        arch: Arch::new(ARCHS[pick.3 % 2]).unwrap(),
        ..in_state(job(number), StateKind::ALL[pick.4 % 5])
    }
}

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let pick = (0usize..3, 0usize..2, 0usize..2, 0usize..2, 0usize..5);
    proptest::collection::btree_map(1u64..400, pick, 0..50)
        .prop_map(|rows| rows.into_iter().map(|(number, pick)| one(number, pick)).collect())
}

fn filters() -> impl Strategy<Value = JobFilter> {
    let text = proptest::option::weighted(
        0.3,
        proptest::sample::select(vec!["core", "CORE-1", "2", "17", "-3", " ", "nothing"]),
    );
    let pick = |n: usize| proptest::option::weighted(0.4, 0..n);
    (pick(5), pick(2), pick(3), pick(2), pick(2), text).prop_map(|(s, q, o, t, a, text)| {
        JobFilter {
            state: s.map(|i| StateKind::ALL[i]),
            queue: q.map(|i| QueueName::new(QUEUES[i]).unwrap()),
            owner: o.map(|i| UserName::new(OWNERS[i]).unwrap()),
            image_type: t.map(|i| ImageTypeId::new(TYPES[i]).unwrap()),
            arch: a.map(|i| Arch::new(ARCHS[i]).unwrap()),
            text: text.map(str::to_owned),
        }
    })
}

/// What the filter means, said once more and slowly.
fn wanted(job: &Job, filter: &JobFilter) -> bool {
    let text = filter.text.as_deref().unwrap_or("").trim().to_lowercase();
    filter.state.is_none_or(|s| s == job.state.kind())
        && filter.queue.as_ref().is_none_or(|q| *q == job.queue)
        && filter.owner.as_ref().is_none_or(|o| *o == job.owner)
        && filter.image_type.as_ref().is_none_or(|t| *t == job.image_type)
        && filter.arch.as_ref().is_none_or(|a| *a == job.arch)
        && (job.name.as_str().to_lowercase().contains(&text) || job.id.to_string() == text)
}

fn numbers(page: &JobPage) -> Vec<u64> {
    page.jobs.iter().map(|j| j.id.get()).collect()
}

/// All pages from the newest on; then all pages back from the last one, put in the same order.
fn walk(store: &Store, filter: &JobFilter, limit: usize) -> (Vec<u64>, Vec<u64>) {
    let mut page = store.jobs(filter, Cursor::Newest, limit).unwrap();
    assert_eq!(page.newer, None);
    let mut down = numbers(&page);
    while let Some(before) = page.older {
        page = store.jobs(filter, Cursor::Before(before), limit).unwrap();
        assert!(page.newer.is_some() && !page.jobs.is_empty() && page.jobs.len() <= limit);
        down.extend(numbers(&page));
    }
    let mut up = vec![numbers(&page)];
    while let Some(after) = page.newer {
        page = store.jobs(filter, Cursor::After(after), limit).unwrap();
        assert!(page.older.is_some() && !page.jobs.is_empty() && page.jobs.len() <= limit);
        up.push(numbers(&page));
    }
    up.reverse();
    (down, up.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn pages_hold_exactly_the_matching_jobs_in_order_both_ways(
        jobs in jobs(), filters in proptest::collection::vec(filters(), 8), limit in 1usize..9,
    ) {
        let (_dir, store) = store();
        let all = jobs.clone();
        put(&store, move |tx| all.iter().try_for_each(|j| tx.put_job(j)));
        for filter in filters {
            let mut expected: Vec<u64> =
                jobs.iter().filter(|j| wanted(j, &filter)).map(|j| j.id.get()).collect();
            expected.reverse();
            let (down, up) = walk(&store, &filter, limit);
            prop_assert_eq!(&down, &expected, "{:?}", filter);
            prop_assert_eq!(&up, &expected, "{:?}", filter);
            let total = store.jobs(&filter, Cursor::Newest, 1).unwrap().total;
            prop_assert!(total.is_none_or(|t| t == expected.len() as u64), "{:?}", filter);
        }
    }
}

#[test]
fn the_total_of_a_single_field_and_of_queue_with_state_is_known() {
    let (_dir, store) = store();
    put(&store, |tx| {
        (1..=9).try_for_each(|n| tx.put_job(&one(n, (n as usize, n as usize, 0, 0, 0))))
    });
    let total = |filter: JobFilter| store.jobs(&filter, Cursor::Newest, 1).unwrap().total;
    let none = JobFilter::default();
    let queue = QueueName::new("api").ok();
    assert_eq!(total(none.clone()), Some(9));
    assert_eq!(total(JobFilter { owner: UserName::new("bo").ok(), ..none.clone() }), Some(3));
    let state = Some(StateKind::Queued);
    assert_eq!(total(JobFilter { queue: queue.clone(), state, ..none.clone() }), Some(5));
    assert_eq!(total(JobFilter { arch: Arch::new("x").ok(), ..none.clone() }), Some(0));
    assert_eq!(total(JobFilter { text: Some("core".into()), ..none }), None);
}

#[test]
fn a_page_beyond_either_end_is_empty_and_knows_the_way_back() {
    let (_dir, store) = store();
    put(&store, |tx| (3..=5).try_for_each(|n| tx.put_job(&job(n))));
    let none = JobFilter::default();
    let below = store.jobs(&none, Cursor::Before(id(2)), 5).unwrap();
    assert_eq!((numbers(&below), below.older, below.newer), (vec![], None, Some(id(2))));
    let above = store.jobs(&none, Cursor::After(id(5)), 5).unwrap();
    assert_eq!((numbers(&above), above.older, above.newer), (vec![], Some(id(6)), None));
    let back = store.jobs(&none, Cursor::Before(id(6)), 5).unwrap();
    assert_eq!(numbers(&back), [5, 4, 3]);
}
