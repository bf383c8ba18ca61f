//! What is derived from a job and its shelf: one short row with everything that filters and searches look at,
//! the index entries and the counters. All of it can be rebuilt from the records.
//!
//! The row also says which entries a job has when its record can no longer be read.

use super::{
    JobFilter, ShelfRecord,
    codec::{self, Damage},
    keys::{self, Dim},
};
use crate::domain::{Job, JobId, StateKind, Timestamp};
use std::borrow::Cow;

/// Most bytes of tags in a row; a row must stay shorter than what sled keeps well.
const MOST_TAG_BYTES: usize = 8 * 1024;
/// What a row's second byte says, bit by bit.
const PINNED: u8 = 1;
const GONE: u8 = 2;

/// The row of one job, borrowed from its bytes or from a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facets<'a> {
    /// Where the job stands.
    pub(super) state: StateKind,
    /// Its queue.
    pub(super) queue: &'a str,
    /// Whose it is.
    pub(super) owner: &'a str,
    /// What comes out.
    pub(super) image_type: &'a str,
    /// For which machines.
    pub(super) arch: &'a str,
    /// Its name as given; names are ASCII.
    pub(super) name: &'a str,
    /// Its tags, a blank between two.
    pub(super) tags: Cow<'a, str>,
    /// When it was accepted.
    pub(super) submitted: Timestamp,
    /// Bytes of its artifacts that are on the disk.
    pub(super) bytes: u64,
    /// Somebody pinned it.
    pub(super) pinned: bool,
    /// Its artifacts were deleted.
    pub(super) gone: bool,
}

/// The number a state has in rows: never use one again.
fn state_byte(state: StateKind) -> u8 {
    match state {
        StateKind::Queued => 0,
        StateKind::Building => 1,
        StateKind::Done => 2,
        StateKind::Failed => 3,
        StateKind::Cancelled => 4,
    }
}

impl<'a> Facets<'a> {
    /// The row of a job.
    pub(super) fn of(job: &'a Job, shelf: &ShelfRecord) -> Self {
        let gone = shelf.artifacts_gone.is_some();
        let sizes = job.result.artifacts.iter().map(|a| a.size);
        Self {
            tags: joined(shelf).into(),
            submitted: job.submitted,
            bytes: if gone { 0 } else { sizes.fold(0, u64::saturating_add) },
            pinned: shelf.pinned.is_some(),
            gone,
            state: job.state.kind(),
            queue: job.queue.as_str(),
            owner: job.owner.as_str(),
            image_type: job.image_type.as_str(),
            arch: job.arch.as_str(),
            name: job.name.as_str(),
        }
    }

    /// The row's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let pinned = if self.pinned { PINNED } else { 0 };
        let gone = if self.gone { GONE } else { 0 };
        let mut row = vec![state_byte(self.state), pinned | gone];
        row.extend_from_slice(&self.submitted.as_millis().to_be_bytes());
        row.extend_from_slice(&self.bytes.to_be_bytes());
        for text in [self.queue, self.owner, self.image_type, self.arch, self.name] {
            // Every name's grammar ends at 64 bytes.
            row.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            row.extend(text.bytes().take(usize::from(u8::MAX)));
        }
        // The tags are what is left.
        row.extend_from_slice(self.tags.as_bytes());
        codec::add_checksum(row)
    }

    /// The row in `bytes`.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Damage> {
        let body = codec::check(bytes)?;
        let (&[state, marks], rest) = body.split_first_chunk().ok_or(Damage::Short)?;
        let (submitted, rest) = rest.split_first_chunk().ok_or(Damage::Short)?;
        let (size, mut rest) = rest.split_first_chunk().ok_or(Damage::Short)?;
        let known = StateKind::ALL.into_iter().find(|s| state_byte(*s) == state);
        let state = known.ok_or_else(|| Damage::Value(format!("state {state}")))?;
        let mut text = || -> Result<&'a str, Damage> {
            let (length, after) = rest.split_first().ok_or(Damage::Short)?;
            let (text, after) =
                after.split_at_checked(usize::from(*length)).ok_or(Damage::Short)?;
            rest = after;
            utf8(text)
        };
        let (queue, owner, image_type, arch, name) = (text()?, text()?, text()?, text()?, text()?);
        Ok(Self {
            state,
            queue,
            owner,
            image_type,
            arch,
            name,
            tags: utf8(rest)?.into(),
            submitted: Timestamp::from_millis(i64::from_be_bytes(*submitted)),
            bytes: u64::from_be_bytes(*size),
            pinned: marks & PINNED != 0,
            gone: marks & GONE != 0,
        })
    }

    /// True if the row says of the shelf what the shelf says.
    pub(super) fn shows(&self, shelf: &ShelfRecord) -> bool {
        (self.pinned, self.gone) == (shelf.pinned.is_some(), shelf.artifacts_gone.is_some())
            && *self.tags == joined(shelf)
    }

    /// What the job is indexed by.
    pub(super) fn terms(&self) -> [(Dim, &'a str); 5] {
        [
            (Dim::State, self.state.as_str()),
            (Dim::Queue, self.queue),
            (Dim::Owner, self.owner),
            (Dim::ImageType, self.image_type),
            (Dim::Arch, self.arch),
        ]
    }

    /// The keys of its index entries.
    pub(super) fn index_keys(&self, id: JobId) -> [Vec<u8>; 5] {
        self.terms().map(|(dim, value)| keys::index_key(dim, value, &keys::job_key(id)))
    }

    /// The keys of the counters it counts in.
    pub(super) fn counter_keys(&self) -> Vec<Vec<u8>> {
        let pair = keys::queue_state(self.queue, self.state);
        let single = self.terms().map(|(dim, value)| keys::counter_key(dim, value));
        let more = [keys::counter_key(Dim::All, ""), keys::counter_key(Dim::QueueState, &pair)];
        single.into_iter().chain(more).collect()
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Damage> {
    std::str::from_utf8(bytes).map_err(|e| Damage::Shape(e.to_string()))
}

/// The tags as they stand in a row; those that find no room are not found by.
fn joined(shelf: &ShelfRecord) -> String {
    let mut joined = String::new();
    for tag in &shelf.tags {
        if joined.len() + tag.as_str().len() >= MOST_TAG_BYTES {
            break;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(tag.as_str());
    }
    joined
}

/// A filter made ready for looking at many rows.
pub(super) struct Wanted<'a> {
    terms: Vec<(Dim, &'a str)>,
    state: Option<StateKind>,
    text: Option<String>,
    number: Option<JobId>,
}

impl<'a> Wanted<'a> {
    /// The filter, its text trimmed and in small letters. A blank text wants everything.
    pub(super) fn new(filter: &'a JobFilter) -> Self {
        let text = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty());
        let terms = [
            filter.state.map(|s| (Dim::State, s.as_str())),
            filter.queue.as_ref().map(|q| (Dim::Queue, q.as_str())),
            filter.owner.as_ref().map(|o| (Dim::Owner, o.as_str())),
            filter.image_type.as_ref().map(|t| (Dim::ImageType, t.as_str())),
            filter.arch.as_ref().map(|a| (Dim::Arch, a.as_str())),
        ];
        Self {
            terms: terms.into_iter().flatten().collect(),
            state: filter.state,
            text: text.map(str::to_ascii_lowercase),
            number: text.and_then(|t| t.parse().ok()),
        }
    }

    /// The fields that are asked for, as index terms.
    pub(super) fn terms(&self) -> &[(Dim, &'a str)] {
        &self.terms
    }

    /// True if it looks for a text.
    pub(super) fn has_text(&self) -> bool {
        self.text.is_some()
    }

    /// The counter that holds the size of exactly this filter, if there is one.
    pub(super) fn counter(&self) -> Option<Vec<u8>> {
        if self.has_text() {
            return None;
        }
        match self.terms.as_slice() {
            [] => Some(keys::counter_key(Dim::All, "")),
            [(dim, value)] => Some(keys::counter_key(*dim, value)),
            [(Dim::State, _), (Dim::Queue, queue)] => {
                let pair = keys::queue_state(queue, self.state?);
                Some(keys::counter_key(Dim::QueueState, &pair))
            }
            _ => None,
        }
    }

    /// True if the job with this row is wanted.
    pub(super) fn matches(&self, id: JobId, row: &Facets<'_>) -> bool {
        let has = row.terms();
        self.terms.iter().all(|term| has.contains(term)) && self.text_matches(id, row.name)
    }

    fn text_matches(&self, id: JobId, name: &str) -> bool {
        let Some(text) = &self.text else { return true };
        self.number == Some(id) || contains_ignoring_case(name.as_bytes(), text.as_bytes())
    }
}

/// `text` is in small letters already.
fn contains_ignoring_case(name: &[u8], text: &[u8]) -> bool {
    name.windows(text.len()).any(|w| w.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Facets<'static> {
        Facets {
            state: StateKind::Failed,
            queue: "web",
            owner: "ann",
            image_type: "raw",
            arch: "armv7hl",
            name: "Core-1.2",
            tags: "nightly release-1".into(),
            submitted: Timestamp::from_millis(-7),
            bytes: 1 << 40,
            pinned: true,
            gone: false,
        }
    }

    #[test]
    fn a_row_comes_back_and_a_cut_or_changed_one_is_refused() {
        let bytes = row().encode();
        assert_eq!(Facets::decode(&bytes), Ok(row()));
        for end in 0..bytes.len() {
            assert!(Facets::decode(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_text_is_found_in_any_case_and_a_number_only_as_a_whole() {
        let wants = |text: &str, id| {
            let filter = JobFilter { text: Some(text.into()), ..JobFilter::default() };
            Wanted::new(&filter).matches(JobId::new(id).unwrap(), &row())
        };
        assert!(wants(" cORE ", 7));
        assert!(wants("", 7));
        assert!(wants("77", 77));
        assert!(!wants("7", 77));
        assert!(wants("1.2", 7));
        assert!(!wants("cores", 7));
    }
}
