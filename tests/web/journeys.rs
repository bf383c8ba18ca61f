//! The everyday ways through the pages.

use super::appliance::{Ask, PASSWORD, Person, Running};

fn stranger() -> Person {
    Person::default()
}

fn signed_in(cookie: &str) -> Person {
    Person { cookie: Some(cookie.to_owned()), ..Person::default() }
}

async fn sign_in(running: &Running, name: &str, password: &str) -> super::appliance::Answer {
    let fields = [("name", name), ("password", password), ("next", "/queue?mine=1")];
    running.ask(Ask::form("/login", &stranger(), &fields)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_leads_to_a_password_and_then_in() {
    let running = Running::start().await;
    let answer = running.get("/queue?mine=1", &stranger()).await;
    assert_eq!(answer.location(), "/login?next=%2Fqueue%3Fmine%3D1");
    let answer = sign_in(&running, "imager", "imager").await;
    assert_eq!((answer.status, answer.location()), (303, "/password?next=%2Fqueue%3Fmine%3D1"));
    let first = signed_in(answer.cookie("img").unwrap());
    assert_eq!(running.get("/queue", &first).await.location(), "/password");
    assert_eq!(running.get("/password", &first).await.status, 200);

    let set = |new: &'static str, again: &'static str| {
        let fields = [("new", new), ("again", again), ("next", "/queue?mine=1")];
        running.ask(Ask::form("/password", &first, &fields))
    };
    assert_eq!(set("short", "short").await.status, 422);
    assert_eq!(set(PASSWORD, "another long password").await.status, 422);
    let answer = set(PASSWORD, PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, "/queue?mine=1"));
    let person = signed_in(answer.cookie("img").unwrap());
    let page = running.get("/queue?mine=1", &person).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_ne!(running.get("/queue", &first).await.status, 200, "the first session is over");

    let answer = running.ask(Ask::form("/logout", &person, &[])).await;
    assert_eq!((answer.location(), answer.cookie("img")), ("/login", Some("")));
    assert_eq!(running.get("/queue", &person).await.status, 303);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_sign_in_is_told_the_same_whatever_was_wrong() {
    let running = Running::start().await;
    running.user("ann", Some("Submitters")).await;
    let wrong = sign_in(&running, "ann", "not her password").await;
    let unknown = sign_in(&running, "nobody", "not a password").await;
    assert_eq!((wrong.status, unknown.status), (403, 403));
    let message = "the user name and the password do not fit together";
    for answer in [wrong, unknown] {
        assert!(answer.body.to_lowercase().contains(message), "{}", answer.body);
        assert_eq!(answer.cookie("img"), None);
    }
    let mut last = 0;
    for _ in 0..8 {
        let answer = sign_in(&running, "ann", "not her password").await;
        last = answer.status;
        if last == 429 {
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
            break;
        }
    }
    assert_eq!(last, 429, "guessing is slowed down");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_on_never_leads_to_another_site() {
    let running = Running::start().await;
    running.user("ann", Some("Submitters")).await;
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y"] {
        let fields = [("name", "ann"), ("password", PASSWORD), ("next", next)];
        let answer = running.ask(Ask::form("/login", &stranger(), &fields)).await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{next:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_cookie_is_forgotten_and_never_an_error() {
    let running = Running::start().await;
    for cookie in ["x", "", "%00", &"a".repeat(43), &"a".repeat(4000)] {
        let answer = running.get("/login", &signed_in(cookie)).await;
        assert_eq!(answer.status, 200, "{cookie}");
    }
    let answer = running.get("/login", &signed_in(&"a".repeat(43))).await;
    assert_eq!(answer.cookie("img"), Some(""), "it is cleared");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_is_still_there_after_an_error() {
    let running = Running::with_runner(|_| {}).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let fields = [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", "nosuchrunner"),
        ("queue", "web"),
        ("packages", "vim\n-nano"),
        ("action", "submit"),
    ];
    let file = Some(("core.ks", "lang en_US\n# my own words\n".as_bytes()));
    let form = Ask::new("POST", "/submit", &person).multipart(&person.csrf(), &fields, file);
    let answer = running.ask(form).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    for kept in ["my-core", "# my own words", "vim\n-nano"] {
        assert!(answer.body.contains(kept), "{kept} in {}", answer.body);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_too_large_or_no_text_is_told_so_with_the_form() {
    let running = Running::with_runner(|c| c.limits.definition = img::config::Size::mib(1)).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let send = |bytes: Vec<u8>| {
        let fields = [("source", "upload"), ("name", "my-core"), ("action", "submit")];
        let file = Some(("core.ks", bytes.as_slice()));
        running.ask(Ask::new("POST", "/submit", &person).multipart(&person.csrf(), &fields, file))
    };
    let answer = send(vec![b'#'; 3 << 20]).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("my-core") && answer.body.contains("1048576"));
    let answer = send(b"lang en\nkey\xe9board\n".to_vec()).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.body.contains("byte 4 of line 2 is 0xe9"), "{}", answer.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_theme_is_kept_and_the_way_back_is_kept() {
    let running = Running::start().await;
    let fields = [("theme", "dark"), ("next", "/login?next=%2Fqueue")];
    let answer = running.ask(Ask::form("/account/theme", &stranger(), &fields)).await;
    assert_eq!((answer.status, answer.location()), (303, "/login?next=%2Fqueue"));
    assert_eq!(answer.cookie("img_theme"), Some("dark"));
    let mut ask = Ask::get("/login", &stranger());
    ask.headers.push(("Cookie".into(), "img_theme=dark".into()));
    assert!(running.ask(ask).await.body.contains("data-theme=\"dark\""));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_works_until_it_is_revoked() {
    let running = Running::start().await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let fields = [("label", "nightly"), ("scope", "view-jobs"), ("scope", "backup"), ("days", "9")];
    let answer = running.ask(Ask::form("/account/tokens", &person, &fields)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let at = answer.body.find("img_").unwrap();
    let secret = answer.body.get(at..at + 47).unwrap().to_owned();
    let program = Person { bearer: Some(secret.clone()), ..Person::default() };
    assert_eq!(running.get("/api/v1/jobs", &program).await.status, 200);
    assert_eq!(running.get("/api/v1/backup", &program).await.status, 403, "she may not herself");
    assert_eq!(running.get("/api/v1/choices", &program).await.status, 403, "it may not");
    let prefix: String = secret.chars().take(12).collect();
    let revoke = Ask::form("/account/tokens/revoke", &person, &[("prefix", &prefix)]);
    assert_eq!(running.ask(revoke).await.location(), "/account");
    let answer = running.get("/api/v1/jobs", &program).await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer realm=\"img\""))
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sessions_end_on_demand_and_this_one_does_not() {
    let running = Running::start().await;
    let ann = running.user("ann", Some("Submitters")).await;
    let (here, there) = (running.session(&ann, false).await, running.session(&ann, false).await);
    let answer = running.ask(Ask::form("/account/sessions/end-others", &here, &[])).await;
    assert_eq!(answer.location(), "/account");
    assert_eq!(running.get("/queue", &there).await.status, 303);
    let page = running.get("/account", &here).await;
    assert_eq!(page.status, 200);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_once() {
    let running = Running::start().await;
    let mut ask = Ask::get("/login", &stranger());
    ask.headers.push(("Cookie".into(), "img_flash=signed-out".into()));
    let answer = running.ask(ask).await;
    assert!(answer.body.contains("You are logged out."), "{}", answer.body);
    assert_eq!(answer.cookie("img_flash"), Some(""), "and forgotten");
    running.end().await;
}

/// What the form sends for a job that can be built.
fn good_job(action: &str) -> [(&str, &str); 8] {
    [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", "web"),
        ("option.size", "7"),
        ("action", action),
    ]
}

async fn hand_in(running: &Running, person: &Person, action: &str) -> super::appliance::Answer {
    let file = Some(("core.word", "hello world <b>\n".as_bytes()));
    let form = Ask::new("POST", "/submit", person);
    running.ask(form.multipart(&person.csrf(), &good_job(action), file)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_checked_handed_in_and_watched() {
    let running = Running::with_runner(|_| {}).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let answer = hand_in(&running, &person, "check").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("echo hello my-core"), "{}", answer.body);
    assert!(answer.body.contains("hello world &lt;b&gt;"), "the definition is kept as text");

    let answer = hand_in(&running, &person, "submit").await;
    assert_eq!((answer.status, answer.location()), (303, "/jobs/1"), "{}", answer.body);
    assert_eq!(answer.cookie("img_flash"), Some("submitted.1"));
    for path in ["/", "/queue", "/jobs/1", "/jobs/1/files", "/jobs/1/log", "/jobs/1/definition"] {
        let page = running.get(path, &person).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains("<b>"), "{path} shows the definition as it is");
    }
    let text = running.get("/jobs/1/definition.txt", &person).await;
    assert_eq!(text.body, "hello world <b>\n");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_job_is_launched_or_cancelled_only_by_who_may() {
    let running = Running::with_runner(|_| {}).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let olga = running.user("olga", Some("Operators")).await;
    let (ann, bo, olga) = (
        running.session(&ann, false).await,
        running.session(&bo, false).await,
        running.session(&olga, false).await,
    );
    let mut job = good_job("submit");
    job[5] = ("queue", "requests");
    let file = Some(("core.word", "hello".as_bytes()));
    for number in ["/jobs/1", "/jobs/2"] {
        let form = Ask::new("POST", "/submit", &ann).multipart(&ann.csrf(), &job, file);
        let answer = running.ask(form).await;
        assert_eq!(answer.location(), number, "{}", answer.body);
    }
    let post = |path: &'static str, person: &Person| running.ask(Ask::form(path, person, &[]));
    let answer = post("/jobs/1/cancel", &bo).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("cancel-any"), "the permission is named: {}", answer.body);
    assert_eq!(running.get("/jobs/1/cancel", &bo).await.status, 403);
    assert_eq!(post("/jobs/1/launch", &ann).await.status, 403);
    assert_eq!(running.get("/jobs/1/cancel", &ann).await.status, 200);
    assert_eq!(post("/jobs/1/cancel", &ann).await.location(), "/jobs/1");
    assert_eq!(post("/jobs/1/cancel", &ann).await.status, 409, "it has ended");
    assert_eq!(post("/jobs/2/launch", &olga).await.location(), "/jobs/2");
    assert_eq!(post("/jobs/3/cancel", &olga).await.status, 404);
    running.end().await;
}
