//! The page behind a set-up link.

use super::{
    Reply, Screens, Visit, WebError, cookies, error::WayOut, flash::Notice, pages,
    pages::SetupPage, reply,
};
use crate::app::{App, AppError, Problem};
use http::StatusCode;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("setup", form).on("setup.post", set)
}

async fn form(visit: Visit) -> Reply {
    page(&visit, StatusCode::OK, &[])
}

fn page(visit: &Visit, status: StatusCode, problems: &[Problem]) -> Reply {
    let user = visit.app.setup_user(visit.param("secret"), visit.now).map_err(over)?;
    let url = visit.uri.path();
    let page = SetupPage { user: user.name.as_str(), url, problems };
    Ok(reply::html(status, pages::set_up(&visit.frame(), &page)))
}

fn over(error: AppError) -> WebError {
    WebError::from(error).way_out(WayOut::new("Log in", "/login"))
}

async fn set(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    let new = form.get("new");
    if new != form.get("again") {
        let problem = Problem::new("again", "the two passwords differ: type the same twice");
        return page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &[problem]);
    }
    let secret = visit.param("secret");
    match visit.app.set_up(secret, new, &visit.peer, visit.now).await {
        Ok(signed_in) => {
            let session = cookies::session(signed_in.cookie, visit.secure, signed_in.max_age);
            let response = reply::see_other_with("/", &Notice::PasswordSet, visit.secure);
            Ok(reply::with_cookie(response, &session))
        }
        Err(AppError::Invalid(problems)) => {
            page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &problems)
        }
        Err(error) => Err(over(error)),
    }
}
