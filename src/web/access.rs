//! Who somebody is, what they may open, and whether a form is really theirs.

use super::{
    arrival::Facts,
    cookies::Jar,
    error::{WayOut, WebError},
    table::{self, Answers, Need, Row},
    visit::Who,
};
use crate::{accounts::session, app::App};
use http::{Method, StatusCode, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters of a bearer token that are looked at.
const LONGEST_TOKEN: usize = 256;
/// Characters of an address somebody is sent on to.
const LONGEST_NEXT: usize = 1024;
/// Where a script of a page puts the CSRF token.
const CSRF_HEADER: &str = "x-csrf-token";

/// Who sends the request. Cookies count for pages only, tokens and the local socket for the API
/// only: so nothing a foreign page makes a browser send can reach the API.
pub async fn identify(app: &App, facts: &Facts, jar: &Jar) -> Who {
    if facts.is_api() {
        return caller(app, facts).await;
    }
    match &jar.session {
        Some(cookie) => app.session(cookie, facts.now).await.map_or(Who::Nobody, Who::Session),
        None => Who::Nobody,
    }
}

async fn caller(app: &App, facts: &Facts) -> Who {
    match facts.headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let token = value.to_str().ok().and_then(bearer);
            let actor = match token {
                Some(token) => app.bearer(token, facts.now).await,
                None => None,
            };
            actor.map_or(Who::Nobody, Who::Token)
        }
        None if facts.console => Who::Console(app.console()),
        None => Who::Nobody,
    }
}

/// The token of an `Authorization` header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let fits = scheme.eq_ignore_ascii_case("bearer") && token.len() <= LONGEST_TOKEN;
    (fits && !token.is_empty()).then_some(token)
}

/// Whether `who` may open the route at all; what belongs to whom is decided below.
///
/// # Errors
/// Not signed in, has to set a password first, or a permission is missing.
pub fn admit(row: &Row, who: &Who, facts: &Facts) -> Result<(), WebError> {
    match (row.need, who) {
        (Need::Public, _) | (Need::SignedIn, Who::Session(_)) => Ok(()),
        (_, Who::Nobody) => Err(signed_out(row, facts)),
        (_, Who::Session(session)) if session.only_set_password => Err(password_first(row)),
        (Need::Console, Who::Console(_)) => Ok(()),
        (Need::Console, _) => Err(only_console()),
        (Need::Known | Need::SignedIn, _) => Ok(()),
        (Need::Staff | Need::Admin(_), Who::Session(session)) if !session.actor.staff => {
            Err(no_staff())
        }
        (Need::Staff, Who::Session(_)) => Ok(()),
        (Need::Verb(verb) | Need::Admin(verb), Who::Session(session)) => {
            Ok(session.actor.allow(verb).map(drop)?)
        }
        // Tokens and the console have no pages.
        (Need::Staff | Need::Admin(_), Who::Token(_) | Who::Console(_)) => Err(no_staff()),
        (Need::Verb(verb), Who::Token(actor) | Who::Console(actor)) => {
            Ok(actor.allow(verb).map(drop)?)
        }
    }
}

fn signed_out(row: &Row, facts: &Facts) -> WebError {
    match row.answers {
        Answers::Page | Answers::File => WebError::signed_out(Some(login_url(facts))),
        Answers::Api => WebError::signed_out(None),
        Answers::Stream | Answers::Asset => {
            WebError::new(StatusCode::UNAUTHORIZED, "Not signed in", "sign in first")
        }
    }
}

fn password_first(row: &Row) -> WebError {
    let message = "set a password of your own first";
    let error = WebError::new(StatusCode::FORBIDDEN, "Set a password first", message)
        .way_out(WayOut::new("Set a password", "/password"));
    match row.answers {
        Answers::Page | Answers::File => error.location(Some("/password".into())),
        Answers::Stream | Answers::Asset | Answers::Api => error,
    }
}

/// True for addresses of the Admin tab, whether there is something at them or not.
pub(super) fn is_admin(path: &str) -> bool {
    path == "/admin" || path.starts_with("/admin/")
}

/// What somebody who may not enter the Admin tab is told at any address of it; `None` for those
/// who may.
pub(super) fn outsider(who: &Who, facts: &Facts) -> Option<WebError> {
    match who {
        Who::Session(session) if session.only_set_password => {
            let message = "set a password of your own first";
            let error = WebError::new(StatusCode::FORBIDDEN, "Set a password first", message);
            Some(error.location(Some("/password".into())))
        }
        Who::Session(session) if session.actor.staff => None,
        Who::Session(_) | Who::Token(_) | Who::Console(_) => Some(no_staff()),
        Who::Nobody => Some(WebError::signed_out(Some(login_url(facts)))),
    }
}

/// The same whatever stands behind it, so that it does not say what is there.
pub(super) fn no_staff() -> WebError {
    let message = "this part is for the administrators of this box: ask one of them to make you \
                   a member of the staff";
    WebError::new(StatusCode::FORBIDDEN, "Not allowed", message)
        .way_out(WayOut::new("Go to the start page", "/"))
}

fn only_console() -> WebError {
    let message = "this can only be done on the box itself, with the `img` command";
    WebError::new(StatusCode::FORBIDDEN, "Not from here", message)
}

/// The login page, with the way back.
fn login_url(facts: &Facts) -> String {
    match back(facts) {
        next if next == "/" => "/login".into(),
        next => format!("/login?next={}", utf8_percent_encode(&next, NON_ALPHANUMERIC)),
    }
}

/// The page that was asked for; of a form, the page it is on if it has the same address.
fn back(facts: &Facts) -> String {
    let path = facts.uri.path();
    let whole = if facts.method == Method::GET {
        facts.uri.path_and_query().map_or(path, |p| p.as_str())
    } else if table::at(path).any(|row| row.method == Method::GET) {
        path
    } else {
        "/"
    };
    local_path(whole).unwrap_or("/").to_owned()
}

/// `text` if it is an address of this site and nothing else: one slash first, printable ASCII, no
/// backslash (which browsers take for a slash).
pub fn local_path(text: &str) -> Option<&str> {
    let mut bytes = text.bytes();
    let starts = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    (starts && plain && text.len() <= LONGEST_NEXT).then_some(text)
}

/// Whether a form was sent from a page of ours, as far as the browser tells. One that tells
/// nothing is not believed.
pub fn same_site(facts: &Facts) -> bool {
    let Some(host) = host(facts) else { return false };
    let fetch = facts.header("sec-fetch-site");
    if fetch.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let source = facts.header(header::ORIGIN).or_else(|| facts.header(header::REFERER));
    match source {
        Some(source) => source.parse::<Uri>().is_ok_and(|uri| {
            let schemes = ["http", "https"];
            uri.scheme_str().is_some_and(|s| schemes.contains(&s))
                && uri.authority().is_some_and(|a| a.as_str().eq_ignore_ascii_case(host))
        }),
        None => fetch.is_some(),
    }
}

/// The host the request is for, with its port.
pub fn host(facts: &Facts) -> Option<&str> {
    facts.uri.authority().map(|a| a.as_str()).or_else(|| facts.header(header::HOST))
}

/// Whether the token of a form (or of a script's header) is this session's.
pub fn genuine(who: &Who, facts: &Facts, field: &str) -> bool {
    let Who::Session(view) = who else { return false };
    let given = facts.header(CSRF_HEADER).unwrap_or(field);
    session::csrf_matches(&view.csrf, given)
}

/// The page a form was on, to reload it from.
pub fn came_from(facts: &Facts) -> WayOut {
    let referer = facts.header(header::REFERER).and_then(|r| r.parse::<Uri>().ok());
    let same = referer.filter(|r| r.authority().map(|a| a.as_str()) == host(facts));
    let page = same.and_then(|r| r.path_and_query().map(|p| p.as_str().to_owned()));
    let page = page.filter(|p| local_path(p).is_some());
    WayOut::new("Reload the form", page.unwrap_or_else(|| back(facts)))
}

#[cfg(test)]
mod tests {
    use super::super::arrival::tests::facts;
    use super::*;
    use crate::{
        app::SessionView,
        domain::{Actor, UserName, Verb, Verbs},
    };
    use proptest::prelude::*;

    fn actor(verbs: &[Verb]) -> Actor {
        let verbs: Verbs = verbs.iter().copied().collect();
        Actor { user: UserName::new("ann").unwrap(), verbs, staff: false, superuser: false }
    }

    fn signed_in(verbs: &[Verb], only_set_password: bool) -> Who {
        let csrf = session::csrf("cookie");
        let (actor, id_hash) = (actor(verbs), [0; 32]);
        Who::Session(SessionView { actor, csrf, id_hash, only_set_password })
    }

    /// What a row answers to somebody, as the matrix test has it too.
    fn outcome(row: &Row, who: &Who) -> u16 {
        let path = row.path.replace(['{', '}'], "");
        let facts = facts(row.method.clone(), &path, &[("host", "localhost")]);
        match admit(row, who, &facts) {
            Ok(()) => 200,
            Err(error) if error.location.is_some() => 303,
            Err(error) => error.status.as_u16(),
        }
    }

    #[test]
    fn who_is_not_signed_in_gets_nothing_but_what_is_public() {
        for row in table::ROWS.iter() {
            let wanted = match (row.need, row.answers) {
                (Need::Public, _) => 200,
                (_, Answers::Page | Answers::File) => 303,
                _ => 401,
            };
            assert_eq!(outcome(row, &Who::Nobody), wanted, "{}", row.name);
        }
    }

    #[test]
    fn who_must_set_a_password_can_do_nothing_else() {
        let who = signed_in(Verb::ALL, true);
        let open: Vec<_> =
            table::ROWS.iter().filter(|r| outcome(r, &who) == 200).map(|r| r.name).collect();
        let wanted = [
            "login",
            "login.post",
            "logout",
            "password",
            "password.post",
            "account.theme",
            "setup",
            "setup.post",
            "ui",
            "healthz",
            "robots",
        ];
        assert_eq!(open, wanted);
    }

    #[test]
    fn a_permission_opens_its_routes_and_no_other() {
        for row in table::ROWS.iter() {
            for verb in Verb::ALL {
                let wanted = |staff: bool| match row.need {
                    Need::Public | Need::SignedIn | Need::Known => 200,
                    Need::Verb(needed) if needed == *verb => 200,
                    Need::Staff if staff => 200,
                    Need::Admin(needed) if staff && needed == *verb => 200,
                    Need::Verb(_) | Need::Staff | Need::Admin(_) | Need::Console => 403,
                };
                let outsider = signed_in(&[*verb], false);
                assert_eq!(outcome(row, &outsider), wanted(false), "{}", row.name);
                let mut staff = outsider.clone();
                if let Who::Session(session) = &mut staff {
                    session.actor.staff = true;
                }
                assert_eq!(outcome(row, &staff), wanted(true), "{}", row.name);
                let token = Who::Token(Actor { staff: true, ..actor(&[*verb]) });
                assert_eq!(outcome(row, &token), wanted(false), "{}", row.name);
            }
        }
    }

    #[test]
    fn who_may_not_enter_hears_the_same_at_every_address_of_the_admin_tab() {
        let outside = signed_in(Verb::ALL, false);
        let said = |path: &str| {
            let facts = facts(Method::GET, path, &[("host", "localhost")]);
            let error = outsider(&outside, &facts).unwrap();
            (error.status, error.message.clone())
        };
        assert_eq!(said("/admin/queues/web/change"), said("/admin/no-such-thing"));
        let row = table::named("admin.queues.one").unwrap();
        let facts = facts(Method::GET, "/admin/queues/web/change", &[("host", "localhost")]);
        let refused = admit(row, &outside, &facts).unwrap_err();
        assert_eq!((refused.status, refused.message.clone()), said("/admin/x"));
        assert!(is_admin("/admin") && is_admin("/admin/x") && !is_admin("/administer"));
    }

    #[test]
    fn the_console_may_open_everything_of_the_api() {
        let console = Who::Console(actor(Verb::ALL));
        for row in table::ROWS.iter().filter(|r| r.answers == Answers::Api) {
            assert_eq!(outcome(row, &console), 200, "{}", row.name);
        }
    }

    #[test]
    fn the_way_back_leads_only_to_this_site() {
        for good in ["/", "/queue?status=done&size=50", "/jobs/7"] {
            assert_eq!(local_path(good), Some(good));
        }
        let long = format!("/{}", "a".repeat(LONGEST_NEXT));
        for bad in [
            "",
            "queue",
            "//evil",
            "/\\evil",
            "https://evil",
            "/a\r\nb",
            "/a b",
            "/\u{fc}",
            &long,
            "javascript:alert(1)",
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_login_page_knows_the_way_back() {
        let url = |path| login_url(&facts(Method::GET, path, &[]));
        assert_eq!(url("/"), "/login");
        assert_eq!(url("/queue?a=b"), "/login?next=%2Fqueue%3Fa%3Db");
        assert_eq!(url("//evil"), "/login");
        let post = |path| login_url(&facts(Method::POST, path, &[]));
        assert_eq!(post("/submit?x"), "/login?next=%2Fsubmit");
        assert_eq!(post("/jobs/7/launch"), "/login");
    }

    #[test]
    fn a_form_counts_only_from_a_page_of_ours() {
        let cases: [(&[(&str, &str)], bool); 14] = [
            (&[("origin", "http://box:8080")], true),
            (&[("origin", "https://BOX:8080")], true),
            (&[("referer", "http://box:8080/submit?x")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://box:8080")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://box:8080")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://evil")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://box")], false),
            (&[("origin", "ftp://box:8080")], false),
            (&[("referer", "http://evil/http://box:8080/")], false),
            (&[], false),
        ];
        for (headers, wanted) in cases {
            let with_host = [&[("host", "box:8080")], headers].concat();
            let facts = facts(Method::POST, "/logout", &with_host);
            assert_eq!(same_site(&facts), wanted, "{headers:?}");
        }
        assert!(!same_site(&facts(Method::POST, "/", &[("origin", "http://box")])), "no host");
    }

    #[test]
    fn a_form_needs_the_token_of_its_session() {
        let who = signed_in(&[], false);
        let plain = facts(Method::POST, "/logout", &[]);
        let token = session::csrf("cookie");
        assert!(genuine(&who, &plain, &token));
        assert!(!genuine(&who, &plain, ""));
        assert!(!genuine(&who, &plain, &session::csrf("another")));
        assert!(!genuine(&Who::Nobody, &plain, &token));
        let header = facts(Method::POST, "/logout", &[(CSRF_HEADER, &token)]);
        assert!(genuine(&who, &header, ""));
    }

    #[test]
    fn only_a_bearer_token_is_read() {
        assert_eq!(bearer("Bearer img_x"), Some("img_x"));
        assert_eq!(bearer("bearer  img_x "), Some("img_x"));
        let long = format!("Bearer {}", "x".repeat(LONGEST_TOKEN + 1));
        for bad in ["", "Bearer", "Bearer ", "Basic eA==", &long] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_refused_form_is_reloaded_where_it_was() {
        let url = |headers: &[(&str, &str)]| {
            let headers = [&[("host", "box")], headers].concat();
            came_from(&facts(Method::POST, "/account/tokens", &headers)).url
        };
        assert_eq!(url(&[("referer", "http://box/account?a=1")]), "/account?a=1");
        assert_eq!(url(&[("referer", "http://evil/account")]), "/");
        assert_eq!(url(&[("referer", "http://box//evil")]), "/");
    }

    proptest! {
        #[test]
        fn whatever_is_let_through_stays_here(text in ".*") {
            if let Some(path) = local_path(&text) {
                let base = format!("http://box{path}");
                let uri: Result<Uri, _> = base.parse();
                prop_assert!(uri.is_err() || uri.unwrap().authority().unwrap().as_str() == "box");
                prop_assert!(!path.starts_with("//") && !path.contains('\\'));
            }
        }
    }
}
