use super::*;
use crate::domain::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn user() -> UserName {
    UserName::new("ann").unwrap()
}

fn web() -> QueueName {
    QueueName::new("web").unwrap()
}

fn volume(total: u64, free: u64) -> Volume {
    let mut volume = Volume::new(Thresholds::default());
    volume.seen(Space { total, free });
    volume
}

fn request<'a>(user: &'a UserName, queue: &'a QueueName, need: u64) -> Request<'a> {
    Request {
        user,
        queue,
        need: Need { bytes: need, source: NeedSource::Estimate },
        reserved: 0,
        user_running: 0,
        user_bytes: 0,
        queue_bytes: 0,
        next_cleanup: None,
    }
}

fn told(volume: &Volume, quota: &Quota, request: &Request<'_>) -> String {
    hold(volume, quota, request).map_or_else(|| "starts".into(), |hold| hold.to_string())
}

#[test]
fn thresholds_that_contradict_each_other_name_the_keys_and_the_values() {
    let said = Thresholds::new(8 * GIB, 10 * GIB, 9 * GIB).unwrap_err().to_string();
    assert_eq!(said, "emergency_below is 9GiB: give less than hold_below, which is 8GiB");
    let said = Thresholds::new(8 * GIB, 7 * GIB + 1, 2 * GIB).unwrap_err().to_string();
    assert_eq!(said, "resume_above is 7516192769B: give at least hold_below, which is 8GiB");
    assert!(Thresholds::new(0, 0, 0).is_err());
    assert!(Thresholds::new(1, 1, 0).is_ok());
    let usual = Thresholds::default();
    let again = Thresholds::new(usual.hold_below(), usual.resume_above(), usual.emergency_below());
    assert_eq!(again, Ok(usual));
}

#[test]
fn a_low_volume_says_how_much_is_free_how_much_must_be_and_what_frees_it() {
    let (user, queue) = (user(), web());
    let low = volume(100 * GIB, 3 * GIB + GIB / 8);
    let mut asked = request(&user, &queue, GIB);
    assert_eq!(
        told(&low, &Quota::default(), &asked),
        "the volume has 3.1 GiB free: jobs wait until 10.0 GiB are free; \
         cleanups come by themselves"
    );
    asked.next_cleanup = Some("14:30 UTC");
    let said = told(&low, &Quota::default(), &asked);
    assert!(said.ends_with("; the next cleanup is at 14:30 UTC"), "{said}");
}

#[test]
fn room_is_what_is_free_without_what_builds_may_still_write_and_the_emergency_reserve() {
    let (user, queue) = (user(), web());
    let (roomy, quota) = (volume(100 * GIB, 20 * GIB), Quota::default());
    let mut asked = request(&user, &queue, 8 * GIB);
    asked.reserved = 10 * GIB;
    assert_eq!(told(&roomy, &quota, &asked), "starts");
    asked.reserved += 1;
    assert_eq!(
        told(&roomy, &quota, &asked),
        "this is taken to need 8.0 GiB (its runner's estimate); of 20.0 GiB free, running builds may still write 10.1 GiB \
         and 2.0 GiB are kept free: it starts when a build ends or images are deleted; \
         cleanups come by themselves"
    );
}

#[test]
fn a_job_that_never_fits_is_told_so() {
    let (user, queue) = (user(), web());
    let asked = request(&user, &queue, 30 * GIB);
    let said = told(&volume(31 * GIB, 31 * GIB), &Quota::default(), &asked);
    assert!(
        said.contains("need 30.0 GiB (its runner's estimate), and the volume has 31.0 GiB in all"),
        "{said}"
    );
    assert_eq!(told(&volume(32 * GIB, 32 * GIB), &Quota::default(), &asked), "starts");
}

#[test]
fn a_volume_nobody_has_looked_at_holds_nothing_and_one_that_is_lost_holds_everything() {
    let (user, queue) = (user(), web());
    let mut volume = Volume::new(Thresholds::default());
    let asked = request(&user, &queue, 1);
    assert_eq!(told(&volume, &Quota::default(), &asked), "starts");
    assert_eq!(volume.not_seen("the disk is gone".into()), Turn::Lost);
    assert_eq!(volume.not_seen("the disk is still gone".into()), Turn::Same);
    let said = told(&volume, &Quota::default(), &asked);
    assert!(said.contains("(the disk is still gone): jobs wait until it answers again"), "{said}");
    let space = Space { total: 100 * GIB, free: 50 * GIB };
    assert_eq!(volume.seen(space), Turn::Found(Level::Roomy));
    assert_eq!(told(&volume, &Quota::default(), &asked), "starts");
}

#[test]
fn a_volume_that_is_lost_keeps_being_low() {
    let mut volume = volume(100 * GIB, 7 * GIB);
    volume.not_seen("gone".into());
    assert_eq!(volume.level(), Level::Low);
    assert_eq!(volume.seen(Space { total: 100 * GIB, free: 9 * GIB }), Turn::Found(Level::Low));
}

#[test]
fn need_is_the_recipes_peak_then_the_estimate_then_what_is_usual() {
    let seen = |whole, cut_short| Peaks { whole, cut_short };
    let is = |peaks, estimate, bytes, source| {
        assert_eq!(need(peaks, estimate, 4 * GIB, None), Need { bytes, source });
    };
    is(seen(Some(10 * GIB), None), Some(1), 13 * GIB, NeedSource::Recipe);
    is(Peaks::default(), Some(3 * GIB), 3 * GIB, NeedSource::Estimate);
    is(Peaks::default(), None, 4 * GIB, NeedSource::Unknown);
    // A build that was cut short may have had most of its way before it.
    is(seen(None, Some(10 * GIB)), Some(1), 13 * GIB, NeedSource::CutShort);
    is(seen(None, Some(1)), None, 4 * GIB, NeedSource::Unknown);
    is(seen(Some(u64::MAX), None), None, u64::MAX, NeedSource::Recipe);
}

#[test]
fn a_build_that_fitted_before_is_never_too_large_because_of_the_margin() {
    let peaks = Peaks { whole: Some(50 * GIB), cut_short: None };
    assert_eq!(need(peaks, None, 0, Some(58 * GIB)).bytes, 58 * GIB);
    assert_eq!(need(peaks, None, 0, Some(100 * GIB)).bytes, 65 * GIB);
    assert_eq!(need(peaks, None, 0, Some(40 * GIB)).bytes, 50 * GIB);
}

#[test]
fn quotas_name_their_numbers_and_zero_is_no_limit() {
    let (user, queue) = (user(), web());
    let roomy = volume(100 * GIB, 50 * GIB);
    let quota = Quota { user_running: 2, user_queued: 3, user_bytes: GIB, queue_bytes: 2 * GIB };
    let mut asked = request(&user, &queue, 1);
    (asked.user_running, asked.user_bytes, asked.queue_bytes) = (2, GIB, 2 * GIB);
    assert_eq!(told(&roomy, &Quota::default(), &asked), "starts");
    let said = told(&roomy, &quota, &asked);
    assert!(said.starts_with("ann may build 2 at once and builds 2"), "{said}");
    asked.user_running = 1;
    let said = told(&roomy, &quota, &asked);
    assert!(said.starts_with("the images of ann take 1.0 GiB, and 1.0 GiB may be kept"), "{said}");
    asked.user_bytes -= 1;
    let said = told(&roomy, &quota, &asked);
    assert!(said.starts_with("the images of queue web take 2.0 GiB"), "{said}");
    asked.queue_bytes -= 1;
    assert_eq!(told(&roomy, &quota, &asked), "starts");

    let submit = |waiting, kept, queue_kept| {
        let taken = quota.submit((&user, waiting, kept), (&queue, queue_kept));
        taken.map_or_else(|refused| refused.to_string(), |()| "taken".into())
    };
    assert_eq!(submit(2, GIB - 1, GIB), "taken");
    assert!(
        submit(3, 0, 0).starts_with("ann may have 3 jobs waiting and has 3"),
        "{}",
        submit(3, 0, 0)
    );
    assert!(submit(0, GIB, 0).starts_with("the images of ann take 1.0 GiB"));
    assert!(submit(0, 0, 2 * GIB).starts_with("the images of queue web take 2.0 GiB"));
    assert!(Quota::default().submit((&user, u64::MAX, u64::MAX), (&queue, u64::MAX)).is_ok());
}

#[test]
fn other_thresholds_count_from_the_next_look_on_and_that_look_tells_of_the_turn() {
    let mut volume = volume(100 * GIB, 9 * GIB);
    assert_eq!(volume.level(), Level::Roomy);
    let look = Space { total: 100 * GIB, free: 9 * GIB };
    volume.set_thresholds(Thresholds::new(20 * GIB, 30 * GIB, 10 * GIB).unwrap());
    assert_eq!(volume.seen(look), Turn::Level(Level::Roomy, Level::Emergency));
    assert_eq!(volume.seen(look), Turn::Same);
    volume.set_thresholds(Thresholds::new(GIB, GIB, 0).unwrap());
    assert_eq!(volume.seen(look), Turn::Level(Level::Emergency, Level::Roomy));
}

#[test]
fn a_cleanup_is_asked_for_at_once_again_every_minute_and_at_once_in_an_emergency() {
    let mut summons = Summons::default();
    let mut due = |level, at| summons.due(level, Duration::from_secs(at));
    assert!(!due(Level::Roomy, 0));
    assert!(due(Level::Low, 1));
    assert!(!due(Level::Low, 60));
    assert!(due(Level::Low, 61));
    assert!(due(Level::Emergency, 62));
    assert!(!due(Level::Emergency, 63) && !due(Level::Low, 64));
    assert!(due(Level::Emergency, 122));
    assert!(!due(Level::Roomy, 123) && due(Level::Low, 124));
}

#[test]
fn the_ballast_goes_when_the_volume_is_full_and_comes_back_only_with_room_to_start_jobs() {
    let thresholds = Thresholds::default();
    let size = 256 * MIB;
    let step = |ballast, free, refused| {
        ballast_step(ballast, size, Space { total: 99 * GIB, free }, &thresholds, refused)
    };
    let (there, released) = (Ballast::There(size), Ballast::Released(Timestamp::default()));
    assert_eq!(step(there, 64 * MIB, false), None);
    assert_eq!(step(there, 64 * MIB - 1, false), Some(BallastStep::Release));
    assert_eq!(step(there, 50 * GIB, true), Some(BallastStep::Release));
    assert_eq!(step(released, 10 * GIB + size - 1, false), None);
    assert_eq!(step(released, 10 * GIB + size, true), Some(BallastStep::Make));
    assert_eq!(step(Ballast::Missing, 8 * GIB + size - 1, false), None);
    assert_eq!(step(Ballast::Missing, 8 * GIB + size, false), Some(BallastStep::Make));
    assert_eq!(step(Ballast::Off, 0, true), None);
    let small = Ballast::There(20 * MIB);
    assert_eq!(step(small, 10 * MIB, false), None);
    assert_eq!(step(small, 10 * MIB - 1, false), Some(BallastStep::Release));
}

#[test]
fn sizes_read_well_at_every_magnitude() {
    let shown = |bytes| (Rounded::down(bytes).to_string(), Rounded::up(bytes).to_string());
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(shown(0), both("0 MiB", "0 MiB"));
    assert_eq!(shown(1), both("0 MiB", "1 MiB"));
    assert_eq!(shown(50 * MIB), both("50 MiB", "50 MiB"));
    assert_eq!(shown(256 * MIB), both("250 MiB", "260 MiB"));
    assert_eq!(shown(GIB), both("1.0 GiB", "1.0 GiB"));
    assert_eq!(shown(GIB - 1), both("1020 MiB", "1.0 GiB"));
    assert_eq!(shown(31 * GIB / 10), both("3.0 GiB", "3.1 GiB"));
    assert_eq!(shown(9999 * GIB), both("9999.0 GiB", "9999.0 GiB"));
    assert_eq!(Exact(1536 * MIB).to_string(), "1536MiB");
    assert_eq!(Exact(0).to_string(), "0B");
}

/// Thresholds that fit, and looks around them.
fn worlds() -> impl Strategy<Value = (Thresholds, Vec<u64>)> {
    (1u64..1000, 0u64..500, 0u64..1000).prop_flat_map(|(hold, above, below)| {
        let thresholds = Thresholds::new(hold, hold + above, below.min(hold - 1)).unwrap();
        (Just(thresholds), proptest::collection::vec(0u64..2 * (hold + above), 1..60))
    })
}

fn asks() -> impl Strategy<Value = (Vec<u64>, Quota)> {
    let numbers = proptest::collection::vec(0u64..40, 6);
    let quota = (0u32..4, 0u64..40, 0u64..40).prop_map(|(running, user_bytes, queue_bytes)| {
        Quota { user_running: running, user_queued: 0, user_bytes, queue_bytes }
    });
    (numbers, quota)
}

/// Where a reason stands in the order in which reasons are told.
fn rank(hold: &Hold) -> u8 {
    match hold {
        Hold::Stopping => 0,
        Hold::QueuePaused { .. } => 1,
        Hold::NotLaunched { .. } => 2,
        Hold::NoRunner { .. } => 3,
        Hold::NoBuilder { .. } => 4,
        Hold::DiskUnknown { .. } => 5,
        Hold::DiskLow { .. } => 6,
        Hold::UserRunning { .. } => 7,
        Hold::UserBytes { .. } => 8,
        Hold::QueueBytes { .. } => 9,
        Hold::DiskTooSmall { .. } => 10,
        Hold::DiskRoom { .. } => 11,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn hysteresis_never_flaps((thresholds, looks) in worlds()) {
        let mut volume = Volume::new(thresholds);
        let mut was_low = false;
        for free in looks {
            volume.seen(Space { total: 1 << 20, free });
            let low = volume.level() > Level::Roomy;
            if low != was_low {
                // Only a crossing of the far threshold turns it.
                let crossed = if low {
                    free < thresholds.hold_below()
                } else {
                    free >= thresholds.resume_above()
                };
                prop_assert!(crossed);
            }
            prop_assert!(low || free >= thresholds.hold_below());
            prop_assert!(!low || free < thresholds.resume_above());
            was_low = low;
        }
    }

    #[test]
    fn what_is_started_never_overcommits(
        (thresholds, _) in worlds(),
        total in 0u64..4000,
        needs in proptest::collection::vec((0u64..600, 0u64..100), 1..30),
    ) {
        let (user, queue) = (user(), web());
        let mut free = total;
        let mut volume = Volume::new(thresholds);
        let mut building: Vec<(u64, u64)> = Vec::new();
        for (need, share) in needs {
            volume.seen(Space { total, free });
            let mut asked = request(&user, &queue, need);
            asked.reserved = reserved(building.iter().copied());
            if hold(&volume, &Quota::default(), &asked).is_none() {
                building.push((need, 0));
            }
            // Every build writes a part of what it still may.
            for (need, written) in &mut building {
                let more = (*need - *written) * share / 100;
                prop_assert!(more <= free, "a build that keeps to its need met a full disk");
                *written += more;
                free -= more;
            }
            // Were all of them to write the rest now, the emergency reserve would be untouched.
            let rest = reserved(building.iter().copied());
            prop_assert!(building.is_empty() || free >= rest + thresholds.emergency_below());
        }
    }

    #[test]
    fn reasons_come_in_one_order_and_the_first_is_told(
        (thresholds, looks) in worlds(),
        (numbers, quota) in asks(),
        lost in any::<bool>(),
    ) {
        let (user, queue) = (user(), web());
        let mut volume = Volume::new(thresholds);
        for free in looks {
            volume.seen(Space { total: free + numbers[0], free });
        }
        if lost {
            volume.not_seen("gone".into());
        }
        let asked = Request {
            reserved: numbers[1],
            user_running: u32::try_from(numbers[2]).unwrap() / 10,
            user_bytes: numbers[3],
            queue_bytes: numbers[4],
            ..request(&user, &queue, numbers[5])
        };
        let all: Vec<Hold> = holds(&volume, &quota, &asked).collect();
        prop_assert!(all.is_sorted_by(|a, b| rank(a) < rank(b)), "{all:?}");
        prop_assert_eq!(hold(&volume, &quota, &asked), all.first().cloned());
    }

    #[test]
    fn a_sentence_changes_only_when_a_tenth_has(free in GIB..64 * GIB, by in 0u64..1000) {
        let (before, after) = (Rounded::down(free), Rounded::down(free + by));
        prop_assert!(before.bytes() <= free && free <= Rounded::up(free).bytes());
        prop_assert_eq!(before == after, before.to_string() == after.to_string());
        prop_assert_eq!(Rounded::down(before.bytes()), before);
    }
}
