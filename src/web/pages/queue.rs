//! The queue page: the table of the first IMG, with filters beside it.

use super::{
    QueueQuery,
    badge::badge,
    frame::{About, Frame, Tab, icon, page},
    human,
    logline::plain,
    queue_row,
};
use crate::{
    app::{Cursor, QueueView},
    domain::{Queue, QueueState, StateKind, Verb},
};
use maud::{Markup, html};

/// The queue page. With `q.refresh` a script reads `row` events ([`queue_row`](super::queue_row))
/// from [`QueueQuery::events_url`].
pub fn queue(f: &Frame, v: &QueueView, q: &QueueQuery) -> Markup {
    let mut about = About::new("Image creating job queue", Tab::Queue);
    about.aside = Some(aside(v, q));
    about.shape = "wide";
    page(
        f,
        about,
        html! {
            // What is there after a while is told whoever cannot see it come.
            div data-news role="status" {
                @if let Some(reason) = &v.builder_away {
                    p class="note warn" {
                        (icon("alert"))
                        span {
                            "The builder does not answer (" (plain(reason))
                            "): waiting jobs start when it is back."
                        }
                    }
                }
                @for queue in &v.queues { (paused(queue, v)) }
            }
            @if v.rows.is_empty() { (nothing(f, q)) }
            // Without rows it waits, hidden, for the first that a script puts in.
            @if !v.rows.is_empty() || (q.refresh && q.at == Cursor::Newest) { (table(f, v, q)) }
            (pager(v, q))
        },
    )
}

/// Why nothing starts on a queue, and how far it has come with what builds.
fn paused(queue: &Queue, v: &QueueView) -> Markup {
    let Some(reason) = &queue.paused else { return html! {} };
    let building = v.building.get(&queue.name).copied().unwrap_or(0);
    html! {
        p class="note warn" {
            (icon("pause"))
            span {
                "Queue " strong { (queue.name) }
                @match queue.state(building) {
                    QueueState::Draining { building } => {
                        " is draining, " (human::count(building.into(), "job", "jobs"))
                        " still building: "
                    }
                    QueueState::Paused | QueueState::Open | QueueState::RecordsOnly => {
                        " is paused, nothing of it builds: "
                    }
                }
                (plain(reason))
            }
        }
    }
}

fn nothing(f: &Frame, q: &QueueQuery) -> Markup {
    html! {
        div class="empty big" data-none {
            @if q.is_filtered() {
                p { "No job matches." }
                p { a href="/queue" { "Show all jobs" } }
            } @else if q.at != Cursor::Newest {
                p { "There are no more jobs here." }
                p { a href=(q.starting(Cursor::Newest).url()) { "To the newest" } }
            } @else {
                p { "The queue is empty." }
                @if f.session.is_some_and(|s| s.actor.verbs.has(Verb::Submit)) {
                    p { a href="/submit" { "Create an image" } }
                }
            }
        }
    }
}

fn table(f: &Frame, v: &QueueView, q: &QueueQuery) -> Markup {
    let events = q.refresh.then(|| q.events_url());
    let token = f.session.map_or("", |s| &s.csrf);
    html! {
        table class="queue" data-rows=[events] data-size=(q.size) hidden[v.rows.is_empty()] {
            caption class="vh" { "Jobs, newest first" }
            thead {
                tr {
                    @for column in
                        ["ID / queue", "Submitted", "Length", "User", "Arch", "Type", "Status", "Results"]
                    {
                        th scope="col" { (column) }
                    }
                }
            }
            tbody { @for view in &v.rows { (queue_row(view, f.now, token)) } }
        }
    }
}

fn pager(v: &QueueView, q: &QueueQuery) -> Markup {
    html! {
        nav class="pager" aria-label="Pages" {
            @if let Some(id) = v.newer {
                a rel="prev" href=(q.starting(Cursor::After(id)).url()) { "← Newer" }
                a href=(q.starting(Cursor::Newest).url()) { "Newest" }
            }
            @if let Some(total) = v.total { span { (human::count(total, "job", "jobs")) } }
            @if let Some(id) = v.older {
                a rel="next" href=(q.starting(Cursor::Before(id)).url()) { "Older →" }
            }
            span class="sizes" {
                "Rows: "
                @for size in QueueQuery::SIZES {
                    @let url = QueueQuery { size, ..q.clone() }.url();
                    a href=(url) aria-current=[(size == q.size).then_some("true")] { (size) } " "
                }
            }
        }
    }
}

fn aside(v: &QueueView, q: &QueueQuery) -> Markup {
    html! {
        aside class="side" aria-label="Filters and counts" {
            details open {
                summary { h2 { "Filter" } }
                (filters(v, q))
            }
            h2 { "Jobs" }
            (counts(v, q))
            (refresh(q))
        }
    }
}

fn filters(v: &QueueView, q: &QueueQuery) -> Markup {
    let filter = &q.filter;
    let owner = filter.owner.as_ref().filter(|_| !q.mine);
    html! {
        form method="get" action="/queue" data-auto {
            (text("q", "Name or number", filter.text.as_deref()))
            div class="field" {
                label for="q-mine" { "Whose" }
                select id="q-mine" name="mine" {
                    option value="" { "All jobs" }
                    option value="1" selected[q.mine] { "Only mine" }
                }
            }
            div class="field" {
                label for="q-queue" { "Queue" }
                select id="q-queue" name="queue" {
                    option value="" { "All queues" }
                    @for queue in &v.queues {
                        option selected[filter.queue.as_ref() == Some(&queue.name)] { (queue.name) }
                    }
                }
            }
            div class="field" {
                label for="q-status" { "Status" }
                select id="q-status" name="status" {
                    option value="" { "Any" }
                    @for kind in StateKind::ALL {
                        option value=(kind.as_str()) selected[filter.state == Some(kind)] {
                            (kind.label())
                        }
                    }
                }
            }
            (text("type", "Image type", filter.image_type.as_ref().map(|t| t.as_str())))
            (text("arch", "Architecture", filter.arch.as_ref().map(|a| a.as_str())))
            @if let Some(owner) = owner { (text("user", "User", Some(owner.as_str()))) }
            (kept(q))
            div class="buttons" {
                button type="submit" { "Filter" }
                @if q.is_filtered() { a href="/queue" { "Clear all" } }
            }
        }
    }
}

fn text(name: &str, label: &str, value: Option<&str>) -> Markup {
    html! {
        div class="field" {
            label for={ "q-" (name) } { (label) }
            input id={ "q-" (name) } name=(name) type="search" value=[value] maxlength="100"
                autocomplete="off" autocapitalize="none" spellcheck="false";
        }
    }
}

/// What is not a filter but would be lost by filtering.
fn kept(q: &QueueQuery) -> Markup {
    html! {
        @if q.size != QueueQuery::SIZE { input type="hidden" name="size" value=(q.size); }
        @if !q.refresh { input type="hidden" name="refresh" value="off"; }
    }
}

fn counts(v: &QueueView, q: &QueueQuery) -> Markup {
    html! {
        ul class="counts" {
            @for kind in StateKind::ALL {
                @let number = v.counts.by_state.get(&kind).copied().unwrap_or(0);
                li {
                    a href=(with_state(q, kind).url()) { (badge(kind)) }
                    span class="num" { (human::grouped(number)) }
                }
            }
            li { span { "All" } span class="num" { (human::grouped(v.counts.total)) } }
        }
    }
}

fn with_state(q: &QueueQuery, kind: StateKind) -> QueueQuery {
    let mut query = q.starting(Cursor::Newest);
    query.filter.state = Some(kind);
    query
}

fn refresh(q: &QueueQuery) -> Markup {
    let other = QueueQuery { refresh: !q.refresh, ..q.clone() }.url();
    html! {
        p class="meta refresh" {
            (icon("refresh"))
            span {
                @if q.refresh { "Rows follow what happens. " a href=(other) { "Turn off" } }
                @else { "Rows stay as they are. " a href=(other) { "Auto refresh" } }
            }
        }
    }
}
