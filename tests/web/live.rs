//! What an administrator changes while the service runs counts at once.

use super::appliance::{Answer, Ask, Person, Running};
use img::{
    app::{Chore, Kind, OFF, runner_key},
    config::{Config, Runner, Sandbox},
    domain::{JobId, StateKind},
    server::now,
    store::SessionRecord,
};
use std::{path::Path, time::Duration};

/// Stores a setting as the Admin tab does, and makes it count.
async fn set(running: &Running, key: &str, text: Option<&str>) {
    let app = running.appliance.app();
    let (key, text) = (key.to_owned(), text.map(str::to_owned));
    app.store().write(move |tx| tx.put_setting(&key, text.as_deref())).await.unwrap();
    app.settings_changed();
}

pub async fn submit(
    running: &Running,
    person: &Person,
    (runner, arch, queue): (&str, &str, &str),
    definition: &str,
) -> Answer {
    let fields = [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", runner),
        ("image_type", "raw"),
        ("arch", arch),
        ("queue", queue),
        ("action", "submit"),
    ];
    let file = Some(("core.word", definition.as_bytes()));
    let form = Ask::new("POST", "/submit", person);
    running.ask(form.multipart(&person.csrf(), &fields, file)).await
}

const HOSTILE: (&str, &str, &str) = ("hostile", "x86_64", "web");

async fn submitter(running: &Running) -> Person {
    let ann = running.user("ann", Some("Submitters")).await;
    running.session(&ann, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_switched_off_takes_no_job_until_it_is_switched_on() {
    let running = Running::with_runner(|_| {}).await;
    let ann = submitter(&running).await;
    set(&running, &runner_key("hostile"), Some(OFF)).await;
    let refused = submit(&running, &ann, HOSTILE, "hello\n").await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("switched off by an administrator"), "{}", refused.body);
    assert!(!running.get("/submit", &ann).await.body.contains("data-runner=\"hostile\""));
    set(&running, &runner_key("hostile"), None).await;
    let taken = submit(&running, &ann, HOSTILE, "hello\n").await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_image_type_is_not_offered_and_still_built_when_it_is_named() {
    let running = Running::with_runner(|_| {}).await;
    let ann = submitter(&running).await;
    let offered = || async { running.get("/submit", &ann).await.body };
    assert!(offered().await.contains("<option value=\"raw\""));
    let named = "{\"label\":\"Card &\",\"order\":-1}";
    set(&running, &Kind::ImageType.key("raw"), Some(named)).await;
    assert!(offered().await.contains(">Card &amp;</option>"), "{}", offered().await);
    let named = "{\"label\":\"Desktop\"}";
    set(&running, &Kind::Arch.key("x86_64"), Some(named)).await;
    let page = offered().await;
    assert!(page.contains("<option value=\"x86_64\">Desktop</option>"), "{page}");
    set(&running, &Kind::ImageType.key("raw"), Some("{\"hidden\":true}")).await;
    assert!(!offered().await.contains("<option value=\"raw\""));
    let taken = submit(&running, &ann, HOSTILE, "hello\n").await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_definition_and_the_longest_line_of_one_user_can_change() {
    let running = Running::with_runner(|_| {}).await;
    let ann = submitter(&running).await;
    let recorded = ("hostile", "x86_64", "requests");
    set(&running, "setting.limits.definition", Some("8B")).await;
    let refused = submit(&running, &ann, recorded, "hello world\n").await;
    assert_eq!(refused.status, 413, "{}", refused.body);
    set(&running, "setting.limits.definition", None).await;
    set(&running, "setting.quota.user_queued", Some("1")).await;
    let taken = submit(&running, &ann, recorded, "hello world\n").await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    let refused = submit(&running, &ann, recorded, "hello world\n").await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("ann may have 1 jobs waiting"), "{}", refused.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_by_the_time_that_is_set_now() {
    let running = Running::with(|config| config.schedule.expire_sessions = String::new()).await;
    let ann = submitter(&running).await;
    let app = running.appliance.app();
    // Every start removes sessions that are over: that must not come between.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while app.last_run(Chore::ExpireSessions).is_none() {
        assert!(std::time::Instant::now() < deadline, "it has not begun");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended_by_then = now().as_millis() - 120_000;
    let written = app.store().write(move |tx| {
        let hash = img::accounts::session::hash(ann.cookie.as_deref().unwrap()).unwrap();
        let record = tx.session(&hash)?.unwrap();
        let last_used = img::domain::Timestamp::from_millis(ended_by_then);
        tx.put_session(&SessionRecord { last_used, ..record })?;
        Ok(ann)
    });
    let ann = written.await.unwrap();
    set(&running, "setting.sessions.idle", Some("1min")).await;
    assert_eq!(running.get("/queue", &ann).await.status, 303);
    set(&running, "setting.sessions.idle", Some("5min")).await;
    assert_eq!(running.get("/queue", &ann).await.status, 200);
    running.end().await;
}

pub fn with_script(config: &mut Config) {
    let words = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect());
    config.plugins.dir = config.server.data_dir.with_file_name("plugins");
    std::fs::create_dir(&config.plugins.dir).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plugins/script.wasm");
    std::fs::copy(fixture, config.plugins.dir.join("script.wasm")).unwrap();
    let grant = Runner {
        programs: words(&["bash", "cp"]),
        privileges: words(&["root", "loop-devices", "network"]),
        ..Runner::default()
    };
    config.runners.insert("script".into(), grant);
    config.build.sandbox = Sandbox::Off;
    config.build.slots = 1;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_slot_starts_a_waiting_job_and_a_switched_off_runner_stops_none() {
    let running = Running::with(with_script).await;
    // Whoever hands in a script may do anything on the box.
    let root = running.user("root", None).await;
    let root = running.session(&root, false).await;
    let app = running.appliance.app().clone();
    let go = app.data().root().with_file_name("go");
    let waits =
        format!("until [ -e {go:?} ]; do sleep 0.05; done\nhead -c 9 /dev/zero >\"$OUTPUT/a\"\n");
    // The queue itself has a slot more than the box.
    let queues = app.store().queues().unwrap();
    let mut web = queues.into_iter().find(|queue| queue.name.as_str() == "web").unwrap();
    web.slots = 2;
    app.store().write(move |tx| tx.put_queue(&web)).await.unwrap();
    for number in ["/jobs/1", "/jobs/2"] {
        let taken = submit(&running, &root, ("script", "noarch", "web"), &waits).await;
        assert_eq!(taken.location(), number, "{}", taken.body);
    }
    let state = |n| app.store().job(JobId::new(n).unwrap()).unwrap().unwrap().state.kind();
    let until = |n, wanted: StateKind| async move {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while state(n) != wanted {
            assert!(std::time::Instant::now() < deadline, "job {n} is {:?}", state(n));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until(1, StateKind::Building).await;
    assert_eq!(state(2), StateKind::Queued);
    set(&running, "setting.build.slots", Some("2")).await;
    until(2, StateKind::Building).await;
    set(&running, &runner_key("script"), Some(OFF)).await;
    std::fs::write(&go, "").unwrap();
    until(1, StateKind::Done).await;
    until(2, StateKind::Done).await;
    running.end().await;
}
