//! Which jobs a filter wants, and how many each value of each filter would find.

use super::{
    RowFacets, RowFilter,
    table::{Entry, Table, Words},
};
use crate::domain::{JobId, StateKind};
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;
/// Stands for a word that no job has.
const NOBODY: u32 = u32::MAX;

/// The columns that can be filtered by; a set of them is a sum.
mod column {
    pub(super) const STATE: u16 = 1;
    pub(super) const QUEUE: u16 = 1 << 1;
    pub(super) const OWNER: u16 = 1 << 2;
    pub(super) const IMAGE_TYPE: u16 = 1 << 3;
    pub(super) const ARCH: u16 = 1 << 4;
    pub(super) const TAG: u16 = 1 << 5;
    pub(super) const PINNED: u16 = 1 << 6;
    pub(super) const FILES: u16 = 1 << 7;
    pub(super) const DAY: u16 = 1 << 8;
    pub(super) const ALL: u16 = (1 << 9) - 1;
}

/// Days since 1970-01-01 UTC.
pub(super) fn days_of(ms: i64) -> i32 {
    i32::try_from(ms.div_euclid(DAY_MS)).unwrap_or(if ms < 0 { i32::MIN } else { i32::MAX })
}

/// A filter made ready for one pass over a table.
pub(super) struct Sieve<'a> {
    table: &'a Table,
    state: Option<StateKind>,
    queue: Option<u32>,
    owner: Option<u32>,
    image_type: Option<u32>,
    arch: Option<u32>,
    tag: Option<u32>,
    pinned: Option<bool>,
    files: Option<bool>,
    from: i64,
    until: Option<i64>,
    text: Option<Text>,
}

/// A text in small letters.
struct Text {
    text: Vec<u8>,
    /// Where its rarest letter stands in it, and that letter, small and large.
    anchor: (usize, u8, u8),
    tag: Option<u32>,
    number: Option<JobId>,
}

impl Text {
    /// A blank text wants everything.
    fn new(text: &str, table: &Table) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        Some(Self {
            anchor: rarest(text.as_bytes(), table.some_names())?,
            tag: table.tags.find(&text),
            number: text.parse().ok(),
            text: text.into_bytes(),
        })
    }

    fn is_in(&self, name: &[u8]) -> bool {
        let (place, small, large) = self.anchor;
        memchr::memchr2_iter(small, large, name).any(|at| {
            let there = at.checked_sub(place).and_then(|at| name.get(at..at + self.text.len()));
            there.is_some_and(|there| there.eq_ignore_ascii_case(&self.text))
        })
    }
}

/// The letter of a text that is met least in some names: most names are passed over without it.
fn rarest(text: &[u8], names: &[u8]) -> Option<(usize, u8, u8)> {
    let mut met = [0u32; 256];
    for letter in names {
        if let Some(met) = met.get_mut(usize::from(letter.to_ascii_lowercase())) {
            *met += 1;
        }
    }
    let letters = text.iter().enumerate();
    let (at, letter) = letters.min_by_key(|(_, letter)| met.get(usize::from(**letter)).copied())?;
    Some((at, *letter, letter.to_ascii_uppercase()))
}

impl<'a> Sieve<'a> {
    /// The filter's words as the table's numbers.
    pub(super) fn new(table: &'a Table, filter: &RowFilter) -> Self {
        let find = |words: &Words, text: &Option<String>| {
            text.as_deref().map(|text| words.find(text).unwrap_or(NOBODY))
        };
        Self {
            table,
            state: filter.state,
            queue: find(&table.queues, &filter.queue),
            owner: find(&table.owners, &filter.owner),
            image_type: find(&table.image_types, &filter.image_type),
            arch: find(&table.arches, &filter.arch),
            tag: find(&table.tags, &filter.tag),
            pinned: filter.pinned,
            files: filter.files,
            from: filter.from.map_or(i64::MIN, |from| from.as_millis()),
            until: filter.until.map(|until| until.as_millis()),
            text: filter.text.as_deref().and_then(|text| Text::new(text, table)),
        }
    }

    /// True if every job passes.
    pub(super) fn is_open(&self) -> bool {
        self.text.is_none()
            && self.state.is_none()
            && self.pinned.is_none()
            && self.files.is_none()
            && (self.from, self.until) == (i64::MIN, None)
            && [self.queue, self.owner, self.image_type, self.arch, self.tag] == [None; 5]
    }

    /// True if the filter wants the job.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        self.against(entry) == 0 && self.text_wants(entry)
    }

    /// The columns that speak against a job.
    fn against(&self, entry: &Entry) -> u16 {
        use column::{ARCH, DAY, FILES, IMAGE_TYPE, OWNER, PINNED, QUEUE, STATE, TAG};
        let other = |wanted: Option<u32>, has: u32| wanted.is_some_and(|wanted| wanted != has);
        let untagged = |tag: u32| self.table.tags_of(entry).binary_search(&tag).is_err();
        let dated = entry.submitted >= self.from && self.until.is_none_or(|u| entry.submitted < u);
        let mark = |against: bool, column: u16| if against { column } else { 0 };
        mark(self.state.is_some_and(|state| state != entry.state), STATE)
            | mark(other(self.queue, entry.queue), QUEUE)
            | mark(other(self.owner, entry.owner), OWNER)
            | mark(other(self.image_type, entry.image_type), IMAGE_TYPE)
            | mark(other(self.arch, entry.arch), ARCH)
            | mark(self.tag.is_some_and(untagged), TAG)
            | mark(self.pinned.is_some_and(|pinned| pinned != entry.pinned), PINNED)
            | mark(self.files.is_some_and(|files| files != entry.has_files()), FILES)
            | mark(!dated, DAY)
    }

    fn text_wants(&self, entry: &Entry) -> bool {
        let Some(text) = &self.text else { return true };
        text.is_in(self.table.name_bytes(entry))
            || text.number == Some(entry.id)
            || text.tag.is_some_and(|tag| self.table.tags_of(entry).binary_search(&tag).is_ok())
    }

    /// Looks at one job: counts it in the facets it belongs to, and says if the filter wants it.
    pub(super) fn sift(&self, entry: &Entry, tally: &mut Tally) -> bool {
        let against = self.against(entry);
        // Two columns against it: no value of a single filter would find it.
        if against.count_ones() > 1 || !self.text_wants(entry) {
            return false;
        }
        let columns = if against == 0 { column::ALL } else { against };
        tally.add(columns, entry, self.table.tags_of(entry), 1);
        if against == 0 {
            tally.add_whole(entry, 1);
        }
        against == 0
    }
}

/// Counts of jobs by every column.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    total: u64,
    bytes: u128,
    states: Vec<u64>,
    queues: Vec<u64>,
    owners: Vec<u64>,
    image_types: Vec<u64>,
    arches: Vec<u64>,
    tags: Vec<u64>,
    /// Not pinned, pinned.
    pinned: Vec<u64>,
    /// Without files, with.
    files: Vec<u64>,
    days: Days,
}

/// Counts by day. Neighbours in the table are mostly of one day, so a run of the same day is
/// counted before it is noted.
#[derive(Clone, Debug, Default)]
struct Days {
    noted: BTreeMap<i32, u64>,
    day: i32,
    run: i64,
}

impl Days {
    fn bump(&mut self, day: i32, by: i64) {
        if day != self.day {
            self.note();
            self.day = day;
        }
        self.run += by;
    }

    fn note(&mut self) {
        let day = self.noted.entry(self.day).or_default();
        *day = day.saturating_add_signed(std::mem::take(&mut self.run));
        if *day == 0 {
            self.noted.remove(&self.day);
        }
    }

    fn counts(&self) -> BTreeMap<i32, u64> {
        let mut all = self.clone();
        all.note();
        all.noted
    }
}

fn bump(counts: &mut Vec<u64>, at: usize, by: i64) {
    if at >= counts.len() {
        counts.resize(at.saturating_add(1), 0);
    }
    if let Some(count) = counts.get_mut(at) {
        *count = count.saturating_add_signed(by);
    }
}

/// A state's place in the order of states.
pub(super) fn state_place(state: StateKind) -> usize {
    StateKind::ALL.iter().position(|s| *s == state).unwrap_or(0)
}

impl Tally {
    /// Counts a job in every column.
    pub(super) fn count(&mut self, entry: &Entry, tags: &[u32], by: i64) {
        self.add(column::ALL, entry, tags, by);
        self.add_whole(entry, by);
    }

    /// How many jobs were counted in every column.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    fn add_whole(&mut self, entry: &Entry, by: i64) {
        self.total = self.total.saturating_add_signed(by);
        let bytes = u128::from(entry.bytes);
        self.bytes = if by < 0 {
            self.bytes.saturating_sub(bytes)
        } else {
            self.bytes.saturating_add(bytes)
        };
    }

    fn add(&mut self, columns: u16, entry: &Entry, tags: &[u32], by: i64) {
        let has = |column: u16| columns & column != 0;
        if has(column::STATE) {
            bump(&mut self.states, state_place(entry.state), by);
        }
        if has(column::QUEUE) {
            bump(&mut self.queues, entry.queue as usize, by);
        }
        if has(column::OWNER) {
            bump(&mut self.owners, entry.owner as usize, by);
        }
        if has(column::IMAGE_TYPE) {
            bump(&mut self.image_types, entry.image_type as usize, by);
        }
        if has(column::ARCH) {
            bump(&mut self.arches, entry.arch as usize, by);
        }
        if has(column::TAG) {
            tags.iter().for_each(|tag| bump(&mut self.tags, *tag as usize, by));
        }
        if has(column::PINNED) {
            bump(&mut self.pinned, usize::from(entry.pinned), by);
        }
        if has(column::FILES) {
            bump(&mut self.files, usize::from(entry.has_files()), by);
        }
        if has(column::DAY) {
            self.days.bump(entry.day(), by);
        }
    }

    /// The counts with their words; what is asked for is there even if nothing has it.
    pub(super) fn facets(&self, table: &Table, filter: &RowFilter) -> RowFacets {
        let at = |counts: &[u64], place: usize| counts.get(place).copied().unwrap_or(0);
        let pair = |counts: &[u64]| (at(counts, 0), at(counts, 1));
        let states = StateKind::ALL.into_iter().map(|s| (s, at(&self.states, state_place(s))));
        RowFacets {
            state: states.filter(|(s, jobs)| *jobs > 0 || filter.state == Some(*s)).collect(),
            queue: named(&self.queues, &table.queues, &filter.queue),
            owner: named(&self.owners, &table.owners, &filter.owner),
            image_type: named(&self.image_types, &table.image_types, &filter.image_type),
            arch: named(&self.arches, &table.arches, &filter.arch),
            tag: named(&self.tags, &table.tags, &filter.tag),
            pinned: pair(&self.pinned),
            files: pair(&self.files),
            days: self.days.counts(),
        }
    }
}

fn named(counts: &[u64], words: &Words, asked: &Option<String>) -> BTreeMap<String, u64> {
    let found = counts.iter().zip(words.texts()).filter(|(jobs, _)| **jobs > 0);
    let mut named: BTreeMap<String, u64> =
        found.map(|(jobs, word)| (word.as_ref().to_owned(), *jobs)).collect();
    if let Some(asked) = asked {
        named.entry(asked.clone()).or_default();
    }
    named
}
