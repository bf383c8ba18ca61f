//! Pages of a model: filters with counts, search, order, and places that stay right while things
//! come and go.

use super::{
    model::{Column, Filter, Model, Source},
    value::{Object, Value},
};
use crate::{
    app::{App, AppError},
    domain::{Actor, Job, JobId, StateKind, Timestamp},
    store::{
        AuditCursor, AuditEntry, AuditFilter, RowCursor, RowFacets, RowFilter, RowOrder, RowQuery,
    },
};
use std::collections::{BTreeMap, HashMap};

/// How many rows a page may have; the second is what it has at first.
pub const SIZES: [usize; 3] = [25, 50, 100];
/// Values of a filter that are offered.
const OFFERED: usize = 30;

/// Which things of a model, in which order, from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// What is asked of each filter, by its id.
    pub filters: BTreeMap<&'static str, String>,
    /// What is searched for; every word has to occur.
    pub text: String,
    /// The column that orders them.
    pub order: &'static str,
    /// The greatest first.
    pub descending: bool,
    /// Only of this year, month or day.
    pub dates: Option<Dates>,
    /// Where the page begins, or ends with `backwards`.
    pub cursor: Option<ListCursor>,
    /// The page before the place.
    pub backwards: bool,
    /// Rows on a page.
    pub limit: usize,
}

impl ListQuery {
    /// What a list shows at first.
    pub fn of(model: &Model) -> Self {
        let [_, limit, _] = SIZES;
        Self {
            filters: BTreeMap::new(),
            text: String::new(),
            order: model.order.0,
            descending: model.order.1,
            dates: None,
            cursor: None,
            backwards: false,
            limit,
        }
    }

    fn wants(&self, id: &str) -> Option<&str> {
        self.filters.get(id).map(String::as_str)
    }
}

/// A year, a month or a day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The year.
    pub year: i16,
    /// The month, 1 to 12.
    pub month: Option<i8>,
    /// The day of the month.
    pub day: Option<i8>,
}

impl Dates {
    /// Reads "2026", "2026-11" or "2026-11-26".
    pub fn read(text: &str) -> Option<Self> {
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return None;
        }
        let mut parts = text.split('-');
        let year = parts.next().filter(|y| y.len() == 4)?.parse().ok()?;
        let month = parts.next().map(str::parse).transpose().ok()?;
        let day = parts.next().map(str::parse).transpose().ok()?;
        let dates = Self { year, month, day };
        let first = jiff::civil::Date::new(year, month.unwrap_or(1), day.unwrap_or(1));
        (parts.next().is_none() && first.is_ok()).then_some(dates)
    }

    /// As it is read.
    pub fn text(&self) -> String {
        match (self.month, self.day) {
            (Some(month), Some(day)) => format!("{:04}-{month:02}-{day:02}", self.year),
            (Some(month), None) => format!("{:04}-{month:02}", self.year),
            (None, _) => format!("{:04}", self.year),
        }
    }

    /// Its first moment, and the first after it.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        let first =
            jiff::civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
                .unwrap_or_default();
        let span = match (self.month, self.day) {
            (Some(_), Some(_)) => jiff::Span::new().days(1),
            (Some(_), None) => jiff::Span::new().months(1),
            (None, _) => jiff::Span::new().years(1),
        };
        (begin(first), first.checked_add(span).map_or(Timestamp::from_millis(i64::MAX), begin))
    }
}

fn begin(day: jiff::civil::Date) -> Timestamp {
    let moment = jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0));
    moment.map_or(Timestamp::from_millis(i64::MAX), |m| Timestamp::from_millis(m.as_millisecond()))
}

/// A place between two rows: beside the one with this key, which had this value in the column
/// that orders the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The key.
    pub key: String,
    /// The value, as a text that is in order where the values are.
    pub value: String,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// The things.
    pub rows: Vec<Object>,
    /// The page before; `None` on the first.
    pub before: Option<ListCursor>,
    /// The page after; `None` on the last.
    pub after: Option<ListCursor>,
    /// How many match in all, if that is known.
    pub total: Option<u64>,
    /// The bytes of all that match, where they have any.
    pub bytes: Option<u64>,
    /// What the list can be narrowed by.
    pub facets: Vec<Facet>,
    /// How many of each day, counted from 1970-01-01, where the model is dated.
    pub days: BTreeMap<i32, u64>,
}

/// A filter with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facet {
    /// The filter.
    pub filter: &'static Filter,
    /// Its values, the ones that find most first if there are very many, else by value.
    pub values: Vec<FacetValue>,
    /// Values that are not shown.
    pub more: usize,
}

/// A value of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many things it finds, if that is known.
    pub count: Option<u64>,
    /// It is asked for.
    pub chosen: bool,
}

impl App {
    /// A page of a model.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn admin_list(
        &self,
        actor: &Actor,
        model: &'static Model,
        query: &ListQuery,
        now: Timestamp,
    ) -> Result<ListPage, AppError> {
        actor.allow(model.rights.view)?;
        match model.source {
            Source::All(all) => Ok(page(model, all(self, actor)?, query)),
            Source::Jobs => self.list_jobs(model, query, now),
            Source::Audit => self.list_audit(model, query),
        }
    }

    /// The keys of everything that matches, whatever page it is on.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn admin_keys(
        &self,
        actor: &Actor,
        model: &'static Model,
        query: &ListQuery,
    ) -> Result<Vec<String>, AppError> {
        actor.allow(model.rights.view)?;
        match model.source {
            Source::All(all) => {
                let found = matching(model, all(self, actor)?, query);
                Ok(found.into_iter().map(|object| object.key).collect())
            }
            Source::Jobs => {
                let mut keys = Vec::new();
                self.store().each_row(&row_filter(query), &mut |row| {
                    keys.push(row.id.to_string());
                })?;
                Ok(keys)
            }
            // Nothing can be done to audit lines.
            Source::Audit => Ok(Vec::new()),
        }
    }

    /// One thing; `None` if there is none of this key.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn admin_object(
        &self,
        actor: &Actor,
        model: &'static Model,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Object>, AppError> {
        actor.allow(model.rights.view)?;
        match model.source {
            Source::All(all) => Ok(all(self, actor)?.into_iter().find(|o| o.key == key)),
            Source::Jobs => match key.parse::<JobId>() {
                Ok(id) => self.job_object(id, now),
                Err(_) => Ok(None),
            },
            Source::Audit => {
                let number = key.parse().ok();
                let line = number.map(|n| self.store().audit_line(n)).transpose()?.flatten();
                Ok(line.map(audit_object))
            }
        }
    }

    /// All things of a model by key, where there are never very many; else none.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn admin_objects(
        &self,
        actor: &Actor,
        model: &'static Model,
    ) -> Result<HashMap<String, Object>, AppError> {
        actor.allow(model.rights.view)?;
        match model.source {
            Source::All(all) => {
                Ok(all(self, actor)?.into_iter().map(|o| (o.key.clone(), o)).collect())
            }
            Source::Jobs | Source::Audit => Ok(HashMap::new()),
        }
    }

    fn list_jobs(
        &self,
        model: &'static Model,
        query: &ListQuery,
        now: Timestamp,
    ) -> Result<ListPage, AppError> {
        let order = row_order(query.order);
        let found = self.store().rows(&RowQuery {
            filter: row_filter(query),
            order,
            descending: query.descending,
            cursor: query.cursor.as_ref().and_then(row_cursor),
            backwards: query.backwards,
            limit: query.limit,
        })?;
        let rows = found.ids.into_iter().map(|id| self.job_object(id, now));
        let rows: Vec<_> = rows.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let place = |c: RowCursor| ListCursor { key: c.id.to_string(), value: c.value };
        Ok(ListPage {
            rows,
            before: found.before.map(place),
            after: found.after.map(place),
            total: Some(found.total),
            bytes: Some(found.bytes),
            facets: model.filters.iter().map(|f| job_facet(f, &found.facets, query)).collect(),
            days: found.facets.days,
        })
    }

    fn job_object(&self, id: JobId, now: Timestamp) -> Result<Option<Object>, AppError> {
        let Some(job) = self.store().job(id)? else { return Ok(None) };
        let shelf = self.store().shelf(id)?;
        let gone = shelf.artifacts_gone.is_some();
        let bytes = job.result.artifacts.iter().map(|a| a.size).fold(0, u64::saturating_add);
        let object = of_job(&job, now)
            .with("bytes", if gone { Value::Nothing } else { Value::Bytes(bytes) })
            .with("tags", Value::words_of(&shelf.tags))
            .with("pinned", Value::Yes(shelf.pinned.is_some()));
        Ok(Some(object))
    }

    fn list_audit(&self, model: &'static Model, query: &ListQuery) -> Result<ListPage, AppError> {
        let number = |c: &ListCursor| c.key.parse().ok();
        // The store has the newest first: with the oldest first everything is the other way round.
        let cursor = match query.cursor.as_ref().and_then(number) {
            None if query.descending => AuditCursor::Newest,
            None => AuditCursor::After(0),
            Some(number) if query.backwards == query.descending => AuditCursor::After(number),
            Some(number) => AuditCursor::Before(number),
        };
        let mut found = self.store().audit_page(&audit_filter(query), cursor, query.limit)?;
        if !query.descending {
            found.lines.reverse();
            std::mem::swap(&mut found.newer, &mut found.older);
        }
        let counts = self.store().audit_counts()?;
        let facet = |filter: &'static Filter| {
            let counted = match filter.id {
                "actor" => counts.actors.clone(),
                "action" => counts.actions.clone(),
                _ => BTreeMap::new(),
            };
            let counted = counted.into_iter().map(|(value, n)| (value, Some(n)));
            facet(filter, counted.collect(), query)
        };
        let place = |n: u64| ListCursor { key: n.to_string(), value: String::new() };
        Ok(ListPage {
            rows: found.lines.into_iter().map(audit_object).collect(),
            before: found.newer.map(place),
            after: found.older.map(place),
            total: found.total,
            bytes: None,
            facets: model.filters.iter().map(facet).collect(),
            days: BTreeMap::new(),
        })
    }
}

fn of_job(job: &Job, now: Timestamp) -> Object {
    Object::new(job.id.to_string(), job.id.to_string())
        .with("id", Value::Number(i64::try_from(job.id.get()).unwrap_or(i64::MAX)))
        .with("name", Value::Text(job.name.to_string()))
        .with("submitted", Value::Moment(job.submitted))
        .with("length", job.state.length(now).map_or(Value::Nothing, Value::Span))
        .with("owner", Value::Text(job.owner.to_string()))
        .with("queue", Value::Text(job.queue.to_string()))
        .with("arch", Value::Text(job.arch.to_string()))
        .with("image_type", Value::Text(job.image_type.to_string()))
        .with("state", Value::State(job.state.kind()))
}

pub(super) fn audit_object(AuditEntry { number, record }: AuditEntry) -> Object {
    Object::new(number.to_string(), format!("line {number}"))
        .with("number", Value::Number(i64::try_from(number).unwrap_or(i64::MAX)))
        .with("at", Value::Moment(record.at))
        .with("actor", Value::text_of(record.actor))
        .with("action", Value::text_of(record.action))
        .with("object", Value::text_of(record.object))
        .with("detail", Value::text_of(record.detail))
        .with("peer", Value::text_of(record.peer))
        .with("request", Value::Code(record.request))
}

/// The filter of the job table that a query means.
pub(super) fn row_filter(query: &ListQuery) -> RowFilter {
    let text = query.text.trim();
    let state = |word: &str| StateKind::ALL.into_iter().find(|s| s.as_str() == word);
    let yes = |id: &str| query.wants(id).map(|word| word == "yes");
    let owned = |id: &str| query.wants(id).map(str::to_owned);
    RowFilter {
        state: query.wants("state").and_then(state),
        queue: owned("queue"),
        owner: owned("owner"),
        image_type: owned("image_type"),
        arch: owned("arch"),
        tag: owned("tag"),
        pinned: yes("pinned"),
        files: yes("files"),
        text: (!text.is_empty()).then(|| text.to_owned()),
        from: query.dates.map(|d| d.bounds().0),
        until: query.dates.map(|d| d.bounds().1),
    }
}

fn row_order(column: &str) -> RowOrder {
    match column {
        "name" => RowOrder::Name,
        "owner" => RowOrder::Owner,
        "queue" => RowOrder::Queue,
        "image_type" => RowOrder::ImageType,
        "arch" => RowOrder::Arch,
        "state" => RowOrder::State,
        "bytes" => RowOrder::Bytes,
        // Jobs are numbered in the order of submission.
        _ => RowOrder::Id,
    }
}

fn row_cursor(cursor: &ListCursor) -> Option<RowCursor> {
    Some(RowCursor { id: cursor.key.parse().ok()?, value: cursor.value.clone() })
}

fn job_facet(filter: &'static Filter, facets: &RowFacets, query: &ListQuery) -> Facet {
    let named = |map: &BTreeMap<String, u64>| {
        map.iter().map(|(value, n)| (value.clone(), Some(*n))).collect()
    };
    let both = |(no, yes): (u64, u64)| {
        BTreeMap::from([("no".to_owned(), Some(no)), ("yes".to_owned(), Some(yes))])
    };
    let counted = match filter.id {
        "state" => facets.state.iter().map(|(s, n)| (s.as_str().to_owned(), Some(*n))).collect(),
        "queue" => named(&facets.queue),
        "owner" => named(&facets.owner),
        "image_type" => named(&facets.image_type),
        "arch" => named(&facets.arch),
        "tag" => named(&facets.tag),
        "pinned" => both(facets.pinned),
        _ => both(facets.files),
    };
    facet(filter, counted, query)
}

/// A facet whose chosen value is always there, and of very many values those that find most.
fn facet(
    filter: &'static Filter,
    mut counted: BTreeMap<String, Option<u64>>,
    query: &ListQuery,
) -> Facet {
    let chosen = query.wants(filter.id);
    if let Some(chosen) = chosen {
        counted.entry(chosen.to_owned()).or_insert(None);
    }
    let all = counted.len();
    let mut values: Vec<_> = counted
        .into_iter()
        .map(|(value, count)| FacetValue { chosen: chosen == Some(&value), value, count })
        .collect();
    if all > OFFERED {
        values.sort_by_key(|v| (!v.chosen, std::cmp::Reverse(v.count)));
        values.truncate(OFFERED);
    }
    Facet { filter, more: all - values.len(), values }
}

pub(super) fn audit_filter(query: &ListQuery) -> AuditFilter {
    let text = query.text.trim();
    let owned = |id: &str| query.wants(id).map(str::to_owned);
    AuditFilter {
        actor: owned("actor"),
        action: owned("action"),
        object: owned("object"),
        text: (!text.is_empty()).then(|| text.to_owned()),
        from: query.dates.map(|d| d.bounds().0),
        until: query.dates.map(|d| d.bounds().1),
    }
}

/// Whether a thing has the words of a search.
fn says(model: &Model, object: &Object, words: &[String]) -> bool {
    let text: Vec<String> =
        model.search.iter().map(|id| object.cell(id).text().to_lowercase()).collect();
    words.iter().all(|word| text.iter().any(|t| t.contains(word.as_str())))
}

fn has(object: &Object, id: &str, wanted: &str) -> bool {
    object.cell(id).words().iter().any(|word| word == wanted)
}

/// Everything of a model that matches, in the order that was asked for.
fn matching(model: &Model, all: Vec<Object>, query: &ListQuery) -> Vec<Object> {
    let words = words(&query.text);
    let fits = |object: &Object| {
        query.filters.iter().all(|(id, wanted)| has(object, id, wanted))
            && says(model, object, &words)
    };
    let mut found: Vec<_> = all.into_iter().filter(fits).collect();
    found.sort_by_cached_key(|object| place_of(object, query.order));
    if query.descending {
        found.reverse();
    }
    found
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

fn place_of(object: &Object, column: &str) -> (String, String) {
    (object.cell(column).sort_text(), object.key.clone())
}

/// A page of things that are all in memory.
fn page(model: &'static Model, all: Vec<Object>, query: &ListQuery) -> ListPage {
    let facets = model.filters.iter().map(|f| facet(f, counts(model, &all, f, query), query));
    let facets = facets.collect();
    let mut found = matching(model, all, query);
    let total = found.len();
    let (from, to) = bounds(&found, query);
    let place = |object: Option<&Object>| {
        let (value, key) = place_of(object?, query.order);
        Some(ListCursor { key, value })
    };
    // An empty page beside a place still leads back to the others.
    let given = || query.cursor.clone();
    let before = (from > 0).then(|| place(found.get(from)).or_else(given)).flatten();
    let after = (to < total).then(|| place(found.get(to.wrapping_sub(1))).or_else(given)).flatten();
    found.truncate(to);
    let rows = found.split_off(from.min(found.len()));
    let days = BTreeMap::new();
    ListPage { rows, before, after, total: Some(total as u64), bytes: None, facets, days }
}

/// How many things each value of a filter finds, the other filters applied.
fn counts(
    model: &Model,
    all: &[Object],
    filter: &Filter,
    query: &ListQuery,
) -> BTreeMap<String, Option<u64>> {
    let words = words(&query.text);
    let others = |object: &&Object| {
        let mut others = query.filters.iter().filter(|(id, _)| **id != filter.id);
        others.all(|(id, wanted)| has(object, id, wanted)) && says(model, object, &words)
    };
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for object in all.iter().filter(others) {
        for word in object.cell(filter.id).words() {
            *counted.entry(word).or_default() += 1;
        }
    }
    counted.into_iter().map(|(word, n)| (word, Some(n))).collect()
}

/// The part of the list that is on the page.
fn bounds(found: &[Object], query: &ListQuery) -> (usize, usize) {
    let total = found.len();
    let Some(cursor) = &query.cursor else { return (0, query.limit.min(total)) };
    let at = (cursor.value.as_str(), cursor.key.as_str());
    let beyond = |object: &Object| {
        let (value, key) = place_of(object, query.order);
        let here = (value.as_str(), key.as_str());
        if query.descending { here < at } else { here > at }
    };
    if query.backwards {
        let not_yet = |object: &Object| {
            let (value, key) = place_of(object, query.order);
            (value.as_str(), key.as_str()) != at && !beyond(object)
        };
        let to = found.iter().position(|o| !not_yet(o)).unwrap_or(total);
        return (to.saturating_sub(query.limit), to);
    }
    let from = found.iter().position(beyond).unwrap_or(total);
    (from, from.saturating_add(query.limit).min(total))
}

impl Model {
    /// The column a list is ordered by, if it can be.
    pub fn sortable(&self, id: &str) -> Option<&'static Column> {
        self.column(id).filter(|column| column.sort)
    }
}

#[cfg(test)]
mod tests;
