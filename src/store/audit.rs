//! Pages of the audit trail, and whether it is whole.
//!
//! Lines are numbered in the order of time, so a page begins at a number, never at an offset. One
//! field: the page is read off its index; several: the field with the fewest lines is walked and
//! the others are checked on the line. Dates narrow the numbers, a text is looked for in every line
//! that is left. At most [`MOST_EXAMINED`] lines are looked at for one page.

use super::{
    AuditCheck, AuditCounts, AuditCursor, AuditEntry, AuditFilter, AuditPage, AuditRecord, Store,
    StoreError,
    engine::{Engine, Pairs},
    keys::{self, Dim, Space},
    reads::counter,
    trail::{self, AuditLine},
};
use crate::domain::Timestamp;
use std::{borrow::Cow, collections::BTreeMap, ops::Bound};

/// Most lines examined for one page: less than a tenth of a second.
const MOST_EXAMINED: usize = 20_000;
/// A clock that was set back may have written so many lines on the wrong side of a date.
const DISORDER: u64 = 128;

impl Store {
    /// A page of at most `limit` lines, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_page(
        &self,
        filter: &AuditFilter,
        cursor: AuditCursor,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let engine = self.core().engine()?;
        let search = Search::new(self, &engine, filter)?;
        let limit = limit.max(1);
        let mut page = match cursor {
            AuditCursor::Newest => search.older_page(u64::MAX, limit)?,
            AuditCursor::Before(number) => search.older_page(number, limit)?,
            AuditCursor::After(number) => search.newer_page(number, limit)?,
        };
        page.total = search.total()?;
        Ok(page)
    }

    /// One line.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_line(&self, number: u64) -> Result<Option<AuditEntry>, StoreError> {
        let line: Option<AuditLine> = self.record(&number.to_be_bytes())?;
        Ok(line.map(entry))
    }

    /// The kept counters of the audit trail.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_counts(&self) -> Result<AuditCounts, StoreError> {
        let engine = self.core().engine()?;
        Ok(AuditCounts {
            actions: counters(&engine, Dim::AuditAction)?,
            actors: counters(&engine, Dim::AuditActor)?,
            total: counter(&engine, Dim::AuditAll, "")?,
        })
    }

    /// Follows the chain from the oldest line to the newest. Writes wait only where it seems
    /// broken: then it is followed once more while nobody writes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn verify_audit(&self) -> Result<AuditCheck, StoreError> {
        let follow = || trail::follow(self.core().engine()?.as_ref(), &mut |_| Ok(()));
        let check = follow()?;
        if check.broken.is_empty() {
            return Ok(check);
        }
        // Lines may have been trimmed while it was on its way.
        let _gate = self.core().gate();
        follow()
    }
}

fn entry(line: AuditLine) -> AuditEntry {
    AuditEntry { number: line.number, record: line.record }
}

fn counters(engine: &Engine, dim: Dim) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut found = BTreeMap::new();
    for pair in engine.prefix(Space::Counters, &[dim as u8])? {
        let (key, value) = pair?;
        let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
        found.insert(name, keys::number(&value).unwrap_or(0));
    }
    Ok(found)
}

/// What a walk found, and the number the next one goes on from, if there is more.
#[derive(Default)]
struct Walk {
    found: Vec<AuditEntry>,
    more: Option<u64>,
}

/// A filter with the way that was chosen to answer it.
struct Search<'a> {
    store: &'a Store,
    engine: &'a Engine,
    filter: &'a AuditFilter,
    /// The filter's text in small letters.
    text: Option<String>,
    /// The index to walk; the lines themselves if `None`.
    by: Option<(Dim, Cow<'a, str>)>,
    /// The numbers that can be meant: from the first up to, and without, the second.
    numbers: (u64, u64),
}

impl<'a> Search<'a> {
    fn new(
        store: &'a Store,
        engine: &'a Engine,
        filter: &'a AuditFilter,
    ) -> Result<Self, StoreError> {
        let text = filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let text = text.map(str::to_lowercase);
        let by = rarest(engine, filter)?;
        let mut search = Self { store, engine, filter, text, by, numbers: (0, u64::MAX) };
        search.numbers = search.dated()?;
        Ok(search)
    }

    /// How many lines match, if a counter knows.
    fn total(&self) -> Result<Option<u64>, StoreError> {
        let AuditFilter { actor, action, object, from, until, .. } = self.filter;
        if self.text.is_some() || object.is_some() || from.is_some() || until.is_some() {
            return Ok(None);
        }
        match (actor, action) {
            (None, None) => counter(self.engine, Dim::AuditAll, "").map(Some),
            (Some(actor), None) => self.known(Dim::AuditActor, actor),
            (None, Some(action)) => self.known(Dim::AuditAction, action),
            (Some(_), Some(_)) => Ok(None),
        }
    }

    /// A word that was shortened for its key shares the counter with others.
    fn known(&self, dim: Dim, word: &str) -> Result<Option<u64>, StoreError> {
        let term = trail::term(word);
        if term == word { counter(self.engine, dim, &term).map(Some) } else { Ok(None) }
    }

    fn older_page(&self, below: u64, limit: usize) -> Result<AuditPage, StoreError> {
        let walk = self.walk((0, below), true, limit)?;
        let newer = match walk.found.first().map(|line| line.number) {
            _ if below == u64::MAX => None,
            first => {
                let first = first.unwrap_or(below);
                let from = if walk.found.is_empty() { first } else { first.saturating_add(1) };
                self.any((from, u64::MAX))?.then(|| from.saturating_sub(1))
            }
        };
        Ok(AuditPage { lines: walk.found, older: walk.more, newer, total: None })
    }

    fn newer_page(&self, above: u64, limit: usize) -> Result<AuditPage, StoreError> {
        let from = above.saturating_add(1);
        let mut walk = self.walk((from, u64::MAX), false, limit)?;
        walk.found.reverse();
        // An empty page is newer than nothing but still older than what it was asked from.
        let last = walk.found.last().map_or(from, |line| line.number);
        let older = self.any((0, last))?.then_some(last);
        Ok(AuditPage { lines: walk.found, older, newer: walk.more, total: None })
    }

    fn any(&self, numbers: (u64, u64)) -> Result<bool, StoreError> {
        let walk = self.walk(numbers, false, 1)?;
        Ok(!walk.found.is_empty() || walk.more.is_some())
    }

    /// The first `limit` matching lines of a range, from its old or its new end.
    fn walk(
        &self,
        (from, to): (u64, u64),
        newest_first: bool,
        limit: usize,
    ) -> Result<Walk, StoreError> {
        let mut walk = Walk::default();
        let range = (from.max(self.numbers.0), to.min(self.numbers.1));
        if range.0 >= range.1 {
            return Ok(walk);
        }
        let mut last = None;
        for (examined, pair) in self.pairs(range, newest_first)?.enumerate() {
            let pair = pair?;
            let Some(number) = number_at_end(&pair.0) else { continue };
            if examined >= MOST_EXAMINED {
                walk.more = last;
                break;
            }
            last = Some(number);
            let line = match self.by {
                None => self.store.read::<AuditLine>(self.engine, pair)?,
                Some(_) => self.store.record::<AuditLine>(&number.to_be_bytes())?,
            };
            let Some(line) = line.filter(|line| self.wants(&line.record)) else { continue };
            if walk.found.len() >= limit {
                walk.more = walk.found.last().map(|line| line.number);
                break;
            }
            walk.found.push(entry(line));
        }
        Ok(walk)
    }

    fn pairs(&self, (from, to): (u64, u64), newest_first: bool) -> Result<Pairs, StoreError> {
        let (space, prefix) = match &self.by {
            Some((dim, term)) => (Space::Index, keys::index_prefix(*dim, term)),
            None => (Space::Audit, Vec::new()),
        };
        let key = |number: u64| [prefix.as_slice(), &number.to_be_bytes()].concat();
        let range = (Bound::Included(key(from)), Bound::Excluded(key(to)));
        self.engine.range(space, range, newest_first)
    }

    fn wants(&self, line: &AuditRecord) -> bool {
        let AuditFilter { actor, action, object, from, until, .. } = self.filter;
        actor.as_ref().is_none_or(|actor| *actor == line.actor)
            && action.as_ref().is_none_or(|action| *action == line.action)
            && object.as_ref().is_none_or(|object| *object == line.object)
            && from.is_none_or(|from| line.at >= from)
            && until.is_none_or(|until| line.at < until)
            && self.text.as_deref().is_none_or(|text| says(line, text))
    }

    fn dated(&self) -> Result<(u64, u64), StoreError> {
        let from = match self.filter.from {
            Some(from) => self.first_at(from)?.saturating_sub(DISORDER),
            None => 0,
        };
        let to = match self.filter.until {
            Some(until) => self.first_at(until)?.saturating_add(DISORDER),
            None => u64::MAX,
        };
        Ok((from, to))
    }

    /// The number of the first line at `moment` or later, or the one after the last line.
    fn first_at(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let end = |newest| -> Result<Option<u64>, StoreError> {
            let mut lines =
                self.engine.range(Space::Audit, (Bound::Unbounded, Bound::Unbounded), newest)?;
            Ok(lines.next().transpose()?.and_then(|(key, _)| keys::number(&key)))
        };
        let (Some(mut low), Some(last)) = (end(false)?, end(true)?) else { return Ok(0) };
        let mut high = last.saturating_add(1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.line_from(middle, high)? {
                // Between the middle and the end nothing can be read.
                None => high = middle,
                Some(line) if line.record.at >= moment => high = middle,
                Some(line) => low = line.number.saturating_add(1),
            }
        }
        Ok(low)
    }

    /// The first line that can be read of `from..to`.
    fn line_from(&self, from: u64, to: u64) -> Result<Option<AuditLine>, StoreError> {
        let key = |number: u64| number.to_be_bytes().to_vec();
        let range = (Bound::Included(key(from)), Bound::Excluded(key(to)));
        for pair in self.engine.range(Space::Audit, range, false)? {
            if let Some(line) = self.store.read::<AuditLine>(self.engine, pair?)? {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}

/// The field with the fewest lines. An object is on few, and no counter says on how many.
fn rarest<'a>(
    engine: &Engine,
    filter: &'a AuditFilter,
) -> Result<Option<(Dim, Cow<'a, str>)>, StoreError> {
    if let Some(object) = &filter.object {
        return Ok(Some((Dim::AuditObject, trail::term(object))));
    }
    let actor = filter.actor.as_deref().map(|actor| (Dim::AuditActor, trail::term(actor)));
    let action = filter.action.as_deref().map(|action| (Dim::AuditAction, trail::term(action)));
    match (actor, action) {
        (Some(actor), Some(action)) => {
            let by = counter(engine, actor.0, &actor.1)?;
            let of = counter(engine, action.0, &action.1)?;
            Ok(Some(if by <= of { actor } else { action }))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// True if a line has the text anywhere in it; the text is in small letters already.
fn says(line: &AuditRecord, text: &str) -> bool {
    let AuditRecord { at: _, actor, peer, action, object, detail, request } = line;
    [actor, peer, action, object, detail, request].into_iter().any(|field| has(field, text))
}

fn has(field: &str, text: &str) -> bool {
    if field.is_ascii() {
        let (field, text) = (field.as_bytes(), text.as_bytes());
        return field.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text));
    }
    field.to_lowercase().contains(text)
}

/// The number that ends a line's key or an index entry.
fn number_at_end(key: &[u8]) -> Option<u64> {
    keys::number(key.get(key.len().checked_sub(8)?..)?)
}
