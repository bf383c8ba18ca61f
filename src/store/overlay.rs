//! Changes that are not in sled yet, and looking through them.

use super::{StoreError, codec, engine::Engine, keys, keys::Space};
use std::{collections::BTreeMap, ops::Bound};

/// What will stand in each place; `None` where nothing will.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlay(BTreeMap<Space, Changes>);

/// The changes of one space.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl Overlay {
    /// What this overlay says of a place; the outer `None` if nothing.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<Option<&[u8]>> {
        self.0.get(&space)?.get(key).map(Option::as_deref)
    }

    /// Says what shall stand in a place.
    pub(super) fn set(&mut self, space: Space, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.entry(space).or_default().insert(key, value);
    }

    /// Lays `later` over this one.
    pub(super) fn absorb(&mut self, later: Self) {
        for (space, changes) in later.0 {
            self.0.entry(space).or_default().extend(changes);
        }
    }

    /// Every space that changes, and how.
    pub(super) fn spaces(&self) -> impl Iterator<Item = (Space, &Changes)> {
        self.0.iter().map(|(space, changes)| (*space, changes))
    }

    /// The changes of one space whose keys begin with `prefix`.
    pub(super) fn prefix<'a>(
        &'a self,
        space: Space,
        prefix: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let changes = self.0.get(&space).into_iter().flat_map(move |c| c.range::<[u8], _>(from));
        changes
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// True if nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of keys and values, roughly what sled's log gets.
    pub(super) fn bytes(&self) -> usize {
        let pairs = self.0.values().flatten();
        pairs.map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }
}

/// sled with changes laid over it: what a transaction sees.
pub(super) trait Look {
    /// What stands in a place.
    fn look(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
}

impl Look for Engine {
    fn look(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(space, key)
    }
}

/// The bytes of a record, put together from its pieces where it has some. The inner error is a
/// damaged record, the outer one a store that cannot be read.
pub(super) fn whole(
    from: &impl Look,
    space: Space,
    key: &[u8],
    value: Vec<u8>,
) -> Result<Result<Vec<u8>, codec::Damage>, StoreError> {
    let count = codec::parts_of(&value);
    if count == 0 {
        return Ok(Ok(value));
    }
    let mut bytes = Vec::with_capacity(usize::from(count) * codec::LONGEST);
    for n in 0..count {
        match from.look(Space::Parts, &keys::part_key(space, key, n))? {
            Some(part) => bytes.extend_from_slice(&part),
            None => return Ok(Err(codec::Damage::Part(n))),
        }
    }
    Ok(Ok(bytes))
}
