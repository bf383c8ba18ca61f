//! Handing the request of an ended job in again.

use super::appliance::{Answer, Ask, Person, Running};
use img::domain::{JobId, StateKind, Verb};
use serde_json::Value;

/// An appliance on which nothing starts by itself, with a job of ann's that was cancelled.
async fn with_ended_job() -> (Running, Person, JobId) {
    let running = Running::with_runner(|_| {}).await;
    let store = running.appliance.app().store().clone();
    for mut queue in store.queues().unwrap() {
        queue.launch = false;
        store.write(move |tx| tx.put_queue(&queue)).await.unwrap();
    }
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let fields = [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", "web"),
        ("option.size", "7"),
        ("packages", "vim"),
        ("action", "submit"),
    ];
    let file = Some(("core.word", "hello world\n".as_bytes()));
    let form = Ask::new("POST", "/submit", &person).multipart(&person.csrf(), &fields, file);
    let answer = running.ask(form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let id: JobId = answer.location().trim_start_matches("/jobs/").parse().unwrap();
    let early = retry(&running, id, &person).await;
    assert_eq!(early.status, 409, "{}", early.body);
    assert!(early.body.contains("cancel it first"), "{}", early.body);
    let cancelled = running.ask(Ask::form(&format!("/jobs/{id}/cancel"), &person, &[])).await;
    assert_eq!(cancelled.status, 303);
    (running, person, id)
}

async fn retry(running: &Running, id: JobId, person: &Person) -> Answer {
    running.ask(Ask::form(&format!("/jobs/{id}/retry"), person, &[])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_a_new_job_of_whoever_asks_and_names_the_old_one() {
    let (running, person, id) = with_ended_job().await;
    let page = running.get(&format!("/jobs/{id}"), &person).await;
    assert!(page.body.contains(&format!("action=\"/jobs/{id}/retry\"")), "{}", page.body);
    let vera = running.user("vera", Some("Viewers")).await;
    let page = running.get(&format!("/jobs/{id}"), &running.session(&vera, false).await).await;
    assert!(!page.body.contains("/retry\""), "{}", page.body);

    let bo = running.user("bo", Some("Submitters")).await;
    let answer = retry(&running, id, &running.session(&bo, false).await).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let new: JobId = answer.location().trim_start_matches("/jobs/").parse().unwrap();
    assert_eq!(answer.cookie("img_flash"), Some(format!("submitted.{new}").as_str()));
    let app = running.appliance.app();
    let (old, job) =
        (app.store().job(id).unwrap().unwrap(), app.store().job(new).unwrap().unwrap());
    assert_eq!((job.owner, job.retry_of, job.state.kind()), (bo, Some(id), StateKind::Queued));
    assert_eq!((&job.request, job.queue), (&old.request, old.queue));
    assert_eq!(job.request.packages, ["vim"]);
    let definition = app.data().read_definition(new, 99).unwrap();
    assert_eq!(definition, b"hello world\n");
    let line = app.store().audit(1).unwrap().remove(0);
    assert_eq!((line.action.as_str(), line.actor.as_str()), ("job.retry", "bo"));
    assert!(line.detail.contains(&format!("repeats job {id}")), "{}", line.detail);
    let page = running.get(&format!("/jobs/{new}"), &person).await;
    assert!(page.body.contains(&format!("<a href=\"/jobs/{id}\">job {id}</a>")), "{}", page.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_a_retry_as_it_answers_a_submission() {
    let (running, _, id) = with_ended_job().await;
    let ann = img::domain::UserName::new("ann").unwrap();
    let token = running.token(&ann, &[Verb::ViewJobs, Verb::Submit]).await;
    let mut ask = Ask::new("POST", &format!("/api/v1/jobs/{id}/retry"), &token);
    ask.body = b"{}".to_vec();
    let answer = running.ask(ask.typed("application/json")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let job: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((job["retry_of"].as_u64(), job["state"].as_str()), (Some(id.get()), Some("queued")));
    assert_eq!(answer.location(), format!("/api/v1/jobs/{}", job["id"]));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_repeated_is_refused_with_the_reason() {
    let (running, person, id) = with_ended_job().await;
    let store = running.appliance.app().store().clone();
    let job = store.job(id).unwrap().unwrap();
    let mut secret = job.clone();
    secret.request.secret_options = vec!["token".into()];
    store.write(move |tx| tx.put_job(&secret)).await.unwrap();
    let answer = retry(&running, id, &person).await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("token") && answer.body.contains("submit it again"));

    store.write(move |tx| tx.put_job(&job)).await.unwrap();
    let deleted = running.ask(Ask::form(&format!("/jobs/{id}/delete"), &person, &[])).await;
    assert_eq!(deleted.status, 303, "{}", deleted.body);
    let answer = retry(&running, id, &person).await;
    assert_eq!(answer.status, 410, "{}", answer.body);
    assert!(answer.body.contains("definition"), "{}", answer.body);
    let page = running.get(&format!("/jobs/{id}"), &person).await;
    assert!(!page.body.contains("/retry\""), "{}", page.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_retried_until_the_queue_is_full_and_the_rest_is_told() {
    let (running, _, id) = with_ended_job().await;
    let app = running.appliance.app().clone();
    let olga = running.user("olga", None).await;
    let actor = img::domain::Actor {
        user: olga,
        verbs: img::domain::Verbs::all(),
        staff: true,
        superuser: true,
    };
    let old = app.store().job(id).unwrap().unwrap();
    let mut ids = vec![id];
    for _ in 0..9 {
        let copy = img::domain::Job { id: app.store().next_job_id().unwrap(), ..old.clone() };
        app.data().create_job(copy.id, b"hello world\n", b"{}").unwrap();
        ids.push(copy.id);
        app.store().write(move |tx| tx.put_job(&copy)).await.unwrap();
    }
    let mut web = app.store().queues().unwrap().into_iter().find(|q| q.name == old.queue).unwrap();
    web.cap = 4;
    app.store().write(move |tx| tx.put_queue(&web)).await.unwrap();
    let (peer, now) = (img::app::Peer::default(), img::server::now());
    let retried = app.bulk(&actor, &img::app::BulkAction::Retry, ids, &peer, now).await.unwrap();
    assert_eq!((retried.done, retried.skipped.len()), (4, 6), "{retried:?}");
    assert!(retried.skipped.iter().all(|(_, why)| why.contains("full")), "{retried:?}");
    running.end().await;
}
