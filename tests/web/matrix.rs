//! Every route of the table × everybody who may come: made from the table itself, so that a new
//! route is in it the moment it has a row.

use super::appliance::{Answer, Ask, Person, Running};
use img::{
    domain::{Verb, Verbs},
    web::table::{Answers, BodyRule, Need, ROWS, Row},
};

/// What somebody is, as far as access goes.
struct Actor {
    what: &'static str,
    /// Cookies count for pages, tokens and the console for the API.
    api: bool,
    known: bool,
    console: bool,
    only_set_password: bool,
    /// May enter the Admin tab.
    staff: bool,
    verbs: Verbs,
}

/// What the rules say of a route and somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Past the door; what is behind it may still be missing.
    In,
    Login,
    SetPassword,
    Unauthorized,
    Forbidden,
}

fn wanted(row: &Row, actor: &Actor) -> Wanted {
    let api = row.answers == Answers::Api;
    let page = matches!(row.answers, Answers::Page | Answers::File);
    if row.need == Need::Public {
        return Wanted::In;
    }
    if !actor.known || api != actor.api {
        return if page { Wanted::Login } else { Wanted::Unauthorized };
    }
    if actor.only_set_password && row.need != Need::SignedIn {
        return if page { Wanted::SetPassword } else { Wanted::Forbidden };
    }
    match row.need {
        Need::Public | Need::SignedIn | Need::Known => Wanted::In,
        Need::Verb(verb) if actor.verbs.has(verb) => Wanted::In,
        Need::Staff if actor.staff => Wanted::In,
        Need::Admin(verb) if actor.staff && actor.verbs.has(verb) => Wanted::In,
        Need::Console if actor.console => Wanted::In,
        Need::Verb(_) | Need::Staff | Need::Admin(_) | Need::Console => Wanted::Forbidden,
    }
}

fn got(row: &Row, answer: &Answer) -> Wanted {
    match answer.status {
        // The login page sends whoever is signed in already on, wherever that is.
        303 if row.need == Need::Public => Wanted::In,
        303 if answer.location().starts_with("/login?") || answer.location() == "/login" => {
            // Logging out leads there too, but then there is something to say.
            match answer.cookie("img_flash") {
                Some(_) => Wanted::In,
                None => Wanted::Login,
            }
        }
        303 if answer.location() == "/password" => Wanted::SetPassword,
        401 => Wanted::Unauthorized,
        // A wrong password is told with 403 as well, on the login page itself.
        403 if answer.body.contains("name=\"password\"") => Wanted::In,
        403 => Wanted::Forbidden,
        _ => Wanted::In,
    }
}

/// A request for a row. The job it names does not exist: what is let in finds nothing to break.
fn ask(row: &Row, person: &Person) -> Ask {
    let path = row
        .path
        .replace("{job}", "999999")
        .replace("{file}", "style.css")
        .replace("{name}", "a.img")
        .replace("{user}", "nobody")
        .replace("{run}", "999999")
        .replace("{chore}", "nothing")
        .replace("{key}", "999999")
        .replace("{secret}", "none");
    let ask = Ask::new(row.method.as_str(), &path, person);
    match row.body {
        BodyRule::None => ask,
        BodyRule::Form => ask.fields(&person.csrf(), &[]),
        BodyRule::Multipart => ask.multipart(&person.csrf(), &[], None),
        BodyRule::Json | BodyRule::Upload => {
            Ask { body: b"{}".to_vec(), ..ask }.typed("application/json")
        }
    }
}

fn verbs_of(group: &str) -> Verbs {
    img::domain::Group::standard()
        .into_iter()
        .find(|g| g.name.as_str() == group)
        .map_or(Verbs::all(), |g| g.verbs)
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_exactly_what_the_table_says() {
    let running = Running::start().await;
    let session = |what, verbs| Actor {
        what,
        api: false,
        known: true,
        console: false,
        only_set_password: false,
        staff: false,
        verbs,
    };
    let viewer = running.user("vera", Some("Viewers")).await;
    let submitter = running.user("sam", Some("Submitters")).await;
    let operator = running.user("olga", Some("Operators")).await;
    let admin = running.user("ada", None).await;
    let looking = running.staff("viola", Some("Viewers")).await;
    let operating = running.staff("oscar", Some("Operators")).await;
    let managing = running.staff("ari", Some("Administrators")).await;
    let all = Verb::ALL;
    let staff = |what, verbs| Actor { staff: true, ..session(what, verbs) };
    let token = |what, verbs: &[Verb]| Actor {
        api: true,
        ..session(what, verbs.iter().copied().collect())
    };
    let view = [Verb::ViewJobs];
    let people = [
        (Actor { known: false, ..session("a stranger", Verbs::NONE) }, None),
        (session("a viewer", verbs_of("Viewers")), Some(&viewer)),
        (session("a submitter", verbs_of("Submitters")), Some(&submitter)),
        (session("an operator", verbs_of("Operators")), Some(&operator)),
        (staff("a viewer of the staff", verbs_of("Viewers")), Some(&looking)),
        (staff("an operator of the staff", verbs_of("Operators")), Some(&operating)),
        (staff("an administrator who is no superuser", Verbs::all()), Some(&managing)),
        (staff("a superuser", Verbs::all()), Some(&admin)),
        (
            Actor { only_set_password: true, ..staff("who must set a password", Verbs::all()) },
            Some(&admin),
        ),
    ];
    let view_token = running.token(&admin, &view).await;
    let narrow = running.token(&submitter, all).await;
    let full = running.token(&admin, all).await;
    let submit_verbs: Vec<_> = verbs_of("Submitters").iter().collect();
    let programs = [
        (token("a token for looking", &view), view_token),
        (token("a submitter's token for everything", &submit_verbs), narrow),
        (token("an administrator's token", all), full),
        (
            Actor { console: true, ..token("the console", all) },
            Person { console: true, ..Person::default() },
        ),
    ];
    let mut wrong = Vec::new();
    for row in ROWS.iter() {
        let mut check = |actor: &Actor, answer: &Answer| {
            let (got, wanted) = (got(row, answer), wanted(row, actor));
            if got != wanted || answer.status >= 500 {
                let status = answer.status;
                wrong.push(format!(
                    "{}: {} got {status} {got:?}, wanted {wanted:?}",
                    row.name, actor.what
                ));
            }
        };
        for (actor, user) in &people {
            // A session of its own for each request: some routes end sessions.
            let person = match user {
                Some(user) => running.session(user, actor.only_set_password).await,
                None => Person::default(),
            };
            check(actor, &running.ask(ask(row, &person)).await);
        }
        for (actor, person) in &programs {
            check(actor, &running.ask(ask(row, person)).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_ours_changes_nothing() {
    let running = Running::start().await;
    let admin = running.user("ada", None).await;
    let person = running.session(&admin, false).await;
    let other = running.session(&admin, false).await;
    let mut wrong = Vec::new();
    for row in ROWS.iter().filter(|r| r.method == "POST" && r.answers != Answers::Api) {
        let good = ask(row, &person);
        let plain = Ask { body: Vec::new(), headers: Vec::new(), ..good.clone() };
        let with = |csrf: &str| match row.body {
            BodyRule::Multipart => plain.clone().multipart(csrf, &[], Some(("a.ks", b"x"))),
            _ => plain.clone().fields(csrf, &[]),
        };
        let cross = "http://evil.example".to_owned();
        let mut tries = vec![
            ("from another site", 403, Ask { origin: Some(cross), ..good.clone() }),
            ("from nowhere", 403, Ask { origin: None, ..good.clone() }),
            ("from a null origin", 403, Ask { origin: Some("null".into()), ..good.clone() }),
            ("for another host", 421, Ask { host: Some("evil.example".into()), ..good.clone() }),
        ];
        let mut fetched = good.clone();
        fetched.headers.push(("Sec-Fetch-Site".into(), "cross-site".into()));
        tries.push(("fetched across sites", 403, fetched));
        if row.need != Need::Public {
            tries.push(("without a token", 403, with("")));
            tries.push(("with a wrong token", 403, with("wrong")));
            tries.push(("with another session's token", 403, with(&other.csrf())));
        }
        for (what, status, ask) in tries {
            let answer = running.ask(ask).await;
            if answer.status != status {
                wrong.push(format!("{} {what}: {}, not {status}", row.name, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(running.get("/queue", &person).await.status, 200, "the session still lives");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_and_head_works_like_get() {
    let running = Running::start().await;
    let admin = running.user("ada", None).await;
    let person = running.session(&admin, false).await;
    for row in ROWS.iter().filter(|r| r.method == "GET" && r.answers != Answers::Stream) {
        let mut person = person.clone();
        if row.answers == Answers::Api {
            person = running.token(&admin, Verb::ALL).await;
        }
        let get = running.ask(ask(row, &person)).await;
        let head = running.ask(Ask { method: "HEAD".into(), ..ask(row, &person) }).await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{}", row.name);
        for answer in [get, head] {
            for name in [
                "content-security-policy",
                "x-content-type-options",
                "referrer-policy",
                "cross-origin-opener-policy",
                "permissions-policy",
                "cache-control",
                "x-request-id",
            ] {
                assert_eq!(answer.headers(name).count(), 1, "{} {name}", row.name);
            }
        }
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_so_to_everybody_alike() {
    let running = Running::start().await;
    let stranger = Person::default();
    for path in [
        "/nothing",
        "/jobs",
        "/ui/%2e%2e",
        "/ui/..%2fCargo.toml",
        "/jobs/1/files/%2e%2e",
        "/jobs/1/files/a%00b",
        "/ui/none.css",
        "//",
        "/index.html",
    ] {
        assert_eq!(running.get(path, &stranger).await.status, 404, "{path}");
    }
    let answer = running.get("/api/v1/nothing", &stranger).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("\"error\""), "{}", answer.body);
    let answer = running.ask(Ask::new("DELETE", "/queue", &stranger)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    let answer = running.get("/queue/?status=done", &stranger).await;
    assert_eq!((answer.status, answer.location()), (308, "/queue?status=done"));
    running.end().await;
}
