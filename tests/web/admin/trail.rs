//! The audit trail: who did what, from where, with the old and the new; sealed and searchable.

use super::{
    super::appliance::{Ask, PASSWORD, Person, Running},
    fill::{Form, act, change, saved, staff_with, superuser, told, trail},
};
use img::domain::Verb;

async fn sign_in(running: &Running, name: &str, password: &str) -> Person {
    let form = Ask::form("/login", &Person::default(), &[("name", name), ("password", password)]);
    let answer = running.ask(form).await;
    Person { cookie: answer.cookie("img").map(str::to_owned), ..Person::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_going_and_failing_to_come_are_told_with_the_address() {
    let running = Running::start().await;
    running.user("ann", Some("Submitters")).await;
    sign_in(&running, "ann", "not her password").await;
    sign_in(&running, "nobody\n<b>", "nor his").await;
    let ann = sign_in(&running, "ann", PASSWORD).await;
    let token = [("label", "nightly"), ("scope", "view-jobs")];
    assert_eq!(running.ask(Ask::form("/account/tokens", &ann, &token)).await.status, 200);
    let answer = running.ask(Ask::form("/logout", &ann, &[])).await;
    assert_eq!(answer.location(), "/login");
    for (action, actor, object) in [
        ("login", "ann", "user ann"),
        ("logout", "ann", "user ann"),
        ("login.failed", "anonymous", "nobody of this name"),
        ("token.new", "ann", "token img_"),
    ] {
        let line = told(&running, action);
        assert_eq!(line.actor, actor, "{line:?}");
        assert!(line.object.starts_with(object), "{line:?}");
        assert!(line.peer.contains("127.0.0.1") && !line.request.is_empty(), "{line:?}");
    }
    let failed = trail(&running).into_iter().filter(|l| l.action == "login.failed");
    // A name nobody has may be a password in the wrong field: it is not written down.
    let failed: Vec<_> = failed.map(|line| line.object).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.contains(&"user ann".to_owned()), "{failed:?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_filtered_searched_exported_and_whole() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    running.user("bo", Some("Viewers")).await;
    saved(&running, "/admin/queues/web/change", &ada, &[("slots", "4")]).await;
    saved(&running, "/admin/groups/add", &ada, &[("name", "crew")]).await;
    saved(&running, "/admin/users/bo/change", &ada, &[("full_name", "Bo <script>")]).await;
    change(&running, "/admin/users/add", &ada, &[("name", "ned")]).await;
    act(&running, "users", &ada, "disable", &["bo"]).await;
    let line = told(&running, "queue.change");
    for (query, found) in [
        ("action=queue.change", 1),
        ("actor=ada", 6),
        ("object=queue%20web", 1),
        ("q=slots", 1),
        (&*format!("q={}", line.request), 1),
        ("q=127.0.0.1&action=user.disable", 1),
        ("action=none", 0),
        ("actor=ada&date=2001", 0),
    ] {
        let path = format!("/admin/audit/export.json?{query}");
        let (head, json) = running.bytes(Ask::get(&path, &ada)).await;
        assert_eq!(head.status, 200, "{query}");
        let json: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
        assert_eq!(json.len(), found, "{query}: {json:?}");
        let page = running.get(&format!("/admin/audit?{query}"), &ada).await;
        assert_eq!(page.status, 200, "{query}: {}", page.body);
        assert!(!page.body.contains("Bo <script>"));
    }
    let page = running.get("/admin/audit?action=queue.change", &ada).await.body;
    for said in ["slots: 2 → 4", "queue web", "ada", "127.0.0.1"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let oldest = running.get("/admin/audit/export.csv?o=number", &ada).await.body;
    let newest = running.get("/admin/audit/export.csv", &ada).await.body;
    let at = |text: &str, what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(at(&newest, "user.disable") < at(&newest, "queue.change"), "{newest}");
    assert!(at(&oldest, "user.disable") > at(&oldest, "queue.change"), "{oldest}");
    let number = trail(&running).len();
    let one = running.get(&format!("/admin/audit/{number}/change"), &ada).await;
    assert_eq!(one.status, 200, "{}", one.body);
    assert!(one.body.contains("user.disable"), "{}", one.body);
    let hash = running.appliance.app().store().users().unwrap();
    for line in trail(&running) {
        let text = format!("{line:?}");
        assert!(!text.contains("argon2") && !text.contains(PASSWORD), "{text}");
        assert!(
            hash.iter().all(|u| u.password_hash.is_empty() || !text.contains(&u.password_hash))
        );
    }
    let check = running.appliance.app().store().verify_audit().unwrap();
    assert_eq!(check.broken, [""; 0]);
    assert!(check.lines >= 6, "{check:?}");
    let (_, vic) = staff_with(&running, "vic", &[Verb::ViewQueues]).await;
    assert_eq!(running.get("/admin/audit", &vic).await.status, 403);
    assert_eq!(running.get("/admin/audit/export.csv", &vic).await.status, 403);
    let post = Ask::form("/admin/audit/1/change", &ada, &[("detail", "")]);
    assert_eq!(running.ask(post).await.status, 405, "nobody changes it");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_has_what_happened_to_one_thing_and_the_index_what_one_did() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let (_, quin) = staff_with(&running, "quin", &[Verb::ViewQueues, Verb::ChangeQueues]).await;
    saved(&running, "/admin/queues/web/change", &ada, &[("slots", "4")]).await;
    saved(&running, "/admin/queues/web/change", &quin, &[("description", "a; b → <c>")]).await;
    saved(&running, "/admin/queues/api/change", &quin, &[("cap", "9")]).await;
    let page = running.get("/admin/queues/web/history", &quin).await.body;
    let list = &page[page.find("<ol class=\"history\"").unwrap()..];
    for said in [
        "slots: 2 → 4",
        "<strong>ada</strong>",
        "<strong>quin</strong>",
        "→ &lt;c&gt;",
        "127.0.0.1",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!list.contains("cap:"), "of this queue only: {list}");
    assert!(list.find("quin").unwrap() < list.find("ada").unwrap(), "the newest first");
    let index = running.get("/admin", &quin).await.body;
    let recent = &index[index.find("Recent actions</h2>").unwrap()..];
    assert!(recent.contains("queue web") && recent.contains("queue api"), "{recent}");
    assert!(!recent.contains("slots"), "what others did is not there: {recent}");
    for _ in 0..30 {
        for cap in ["1", "2"] {
            saved(&running, "/admin/queues/api/change", &ada, &[("cap", cap)]).await;
        }
    }
    let page = running.get("/admin/queues/api/history", &ada).await.body;
    assert_eq!(page.matches("queue.change").count(), 50, "a page at a time");
    let at = page.find("history?before=").unwrap();
    let end = page[at..].find('"').unwrap();
    let older = format!("/admin/queues/api/{}", &page[at..at + end]);
    let page = running.get(&older, &ada).await.body;
    assert_eq!(page.matches("queue.change").count(), 11);
    for odd in ["before=x", "before=-1", "before=0", "before=18446744073709551615"] {
        let page = running.get(&format!("/admin/queues/api/history?{odd}"), &ada).await;
        assert_eq!(page.status, 200, "{odd}");
    }
    // What is gone has no page, but the trail keeps it.
    saved(&running, "/admin/queues/add", &ada, &[("name", "gone")]).await;
    let form = Form::open(&running, "/admin/queues/gone/delete", &ada).await;
    assert_eq!(form.send(&running, &ada).await.status, 303);
    assert_eq!(running.get("/admin/queues/gone/history", &ada).await.status, 404);
    let page = running.get("/admin/audit?object=queue%20gone", &ada).await.body;
    assert!(page.contains("queue.add") && page.contains("queue.delete"), "{page}");
    assert_eq!(running.appliance.app().store().verify_audit().unwrap().broken, [""; 0]);
    running.end().await;
}
