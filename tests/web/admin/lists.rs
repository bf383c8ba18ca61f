//! Lists: filters, search, order, places, exports; and addresses that were tampered with.

use super::{
    super::{
        appliance::{Ask, Running},
        retention::{done_job, start},
    },
    fill::{Form, act, follow, saved, superuser},
};

const MODELS: [&str; 12] = [
    "jobs", "queues", "runners", "types", "archs", "groups", "users", "sessions", "tokens",
    "sites", "settings", "audit",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_tampered_with_is_told_and_never_breaks_anything() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    for model in MODELS {
        for (query, named) in [
            ("o=secrets", "secrets"),
            ("o=-password_hash", "password_hash"),
            ("o=%00", "the column"),
            ("size=2001", "2001"),
            ("size=-1", "-1"),
            ("size=25%27", "25"),
            ("date=2026-13", "2026-13"),
            ("date=yesterday", "yesterday"),
            ("date=0000-00-00", "0000-00-00"),
            ("date=-999999", "-999999"),
            ("date=99999-01-01", "99999"),
        ] {
            let path = format!("/admin/{model}?{query}");
            let page = running.get(&path, &ada).await;
            assert_eq!(page.status, 400, "{path}: {}", page.body);
            assert!(page.body.contains(named), "{path}: {}", page.body);
            assert!(page.body.contains("Part of this address was left out"), "{path}");
        }
        for query in [
            "after=zzz&at=zzz",
            "before=zzz&at=%00",
            "after=%F0%9F%98%80",
            "after=-1",
            "before=0",
            "after=18446744073709551615",
            "after=99999999999999999999999",
            "at=x",
            "q=%00",
            "q=%2527%20OR%201=1",
            "q=%5B%28%2A%2B",
            "unknown=1",
            "%ff=%ff",
            "=",
            "&&&",
            "o=",
            "done=1",
            "done=x",
            "before=web&after=web&at=web",
        ] {
            let path = format!("/admin/{model}?{query}");
            let page = running.get(&path, &ada).await;
            assert!(matches!(page.status, 200 | 400), "{path}: {}", page.status);
        }
        let long = format!("/admin/{model}?q={}", "x".repeat(101));
        assert_eq!(running.get(&long, &ada).await.status, 400, "{model}");
        for format in ["csv", "json"] {
            let path = format!("/admin/{model}/export.{format}?o=secrets");
            assert_eq!(running.get(&path, &ada).await.status, 400, "{path}");
        }
    }
    for (model, query) in [
        ("jobs", "state=bogus"),
        ("jobs", "pinned=maybe"),
        ("jobs", "after=x"),
        ("audit", "after=x"),
    ] {
        let page = running.get(&format!("/admin/{model}?{query}"), &ada).await;
        assert_eq!(page.status, 400, "{query}: {}", page.body);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_none_or_means_nobody_does_nothing_and_says_so() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let nothing = act(&running, "queues", &ada, "", &["web"]).await;
    let list = follow(&running, &ada, &nothing).await;
    assert!(list.body.contains("role=\"alert\""), "{}", list.body);
    let none = act(&running, "queues", &ada, "delete", &[]).await;
    assert_eq!(none.location(), "/admin/queues");
    let list = follow(&running, &ada, &none).await;
    assert!(list.body.to_lowercase().contains("tick"), "{}", list.body);
    for unknown in ["explode", "../delete", "DELETE", "cancel"] {
        let answer = act(&running, "queues", &ada, unknown, &["web"]).await;
        assert_eq!(answer.status, 400, "{unknown}: {}", answer.body);
        assert!(answer.body.contains("delete, pause, resume"), "{}", answer.body);
    }
    for id in ["nowhere", "../web", "a\0b", "", "Viewers"] {
        for action in ["delete", "resume"] {
            let answer = act(&running, "queues", &ada, action, &["web", id]).await;
            assert_eq!(answer.status, 404, "{action} {id:?}: {}", answer.body);
        }
    }
    for id in ["x", "-1", "0", "18446744073709551616"] {
        let fields = [("action", "pin"), ("id", id)];
        let answer = running.ask(Ask::form("/admin/jobs/action", &ada, &fields)).await;
        assert!(matches!(answer.status, 422 | 404), "{id}: {} {}", answer.status, answer.body);
    }
    let before = running.appliance.app().store().queues().unwrap().len();
    let ids: Vec<String> = (0..2001).map(|n| n.to_string()).collect();
    let mut fields = vec![("action", "delete"), ("scope", "ticked")];
    fields.extend(ids.iter().map(|id| ("id", id.as_str())));
    for model in ["queues", "jobs"] {
        let many = running.ask(Ask::form(&format!("/admin/{model}/action"), &ada, &fields)).await;
        assert!(matches!(many.status, 400 | 413 | 422), "{}", many.status);
        assert!(many.body.contains("more than 2000 fields"), "{}", many.body);
    }
    fields.truncate(503);
    let many = running.ask(Ask::form("/admin/queues/action", &ada, &fields)).await;
    assert_eq!(many.status, 422, "{}", many.body);
    assert!(many.body.contains("501 are too many"), "{}", many.body);
    let tampered = [("action", "resume"), ("id", "web"), ("list", "o=secrets")];
    let answer = running.ask(Ask::form("/admin/queues/action", &ada, &tampered)).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(running.appliance.app().store().queues().unwrap().len(), before);
    running.end().await;
}

/// The keys that a page's rows have, and where the next one is.
fn rows(page: &str) -> (Vec<String>, Option<String>) {
    let all = page.split("name=\"id\" value=\"").skip(1);
    let keys = all.map(|rest| rest[..rest.find('"').unwrap()].to_owned()).collect();
    let next = page.find("rel=\"next\" href=\"").map(|at| {
        let rest = &page[at + 17..];
        rest[..rest.find('"').unwrap()].replace("&amp;", "&")
    });
    (keys, next)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_every_thing_once_in_every_order_and_exports_have_them_all() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let app = running.appliance.app();
    let written = app.store().write(|tx| {
        for n in 0..60 {
            let name = img::domain::QueueName::new(&format!("q{n:02}")).unwrap();
            let about = ["=1+1", "plain", "@SUM(A1)"][n % 3];
            tx.put_queue(&img::domain::Queue::standard(name, about))?;
        }
        Ok(())
    });
    written.await.unwrap();
    for order in ["name", "-name", "description", "-description", "slots", "-jobs", "open"] {
        let mut next = Some(format!("/admin/queues?o={order}&size=25&q=q"));
        let (mut all, mut pages) = (Vec::new(), 0);
        while let Some(path) = next {
            let page = running.get(&path, &ada).await;
            assert_eq!(page.status, 200, "{path}: {}", page.body);
            let (keys, after) = rows(&page.body);
            all.extend(keys);
            next = after;
            pages += 1;
            assert!(pages < 9, "{order}");
        }
        // "requests" has a q as well.
        assert_eq!((all.len(), pages), (61, 3), "{order}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 61, "{order}");
    }
    let csv = running.get("/admin/queues/export.csv?q=q0&o=-name", &ada).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.header("content-disposition").unwrap().starts_with("attachment"));
    let (_, csv) = running.bytes(Ask::get("/admin/queues/export.csv?q=q0&o=-name", &ada)).await;
    let csv = String::from_utf8(csv).unwrap();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 11, "{csv}");
    assert!(lines[1].starts_with("q09,\"'=1+1\",open,"), "the order, and no formula: {csv}");
    assert!(csv.contains("\"'@SUM(A1)\"") && !csv.contains(",=1"), "{csv}");
    let (_, json) = running.bytes(Ask::get("/admin/queues/export.json", &ada)).await;
    let json: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    assert_eq!(json.len(), 63);
    assert_eq!(json[0]["slots"], serde_json::json!(2));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_jobs_and_of_the_trail_have_more_than_one_piece() {
    let running = start().await;
    let ada = superuser(&running).await;
    let app = running.appliance.app();
    let written = app.store().write(|tx| {
        for n in 0..1203 {
            tx.append_audit(&img::store::AuditRecord {
                at: img::server::now(),
                actor: "=cmd".into(),
                peer: String::new(),
                action: "many".into(),
                object: format!("thing {n}"),
                detail: String::new(),
                request: String::new(),
            })?;
        }
        Ok(())
    });
    written.await.unwrap();
    let (head, csv) = running.bytes(Ask::get("/admin/audit/export.csv?action=many", &ada)).await;
    assert_eq!(head.status, 200);
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.lines().count(), 1204);
    assert!(csv.contains("\"'=cmd\""), "a formula is defused");
    let (_, json) = running.bytes(Ask::get("/admin/audit/export.json?action=many", &ada)).await;
    let json: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    assert_eq!(json.len(), 1203);
    let ann = running.user("ann", Some("Submitters")).await;
    for n in 0..3 {
        done_job(&running, &ann, &format!("core{n}"), n).await;
    }
    let (_, json) = running.bytes(Ask::get("/admin/jobs/export.json?q=core1", &ada)).await;
    let json: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    assert_eq!((json.len(), json[0]["name"].as_str()), (1, Some("core1")));
    assert_eq!((json[0]["bytes"].as_u64(), json[0]["state"].as_str()), (Some(15), Some("done")));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_count_what_they_find_and_what_is_gone_is_counted_again() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    for (name, group) in [("ann", "Submitters"), ("bo", "Submitters"), ("olga", "Operators")] {
        running.user(name, Some(group)).await;
    }
    let page = running.get("/admin/users?groups=Submitters", &ada).await.body;
    let (keys, _) = rows(&page);
    assert_eq!(keys, ["ann", "bo"]);
    assert!(page.contains("2 users") && page.contains("Clear all"), "{page}");
    let (keys, _) = rows(&running.get("/admin/users?groups=Submitters&q=AN", &ada).await.body);
    assert_eq!(keys, ["ann"]);
    let none = running.get("/admin/users?groups=None", &ada).await;
    assert!(none.status == 200 && none.body.contains("Nothing fits."), "{}", none.body);
    // "All" that were seen are not all there are now: it is asked again.
    let list = running.get("/admin/users?groups=Submitters", &ada).await.body;
    let form = Form::of(&list, "/admin/users/action");
    let form = form.fill(&[("action", "disable"), ("scope", "all")]).without("id");
    running.user("cy", Some("Submitters")).await;
    let asks = form.send(&running, &ada).await;
    assert_eq!(asks.status, 200, "{}", asks.body);
    assert!(asks.body.contains("now it finds 3 users"), "{}", asks.body);
    let active = || {
        let users = running.appliance.app().store().users().unwrap();
        users.iter().filter(|u| !u.active).map(|u| u.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(active(), [""; 0], "nothing was done");
    let again = Form::of(&asks.body, "/admin/users/action");
    let done = again.send(&running, &ada).await;
    assert_eq!(done.location(), "/admin/users?groups=Submitters", "{}", done.body);
    assert_eq!(active(), ["ann", "bo", "cy"]);
    saved(&running, "/admin/users/cy/change", &ada, &[("active", "on")]).await;
    running.end().await;
}
