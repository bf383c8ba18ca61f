//! The addresses of lists and things: what they ask for, and back.

use super::super::query::encode;
use crate::{
    app::admin::{Dates, ListCursor, ListQuery, Model, SIZES, Source},
    domain::{JobId, StateKind},
};
use std::fmt::Write as _;

/// Characters of a search.
const LONGEST_SEARCH: usize = 100;
/// Characters of a filter's value, and of a place.
const LONGEST_VALUE: usize = 300;

/// What a list's address asks for, and one sentence for each part of it that cannot be: that part
/// is left out. Parameters that are not a list's are let alone.
pub fn read_query<'a>(
    model: &'static Model,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> (ListQuery, Vec<String>) {
    let mut read = Reading { model, query: ListQuery::of(model), remarks: Vec::new() };
    let mut place = String::new();
    for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
        match name {
            "q" => read.text(value),
            "o" => read.order(value),
            "date" => read.date(value),
            "size" => read.size(value),
            "at" => place = value.chars().take(LONGEST_VALUE).collect(),
            "after" | "before" => read.place(value, name == "before"),
            filter => read.filter(filter, value),
        }
    }
    if let Some(cursor) = &mut read.query.cursor {
        cursor.value = place;
    }
    (read.query, read.remarks)
}

struct Reading {
    model: &'static Model,
    query: ListQuery,
    remarks: Vec<String>,
}

impl Reading {
    fn remark(&mut self, what: &str, value: &str, rest: &str) {
        let shown: String = value.chars().take(40).collect();
        self.remarks.push(format!("{what} `{shown}` {rest}"));
    }

    fn text(&mut self, value: &str) {
        let count = value.chars().count();
        if count > LONGEST_SEARCH {
            let rest = format!("has {count} characters: only the first {LONGEST_SEARCH} count");
            self.remark("the search", value, &rest);
        }
        self.query.text = value.chars().take(LONGEST_SEARCH).collect();
    }

    fn order(&mut self, value: &str) {
        let (descending, id) = match value.strip_prefix('-') {
            Some(id) => (true, id),
            None => (false, value),
        };
        match self.model.sortable(id) {
            Some(column) => {
                self.query.order = column.id;
                self.query.descending = descending;
            }
            None => self.remark("the column", id, "is none that orders this list"),
        }
    }

    fn date(&mut self, value: &str) {
        match Dates::read(value) {
            Some(dates) => self.query.dates = Some(dates),
            None => self.remark("the date", value, "is none: write 2026, 2026-11 or 2026-11-26"),
        }
    }

    fn size(&mut self, value: &str) {
        match value.parse() {
            Ok(size) if SIZES.contains(&size) => self.query.limit = size,
            _ => self.remark("the number of rows", value, "cannot be: choose 25, 50 or 100"),
        }
    }

    fn place(&mut self, value: &str, backwards: bool) {
        let number = match self.model.source {
            Source::All(_) => true,
            Source::Jobs => value.parse::<JobId>().is_ok(),
            Source::Audit => value.parse::<u64>().is_ok(),
        };
        if !number || value.len() > LONGEST_VALUE {
            return self.remark("the place", value, "is none of this list: it begins anew");
        }
        self.query.cursor = Some(ListCursor { key: value.to_owned(), value: String::new() });
        self.query.backwards = backwards;
    }

    fn filter(&mut self, name: &str, value: &str) {
        let Some(filter) = self.model.filters.iter().find(|f| f.id == name) else { return };
        let known = match (self.model.source, filter.id) {
            (Source::Jobs, "state") => StateKind::ALL.iter().any(|s| s.as_str() == value),
            (Source::Jobs, "pinned" | "files") => matches!(value, "yes" | "no"),
            _ => value.len() <= LONGEST_VALUE,
        };
        if known {
            self.query.filters.insert(filter.id, value.to_owned());
        } else {
            self.remark("the filter", value, &format!("is none for {}", filter.label));
        }
    }
}

/// The address of a list, with everything that differs from how it begins.
pub fn list_url(model: &Model, query: &ListQuery) -> String {
    match query_text(model, query).as_str() {
        "" => format!("/admin/{}", model.id),
        text => format!("/admin/{}?{text}", model.id),
    }
}

/// The part behind the question mark.
pub(super) fn query_text(model: &Model, query: &ListQuery) -> String {
    let mut text = String::new();
    let mut put = |name: &str, value: &str| {
        let and = if text.is_empty() { "" } else { "&" };
        // Writing into a text cannot fail.
        let _ = write!(text, "{and}{name}={}", encode(value));
    };
    if !query.text.is_empty() {
        put("q", &query.text);
    }
    for (id, value) in &query.filters {
        put(id, value);
    }
    if let Some(dates) = query.dates {
        put("date", &dates.text());
    }
    if (query.order, query.descending) != model.order {
        let minus = if query.descending { "-" } else { "" };
        put("o", &format!("{minus}{}", query.order));
    }
    if query.limit != ListQuery::of(model).limit {
        put("size", &query.limit.to_string());
    }
    if let Some(cursor) = &query.cursor {
        put(if query.backwards { "before" } else { "after" }, &cursor.key);
        if !cursor.value.is_empty() {
            put("at", &cursor.value);
        }
    }
    text
}

/// The same list from its beginning.
pub(super) fn from_start(query: &ListQuery) -> ListQuery {
    ListQuery { cursor: None, backwards: false, ..query.clone() }
}

/// A page of one thing: `change`, `delete` or `history`.
pub fn object_url(model: &Model, key: &str, page: &str) -> String {
    format!("/admin/{}/{}/{page}", model.id, encode(key))
}

/// Where a row leads.
pub(super) fn row_url(model: &Model, key: &str) -> String {
    match model.source {
        Source::Jobs => format!("/jobs/{key}"),
        Source::All(_) | Source::Audit => object_url(model, key, "change"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::admin::{MODELS, model};

    fn read(model: &'static Model, text: &str) -> (ListQuery, Vec<String>) {
        read_query(model, text.split('&').filter_map(|pair| pair.split_once('=')))
    }

    #[test]
    fn an_address_comes_back_as_it_was() {
        let jobs = model("jobs").unwrap();
        let text = "q=core&owner=ann&state=done&date=2026-11&o=name&size=25&after=7&at=core";
        let (query, remarks) = read(jobs, text);
        assert!(remarks.is_empty(), "{remarks:?}");
        assert_eq!(query_text(jobs, &query), text);
        for m in MODELS {
            assert_eq!(list_url(m, &ListQuery::of(m)), format!("/admin/{}", m.id));
        }
    }

    #[test]
    fn what_was_tampered_with_is_named_and_left_out() {
        let jobs = model("jobs").unwrap();
        for bad in [
            "o=secrets",
            "o=tags",
            "state=bogus",
            "pinned=maybe",
            "after=x",
            "after=-1",
            "date=2026-13",
            "date=yesterday",
            "size=100000",
        ] {
            let (query, remarks) = read(jobs, bad);
            assert_eq!(remarks.len(), 1, "{bad}");
            assert_eq!(query, ListQuery::of(jobs), "{bad}");
        }
        let (query, remarks) = read(jobs, &format!("q={}", "x".repeat(101)));
        assert_eq!((query.text.len(), remarks.len()), (100, 1));
    }
}
