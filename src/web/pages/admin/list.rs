//! The list of a model.

use super::{
    super::{
        frame::{About, Frame, Tab, csrf, icon, page},
        human,
        logline::{plain, said},
    },
    address::{from_start, list_url, query_text, row_url},
    cell::{cell, facet_label},
    sections::crumbs_below,
};
use crate::app::admin::{
    Acted, Column, Dates, Facet, FacetValue, ListPage, ListQuery, Model, Object, SIZES, Selection,
    Value,
};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// A list with what surrounds it.
#[derive(Clone, Debug)]
pub struct AdminListPage<'a> {
    /// The model.
    pub model: &'static Model,
    /// What was asked for.
    pub query: &'a ListQuery,
    /// What was found.
    pub list: &'a ListPage,
    /// Parts of the address that could not be, one sentence each.
    pub remarks: &'a [String],
    /// What the last action came to.
    pub result: Option<&'a Acted>,
}

/// The list of a model: filters at the side, rows with tick boxes, actions above them.
pub fn list(f: &Frame, p: &AdminListPage) -> Markup {
    let may = |verb| f.session.is_some_and(|s| s.actor.verbs.has(verb));
    let add = p.model.rights.add.filter(|verb| may(*verb));
    let mut about = About::new(p.model.many, Tab::Admin);
    let crumbs = crumbs_below(None);
    about.crumbs = &crumbs;
    about.shape = "wide";
    about.aside = Some(aside(p));
    about.heading = Some(html! {
        div class="titlebar" {
            h1 { (p.model.many) }
            @if add.is_some() {
                a class="btn main" href={ "/admin/" (p.model.id) "/add" } { "Add " (p.model.one) }
            }
        }
    });
    page(
        f,
        about,
        html! {
            (remarks(p.remarks))
            @if let Some(acted) = p.result { (result(acted)) }
            (search(p))
            @if p.model.dated { (days(p)) }
            @if p.list.rows.is_empty() { (nothing(p)) } @else { (rows(f, p)) }
            (pager(p))
        },
    )
}

fn remarks(remarks: &[String]) -> Markup {
    html! {
        @if !remarks.is_empty() {
            div class="note warn" role="alert" tabindex="-1" data-flash {
                (icon("alert"))
                div {
                    p { strong { "Part of this address was left out:" } }
                    ul { @for remark in remarks { li { (said(remark)) } } }
                }
            }
        }
    }
}

fn result(acted: &Acted) -> Markup {
    html! {
        div class="note warn" role="status" {
            (icon("alert"))
            div {
                p {
                    strong {
                        (human::count(acted.skipped.len() as u64 + acted.more_skipped, "was", "were"))
                        " left alone"
                    }
                    ", done for " (human::grouped(acted.done)) ":"
                }
                ul {
                    @for (who, why) in &acted.skipped { li { (plain(who)) ": " (said(why)) } }
                    @if acted.more_skipped > 0 {
                        li { "and " (human::grouped(acted.more_skipped)) " more" }
                    }
                }
            }
        }
    }
}

fn search(p: &AdminListPage) -> Markup {
    let kept = ListQuery { text: String::new(), ..from_start(p.query) };
    html! {
        @if !p.model.search.is_empty() {
            form class="find" role="search" method="get" action={ "/admin/" (p.model.id) } {
                label class="vh" for="q" { "Search " (p.model.several(2)) }
                input id="q" name="q" type="search" value=(p.query.text) maxlength="100"
                    autocomplete="off" autocapitalize="none" spellcheck="false"
                    placeholder={ "Search " (p.model.several(2)) };
                @for (name, value) in pairs(p.model, &kept) {
                    input type="hidden" name=(name) value=(value);
                }
                @if p.model.dated && p.list.days.is_empty() && p.query.dates.is_none() {
                    label class="vh" for="date" { "On the day" }
                    input id="date" name="date" type="date";
                }
                button type="submit" { "Search" }
                @if !p.query.text.is_empty() { a href=(list_url(p.model, &kept)) { "Clear" } }
            }
        }
    }
}

/// A query as the fields of a form.
fn pairs(model: &Model, query: &ListQuery) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> =
        query.filters.iter().map(|(id, value)| ((*id).to_owned(), value.clone())).collect();
    if let Some(dates) = query.dates {
        pairs.push(("date".to_owned(), dates.text()));
    }
    if (query.order, query.descending) != model.order {
        let minus = if query.descending { "-" } else { "" };
        pairs.push(("o".to_owned(), format!("{minus}{}", query.order)));
    }
    if query.limit != ListQuery::of(model).limit {
        pairs.push(("size".to_owned(), query.limit.to_string()));
    }
    pairs
}

/// Year, month, day: what is chosen leads up, what is below leads down.
fn days(p: &AdminListPage) -> Markup {
    let with = |dates| list_url(p.model, &ListQuery { dates, ..from_start(p.query) });
    let below = below(&p.list.days, p.query.dates);
    html! {
        @if p.query.dates.is_some() || !below.is_empty() {
            nav class="days" aria-label="By date" {
                @if let Some(dates) = p.query.dates {
                    a href=(with(None)) { "All dates" }
                    @for above in above(dates) { " " a href=(with(Some(above))) { (above.text()) } }
                    " " b aria-current="true" { (dates.text()) }
                }
                @for (dates, count) in below {
                    " " a href=(with(Some(dates))) {
                        (dates.text()) " " span class="n" { (human::grouped(count)) }
                    }
                }
            }
        }
    }
}

fn above(dates: Dates) -> Vec<Dates> {
    let year = Dates { month: None, day: None, ..dates };
    let month = Dates { day: None, ..dates };
    match (dates.month, dates.day) {
        (Some(_), Some(_)) => vec![year, month],
        (Some(_), None) => vec![year],
        (None, _) => Vec::new(),
    }
}

/// How many lie in each part of what is chosen, newest first.
fn below(days: &BTreeMap<i32, u64>, chosen: Option<Dates>) -> Vec<(Dates, u64)> {
    let mut parts: Vec<(Dates, u64)> = Vec::new();
    for (day, count) in days.iter().rev() {
        let Some(date) = human::civil_day(*day) else { continue };
        let part = match chosen {
            None => Dates { year: date.0, month: None, day: None },
            Some(Dates { year, month: None, .. }) if year == date.0 => {
                Dates { year, month: Some(date.1), day: None }
            }
            Some(Dates { year, month: Some(month), day: None })
                if (year, month) == (date.0, date.1) =>
            {
                Dates { year, month: Some(month), day: Some(date.2) }
            }
            Some(_) => continue,
        };
        match parts.last_mut().filter(|(last, _)| *last == part) {
            Some((_, sum)) => *sum += count,
            None => parts.push((part, *count)),
        }
    }
    parts
}

fn nothing(p: &AdminListPage) -> Markup {
    let narrowed =
        !p.query.filters.is_empty() || !p.query.text.is_empty() || p.query.dates.is_some();
    html! {
        div class="empty big" {
            @if p.list.after.is_some() {
                p { "Nothing in the lines looked at so far." }
                p { "There are older ones: go on below." }
            } @else if p.query.cursor.is_some() {
                p { "There are no more here." }
                p { a href=(list_url(p.model, &from_start(p.query))) { "To the first page" } }
            } @else if narrowed {
                p { "Nothing fits." }
                p { a href={ "/admin/" (p.model.id) } { "Show all " (p.model.several(2)) } }
            } @else {
                p { "There are no " (p.model.several(2)) " yet." }
            }
        }
    }
}

fn rows(f: &Frame, p: &AdminListPage) -> Markup {
    let verbs = f.session.map(|s| s.actor.verbs).unwrap_or_default();
    let actions: Vec<_> = p.model.actions.iter().filter(|a| verbs.has(a.verb)).collect();
    let start = from_start(p.query);
    let total = p.list.total.unwrap_or_default();
    html! {
        form class="list" method="post" action={ "/admin/" (p.model.id) "/action" } data-list {
            @if !actions.is_empty() {
                @if let Some(session) = f.session { (csrf(session)) }
                input type="hidden" name="list" value=(query_text(p.model, p.query));
                input type="hidden" name="print" value=(Selection::fingerprint(p.model, &start, total));
                div class="bar" {
                    label for="action" { "Action" }
                    select id="action" name="action" {
                        option value="" { "Choose …" }
                        @for action in &actions { option value=(action.id) { (action.label) } }
                    }
                    fieldset class="choice" {
                        legend class="vh" { "For" }
                        label { input type="radio" name="scope" value="ticked" checked; " ticked rows" }
                        label {
                            input type="radio" name="scope" value="all";
                            " all " (human::grouped(total))
                        }
                    }
                    button type="submit" { "Run" }
                    span class="meta" data-ticked role="status" {}
                }
            }
            div class="scroll" tabindex="0" role="region" aria-label=(p.model.many) {
                table class="rows" {
                    caption class="vh" { (p.model.many) }
                    thead {
                        tr {
                            @if !actions.is_empty() {
                                th class="tick" scope="col" aria-label="Ticked" {
                                    input type="checkbox" data-all hidden aria-label="Tick the whole page";
                                }
                            }
                            @for column in p.model.columns { (head(p, column)) }
                        }
                    }
                    tbody { @for object in &p.list.rows { (row(p.model, object, !actions.is_empty())) } }
                }
            }
        }
    }
}

fn head(p: &AdminListPage, column: &Column) -> Markup {
    let here = p.query.order == column.id;
    let sorted = match (here, p.query.descending) {
        (false, _) => "none",
        (true, false) => "ascending",
        (true, true) => "descending",
    };
    let order = ListQuery {
        order: column.id,
        descending: here && !p.query.descending,
        ..from_start(p.query)
    };
    html! {
        th scope="col" class=[column.right.then_some("r")] aria-sort=[column.sort.then_some(sorted)] {
            @if column.sort { a href=(list_url(p.model, &order)) { (column.label) } }
            @else { (column.label) }
        }
    }
}

fn row(model: &Model, object: &Object, ticks: bool) -> Markup {
    let mut columns = model.columns.iter();
    let first = columns.next();
    html! {
        tr {
            @if ticks {
                td {
                    input type="checkbox" name="id" value=(object.key)
                        aria-label={ "Tick " (object.title) };
                }
            }
            @if let Some(first) = first { (way(model, object, object.cell(first.id))) }
            @for column in columns {
                td class=[column.right.then_some("r")] { (brief(object.cell(column.id))) }
            }
        }
    }
}

/// The way to a thing. A number names it here: it is not written in groups.
fn way(model: &Model, object: &Object, value: &Value) -> Markup {
    let url = row_url(model, &object.key);
    html! {
        @match value {
            Value::Number(number) => th class="num" scope="row" { a href=(url) { (number) } },
            other => th scope="row" { a href=(url) { (cell(other)) } },
        }
    }
}

/// A value where there may be a hundred rows of them: the instant is exact, but said only once.
fn brief(value: &Value) -> Markup {
    match value {
        Value::Nothing => html! { "–" },
        Value::Moment(at) => human::instant(*at),
        other => cell(other),
    }
}

fn pager(p: &AdminListPage) -> Markup {
    let at = |cursor: &crate::app::admin::ListCursor, backwards| {
        let cursor = Some(cursor.clone());
        list_url(p.model, &ListQuery { cursor, backwards, ..p.query.clone() })
    };
    html! {
        nav class="pager" aria-label="Pages" {
            @if let Some(before) = &p.list.before {
                a href=(list_url(p.model, &from_start(p.query))) { "First" }
                a rel="prev" href=(at(before, true)) { "← Previous" }
            }
            @if let Some(total) = p.list.total {
                span {
                    (human::grouped(total)) " "
                    (p.model.several(total))
                    @if let Some(bytes) = p.list.bytes { ", " (human::size(bytes)) }
                }
            }
            @if let Some(after) = &p.list.after {
                a rel="next" href=(at(after, false)) { "Next →" }
            }
            span class="sizes" {
                "Rows: "
                @for size in SIZES {
                    @let url = list_url(p.model, &ListQuery { limit: size, ..from_start(p.query) });
                    a href=(url) aria-current=[(size == p.query.limit).then_some("true")] { (size) } " "
                }
            }
        }
    }
}

fn aside(p: &AdminListPage) -> Markup {
    let narrowed = !p.query.filters.is_empty() || p.query.dates.is_some();
    let clear = ListQuery { filters: BTreeMap::new(), dates: None, ..from_start(p.query) };
    let shown = query_text(p.model, &from_start(p.query));
    let and = if shown.is_empty() { "" } else { "?" };
    html! {
        aside class="side" aria-label="Filters and exports" {
            p class="meta" { (p.model.about) }
            @if !p.list.facets.is_empty() {
                details open {
                    summary { h2 { "Filter" } }
                    @if narrowed {
                        p { a class="clear" href=(list_url(p.model, &clear)) { "Clear all" } }
                    }
                    @for facet in &p.list.facets { (filter(p, facet)) }
                }
            }
            h2 { "Take along" }
            ul class="links" {
                li { a href={ "/admin/" (p.model.id) "/export.csv" (and) (shown) } { "CSV" } }
                li { a href={ "/admin/" (p.model.id) "/export.json" (and) (shown) } { "JSON" } }
            }
        }
    }
}

fn filter(p: &AdminListPage, facet: &Facet) -> Markup {
    html! {
        @if facet.values.iter().any(|v| v.chosen || v.count != Some(0)) {
            h3 { (facet.filter.label) }
            ul class="facets" {
                @for value in &facet.values {
                    li {
                        a href=(narrowed_by(p, facet, value)) aria-current=[value.chosen.then_some("true")] {
                            (plain(facet_label(&value.value)))
                            @if let Some(count) = value.count {
                                " " span class="n" { (human::grouped(count)) }
                            }
                        }
                    }
                }
                @if facet.more > 0 { li class="meta" { "and " (facet.more) " more: search for them" } }
            }
        }
    }
}

/// The list with a filter set, or without it where it is.
fn narrowed_by(p: &AdminListPage, facet: &Facet, value: &FacetValue) -> String {
    let mut query = from_start(p.query);
    if value.chosen {
        query.filters.remove(facet.filter.id);
    } else {
        query.filters.insert(facet.filter.id, value.value.clone());
    }
    list_url(p.model, &query)
}
