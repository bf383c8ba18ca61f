//! The Admin tab: one engine for every model. What can be seen and done follows from the model's
//! data in `app::admin` and from the table of routes; nothing here knows what a queue or a user is.

mod act;
mod export;
mod list;
mod object;

use super::{
    Reply, Screens, Visit, WebError,
    error::WayOut,
    pages,
    pages::admin::IndexPage,
    reply,
    table::{Part, ROWS},
};
use crate::app::{
    App,
    admin::{Model, Object, model},
};
use http::StatusCode;

/// The handlers of this group: one for each row of the table that belongs to a model.
pub fn routes(app: &App) -> Screens {
    let mut screens = Screens::new(app)
        .on("admin", index)
        .on("palette", palette)
        .on("admin.users.setup", object::new_link);
    for row in ROWS.iter() {
        let Some((id, part)) = row.model else { continue };
        // A row of a model that is none has no handler then, and does not start.
        let Some(model) = model(id) else { continue };
        screens = with(screens, row.name, part, model);
    }
    screens
}

fn with(screens: Screens, name: &'static str, part: Part, model: &'static Model) -> Screens {
    match part {
        Part::List => screens.on(name, move |visit| list::show(visit, model)),
        Part::Csv => screens.on(name, move |visit| export::csv(visit, model)),
        Part::Json => screens.on(name, move |visit| export::json(visit, model)),
        Part::Act => screens.on(name, move |visit| act::act(visit, model)),
        Part::Add => screens.on(name, move |visit| object::blank(visit, model)),
        Part::AddPost | Part::ChangePost => {
            screens.on(name, move |visit| object::save(visit, model))
        }
        Part::Change => screens.on(name, move |visit| object::show(visit, model)),
        Part::Delete => screens.on(name, move |visit| object::ask_delete(visit, model)),
        Part::DeletePost => screens.on(name, move |visit| object::delete(visit, model)),
        Part::History => screens.on(name, move |visit| object::history(visit, model)),
    }
}

async fn index(visit: Visit) -> Reply {
    let recent = visit.app.recent_actions(visit.actor()?)?;
    Ok(reply::page(pages::admin::index(&visit.frame(), &IndexPage { recent: &recent })))
}

/// Every place one may go to, for the palette of the script.
async fn palette(visit: Visit) -> Reply {
    let actor = visit.actor()?;
    let verbs = actor.verbs;
    let tabs = [
        ("Start", "/", crate::domain::Verb::ViewJobs),
        ("Create an image", "/submit", crate::domain::Verb::Submit),
        ("Queue", "/queue", crate::domain::Verb::ViewJobs),
    ];
    let mut links: Vec<(String, String, &'static str)> = tabs
        .iter()
        .filter(|(.., verb)| verbs.has(*verb))
        .map(|(label, url, _)| ((*label).to_owned(), (*url).to_owned(), "Pages"))
        .collect();
    links.push(("Your account".to_owned(), "/account".to_owned(), "Pages"));
    if actor.staff {
        links.push(("Administration".to_owned(), "/admin".to_owned(), "Pages"));
        links.extend(pages::admin::all_places(verbs));
        let adds = crate::app::admin::MODELS.iter().filter(|m| {
            m.rights.add.is_some_and(|verb| verbs.has(verb)) && verbs.has(m.rights.view)
        });
        links.extend(
            adds.map(|m| (format!("Add {}", m.one), format!("/admin/{}/add", m.id), "Add")),
        );
    }
    Ok(reply::page(pages::palette(&links)))
}

/// The thing that the path's `{key}` names.
fn thing(visit: &Visit, model: &'static Model) -> Result<Object, WebError> {
    let key = visit.param("key");
    let found = visit.app.admin_object(visit.actor()?, model, key, visit.now)?;
    found.ok_or_else(|| no_such(model, key))
}

fn no_such(model: &Model, key: &str) -> WebError {
    let shown: String = key.chars().take(60).collect();
    let message = format!("there is no {} `{shown}`, or not any more", model.one);
    WebError::new(StatusCode::NOT_FOUND, "Not found", message).way_out(WayOut {
        label: format!("All {}", model.several(2)).into(),
        url: format!("/admin/{}", model.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::admin::MODELS, web::table::Need};

    #[test]
    fn what_a_model_can_is_what_its_routes_take() {
        for model in MODELS {
            let of = |part| {
                let mut rows = ROWS.iter().filter(|r| r.model == Some((model.id, part)));
                rows.next().map(|row| row.need)
            };
            let needs = |verb: Option<crate::domain::Verb>| verb.map(Need::Admin);
            for part in [Part::List, Part::Csv, Part::Json, Part::Change, Part::History] {
                assert_eq!(of(part), needs(Some(model.rights.view)), "{} {part:?}", model.id);
            }
            for part in [Part::Add, Part::AddPost] {
                assert_eq!(of(part), needs(model.rights.add), "{} {part:?}", model.id);
            }
            assert_eq!(of(Part::ChangePost), needs(model.rights.change), "{}", model.id);
            for part in [Part::Delete, Part::DeletePost] {
                assert_eq!(of(part), needs(model.rights.delete), "{} {part:?}", model.id);
            }
            assert_eq!(of(Part::Act).is_some(), !model.actions.is_empty(), "{}", model.id);
        }
    }
}
