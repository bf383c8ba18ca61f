//! What is done to many jobs at once, and to those that wait: on a real data directory, with a
//! dispatcher where one is needed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "an assumption that fails is a test that fails; this test starts itself as a child"
)]

#[path = "support/bare.rs"]
mod bare;
mod common;

use bare::{NOW, folder, id, job, open, open_timed, open_wishing, policy, put, settings};
use common::until;
use img::{
    app::{App, AppError, BulkAction, Chore, Peer, RunProgress, SKIPPED},
    domain::{
        Actor, Cause, Job, JobId, JobState, Queue, QueueName, StateKind, Tag, Timestamp, UserName,
        Verb, retention::Trigger,
    },
    scheduler::{Builds, Chores, Dispatcher, DispatcherConfig, recover},
    store::Receipt,
};
use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

fn name(text: &str) -> UserName {
    UserName::new(text).unwrap()
}

fn actor(user: &str, verbs: &[Verb]) -> Actor {
    let verbs = verbs.iter().copied().collect();
    Actor { user: name(user), verbs, staff: false, superuser: false }
}

fn operator() -> Actor {
    actor("olga", Verb::ALL)
}

fn peer() -> Peer {
    Peer { request: "01REQUEST".into(), ..Peer::default() }
}

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

fn ids(range: std::ops::RangeInclusive<u64>) -> Vec<JobId> {
    range.map(id).collect()
}

fn waiting(n: u64, queue: &str) -> Job {
    let mut job = job(n, "core", 0, StateKind::Cancelled, 0);
    job.state = JobState::Queued;
    job.queue = QueueName::new(queue).unwrap();
    job
}

fn building(n: u64, queue: &str) -> Job {
    Job { state: JobState::Building { started: NOW }, ..waiting(n, queue) }
}

/// A queue on which nothing starts.
fn put_queue(app: &App, queue: &str, change: impl FnOnce(&mut Queue)) {
    let mut queue = Queue::standard(QueueName::new(queue).unwrap(), "");
    queue.paused = Some("a test".into());
    change(&mut queue);
    app.store().write_blocking(move |tx| tx.put_queue(&queue)).unwrap();
}

/// A dispatcher over what waits, and what stops it.
fn dispatch(
    app: &App,
    wishes: tokio::sync::mpsc::UnboundedReceiver<img::app::Wish>,
) -> watch::Sender<bool> {
    let config =
        DispatcherConfig { grace: [Duration::ZERO; 2], log: 1 << 20, stop_grace: Duration::ZERO };
    let found = recover(app, NOW, Builds::Here).unwrap();
    let start = Arc::new(|_| panic!("nothing may start"));
    let dispatcher = Dispatcher::new(app.clone(), start, || NOW, config, found.waiting);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(dispatcher.run(wishes, stopped));
    stop
}

fn lines(app: &App, action: &str) -> Vec<img::store::AuditRecord> {
    let mut lines = app.store().audit(5_000).unwrap();
    lines.retain(|line| line.action == action);
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_job_goes_to_another_queue_if_that_takes_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (app, wishes) = open_wishing(tmp.path(), settings(policy()));
    put_queue(&app, "web", |_| {});
    put_queue(&app, "api", |queue| queue.cap = 2);
    put_queue(&app, "ivi", |queue| {
        queue.runners = vec![img::domain::RunnerId::new("genimage").unwrap()];
    });
    for n in 1..=4 {
        put(&app, &waiting(n, "web"));
    }
    put(&app, &job(9, "core", 1, StateKind::Done, 10));
    let stop = dispatch(&app, wishes);
    let olga = operator();
    let to = |queue: &str| QueueName::new(queue).unwrap();
    let ask = async |n: u64, queue: &str| {
        app.move_job(&olga, id(n), &to(queue), &peer(), NOW).await.map_err(|e| e.to_string())
    };
    ask(2, "api").await.unwrap();
    ask(2, "api").await.unwrap();
    let moved = app.store().job(id(2)).unwrap().unwrap();
    assert_eq!((moved.queue.as_str(), moved.state.kind()), ("api", StateKind::Queued));
    assert_eq!((app.board().waiting(&to("web")), app.board().waiting(&to("api"))), (3, 1));
    assert_eq!(app.job(&olga, id(2), NOW).unwrap().live.position, Some(1));
    let line = lines(&app, "job.move");
    assert_eq!((line.len(), line[0].detail.as_str()), (1, "web → api"), "once, by whoever asked");
    assert_eq!((line[0].actor.as_str(), line[0].request.as_str()), ("olga", "01REQUEST"));

    assert!(ask(1, "nowhere").await.unwrap_err().contains("choose api, ivi, web"));
    assert!(ask(1, "ivi").await.unwrap_err().contains("genimage"));
    assert!(ask(9, "api").await.unwrap_err().contains("only a job that waits"));
    let viewer = actor("vera", &[Verb::ViewJobs]);
    let denied = app.move_job(&viewer, id(1), &to("api"), &peer(), NOW).await;
    assert!(matches!(denied, Err(AppError::Denied(_))));

    let action = BulkAction::Move(to("api"));
    let done = app.bulk(&olga, &action, ids(1..=4), &peer(), NOW).await.unwrap();
    assert_eq!((done.done, done.skipped.len()), (2, 2), "one fits, one is there: {done:?}");
    assert!(done.skipped.iter().all(|(_, why)| why.contains("full")), "{done:?}");
    let done = app.bulk(&olga, &BulkAction::Cancel, ids(1..=9), &peer(), NOW).await.unwrap();
    assert_eq!((done.done, done.skipped.len()), (4, 5), "{done:?}");
    assert_eq!(app.store().open_jobs().unwrap(), []);
    stop.send(true).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_are_tagged_and_pinned_each_with_its_line() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    let jobs: Vec<_> = (1..=1_000).map(|n| job(n, "core", 1, StateKind::Done, 10)).collect();
    app.store().write(move |tx| jobs.iter().try_for_each(|job| tx.put_job(job))).await.unwrap();
    app.load_inventory().unwrap();
    let olga = operator();
    let all: Vec<_> = ids(1..=1_010).into_iter().rev().collect();
    let tagging = BulkAction::Tag(tag("release"));
    let done = app.bulk(&olga, &tagging, all.clone(), &peer(), NOW).await.unwrap();
    assert_eq!((done.done, done.skipped.len(), done.more_skipped), (1_000, 10, 0));
    assert_eq!(done.skipped[0], (id(1_001), "there is no job 1001".to_owned()));
    let again = app.bulk(&olga, &tagging, ids(1..=1_000), &peer(), NOW).await.unwrap();
    assert_eq!(again.done, 1_000, "what is so already is success");
    let done = app.bulk(&olga, &BulkAction::Pin, all, &peer(), NOW).await.unwrap();
    assert_eq!(done.done, 1_000);
    let tagged = lines(&app, "job.tag");
    assert_eq!((tagged.len(), lines(&app, "job.pin").len()), (1_000, 1_000));
    assert!(tagged.iter().all(|l| l.detail == "release" && l.request == "01REQUEST"));
    for n in [1, 500, 1_000] {
        let shelf = app.store().shelf(id(n)).unwrap();
        assert_eq!((shelf.tags, shelf.pinned), (vec![tag("release")], Some((name("olga"), NOW))));
    }
    let preview = app.deletion_preview(&olga, &ids(1..=1_000), NOW).unwrap();
    assert_eq!((preview.jobs, preview.skipped.len()), (0, 1), "the inventory knows of the pins");
    let off = BulkAction::Untag(tag("release"));
    let done = app.bulk(&olga, &off, ids(1..=1_000), &peer(), NOW).await.unwrap();
    assert_eq!((done.done, app.store().shelf(id(7)).unwrap().tags.len()), (1_000, 0));
    let nobody = actor("nobody", &[Verb::ViewJobs]);
    let denied = app.bulk(&nobody, &BulkAction::Pin, ids(1..=2), &peer(), NOW).await;
    assert!(matches!(denied, Err(AppError::Denied(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_in_order_none_twice_sixteen_at_most_and_one_s_own_need_less() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put(&app, &job(1, "core", 1, StateKind::Done, 10));
    let ann = actor("ann", &[Verb::ViewJobs, Verb::KeepOwn]);
    let put_on =
        async |who: &Actor, text: &str| app.tag(who, id(1), &tag(text), true, &peer(), NOW).await;
    for text in ["b", "c", "a", "b"] {
        put_on(&ann, text).await.unwrap();
    }
    let tags = || app.store().shelf(id(1)).unwrap().tags;
    assert_eq!(tags(), ["a", "b", "c"].map(tag));
    assert_eq!(lines(&app, "job.tag").len(), 3);
    app.tag(&ann, id(1), &tag("b"), false, &peer(), NOW).await.unwrap();
    assert_eq!(lines(&app, "job.untag")[0].detail, "b");
    for n in 0..14 {
        put_on(&ann, &format!("t{n}")).await.unwrap();
    }
    let refused = put_on(&ann, "one-more").await.unwrap_err();
    assert!(refused.to_string().contains("16 tags"), "{refused}");
    let bo = actor("bo", &[Verb::ViewJobs, Verb::KeepOwn]);
    assert!(matches!(put_on(&bo, "x").await, Err(AppError::Denied(_))));
    app.tag(&operator(), id(1), &tag("a"), false, &peer(), NOW).await.unwrap();
    assert_eq!(tags().len(), 15);
}

fn shelf_of(app: &App, n: u64) -> img::store::ShelfRecord {
    app.store().shelf(id(n)).unwrap()
}

fn skipped(receipt: &Receipt) -> Vec<(u64, &str)> {
    let one = |m: &'_ img::store::Mishap| m.job.map(JobId::get).unwrap_or_default();
    receipt.mishaps.iter().map(|m| (one(m), m.what.strip_prefix(SKIPPED).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_asks_for_goes_and_the_receipt_says_what_stayed_and_why() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    for n in 1..=6 {
        put(&app, &job(n, &format!("core{n}"), 1, StateKind::Done, 100));
    }
    put(&app, &building(7, "web"));
    put(&app, &waiting(8, "web"));
    let mut foreign = job(9, "core9", 1, StateKind::Done, 100);
    foreign.owner = name("bo");
    put(&app, &foreign);
    app.load_inventory().unwrap();
    app.pin(&operator(), id(3), true, &peer(), NOW).await.unwrap();
    let ann = actor("ann", &[Verb::ViewJobs, Verb::DeleteOwn]);
    app.delete_job(&ann, id(4), &peer(), NOW).await.unwrap();
    let download = app.artifact(&operator(), id(5), "image.raw", NOW).unwrap();

    let preview = app.deletion_preview(&ann, &ids(1..=10), NOW).unwrap();
    assert_eq!(preview.jobs, 3, "1, 2 and 6: {preview:?}");
    assert_eq!(preview.first.iter().map(|f| f.0).collect::<Vec<_>>(), [id(1), id(2), id(6)]);
    assert_eq!(preview.first[0].1, "core1");
    assert_eq!(preview.by_owner, [("ann".to_owned(), 3, preview.bytes)]);
    assert_eq!(preview.by_queue, [("web".to_owned(), 3, preview.bytes)]);
    assert_eq!(preview.skipped.iter().map(|s| s.1).sum::<u64>(), 7);

    let run = app.start_deletion(&ann, ids(1..=10), &peer(), NOW).await.unwrap();
    let open = app.store().receipt(run).unwrap().unwrap();
    assert_eq!((open.ended, open.trigger.as_str()), (None, "ann"), "it can be seen at once");
    assert_eq!(app.run_progress(run), Some(RunProgress { done: 0, planned: 8, bytes: 0 }));
    let all = app.run_batches(&|| NOW).unwrap();
    drop(download);
    assert_eq!((all.len(), all[0].run), (1, run));
    let receipt = app.store().receipt(run).unwrap().unwrap();
    assert_eq!((&receipt, receipt.ended), (&all[0], Some(NOW)));
    assert_eq!((receipt.items, app.run_progress(run)), (6, None));
    assert_eq!(app.store().batches().unwrap(), []);
    for n in [1, 2, 6] {
        assert!(!folder(&app, id(n)).exists(), "job {n}");
        let gone = shelf_of(&app, n).logs_gone.unwrap();
        assert_eq!((gone.run, gone.why.as_str()), (run, "ann asked for it"));
    }
    for n in [3, 5, 7, 8, 9] {
        assert!(folder(&app, id(n)).join("definition").exists(), "job {n}");
        assert_eq!(shelf_of(&app, n).logs_gone, None);
    }
    let stayed = skipped(&receipt);
    let why = |n: u64| stayed.iter().find(|(job, _)| *job == n).map(|(_, why)| *why).unwrap();
    assert_eq!(stayed.len(), 6, "{stayed:?}");
    assert!(why(3).contains("pinned") && why(4).contains("deleted already"), "{stayed:?}");
    assert!(why(5).contains("downloading") && why(7).contains("being built"), "{stayed:?}");
    assert!(why(8).contains("waits") && why(9).contains("delete-any"), "{stayed:?}");
    let gone = lines(&app, "delete.images");
    assert!(gone.iter().all(|line| line.actor == "ann" && line.request == "01REQUEST"));
    assert_eq!(lines(&app, "jobs.delete")[0].object, format!("cleanup {run}"));
    let next = app.run_cleanup(&Trigger::Schedule, &|| NOW).unwrap();
    assert_eq!(next.run, run + 1, "no number twice");
    let nobody = actor("vera", &[Verb::ViewJobs]);
    let denied = app.start_deletion(&nobody, ids(1..=2), &peer(), NOW).await;
    assert!(matches!(denied, Err(AppError::Denied(_))));
}

/// Kills of a deletion: 10, or what `make soak` says.
fn kill_rounds() -> u64 {
    std::env::var("IMG_CLEANUP_KILLS").ok().and_then(|s| s.parse().ok()).unwrap_or(10)
}

const CHILD: &str = "IMG_TEST_DELETES";
const MANY: u64 = 96;

/// In the child of the next test: the deletions that were asked for; in every other process
/// nothing.
#[test]
fn a_child_of_the_kill_test_deletes() {
    if let Some(root) = std::env::var_os(CHILD) {
        open(Path::new(&root), policy()).run_batches(&|| NOW).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_killed_goes_on_and_its_receipt_counts_everything_once() {
    let (mut whole, mut cut) = (Duration::from_secs(60), 0);
    for round in 0..kill_rounds() + 1 {
        let tmp = tempfile::tempdir().unwrap();
        let app = open(tmp.path(), policy());
        for n in 1..=MANY {
            put(&app, &job(n, "core", 1, StateKind::Done, 3_000));
        }
        app.pin(&operator(), id(77), true, &peer(), NOW).await.unwrap();
        let run = app.start_deletion(&operator(), ids(1..=MANY), &peer(), NOW).await.unwrap();
        app.store().close().unwrap();
        drop(app);
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_child_of_the_kill_test_deletes"])
            .env(CHILD, tmp.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let part = if round == 0 { 1.0 } else { (round * 37 % 100) as f64 / 100.0 };
        while begun.elapsed() < whole.mul_f64(part) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        if round == 0 {
            whole = begun.elapsed();
        }

        let app = open(tmp.path(), policy());
        cut += u64::from(app.store().receipt(run).unwrap().unwrap().items > 0)
            * app.store().batches().unwrap().len() as u64;
        for n in (1..=MANY).filter(|n| shelf_of(&app, *n).logs_gone.is_some()) {
            assert!(!folder(&app, id(n)).exists(), "round {round}: files first, then the record");
        }
        // An ordinary run goes on with it, whatever else it has to do.
        app.run_cleanup(&Trigger::Resumed, &|| NOW).unwrap();
        let receipt = app.store().receipt(run).unwrap().unwrap();
        assert_eq!(receipt.ended, Some(NOW), "round {round}");
        assert_eq!(receipt.items, 2 * (MANY - 1), "round {round}: {receipt:?}");
        assert_eq!(skipped(&receipt), [(77, "it is pinned")], "round {round}");
        assert!(folder(&app, id(77)).exists());
        assert_eq!(app.data().job_ids().unwrap().0, [id(77)]);
        assert!(app.store().batches().unwrap().is_empty());
        assert!(app.store().intents().unwrap().is_empty());
        assert_eq!(app.data().trash().names(9).unwrap().len(), 0);
    }
    println!("{} rounds, {cut} cut in the middle", kill_rounds());
    assert!(cut > 0, "no kill ever came in the middle of a deletion");
}

fn clock() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(now.as_millis() as i64)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_carries_out_what_was_asked_for_before_it_started_and_while_it_runs() {
    let tmp = tempfile::tempdir().unwrap();
    let never = Chore::ALL.into_iter().map(|chore| (chore, String::new())).collect();
    let app = open_timed(tmp.path(), never);
    for n in 1..=2 {
        put(&app, &job(n, "core", 1, StateKind::Done, 100));
    }
    let first = app.start_deletion(&operator(), ids(1..=1), &peer(), clock()).await.unwrap();
    // The service stopped before anything of it was done.
    let _ = app.take_errands();
    app.store().close().unwrap();
    drop(app);
    let never = Chore::ALL.into_iter().map(|chore| (chore, String::new())).collect();
    let app = open_timed(tmp.path(), never);
    let chores = Chores::new(&app.timetable(), clock()).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(chores.run(app.clone(), clock, stopped));
    ended(&app, first).await;
    let second = app.start_deletion(&operator(), ids(2..=2), &peer(), clock()).await.unwrap();
    ended(&app, second).await;
    stop.send(true).unwrap();
    worker.await.unwrap().unwrap();
    assert!(!folder(&app, id(1)).exists() && !folder(&app, id(2)).exists());
    let outcome = app.last_run(Chore::Cleanup).unwrap();
    assert!(outcome.trigger.contains("cut short"), "a deletion is no look at the rules");
}

async fn ended(app: &App, run: u64) {
    let app = app.clone();
    let look = move || {
        until("the end of a run", || {
            app.store().receipt(run).unwrap().filter(|r| r.ended.is_some())
        })
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

#[test]
fn an_interrupted_build_is_handed_in_again_once_with_all_that_was_given() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open(tmp.path(), policy());
    put_queue(&app, "web", |queue| queue.requeue = true);
    put_queue(&app, "api", |_| {});
    let mut job = building(1, "web");
    job.launched = true;
    job.request.options = vec![("size".into(), "7".into()), ("token".into(), "hunter2".into())];
    job.request.secret_options = vec!["token".into()];
    put(&app, &job);
    put(&app, &building(2, "api"));

    let found = recover(&app, NOW, Builds::Here).unwrap();
    assert_eq!((found.interrupted, found.requeued, found.waiting.len()), (2, 1, 1));
    let again = found.waiting[0].clone();
    assert_eq!((again.retry_of, again.owner.as_str()), (Some(id(1)), "ann"));
    assert_eq!((again.request.options.len(), again.launched), (2, true));
    assert_eq!(app.store().job(again.id).unwrap().unwrap(), again, "on disk");
    assert_eq!(app.data().read_definition(again.id, 99).unwrap(), b"part\n");
    let request = std::fs::read_to_string(folder(&app, again.id).join("request.json")).unwrap();
    assert!(!request.contains("hunter2"), "{request}");
    let old = app.store().job(id(1)).unwrap().unwrap();
    assert_eq!(old.request.options.len(), 1, "the secret is forgotten with the end");
    let interrupted = |job: &Job| matches!(&job.state, JobState::Failed { failure, .. } if failure.cause == Cause::Interrupted);
    assert!(interrupted(&old) && interrupted(&app.store().job(id(2)).unwrap().unwrap()));
    let line = lines(&app, "job.requeue");
    assert_eq!((line.len(), line[0].actor.as_str()), (1, "system"));
    assert_eq!(line[0].object, format!("job {}", again.id));

    // It builds, and the box stops once more.
    let mut second = again.clone();
    second.state = JobState::Building { started: NOW };
    app.store().write_blocking(move |tx| tx.put_job(&second)).unwrap();
    let found = recover(&app, NOW, Builds::Here).unwrap();
    assert_eq!((found.interrupted, found.requeued, found.waiting.len()), (1, 0, 0));
    assert_eq!(app.store().counts().unwrap().total, 3);
}
