//! What is not made by hand: sessions, tokens, runners, image types and architectures.

use super::{
    super::appliance::{Ask, Person, Running},
    fill::{Form, act, change, follow, saved, staff_with, superuser, told},
};
use img::{
    accounts::{session, token},
    domain::Verb,
};

fn key_of(hash: [u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(&hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_and_never_shown_as_they_are() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let (one, two) = (running.session(&bo, false).await, running.session(&bo, false).await);
    let (_, sue) = staff_with(&running, "sue", &[Verb::ViewSessions]).await;
    let cookie = |who: &Person| who.cookie.clone().unwrap();
    let key = |who: &Person| key_of(session::hash(&cookie(who)).unwrap());
    for who in [&ada, &sue] {
        let list = running.get("/admin/sessions?user=bo", who).await;
        let page = running.get(&format!("/admin/sessions/{}/change", key(&one)), who).await;
        for answer in [list, page] {
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains("bo"), "{}", answer.body);
            assert!(!answer.body.contains(&cookie(&one)), "{}", answer.body);
        }
    }
    let delete = format!("/admin/sessions/{}/delete", key(&one));
    assert_eq!(running.ask(Ask::form(&delete, &sue, &[])).await.status, 403);
    let form = Form::open(&running, &delete, &ada).await;
    assert_eq!(form.send(&running, &ada).await.location(), "/admin/sessions");
    assert_eq!(running.get("/queue", &one).await.status, 303);
    assert_eq!(running.get("/queue", &two).await.status, 200);
    assert_eq!(form.send(&running, &ada).await.status, 404, "it is gone already");
    assert_eq!(told(&running, "session.delete").detail, "bo from the tests");
    let asks = act(&running, "sessions", &ada, "delete", &[&key(&two)]).await;
    let form = Form::of(&asks.body, "/admin/sessions/action");
    let list = follow(&running, &ada, &form.send(&running, &ada).await).await;
    assert!(list.body.contains("done for 1 session."), "{}", list.body);
    assert_eq!(running.get("/queue", &two).await.status, 303);
    let post = Ask::form(&format!("/admin/sessions/{}/change", key(&ada)), &ada, &[]);
    assert_eq!(running.ask(post).await.status, 405, "there is nothing to change");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_listed_and_revoked_and_their_secrets_never_shown() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let program = running.token(&bo, &[Verb::ViewJobs]).await;
    let secret = program.bearer.clone().unwrap();
    let key = key_of(token::hash(&secret));
    let change = format!("/admin/tokens/{key}/change");
    for path in ["/admin/tokens", &change, "/admin/tokens/export.json", "/admin/tokens/export.csv"]
    {
        let answer = running.get(path, &ada).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(&token::prefix(&secret)), "{path}: {}", answer.body);
        assert!(!answer.body.contains(&secret), "{path}: {}", answer.body);
    }
    let asks = act(&running, "tokens", &ada, "delete", &[&key]).await;
    assert!(asks.body.contains("of bo"), "{}", asks.body);
    let form = Form::of(&asks.body, "/admin/tokens/action");
    let done = form.send(&running, &ada).await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert_eq!(running.get("/api/v1/jobs", &program).await.status, 401);
    assert_eq!(form.send(&running, &ada).await.status, 404, "the second time it is gone");
    let line = format!("{:?}", told(&running, "token.delete"));
    assert!(!line.contains(&secret), "{line}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_submit_form_loses_a_runner_that_is_switched_off_and_gets_it_back() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let offered = || async {
        let page = running.get("/submit", &ada).await.body;
        page.contains("data-runner=\"hostile\"") || page.contains("value=\"hostile\"")
    };
    assert!(offered().await);
    let path = "/admin/runners/hostile/change";
    let form = Form::open(&running, path, &ada).await;
    assert_eq!(form.get("on"), "on");
    assert_eq!(form.without("on").send(&running, &ada).await.location(), "/admin/runners");
    assert!(!offered().await);
    assert_eq!(told(&running, "runner.change").detail, "on: yes → no");
    let page = running.get(path, &ada).await.body;
    assert!(page.contains("switched off by an administrator"), "{page}");
    saved(&running, path, &ada, &[("on", "on")]).await;
    assert!(offered().await);
    assert_eq!(act(&running, "runners", &ada, "off", &["hostile"]).await.status, 303);
    assert!(!offered().await);
    assert_eq!(act(&running, "runners", &ada, "on", &["hostile"]).await.status, 303);
    assert!(offered().await);
    let missing = act(&running, "runners", &ada, "off", &["hostile", "no-such"]).await;
    assert_eq!(missing.status, 404, "{}", missing.body);
    assert!(offered().await, "all of a choice or none");
    // A runner that is off can still be looked at and exported.
    let page = running.get("/admin/runners/export.json", &ada).await;
    assert!(page.body.contains("\"hostile\""), "{}", page.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_order_and_hiding_are_what_the_submit_form_shows() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let submit = || async { running.get("/submit", &ada).await.body };
    let path = "/admin/types/raw/change";
    saved(&running, path, &ada, &[("label", "Card & <b>"), ("order", "-3")]).await;
    assert!(submit().await.contains(">Card &amp; &lt;b&gt;</option>"), "{}", submit().await);
    let form = Form::open(&running, path, &ada).await;
    assert_eq!(
        (form.get("label"), form.get("order"), form.get("hidden")),
        ("Card & <b>", "-3", "")
    );
    for (field, value) in [
        ("order", "1001"),
        ("order", ""),
        ("order", "x"),
        ("label", &"x".repeat(61)),
        ("label", "a\u{1b}b"),
    ] {
        let answer = change(&running, path, &ada, &[(field, value)]).await;
        assert_eq!(answer.status, 422, "{field}={value:?}: {}", answer.body);
        assert!(answer.body.contains(&format!("f-{field}-bad")), "{field}: {}", answer.body);
    }
    assert_eq!(act(&running, "types", &ada, "hide", &["raw"]).await.status, 303);
    assert!(!submit().await.contains("<option value=\"raw\""), "{}", submit().await);
    assert_eq!(Form::open(&running, path, &ada).await.get("label"), "Card & <b>", "it is kept");
    assert_eq!(act(&running, "types", &ada, "show", &["raw"]).await.status, 303);
    assert!(submit().await.contains("<option value=\"raw\""));
    let path = "/admin/archs/x86_64/change";
    saved(&running, path, &ada, &[("label", "Desktop"), ("order", "5")]).await;
    assert!(submit().await.contains(">Desktop</option>"), "{}", submit().await);
    saved(&running, path, &ada, &[("label", ""), ("order", "0")]).await;
    let key = img::app::Kind::Arch.key("x86_64");
    let stored = running.appliance.app().store().setting(&key).unwrap();
    assert_eq!(stored, None, "nothing is kept of what is as it was");
    running.end().await;
}
