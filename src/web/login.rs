//! Signing in and out, and setting a password.

use super::{
    Reply, Screens, Visit, Who, access, cookies,
    error::WebError,
    flash::Notice,
    form::Form,
    pages::{self, LoginPage, PasswordPage},
    reply,
};
use crate::app::{App, AppError, Problem, SignInError, SignedIn};
use http::StatusCode;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("login", login)
        .on("login.post", sign_in)
        .on("logout", sign_out)
        .on("password", password)
        .on("password.post", set_password)
}

/// Where to go afterwards: an address of this site, or the start page.
fn next(given: &str) -> &str {
    access::local_path(given).unwrap_or("/")
}

/// The set-a-password page, with the way on.
fn password_url(next: &str) -> String {
    match next {
        "/" => "/password".into(),
        next => {
            let next =
                percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
            format!("/password?next={next}")
        }
    }
}

async fn login(visit: Visit) -> Reply {
    let given = visit.query("next").unwrap_or_default();
    let next = next(&given);
    if let Who::Session(session) = &visit.who {
        let url = if session.only_set_password { password_url(next) } else { next.to_owned() };
        return Ok(reply::see_other(&url));
    }
    let page = login_page(&visit, next, "", None, false);
    Ok(reply::page(pages::login(&visit.frame(), &page)))
}

fn login_page<'a>(
    visit: &Visit,
    next: &'a str,
    name: &'a str,
    problem: Option<&'a str>,
    needs_code: bool,
) -> LoginPage<'a> {
    let first = visit.app.first_login_open(visit.now);
    LoginPage {
        next,
        name,
        problem,
        first_login_hint: first,
        ask_code: needs_code || (first && !visit.peer.is_local()),
    }
}

async fn sign_in(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    let code = Some(form.get("code").trim()).filter(|code| !code.is_empty());
    let name = form.get("name").trim();
    let tried = visit.app.sign_in(name, form.get("password"), code, &visit.peer, visit.now).await;
    match tried {
        Ok(signed_in) => {
            let next = next(form.get("next"));
            let url =
                if signed_in.only_set_password { password_url(next) } else { next.to_owned() };
            end_old_session(&visit).await;
            Ok(with_session(reply::see_other(&url), signed_in, visit.secure))
        }
        Err(error) => refused(&visit, &form, name, error),
    }
}

/// Whoever signs in anew leaves the session they came with.
async fn end_old_session(visit: &Visit) {
    if let Who::Session(old) = &visit.who
        && let Err(error) = visit.app.sign_out(old, &visit.peer, visit.now).await
    {
        tracing::warn!(%error, "the session before this one could not be ended");
    }
}

fn with_session(response: super::Response, signed_in: SignedIn, secure: bool) -> super::Response {
    let SignedIn { cookie, max_age, .. } = signed_in;
    reply::with_cookie(response, &cookies::session(cookie, secure, max_age))
}

fn refused(visit: &Visit, form: &Form, name: &str, error: SignInError) -> Reply {
    let needs_code = matches!(error, SignInError::NeedsCode);
    let shown = matches!(error, SignInError::Internal(_));
    let error = WebError::from(error);
    if shown {
        return Err(error);
    }
    let next = next(form.get("next"));
    let page = login_page(visit, next, name, Some(&error.message), needs_code);
    let response = reply::html(error.status, pages::login(&visit.frame(), &page));
    Ok(error.dress(response))
}

async fn sign_out(visit: Visit) -> Reply {
    visit.app.sign_out(visit.session()?, &visit.peer, visit.now).await?;
    let response = reply::see_other_with("/login", &Notice::SignedOut, visit.secure);
    Ok(reply::with_cookie(response, &cookies::no_session(visit.secure)))
}

async fn password(visit: Visit) -> Reply {
    let given = visit.query("next").unwrap_or_default();
    password_page(&visit, StatusCode::OK, &[], next(&given))
}

fn password_page(visit: &Visit, status: StatusCode, problems: &[Problem], next: &str) -> Reply {
    let ask_old = !visit.session()?.only_set_password;
    let page = PasswordPage { problems, ask_old, next };
    Ok(reply::html(status, pages::set_password(&visit.frame(), &page)))
}

async fn set_password(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    let next = next(form.get("next"));
    let (old, new) = (form.get("old"), form.get("new"));
    if new != form.get("again") {
        let problem = Problem::new("again", "the two new passwords differ: type the same twice");
        return password_page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &[problem], next);
    }
    let session = visit.session()?;
    match visit.app.set_password(session, old, new, &visit.peer, visit.now).await {
        Ok(signed_in) => {
            let response = reply::see_other_with(next, &Notice::PasswordSet, visit.secure);
            Ok(with_session(response, signed_in, visit.secure))
        }
        Err(AppError::Invalid(problems)) => {
            password_page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &problems, next)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_on_that_leads_away_leads_to_the_start_page() {
        assert_eq!(next("//evil.example"), "/");
        assert_eq!(next("/queue?mine=1"), "/queue?mine=1");
        assert_eq!(password_url("/"), "/password");
        assert_eq!(password_url("/queue?a=b"), "/password?next=%2Fqueue%3Fa%3Db");
    }
}
