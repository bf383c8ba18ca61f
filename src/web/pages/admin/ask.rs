//! Pages that ask before something is done: deletions, and actions that have to be told more.

use super::{
    super::{
        field::{Field, id, summary},
        frame::{About, Frame, Tab, csrf, icon, page},
        human,
        logline::{plain, said},
    },
    address::{list_url, object_url, query_text},
    sections::crumbs_below,
};
use crate::app::{
    DeletionPreview, Problem,
    admin::{Action, Argument, Dependant, ListQuery, Model, Scope, Selection},
};
use maud::{Markup, html};

/// An action that waits for an answer.
#[derive(Clone, Debug)]
pub struct ActPage<'a> {
    /// The model.
    pub model: &'static Model,
    /// What is to be done.
    pub action: &'static Action,
    /// To whom.
    pub selection: &'a Selection,
    /// How many that are.
    pub count: u64,
    /// What was said with it.
    pub argument: &'a str,
    /// What can be chosen, where that is asked.
    pub offers: &'a [(String, String)],
    /// What is wrong with what was said, or why it could not be done.
    pub problems: &'a [Problem],
    /// "All" were another number when they were chosen.
    pub changed: bool,
}

impl ActPage<'_> {
    fn back(&self) -> String {
        list_url(self.model, &self.selection.query)
    }

    /// Who is meant, as hidden fields.
    fn hidden(&self, f: &Frame) -> Markup {
        let start = ListQuery { cursor: None, backwards: false, ..self.selection.query.clone() };
        html! {
            @if let Some(session) = f.session { (csrf(session)) }
            input type="hidden" name="action" value=(self.action.id);
            input type="hidden" name="list" value=(query_text(self.model, &self.selection.query));
            input type="hidden" name="print" value=(Selection::fingerprint(self.model, &start, self.count));
            input type="hidden" name="confirm" value="yes";
            @match &self.selection.scope {
                Scope::All => { input type="hidden" name="scope" value="all"; }
                Scope::Ticked(keys) => {
                    input type="hidden" name="scope" value="ticked";
                    @for key in keys { input type="hidden" name="id" value=(key); }
                }
            }
        }
    }

    fn url(&self) -> String {
        format!("/admin/{}/action", self.model.id)
    }
}

fn many(model: &Model, count: u64) -> String {
    format!("{} {}", human::grouped(count), model.several(count))
}

fn framed(f: &Frame, model: &'static Model, title: &str, body: Markup) -> Markup {
    let crumbs = crumbs_below(Some(model));
    let mut about = About::new(title, Tab::Admin);
    about.crumbs = &crumbs;
    about.shape = "start";
    page(f, about, body)
}

fn changed(p: &ActPage) -> Markup {
    html! {
        @if p.changed {
            div class="note warn" role="alert" {
                (icon("alert"))
                p { "The list has changed since: now it finds " (many(p.model, p.count)) "." }
            }
        }
    }
}

/// Asks for what an action has to be told, or whether it is meant for so many.
pub fn ask_act(f: &Frame, p: &ActPage) -> Markup {
    let title = format!("{}: {}", p.action.label, many(p.model, p.count));
    framed(
        f,
        p.model,
        &title,
        html! {
            (summary(p.problems, |problem| id(&problem.field)))
            (changed(p))
            form method="post" action=(p.url()) class="card" {
                (p.hidden(f))
                @if let Some(argument) = p.action.argument { (asked(p, argument)) }
                div class="buttons" {
                    button class="main" type="submit" { (p.action.label) }
                    a class="btn" href=(p.back()) { "Back" }
                }
            }
        },
    )
}

fn asked(p: &ActPage, argument: Argument) -> Markup {
    let field = Field::new("argument", argument.label(), p.problems);
    match argument {
        Argument::Text(_, most) => field.around(html! {
            input id=(field.id) name="argument" type="text" value=(p.argument) maxlength=(most)
                required autocomplete="off"
                aria-describedby=[field.described()] aria-invalid=[field.invalid()];
        }),
        Argument::One(..) => field.around(html! {
            select id=(field.id) name="argument"
                aria-describedby=[field.described()] aria-invalid=[field.invalid()]
            {
                @for (value, label) in p.offers {
                    option value=(value) selected[value == p.argument] { (label) }
                }
            }
        }),
    }
}

/// Things that are to be deleted, each with what depends on it.
#[derive(Clone, Debug)]
pub struct DeletePage<'a> {
    /// What waits for an answer; `None`: one thing, from its own page.
    pub act: Option<&'a ActPage<'a>>,
    /// The model.
    pub model: &'static Model,
    /// Key, title, and what depends on it.
    pub things: &'a [(String, String, Vec<Dependant>)],
    /// What is wrong with what was chosen, or why nothing was deleted.
    pub problems: &'a [Problem],
}

/// Asks whether things are really to be deleted.
pub fn ask_delete(f: &Frame, p: &DeletePage) -> Markup {
    let title = match p.things {
        [(_, title, _)] => format!("Delete the {} {title}?", p.model.one),
        things => format!("Delete {}?", many(p.model, things.len() as u64)),
    };
    let blocked = p.things.iter().any(|(.., all)| all.iter().any(|d| d.blocks));
    let moves: Vec<&String> =
        p.things.iter().flat_map(|(.., all)| all).flat_map(|d| &d.move_to).collect();
    let single = p.things.first().filter(|_| p.act.is_none());
    let url = match (p.act, single) {
        (Some(act), _) => act.url(),
        (None, Some((key, ..))) => object_url(p.model, key, "delete"),
        (None, None) => format!("/admin/{}", p.model.id),
    };
    let back = match (p.act, single) {
        (Some(act), _) => act.back(),
        (None, Some((key, ..))) => object_url(p.model, key, "change"),
        (None, None) => format!("/admin/{}", p.model.id),
    };
    framed(
        f,
        p.model,
        &title,
        html! {
            (summary(p.problems, |problem| id(&problem.field)))
            @if let Some(act) = p.act { (changed(act)) }
            (all_things(p.things))
            @if blocked {
                div class="note bad" { (icon("alert")) p { "It cannot be deleted as long as this is so." } }
                div class="buttons" { a class="btn" href=(back) { "Back" } }
            } @else {
                p { "This cannot be undone." }
                form method="post" action=(url) class="card" {
                    @match p.act {
                        Some(act) => (act.hidden(f)),
                        None => { @if let Some(session) = f.session { (csrf(session)) } }
                    }
                    @if !moves.is_empty() { (move_to(p, &moves)) }
                    div class="buttons" {
                        button class="danger" type="submit" { "Yes, delete" }
                        a class="btn" href=(back) { "No, keep" }
                    }
                }
            }
        },
    )
}

/// Things that are named on the page.
const SHOWN: usize = 50;

/// What keeps something from being deleted is always shown; of the others the first.
fn all_things(things: &[(String, String, Vec<Dependant>)]) -> Markup {
    let blocks = |all: &[Dependant]| all.iter().any(|d| d.blocks);
    let (kept, free): (Vec<_>, Vec<_>) = things.iter().partition(|(.., all)| blocks(all));
    let more = free.len().saturating_sub(SHOWN);
    html! {
        @for (_, title, all) in kept.into_iter().chain(free.into_iter().take(SHOWN)) {
            (thing(title, all, things.len() > 1))
        }
        @if more > 0 { p { "and " (human::grouped(more as u64)) " more." } }
    }
}

fn thing(title: &str, all: &[Dependant], named: bool) -> Markup {
    html! {
        section {
            @if named { h2 { (plain(title)) } }
            @if all.is_empty() { p class="meta" { "Nothing depends on it." } }
            ul class="dependants" {
                @for dependant in all {
                    li {
                        @if dependant.blocks { (icon("alert")) " " }
                        (said(&dependant.text))
                        @if !dependant.some.is_empty() {
                            ": "
                            @for (n, (label, url)) in dependant.some.iter().enumerate() {
                                @if n > 0 { ", " }
                                a href=(url) { (plain(label)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn move_to(p: &DeletePage, to: &[&String]) -> Markup {
    let going: Vec<&str> = p.things.iter().map(|(key, ..)| key.as_str()).collect();
    let mut to: Vec<_> = to.iter().filter(|name| !going.contains(&name.as_str())).collect();
    to.sort_unstable();
    to.dedup();
    let field = Field::new("move_to", "Jobs that wait go to", p.problems);
    field.around(html! {
        select id=(field.id) name="move_to" aria-invalid=[field.invalid()] {
            @for name in to { option { (name) } }
        }
    })
}

/// Asks whether the files of jobs are really to be deleted.
pub fn ask_delete_jobs(f: &Frame, p: &ActPage, preview: &DeletionPreview) -> Markup {
    let title = format!("Delete the files of {}?", many(p.model, preview.jobs));
    framed(
        f,
        p.model,
        &title,
        html! {
            (summary(p.problems, |problem| id(&problem.field)))
            (changed(p))
            p {
                strong { (human::size(preview.bytes)) }
                " of images, logs and definitions are deleted from the disk. The jobs stay in the list and say so. This cannot be undone."
            }
            @if !preview.skipped.is_empty() { (left_alone(preview)) }
            @if preview.jobs > 0 {
                form method="post" action=(p.url()) class="buttons" {
                    (p.hidden(f))
                    button class="danger" type="submit" { "Yes, delete" }
                    a class="btn" href=(p.back()) { "No, keep" }
                }
                div class="totals" {
                    (totals("Queue", &preview.by_queue))
                    (totals("User", &preview.by_owner))
                }
                section {
                    h2 {
                        @if preview.first.len() as u64 == preview.jobs { "The jobs" }
                        @else { "The first " (preview.first.len()) " of " (human::grouped(preview.jobs)) }
                    }
                    ul class="links" {
                        @for (job, name, bytes) in &preview.first {
                            li { a href={ "/jobs/" (job) } { (job) } " " (plain(name)) " " span class="meta" { (human::size_text(*bytes)) } }
                        }
                    }
                }
            } @else {
                div class="buttons" { a class="btn" href=(p.back()) { "Back" } }
            }
        },
    )
}

fn left_alone(preview: &DeletionPreview) -> Markup {
    html! {
        div class="note warn" {
            (icon("alert"))
            div {
                p { strong { "Left alone:" } }
                ul {
                    @for (why, count, some) in &preview.skipped {
                        li {
                            (human::count(*count, "job", "jobs")) ", " (said(why)) ": "
                            @for (n, job) in some.iter().enumerate() {
                                @if n > 0 { ", " }
                                a href={ "/jobs/" (job) } { (job) }
                            }
                            @if *count > some.len() as u64 { " …" }
                        }
                    }
                }
            }
        }
    }
}

fn totals(label: &str, rows: &[(String, u64, u64)]) -> Markup {
    html! {
        table {
            caption class="vh" { "By " (label.to_lowercase()) }
            thead { tr { th scope="col" { (label) } th scope="col" class="r" { "Jobs" } th scope="col" class="r" { "Size" } } }
            tbody {
                @for (name, jobs, bytes) in rows {
                    tr { th scope="row" { (plain(name)) } td class="r" { (human::grouped(*jobs)) } td class="r" { (human::size(*bytes)) } }
                }
            }
        }
    }
}
