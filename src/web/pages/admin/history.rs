//! Who did what to one thing, and when.

use super::{
    super::{
        frame::{About, Frame, Tab, page},
        human,
        logline::plain,
    },
    address::{object_url, row_url},
    sections::crumbs_below,
};
use crate::app::admin::{Model, TrailRow};
use maud::{Markup, html};

/// The history of a thing.
#[derive(Clone, Debug)]
pub struct HistoryPage<'a> {
    /// Its model.
    pub model: &'static Model,
    /// Its key.
    pub key: &'a str,
    /// What it is called.
    pub title: &'a str,
    /// Its lines, newest first.
    pub rows: &'a [TrailRow],
    /// The next page begins below this line.
    pub older: Option<u64>,
}

/// The history of a thing.
pub fn history(f: &Frame, p: &HistoryPage) -> Markup {
    let title = format!("History: {} {}", p.model.one, p.title);
    let mut crumbs = crumbs_below(Some(p.model));
    crumbs.push((p.title.to_owned(), row_url(p.model, p.key)));
    let mut about = About::new(&title, Tab::Admin);
    about.crumbs = &crumbs;
    about.shape = "full";
    page(
        f,
        about,
        html! {
            @if p.rows.is_empty() { p class="empty" { "Nothing is on record." } }
            ol class="history" { @for (_, line) in p.rows { (entry(line)) } }
            @if let Some(older) = p.older {
                nav class="pager" aria-label="Pages" {
                    a rel="next" href={ (object_url(p.model, p.key, "history")) "?before=" (older) } {
                        "Older →"
                    }
                }
            }
        },
    )
}

fn entry(line: &crate::app::AuditRecord) -> Markup {
    html! {
        li {
            span class="meta" { (human::time(line.at)) }
            span {
                strong { (plain(&line.actor)) } " " (plain(&line.action))
                @if !line.peer.is_empty() { span class="meta" { " from " (plain(&line.peer)) } }
            }
            @if !line.detail.is_empty() { span { (change_text(&line.detail)) } }
        }
    }
}

/// Old → new, each field on its own.
pub(super) fn change_text(detail: &str) -> Markup {
    html! {
        @for (n, part) in detail.split("; ").enumerate() {
            @if n > 0 { br; }
            code { (plain(part)) }
        }
    }
}
