//! What somebody does about disk and retention, on pages and over the API.

use super::appliance::{Answer, Ask, Person, Running};
use img::{
    app::Peer,
    domain::{
        Arch, Artifact, ImageTypeId, Job, JobId, JobName, JobState, QueueName, Role, RunnerId,
        Timestamp, UserName, Verb, job,
    },
    server::now,
};
use serde_json::Value;
use std::time::{Duration, Instant};

const DAY: i64 = 86_400_000;
/// Longest a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is due by itself, and nothing goes because the machine's disk is well filled.
pub async fn start() -> Running {
    Running::with_runner(|config| {
        config.schedule.cleanup = String::new();
        config.schedule.orphans = String::new();
        config.retention.budget = 100;
    })
    .await
}

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_millis(now().as_millis() - days * DAY)
}

/// A day as the forms have it.
fn day(days_from_now: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(now().as_millis() + days_from_now * DAY).unwrap();
    at.strftime("%Y-%m-%d").to_string()
}

/// A job of `owner` that ended well so many days ago, with an image on disk.
pub async fn done_job(running: &Running, owner: &UserName, name: &str, days: i64) -> JobId {
    let app = running.appliance.app();
    let id = app.store().next_job_id().unwrap();
    app.data().create_job(id, b"hello", b"{}").unwrap();
    let image = b"the image of it";
    app.data().artifacts(id).unwrap().write_new("a.img", image, 0o640).unwrap();
    let mut log = app.data().append_log(id).unwrap();
    log.append(b"a line of the log\n", 0).unwrap();
    let artifact = Artifact {
        name: "a.img".into(),
        role: Role::Image,
        label: String::new(),
        size: image.len() as u64,
        sha256: "ab".into(),
    };
    let job = Job {
        id,
        name: JobName::new(name).unwrap(),
        owner: owner.clone(),
        queue: QueueName::new("web").unwrap(),
        runner: RunnerId::new("hostile").unwrap(),
        runner_version: "1".into(),
        runner_sha256: String::new(),
        image_type: ImageTypeId::new("raw").unwrap(),
        arch: Arch::new("x86_64").unwrap(),
        priority: 0,
        launched: false,
        submitted: days_ago(days),
        retry_of: None,
        request: job::Request { definition_size: 5, ..job::Request::default() },
        state: JobState::Done { started: days_ago(days), ended: days_ago(days) },
        result: job::BuildResult {
            artifacts: vec![artifact],
            log_size: 18,
            log_lines: 1,
            ..job::BuildResult::default()
        },
    };
    let record = job.clone();
    app.store().write(move |tx| tx.put_job(&record)).await.unwrap();
    app.note_ended(&job);
    id
}

struct People {
    ann: UserName,
    /// The owner of the jobs.
    own: Person,
    /// Another submitter.
    other: Person,
    operator: Person,
    viewer: Person,
}

async fn people(running: &Running) -> People {
    let ann = running.user("ann", Some("Submitters")).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let olga = running.staff("olga", Some("Operators")).await;
    let vera = running.user("vera", Some("Viewers")).await;
    People {
        own: running.session(&ann, false).await,
        other: running.session(&bo, false).await,
        operator: running.session(&olga, false).await,
        viewer: running.session(&vera, false).await,
        ann,
    }
}

async fn post(running: &Running, path: &str, who: &Person, fields: &[(&str, &str)]) -> Answer {
    running.ask(Ask::form(path, who, fields)).await
}

async fn json(running: &Running, path: &str, who: &Person) -> Value {
    let answer = running.get(path, who).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Asks again and again until `good`.
async fn until(running: &Running, path: &str, who: &Person, good: impl Fn(&str) -> bool) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = running.get(path, who).await;
        if good(&answer.body) {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain at {path}: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_for_operators_and_keeps_everybody_from_deleting() {
    let running = start().await;
    let p = people(&running).await;
    let id = done_job(&running, &p.ann, "core", 3).await;
    let job = format!("/jobs/{id}");
    for who in [&p.own, &p.viewer] {
        assert_eq!(post(&running, &format!("{job}/pin"), who, &[]).await.status, 403);
    }
    let next = [("next", "/admin/disk")];
    let answer = post(&running, &format!("{job}/pin"), &p.operator, &next).await;
    assert_eq!((answer.status, answer.location()), (303, "/admin/disk"));
    assert_eq!(answer.cookie("img_flash"), Some(format!("pinned.{id}").as_str()));
    let page = running.get(&job, &p.own).await.body;
    assert!(page.contains("pinned by olga") && !page.contains("/delete\""), "{page}");

    for ask in [
        running.get(&format!("{job}/delete"), &p.own).await,
        post(&running, &format!("{job}/delete"), &p.own, &[]).await,
        post(&running, &format!("{job}/delete"), &p.operator, &[]).await,
    ] {
        assert_eq!(ask.status, 409, "{}", ask.body);
        assert!(ask.body.contains("pinned"), "{}", ask.body);
    }
    assert_eq!(running.get(&format!("{job}/image"), &p.own).await.body, "the image of it");

    let away = [("next", "https://evil.example/")];
    let answer = post(&running, &format!("{job}/unpin"), &p.operator, &away).await;
    assert_eq!((answer.status, answer.location()), (303, job.as_str()));
    assert!(!running.get(&job, &p.own).await.body.contains("pinned by"));
    assert_eq!(post(&running, "/jobs/4711/pin", &p.operator, &[]).await.status, 404);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_longer_until_a_day_that_can_be_chosen() {
    let running = start().await;
    let p = people(&running).await;
    let id = done_job(&running, &p.ann, "core", 3).await;
    let (job, keep) = (format!("/jobs/{id}"), format!("/jobs/{id}/keep"));
    let page = running.get(&job, &p.own).await.body;
    assert!(page.contains("images until"), "{page}");
    for who in [&p.other, &p.viewer] {
        assert_eq!(running.get(&keep, who).await.status, 403);
        assert_eq!(post(&running, &keep, who, &[("until", &day(20))]).await.status, 403);
        assert!(!running.get(&job, who).await.body.contains(&keep));
    }
    let form = running.get(&format!("{keep}?next=/admin/disk"), &p.own).await;
    assert_eq!(form.status, 200);
    // 14 days after its end, and a week.
    assert!(form.body.contains(&day(18)) && form.body.contains(&day(90)), "{}", form.body);

    for bad in [day(-1), day(0), day(200), "soon".into(), String::new(), "2027-02-30".into()] {
        let fields = [("until", "date"), ("date", &bad), ("next", "/admin/disk")];
        let answer = post(&running, &keep, &p.own, &fields).await;
        assert_eq!(answer.status, 422, "{bad}: {}", answer.body);
        assert!(answer.body.contains("id=\"f-until-bad\""), "{bad}: {}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{bad}\"")), "{bad} is still there");
    }
    let fields = [("until", &*day(90)), ("next", "/admin/disk")];
    let answer = post(&running, &keep, &p.own, &fields).await;
    assert_eq!((answer.status, answer.location()), (303, "/admin/disk"), "{}", answer.body);
    let token = running.token(&p.ann, &[Verb::ViewJobs]).await;
    let said = json(&running, &format!("/api/v1{job}"), &token).await;
    assert!(said["expires"].as_str().unwrap().starts_with(&day(90)), "{said}");
    assert_eq!(post(&running, &keep, &p.operator, &[("until", &day(30))]).await.status, 303);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_said_and_never_linked() {
    let running = start().await;
    let p = people(&running).await;
    let id = done_job(&running, &p.ann, "core", 3).await;
    let (job, delete) = (format!("/jobs/{id}"), format!("/jobs/{id}/delete"));
    for who in [&p.other, &p.viewer] {
        assert_eq!(running.get(&delete, who).await.status, 403);
        assert_eq!(post(&running, &delete, who, &[]).await.status, 403);
    }
    let page = running.get(&delete, &p.own).await.body;
    assert!(page.contains("a.img") && page.contains("15 B"), "{page}");
    let answer = post(&running, &delete, &p.own, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, job.as_str()), "{}", answer.body);
    assert_eq!(answer.cookie("img_flash"), Some(format!("deleted.{id}").as_str()));

    for path in [&*job, "/queue", "/", &format!("{job}/files")] {
        let page = running.get(path, &p.own).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains("deleted"), "{path}: {}", page.body);
        for gone in ["image", "log", "definition", "files/a.img", "definition.txt", "log.txt"] {
            let link = format!("href=\"{job}/{gone}\"");
            assert!(!page.body.contains(&link), "{path} links to {gone}");
        }
    }
    let page = running.get(&job, &p.own).await.body;
    assert!(page.contains(" asked for it."), "{page}");
    for gone in ["image", "log", "log.txt", "definition", "files/a.img", "keep", "delete"] {
        let answer = running.get(&format!("{job}/{gone}"), &p.own).await;
        assert_eq!(answer.status, 410, "{gone}: {}", answer.body);
    }
    assert_eq!(post(&running, &delete, &p.own, &[]).await.status, 410);
    assert_eq!(post(&running, &format!("{job}/pin"), &p.operator, &[]).await.status, 410);
    let token = running.token(&p.ann, &[Verb::ViewJobs]).await;
    let said = json(&running, &format!("/api/v1{job}"), &token).await;
    assert_eq!(said["artifacts"], serde_json::json!([]));
    let why = said["files_deleted"]["why"].as_str().unwrap();
    assert!(why.ends_with(" asked for it"), "{why}");
    assert_eq!(said["expires"], Value::Null);
    let files = json(&running, &format!("/api/v1{job}/files"), &token).await;
    assert_eq!(files["files"], serde_json::json!([]));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_can_be_pinned_but_neither_kept_nor_deleted() {
    let running = start().await;
    let p = people(&running).await;
    let fields = [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", "requests"),
        ("option.size", "7"),
        ("action", "submit"),
    ];
    let file = Some(("core.word", "hello".as_bytes()));
    let form = Ask::new("POST", "/submit", &p.own).multipart(&p.own.csrf(), &fields, file);
    let answer = running.ask(form).await;
    assert_eq!(answer.location(), "/jobs/1", "{}", answer.body);
    for path in ["/jobs/1/delete", "/jobs/1/keep"] {
        let answer = running.get(path, &p.own).await;
        assert_eq!(answer.status, 409, "{}", answer.body);
        let answer = post(&running, path, &p.own, &[("until", &day(9))]).await;
        assert_eq!(answer.status, 409, "{}", answer.body);
    }
    assert!(answer_says(&running, "/jobs/1/delete", &p.own, "cancel it first").await);
    assert_eq!(post(&running, "/jobs/1/pin", &p.operator, &[]).await.status, 303);
    assert_eq!(post(&running, "/jobs/1/cancel", &p.own, &[]).await.status, 303);
    let answer = until(&running, "/jobs/1", &p.own, |page| page.contains("CANCELLED")).await;
    assert!(answer.body.contains("pinned by olga"), "{}", answer.body);
    let preview = running.appliance.app().cleanup_preview(
        &running.appliance.app().console(),
        9,
        now().plus(Duration::from_secs(400 * 86_400)),
    );
    let preview = preview.unwrap();
    assert_eq!((preview.items, preview.saved_items), (0, 1), "the pin outlives the wait");
    running.end().await;
}

async fn answer_says(running: &Running, path: &str, who: &Person, what: &str) -> bool {
    running.get(path, who).await.body.contains(what)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_what_a_run_does_and_the_run_leaves_a_receipt() {
    let running = start().await;
    let p = people(&running).await;
    let old = done_job(&running, &p.ann, "core", 20).await;
    let newer = done_job(&running, &p.ann, "core", 16).await;
    let pinned = done_job(&running, &p.ann, "core", 15).await;
    let newest = done_job(&running, &p.ann, "core", 3).await;
    let pin = format!("/jobs/{pinned}/pin");
    assert_eq!(post(&running, &pin, &p.operator, &[]).await.status, 303);

    assert_eq!(running.get("/admin/disk", &p.own).await.status, 403);
    assert_eq!(post(&running, "/admin/disk/run", &p.viewer, &[]).await.status, 403);
    let disk = running.get("/admin/disk", &p.operator).await.body;
    for said in ["Used by others", "Goes next", "next cleanup", "switched off", "No cleanup had"] {
        assert!(disk.contains(said), "{said}: {disk}");
    }
    let soon = disk.matches(">next cleanup<").count();
    assert_eq!(soon, 2, "what the preview names: {disk}");
    let preview = running.get("/admin/disk/preview", &p.operator).await.body;
    assert!(preview.contains("2 things would be deleted, "), "{preview}");
    for said in ["older than 14 days", "it is pinned"] {
        assert!(preview.contains(said), "{said}: {preview}");
    }

    let answer = post(&running, "/admin/disk/run", &p.operator, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/admin/disk"));
    assert_eq!(answer.cookie("img_flash"), Some("started.cleanup"));
    let ended = |page: &str| page.contains("Everything went well.");
    let receipt = until(&running, "/admin/disk/runs/1", &p.operator, ended).await.body;
    assert!(receipt.contains("olga") && receipt.contains("2 things"), "{receipt}");
    assert!(running.get("/admin/disk", &p.operator).await.body.contains("/admin/disk/runs/1"));
    for (id, there) in [(old, false), (newer, false), (pinned, true), (newest, true)] {
        let answer = running.get(&format!("/jobs/{id}/image"), &p.own).await;
        assert_eq!(answer.status, if there { 200 } else { 410 }, "{id}");
    }
    let page = running.get(&format!("/jobs/{old}"), &p.operator).await.body;
    assert!(page.contains("because they are older than 14 days"), "{page}");
    assert!(page.contains("href=\"/admin/disk/runs/1\""), "{page}");
    let page = running.get(&format!("/jobs/{old}"), &p.own).await.body;
    assert!(!page.contains("/admin/disk"), "she may not see receipts");

    for bad in ["99", "x", "0", "-1", "18446744073709551616"] {
        let answer = running.get(&format!("/admin/disk/runs/{bad}"), &p.operator).await;
        assert_eq!(answer.status, 404, "{bad}");
        assert!(answer.body.contains("cleanup run"), "{bad}: {}", answer.body);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_clean_pin_keep_and_delete_as_far_as_their_scope_goes() {
    let running = start().await;
    let p = people(&running).await;
    let id = done_job(&running, &p.ann, "core", 20).await;
    done_job(&running, &p.ann, "core", 1).await;
    let admin = running.user("ada", None).await;
    let looking = running.token(&admin, &[Verb::ViewJobs, Verb::ViewHealth]).await;
    let all = running.token(&admin, Verb::ALL).await;
    let send = |who: &Person, path: String, body: &str| {
        let mut ask = Ask::new("POST", &path, who).typed("application/json");
        ask.body = body.as_bytes().to_vec();
        running.ask(ask)
    };
    let of = |what: &str| format!("/api/v1/jobs/{id}/{what}");
    for what in ["pin", "unpin", "keep", "delete"] {
        assert_eq!(send(&looking, of(what), "{\"days\":3}").await.status, 403, "{what}");
    }
    assert_eq!(send(&looking, "/api/v1/cleanup".into(), "{}").await.status, 403);
    let preview = json(&running, "/api/v1/cleanup/preview", &looking).await;
    assert_eq!(preview["items"], 1, "{preview}");
    assert_eq!(preview["goes"][0]["job"], id.get());

    let answer = send(&all, of("pin"), "{}").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&said["pinned"]["by"], &said["expires"]), (&"ada".into(), &Value::Null));
    assert_eq!(send(&all, of("delete"), "{}").await.status, 409);
    assert_eq!(send(&all, of("unpin"), "{}").await.status, 200);
    for bad in [
        "{}",
        "{\"days\":0}",
        "{\"days\":4000000000}",
        "{\"until\":\"soon\"}",
        "{\"days\":3,\"until\":\"2030-01-01\"}",
    ] {
        let answer = send(&all, of("keep"), bad).await;
        assert_eq!(answer.status, 422, "{bad}: {}", answer.body);
        assert!(answer.body.contains("\"field\":\"until\""), "{bad}: {}", answer.body);
    }
    assert_eq!(send(&all, of("keep"), "{\"day\":3}").await.status, 400);
    assert_eq!(send(&all, of("keep"), "{\"days\":3}").await.status, 200);
    let preview = json(&running, "/api/v1/cleanup/preview", &looking).await;
    assert_eq!((&preview["items"], &preview["stays_items"]), (&0.into(), &1.into()), "{preview}");

    let answer = send(&all, "/api/v1/cleanup".into(), "{}").await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let ended = |body: &str| body.contains("\"run\":1") && !body.contains("\"ended\":null");
    until(&running, "/api/v1/cleanup/runs?after=0", &looking, ended).await;
    let receipt = json(&running, "/api/v1/cleanup/runs/1", &looking).await;
    assert_eq!((&receipt["trigger"], &receipt["saved"]), (&"ada".into(), &1.into()), "{receipt}");
    let none = json(&running, "/api/v1/cleanup/runs?after=1", &looking).await;
    assert_eq!(none["runs"], serde_json::json!([]));
    assert_eq!(running.get("/api/v1/cleanup/runs?after=x", &looking).await.status, 400);
    assert_eq!(running.get("/api/v1/cleanup/runs/7", &looking).await.status, 404);
    let answer = send(&all, of("delete"), "{}").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(send(&all, of("delete"), "{}").await.status, 410);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timetable_is_tried_changed_switched_off_and_taken_back() {
    let running = start().await;
    let p = people(&running).await;
    let path = "/admin/schedules/backup";
    assert_eq!(running.get(path, &p.own).await.status, 403);
    let fields = [("text", "0 0 1 * * *"), ("action", "save")];
    assert_eq!(post(&running, path, &p.own, &fields).await.status, 403);
    let page = running.get("/admin/schedules", &p.operator).await.body;
    assert!(page.contains("0 0 2 * * *") && page.contains("Run now"), "{page}");

    for bad in ["hourly", "* * * * *", "0 0 0 31 2 *", "<b>", ""] {
        for action in ["save", "check"] {
            let fields = [("text", bad), ("action", action)];
            let answer = post(&running, path, &p.operator, &fields).await;
            assert_eq!(answer.status, 422, "{bad}: {}", answer.body);
            assert!(answer.body.contains("id=\"f-text-bad\""), "{bad}: {}", answer.body);
            let shown = bad.replace('<', "&lt;").replace('>', "&gt;");
            assert!(answer.body.contains(&format!("value=\"{shown}\"")), "{bad} is still there");
        }
    }
    let fields = [("text", "0 0 1 * * *"), ("action", "check")];
    let answer = post(&running, path, &p.operator, &fields).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("The next times:"), "{}", answer.body);
    let change = |action: &'static str| {
        let fields = [("text", "0 0 1 * * *"), ("action", action)];
        let ask = Ask::form(path, &p.operator, &fields);
        let running = &running;
        async move {
            let answer = running.ask(ask).await;
            assert_eq!((answer.status, answer.location()), (303, "/admin/schedules"));
            running.appliance.app().timetable()[&img::app::Chore::Backup].clone()
        }
    };
    assert_eq!(change("save").await, "0 0 1 * * *");
    let page = running.get("/admin/schedules", &p.operator).await.body;
    assert!(page.contains("config.toml says"), "{page}");
    assert_eq!(change("off").await, "");
    assert!(running.get("/admin/schedules", &p.operator).await.body.contains("switched off"));
    assert_eq!(change("original").await, "0 0 2 * * *");

    let answer = post(&running, &format!("{path}/run"), &p.operator, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/admin/schedules"));
    let ran = |page: &str| page.contains(".backup, ");
    until(&running, "/admin/schedules", &p.operator, ran).await;
    for path in ["/admin/schedules/nothing", "/admin/schedules/Backup"] {
        let answer = running.get(path, &p.operator).await;
        assert_eq!(answer.status, 404);
        assert!(answer.body.contains("here is no chore"), "{}", answer.body);
        assert_eq!(post(&running, path, &p.operator, &[]).await.status, 404);
        assert_eq!(post(&running, &format!("{path}/run"), &p.operator, &[]).await.status, 404);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_record_knows_is_found_shown_and_deleted_when_asked() {
    let running = start().await;
    let p = people(&running).await;
    let kept = done_job(&running, &p.ann, "core", 3).await;
    let app = running.appliance.app();
    let lost = JobId::new(4711).unwrap();
    app.data().create_job(lost, b"lost", b"{}").unwrap();
    let path = app.data().root().join("jobs").join(lost.dir_name());
    let before = std::time::UNIX_EPOCH + Duration::from_secs(86_400);
    std::fs::File::open(&path).unwrap().set_modified(before).unwrap();

    let delete = "/admin/disk/orphans/delete";
    assert_eq!(post(&running, delete, &p.own, &[]).await.status, 403);
    assert_eq!(running.get(delete, &p.operator).await.location(), "/admin/disk#orphans");
    let answer = post(&running, "/admin/disk/orphans/compare", &p.operator, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/admin/disk"));
    let found = |page: &str| page.contains("1 directory without a record");
    let page = until(&running, "/admin/disk", &p.operator, found).await.body;
    assert!(page.contains("jobs/00004711"), "{page}");
    assert!(path.is_dir(), "looking deletes nothing");
    let page = running.get(delete, &p.operator).await.body;
    assert!(page.contains("jobs/00004711"), "{page}");
    let answer = post(&running, delete, &p.operator, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/admin/disk"), "{}", answer.body);
    assert!(!path.exists());
    assert_eq!(running.get(&format!("/jobs/{kept}/image"), &p.own).await.status, 200);
    let page = running.get("/admin/disk", &p.operator).await.body;
    assert!(page.contains("everything fits"), "{page}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_lifetimes_are_told_where_they_matter() {
    let running = start().await;
    let p = people(&running).await;
    let page = running.get("/submit", &p.own).await.body;
    assert!(page.contains("Images are kept 14 days, until"), "{page}");
    let id = done_job(&running, &p.ann, "core", 3).await;
    let app = running.appliance.app().clone();
    let verified =
        tokio::task::spawn_blocking(move || app.verify(&now, &mut || true)).await.unwrap();
    assert_eq!(verified.unwrap().damaged, 1, "its checksum is made up");
    let page = running.get(&format!("/jobs/{id}"), &p.own).await.body;
    assert!(page.contains("no longer what was built"), "{page}");
    assert!(page.contains("a.img has changed"), "{page}");
    let token = running.token(&p.ann, &[Verb::ViewJobs]).await;
    let said = json(&running, &format!("/api/v1/jobs/{id}"), &token).await;
    assert!(said["damage"][0].as_str().unwrap().contains("a.img has changed"), "{said}");
    let app = running.appliance.app();
    app.pin(&app.console(), id, true, &Peer::default(), now()).await.unwrap();
    let said = json(&running, &format!("/api/v1/jobs/{id}"), &token).await;
    assert_eq!(said["pinned"]["by"], "console");
    running.end().await;
}
