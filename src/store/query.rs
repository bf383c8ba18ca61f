//! Pages of jobs. Jobs are numbered in the order of submission, so number order is time order and
//! a page begins at a number, never at an offset.
//!
//! One field: the page is read off its index; the cost is the page. Several fields: the field with
//! the fewest jobs is walked and the others are checked on the job's short row; where even that
//! field has a good part of all jobs, and for a text, the rows themselves are walked. At most
//! [`MOST_EXAMINED`] rows are looked at for one page: a page may then be short and still name
//! where the next one begins.

use super::{
    Cursor, JobFilter, JobPage, Store, StoreError,
    engine::{Engine, Pairs},
    facets::{Facets, Wanted},
    keys::{self, Dim, Space},
    reads::counter,
};
use crate::domain::{Job, JobId};
use std::ops::Bound;

/// Most rows examined for one page: a few tenths of a second.
const MOST_EXAMINED: usize = 200_000;
/// Walking an index costs about so many times more per job than walking the rows.
const INDEX_COST: u64 = 3;

impl Store {
    /// A page of at most `limit` jobs, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn jobs(
        &self,
        filter: &JobFilter,
        cursor: Cursor,
        limit: usize,
    ) -> Result<JobPage, StoreError> {
        let engine = self.core().engine()?;
        let search = Search::new(&engine, filter)?;
        let mut page = match cursor {
            Cursor::Newest => self.older_page(&search, Bound::Unbounded, limit)?,
            Cursor::Before(id) => self.older_page(&search, Bound::Excluded(id), limit)?,
            Cursor::After(id) => self.newer_page(&search, id, limit)?,
        };
        page.total = search.total()?;
        Ok(page)
    }

    fn older_page(
        &self,
        search: &Search<'_>,
        below: Bound<JobId>,
        limit: usize,
    ) -> Result<JobPage, StoreError> {
        let walk = search.walk((Bound::Unbounded, below), true, limit)?;
        let (jobs, older) = self.take(walk)?;
        let newer = match below {
            Bound::Unbounded => None,
            Bound::Included(id) | Bound::Excluded(id) => {
                let first = jobs.first().map_or(id, |job| job.id);
                search.any((Bound::Excluded(first), Bound::Unbounded))?.then_some(first)
            }
        };
        Ok(JobPage { jobs, older, newer, total: None })
    }

    fn newer_page(
        &self,
        search: &Search<'_>,
        above: JobId,
        limit: usize,
    ) -> Result<JobPage, StoreError> {
        let walk = search.walk((Bound::Excluded(above), Bound::Unbounded), false, limit)?;
        let (mut jobs, newer) = self.take(walk)?;
        jobs.reverse();
        // An empty page is older than nothing but still newer than the job it was asked from.
        let last =
            jobs.last().map(|job| job.id).or_else(|| JobId::new(above.get().saturating_add(1)));
        let older = match last {
            Some(id) if search.any((Bound::Unbounded, Bound::Excluded(id)))? => Some(id),
            _ => None,
        };
        Ok(JobPage { jobs, older, newer, total: None })
    }

    /// The records of a walk. One that cannot be read is left out of its page.
    fn take(&self, walk: Walk) -> Result<(Vec<Job>, Option<JobId>), StoreError> {
        let jobs = walk.found.into_iter().filter_map(|id| self.job(id).transpose());
        Ok((jobs.collect::<Result<_, _>>()?, walk.more))
    }
}

/// What a walk found, and the number the next one goes on from, if there is more.
struct Walk {
    found: Vec<JobId>,
    more: Option<JobId>,
}

type Range = (Bound<JobId>, Bound<JobId>);

/// A filter with the way that was chosen to answer it.
struct Search<'a> {
    engine: &'a Engine,
    wanted: Wanted<'a>,
    /// The index to walk; the rows themselves if `None`.
    by: Option<(Dim, &'a str)>,
}

impl<'a> Search<'a> {
    fn new(engine: &'a Engine, filter: &'a JobFilter) -> Result<Self, StoreError> {
        let wanted = Wanted::new(filter);
        let mut best: Option<(u64, (Dim, &str))> = None;
        for term in wanted.terms() {
            let jobs = counter(engine, term.0, term.1)?;
            if best.is_none_or(|(fewest, _)| jobs < fewest) {
                best = Some((jobs, *term));
            }
        }
        let exact = wanted.terms().len() == 1 && !wanted.has_text();
        let total = counter(engine, Dim::All, "")?;
        let worth = |jobs: u64| exact || jobs.saturating_mul(INDEX_COST) < total;
        let by = best.filter(|(jobs, _)| worth(*jobs)).map(|(_, term)| term);
        Ok(Self { engine, wanted, by })
    }

    /// How many jobs match, if a counter knows.
    fn total(&self) -> Result<Option<u64>, StoreError> {
        let Some(key) = self.wanted.counter() else { return Ok(None) };
        let value = self.engine.get(Space::Counters, &key)?;
        Ok(Some(value.as_deref().and_then(keys::number).unwrap_or(0)))
    }

    fn any(&self, range: Range) -> Result<bool, StoreError> {
        let walk = self.walk(range, false, 1)?;
        Ok(!walk.found.is_empty() || walk.more.is_some())
    }

    /// The first `limit` matching jobs of a range, from its old or its new end.
    fn walk(&self, range: Range, newest_first: bool, limit: usize) -> Result<Walk, StoreError> {
        let mut walk = Walk { found: Vec::new(), more: None };
        let mut last = None;
        for (examined, pair) in self.pairs(range, newest_first)?.enumerate() {
            let (key, value) = pair?;
            let Some(id) = keys::job_at_end(&key) else { continue };
            if examined >= MOST_EXAMINED {
                walk.more = last;
                break;
            }
            last = Some(id);
            if !self.matches(id, &value)? {
                continue;
            }
            if walk.found.len() >= limit {
                walk.more = walk.found.last().copied();
                break;
            }
            walk.found.push(id);
        }
        Ok(walk)
    }

    fn pairs(&self, (from, to): Range, newest_first: bool) -> Result<Pairs, StoreError> {
        let (space, prefix) = match self.by {
            Some((dim, value)) => (Space::Index, keys::index_prefix(dim, value)),
            None => (Space::Facets, Vec::new()),
        };
        let key = |number: u64| [prefix.as_slice(), &number.to_be_bytes()].concat();
        let from = match from {
            Bound::Included(id) => Bound::Included(key(id.get())),
            Bound::Excluded(id) => Bound::Excluded(key(id.get())),
            Bound::Unbounded => Bound::Included(key(0)),
        };
        let to = match to {
            Bound::Included(id) => Bound::Included(key(id.get())),
            Bound::Excluded(id) => Bound::Excluded(key(id.get())),
            Bound::Unbounded => Bound::Included(key(u64::MAX)),
        };
        self.engine.range(space, (from, to), newest_first)
    }

    /// `value` is the row where rows are walked.
    fn matches(&self, id: JobId, value: &[u8]) -> Result<bool, StoreError> {
        let row = match self.by {
            None => return Ok(self.row_matches(id, value)),
            Some(_) => self.engine.get(Space::Facets, &keys::job_key(id))?,
        };
        Ok(row.is_some_and(|row| self.row_matches(id, &row)))
    }

    fn row_matches(&self, id: JobId, row: &[u8]) -> bool {
        Facets::decode(row).is_ok_and(|row| self.wanted.matches(id, &row))
    }
}
