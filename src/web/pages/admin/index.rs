//! The index of the Admin tab: every model one may see, and what one did last.

use super::{
    super::{
        frame::{About, Frame, Tab, page},
        human,
        logline::plain,
    },
    history::change_text,
};
use crate::{
    app::admin::{MODELS, Model, Section, TrailRow},
    domain::{Verb, Verbs},
};
use maud::{Markup, html};

/// The index.
#[derive(Clone, Debug)]
pub struct IndexPage<'a> {
    /// What the one who looks did last.
    pub recent: &'a [TrailRow],
}

/// Pages of the Admin tab that are no model: section, label, address, what it takes.
const PAGES: [(Section, &str, &str, Verb); 3] = [
    (Section::System, "Disk and cleanup", "/admin/disk", Verb::ViewHealth),
    (Section::System, "Schedules", "/admin/schedules", Verb::ViewHealth),
    (Section::System, "Health", "/admin/health", Verb::ViewHealth),
];

/// Every place of the Admin tab that somebody with these permissions may see.
fn places(verbs: Verbs) -> Vec<(Section, &'static str, String)> {
    let models = MODELS.iter().filter(|m| verbs.has(m.rights.view));
    let mut all: Vec<_> = models.map(|m| (m.section, m.many, format!("/admin/{}", m.id))).collect();
    let pages = PAGES.iter().filter(|(.., verb)| verbs.has(*verb));
    all.extend(pages.map(|(section, label, url, _)| (*section, *label, (*url).to_owned())));
    all
}

/// Every place of the Admin tab that somebody may see: label, address, section.
pub(in crate::web) fn all_places(verbs: Verbs) -> Vec<(String, String, &'static str)> {
    let all = places(verbs).into_iter();
    all.map(|(section, label, url)| (label.to_owned(), url, section.label())).collect()
}

/// The index.
pub fn index(f: &Frame, p: &IndexPage) -> Markup {
    let verbs = f.session.map(|s| s.actor.verbs).unwrap_or_default();
    let mut about = About::new("Administration", Tab::Admin);
    about.shape = "wide";
    about.aside = Some(recent(f, p.recent));
    let places = places(verbs);
    page(
        f,
        about,
        html! {
            @if places.is_empty() {
                p class="empty big" {
                    "You may enter here, but nothing is yours to see: ask an administrator for permissions."
                }
            }
            div class="models" {
                @for section in Section::ALL {
                    @if places.iter().any(|(of, ..)| *of == section) { (card(section, verbs)) }
                }
            }
        },
    )
}

fn card(section: Section, verbs: Verbs) -> Markup {
    html! {
        section class="card" {
            h2 { (section.label()) }
            table class="models" {
                caption class="vh" { (section.label()) }
                thead class="vh" { tr { th scope="col" { "What" } th scope="col" { "Add" } th scope="col" { "Change" } } }
                tbody {
                    @for model in MODELS.iter().filter(|m| m.section == section && verbs.has(m.rights.view)) {
                        (row(model, verbs))
                    }
                    @for (of, label, url, verb) in PAGES {
                        @if of == section && verbs.has(verb) {
                            tr { th scope="row" { a href=(url) { (label) } } td {} td {} }
                        }
                    }
                }
            }
        }
    }
}

fn row(model: &Model, verbs: Verbs) -> Markup {
    let may = |verb: Option<Verb>| verb.is_some_and(|v| verbs.has(v));
    html! {
        tr {
            th scope="row" {
                a href={ "/admin/" (model.id) } { (model.many) }
                p class="meta" { (model.about) }
            }
            td {
                @if may(model.rights.add) {
                    a href={ "/admin/" (model.id) "/add" } { "Add" span class="vh" { " " (model.one) } }
                }
            }
            td {
                @let word = if may(model.rights.change) { "Change" } else { "View" };
                a href={ "/admin/" (model.id) } { (word) span class="vh" { " " (model.many) } }
            }
        }
    }
}

/// The beginning of a detail; the history has it whole.
fn short(detail: &str) -> Option<String> {
    const SHOWN: usize = 80;
    let cut = detail.chars().count() > SHOWN;
    let mut text: String = detail.chars().take(SHOWN).collect();
    if cut {
        text.push('…');
    }
    Some(text).filter(|text| !text.is_empty())
}

fn recent(f: &Frame, rows: &[TrailRow]) -> Markup {
    html! {
        aside class="side" aria-label="Recent actions" {
            p class="meta" { kbd { "Ctrl" } "+" kbd { "K" } " leads to every page and job by name." }
            h2 { "Recent actions" }
            @if rows.is_empty() { p class="meta" { "None yet." } }
            ol class="recent" {
                @for (_, line) in rows {
                    li {
                        strong { (plain(&line.action)) } " " (plain(&line.object))
                        @if let Some(text) = short(&line.detail) { p class="meta" { (change_text(&text)) } }
                        small { (human::relative(line.at, f.now)) }
                    }
                }
            }
        }
    }
}
