//! One thing: its form, saving, deleting, its history.

use super::{
    super::{
        Reply, Visit, WebError,
        flash::{Notice, Saved},
        form::Form,
        job::blocking,
        pages::{
            self,
            admin::{DeletePage, FormPage, HistoryPage, object_url},
        },
        reply,
    },
    no_such, thing,
};
use crate::app::{
    AppError, Problem,
    admin::{Dependant, Kind, Model, Object, SaveRefused, Saving, Source, Stale, Typed, opening},
};
use http::{StatusCode, header};
use std::collections::BTreeMap;

type Offers = BTreeMap<&'static str, Vec<(String, String)>>;

fn offers(visit: &Visit, model: &Model) -> Result<Offers, WebError> {
    let mut all = BTreeMap::new();
    for field in model.fields() {
        if let Kind::One(offers) | Kind::Any(offers) = field.kind {
            all.insert(field.id, offers(&visit.app)?);
        }
    }
    Ok(all)
}

/// What a form shows besides the thing.
#[derive(Default)]
struct Shown<'a> {
    problems: &'a [Problem],
    stale: Option<&'a Stale>,
    link: Option<&'a str>,
    version: String,
}

fn page(
    visit: &Visit,
    model: &'static Model,
    (object, typed): (Option<&Object>, &Typed),
    status: StatusCode,
    shown: Shown<'_>,
) -> Reply {
    let page = FormPage {
        model,
        object,
        typed,
        version: &shown.version,
        offers: &offers(visit, model)?,
        problems: shown.problems,
        stale: shown.stale,
        link: shown.link,
    };
    Ok(reply::html(status, pages::admin::form(&visit.frame(), &page)))
}

fn version(model: &Model, object: &Object) -> String {
    object.version(model.editable(false).map(|field| field.id))
}

pub(super) async fn blank(visit: Visit, model: &'static Model) -> Reply {
    let typed = opening(&visit.app, model);
    page(&visit, model, (None, &typed), StatusCode::OK, Shown::default())
}

pub(super) async fn show(visit: Visit, model: &'static Model) -> Reply {
    if let (Source::Jobs, Ok(id)) = (model.source, visit.param("key").parse::<u64>()) {
        return Ok(reply::see_other(&format!("/jobs/{id}")));
    }
    let object = thing(&visit, model)?;
    let typed = Typed::of(model, &object);
    let shown = Shown { version: version(model, &object), ..Shown::default() };
    page(&visit, model, (Some(&object), &typed), StatusCode::OK, shown)
}

fn typed(form: &Form, model: &Model) -> Typed {
    let texts = |id: &'static str| (id.to_owned(), form.all(id).map(str::to_owned).collect());
    Typed(model.fields().map(|field| texts(field.id)).collect())
}

pub(super) async fn save(mut visit: Visit, model: &'static Model) -> Reply {
    let form = visit.form().await?;
    let key = Some(visit.param("key").to_owned()).filter(|key| !key.is_empty());
    let typed = typed(&form, model);
    let saving = Saving {
        model,
        key: key.clone(),
        typed: typed.clone(),
        version: form.get("version").into(),
    };
    let saved = visit.app.admin_save(visit.actor()?, saving, &visit.peer, visit.now).await;
    let problems;
    let (status, mut shown) = match saved {
        Ok(saved) => return after_save(&visit, model, &form, key.is_none(), &saved).await,
        Err(SaveRefused::Other(AppError::NotFound(_))) => {
            return Err(no_such(model, visit.param("key")));
        }
        Err(SaveRefused::Other(AppError::Refused(sentence))) => {
            problems = vec![Problem::new("", sentence)];
            (StatusCode::CONFLICT, Shown { problems: &problems, ..Shown::default() })
        }
        Err(SaveRefused::Other(error)) => return Err(error.into()),
        Err(SaveRefused::Invalid(found)) => {
            problems = found;
            (StatusCode::UNPROCESSABLE_ENTITY, Shown { problems: &problems, ..Shown::default() })
        }
        Err(SaveRefused::Stale(stale)) => return conflict(&visit, model, &typed, &stale),
    };
    shown.version = form.get("version").to_owned();
    let object = key.map(|_| thing(&visit, model)).transpose()?;
    page(&visit, model, (object.as_ref(), &typed), status, shown)
}

fn conflict(visit: &Visit, model: &'static Model, typed: &Typed, stale: &Stale) -> Reply {
    let object = thing(visit, model)?;
    let shown = Shown { stale: Some(stale), version: stale.version.clone(), ..Shown::default() };
    page(visit, model, (Some(&object), typed), StatusCode::CONFLICT, shown)
}

async fn after_save(
    visit: &Visit,
    model: &'static Model,
    form: &Form,
    added: bool,
    key: &str,
) -> Reply {
    // Who adds and may not look is told on the index.
    let sees = visit.actor()?.allow(model.rights.view).is_ok();
    if added && sees && model.id == "users" {
        return link_page(visit, model, key).await;
    }
    let url = match form.get("save") {
        "add" => format!("/admin/{}/add", model.id),
        _ if !sees => "/admin".to_owned(),
        "stay" => object_url(model, key, "change"),
        _ => format!("/admin/{}", model.id),
    };
    let saved = if added { Saved::Added } else { Saved::Changed };
    Ok(reply::see_other_with(&url, &Notice::Saved(model.id, saved, key.to_owned()), visit.secure))
}

/// Makes a set-up link and shows it, on the form where one goes on. It is shown only now, so this
/// answer is no redirect: nothing keeps the secret.
async fn link_page(visit: &Visit, model: &'static Model, key: &str) -> Reply {
    let secret = visit.app.new_setup_link(visit.actor()?, key, &visit.peer, visit.now).await?;
    let host = visit.header(header::HOST).unwrap_or("localhost");
    let scheme = if visit.secure { "https" } else { "http" };
    let link = format!("{scheme}://{host}/setup/{secret}");
    let found = visit.app.admin_object(visit.actor()?, model, key, visit.now)?;
    let object = found.ok_or_else(|| no_such(model, key))?;
    let shown = Shown { version: version(model, &object), link: Some(&link), ..Shown::default() };
    page(visit, model, (Some(&object), &Typed::of(model, &object)), StatusCode::OK, shown)
}

pub(super) async fn new_link(visit: Visit) -> Reply {
    let Some(model) = crate::app::admin::model("users") else { return Err(WebError::not_found()) };
    let key = visit.param("key").to_owned();
    link_page(&visit, model, &key).await
}

fn dependants(
    visit: &Visit,
    model: &'static Model,
    object: Object,
) -> Result<(String, String, Vec<Dependant>), WebError> {
    let found = visit.app.admin_dependants(visit.actor()?, model, &object.key)?;
    Ok((object.key, object.title, found))
}

fn delete_page(
    visit: &Visit,
    model: &'static Model,
    status: StatusCode,
    problems: &[Problem],
) -> Reply {
    let things = [dependants(visit, model, thing(visit, model)?)?];
    let page = DeletePage { act: None, model, things: &things, problems };
    Ok(reply::html(status, pages::admin::ask_delete(&visit.frame(), &page)))
}

pub(super) async fn ask_delete(visit: Visit, model: &'static Model) -> Reply {
    delete_page(&visit, model, StatusCode::OK, &[])
}

pub(super) async fn delete(mut visit: Visit, model: &'static Model) -> Reply {
    let form = visit.form().await?;
    let object = thing(&visit, model)?;
    let keys = vec![object.key.clone()];
    let at = (&visit.peer, visit.now);
    let done = visit.app.admin_delete(visit.actor()?, model, keys, form.get("move_to"), at).await;
    match done {
        Ok(_) => {
            let notice = Notice::Saved(model.id, Saved::Deleted, object.title);
            Ok(reply::see_other_with(&format!("/admin/{}", model.id), &notice, visit.secure))
        }
        Err(AppError::NotFound(_)) => Err(no_such(model, visit.param("key"))),
        Err(AppError::Refused(sentence)) => {
            let problems = [Problem::new("", sentence)];
            delete_page(&visit, model, StatusCode::CONFLICT, &problems)
        }
        Err(AppError::Invalid(problems)) => {
            delete_page(&visit, model, StatusCode::UNPROCESSABLE_ENTITY, &problems)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn history(visit: Visit, model: &'static Model) -> Reply {
    let object = thing(&visit, model)?;
    let before = visit.query("before").and_then(|number| number.parse().ok());
    let (app, actor, key) = (visit.app.clone(), visit.actor()?.clone(), object.key.clone());
    let found = blocking(move || app.admin_history(&actor, model, &key, before)).await;
    let (rows, older) = found?;
    let page = HistoryPage { model, key: &object.key, title: &object.title, rows: &rows, older };
    Ok(reply::page(pages::admin::history(&visit.frame(), &page)))
}
