//! Chores on their timetable: on time, after downtime, when somebody wants them, never twice at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "an assumption that fails is a test that fails; the real clock drives the timetable"
)]

#[path = "support/bare.rs"]
mod bare;
mod common;

use bare::{DAY, NOW, id, job, open_timed, put};
use common::until;
use img::{
    app::{App, AppError, Chore, LastRun, Peer, Timetable},
    domain::{Actor, StateKind, Timestamp, UserName, Verb, retention::Trigger},
    scheduler::Chores,
    store::Intent,
};
use tokio::{sync::watch, task::JoinHandle};

/// The real time, moved so that it is about [`NOW`]: the timers go by the system's own clock.
fn clock() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(now.as_millis() as i64)
}

fn never() -> Timetable {
    Chore::ALL.into_iter().map(|chore| (chore, String::new())).collect()
}

fn only(chore: Chore, text: &str) -> Timetable {
    let mut times = never();
    times.insert(chore, text.into());
    times
}

struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    async fn start(app: &App) -> Self {
        let chores = Chores::new(&app.timetable(), clock()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let app = app.clone();
        let task = tokio::spawn(async move { chores.run(app, clock, stopped).await.unwrap() });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

/// The last run of a chore, as soon as there is one for which `good` holds.
async fn seen(
    app: &App,
    chore: Chore,
    good: impl Fn(&LastRun) -> bool + Send + 'static,
) -> LastRun {
    let app = app.clone();
    let look = move || until("a run", || app.last_run(chore).filter(&good));
    tokio::task::spawn_blocking(look).await.unwrap()
}

fn operator() -> Actor {
    let user = UserName::new("ann").unwrap();
    Actor { user, verbs: Verb::ALL.iter().copied().collect(), staff: true, superuser: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_runs_on_time_and_says_what_came_of_it() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open_timed(tmp.path(), only(Chore::Backup, "* * * * * *"));
    let worker = Worker::start(&app).await;
    let run = seen(&app, Chore::Backup, |_| true).await;
    worker.end().await;
    assert!(run.well && run.outcome.contains(".backup"), "{run:?}");
    assert_eq!(run.trigger, "schedule");
    assert!(app.running_chores().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_the_service_was_off_is_done_at_its_start() {
    let tmp = tempfile::tempdir().unwrap();
    // Due once a day: it will not be due by itself while this test runs, but for one second.
    let app = open_timed(tmp.path(), only(Chore::Orphans, "7 7 7 * * *"));
    let at = clock().as_millis() - 2 * DAY;
    app.note_run(Chore::Orphans, &LastRun { at, well: true, ..LastRun::default() });
    let worker = Worker::start(&app).await;
    let run = seen(&app, Chore::Orphans, move |run| run.at > at).await;
    worker.end().await;
    assert!(run.trigger.contains("missed"), "{run:?}");

    // Not missed: it ran since it was due last.
    let app2 = app.clone();
    drop(app);
    let worker = Worker::start(&app2).await;
    worker.end().await;
    assert_eq!(app2.last_run(Chore::Orphans), Some(run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_that_was_cut_short_is_ended_at_the_next_start() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open_timed(tmp.path(), never());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    let intent = Intent {
        job: id(1),
        class: img::domain::retention::Class::Images,
        bytes: 100,
        why: "older than 14 days".into(),
        run: 1,
        by: "system".into(),
    };
    app.store().write_blocking(move |tx| tx.put_intent(&intent)).unwrap();
    let worker = Worker::start(&app).await;
    let run = seen(&app, Chore::Cleanup, |_| true).await;
    worker.end().await;
    assert!(run.trigger.contains("cut short"), "{run:?}");
    assert!(app.store().intents().unwrap().is_empty());
    let gone = app.store().shelf(id(1)).unwrap().artifacts_gone.unwrap();
    assert_eq!(
        (gone.why.as_str(), gone.at.as_millis() > NOW.as_millis() - 9_000 * DAY),
        ("older than 14 days", true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_changes_the_time_and_wants_it_now() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open_timed(tmp.path(), only(Chore::Verify, "0 0 0 1 1 *"));
    let (ann, peer) = (operator(), Peer::default());
    let worker = Worker::start(&app).await;
    app.start_chore(&ann, Chore::Verify).unwrap();
    let run = seen(&app, Chore::Verify, |_| true).await;
    assert_eq!((run.trigger.as_str(), run.outcome.as_str()), ("ann", "0 jobs read, 0 damaged"));

    for bad in ["soon", "0 0 0 31 2 *", "* * * * *"] {
        let refused = app.set_schedule(&ann, Chore::Backup, Some(bad), &peer, clock()).await;
        assert!(matches!(refused, Err(AppError::Invalid(_))), "{bad}: {refused:?}");
    }
    app.set_schedule(&ann, Chore::Backup, Some("* * * * * *"), &peer, clock()).await.unwrap();
    let first = seen(&app, Chore::Backup, |_| true).await;
    let views = app.schedules(&ann, clock()).unwrap();
    let backup = views.iter().find(|v| v.chore == Chore::Backup).unwrap();
    assert_eq!((backup.original.as_deref(), backup.next.len()), (Some(""), 3));
    assert!(backup.sentence.to_lowercase().contains("second"), "{}", backup.sentence);
    app.set_schedule(&ann, Chore::Backup, None, &peer, clock()).await.unwrap();
    worker.end().await;
    assert!(first.well);
    assert_eq!(app.timetable()[&Chore::Backup], "");
    let audit = app.store().audit(9).unwrap();
    assert!(audit.iter().any(|l| l.action == "schedule.change" && l.object == "backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_due_while_it_still_runs_is_left_out_and_that_is_told() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open_timed(tmp.path(), only(Chore::Backup, "* * * * * *"));
    assert!(app.begin_chore(Chore::Backup), "it runs already");
    let worker = Worker::start(&app).await;
    let run = seen(&app, Chore::Backup, |run| run.left_out.is_some()).await;
    app.end_chore(Chore::Backup);
    worker.end().await;
    assert!(run.outcome.is_empty(), "nothing was done: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_end_bring_cleanups_but_not_one_each() {
    let tmp = tempfile::tempdir().unwrap();
    let app = open_timed(tmp.path(), never());
    put(&app, &job(1, "a", 30, StateKind::Done, 100));
    put(&app, &job(2, "a", 1, StateKind::Done, 100));
    let worker = Worker::start(&app).await;
    for _ in 0..50 {
        app.send_errand(Chore::Cleanup, Trigger::JobEnded);
    }
    let looked = app.clone();
    let look = move || until("the receipt", || looked.store().receipts().unwrap().pop());
    let receipt = tokio::task::spawn_blocking(look).await.unwrap();
    worker.end().await;
    assert_eq!((receipt.run, receipt.trigger.as_str()), (1, "a job ended"));
    assert_eq!(app.store().receipts().unwrap().len(), 1);
}

#[tokio::test]
async fn a_timetable_that_is_none_keeps_the_service_from_starting_with_its_name() {
    let refused = Chores::new(&only(Chore::Backup, "every night"), NOW).await.map(|_| ());
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("schedule.backup") && said.contains("every night"), "{said}");
}
