//! Queues: made, changed, paused, deleted.

use super::{
    super::{
        appliance::{Answer, Ask, Person, Running},
        live::{submit, with_script},
        logs::until,
    },
    fill::{Form, act, change, follow, saved, staff_with, superuser, told},
};
use img::{
    app::{AppError, NewJob, Peer},
    domain::{GroupName, JobId, Queue, QueueName, StateKind, Verb},
    server::now,
};
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

fn queue(running: &Running, name: &str) -> Option<Queue> {
    let name = QueueName::new(name).unwrap();
    let queues = running.appliance.app().store().queues().unwrap();
    queues.into_iter().find(|q| q.name == name)
}

const EVERY_FIELD: [(&str, &str); 25] = [
    ("name", "nightly"),
    ("description", "What <b>nobody</b> waits for"),
    ("slots", "3"),
    ("priority", "-7"),
    ("cap", "41"),
    ("paused", "for \"tests\" & more"),
    ("launch", ""),
    ("requeue", ""),
    ("submitters", "Operators"),
    ("runners", "hostile"),
    ("total_timeout", "3h"),
    ("silence_timeout", "7min"),
    ("images", "9d"),
    ("leftovers", "2d"),
    ("logs", "30d"),
    ("records", "forever"),
    ("kept_bytes", "5GiB"),
    ("sandbox", "rootless"),
    ("memory", "3GiB"),
    ("scratch", "0B"),
    ("tasks", "900"),
    ("cpu_weight", "50"),
    ("io_weight", "10000"),
    ("cpu_max", "150"),
    ("io_max", "50MiB"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_new_queue_is_saved_and_shown_again() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let form = Form::open(&running, "/admin/queues/add", &ada).await;
    assert_eq!((form.get("launch"), form.get("name")), ("on", ""), "as a usual queue is");
    let form = form.fill(&EVERY_FIELD).without("launch").without("requeue");
    let answer = form.send(&running, &ada).await;
    assert_eq!(answer.location(), "/admin/queues", "{}", answer.body);
    let list = follow(&running, &ada, &answer).await;
    assert!(list.body.contains("The queue nightly was added."), "{}", list.body);
    assert!(list.body.contains("What &lt;b&gt;nobody&lt;/b&gt; waits for"));

    let path = "/admin/queues/nightly/change";
    let form = Form::open(&running, path, &ada).await;
    for (name, value) in EVERY_FIELD.iter().filter(|(name, _)| *name != "name") {
        assert_eq!(form.get(name), *value, "{name}");
    }
    let line = told(&running, "queue.add");
    assert_eq!((line.actor.as_str(), line.object.as_str()), ("ada", "queue nightly"));
    assert!(line.detail.contains("slots: 3; priority: -7"), "{}", line.detail);

    let switched = form.set("launch", "on").set("requeue", "on").without("submitters");
    let emptied =
        switched.fill(&[("paused", ""), ("images", ""), ("kept_bytes", ""), ("slots", "0")]);
    assert_eq!(emptied.send(&running, &ada).await.status, 303);
    let now = queue(&running, "nightly").unwrap();
    assert!(now.launch && now.requeue && now.submitters.is_empty());
    assert_eq!((now.paused, now.slots, now.kept_bytes), (None, 0, None));
    assert_eq!(now.retention.images, None);
    let line = told(&running, "queue.change");
    for part in ["slots: 3 → 0", "launch: no → yes", "submitters: −Operators", "images: 9d → –"]
    {
        assert!(line.detail.contains(part), "{part}: {}", line.detail);
    }
    assert!(!line.detail.contains("cap"), "only what differs: {}", line.detail);
    assert!(line.peer.contains("127.0.0.1") && !line.request.is_empty(), "{line:?}");
    let after = running.appliance.app().store().verify_audit().unwrap();
    assert_eq!(after.broken, [""; 0]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named_at_its_field_and_nothing_is_saved() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let long = "x".repeat(201);
    let control = "a\u{7}b";
    for (field, value) in [
        ("name", "web"),
        ("name", ""),
        ("name", "Nightly"),
        ("name", "../x"),
        ("name", "a\0b"),
        ("name", &"a".repeat(33)),
        ("description", &long),
        ("description", control),
        ("slots", "1001"),
        ("slots", "-1"),
        ("slots", "many"),
        ("slots", ""),
        ("slots", "99999999999999999999999"),
        ("priority", "-1001"),
        ("cap", "1.5"),
        ("paused", &long),
        ("submitters", "Nobody"),
        ("runners", "../hostile"),
        ("total_timeout", "soon"),
        ("total_timeout", "0s"),
        ("silence_timeout", "-5min"),
        ("silence_timeout", "99999999999999999999d"),
        ("images", "1s"),
        ("images", "ever"),
        ("records", "-1d"),
        ("kept_bytes", "much"),
        ("kept_bytes", "-1GiB"),
        ("kept_bytes", "99999999999TiB"),
        ("sandbox", "off"),
        ("sandbox", "vm"),
        ("memory", "1KiB"),
        ("scratch", "1B"),
        ("tasks", "-1"),
        ("cpu_weight", "0"),
        ("io_weight", "10001"),
        ("cpu_max", "1000001"),
        ("io_max", "1KiB"),
    ] {
        let form = Form::open(&running, "/admin/queues/add", &ada).await;
        let good = form.fill(&[("name", "nightly"), ("description", "kept as typed")]);
        let answer = good.set(field, value).send(&running, &ada).await;
        assert_eq!(answer.status, 422, "{field}={value:?}: {}", answer.body);
        let bad = format!("id=\"f-{field}-bad\"");
        assert!(answer.body.contains(&bad), "{field}={value:?}: {}", answer.body);
        if field != "description" {
            assert!(answer.body.contains("kept as typed"), "{field}={value:?}");
        }
        assert_eq!(queue(&running, "nightly"), None, "{field}={value:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buttons_of_a_form_lead_where_they_say() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    for (save, wanted) in [
        ("list", "/admin/queues"),
        ("add", "/admin/queues/add"),
        ("stay", "/admin/queues/q-stay/change"),
    ] {
        let fields = [("name", &*format!("q-{save}")), ("save", save)];
        let answer = change(&running, "/admin/queues/add", &ada, &fields).await;
        assert_eq!((answer.status, answer.location()), (303, wanted), "{}", answer.body);
        let page = follow(&running, &ada, &answer).await;
        assert!(page.body.contains(&format!("The queue q-{save} was added.")), "{}", page.body);
    }
    let twice = change(&running, "/admin/queues/add", &ada, &[("name", "q-list")]).await;
    assert_eq!(twice.status, 422, "a second one of the same name");
    assert!(twice.body.contains("there is a queue"), "{}", twice.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_has_a_reason_and_goes_on_by_who_may_pause() {
    let running = Running::start().await;
    let verbs = [Verb::ViewQueues, Verb::PauseQueues];
    let (_, pia) = staff_with(&running, "pia", &verbs).await;
    let asks = act(&running, "queues", &pia, "pause", &["web", "api"]).await;
    assert_eq!(asks.status, 200, "{}", asks.body);
    let form = Form::of(&asks.body, "/admin/queues/action");
    for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
        let refused = form.clone().set("argument", bad).send(&running, &pia).await;
        assert_eq!(refused.status, 422, "{bad:?}");
        assert!(refused.body.contains("f-argument-bad"), "{}", refused.body);
    }
    assert_eq!(queue(&running, "web").unwrap().paused, None);
    let done = form.set("argument", "the <disk> is full").send(&running, &pia).await;
    let list = follow(&running, &pia, &done).await;
    assert!(list.body.contains("Drain and pause: done for 2 queues."), "{}", list.body);
    for name in ["web", "api"] {
        assert_eq!(queue(&running, name).unwrap().paused.as_deref(), Some("the <disk> is full"));
    }
    let line = told(&running, "queue.pause");
    assert!(line.detail.contains("the <disk> is full"), "{line:?}");
    let page = running.get("/queue", &superuser(&running).await).await;
    assert!(page.body.contains("the &lt;disk&gt; is full"), "{}", page.body);
    assert_eq!(act(&running, "queues", &pia, "resume", &["web"]).await.status, 303);
    assert_eq!(queue(&running, "web").unwrap().paused, None);
    assert!(queue(&running, "api").unwrap().paused.is_some());
    assert_eq!(act(&running, "queues", &pia, "delete", &["web"]).await.status, 403);
    assert!(queue(&running, "web").is_some());
    running.end().await;
}

/// Hands in a job that waits, since its queue launches nothing.
async fn waits(running: &Running, who: &Person, queue: &str) -> Answer {
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

async fn recording_queue(running: &Running, ada: &Person, name: &str) {
    let form = Form::open(running, "/admin/queues/add", ada).await;
    let answer = form.set("name", name).without("launch").send(running, ada).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_wait_go_where_it_is_said_before_their_queue_goes() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    recording_queue(&running, &ada, "old").await;
    recording_queue(&running, &ada, "new").await;
    for number in ["/jobs/1", "/jobs/2"] {
        let answer = waits(&running, &ada, "old").await;
        assert_eq!(answer.location(), number, "{}", answer.body);
    }
    let path = "/admin/queues/old/delete";
    let page = running.get(path, &ada).await;
    assert!(page.body.contains("2 jobs wait in it"), "{}", page.body);
    assert!(page.body.contains("href=\"/jobs/1\""), "{}", page.body);
    let form = Form::of(&page.body, path);
    for bad in ["", "old", "nowhere", "../new"] {
        let refused = form.clone().set("move_to", bad).send(&running, &ada).await;
        assert_eq!(refused.status, 422, "{bad:?}: {}", refused.body);
        assert!(queue(&running, "old").is_some(), "{bad:?}");
    }
    let answer = form.set("move_to", "new").send(&running, &ada).await;
    assert_eq!(answer.location(), "/admin/queues", "{}", answer.body);
    assert_eq!(queue(&running, "old"), None);
    let app = running.appliance.app();
    for n in [1, 2] {
        let job = app.store().job(JobId::new(n).unwrap()).unwrap().unwrap();
        assert_eq!((job.queue.as_str(), job.state.kind()), ("new", StateKind::Queued));
    }
    let again = running.get(path, &ada).await;
    assert_eq!(again.status, 404, "the second time there is nothing to delete");
    let form = Ask::form(path, &ada, &[("move_to", "new")]);
    assert_eq!(running.ask(form).await.status, 404);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_queues_go_together_or_not_at_all() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    for name in ["qa", "qb"] {
        recording_queue(&running, &ada, name).await;
        let answer = waits(&running, &ada, name).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
    }
    let asks = act(&running, "queues", &ada, "delete", &["qa", "qb"]).await;
    let form = Form::of(&asks.body, "/admin/queues/action");
    assert_eq!(form.get("move_to"), "api", "not one of those that go: {}", asks.body);
    // A queue that goes itself is no place to go to: nothing is moved then.
    let refused = form.clone().set("move_to", "qb").send(&running, &ada).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let app = running.appliance.app();
    let of = |n| app.store().job(JobId::new(n).unwrap()).unwrap().unwrap().queue.to_string();
    assert_eq!((of(1), of(2)), ("qa".into(), "qb".into()), "nothing was moved");
    let answer = form.set("move_to", "requests").send(&running, &ada).await;
    let list = follow(&running, &ada, &answer).await;
    assert!(list.body.contains("done for 2 queues"), "{}", list.body);
    assert_eq!((of(1), of(2)), ("requests".into(), "requests".into()));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_in_use_or_the_last_stays() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let answer = waits(&running, &ada, "requests").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let path = "/admin/queues/requests/delete";
    let page = running.get(path, &ada).await;
    assert!(page.body.contains("it is built in and in use"), "{}", page.body);
    assert!(Form::find(&page.body, path).is_none(), "nothing to press");
    let forced = running.ask(Ask::form(path, &ada, &[("move_to", "web")])).await;
    assert_eq!(forced.status, 409, "{}", forced.body);
    assert!(queue(&running, "requests").is_some());
    let app = running.appliance.app();
    app.cancel(&app.console(), JobId::new(1).unwrap(), &img::app::Peer::default()).await.unwrap();
    for name in ["api", "requests"] {
        let path = format!("/admin/queues/{name}/delete");
        let form = Form::open(&running, &path, &ada).await;
        assert_eq!(form.send(&running, &ada).await.status, 303);
    }
    let page = running.get("/admin/queues/web/delete", &ada).await;
    assert!(page.body.contains("it is the only queue"), "{}", page.body);
    let forced = running.ask(Ask::form("/admin/queues/web/delete", &ada, &[])).await;
    assert_eq!(forced.status, 409, "{}", forced.body);
    assert!(queue(&running, "web").is_some());
    saved(&running, "/admin/queues/web/change", &ada, &[("slots", "2")]).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_builds_stays_and_what_waits_in_it_stays_there() {
    let running = Running::with(with_script).await;
    let ada = superuser(&running).await;
    saved(&running, "/admin/queues/add", &ada, &[("name", "busy"), ("slots", "1")]).await;
    let app = running.appliance.app().clone();
    let go = app.data().root().with_file_name("go");
    let waits = format!("until [ -e {go:?} ]; do sleep 0.05; done\n");
    for number in ["/jobs/1", "/jobs/2"] {
        let taken = submit(&running, &ada, ("script", "noarch", "busy"), &waits).await;
        assert_eq!(taken.location(), number, "{}", taken.body);
    }
    let job = |n| app.store().job(JobId::new(n).unwrap()).unwrap().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while job(1).state.kind() != StateKind::Building {
        assert!(Instant::now() < deadline, "{:?}", job(1).state);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let path = "/admin/queues/busy/delete";
    let page = running.get(path, &ada).await;
    assert!(page.body.contains("1 of its jobs build now"), "{}", page.body);
    assert!(Form::find(&page.body, path).is_none());
    let forced = running.ask(Ask::form(path, &ada, &[("move_to", "requests")])).await;
    assert_eq!(forced.status, 409, "{}", forced.body);
    assert!(forced.body.contains("build now"), "the reason: {}", forced.body);
    assert!(queue(&running, "busy").is_some());
    assert_eq!(job(2).queue.as_str(), "busy", "what waits was not moved");
    std::fs::write(&go, "").unwrap();
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_says_of_room_ends_its_builds_and_no_others() {
    let running = Running::with(with_script).await;
    let ada = superuser(&running).await;
    let small = [("name", "small"), ("scratch", "2MiB")];
    saved(&running, "/admin/queues/add", &ada, &small).await;
    let app = running.appliance.app().clone();
    let script = "dd if=/dev/zero of=big bs=1M count=8 2>/dev/null\nuntil [ -e ../go ]; do sleep 0.05; done\n\
                  echo x > ../output/image.raw\n";
    let taken = submit(&running, &ada, ("script", "noarch", "small"), script).await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    let job = || app.store().job(JobId::new(1).unwrap()).unwrap().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !job().state.kind().is_final() {
        assert!(Instant::now() < deadline, "{:?}", job().state);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let page = running.get("/jobs/1", &ada).await;
    assert!(page.body.contains("it may hold 2MiB"), "{}", page.body);
    assert!(page.body.contains("limit (it used more than it may)"), "{}", page.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_whose_lifetimes_keep_images_stays_until_they_are_cleared() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let id = super::super::retention::done_job(&running, &bo, "core", 300).await;
    saved(&running, "/admin/queues/web/change", &ada, &[("images", "forever")]).await;
    let page = running.get("/admin/queues/web/delete", &ada).await.body;
    assert!(page.contains("1 ended jobs are kept as it says"), "{page}");
    let delete = || running.ask(Ask::form("/admin/queues/web/delete", &ada, &[]));
    let answer = delete().await;
    assert!(answer.body.contains("clear its lifetimes first"), "{}", answer.body);
    assert!(queue(&running, "web").is_some());
    saved(&running, "/admin/queues/web/change", &ada, &[("images", "")]).await;
    assert_eq!(delete().await.status, 303);
    assert!(queue(&running, "web").is_none());
    assert!(running.appliance.app().store().job(id).unwrap().is_some());
    running.end().await;
}

/// A job for a queue.
fn for_queue(queue: &str) -> NewJob {
    NewJob {
        runner: "hostile".into(),
        image_type: "raw".into(),
        arch: "x86_64".into(),
        queue: queue.into(),
        definition_name: "waits.word".into(),
        definition: b"well".to_vec(),
        ..NewJob::default()
    }
}

/// A queue that starts nothing, past every page.
async fn add_queue(running: &Running, name: &str, submitters: &[&str]) -> QueueName {
    let name = QueueName::new(name).unwrap();
    let mut queue = Queue::standard(name.clone(), "");
    queue.launch = false;
    queue.submitters = submitters.iter().map(|group| GroupName::new(group).unwrap()).collect();
    running.appliance.app().store().write(move |tx| tx.put_queue(&queue)).await.unwrap();
    name
}

/// Deletes a queue, past every page, when the other end says so: what is written before that waits.
fn deleted_later(
    running: &Running,
    name: &QueueName,
) -> (mpsc::Sender<()>, impl Future<Output = ()>) {
    let (go, wait) = mpsc::channel();
    let (begun, mut has_begun) = tokio::sync::oneshot::channel();
    let (store, name) = (running.appliance.app().store().clone(), name.clone());
    let deleted = tokio::spawn(async move {
        let written = store.write(move |tx| {
            let _ = begun.send(());
            let _ = wait.recv();
            tx.remove_queue(&name)
        });
        assert!(written.await.unwrap(), "it was there");
    });
    let end = async move { deleted.await.unwrap() };
    while has_begun.try_recv().is_err() {
        std::thread::yield_now();
    }
    (go, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_moved_only_to_a_queue_that_is_open_to_whoever_moves_it() {
    let running = Running::with_runner(|_| {}).await;
    let app = running.appliance.app().clone();
    add_queue(&running, "here", &[]).await;
    let shut = add_queue(&running, "shut", &["Operators"]).await;
    let (eve, _) = staff_with(&running, "eve", &[Verb::ChangeJobs, Verb::ViewJobs]).await;
    let groups = app.store().groups().unwrap();
    let actor = app.store().user(&eve).unwrap().unwrap().actor(&groups);
    let peer = Peer::default();
    let id = app.submit(&app.console(), for_queue("here"), &peer, now()).await.unwrap();
    let refused = app.move_job(&actor, id, &shut, &peer, now()).await.unwrap_err();
    assert!(matches!(&refused, AppError::Refused(why) if why.contains("Operators")), "{refused}");
    assert_eq!(app.store().job(id).unwrap().unwrap().queue.as_str(), "here");
    app.move_job(&app.console(), id, &shut, &peer, now()).await.unwrap();
    assert_eq!(app.store().job(id).unwrap().unwrap().queue, shut);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_moved_while_its_new_queue_is_deleted_waits_where_it_was() {
    let running = Running::with_runner(|_| {}).await;
    let app = running.appliance.app().clone();
    let here = add_queue(&running, "here", &[]).await;
    let there = add_queue(&running, "there", &[]).await;
    let (console, peer) = (app.console(), Peer::default());
    let id = app.submit(&console, for_queue("here"), &peer, now()).await.unwrap();
    let (go, deleted) = deleted_later(&running, &there);
    let moving = tokio::spawn({
        let (app, console, there) = (app.clone(), console.clone(), there.clone());
        async move { app.move_job(&console, id, &there, &Peer::default(), now()).await }
    });
    until("the move", || app.board().waiting(&there) == 1).await;
    go.send(()).unwrap();
    deleted.await;
    let refused = moving.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("there was deleted just now"), "{refused}");
    until("its way back", || app.board().waiting(&here) == 1).await;
    assert_eq!(app.board().waiting(&there), 0);
    assert_eq!(app.store().job(id).unwrap().unwrap().queue, here);
    // And it can be moved again.
    let other = add_queue(&running, "other", &[]).await;
    app.move_job(&console, id, &other, &peer, now()).await.unwrap();
    assert_eq!(app.store().job(id).unwrap().unwrap().queue, other);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_handed_in_while_its_queue_is_deleted_is_refused_and_leaves_no_files() {
    let running = Running::with_runner(|_| {}).await;
    let app = running.appliance.app().clone();
    add_queue(&running, "here", &[]).await;
    let there = add_queue(&running, "there", &[]).await;
    let first =
        app.submit(&app.console(), for_queue("here"), &Peer::default(), now()).await.unwrap();
    let files = |id: JobId| app.data().root().join("jobs").join(format!("{:08}", id.get()));
    assert!(files(first).is_dir());
    let next = JobId::new(first.get() + 1).unwrap();
    let (go, deleted) = deleted_later(&running, &there);
    let handing_in = tokio::spawn({
        let app = app.clone();
        async move { app.submit(&app.console(), for_queue("there"), &Peer::default(), now()).await }
    });
    until("its files", || files(next).is_dir()).await;
    go.send(()).unwrap();
    deleted.await;
    let refused = handing_in.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("queue there was deleted just now"), "{refused}");
    assert!(!files(next).exists());
    assert_eq!((app.store().job(next).unwrap(), app.board().waiting(&there)), (None, 0));
    running.end().await;
}
