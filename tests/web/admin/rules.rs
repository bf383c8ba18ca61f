//! What the store keeps of a queue or a user counts when somebody hands in a job.

use super::{
    super::{
        appliance::{Answer, Ask, Person, Running},
        live::{submit, with_script},
        retention::{done_job, start},
    },
    fill::{Form, saved, superuser},
};
use img::domain::{JobId, StateKind, Verb};
use std::time::{Duration, Instant};

async fn hand_in(running: &Running, who: &Person, queue: &str) -> Answer {
    let fields = [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", queue),
        ("action", "submit"),
    ];
    let file = Some(("core.word", "hello".as_bytes()));
    let form = Ask::new("POST", "/submit", who);
    running.ask(form.multipart(&who.csrf(), &fields, file)).await
}

async fn api_hand_in(running: &Running, program: &Person, queue: &str) -> Answer {
    let body = serde_json::json!({
        "name": "my-core", "runner": "hostile", "image_type": "raw", "arch": "x86_64",
        "queue": queue, "definition": "hello",
    });
    let mut ask = Ask::new("POST", "/api/v1/jobs", program).typed("application/json");
    ask.body = body.to_string().into_bytes();
    running.ask(ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_takes_jobs_of_its_groups_only() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let path = "/admin/queues/requests/change";
    let form = Form::open(&running, path, &ada).await;
    let form = form.with("submitters", &["Operators"]);
    assert_eq!(form.send(&running, &ada).await.status, 303);
    let ann = running.user("ann", Some("Submitters")).await;
    let program = running.token(&ann, &[Verb::Submit, Verb::ViewJobs]).await;
    let ann = running.session(&ann, false).await;
    let olga = running.user("olga", Some("Operators")).await;
    let olga = running.session(&olga, false).await;
    let page = running.get("/submit", &ann).await.body;
    assert!(!page.contains("<option value=\"requests\""), "it is not offered: {page}");
    assert!(running.get("/submit", &olga).await.body.contains("value=\"requests\""));
    let refused = hand_in(&running, &ann, "requests").await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("Operators"), "the way out: {}", refused.body);
    let refused = api_hand_in(&running, &program, "requests").await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(hand_in(&running, &olga, "requests").await.location(), "/jobs/1");
    let open = Form::open(&running, path, &ada).await.without("submitters");
    assert_eq!(open.send(&running, &ada).await.status, 303);
    assert_eq!(hand_in(&running, &ann, "requests").await.location(), "/jobs/2");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_builds_with_its_runners_only() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let path = "/admin/queues/requests/change";
    // A runner of this box that cannot build what is handed in.
    let offered = running.get(path, &ada).await.body;
    let other = ["mic", "lb", "kiwi", "mkosi", "elbe", "script"]
        .into_iter()
        .find(|id| offered.contains(&format!("name=\"runners\" value=\"{id}\"")));
    let Some(other) = other else { panic!("no second runner: {offered}") };
    let form = Form::open(&running, path, &ada).await.with("runners", &[other]);
    assert_eq!(form.send(&running, &ada).await.status, 303);
    let refused = hand_in(&running, &ada, "requests").await;
    assert_eq!(refused.status, 422, "so it is for everybody: {}", refused.body);
    assert!(refused.body.contains(other), "{}", refused.body);
    let form = Form::open(&running, path, &ada).await.with("runners", &[other, "hostile"]);
    assert_eq!(form.send(&running, &ada).await.status, 303);
    assert_eq!(hand_in(&running, &ada, "requests").await.location(), "/jobs/1");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_keeps_its_images_as_long_as_it_says() {
    let running = start().await;
    let ada = superuser(&running).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let id = done_job(&running, &ann, "core", 3).await;
    let program = running.token(&ann, &[Verb::ViewJobs]).await;
    let expires = || async {
        let job = running.get(&format!("/api/v1/jobs/{id}"), &program).await;
        let job: serde_json::Value = serde_json::from_str(&job.body).unwrap();
        job["expires"].as_str().map(str::to_owned)
    };
    let usual = expires().await.unwrap();
    let path = "/admin/queues/web/change";
    saved(&running, path, &ada, &[("images", "30d")]).await;
    let longer = expires().await.unwrap();
    assert!(longer > usual, "{longer} is after {usual}");
    saved(&running, path, &ada, &[("images", "forever")]).await;
    assert_eq!(expires().await, None);
    saved(&running, path, &ada, &[("images", "")]).await;
    assert_eq!(expires().await, Some(usual));
    let session = running.session(&ann, false).await;
    saved(&running, path, &ada, &[("images", "3d")]).await;
    let page = running.get("/submit", &session).await.body;
    assert!(page.contains("3 days"), "it is said before: {page}");
    running.end().await;
}

/// A box with a script that built an image of nine bytes for `who`.
async fn with_an_image(who: &str) -> (Running, Person) {
    let running = Running::with(with_script).await;
    let who = running.user(who, None).await;
    let who = running.session(&who, false).await;
    let makes = "head -c 9 /dev/zero >\"$OUTPUT/a\"\n";
    let taken = submit(&running, &who, ("script", "noarch", "web"), makes).await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    let app = running.appliance.app().clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    let state = || app.store().job(JobId::new(1).unwrap()).unwrap().unwrap().state.kind();
    while state() != StateKind::Done {
        assert!(Instant::now() < deadline, "it is {:?}", state());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (running, who)
}

/// Something else than what was built, so that it is no repetition.
const ANOTHER: &str = "echo another >\"$OUTPUT/a\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_takes_nothing_more() {
    let (running, ada) = with_an_image("ada").await;
    let path = "/admin/queues/web/change";
    saved(&running, path, &ada, &[("kept_bytes", "9B")]).await;
    let refused = submit(&running, &ada, ("script", "noarch", "web"), ANOTHER).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("the images of queue web take"), "{}", refused.body);
    let elsewhere = submit(&running, &ada, ("script", "noarch", "requests"), ANOTHER).await;
    assert_eq!(elsewhere.status, 303, "another queue is not full: {}", elsewhere.body);
    saved(&running, path, &ada, &[("kept_bytes", "0B")]).await;
    let taken = submit(&running, &ada, ("script", "noarch", "web"), ANOTHER).await;
    assert_eq!(taken.status, 303, "0B is no limit: {}", taken.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_keeps_as_many_bytes_as_their_own_quota_says() {
    let (running, ada) = with_an_image("ada").await;
    let eva = running.user("eva", None).await;
    let eva = running.session(&eva, false).await;
    saved(&running, "/admin/users/ada/change", &eva, &[("bytes", "9B")]).await;
    let recorded = ("script", "noarch", "requests");
    let refused = submit(&running, &ada, recorded, ANOTHER).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("the images of ada take"), "{}", refused.body);
    let others = submit(&running, &eva, recorded, ANOTHER).await;
    assert_eq!(others.status, 303, "others are not touched: {}", others.body);
    saved(&running, "/admin/users/ada/change", &eva, &[("bytes", "1GiB")]).await;
    let taken = submit(&running, &ada, recorded, ANOTHER).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    running.end().await;
}
