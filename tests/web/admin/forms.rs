//! Forms: what is stale, replayed, forged or no longer allowed changes nothing.

use super::{
    super::appliance::{Ask, Running},
    fill::{Form, change, follow, saved, staff_with, superuser, trail},
};
use img::domain::{Queue, Verb};

fn queue(running: &Running, name: &str) -> Queue {
    let queues = running.appliance.app().store().queues().unwrap();
    queues.into_iter().find(|q| q.name.as_str() == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_form_shows_both_values_and_can_be_saved_again() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let path = "/admin/queues/web/change";
    let mine = Form::open(&running, path, &ada).await;
    saved(&running, path, &ada, &[("slots", "7"), ("description", "theirs <b>")]).await;
    let mine = mine.fill(&[("slots", "5"), ("cap", "77")]);
    let stale = mine.send(&running, &ada).await;
    assert_eq!(stale.status, 409, "{}", stale.body);
    assert!(stale.body.contains("Somebody else has changed this"), "{}", stale.body);
    assert!(stale.body.contains("theirs &lt;b&gt;"), "what is there: {}", stale.body);
    assert!(stale.body.contains("<td>5</td><td>7</td>"), "both values: {}", stale.body);
    assert_eq!(queue(&running, "web").slots, 7, "nothing was saved");
    let again = Form::of(&stale.body, path);
    assert_eq!((again.get("slots"), again.get("cap")), ("5", "77"), "as typed");
    assert_ne!(again.get("version"), mine.get("version"));
    assert_eq!(again.send(&running, &ada).await.status, 303);
    let now = queue(&running, "web");
    assert_eq!((now.slots, now.cap), (5, 77));
    // The first form once more: its version is long gone, and so is one that is made up.
    assert_eq!(mine.send(&running, &ada).await.status, 409);
    for version in ["", "0000000000000000", "../"] {
        let forged = Form::open(&running, path, &ada).await.set("version", version);
        assert_eq!(forged.send(&running, &ada).await.status, 409, "{version:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_gets_no_form_and_no_button() {
    let running = Running::with_runner(|_| {}).await;
    let looks = [
        Verb::ViewQueues,
        Verb::ViewGroups,
        Verb::ViewUsers,
        Verb::ViewSites,
        Verb::ViewSettings,
        Verb::ViewRunners,
        Verb::ViewTypes,
        Verb::ViewSessions,
        Verb::ViewTokens,
    ];
    let (_, vera) = staff_with(&running, "vera", &looks).await;
    let site = running.appliance.app().store().sites().unwrap()[0].domain.clone();
    for (model, key) in [
        ("queues", "web"),
        ("groups", "Viewers"),
        ("users", "imager"),
        ("sites", &site),
        ("settings", "build.slots"),
        ("runners", "hostile"),
        ("types", "raw"),
        ("archs", "x86_64"),
    ] {
        let path = format!("/admin/{model}/{key}/change");
        let page = running.get(&path, &vera).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        let main = &page.body[page.body.find("<main").unwrap()..page.body.find("</main").unwrap()];
        for tag in ["<form", "<input", "<button", "<select", "/delete\""] {
            assert!(!main.contains(tag), "{path} has {tag}: {main}");
        }
        let list = running.get(&format!("/admin/{model}"), &vera).await.body;
        assert!(!list.contains("name=\"action\""), "{model}: {list}");
        assert!(!list.contains(&format!("/admin/{model}/add")), "{model}: {list}");
        let post = Ask::form(&path, &vera, &[("version", "x")]);
        assert_eq!(running.ask(post).await.status, 403, "{path}");
    }
    let index = running.get("/admin", &vera).await.body;
    assert!(index.contains(">View<") && !index.contains("/add\""), "{index}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_opened_with_a_permission_is_refused_without_it() {
    let running = Running::start().await;
    let verbs = [Verb::ViewQueues, Verb::AddQueues, Verb::ChangeQueues, Verb::DeleteQueues];
    let (name, quin) = staff_with(&running, "quin", &verbs).await;
    let add = Form::open(&running, "/admin/queues/add", &quin).await.set("name", "new");
    let change = Form::open(&running, "/admin/queues/web/change", &quin).await.set("slots", "9");
    let delete = Form::open(&running, "/admin/queues/api/delete", &quin).await;
    let before = running.appliance.app().store().queues().unwrap();
    let lines = trail(&running).len();
    let only_views = [Verb::ViewQueues].into_iter().collect();
    running.change_user(&name, move |user| user.verbs = only_views).await;
    for form in [&add, &change, &delete] {
        let answer = form.send(&running, &quin).await;
        assert_eq!(answer.status, 403, "{}: {}", form.action, answer.body);
    }
    running.change_user(&name, |user| user.staff = false).await;
    for form in [&add, &change, &delete] {
        assert_eq!(form.send(&running, &quin).await.status, 403, "{}", form.action);
    }
    assert_eq!(running.appliance.app().store().queues().unwrap(), before);
    assert_eq!(trail(&running).len(), lines, "and nothing is told as done");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_twice_happens_once() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let add = Form::open(&running, "/admin/queues/add", &ada).await.set("name", "twice");
    assert_eq!(add.send(&running, &ada).await.status, 303);
    assert_eq!(add.send(&running, &ada).await.status, 422);
    let path = "/admin/queues/twice/delete";
    let delete = Form::open(&running, path, &ada).await;
    assert_eq!(delete.send(&running, &ada).await.status, 303);
    let again = delete.send(&running, &ada).await;
    assert_eq!(again.status, 404);
    assert!(again.body.contains("There is no queue"), "{}", again.body);
    assert!(again.body.contains("href=\"/admin/queues\""), "a way on: {}", again.body);
    let once = |action: &str| trail(&running).iter().filter(|l| l.action == action).count();
    assert_eq!((once("queue.add"), once("queue.delete")), (1, 1));
    // A form saved as it is says so and leaves no line.
    let path = "/admin/queues/web/change";
    let answer = change(&running, path, &ada, &[]).await;
    let list = follow(&running, &ada, &answer).await;
    assert!(list.body.contains("The queue web was saved."), "{}", list.body);
    assert_eq!(once("queue.change"), 0);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_things_wrong_are_both_told_and_neither_of_the_rest_is_saved() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let before = queue(&running, "web");
    let fields =
        [("slots", "x"), ("total_timeout", "y"), ("description", "would fit"), ("cap", "3")];
    let answer = change(&running, "/admin/queues/web/change", &ada, &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("2 things do not work yet"), "{}", answer.body);
    for bad in ["href=\"#f-slots\"", "href=\"#f-total_timeout\"", "f-slots-bad", "would fit"] {
        assert!(answer.body.contains(bad), "{bad}: {}", answer.body);
    }
    assert_eq!(queue(&running, "web"), before);
    // What only the transaction finds out undoes what it had written as well.
    let user = || running.appliance.app().store().users().unwrap();
    let users = user();
    let form = Form::open(&running, "/admin/users/ada/change", &ada).await;
    let form = form.set("mail", "ada@example.org").without("superuser");
    assert_eq!(form.send(&running, &ada).await.status, 422);
    assert_eq!(user(), users);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_name_nothing_are_not_found_whatever_they_look_like() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let long = "a".repeat(4000);
    let hash = "0".repeat(64);
    let keys = [
        "unknown",
        "%2e%2e",
        "..%2fweb",
        "web%2f..",
        "web%00",
        "%00",
        "web%0a",
        "%ff",
        "Web",
        "web%20",
        "999999999999999999999999",
        "-1",
        "0",
        "%F0%9F%98%80",
        "*",
        "web'--",
        "%3Cscript%3E",
        &long,
        &hash,
    ];
    let models = [
        "queues", "groups", "users", "sites", "settings", "runners", "types", "archs", "sessions",
        "tokens", "audit",
    ];
    for model in models {
        for key in keys {
            for page in ["change", "history", "delete"] {
                let path = format!("/admin/{model}/{key}/{page}");
                let got = running.get(&path, &ada).await;
                // Models that cannot be deleted have no such page at all.
                assert_eq!(got.status, 404, "{path}: {}", got.body);
                assert!(!got.body.contains("<script>"), "{path}");
                let posted = running.ask(Ask::form(&path, &ada, &[("version", "x")])).await;
                let wanted = [404, 405];
                assert!(wanted.contains(&posted.status), "{path}: {}", posted.status);
            }
        }
    }
    for path in
        ["/admin/queues/Viewers/change", "/admin/groups/web/change", "/admin/users/Viewers/change"]
    {
        assert_eq!(running.get(path, &ada).await.status, 404, "{path}: another model's key");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_any_more_stays_until_it_is_let_go() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let mut web = queue(&running, "web");
    let gone = img::domain::RunnerId::new("gone").unwrap();
    web.runners = vec![gone.clone()];
    running.appliance.app().store().write(move |tx| tx.put_queue(&web)).await.unwrap();
    let path = "/admin/queues/web/change";
    let form = Form::open(&running, path, &ada).await;
    assert_eq!(form.all("runners"), ["gone"]);
    assert_eq!(form.set("slots", "3").send(&running, &ada).await.status, 303);
    let web = queue(&running, "web");
    assert_eq!((web.slots, web.runners), (3, vec![gone]), "still for no other runner");
    let form = Form::open(&running, path, &ada).await;
    let other = form.clone().with("runners", &["gone", "never"]).send(&running, &ada).await;
    assert_eq!(other.status, 422, "{}", other.body);
    assert_eq!(form.with("runners", &["hostile"]).send(&running, &ada).await.status, 303);
    let again = Form::open(&running, path, &ada).await.with("runners", &["gone"]);
    assert_eq!(again.send(&running, &ada).await.status, 422, "it does not come back");
    running.end().await;
}
