//! Users: made in two steps, changed, switched off, deleted; and what nobody may do to anybody.

use super::{
    super::appliance::{Answer, Ask, PASSWORD, Person, Running},
    fill::{Form, act, change, follow, saved, staff_with, superuser, told, trail},
};
use img::domain::{User, UserName, Verb};

fn user(running: &Running, name: &str) -> Option<User> {
    running.appliance.app().store().user(&UserName::new(name).unwrap()).unwrap()
}

fn manager() -> Vec<Verb> {
    vec![Verb::ViewUsers, Verb::AddUsers, Verb::ChangeUsers, Verb::DeleteUsers, Verb::ViewJobs]
}

async fn sign_in(running: &Running, name: &str) -> Answer {
    let fields = [("name", name), ("password", PASSWORD)];
    running.ask(Ask::form("/login", &Person::default(), &fields)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_added_in_two_steps_by_who_may_change_users_too() {
    let running = Running::start().await;
    let (_, ida) = staff_with(&running, "ida", &[Verb::ViewUsers, Verb::AddUsers]).await;
    let refused = change(&running, "/admin/users/add", &ida, &[("name", "new")]).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("change-users"), "{}", refused.body);
    assert_eq!(user(&running, "new"), None);

    let ada = superuser(&running).await;
    let first = Form::open(&running, "/admin/users/add", &ada).await;
    for later in ["groups", "grants", "active", "staff", "superuser", "running"] {
        assert_eq!(first.all(later), [""; 0], "{later} comes in the second step");
    }
    // Rights that are sent with the first step count for nothing.
    let sneaky = first.fill(&[("name", "new"), ("full_name", "Ned <New>"), ("superuser", "on")]);
    let answer = sneaky.send(&running, &ada).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("http://localhost/setup/"), "{}", answer.body);
    let second = Form::of(&answer.body, "/admin/users/new/change");
    assert!(!user(&running, "new").unwrap().superuser);
    assert_eq!(second.get("active"), "on");
    let rights = second
        .fill(&[("staff", "on"), ("running", "2"), ("queued", "0"), ("bytes", "3GiB")])
        .set("mail", "ned@example.org")
        .with("groups", &["Submitters", "Viewers"])
        .with("grants", &["pin"]);
    let answer = rights.send(&running, &ada).await;
    assert_eq!(answer.location(), "/admin/users", "{}", answer.body);
    let ned = user(&running, "new").unwrap();
    assert_eq!((ned.full_name.as_str(), ned.mail.as_str()), ("Ned <New>", "ned@example.org"));
    assert!(ned.staff && ned.active && !ned.superuser && ned.verbs.has(Verb::Pin));
    assert_eq!(ned.groups.len(), 2);
    let quota = (ned.quota.running, ned.quota.queued, ned.quota.bytes);
    assert_eq!(quota, (Some(2), Some(0), Some(3 << 30)));
    let shown = Form::open(&running, "/admin/users/new/change", &ada).await;
    assert_eq!(shown.all("groups"), ["Submitters", "Viewers"]);
    assert_eq!((shown.get("queued"), shown.get("bytes")), ("0", "3GiB"));
    assert_eq!((shown.get("staff"), shown.get("superuser")), ("on", ""));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_a_user_is_named() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let long = "x".repeat(101);
    for (field, value) in [
        ("name", "ada"),
        ("name", "console"),
        ("name", "-x"),
        ("name", "a b"),
        ("name", "a/../b"),
        ("name", ""),
        ("name", &long),
        ("full_name", &long),
        ("mail", "nobody"),
        ("mail", "a@b@c"),
        ("mail", "a@b,c@d"),
        ("mail", "a b@c"),
        ("mail", "\"<x>\"@c"),
    ] {
        let fields = [("name", "new"), (field, value)];
        let answer = change(&running, "/admin/users/add", &ada, &fields).await;
        assert_eq!(answer.status, 422, "{field}={value:?}: {}", answer.body);
        assert!(answer.body.contains(&format!("f-{field}-bad")), "{field}: {}", answer.body);
        assert_eq!(user(&running, "new"), None);
    }
    let before = user(&running, "ada");
    for (field, value) in [
        ("running", "1001"),
        ("running", "-1"),
        ("queued", "x"),
        ("bytes", "lots"),
        ("groups", "Nobody"),
        ("grants", "everything"),
    ] {
        let answer = change(&running, "/admin/users/ada/change", &ada, &[(field, value)]).await;
        assert_eq!(answer.status, 422, "{field}={value:?}: {}", answer.body);
        assert!(answer.body.contains(&format!("f-{field}-bad")), "{field}: {}", answer.body);
    }
    assert_eq!(user(&running, "ada"), before);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_switched_off_is_out_at_once() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    for (name, by_action) in [("bo", false), ("cy", true)] {
        let who = running.user(name, Some("Submitters")).await;
        let session = running.session(&who, false).await;
        let token = running.token(&who, &[Verb::ViewJobs]).await;
        assert_eq!(running.get("/queue", &session).await.status, 200);
        assert_eq!(running.get("/api/v1/jobs", &token).await.status, 200);
        if by_action {
            let answer = act(&running, "users", &ada, "disable", &[name]).await;
            let list = follow(&running, &ada, &answer).await;
            assert!(list.body.contains("Disable: done for 1 user."), "{}", list.body);
        } else {
            let path = format!("/admin/users/{name}/change");
            let form = Form::open(&running, &path, &ada).await;
            assert_eq!(form.without("active").send(&running, &ada).await.status, 303);
        }
        assert_eq!(running.get("/queue", &session).await.location(), "/login?next=%2Fqueue");
        assert_eq!(running.get("/api/v1/jobs", &token).await.status, 401);
        assert_eq!(sign_in(&running, name).await.status, 403);
        assert_eq!(act(&running, "users", &ada, "enable", &[name]).await.status, 303);
        assert_eq!(running.get("/queue", &session).await.status, 303, "it does not come back");
        assert_eq!(running.get("/api/v1/jobs", &token).await.status, 401);
        assert_eq!(sign_in(&running, name).await.status, 303);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_set_a_password_does_nothing_else_before() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let open = running.session(&bo, false).await;
    saved(&running, "/admin/users/bo/change", &ada, &[("must_set_password", "on")]).await;
    assert_eq!(running.get("/queue", &open).await.location(), "/password");
    let answer = sign_in(&running, "bo").await;
    assert_eq!(answer.location(), "/password");
    let cookie = answer.cookie("img").map(str::to_owned);
    let bo = Person { cookie, ..Person::default() };
    let new = "five blue kettles hum";
    let form = Ask::form("/password", &bo, &[("new", new), ("again", new)]);
    let answer = running.ask(form).await;
    assert_eq!((answer.status, answer.location()), (303, "/"), "{}", answer.body);
    let bo = Person { cookie: answer.cookie("img").map(str::to_owned), ..Person::default() };
    assert_eq!(running.get("/queue", &bo).await.status, 200);
    assert!(!user(&running, "bo").unwrap().must_set_password);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_user_can_be_made_to_choose_another_password_at_any_time() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let imager = UserName::new("imager").unwrap();
    let hash = user(&running, "ada").unwrap().password_hash;
    let long_ago = img::domain::Timestamp::default();
    running
        .change_user(&imager, move |user| {
            user.password_hash = hash;
            user.must_set_password = false;
            user.created = long_ago;
        })
        .await;
    let path = "/admin/users/imager/change";
    saved(&running, path, &ada, &[("must_set_password", "on")]).await;
    let answer = sign_in(&running, "imager").await;
    assert_eq!((answer.status, answer.location()), (303, "/password"), "{}", answer.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_what_they_do_not_have_nor_changes_who_may_more() {
    let running = Running::start().await;
    let (_, mia) = staff_with(&running, "mia", &manager()).await;
    running.user("bo", Some("Viewers")).await;
    running.user("root", None).await;
    running.user("olga", Some("Operators")).await;
    let path = "/admin/users/bo/change";
    let page = running.get(path, &mia).await.body;
    assert!(
        page.contains("value=\"backup\" disabled"),
        "what she has not cannot be ticked: {page}"
    );
    for (field, value, why) in [
        ("grants", "backup", "you cannot give what you do not have yourself: backup"),
        ("groups", "Operators", "you cannot give what you do not have yourself"),
        ("groups", "Administrators", "you cannot give what you do not have yourself"),
        ("superuser", "on", "only superusers make superusers"),
    ] {
        let answer = change(&running, path, &mia, &[(field, value)]).await;
        assert_eq!(answer.status, 422, "{field}={value}: {}", answer.body);
        assert!(answer.body.to_lowercase().contains(why), "{field}: {}", answer.body);
    }
    for name in ["root", "olga"] {
        let before = user(&running, name);
        let path = format!("/admin/users/{name}/change");
        let answer = change(&running, &path, &mia, &[("mail", "mia@example.org")]).await;
        assert_eq!(answer.status, 409, "{name}: {}", answer.body);
        let why =
            if name == "root" { "only superusers change superusers" } else { "ask a superuser" };
        assert!(answer.body.contains(why), "{name}: {}", answer.body);
        for action in ["disable", "enable"] {
            let answer = act(&running, "users", &mia, action, &[name, "bo"]).await;
            assert_eq!(answer.status, 409, "{name} {action}: {}", answer.body);
        }
        let link = Ask::form(&format!("/admin/users/{name}/setup"), &mia, &[]);
        let answer = running.ask(link).await;
        assert_eq!(answer.status, 409, "{name}: {}", answer.body);
        assert!(!answer.body.contains("/setup/"), "{name}: {}", answer.body);
        let delete = Ask::form(&format!("/admin/users/{name}/delete"), &mia, &[]);
        assert_eq!(running.ask(delete).await.status, 409, "{name}");
        assert_eq!(user(&running, name), before, "{name}");
    }
    assert!(user(&running, "bo").unwrap().active, "all of a choice or none");
    saved(&running, path, &mia, &[("mail", "bo@example.org"), ("grants", "view-users")]).await;
    assert!(user(&running, "bo").unwrap().verbs.has(Verb::ViewUsers));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_locks_themselves_or_everybody_out() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    // The user of the first start is a superuser as well.
    saved(&running, "/admin/users/imager/change", &ada, &[("full_name", "The first")]).await;
    let form = Form::open(&running, "/admin/users/imager/change", &ada).await;
    assert_eq!(form.without("superuser").send(&running, &ada).await.status, 303);
    let path = "/admin/users/ada/change";
    let form = Form::open(&running, path, &ada).await;
    for (field, why) in [("active", "this is you"), ("superuser", "this is you")] {
        let answer = form.clone().without(field).send(&running, &ada).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.body);
        assert!(answer.body.to_lowercase().contains(why), "{field}: {}", answer.body);
    }
    assert_eq!(act(&running, "users", &ada, "disable", &["ada"]).await.status, 409);
    let path = "/admin/users/ada/delete";
    let page = running.get(path, &ada).await;
    assert!(page.body.contains("the last superuser who is active"), "{}", page.body);
    let forced = running.ask(Ask::form(path, &ada, &[])).await;
    assert_eq!(forced.status, 409, "{}", forced.body);
    // Somebody with every permission who is no superuser does not get at her either.
    let ari = running.staff("ari", Some("Administrators")).await;
    let ari = running.session(&ari, false).await;
    assert_eq!(running.ask(Ask::form(path, &ari, &[])).await.status, 409);
    assert_eq!(act(&running, "users", &ari, "disable", &["ada"]).await.status, 409);
    assert!(user(&running, "ada").unwrap().superuser);
    // A second one may take it from the first, not from the last.
    running.user("eva", None).await;
    let eva = running.session(&UserName::new("eva").unwrap(), false).await;
    let form = Form::open(&running, "/admin/users/ada/change", &eva).await;
    assert_eq!(form.without("superuser").send(&running, &eva).await.status, 303);
    assert_eq!(running.ask(Ask::form("/admin/users/eva/delete", &eva, &[])).await.status, 409);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_leaves_jobs_behind_and_nothing_that_lets_in() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let session = running.session(&bo, false).await;
    let token = running.token(&bo, &[Verb::ViewJobs]).await;
    let id = super::super::retention::done_job(&running, &bo, "core", 1).await;
    let path = "/admin/users/bo/delete";
    let page = running.get(path, &ada).await;
    for said in ["1 sessions and 1 API tokens end at once", "1 jobs of theirs stay"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let answer = Form::of(&page.body, path).send(&running, &ada).await;
    let list = follow(&running, &ada, &answer).await;
    assert!(list.body.contains("The user bo was deleted."), "{}", list.body);
    assert_eq!(running.get("/queue", &session).await.status, 303);
    assert_eq!(running.get("/api/v1/jobs", &token).await.status, 401);
    let sessions = running.appliance.app().store().sessions().unwrap();
    assert!(sessions.iter().all(|s| s.user != bo));
    assert!(running.appliance.app().store().tokens().unwrap().is_empty());
    let job = running.get(&format!("/jobs/{id}"), &ada).await;
    assert_eq!(job.status, 200);
    assert!(job.body.contains("bo"), "{}", job.body);
    assert_eq!(told(&running, "user.delete").object, "user bo");
    // Somebody new of the same name gets none of it.
    let answer = change(&running, "/admin/users/add", &ada, &[("name", "bo")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(running.get("/queue", &session).await.status, 303);
    let lines = trail(&running);
    assert!(lines.iter().all(|line| !line.detail.contains("argon2")), "{lines:#?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_quota_counts_for_the_next_job() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let bo = running.session(&bo, false).await;
    saved(&running, "/admin/users/bo/change", &ada, &[("queued", "1")]).await;
    let hand_in = || async {
        let fields = [
            ("source", "upload"),
            ("name", "my-core"),
            ("runner", "hostile"),
            ("image_type", "raw"),
            ("arch", "x86_64"),
            ("queue", "requests"),
            ("action", "submit"),
        ];
        let file = Some(("core.word", "hello".as_bytes()));
        let form = Ask::new("POST", "/submit", &bo).multipart(&bo.csrf(), &fields, file);
        running.ask(form).await
    };
    assert_eq!(hand_in().await.status, 303);
    let refused = hand_in().await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("bo may have 1 jobs waiting"), "{}", refused.body);
    saved(&running, "/admin/users/bo/change", &ada, &[("queued", "0")]).await;
    assert_eq!(hand_in().await.status, 303, "0 is no limit");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deleted_while_their_password_is_checked_does_not_come_back() {
    let running = Running::start().await;
    let bo = running.user("bo", Some("Administrators")).await;
    let app = running.appliance.app().clone();
    let peer = img::app::Peer::default();
    let mut signing_in = Box::pin(app.sign_in(
        "bo",
        super::super::appliance::PASSWORD,
        None,
        &peer,
        img::server::now(),
    ));
    // It has looked at the user and checks the password, which takes a while.
    std::future::poll_fn(|context| {
        let pending = signing_in.as_mut().poll(context).is_pending();
        assert!(pending, "it takes a while");
        std::task::Poll::Ready(())
    })
    .await;
    let name = bo.clone();
    app.store().write(move |tx| tx.remove_user(&name)).await.unwrap();
    assert!(matches!(signing_in.await, Err(img::app::SignInError::Refused)));
    assert_eq!(app.store().user(&bo).unwrap(), None);
    assert!(app.store().sessions_of(&bo).unwrap().is_empty());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_somebody_who_may_less_by_now_changes_nothing() {
    let running = Running::start().await;
    let (eve, _) = staff_with(&running, "eve", &[Verb::ViewUsers, Verb::ChangeUsers]).await;
    let bo = running.user("bo", None).await;
    running.change_user(&bo, |user| user.superuser = false).await;
    let app = running.appliance.app().clone();
    let groups = app.store().groups().unwrap();
    // As when the form began to arrive.
    let was = app.store().user(&eve).unwrap().unwrap().actor(&groups);
    let peer = img::app::Peer::default();
    let link = || app.new_setup_link(&was, "bo", &peer, img::server::now());
    link().await.unwrap();
    running.change_user(&eve, |user| user.verbs = img::domain::Verbs::NONE).await;
    let refused = link().await.unwrap_err().to_string();
    assert!(refused.contains("what you may do has changed"), "{refused}");
    running.change_user(&eve, |user| user.active = false).await;
    link().await.unwrap_err();
    assert!(app.store().user(&bo).unwrap().is_some());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_new_passwords_at_once_one_counts_and_the_other_is_told_so() {
    let running = Running::start().await;
    let bo = running.user("bo", Some("Submitters")).await;
    let app = running.appliance.app().clone();
    let (peer, now) = (img::app::Peer::default(), img::server::now());
    let cookie = running.session(&bo, false).await.cookie.unwrap();
    let session = app.session(&cookie, now).await.unwrap();
    let set = |new: &'static str| app.set_password(&session, PASSWORD, new, &peer, now);
    // Both find the old one right before either has written a new one.
    let both = tokio::join!(set("five blue kettles hum"), set("six grey kettles boil"));
    let (new, late) = match both {
        (Ok(_), Err(late)) => ("five blue kettles hum", late),
        (Err(late), Ok(_)) => ("six grey kettles boil", late),
        other => panic!("one counts: {other:?}"),
    };
    assert!(late.to_string().contains("changed meanwhile"), "{late}");
    assert!(app.sign_in("bo", new, None, &peer, now).await.is_ok());
    assert_eq!(app.store().sessions_of(&bo).unwrap().len(), 2, "of the change and of the sign-in");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_gone_gets_no_token() {
    let running = Running::start().await;
    let bo = running.user("bo", Some("Submitters")).await;
    let app = running.appliance.app().clone();
    let (peer, now) = (img::app::Peer::default(), img::server::now());
    let cookie = running.session(&bo, false).await.cookie.unwrap();
    // As when the form began to arrive.
    let session = app.session(&cookie, now).await.unwrap();
    let make = || app.new_token(&session, "nightly", session.actor.verbs, None, (&peer, now));
    make().await.unwrap();
    let name = bo.clone();
    app.store().write(move |tx| tx.remove_user(&name)).await.unwrap();
    let refused = make().await.unwrap_err().to_string();
    assert!(refused.contains("what you may do has changed"), "{refused}");
    assert!(app.store().tokens_of(&bo).unwrap().is_empty(), "theirs went with them");
    running.end().await;
}
