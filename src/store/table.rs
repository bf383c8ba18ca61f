//! All jobs as a table in memory: what the lists of administration are made from.
//!
//! One entry a job, in the order of numbers, because new jobs come at the end. A word that many
//! jobs share is kept once and stands in entries as a number; names lie one behind another in one
//! piece of memory. That is about 80 bytes a job. A job that is removed leaves a dead entry behind;
//! when there are many, all of them go at once.

use super::{
    Row,
    facets::Facets,
    sieve::{Tally, days_of},
};
use crate::domain::{JobId, StateKind, Timestamp};
use std::{collections::HashMap, sync::Arc};

/// So many dead entries, or bytes of names, are not worth tidying up, or being spared.
const LITTLE: usize = 4096;
/// Bytes of names that are looked at to learn how often which letter is met.
const SAMPLE: usize = 16 * 1024;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    dead: usize,
    names: Vec<u8>,
    waste: usize,
    /// The queues of all jobs.
    pub(super) queues: Words,
    /// Their owners.
    pub(super) owners: Words,
    /// Their image types.
    pub(super) image_types: Words,
    /// Their architectures.
    pub(super) arches: Words,
    /// Their tags.
    pub(super) tags: Words,
    sets: TagSets,
    /// What the facets of all jobs are.
    pub(super) all: Tally,
}

/// One job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its number.
    pub(super) id: JobId,
    /// When it was submitted, in milliseconds.
    pub(super) submitted: i64,
    /// Bytes of its artifacts that are on the disk.
    pub(super) bytes: u64,
    name_at: u32,
    /// Its queue in [`Table::queues`], and so on.
    pub(super) queue: u32,
    /// See [`Table::owners`].
    pub(super) owner: u32,
    /// See [`Table::image_types`].
    pub(super) image_type: u32,
    /// See [`Table::arches`].
    pub(super) arch: u32,
    tags: u32,
    name_length: u8,
    /// Where it stands.
    pub(super) state: StateKind,
    /// Somebody pinned it.
    pub(super) pinned: bool,
    gone: bool,
    dead: bool,
}

impl Entry {
    /// True if it has artifacts that are on the disk.
    pub(super) fn has_files(&self) -> bool {
        self.bytes > 0
    }

    /// The day it was submitted.
    pub(super) fn day(&self) -> i32 {
        days_of(self.submitted)
    }
}

/// Words that are kept once each.
#[derive(Debug, Default)]
pub(super) struct Words {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Words {
    /// The number of a word, a new one for a new word.
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The number of a word that some job had.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The word with this number.
    pub(super) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", |text| text)
    }

    /// Every word, in the order of their numbers.
    pub(super) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }
}

/// The sets of tags that jobs have; the first is the empty one.
#[derive(Debug)]
struct TagSets {
    sets: Vec<TagSet>,
    numbers: HashMap<Arc<str>, u32>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct TagSet {
    joined: Arc<str>,
    tags: Box<[u32]>,
    jobs: u64,
}

impl Default for TagSets {
    fn default() -> Self {
        let empty = TagSet { joined: "".into(), tags: Box::default(), jobs: 0 };
        Self { sets: vec![empty], numbers: HashMap::new(), free: Vec::new() }
    }
}

impl TagSets {
    /// The set of these tags, which one more job has now.
    fn take(&mut self, joined: &str, tags: &mut Words) -> u32 {
        if joined.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(joined) {
            if let Some(set) = self.sets.get_mut(*number as usize) {
                set.jobs += 1;
            }
            return *number;
        }
        let mut own: Vec<u32> = joined.split(' ').map(|tag| tags.number(tag)).collect();
        own.sort_unstable();
        own.dedup();
        let set = TagSet { joined: joined.into(), tags: own.into(), jobs: 1 };
        let text = Arc::clone(&set.joined);
        let number = match self.free.pop() {
            Some(number) => number,
            None => u32::try_from(self.sets.len()).unwrap_or(u32::MAX),
        };
        match self.sets.get_mut(number as usize) {
            Some(slot) => *slot = set,
            None => self.sets.push(set),
        }
        self.numbers.insert(text, number);
        number
    }

    /// One job less has this set.
    fn give_back(&mut self, number: u32) {
        let Some(set) = self.sets.get_mut(number as usize).filter(|_| number > 0) else { return };
        set.jobs = set.jobs.saturating_sub(1);
        if set.jobs == 0 {
            self.numbers.remove(&set.joined);
            *set = TagSet { joined: "".into(), tags: Box::default(), jobs: 0 };
            self.free.push(number);
        }
    }
}

/// Makes room for more, a sixteenth at a time: to double it, as a vector does, would keep as much
/// memory idle as a large table takes.
fn make_room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 16).max(LITTLE));
    }
}

impl Table {
    /// Notes what a row says of a job.
    pub(super) fn put(&mut self, id: JobId, row: &Facets<'_>) {
        let place = self.place(id);
        let old = place.ok().and_then(|at| self.entries.get(at)).copied();
        let tags = self.sets.take(&row.tags, &mut self.tags);
        let (name_at, name_length) = self.keep_name(row.name, old.as_ref());
        let entry = Entry {
            id,
            submitted: row.submitted.as_millis(),
            bytes: row.bytes,
            name_at,
            queue: self.queues.number(row.queue),
            owner: self.owners.number(row.owner),
            image_type: self.image_types.number(row.image_type),
            arch: self.arches.number(row.arch),
            tags,
            name_length,
            state: row.state,
            pinned: row.pinned,
            gone: row.gone,
            dead: false,
        };
        self.drop_count(old);
        self.count(&entry, 1);
        match place {
            Ok(at) => self.entries.iter_mut().skip(at).take(1).for_each(|slot| *slot = entry),
            Err(at) => {
                make_room(&mut self.entries, 1);
                self.entries.insert(at, entry);
            }
        }
        self.dead -= usize::from(old.is_some_and(|old| old.dead));
        self.tidy();
    }

    /// Forgets a job.
    pub(super) fn remove(&mut self, id: JobId) {
        let Ok(at) = self.place(id) else { return };
        let Some(old) = self.entries.get(at).copied().filter(|old| !old.dead) else { return };
        self.drop_count(Some(old));
        if let Some(entry) = self.entries.get_mut(at) {
            entry.dead = true;
        }
        self.dead += 1;
        self.tidy();
    }

    /// The entry of a job.
    pub(super) fn find(&self, id: JobId) -> Option<&Entry> {
        self.entries.get(self.place(id).ok()?).filter(|entry| !entry.dead)
    }

    /// Every job, by number.
    pub(super) fn by_number(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.dead)
    }

    /// The jobs below this one and those above it, both by number.
    pub(super) fn around(
        &self,
        id: JobId,
    ) -> (impl DoubleEndedIterator<Item = &Entry>, impl DoubleEndedIterator<Item = &Entry>) {
        let (below, from) = self.entries.split_at(self.entries.partition_point(|e| e.id < id));
        let above = match from.split_first() {
            Some((first, above)) if first.id == id => above,
            _ => from,
        };
        let live = |entry: &&Entry| !entry.dead;
        (below.iter().filter(live), above.iter().filter(live))
    }

    /// A job's name.
    pub(super) fn name(&self, entry: &Entry) -> &str {
        std::str::from_utf8(self.name_bytes(entry)).unwrap_or("")
    }

    /// A job's name, in bytes.
    pub(super) fn name_bytes(&self, entry: &Entry) -> &[u8] {
        let at = entry.name_at as usize;
        self.names.get(at..at + usize::from(entry.name_length)).unwrap_or_default()
    }

    /// Enough names to tell how often which letter is met.
    pub(super) fn some_names(&self) -> &[u8] {
        self.names.get(..SAMPLE).unwrap_or(&self.names)
    }

    /// A job's tags, as numbers in [`Table::tags`], in rising order.
    pub(super) fn tags_of(&self, entry: &Entry) -> &[u32] {
        self.sets.sets.get(entry.tags as usize).map_or(&[], |set| &set.tags)
    }

    /// The job as others see it.
    pub(super) fn row(&self, entry: &Entry) -> Row<'_> {
        Row {
            id: entry.id,
            state: entry.state,
            queue: self.queues.text(entry.queue),
            owner: self.owners.text(entry.owner),
            image_type: self.image_types.text(entry.image_type),
            arch: self.arches.text(entry.arch),
            name: self.name(entry),
            submitted: Timestamp::from_millis(entry.submitted),
            bytes: entry.bytes,
            pinned: entry.pinned,
            gone: entry.gone,
        }
    }

    /// Where a job's entry is, or where it would have to be.
    fn place(&self, id: JobId) -> Result<usize, usize> {
        match self.entries.last() {
            Some(last) if last.id >= id => self.entries.binary_search_by_key(&id, |e| e.id),
            _ => Err(self.entries.len()),
        }
    }

    fn keep_name(&mut self, name: &str, old: Option<&Entry>) -> (u32, u8) {
        if let Some(old) = old {
            if self.name_bytes(old) == name.as_bytes() {
                return (old.name_at, old.name_length);
            }
            self.waste += usize::from(old.name_length);
        }
        // The grammar of names ends at 64 bytes, and 4 GiB hold the names of 60 million jobs.
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let at = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        make_room(&mut self.names, usize::from(length));
        self.names.extend(name.bytes().take(usize::from(length)));
        (at, length)
    }

    fn drop_count(&mut self, old: Option<Entry>) {
        if let Some(old) = old.filter(|old| !old.dead) {
            self.count(&old, -1);
            self.sets.give_back(old.tags);
        }
    }

    fn count(&mut self, entry: &Entry, by: i64) {
        let tags = self.sets.sets.get(entry.tags as usize).map_or(&[][..], |set| &set.tags);
        self.all.count(entry, tags, by);
    }

    /// Throws away what is dead when it is a good part of all.
    fn tidy(&mut self) {
        if self.dead > LITTLE && self.dead > self.entries.len() / 8 {
            let lengths = self.entries.iter().filter(|e| e.dead).map(|e| e.name_length);
            self.waste += lengths.map(usize::from).sum::<usize>();
            self.entries.retain(|entry| !entry.dead);
            self.dead = 0;
        }
        if self.waste > LITTLE && self.waste > self.names.len() / 3 {
            self.pack_names();
        }
    }

    fn pack_names(&mut self) {
        let mut packed = Vec::with_capacity(self.names.len().saturating_sub(self.waste));
        for entry in &mut self.entries {
            let at = entry.name_at as usize;
            let name = self.names.get(at..at + usize::from(entry.name_length)).unwrap_or_default();
            entry.name_at = u32::try_from(packed.len()).unwrap_or(u32::MAX);
            packed.extend_from_slice(name);
        }
        self.names = packed;
        self.waste = 0;
    }
}
