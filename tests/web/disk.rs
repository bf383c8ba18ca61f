//! What somebody sees whose job waits for the disk or for a quota.

use super::appliance::{Answer, Ask, Person, Running};
use img::{
    app::{NewJob, Peer},
    config::{Config, Size},
    server::now,
};

/// No volume has that much free.
const NEVER: u64 = 1 << 60;

fn nothing_starts(config: &mut Config) {
    config.disk.hold_below = Size::bytes(NEVER);
    config.disk.resume_above = Size::bytes(NEVER);
}

async fn submit_as_console(running: &Running) -> u64 {
    let app = running.appliance.app();
    let job = NewJob {
        runner: "hostile".into(),
        image_type: "raw".into(),
        arch: "x86_64".into(),
        queue: "web".into(),
        definition_name: "waits.word".into(),
        definition: b"well".to_vec(),
        ..NewJob::default()
    };
    app.submit(&app.console(), job, &Peer::default(), now()).await.unwrap().get()
}

async fn submit_form(running: &Running, path: &str, person: &Person) -> Answer {
    let fields = [
        ("source", "upload"),
        ("name", "waits"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", "web"),
        // The page takes the file, the API this text.
        ("definition", "well"),
        ("action", "submit"),
    ];
    let file = Some(("waits.word", b"well".as_slice()));
    running.ask(Ask::new("POST", path, person).multipart(&person.csrf(), &fields, file)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_the_disk_says_so_on_its_page_in_the_queue_and_in_the_api() {
    let running = Running::with_runner(nothing_starts).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let id = submit_as_console(&running).await;
    let console = Person { console: true, ..Person::default() };
    for (path, person) in [
        (format!("/jobs/{id}"), &person),
        ("/queue".to_owned(), &person),
        (format!("/api/v1/jobs/{id}"), &console),
    ] {
        let answer = running.get(&path, person).await;
        let said = answer.body.contains("the volume has")
            && answer.body.contains("jobs wait until 1073741824.0 GiB are free");
        assert!(said, "{path}: {}", answer.body);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_than_the_quota_is_refused_with_the_number_and_when_to_try_again() {
    let running = Running::with_runner(|config| {
        nothing_starts(config);
        config.quota.user_queued = 2;
    })
    .await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let token =
        running.token(&ann, &[img::domain::Verb::Submit, img::domain::Verb::ViewJobs]).await;
    for _ in 0..2 {
        let answer = submit_form(&running, "/submit", &person).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
    }
    let sentence = "ann may have 2 jobs waiting and has 2";
    let page = submit_form(&running, "/submit", &person).await;
    let api = submit_form(&running, "/api/v1/jobs", &token).await;
    for answer in [page, api] {
        assert_eq!(answer.status, 429, "{}", answer.body);
        assert!(answer.body.contains(sentence), "{}", answer.body);
        assert_eq!(answer.header("retry-after"), Some("60"), "{}", answer.head);
    }
    // Others are not concerned, and a place that is given up can be taken.
    submit_as_console(&running).await;
    let cancelled = running.ask(Ask::form("/jobs/1/cancel", &person, &[])).await;
    assert_eq!(cancelled.status, 303, "{}", cancelled.body);
    assert_eq!(submit_form(&running, "/submit", &person).await.status, 303);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_do_not_get_past_the_quota() {
    let running = Running::with_runner(|config| {
        nothing_starts(config);
        config.quota.user_queued = 3;
    })
    .await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let all = (0..12).map(|_| submit_form(&running, "/submit", &person));
    let all = futures_util::future::join_all(all).await;
    let of = |status| all.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(303), of(429)), (3, 9));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_count_until_they_are_gone() {
    let running = Running::with_runner(|config| {
        nothing_starts(config);
        config.quota.user_bytes = Size::bytes(1);
    })
    .await;
    let app = running.appliance.app();
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    assert_eq!(submit_form(&running, "/submit", &person).await.status, 303);
    let mut job = app.store().job(img::domain::JobId::FIRST).unwrap().unwrap();
    job.result.artifacts.push(img::domain::Artifact {
        name: "a.raw".into(),
        role: img::domain::Role::Image,
        label: String::new(),
        size: 5 << 20,
        sha256: String::new(),
    });
    app.board().add_bytes(&job);
    assert!(app.bytes_of(&ann) >= 5 << 20);
    let answer = submit_form(&running, "/submit", &person).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("900")));
    assert!(answer.body.contains("the images of ann take"), "{}", answer.body);
    app.board().remove_bytes(&job, app.bytes_of(&ann));
    assert_eq!(submit_form(&running, "/submit", &person).await.status, 303);
    running.end().await;
}
