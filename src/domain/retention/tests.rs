use super::*;
use crate::domain::{JobId, QueueName, StateKind, Timestamp};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_000 * HOUR;

fn queue(name: &str) -> Arc<QueueName> {
    Arc::new(QueueName::new(name).unwrap())
}

fn item(id: u64, recipe: &str, hours_ago: i64) -> Item {
    Item {
        id: JobId::new(id).unwrap(),
        recipe: recipe.into(),
        queue: queue("web"),
        state: StateKind::Done,
        ended: Timestamp::from_millis(NOW - hours_ago * HOUR),
        artifacts: 100,
        logs: 10,
        pinned: false,
        keep_until: None,
        downloaded: None,
        busy: None,
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

fn planned(items: &[Item], policy: &Policy) -> CleanupPlan {
    plan(items, None, policy, now(), true)
}

fn numbers(plan: &CleanupPlan, class: Class) -> Vec<u64> {
    plan.doomed.iter().filter(|d| d.class == class).map(|d| d.id.get()).collect()
}

#[test]
fn images_go_when_they_are_old_but_the_last_good_one_stays() {
    let items = [item(1, "a", 400), item(2, "a", 350), item(3, "b", 1)];
    let plan = planned(&items, &Policy::default());
    assert_eq!(numbers(&plan, Class::Images), [1]);
    assert_eq!(plan.doomed[0].rule.to_string(), "older than 14 days");
    assert_eq!((plan.saved[0].id.get(), plan.saved[0].guard), (2, Guard::LastGood));
}

#[test]
fn a_queue_s_own_lifetime_goes_first_and_is_named() {
    let mut policy = Policy::default();
    let own =
        Override { images: Some(Lifetime::For(Duration::from_secs(7_200))), ..Override::default() };
    policy.queues.insert(QueueName::new("web").unwrap(), own);
    let plan = planned(&[item(1, "a", 3), item(2, "a", 2)], &policy);
    assert_eq!(plan.doomed[0].rule.to_string(), "older than 2 hours on queue web");
    policy.queues.values_mut().next().unwrap().images = Some(Lifetime::Forever);
    assert!(planned(&[item(1, "a", 3_000), item(2, "a", 2)], &policy).doomed.is_empty());
}

#[test]
fn more_images_of_a_recipe_than_are_kept_go_the_oldest_first() {
    let items: Vec<_> = (1..=5).map(|n| item(n, "a", 10 - n as i64)).collect();
    let plan = planned(&items, &Policy::default());
    assert_eq!(numbers(&plan, Class::Images), [1, 2]);
    let said = plan.doomed[0].rule.to_string();
    assert_eq!(said, "the 3 newest of its recipe are kept, the newest is #5");
}

#[test]
fn over_the_budget_what_was_longest_of_no_use_goes_until_it_is_enough() {
    let mut items: Vec<_> = (1..=4).map(|n| item(n, &n.to_string(), 20 - n as i64)).collect();
    items.extend((5..=8).map(|n| item(n, &(n - 4).to_string(), 2)));
    items[0].downloaded = Some(Timestamp::from_millis(NOW - HOUR));
    let volume = Volume { total: 1_000, free: 50 };
    let plan = plan(&items, Some(volume), &Policy::default(), now(), true);
    assert_eq!(numbers(&plan, Class::Images), [2, 3], "150 bytes over, #1 was taken an hour ago");
}

#[test]
fn a_budget_that_cannot_be_met_says_what_is_missing_and_why() {
    let mut items = [item(1, "a", 20), item(2, "b", 20)];
    items.iter_mut().for_each(|i| i.pinned = true);
    let volume = Volume { total: 1_000, free: 0 };
    let plan = plan(&items, Some(volume), &Policy::default(), now(), true);
    assert!(plan.doomed.is_empty());
    assert_eq!(
        plan.unmet,
        ["the budget of 80 % needs 200 bytes more: 200 bytes could go but stay; the last of them \
          because it is pinned"]
    );
}

#[test]
fn logs_stay_as_long_as_the_image_and_records_for_ever() {
    let mut items = [item(1, "a", 24 * 181), item(2, "a", 24 * 182)];
    items[1].artifacts = 0;
    let plan = planned(&items, &Policy::default());
    assert_eq!(numbers(&plan, Class::Logs), [2]);
    assert_eq!(numbers(&plan, Class::Records), [0u64; 0]);
    let policy =
        Policy { records: Lifetime::For(Duration::from_secs(200 * 86_400)), ..Policy::default() };
    items[1].logs = 0;
    items[1].ended = Timestamp::from_millis(NOW - 201 * 24 * HOUR);
    assert_eq!(numbers(&planned(&items, &policy), Class::Records), [2]);
}

#[test]
fn in_an_emergency_leftovers_go_at_once_and_images_until_there_is_room() {
    let mut items = [item(1, "a", 2), item(2, "b", 3), item(3, "b", 2), item(4, "c", 2)];
    items[0].state = StateKind::Failed;
    let volume = Volume { total: 10_000, free: 10 };
    let plan = plan_emergency(&items, volume, 200, &Policy::default(), now());
    assert_eq!(numbers(&plan, Class::Leftovers), [1]);
    assert_eq!(numbers(&plan, Class::Images), [2], "#3 and #4 are the last good ones");
}

#[test]
fn a_clock_that_cannot_be_believed_takes_nothing_by_age() {
    let items = [item(1, "a", 9_000), item(2, "a", 8_999)];
    let plan = plan(&items, None, &Policy::default(), now(), false);
    assert!(plan.doomed.is_empty());
    assert!(plan.unmet[0].contains("clock"));
}

#[test]
fn a_clock_set_back_makes_everything_young() {
    let items = [item(1, "a", -9_000), item(2, "a", -8_999), item(3, "a", -8_998)];
    assert!(planned(&items, &Policy::default()).doomed.is_empty());
}

#[test]
fn a_lifetime_of_nothing_still_respects_the_least_age() {
    let policy = Policy {
        images: Lifetime::For(Duration::ZERO),
        leftovers: Lifetime::For(Duration::ZERO),
        logs: Lifetime::For(Duration::ZERO),
        keep_last_good: 0,
        ..Policy::default()
    };
    let plan = planned(&[item(1, "a", 0), item(2, "a", 2)], &policy);
    assert_eq!(numbers(&plan, Class::Images), [2]);
    assert_eq!(numbers(&plan, Class::Logs), [2]);
    assert!(matches!(plan.saved[0].guard, Guard::Young(_)));
}

#[test]
fn what_is_told_as_the_expiry_is_when_it_goes() {
    let mut one = item(1, "a", 5);
    let policy = Policy::default();
    let at = expiry(&one, Class::Images, &policy).unwrap();
    assert_eq!(at, one.ended.plus(Duration::from_secs(14 * 86_400)));
    one.keep_until = Some(at.plus(Duration::from_secs(60)));
    assert_eq!(expiry(&one, Class::Images, &policy), one.keep_until);
    one.pinned = true;
    assert_eq!(expiry(&one, Class::Images, &policy), None);
}

fn lifetimes() -> impl Strategy<Value = Lifetime> {
    prop_oneof![
        Just(Lifetime::Forever),
        (0u64..200).prop_map(|h| Lifetime::For(Duration::from_secs(h * 3_600))),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let own = (proptest::option::of(lifetimes()), proptest::option::of(lifetimes()));
    let limits = (0u32..4, 0u32..3, 0u8..=100, 0u64..5);
    (lifetimes(), lifetimes(), lifetimes(), lifetimes(), own, limits).prop_map(
        |(images, leftovers, logs, records, own, (keep_newest, keep_last_good, budget, hours))| {
            let own = Override { images: own.0, logs: own.1, ..Override::default() };
            Policy {
                images,
                leftovers,
                logs,
                records,
                queues: [(QueueName::new("api").unwrap(), own)].into(),
                keep_newest,
                keep_last_good,
                budget,
                min_age: Duration::from_secs(hours * 3_600),
                ..Policy::default()
            }
        },
    )
}

fn busy() -> impl Strategy<Value = Option<Busy>> {
    prop_oneof![
        8 => Just(None),
        1 => Just(Some(Busy::Download)),
        1 => Just(Some(Busy::Input(JobId::FIRST))),
    ]
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let ends = prop_oneof![
        Just(StateKind::Done),
        Just(StateKind::Done),
        Just(StateKind::Failed),
        Just(StateKind::Cancelled),
    ];
    let facts = (0usize..4, any::<bool>(), ends, -20i64..300);
    let sizes = (prop_oneof![Just(0u64), 1u64..500], prop_oneof![Just(0u64), 1u64..50]);
    let marks = (prop::bool::weighted(0.15), proptest::option::of(-50i64..50), busy(), 0i64..300);
    proptest::collection::vec((facts, sizes, marks), 0..40).prop_map(|rows| {
        let mut items = Vec::new();
        for (n, (facts, sizes, marks)) in (1u64..).zip(rows) {
            let (recipe, api, state, hours) = facts;
            let (pinned, keep, busy, used) = marks;
            items.push(Item {
                queue: queue(if api { "api" } else { "web" }),
                state,
                artifacts: sizes.0,
                logs: sizes.1,
                pinned,
                keep_until: keep.map(|h| Timestamp::from_millis(NOW + h * HOUR)),
                downloaded: (used > 200).then(|| Timestamp::from_millis(NOW - used * HOUR)),
                busy,
                ..item(n, ["a", "b", "c", "d"][recipe], hours)
            });
        }
        items
    })
}

fn volumes() -> impl Strategy<Value = Volume> {
    (0u64..20_000, 0u64..20_000).prop_map(|(total, free)| Volume { total, free: free.min(total) })
}

/// What no plan may ever do.
fn guarded(plan: &CleanupPlan, items: &[Item], policy: &Policy) -> Result<(), TestCaseError> {
    let of = |id: JobId| items.iter().find(|i| i.id == id).unwrap();
    for doomed in &plan.doomed {
        let item = of(doomed.id);
        prop_assert!(!item.pinned, "{doomed:?} is pinned");
        prop_assert!(item.busy.is_none(), "{doomed:?} is in use");
        prop_assert!(item.state.is_final());
        prop_assert!(item.keep_until.is_none_or(|until| until <= now()), "{doomed:?}");
        prop_assert!(now().since(item.ended) >= policy.min_age, "{doomed:?} is young");
        if doomed.class == Class::Images {
            let newer = |other: &&Item| {
                other.recipe == item.recipe
                    && other.state == StateKind::Done
                    && other.artifacts > 0
                    && (other.ended, other.id) > (item.ended, item.id)
            };
            let newer = items.iter().filter(newer).count();
            prop_assert!(newer >= policy.keep_last_good as usize, "{doomed:?} is the last good");
        }
        if doomed.class == Class::Logs && item.artifacts > 0 {
            let with = |d: &Doomed| d.id == item.id && d.class == item.artifact_class();
            prop_assert!(plan.doomed.iter().any(with), "the log goes before the image");
        }
    }
    let mut all: Vec<_> = plan.doomed.iter().map(|d| (d.class, d.id)).collect();
    all.extend(plan.saved.iter().map(|s| (s.class, s.id)));
    all.sort_unstable();
    let before = all.len();
    all.dedup();
    prop_assert_eq!(before, all.len(), "nothing is both saved and doomed, or twice either");
    Ok(())
}

/// The same jobs after a run of the plan.
fn after(plan: &CleanupPlan, mut items: Vec<Item>) -> Vec<Item> {
    for doomed in &plan.doomed {
        let item = items.iter_mut().find(|i| i.id == doomed.id).unwrap();
        match doomed.class {
            Class::Images | Class::Leftovers => item.artifacts = 0,
            Class::Logs => item.logs = 0,
            Class::Records => {}
        }
    }
    let recorded =
        |i: &Item| !plan.doomed.iter().any(|d| d.id == i.id && d.class == Class::Records);
    items.retain(recorded);
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn no_plan_ever_breaks_a_guard(
        items in items(), policy in policies(), volume in volumes(), trust in any::<bool>(),
    ) {
        let first = plan(&items, Some(volume), &policy, now(), trust);
        guarded(&first, &items, &policy)?;
        prop_assert_eq!(&first, &plan(&items, Some(volume), &policy, now(), trust));
        // What a run leaves, the same rules leave alone, as long as nothing else changes.
        let volume = Volume { free: volume.total, ..volume };
        let second = plan(&after(&first, items.clone()), Some(volume), &policy, now(), trust);
        prop_assert!(second.doomed.is_empty(), "{:?} then {:?}", first.doomed, second.doomed);
    }

    #[test]
    fn no_emergency_ever_breaks_a_guard(
        items in items(), policy in policies(), volume in volumes(), wanted in 0u64..20_000,
    ) {
        let plan = plan_emergency(&items, volume, wanted, &policy, now());
        guarded(&plan, &items, &policy)?;
        let images = plan.doomed.iter().filter(|d| d.class == Class::Images);
        let before: u64 = images.clone().map(|d| d.bytes).sum();
        let last = images.map(|d| d.bytes).max().unwrap_or(0);
        let short = wanted.saturating_sub(volume.free);
        prop_assert!(before < short.saturating_add(last).max(1), "more images go than are needed");
    }
}
