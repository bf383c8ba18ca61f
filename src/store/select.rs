//! A page of the table: one pass that counts, and keeps only as many jobs as the page has.

use super::{
    RowCursor, RowOrder, RowPage, RowQuery,
    sieve::{Sieve, Tally, state_place},
    table::{Entry, Table, Words},
};
use crate::domain::{JobId, StateKind};
use std::{cmp::Reverse, collections::BinaryHeap};

/// A page of the jobs that are wanted.
pub(super) fn page(table: &Table, query: &RowQuery) -> RowPage {
    let sieve = Sieve::new(table, &query.filter);
    let limit = query.limit.max(1);
    if sieve.is_open() && query.order == RowOrder::Id {
        return bound(table, query, at_once(table, query, limit), &table.all);
    }
    let mut pass =
        Pass { table, sieve: &sieve, tally: Tally::default(), counted: !sieve.is_open() };
    let cursor = query.cursor.as_ref();
    let picked = match query.order {
        RowOrder::Name => {
            let from = cursor.map(|cursor| (cursor.value.as_bytes(), cursor.id));
            pass.pick(query, limit, |entry| table.name_bytes(entry), from)
        }
        order => {
            let scale = Scale::new(table, order);
            let from = cursor.and_then(|c| Some((scale.place_of(table, &c.value)?, c.id)));
            pass.pick(query, limit, |entry| scale.of(entry), from)
        }
    };
    let tally = if pass.counted { pass.tally } else { table.all.clone() };
    bound(table, query, picked, &tally)
}

/// Jobs of a page, nearest to the cursor first.
struct Picked {
    ids: Vec<JobId>,
    /// There are more behind the last of them.
    more: bool,
    /// There are some on the other side of the cursor.
    back: bool,
}

/// Up, or down the order, from the cursor on.
fn is_up(query: &RowQuery) -> bool {
    query.descending == query.backwards
}

/// The page of a list in the table's own order: read off, not searched for.
fn at_once(table: &Table, query: &RowQuery, limit: usize) -> Picked {
    let Some(cursor) = &query.cursor else {
        let all = table.by_number();
        return if is_up(query) {
            first(all, limit, false)
        } else {
            first(all.rev(), limit, false)
        };
    };
    let (mut below, mut above) = table.around(cursor.id);
    let here = table.find(cursor.id).is_some();
    if is_up(query) {
        let back = here || below.next().is_some();
        first(above, limit, back)
    } else {
        let back = here || above.next().is_some();
        first(below.rev(), limit, back)
    }
}

fn first<'a>(mut jobs: impl Iterator<Item = &'a Entry>, limit: usize, back: bool) -> Picked {
    let ids = jobs.by_ref().take(limit).map(|entry| entry.id).collect();
    Picked { ids, more: jobs.next().is_some(), back }
}

/// The picked jobs as a page with its two ends.
fn bound(table: &Table, query: &RowQuery, picked: Picked, tally: &Tally) -> RowPage {
    let Picked { mut ids, more, back } = picked;
    if query.backwards {
        ids.reverse();
    }
    let cursor = |id: Option<&JobId>| {
        let entry = id.and_then(|id| table.find(*id))?;
        Some(RowCursor { id: entry.id, value: value(table, query.order, entry) })
    };
    let ends = if query.backwards { (more, back) } else { (back, more) };
    let mut page = RowPage {
        before: cursor(ids.first()).filter(|_| ends.0),
        after: cursor(ids.last()).filter(|_| ends.1),
        total: tally.total(),
        bytes: tally.bytes(),
        facets: tally.facets(table, &query.filter),
        ids,
    };
    if page.ids.is_empty() && back {
        let way = query.cursor.as_ref().map(|cursor| beyond(cursor, is_up(query)));
        if query.backwards { page.after = way } else { page.before = way }
    }
    page
}

/// A place just behind a cursor, so that the cursor's own job is on the page on its other side.
fn beyond(cursor: &RowCursor, up: bool) -> RowCursor {
    let id = cursor.id.get();
    let id = JobId::new(if up { id.saturating_add(1) } else { id - 1 });
    RowCursor { id: id.unwrap_or(cursor.id), value: cursor.value.clone() }
}

/// What a cursor says of a job.
fn value(table: &Table, order: RowOrder, entry: &Entry) -> String {
    let row = table.row(entry);
    match order {
        RowOrder::Id => String::new(),
        RowOrder::Name => row.name.to_owned(),
        RowOrder::Owner => row.owner.to_owned(),
        RowOrder::Queue => row.queue.to_owned(),
        RowOrder::ImageType => row.image_type.to_owned(),
        RowOrder::Arch => row.arch.to_owned(),
        RowOrder::State => row.state.as_str().to_owned(),
        RowOrder::Bytes => row.bytes.to_string(),
    }
}

/// The one pass.
struct Pass<'a> {
    table: &'a Table,
    sieve: &'a Sieve<'a>,
    tally: Tally,
    /// False where the counts are known without looking.
    counted: bool,
}

impl<'a> Pass<'a> {
    /// The first jobs behind the cursor in the direction of the page.
    fn pick<V: Ord + Copy>(
        &mut self,
        query: &RowQuery,
        limit: usize,
        value: impl Fn(&'a Entry) -> V,
        from: Option<(V, JobId)>,
    ) -> Picked {
        let jobs = self.table.by_number();
        // In the pass's own direction the page fills at once, and all others are refused at its
        // end.
        if is_up(query) {
            let mut nearest = Nearest::new(from, limit);
            self.each(jobs, |entry| nearest.add((value(entry), entry.id)));
            nearest.picked(|(_, id)| id)
        } else {
            let mut nearest = Nearest::new(from.map(Reverse), limit);
            self.each(jobs.rev(), |entry| nearest.add(Reverse((value(entry), entry.id))));
            nearest.picked(|Reverse((_, id))| id)
        }
    }

    fn each(&mut self, jobs: impl Iterator<Item = &'a Entry>, mut wanted: impl FnMut(&'a Entry)) {
        for entry in jobs {
            if !self.counted || self.sieve.sift(entry, &mut self.tally) {
                wanted(entry);
            }
        }
    }
}

/// The smallest keys above a bound, no more than so many.
struct Nearest<K: Ord> {
    from: Option<K>,
    limit: usize,
    keys: BinaryHeap<K>,
    beyond: u64,
    all: u64,
}

impl<K: Ord> Nearest<K> {
    fn new(from: Option<K>, limit: usize) -> Self {
        Self { from, limit, keys: BinaryHeap::new(), beyond: 0, all: 0 }
    }

    fn add(&mut self, key: K) {
        self.all += 1;
        if self.from.as_ref().is_some_and(|from| key <= *from) {
            return;
        }
        self.beyond += 1;
        if self.keys.len() < self.limit {
            self.keys.push(key);
        } else if let Some(mut greatest) = self.keys.peek_mut()
            && key < *greatest
        {
            *greatest = key;
        }
    }

    fn picked(self, id: impl Fn(K) -> JobId) -> Picked {
        let more = self.beyond > self.keys.len() as u64;
        let back = self.all > self.beyond;
        let ids = self.keys.into_sorted_vec().into_iter().map(id).collect();
        Picked { ids, more, back }
    }
}

/// Where a job stands in a column, as a number.
enum Scale {
    Number,
    State,
    Bytes,
    /// A place for every word's number, and which word an entry has.
    Words(Vec<u64>, fn(&Entry) -> u32, fn(&Table) -> &Words),
}

impl Scale {
    fn new(table: &Table, order: RowOrder) -> Self {
        match order {
            RowOrder::Id | RowOrder::Name => Self::Number,
            RowOrder::State => Self::State,
            RowOrder::Bytes => Self::Bytes,
            RowOrder::Queue => Self::words(table, |t| &t.queues, |e| e.queue),
            RowOrder::Owner => Self::words(table, |t| &t.owners, |e| e.owner),
            RowOrder::ImageType => Self::words(table, |t| &t.image_types, |e| e.image_type),
            RowOrder::Arch => Self::words(table, |t| &t.arches, |e| e.arch),
        }
    }

    fn words(table: &Table, words: fn(&Table) -> &Words, of: fn(&Entry) -> u32) -> Self {
        let texts = words(table).texts();
        let mut sorted: Vec<usize> = (0..texts.len()).collect();
        sorted.sort_unstable_by_key(|at| texts.get(*at));
        let mut places = vec![0; texts.len()];
        // Odd places: between two words there is room for one that no job has.
        for (place, at) in (0..).zip(sorted) {
            places.iter_mut().skip(at).take(1).for_each(|slot| *slot = 2 * place + 1);
        }
        Self::Words(places, of, words)
    }

    fn of(&self, entry: &Entry) -> u64 {
        match self {
            Self::Number => 0,
            Self::State => state_place(entry.state) as u64,
            Self::Bytes => entry.bytes,
            Self::Words(places, of, _) => places.get(of(entry) as usize).copied().unwrap_or(0),
        }
    }

    /// The place of a cursor's value; `None` if it is no value of this column.
    fn place_of(&self, table: &Table, value: &str) -> Option<u64> {
        match self {
            Self::Number => Some(0),
            Self::State => StateKind::from_word(value).map(|state| state_place(state) as u64),
            Self::Bytes => value.parse().ok(),
            Self::Words(places, _, words) => {
                let words = words(table);
                Some(match words.find(value) {
                    Some(number) => places.get(number as usize).copied().unwrap_or(0),
                    None => 2 * words.texts().iter().filter(|w| w.as_ref() < value).count() as u64,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::store::facets::Facets;

    fn table(owners: &[&str]) -> Table {
        let mut table = Table::default();
        for (n, owner) in (1..).zip(owners) {
            let row = Facets {
                state: StateKind::Queued,
                queue: "web",
                owner,
                image_type: "raw",
                arch: "x86_64",
                name: "core",
                tags: "".into(),
                submitted: Timestamp::from_millis(n),
                bytes: 0,
                pinned: false,
                gone: false,
            };
            table.put(JobId::new(u64::try_from(n).unwrap()).unwrap(), &row);
        }
        table
    }

    fn ids(page: &RowPage) -> Vec<u64> {
        page.ids.iter().map(|id| id.get()).collect()
    }

    #[test]
    fn a_cursor_with_a_word_that_no_job_has_stands_between_its_neighbours() {
        let table = table(&["ann", "cid", "bo"]);
        let cursor = RowCursor { id: JobId::new(9).unwrap(), value: "bob".into() };
        let query = RowQuery {
            order: RowOrder::Owner,
            cursor: Some(cursor),
            limit: 9,
            ..RowQuery::default()
        };
        assert_eq!(ids(&page(&table, &query)), [2]);
        assert_eq!(ids(&page(&table, &RowQuery { backwards: true, ..query.clone() })), [1, 3]);
        assert_eq!(ids(&page(&table, &RowQuery { descending: true, ..query })), [3, 1]);
    }

    #[test]
    fn an_empty_page_at_either_end_knows_the_way_back_to_all_jobs() {
        let table = table(&["ann", "bo", "cid"]);
        for order in [RowOrder::Id, RowOrder::Owner] {
            let last = RowCursor { id: JobId::new(3).unwrap(), value: "cid".into() };
            let query = RowQuery { order, cursor: Some(last), limit: 9, ..RowQuery::default() };
            let end = page(&table, &query);
            assert_eq!((end.ids.len(), &end.after, end.total), (0, &None, 3));
            let back = RowQuery { cursor: end.before, backwards: true, ..query };
            assert_eq!(ids(&page(&table, &back)), [1, 2, 3]);
        }
    }
}
