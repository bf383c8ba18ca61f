//! Something done to several at once: who is meant, what has to be asked first, and doing it.

use super::super::{
    Reply, Visit, WebError,
    flash::Notice,
    form::Form,
    job::blocking,
    pages::{
        self,
        admin::{ActPage, DeletePage, list_url, read_query},
    },
    reply,
};
use crate::{
    app::{
        AppError, Problem,
        admin::{Act, ActRefused, Acted, Action, Argument, ListQuery, Model, Scope, Selection},
    },
    domain::{JobId, Verb},
};
use http::StatusCode;
use percent_encoding::percent_decode_str;

/// Things that are looked at one by one before a page asks.
const LOOKED_AT: usize = 500;

pub(super) async fn act(mut visit: Visit, model: &'static Model) -> Reply {
    let form = visit.form().await?;
    let selection = selection(&form, model)?;
    let back = list_url(model, &selection.query);
    let Some(action) = model.action(form.get("action")) else {
        return nothing_chosen(&visit, model, form.get("action"), &back);
    };
    visit.actor()?.allow(action.verb)?;
    let (app, actor, chosen) = (visit.app.clone(), visit.actor()?.clone(), selection.clone());
    let chosen =
        blocking(move || Ok::<_, AppError>(app.admin_choose(&actor, model, &chosen))).await?;
    let (keys, changed) = match chosen {
        Ok(chosen) => (chosen.keys, false),
        Err(ActRefused::Nobody) => {
            return Ok(reply::see_other_with(&back, &Notice::Nobody, visit.secure));
        }
        Err(ActRefused::Changed { now: 0 }) => {
            return Ok(reply::see_other_with(&back, &Notice::Nobody, visit.secure));
        }
        // As many as there are now: the page asks again.
        Err(ActRefused::Changed { .. }) => {
            let actor = visit.actor()?;
            (visit.app.admin_keys(actor, model, &selection.query)?, true)
        }
        Err(ActRefused::Other(error)) => return Err(error.into()),
    };
    let asking = Asking { model, action, selection: &selection, keys: &keys, changed };
    let confirmed = form.get("confirm") == "yes" && !changed;
    if !confirmed && asking.asks() {
        return asking.page(&visit, StatusCode::OK, form.get("argument"), &[]).await;
    }
    let argument = match action.act {
        Act::Delete => form.get("move_to"),
        Act::DeleteJobs | Act::Jobs(_) | Act::Each(_) => form.get("argument"),
    };
    let at = (&visit.peer, visit.now);
    let done =
        visit.app.admin_act(visit.actor()?, model, (action, argument), keys.clone(), at).await;
    match done {
        Ok(acted) => done_page(&visit, model, action, acted, &selection.query),
        Err(AppError::Invalid(problems)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            asking.page(&visit, status, argument, &problems).await
        }
        Err(AppError::Refused(sentence)) => {
            let problems = [Problem::new("", sentence)];
            asking.page(&visit, StatusCode::CONFLICT, argument, &problems).await
        }
        Err(error) => Err(error.into()),
    }
}

fn nothing_chosen(visit: &Visit, model: &Model, action: &str, back: &str) -> Reply {
    if action.is_empty() {
        return Ok(reply::see_other_with(back, &Notice::NoAction, visit.secure));
    }
    let shown: String = action.chars().take(40).collect();
    let known: Vec<_> = model.actions.iter().map(|a| a.id).collect();
    let message = format!("there is no action `{shown}`: choose from {}", known.join(", "));
    Err(WebError::new(StatusCode::BAD_REQUEST, "No such action", message))
}

/// What was chosen on a list. A list that was tampered with is refused: what it means now is not
/// what was seen.
fn selection(form: &Form, model: &'static Model) -> Result<Selection, WebError> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let pairs = form.get("list").split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
    let (query, remarks) =
        read_query(model, pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if let Some(remark) = remarks.first() {
        let message = format!("{remark}: go back to the list and choose again");
        return Err(WebError::new(StatusCode::BAD_REQUEST, "Not that list", message));
    }
    let scope = match form.get("scope") {
        "all" => Scope::All,
        _ => {
            let mut ids: Vec<String> = form.all("id").map(str::to_owned).collect();
            ids.sort_unstable();
            ids.dedup();
            Scope::Ticked(ids)
        }
    };
    let query = match scope {
        Scope::All => ListQuery { cursor: None, backwards: false, ..query },
        Scope::Ticked(_) => query,
    };
    Ok(Selection { query, scope, print: form.get("print").to_owned() })
}

struct Asking<'a> {
    model: &'static Model,
    action: &'static Action,
    selection: &'a Selection,
    keys: &'a [String],
    changed: bool,
}

impl Asking<'_> {
    /// Deletions ask, and so does whatever has to be told more, or concerns all of a list.
    fn asks(&self) -> bool {
        let deletes = matches!(self.action.act, Act::Delete | Act::DeleteJobs);
        deletes || self.action.argument.is_some() || self.selection.scope == Scope::All
    }

    async fn page(
        &self,
        visit: &Visit,
        status: StatusCode,
        argument: &str,
        problems: &[Problem],
    ) -> Reply {
        let offers = match self.action.argument {
            Some(Argument::One(_, offers)) => offers(&visit.app)?,
            Some(Argument::Text(..)) | None => Vec::new(),
        };
        let page = ActPage {
            model: self.model,
            action: self.action,
            selection: self.selection,
            count: self.keys.len() as u64,
            argument,
            offers: &offers,
            problems,
            changed: self.changed,
        };
        let frame = visit.frame();
        let markup = match self.action.act {
            Act::Delete => {
                let things = self.things(visit)?;
                let page =
                    DeletePage { act: Some(&page), model: self.model, things: &things, problems };
                pages::admin::ask_delete(&frame, &page)
            }
            Act::DeleteJobs => {
                let jobs = job_ids(self.keys)?;
                let (app, actor, now) = (visit.app.clone(), visit.actor()?.clone(), visit.now);
                let preview = blocking(move || app.deletion_preview(&actor, &jobs, now)).await?;
                pages::admin::ask_delete_jobs(&frame, &page, &preview)
            }
            Act::Jobs(_) | Act::Each(_) => pages::admin::ask_act(&frame, &page),
        };
        Ok(reply::html(status, markup))
    }

    fn things(
        &self,
        visit: &Visit,
    ) -> Result<Vec<(String, String, Vec<crate::app::admin::Dependant>)>, WebError> {
        let actor = visit.actor()?;
        if self.keys.len() > LOOKED_AT {
            let message = format!(
                "{} are too many to look at one by one: choose at most {LOOKED_AT} at once",
                self.keys.len()
            );
            return Err(WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "Too many", message));
        }
        let mut things = Vec::new();
        let mut known = visit.app.admin_objects(actor, self.model)?;
        for key in self.keys {
            let Some(object) = known.remove(key) else {
                return Err(super::no_such(self.model, key));
            };
            let found = visit.app.admin_dependants(actor, self.model, key)?;
            things.push((object.key, object.title, found));
        }
        Ok(things)
    }
}

fn job_ids(keys: &[String]) -> Result<Vec<JobId>, WebError> {
    keys.iter().map(|key| key.parse::<JobId>()).collect::<Result<_, _>>().map_err(|error| {
        WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "No job", error.to_string())
    })
}

fn done_page(
    visit: &Visit,
    model: &'static Model,
    action: &'static Action,
    acted: Acted,
    query: &ListQuery,
) -> Reply {
    // Receipts are for those who see the box's health.
    let sees = visit.actor()?.allow(Verb::ViewHealth).is_ok();
    if let Some(run) = acted.run.filter(|_| sees) {
        return Ok(reply::see_other(&format!("/admin/disk/runs/{run}")));
    }
    let back = list_url(model, query);
    if acted.skipped.is_empty() && acted.more_skipped == 0 {
        let notice = Notice::Acted(model.id, action.id, acted.done);
        return Ok(reply::see_other_with(&back, &notice, visit.secure));
    }
    let number = visit.app.remember_result(visit.actor()?, acted);
    let and = if back.contains('?') { '&' } else { '?' };
    Ok(reply::see_other(&format!("{back}{and}done={number}")))
}
