//! Set-up links: shown once, good once, and never longer than they say.

use super::{
    super::appliance::{Answer, Ask, PASSWORD, Person, Running},
    fill::{Form, act, change, saved, staff_with, superuser, told, trail},
};
use img::{
    domain::{Timestamp, UserName, Verb},
    server::now,
};

/// The path of the link a page shows.
fn link(page: &Answer) -> String {
    assert_eq!(page.status, 200, "{}", page.body);
    let at = page.body.find("/setup/").expect("a link");
    let end = page.body[at..].find('<').unwrap();
    page.body[at..at + end].to_owned()
}

async fn new_link(running: &Running, who: &Person, name: &str) -> String {
    let path = format!("/admin/users/{name}/change");
    let page = running.get(&path, who).await;
    let form = Form::of(&page.body, &format!("/admin/users/{name}/setup"));
    link(&form.send(running, who).await)
}

async fn set(running: &Running, path: &str, new: &str, again: &str) -> Answer {
    let page = running.get(path, &Person::default()).await;
    let form = match page.status {
        200 => Form::of(&page.body, path),
        _ => Form { action: path.to_owned(), fields: Vec::new() },
    };
    form.set("new", new).set("again", again).send(running, &Person::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_sets_one_password_signs_in_and_is_over() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let path = link(&change(&running, "/admin/users/add", &ada, &[("name", "ned")]).await);
    let page = running.get("/admin/users/ned/change", &ada).await;
    assert!(!page.body.contains("/setup/") || !page.body.contains(&path), "shown once");
    let page = running.get(&path, &Person::default()).await;
    assert!(page.body.contains("ned"), "{}", page.body);
    for (new, again, field) in
        [("short", "short", "new"), (PASSWORD, "another one", "again"), ("", "", "new")]
    {
        let answer = set(&running, &path, new, again).await;
        assert_eq!(answer.status, 422, "{new:?}: {}", answer.body);
        assert!(answer.body.contains(&format!("f-{field}-bad")), "{new:?}: {}", answer.body);
    }
    let answer = set(&running, &path, PASSWORD, PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, "/"), "{}", answer.body);
    let ned = Person { cookie: answer.cookie("img").map(str::to_owned), ..Person::default() };
    assert_eq!(running.get("/account", &ned).await.status, 200);
    for status in [
        running.get(&path, &Person::default()).await.status,
        set(&running, &path, PASSWORD, PASSWORD).await.status,
        running.get("/setup/made-up", &Person::default()).await.status,
        running.get(&format!("/setup/{}", "a".repeat(43)), &Person::default()).await.status,
    ] {
        assert_eq!(status, 410);
    }
    let form = Ask::form("/login", &Person::default(), &[("name", "ned"), ("password", PASSWORD)]);
    assert_eq!(running.ask(form).await.status, 303);
    let line = told(&running, "password.set");
    assert_eq!((line.actor.as_str(), line.object.as_str()), ("ned", "user ned"));
    assert!(line.peer.contains("127.0.0.1"), "{line:?}");
    let secret = path.trim_start_matches("/setup/");
    for line in trail(&running) {
        let all = format!("{line:?}");
        assert!(!all.contains(secret) && !all.contains(PASSWORD), "{all}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_link_a_password_and_time_make_a_link_void() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Viewers")).await;
    let (stranger, gone) = (Person::default(), 410);
    let old = new_link(&running, &ada, "bo").await;
    let newer = new_link(&running, &ada, "bo").await;
    assert_eq!(running.get(&old, &stranger).await.status, gone, "a newer one was made");
    assert_eq!(running.get(&newer, &stranger).await.status, 200);
    // Whoever knows the password needs no link.
    let person = running.session(&bo, false).await;
    let new = "five blue kettles hum";
    let fields = [("old", PASSWORD), ("new", new), ("again", new)];
    let answer = running.ask(Ask::form("/password", &person, &fields)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(running.get(&newer, &stranger).await.status, gone, "a password was set");

    let late = new_link(&running, &ada, "bo").await;
    let before = Timestamp::from_millis(now().as_millis() - 1);
    running.change_user(&bo, move |user| user.setup.as_mut().unwrap().until = before).await;
    assert_eq!(running.get(&late, &stranger).await.status, gone, "it is too old");
    assert_eq!(set(&running, &late, PASSWORD, PASSWORD).await.status, gone);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_void_once_its_user_is_switched_off() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    running.user("bo", Some("Viewers")).await;
    let path = new_link(&running, &ada, "bo").await;
    assert_eq!(act(&running, "users", &ada, "disable", &["bo"]).await.status, 303);
    assert_eq!(running.get(&path, &Person::default()).await.status, 410);
    let form = Ask::form("/admin/users/bo/setup", &ada, &[]);
    let answer = running.ask(form).await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("switched off"), "{}", answer.body);
    assert_eq!(act(&running, "users", &ada, "enable", &["bo"]).await.status, 303);
    let status = running.get(&path, &Person::default()).await.status;
    assert_eq!(status, 410, "a link from before does not come back");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_the_sessions_there_were_and_clears_a_forced_change() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Viewers")).await;
    let before = running.session(&bo, false).await;
    saved(&running, "/admin/users/bo/change", &ada, &[("must_set_password", "on")]).await;
    let path = new_link(&running, &ada, "bo").await;
    let answer = set(&running, &path, "five blue kettles hum", "five blue kettles hum").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(running.get("/account", &before).await.location(), "/login?next=%2Faccount");
    let user = running.appliance.app().store().user(&UserName::new("bo").unwrap());
    let user = user.unwrap().unwrap();
    assert!(!user.must_set_password && user.setup.is_none());
    let missing = running.ask(Ask::form("/admin/users/nobody/setup", &ada, &[])).await;
    assert_eq!(missing.status, 404, "{}", missing.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_void_while_its_user_may_more_than_whoever_made_it() {
    let running = Running::start().await;
    let verbs = [Verb::ViewUsers, Verb::ChangeUsers];
    let (_, ann) = staff_with(&running, "ann", &verbs).await;
    let bo = running.user("bo", None).await;
    let may_more = |more: bool| running.change_user(&bo, move |user| user.superuser = more);
    may_more(false).await;
    let path = new_link(&running, &ann, "bo").await;
    may_more(true).await;
    let new = "five blue kettles hum";
    let answer = set(&running, &path, new, new).await;
    assert_eq!(answer.status, 410, "ann would be a superuser: {}", answer.body);
    let form = [("name", "bo"), ("password", PASSWORD)];
    assert_eq!(running.ask(Ask::form("/login", &Person::default(), &form)).await.status, 303);
    may_more(false).await;
    assert_eq!(set(&running, &path, new, new).await.status, 303, "as it was meant");
    running.end().await;
}
