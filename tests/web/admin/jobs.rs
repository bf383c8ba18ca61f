//! Image jobs: found, and dealt with by the dozen.

use super::{
    super::{
        appliance::{Answer, Ask, Person, Running},
        retention::{done_job, start},
    },
    fill::{Form, act, follow, staff_with, superuser, told},
};
use img::domain::{Job, JobId, StateKind, Verb};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn job(running: &Running, id: u64) -> Option<Job> {
    running.appliance.app().store().job(JobId::new(id).unwrap()).unwrap()
}

async fn waits(running: &Running, who: &Person) -> u64 {
    let fields = [
        ("source", "upload"),
        ("name", "my-wait"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", "requests"),
        ("action", "submit"),
    ];
    let file = Some(("core.word", "hello".as_bytes()));
    let form = Ask::new("POST", "/submit", who).multipart(&who.csrf(), &fields, file);
    let answer = running.ask(form).await;
    answer
        .location()
        .trim_start_matches("/jobs/")
        .parse()
        .unwrap_or_else(|_| panic!("{}", answer.body))
}

fn ids(page: &Answer) -> Vec<u64> {
    assert_eq!(page.status, 200, "{}", page.body);
    let all = page.body.split("name=\"id\" value=\"").skip(1);
    all.map(|rest| rest[..rest.find('"').unwrap()].parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_filtered_searched_ordered_paged_and_dated() {
    let running = start().await;
    let ada = superuser(&running).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let bo = running.user("bo", Some("Submitters")).await;
    for n in 0..30 {
        done_job(&running, if n % 3 == 0 { &bo } else { &ann }, &format!("core{:02}", 29 - n), n)
            .await;
    }
    let waiting = waits(&running, &ada).await;
    let list = |query: &str| {
        let path = format!("/admin/jobs?{query}");
        let (running, ada) = (&running, &ada);
        async move { running.get(&path, ada).await }
    };
    let all = ids(&list("size=100").await);
    assert_eq!(all.len(), 31);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "the newest first");
    assert_eq!(ids(&list("owner=bo").await).len(), 10);
    assert_eq!(ids(&list("state=queued").await), [waiting]);
    assert_eq!(ids(&list("owner=bo&q=core0").await).len(), 3);
    assert_eq!(ids(&list("q=core05").await).len(), 1);
    assert_eq!(ids(&list("files=no").await), [waiting], "it has none yet");
    assert_eq!(ids(&list("o=name&owner=ann").await).len(), 20);
    let by_name = ids(&list("o=name&q=core").await);
    assert_eq!(by_name.first(), Some(&30), "core00 was made last");
    let first = list("size=25&q=core").await;
    assert_eq!(ids(&first).len(), 25);
    assert!(first.body.contains("30 image jobs"), "{}", first.body);
    let at = first.body.find("rel=\"next\" href=\"").unwrap() + 17;
    let end = first.body[at..].find('"').unwrap();
    let next = first.body[at..at + end].replace("&amp;", "&");
    let second = running.get(&next, &ada).await;
    assert_eq!(ids(&second).len(), 5);
    assert!(second.body.contains("rel=\"prev\""), "{}", second.body);

    let day = |n: i64| {
        let at = img::server::now().as_millis() - n * 86_400_000;
        jiff::Timestamp::from_millisecond(at).unwrap().strftime("%Y-%m-%d").to_string()
    };
    let found = ids(&list(&format!("date={}&q=core", day(4))).await);
    assert_eq!(found.len(), 1, "one a day");
    let month = &day(4)[..7];
    let page = list(&format!("date={month}")).await;
    assert!(page.body.contains(&format!("date={}", day(4))), "days lead down: {}", page.body);
    assert!(page.body.contains("All dates"), "{}", page.body);
    assert_eq!(ids(&list("date=2001").await), [0; 0]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_asks_first_names_what_stays_and_the_disk_is_free_before_the_row_says_so() {
    let running = start().await;
    let ada = superuser(&running).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let mut made = Vec::new();
    for n in 0..4 {
        made.push(done_job(&running, &ann, &format!("core{n}"), 3).await);
    }
    let waiting = waits(&running, &ada).await;
    let app = running.appliance.app();
    let dir = |id: JobId| app.data().root().join("jobs").join(id.dir_name());
    let pinned = made[3];
    assert_eq!(act(&running, "jobs", &ada, "pin", &[&pinned.to_string()]).await.status, 303);
    let mut keys: Vec<String> = made.iter().map(ToString::to_string).collect();
    keys.push(waiting.to_string());
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asks = act(&running, "jobs", &ada, "delete", &keys).await;
    assert_eq!(asks.status, 200, "{}", asks.body);
    for said in [
        "Delete the files of 3 image jobs?",
        "Left alone",
        "cancel it first",
        "pinned",
        "core0",
        ">ann<",
        ">web<",
    ] {
        assert!(asks.body.contains(said), "{said}: {}", asks.body);
    }
    assert!(made.iter().all(|id| dir(*id).exists()), "asking deletes nothing");
    let form = Form::of(&asks.body, "/admin/jobs/action");
    let answer = form.send(&running, &ada).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let run = answer.location().to_owned();
    assert!(run.starts_with("/admin/disk/runs/"), "{run}");
    let deadline = Instant::now() + PATIENCE;
    for id in &made[..3] {
        while app.store().shelf(*id).unwrap().artifacts_gone.is_none() {
            assert!(Instant::now() < deadline, "job {id} is not deleted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let artifacts = dir(*id).join("artifacts");
        assert!(!artifacts.exists(), "{artifacts:?} is there although the row says it is gone");
    }
    loop {
        let gone = ids(&running.get("/admin/jobs?files=no&q=core", &ada).await);
        for id in &gone {
            assert!(!dir(JobId::new(*id).unwrap()).exists(), "the row of {id} says so too early");
        }
        if gone.len() == 3 {
            break;
        }
        assert!(Instant::now() < deadline, "only {gone:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let page = running.get(&run, &ada).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("pinned"), "the receipt says what stayed: {}", page.body);
    assert!(dir(pinned).exists(), "pinned");
    assert_eq!(job(&running, waiting).unwrap().state.kind(), StateKind::Queued);
    assert!(told(&running, "jobs.delete").actor == "ada");
    assert_eq!(app.store().verify_audit().unwrap().broken, [""; 0]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_match_are_those_that_were_seen_or_it_is_asked_again() {
    let running = start().await;
    let ada = superuser(&running).await;
    let ann = running.user("ann", Some("Submitters")).await;
    for n in 0..3 {
        done_job(&running, &ann, &format!("core{n}"), 3).await;
    }
    done_job(&running, &ann, "other", 3).await;
    let list = running.get("/admin/jobs?q=core", &ada).await;
    let form = Form::of(&list.body, "/admin/jobs/action");
    let form = form.fill(&[("action", "delete"), ("scope", "all")]).without("id");
    let asks = form.send(&running, &ada).await;
    assert!(asks.body.contains("Delete the files of 3 image jobs?"), "{}", asks.body);
    done_job(&running, &ann, "core9", 3).await;
    let confirm = Form::of(&asks.body, "/admin/jobs/action");
    let again = confirm.send(&running, &ada).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert!(again.body.contains("now it finds 4 image jobs"), "{}", again.body);
    let runs = running.appliance.app().store().receipts().unwrap();
    assert!(runs.is_empty(), "nothing was begun");
    // Another list with the print of this one, or none at all, is asked again as well.
    for print in ["", "4-0000000000000000", "x"] {
        let forged = Form::of(&again.body, "/admin/jobs/action").set("print", print);
        let forged = forged.set("list", "").send(&running, &ada).await;
        assert_eq!(forged.status, 200, "{print:?}");
        assert!(forged.body.contains("now it finds 5 image jobs"), "{}", forged.body);
    }
    let confirm = Form::of(&again.body, "/admin/jobs/action");
    let answer = confirm.send(&running, &ada).await;
    assert!(answer.location().starts_with("/admin/disk/runs/"), "{}", answer.body);
    let deadline = Instant::now() + PATIENCE;
    while ids(&running.get("/admin/jobs?files=no", &ada).await).len() < 4 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ids(&running.get("/admin/jobs?files=yes", &ada).await), [4], "the other stays");
    let list = running.get("/admin/jobs?q=nothing-has-this", &ada).await;
    assert!(
        Form::find(&list.body, "/admin/jobs/action").is_none_or(|f| f.get("action").is_empty())
    );
    let fields = [("action", "delete"), ("scope", "all"), ("list", "q=nothing-has-this")];
    let none = running.ask(Ask::form("/admin/jobs/action", &ada, &fields)).await;
    let page = follow(&running, &ada, &none).await;
    assert!(page.body.to_lowercase().contains("tick"), "{}", page.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_tags_moves_cancels_and_retries_are_done_and_what_is_skipped_says_why() {
    let running = start().await;
    let ada = superuser(&running).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let done = done_job(&running, &ann, "core", 3).await.to_string();
    let (one, two) = (waits(&running, &ada).await, waits(&running, &ada).await);
    let (w1, w2) = (one.to_string(), two.to_string());
    let app = running.appliance.app();
    let shelf = || app.store().shelf(done.parse().unwrap()).unwrap();
    let with = |action: &'static str, argument: &'static str, ids: Vec<String>| {
        let (running, ada) = (&running, &ada);
        async move {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let asks = act(running, "jobs", ada, action, &ids).await;
            assert_eq!(asks.status, 200, "{action}: {}", asks.body);
            let form = Form::of(&asks.body, "/admin/jobs/action");
            form.set("argument", argument).send(running, ada).await
        }
    };
    for bad in ["", "a b", "<b>", "a/../b", "\u{7}"] {
        let refused = with("tag", bad, vec![done.clone()]).await;
        assert_eq!(refused.status, 422, "{bad:?}: {}", refused.body);
    }
    let answer = with("tag", "release", vec![done.clone()]).await;
    let page = follow(&running, &ada, &answer).await;
    assert!(page.body.contains("done for 1 image job."), "{}", page.body);
    assert_eq!(shelf().tags.iter().map(ToString::to_string).collect::<Vec<_>>(), ["release"]);
    assert_eq!(ids(&running.get("/admin/jobs?tag=release", &ada).await).len(), 1);
    assert_eq!(with("untag", "release", vec![done.clone()]).await.status, 303);
    assert!(shelf().tags.is_empty());
    assert_eq!(act(&running, "jobs", &ada, "pin", &[&done]).await.status, 303);
    assert!(shelf().pinned.is_some());
    assert_eq!(act(&running, "jobs", &ada, "unpin", &[&done]).await.status, 303);
    assert!(shelf().pinned.is_none());

    let nowhere = with("move", "nowhere", vec![w1.clone()]).await;
    assert_eq!(nowhere.status, 422, "{}", nowhere.body);
    let form = Form::open(&running, "/admin/queues/add", &ada).await;
    let form = form.set("name", "later").without("launch");
    assert_eq!(form.send(&running, &ada).await.status, 303);
    let moved = with("move", "later", vec![w1.clone(), done.clone()]).await;
    let page = running.get(moved.location(), &ada).await;
    assert!(moved.location().contains("done="), "{}", moved.location());
    assert!(page.body.contains(&format!("job {done}")), "what was skipped: {}", page.body);
    assert_eq!(job(&running, one).unwrap().queue.as_str(), "later");
    let other = running.user("eva", None).await;
    let other = running.session(&other, false).await;
    let page = running.get(moved.location(), &other).await;
    assert!(!page.body.contains("left alone"), "it is nobody else's: {}", page.body);

    let cancelled = act(&running, "jobs", &ada, "cancel", &[&w1, &w2, &done, "4711"]).await;
    let page = running.get(cancelled.location(), &ada).await;
    assert!(page.body.contains("were left alone"), "{}", page.body);
    for id in [one, two] {
        assert_eq!(job(&running, id).unwrap().state.kind(), StateKind::Cancelled);
    }
    let before = ids(&running.get("/admin/jobs", &ada).await).len();
    let retried = act(&running, "jobs", &ada, "retry", &[&w1]).await;
    assert_eq!(retried.status, 303, "{}", retried.body);
    let page = follow(&running, &ada, &retried).await;
    assert!(page.body.contains("done for 1 image job."), "{}", page.body);
    assert_eq!(ids(&running.get("/admin/jobs", &ada).await).len(), before + 1);

    let (_, vic) = staff_with(&running, "vic", &[Verb::ViewJobs, Verb::Pin]).await;
    let list = running.get("/admin/jobs", &vic).await.body;
    assert!(list.contains(">Pin<") && !list.contains(">Cancel<"), "only what she may: {list}");
    for action in ["delete", "cancel", "retry", "tag", "move"] {
        let answer = act(&running, "jobs", &vic, action, &[&done]).await;
        assert_eq!(answer.status, 403, "{action}: {}", answer.body);
    }
    running.end().await;
}
