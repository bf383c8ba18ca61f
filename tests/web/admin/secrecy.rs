//! Whoever may not see a thing does not learn whether there is one.

use super::{
    super::appliance::{Answer, Ask, Person, Running},
    fill::{staff_with, superuser},
};
use img::domain::Verb;

/// An answer without what differs from one request to the next.
fn bare(answer: &Answer, key: &str) -> (u16, String, String) {
    let reference = answer.header("x-request-id").unwrap_or("-");
    let encode = |text: &str| {
        let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        text.to_string()
    };
    let named = [format!("/{key}"), encode(&format!("/{key}"))];
    let unnamed = |text: &str| named.iter().fold(text.to_owned(), |t, n| t.replace(n, "KEY"));
    let body = unnamed(&answer.body.replace(reference, "REF"));
    let body = match (body.find("<footer"), body.find("</footer>")) {
        (Some(from), Some(to)) => format!("{}{}", &body[..from], &body[to..]),
        _ => body,
    };
    (answer.status, unnamed(answer.location()), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_people_without_the_permission_cannot_tell_what_there_is() {
    let running = Running::with_runner(|_| {}).await;
    let ada = superuser(&running).await;
    let sam = running.user("sam", Some("Submitters")).await;
    let sam = running.session(&sam, false).await;
    // Every permission there is, but not a member of the staff.
    let pat = running.user("pat", Some("Administrators")).await;
    let pat = running.session(&pat, false).await;
    let (_, vic) = staff_with(&running, "vic", &[Verb::ViewJobs]).await;
    let site = running.appliance.app().store().sites().unwrap()[0].domain.clone();
    let there = [
        ("queues", "web"),
        ("groups", "Viewers"),
        ("users", "imager"),
        ("sites", &site),
        ("settings", "build.slots"),
        ("runners", "hostile"),
        ("types", "raw"),
        ("archs", "x86_64"),
        ("audit", "1"),
    ];
    let strangers = [
        ("a stranger", Person::default()),
        ("a submitter", sam),
        ("no staff", pat),
        ("no permission", vic),
    ];
    for (model, key) in there {
        for page in ["change", "history", "delete", "setup"] {
            let made_up = "made-up";
            let of = |key: &str| format!("/admin/{model}/{key}/{page}");
            for (what, who) in &strangers {
                let (real, none) =
                    (running.get(&of(key), who).await, running.get(&of(made_up), who).await);
                let (real, none) = (bare(&real, key), bare(&none, made_up));
                assert_eq!((real.0, &real.1), (none.0, &none.1), "{what} GET {}", of(key));
                assert_eq!(real.2, none.2, "{what} GET {}", of(key));
                let ask = |key: &str| running.ask(Ask::form(&of(key), who, &[("version", "x")]));
                let (real, none) = (ask(key).await, ask(made_up).await);
                assert_eq!(bare(&real, key), bare(&none, made_up), "{what} POST {}", of(key));
                assert!(!matches!(real.status, 200 | 500..), "{what} {}", real.status);
            }
        }
    }
    // Not even which models there are, to those who may not enter.
    for (what, who) in &strangers[..3] {
        let model = bare(&running.get("/admin/queues", who).await, "queues");
        let none = bare(&running.get("/admin/made-up", who).await, "made-up");
        assert_eq!((model.0, model.2), (none.0, none.2), "{what}");
    }
    assert_eq!(running.get("/admin/made-up", &ada).await.status, 404);
    assert_eq!(running.get("/admin/queues/made-up/change", &ada).await.status, 404);
    running.end().await;
}
