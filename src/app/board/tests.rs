use super::*;
use crate::{
    app::DiskSettings,
    domain::{
        Artifact, JobState, Role, UserQuota,
        admission::{Level, Quota, Quotas, Space, Thresholds},
        job,
    },
};
use std::sync::Arc;

const GIB: u64 = 1 << 30;

fn job(id: u64, owner: &str) -> Job {
    Job {
        id: JobId::new(id).unwrap(),
        name: JobName::new("handset").unwrap(),
        owner: UserName::new(owner).unwrap(),
        queue: QueueName::new("web").unwrap(),
        runner: RunnerId::new("mic").unwrap(),
        runner_version: String::new(),
        runner_sha256: String::new(),
        image_type: ImageTypeId::new("raw").unwrap(),
        arch: Arch::new("i586").unwrap(),
        priority: 0,
        launched: false,
        submitted: Timestamp::from_millis(id.cast_signed()),
        retry_of: None,
        request: job::Request::default(),
        state: JobState::Queued,
        result: job::BuildResult::default(),
    }
}

fn done(id: u64, owner: &str, bytes: u64) -> Job {
    let mut job = job(id, owner);
    let at = Timestamp::default();
    job.state = JobState::Queued.start(at).unwrap().finish(at).unwrap();
    job.result.artifacts.push(Artifact {
        name: "a.raw".into(),
        role: Role::Image,
        label: String::new(),
        size: bytes,
        sha256: String::new(),
    });
    job
}

fn board(quota: Quota) -> Arc<Board> {
    let board = Board::new(DiskSettings { quota, ..DiskSettings::default() });
    look(&board, 50 * GIB);
    Arc::new(board)
}

fn look(board: &Board, free: u64) {
    board.note_space(Space { total: 100 * GIB, free }, Timestamp::from_millis(7));
}

fn web() -> Queue {
    Queue::standard(QueueName::new("web").unwrap(), "")
}

fn jobs(all: &[Job]) -> HashMap<JobId, Job> {
    all.iter().map(|job| (job.id, job.clone())).collect()
}

fn ann() -> UserName {
    UserName::new("ann").unwrap()
}

#[test]
fn running_builds_keep_their_room_until_they_have_written_it() {
    let board = board(Quota::default());
    let [first, second] = [job(1, "ann"), job(2, "bo")];
    let all = jobs(&[first.clone(), second.clone()]);
    board.enqueue(&first, Some(30 * GIB));
    board.enqueue(&second, Some(30 * GIB));
    assert_eq!(board.next(&web(), &all), Some(first.id));
    board.begin(&first, Timestamp::default());
    assert_eq!(board.disk().reserved, 30 * GIB);
    assert_eq!(board.next(&web(), &all), None);
    let told = board.live(&second, Some(&web())).hold.unwrap().to_string();
    assert!(told.contains("of 50.0 GiB free, running builds may still write 30.0 GiB"), "{told}");
    board.update(first.id, |live| live.disk = 25 * GIB);
    look(&board, 40 * GIB);
    assert_eq!(board.disk().reserved, 5 * GIB);
    assert_eq!(board.next(&web(), &all), Some(second.id));
}

#[test]
fn a_smaller_job_behind_one_without_room_starts() {
    let board = board(Quota::default());
    let [large, small] = [job(1, "ann"), job(2, "ann")];
    board.enqueue(&large, Some(90 * GIB));
    board.enqueue(&small, Some(GIB));
    assert_eq!(board.next(&web(), &jobs(&[large, small.clone()])), Some(small.id));
}

#[test]
fn what_a_recipe_has_held_counts_more_than_the_runners_estimate() {
    let board = board(Quota::default());
    let waiting = job(9, "ann");
    board.enqueue(&waiting, Some(GIB));
    assert!(board.needs_estimate(&waiting));
    let mut past = done(1, "bo", 1);
    past.result.peak_disk = 40 * GIB;
    board.remember_peak(&past);
    assert!(!board.needs_estimate(&waiting));
    let told = board.hold(&waiting, Some(&web())).unwrap().to_string();
    assert!(told.contains("need 52.0 GiB"), "{told}");
    past.result.peak_disk = GIB;
    (0..9).for_each(|_| board.remember_peak(&past));
    assert_eq!(board.hold(&waiting, Some(&web())), None, "an old peak is forgotten");
}

#[test]
fn a_build_that_was_cut_short_tells_of_its_own_definition_only() {
    let board = board(Quota::default());
    let of = |id, sha256: &str| {
        let mut job = job(id, "ann");
        job.request.definition_sha256 = sha256.into();
        job
    };
    let mut failed = of(1, "aa");
    failed.state = JobState::Queued.cancel(ann(), Timestamp::default()).unwrap();
    failed.result.peak_disk = 60 * GIB;
    board.remember_peak(&failed);
    let told = board.hold(&of(2, "aa"), Some(&web())).unwrap().to_string();
    assert!(told.contains("a build of the same definition held nearly as much"), "{told}");
    assert_eq!(board.hold(&of(3, "bb"), Some(&web())), None);
    // Once it has ended well, that is what counts.
    let mut whole = of(4, "aa");
    (whole.state, whole.result.peak_disk) = (done(4, "ann", 0).state, GIB);
    board.remember_peak(&whole);
    assert_eq!(board.hold(&of(5, "aa"), Some(&web())), None);
}

#[test]
fn a_low_volume_holds_until_there_is_more_than_it_was_low_with() {
    let board = board(Quota::default());
    let waiting = job(1, "ann");
    board.enqueue(&waiting, Some(1));
    for (free, starts) in [(8, true), (7, false), (9, false), (10, true), (8, true)] {
        look(&board, free * GIB);
        let next = board.next(&web(), &jobs(std::slice::from_ref(&waiting)));
        assert_eq!(next.is_some(), starts, "{free} GiB");
        assert_eq!(board.disk().holds(), !starts);
        assert_eq!(board.disk().since.is_some(), !starts);
    }
}

#[test]
fn a_reason_stays_the_same_while_free_space_hardly_changes() {
    let board = board(Quota::default());
    let waiting = job(1, "ann");
    board.enqueue(&waiting, Some(1));
    look(&board, 5 * GIB + 20);
    let before = board.hold(&waiting, Some(&web()));
    let (_, shown) = board
        .note_space(Space { total: 100 * GIB, free: 5 * GIB + 30_000_000 }, Timestamp::default());
    assert!(before.is_some() && !shown);
    assert_eq!(board.hold(&waiting, Some(&web())), before);
}

#[test]
fn a_queue_that_is_paused_says_that_before_it_speaks_of_the_disk() {
    let board = board(Quota::default());
    let waiting = job(1, "ann");
    board.enqueue(&waiting, None);
    look(&board, GIB);
    let mut queue = web();
    queue.paused = Some("inventory".into());
    assert!(matches!(board.hold(&waiting, Some(&queue)), Some(Hold::QueuePaused { .. })));
    assert!(matches!(board.hold(&waiting, Some(&web())), Some(Hold::DiskLow { .. })));
}

#[test]
fn jobs_wait_for_a_builder_that_is_away_and_are_told_when_it_is_back() {
    let board = board(Quota::default());
    let waiting = job(1, "ann");
    board.enqueue(&waiting, None);
    let link = |away: Option<&str>| BuilderLink {
        socket: "/run/b.sock".into(),
        since: None,
        program: String::new(),
        sandbox: String::new(),
        away: away.map(str::to_owned),
        error: None,
    };
    board.set_builder(link(Some("it went away")));
    let hold = board.hold(&waiting, Some(&web())).unwrap();
    assert!(hold.to_string().contains("(it went away): the job starts when it is back"), "{hold}");
    let mut queue = web();
    queue.paused = Some("inventory".into());
    assert!(matches!(board.hold(&waiting, Some(&queue)), Some(Hold::QueuePaused { .. })));
    let mut changes = board.changes();
    board.set_builder(link(None));
    assert!(matches!(changes.try_recv(), Ok(Change::Queues)), "watchers hear of it");
    assert_eq!(board.hold(&waiting, Some(&web())), None);
    board.set_builder(link(None));
    while let Ok(change) = changes.try_recv() {
        assert!(matches!(change, Change::Job(_)), "nothing has changed: {change:?}");
    }
}

#[test]
fn the_last_place_is_promised_once() {
    let board = board(Quota { user_queued: 2, ..Quota::default() });
    let first = job(1, "ann");
    board.enqueue(&first, None);
    let place = board.claim_place(&job(2, "ann")).unwrap();
    let refused = board.claim_place(&job(3, "ann")).unwrap_err().to_string();
    assert!(refused.starts_with("ann may have 2 jobs waiting and has 2"), "{refused}");
    board.claim_place(&job(4, "bo")).unwrap();
    board.enqueue(&job(2, "ann"), None);
    drop(place);
    board.claim_place(&job(3, "ann")).unwrap_err();
    board.begin(&first, Timestamp::default());
    drop(board.claim_place(&job(3, "ann")).unwrap());
    // One that came to nothing gives its place back.
    board.claim_place(&job(5, "ann")).unwrap();
}

#[test]
fn a_user_who_builds_enough_waits_and_others_do_not() {
    let board = board(Quota { user_running: 1, ..Quota::default() });
    let [first, second, other] = [job(1, "ann"), job(2, "ann"), job(3, "bo")];
    for waiting in [&first, &second, &other] {
        board.enqueue(waiting, Some(1));
    }
    board.begin(&first, Timestamp::default());
    let all = jobs(&[second.clone(), other.clone()]);
    assert_eq!(board.next(&web(), &all), Some(other.id));
    board.begin(&other, Timestamp::default());
    let told = board.hold(&second, Some(&web())).unwrap().to_string();
    assert!(told.contains("ann may build 1 at once and builds 1"), "{told}");
    board.end(&first);
    assert_eq!(board.next(&web(), &all), Some(second.id));
}

#[test]
fn one_users_own_quota_and_one_queues_own_room_count_at_once() {
    let board = board(Quota { user_running: 1, user_queued: 1, ..Quota::default() });
    let [first, second] = [job(1, "ann"), job(2, "ann")];
    board.enqueue(&first, Some(1));
    board.begin(&first, Timestamp::default());
    board.enqueue(&second, Some(1));
    assert!(matches!(board.hold(&second, Some(&web())), Some(Hold::UserRunning { .. })));
    board.claim_place(&job(3, "ann")).unwrap_err();

    let own = UserQuota { running: Some(2), queued: Some(0), bytes: None };
    let general = Quota { user_running: 1, user_queued: 1, ..Quota::default() };
    let quotas = |queues| Quotas { general, users: HashMap::from([(ann(), own)]), queues };
    board.set_limits(quotas(HashMap::new()), Thresholds::default(), 1);
    assert_eq!(board.hold(&second, Some(&web())), None);
    drop(board.claim_place(&job(3, "ann")).unwrap());
    board.enqueue(&job(4, "bo"), None);
    board.claim_place(&job(5, "bo")).unwrap_err();

    board.counted_bytes();
    board.add_bytes(&done(9, "cy", 50));
    board.set_limits(quotas(HashMap::from([(web().name, 50)])), Thresholds::default(), 1);
    let refused = board.claim_place(&job(6, "cy")).unwrap_err().to_string();
    assert!(refused.starts_with("the images of queue web take"), "{refused}");
    assert!(matches!(board.hold(&second, Some(&web())), Some(Hold::QueueBytes { .. })));
}

#[test]
fn other_thresholds_hold_from_the_next_look_on() {
    let board = board(Quota::default());
    let waiting = job(1, "ann");
    board.enqueue(&waiting, None);
    let high = Thresholds::new(60 * GIB, 70 * GIB, GIB).unwrap();
    board.set_limits(Quotas::default(), high, 2 * GIB);
    look(&board, 50 * GIB);
    assert!(matches!(board.hold(&waiting, Some(&web())), Some(Hold::DiskLow { .. })));
    assert!(board.disk().since.is_some());
    board.set_limits(Quotas::default(), Thresholds::default(), 90 * GIB);
    look(&board, 50 * GIB);
    assert!(board.disk().since.is_none());
    let told = board.hold(&waiting, Some(&web())).unwrap().to_string();
    assert!(told.contains("need 90.0 GiB (disk.unknown_need"), "{told}");
}

#[test]
fn images_are_counted_once_whoever_comes_first() {
    let board = board(Quota::default());
    let bytes = || (board.bytes_of_user(&ann()), board.bytes_of_queue(&web().name));
    // Ends while older jobs are counted, and is met by the count.
    board.add_bytes(&done(9, "ann", 900));
    board.count_bytes(&[done(9, "ann", 900), done(8, "ann", 80)]);
    assert_eq!(bytes(), (980, 980));
    // Deleted after the count has passed it; before it; and before, though already counted.
    board.remove_bytes(&done(8, "ann", 80), 80);
    board.remove_bytes(&done(5, "ann", 5), 5);
    board.remove_bytes(&done(9, "ann", 900), 900);
    assert_eq!(bytes(), (0, 0));
    board.count_bytes(&[done(5, "ann", 5), done(4, "bo", 4)]);
    board.counted_bytes();
    assert_eq!(bytes(), (0, 4));
    board.add_bytes(&done(10, "ann", 10));
    board.remove_bytes(&done(10, "ann", 10), 7);
    assert_eq!(bytes(), (3, 7));
}

#[test]
fn the_state_tells_all_that_pages_show() {
    let settings = DiskSettings { ballast: 5, ..DiskSettings::default() };
    let board = Board::new(settings);
    assert!(board.disk().space.is_none() && !board.disk().holds());
    board.note_lost("gone".into(), Timestamp::from_millis(3));
    board.note_lost("gone".into(), Timestamp::from_millis(4));
    board.set_next_cleanup(Some("12:00".into()));
    let disk = board.disk();
    assert!(disk.holds() && disk.level == Level::Roomy);
    assert_eq!(disk.since, Some(Timestamp::from_millis(3)));
    assert_eq!((disk.thresholds, disk.ballast_size), (Thresholds::default(), 5));
    assert_eq!((disk.lost.as_deref(), disk.next_cleanup.as_deref()), (Some("gone"), Some("12:00")));
}
