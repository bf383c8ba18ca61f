//! The form of a thing: new, changed, or only shown.

use super::{
    super::{
        field::{Field as Around, id, summary},
        frame::{About, Frame, Tab, csrf, icon, page},
        head::fact,
        logline::plain,
    },
    address::object_url,
    cell::cell,
    sections::crumbs_below,
};
use crate::{
    app::{
        Problem,
        admin::{Field, Kind, MODELS, Model, Object, On, Stale, Typed},
    },
    domain::{Verb, Verbs},
};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// A form with what surrounds it.
#[derive(Clone, Debug)]
pub struct FormPage<'a> {
    /// The model.
    pub model: &'static Model,
    /// The thing; `None` on the form of a new one.
    pub object: Option<&'a Object>,
    /// What the fields have.
    pub typed: &'a Typed,
    /// The version of the thing the form was made from.
    pub version: &'a str,
    /// What is offered, by field.
    pub offers: &'a BTreeMap<&'static str, Vec<(String, String)>>,
    /// What is wrong.
    pub problems: &'a [Problem],
    /// Somebody else changed it meanwhile.
    pub stale: Option<&'a Stale>,
    /// A set-up link that was just made.
    pub link: Option<&'a str>,
}

impl FormPage<'_> {
    fn adding(&self) -> bool {
        self.object.is_none()
    }
}

/// The form of a thing. Posts every field, `version` and `save` (`list`, `add` or `stay`).
pub fn form(f: &Frame, p: &FormPage) -> Markup {
    let verbs = f.session.map(|s| s.actor.verbs).unwrap_or_default();
    let may = |verb: Option<Verb>| verb.is_some_and(|v| verbs.has(v));
    let writes = may(if p.adding() { p.model.rights.add } else { p.model.rights.change });
    let title = match p.object {
        None => format!("Add {}", p.model.one),
        Some(object) if writes => format!("Change {} {}", p.model.one, object.title),
        Some(object) => format!("{} {}", capital(p.model.one), object.title),
    };
    let crumbs = crumbs_below(Some(p.model));
    let mut about = About::new(&title, Tab::Admin);
    about.crumbs = &crumbs;
    about.shape = "form";
    about.aside = Some(aside(p));
    about.heading = Some(heading(p, &title));
    let url = match p.object {
        None => format!("/admin/{}/add", p.model.id),
        Some(object) => object_url(p.model, &object.key, "change"),
    };
    page(
        f,
        about,
        html! {
            @if let Some(link) = p.link { (link_note(link)) }
            (summary(p.problems, |problem| id(&problem.field)))
            @if let Some(stale) = p.stale { (conflict(stale)) }
            @if writes {
                form method="post" action=(url) class="submit" data-guard {
                    @if let Some(session) = f.session { (csrf(session)) }
                    input type="hidden" name="version" value=(p.version);
                    (sets(p, verbs, true))
                    (buttons(p, verbs))
                }
            } @else {
                div class="submit" { (sets(p, verbs, false)) }
            }
            @if !p.adding() { (extra(f, p, verbs, writes)) }
        },
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

fn heading(p: &FormPage, title: &str) -> Markup {
    html! {
        div class="titlebar" {
            h1 { (plain(title)) }
            @if let Some(object) = p.object.filter(|_| !p.model.object.is_empty()) {
                a class="btn" href=(object_url(p.model, &object.key, "history")) { "History" }
            }
        }
    }
}

fn link_note(link: &str) -> Markup {
    html! {
        div class="note good" role="status" tabindex="-1" data-flash {
            (icon("done"))
            div {
                p { strong { "Give them this link: with it they set a password of their own, once, within 3 days." } }
                p { "It is shown only now." }
                p { code { (link) } }
            }
        }
    }
}

fn conflict(stale: &Stale) -> Markup {
    html! {
        div class="note bad" role="alert" tabindex="-1" data-flash {
            (icon("alert"))
            div {
                p {
                    strong { "Somebody else has changed this since you opened it." }
                    " Nothing was saved. Below is what you typed; saving now replaces what is there."
                }
                @if stale.differences.is_empty() { p { "What you typed is what is there now." } }
                @else {
                    (differences(stale))
                }
            }
        }
    }
}

fn differences(stale: &Stale) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Where it differs" {
            table class="conflict" {
                thead { tr { th scope="col" { "Field" } th scope="col" { "Yours" } th scope="col" { "There now" } } }
                tbody {
                    @for d in &stale.differences {
                        tr {
                            th scope="row" { (d.label) }
                            td { (plain(&d.yours)) }
                            td { (plain(&d.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn sets(p: &FormPage, verbs: Verbs, writes: bool) -> Markup {
    let there = |field: &&Field| field.on != On::Change || !p.adding();
    html! {
        @for set in p.model.fieldsets {
            @if set.fields.iter().any(|field| there(&field)) {
                fieldset {
                    legend { (set.title) }
                    @let edits = |field: &Field| writes && field.editable(p.adding());
                    @let (control_fields, shown_fields): (Vec<_>, Vec<_>) =
                        set.fields.iter().filter(there).partition(|field| edits(field));
                    @if !shown_fields.is_empty() {
                        dl class="pairs" { @for field in shown_fields { (shown(p, field)) } }
                    }
                    @for field in control_fields { (control(p, field, verbs)) }
                }
            }
        }
    }
}

fn shown(p: &FormPage, field: &Field) -> Markup {
    let value = p.object.map(|object| cell(object.cell(field.id)));
    fact(field.label, value.unwrap_or_else(|| html! {}))
}

fn control(p: &FormPage, field: &Field, verbs: Verbs) -> Markup {
    match field.kind {
        Kind::Check => check(p, field),
        Kind::Any(_) => any(p, field),
        Kind::Grants => grants(p, field, verbs),
        _ => line(p, field),
    }
}

fn around<'a>(p: &'a FormPage, field: &'a Field) -> Around<'a> {
    let mut around = Around::new(field.id, field.label, p.problems);
    if !field.help.is_empty() {
        around = around.hint(html! { (field.help) });
    }
    if field.required { around } else { around.optional() }
}

fn line(p: &FormPage, field: &Field) -> Markup {
    let around = around(p, field);
    let typed = p.typed.all(field.id);
    let text = match field.kind {
        Kind::Words(..) => typed.join(" "),
        _ => typed.first().cloned().unwrap_or_default(),
    };
    let (described, invalid) = (around.described(), around.invalid());
    around.around(match field.kind {
        Kind::Lines(most) => html! {
            textarea id=(around.id) name=(field.id) rows="5" maxlength=(most) required[field.required]
                aria-describedby=[described] aria-invalid=[invalid] { (text) }
        },
        Kind::One(_) => html! {
            select id=(around.id) name=(field.id) aria-describedby=[described] aria-invalid=[invalid] {
                @if !field.required { option value="" { "–" } }
                @for (value, label) in p.offers.get(field.id).into_iter().flatten() {
                    option value=(value) selected[*value == text] { (label) }
                }
            }
        },
        Kind::Number(least, most) => html! {
            input id=(around.id) name=(field.id) type="number" value=(text) min=(least) max=(most)
                step="1" required[field.required] aria-describedby=[described] aria-invalid=[invalid];
        },
        kind => html! {
            input id=(around.id) name=(field.id) type="text" value=(text) maxlength=[longest(kind)]
                required[field.required] autocomplete="off" autocapitalize="none"
                aria-describedby=[described] aria-invalid=[invalid];
        },
    })
}

fn longest(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Text(most) => Some(most),
        Kind::Span | Kind::Size | Kind::Keep => Some(40),
        _ => None,
    }
}

fn check(p: &FormPage, field: &Field) -> Markup {
    let around = around(p, field);
    let class = if around.invalid().is_some() { "field bad" } else { "field" };
    html! {
        div class=(class) {
            label {
                input id=(around.id) type="checkbox" name=(field.id)
                    checked[!p.typed.all(field.id).is_empty()]
                    aria-describedby=[around.described()] aria-invalid=[around.invalid()];
                " " (field.label)
            }
            (around.below())
        }
    }
}

fn any(p: &FormPage, field: &Field) -> Markup {
    let around = around(p, field);
    let typed = p.typed.all(field.id);
    let offers = p.offers.get(field.id).map_or(&[][..], Vec::as_slice);
    // What was chosen once and is not offered any more can still be let go of.
    let gone = typed.iter().filter(|t| !offers.iter().any(|(value, _)| value == *t));
    html! {
        fieldset class="checks" id=(around.id) tabindex="-1" aria-describedby=[around.described()] {
            legend { (field.label) }
            div class="cols" {
                @for (value, label) in offers {
                    label {
                        input type="checkbox" name=(field.id) value=(value) checked[typed.contains(value)];
                        " " (plain(label))
                    }
                }
                @for value in gone {
                    label {
                        input type="checkbox" name=(field.id) value=(value) checked;
                        " " (plain(value)) " (not there any more)"
                    }
                }
            }
            @if offers.is_empty() { p class="meta" { "There are none." } }
            (around.below())
        }
    }
}

/// View, add, change and delete of every model as a table; the other permissions below it.
fn grants(p: &FormPage, field: &Field, mine: Verbs) -> Markup {
    let around = around(p, field);
    let typed = p.typed.all(field.id);
    let tick = |verb: Verb, label: &str| {
        let on = typed.iter().any(|t| t == verb.as_str());
        html! {
            input type="checkbox" name=(field.id) value=(verb.as_str()) checked[on]
                disabled[!on && !mine.has(verb)] aria-label=(label);
        }
    };
    let (table, rest) = granted_by_model();
    html! {
        fieldset class="checks" id=(around.id) tabindex="-1" aria-describedby=[around.described()] {
            legend { (field.label) }
            div class="scroll" tabindex="0" role="region" aria-label=(field.label) {
                table class="grants" {
                    thead {
                        tr {
                            th scope="col" { "What" }
                            @for word in WORDS { th scope="col" { (word) } }
                        }
                    }
                    tbody {
                        @for (label, verbs) in &table {
                            tr {
                                th scope="row" { (label) }
                                @for (verb, word) in verbs.iter().zip(WORDS) {
                                    td {
                                        @if let Some(verb) = verb { (tick(*verb, &format!("{word} {label}"))) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            div class="cols" {
                @for verb in rest {
                    label { (tick(verb, verb.phrase())) " " (capital(verb.phrase())) }
                }
            }
            (around.below())
        }
    }
}

const WORDS: [&str; 4] = ["View", "Add", "Change", "Delete"];

type Granted = Vec<(String, [Option<Verb>; 4])>;

/// The permissions of each model, and those that belong to none. Models that share theirs share a
/// row.
fn granted_by_model() -> (Granted, Vec<Verb>) {
    let mut table: Granted = Vec::new();
    let mut used = Vec::new();
    for model in MODELS {
        let (mut change, mut delete) = (model.rights.change, model.rights.delete);
        let mut add = model.rights.add;
        if model.id == "jobs" {
            (add, change, delete) =
                (Some(Verb::Submit), Some(Verb::ChangeJobs), Some(Verb::DeleteAny));
        }
        let verbs = [Some(model.rights.view), add, change, delete];
        used.extend(verbs.iter().flatten().copied());
        match table.iter_mut().find(|(_, known)| *known == verbs) {
            Some((label, _)) => {
                label.push_str(", ");
                label.push_str(&model.many.to_lowercase());
            }
            None => table.push((model.many.to_owned(), verbs)),
        }
    }
    let rest = Verb::ALL.iter().copied().filter(|verb| !used.contains(verb)).collect();
    (table, rest)
}

fn buttons(p: &FormPage, verbs: Verbs) -> Markup {
    let may = |verb: Option<Verb>| verb.is_some_and(|v| verbs.has(v));
    html! {
        div class="submit-row" {
            @if let Some(object) = p.object.filter(|_| may(p.model.rights.delete)) {
                a class="btn danger" href=(object_url(p.model, &object.key, "delete")) { "Delete" }
            }
            button class="main" type="submit" name="save" value="list" { "Save" }
            @if may(p.model.rights.add) {
                button type="submit" name="save" value="add" { "Save and add another" }
            }
            button type="submit" name="save" value="stay" { "Save and continue editing" }
        }
    }
}

/// What a thing has beside its form.
fn extra(f: &Frame, p: &FormPage, verbs: Verbs, writes: bool) -> Markup {
    let Some(object) = p.object else { return html! {} };
    let deletes = p.model.rights.delete.is_some_and(|v| verbs.has(v));
    html! {
        @if p.model.id == "users" && writes {
            section class="card" {
                h2 { "Password" }
                p {
                    "Nobody chooses a password for somebody else: a set-up link lets them set one of their own. A link that was made before is void then."
                }
                form method="post" action=(object_url(p.model, &object.key, "setup")) {
                    @if let Some(session) = f.session { (csrf(session)) }
                    button type="submit" { "Make a set-up link" }
                }
            }
        }
        @if !writes && deletes {
            div class="buttons" {
                a class="btn danger" href=(object_url(p.model, &object.key, "delete")) { "Delete" }
            }
        }
    }
}

fn aside(p: &FormPage) -> Markup {
    html! {
        aside class="side" aria-label="About" {
            h2 { (p.model.many) }
            p class="meta" { (p.model.about) }
            ul class="links" {
                li { a href={ "/admin/" (p.model.id) } { "All " (p.model.several(2)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_can_be_given_exactly_once() {
        let (table, rest) = granted_by_model();
        let mut all: Vec<Verb> =
            table.iter().flat_map(|(_, verbs)| verbs).flatten().copied().collect();
        all.extend(rest);
        all.sort_unstable();
        assert_eq!(all, Verb::ALL);
    }
}
