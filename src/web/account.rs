//! One's own account: theme, sessions, API tokens.

use super::{
    Reply, Screens, Visit, access, cookies,
    flash::Notice,
    form::Form,
    pages::{self, AccountPage, Theme},
    reply,
};
use crate::{
    app::{App, AppError, NewToken, Problem},
    domain::{Verb, Verbs},
};
use http::StatusCode;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("account", account)
        .on("account.theme", theme)
        .on("account.session.end", end_session)
        .on("account.sessions.end", end_others)
        .on("account.token.new", new_token)
        .on("account.token.revoke", revoke_token)
}

async fn account(visit: Visit) -> Reply {
    page(&visit, StatusCode::OK, None, &[])
}

fn page(
    visit: &Visit,
    status: StatusCode,
    new_token: Option<&NewToken>,
    problems: &[Problem],
) -> Reply {
    let view = visit.app.account(visit.session()?)?;
    let page = AccountPage { new_token, problems };
    Ok(reply::html(status, pages::account(&visit.frame(), &view, &page)))
}

async fn theme(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    let theme = Theme::from_word(form.get("theme")).unwrap_or_default();
    let next = access::local_path(form.get("next")).unwrap_or("/");
    Ok(reply::with_cookie(reply::see_other(next), &cookies::theme(theme, visit.secure)))
}

async fn end_session(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    visit.app.end_session(visit.session()?, form.get("id"), &visit.peer, visit.now).await?;
    Ok(reply::see_other_with("/account", &Notice::SessionEnded, visit.secure))
}

async fn end_others(visit: Visit) -> Reply {
    let own = visit.session()?;
    for other in visit.app.account(own)?.sessions {
        if other.id_hash == own.id_hash {
            continue;
        }
        let id = data_encoding::HEXLOWER.encode(&other.id_hash);
        match visit.app.end_session(own, &id, &visit.peer, visit.now).await {
            // It may have ended by itself since the list was made.
            Ok(()) | Err(AppError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(reply::see_other_with("/account", &Notice::OthersEnded, visit.secure))
}

async fn new_token(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    let days = match days(form.get("days")) {
        Ok(days) => days,
        Err(problem) => return page(&visit, StatusCode::UNPROCESSABLE_ENTITY, None, &[problem]),
    };
    let (session, label) = (visit.session()?, form.get("label"));
    match visit.app.new_token(session, label, scope(&form), days, &visit.peer, visit.now).await {
        Ok(token) => page(&visit, StatusCode::OK, Some(&token), &[]),
        Err(AppError::Invalid(problems)) => {
            page(&visit, StatusCode::UNPROCESSABLE_ENTITY, None, &problems)
        }
        Err(error) => Err(error.into()),
    }
}

fn scope(form: &Form) -> Verbs {
    form.all("scope").filter_map(Verb::from_word).collect()
}

/// Days a token lives; nothing means for ever.
fn days(text: &str) -> Result<Option<u32>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(days @ 1..=3650) => Ok(Some(days)),
        _ => {
            let message = "give a number of days from 1 to 3650, or nothing for ever";
            Err(Problem::new("days", message))
        }
    }
}

async fn revoke_token(mut visit: Visit) -> Reply {
    let form = visit.form().await?;
    visit.app.revoke_token(visit.session()?, form.get("prefix"), &visit.peer, visit.now).await?;
    Ok(reply::see_other_with("/account", &Notice::TokenRevoked, visit.secure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::form;

    #[test]
    fn a_token_lives_for_ever_or_for_a_number_of_days() {
        assert_eq!(days(" "), Ok(None));
        assert_eq!(days("30"), Ok(Some(30)));
        for bad in ["0", "-1", "soon", "99999", "1.5"] {
            assert_eq!(days(bad).unwrap_err().field, "days", "{bad}");
        }
    }

    #[test]
    fn a_scope_is_made_of_known_words_only() {
        let form = form::decode(b"scope=submit&scope=everything&scope=view-jobs").unwrap();
        assert_eq!(scope(&form), [Verb::Submit, Verb::ViewJobs].into_iter().collect());
    }
}
