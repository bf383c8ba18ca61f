//! The audit trail: how a line lies on disk, the chain that lines make, and what is derived from
//! one. See `records`.
//!
//! Every line holds the SHA-256 of the one before it. The hash is taken over the bytes as they lie
//! in the store, never over a line that was read and encoded again: a line keeps the version it was
//! written with. Two facts of the store hold the chain's ends, the head and the tail, so that
//! neither the oldest lines nor the newest can be taken out without a trace.

use super::{
    AuditCheck, AuditRecord, StoreError, Tx,
    codec::{self, Damage, Record, form},
    engine::Engine,
    keys::{self, Dim, Space, meta},
    overlay::{Look, whole},
    tx::decode_at,
};
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// Most bytes of a word in an index key.
const LONGEST_TERM: usize = 200;

/// A line's number, and the hash of the line before it.
pub(super) type Link = (u64, [u8; 32]);

/// An audit line with its number and the hash of the line before it, so that a line that was
/// changed or taken out shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuditLine {
    /// Its number, counted from 1.
    pub(super) number: u64,
    /// SHA-256 of the line before it as it lies in the store; zeros for the first.
    pub(super) before: [u8; 32],
    /// The line.
    pub(super) record: AuditRecord,
}

/// See [`AuditLine`] and, for forms that grew, `people`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAudit {
    first: StoredAudit1,
    /// What version 2 added.
    request: String,
}

/// Version 1.
#[derive(Serialize, Deserialize)]
struct StoredAudit1 {
    number: u64,
    before: [u8; 32],
    at: i64,
    actor: String,
    peer: String,
    action: String,
    object: String,
    detail: String,
}

impl Record for AuditLine {
    const SPACE: Space = Space::Audit;
    const VERSION: u8 = 2;
    type Stored = StoredAudit;

    fn key(&self) -> Vec<u8> {
        self.number.to_be_bytes().into()
    }

    fn to_stored(&self) -> StoredAudit {
        let line = &self.record;
        let first = StoredAudit1 {
            number: self.number,
            before: self.before,
            at: line.at.as_millis(),
            actor: line.actor.clone(),
            peer: line.peer.clone(),
            action: line.action.clone(),
            object: line.object.clone(),
            detail: line.detail.clone(),
        };
        StoredAudit { first, request: line.request.clone() }
    }

    fn from_stored(StoredAudit { first: stored, request }: StoredAudit) -> Result<Self, Damage> {
        let record = AuditRecord {
            at: Timestamp::from_millis(stored.at),
            actor: stored.actor,
            peer: stored.peer,
            action: stored.action,
            object: stored.object,
            detail: stored.detail,
            request,
        };
        Ok(Self { number: stored.number, before: stored.before, record })
    }

    fn older(version: u8, body: &[u8]) -> Result<Self, Damage> {
        match version {
            1 => Self::from_stored(StoredAudit { first: form(body)?, request: String::new() }),
            other => Err(Damage::Version(other)),
        }
    }
}

impl AuditLine {
    fn terms(&self) -> [(Dim, Cow<'_, str>); 3] {
        [
            (Dim::AuditActor, term(&self.record.actor)),
            (Dim::AuditAction, term(&self.record.action)),
            (Dim::AuditObject, term(&self.record.object)),
        ]
    }

    /// The keys of its index entries.
    pub(super) fn index_keys(&self) -> [Vec<u8>; 3] {
        self.terms().map(|(dim, word)| keys::index_key(dim, &word, &self.number.to_be_bytes()))
    }

    /// The keys of the counters it counts in.
    pub(super) fn counter_keys(&self) -> [Vec<u8>; 3] {
        let [(by, actor), (of, action), _] = self.terms();
        [
            keys::counter_key(Dim::AuditAll, ""),
            keys::counter_key(by, &actor),
            keys::counter_key(of, &action),
        ]
    }
}

/// A text as it stands in index and counter keys: short, and without the NUL that ends it there.
pub(super) fn term(text: &str) -> Cow<'_, str> {
    let short = text.get(..text.floor_char_boundary(LONGEST_TERM)).unwrap_or(text);
    if short.contains('\0') { short.replace('\0', "\u{FFFD}").into() } else { short.into() }
}

impl Tx<'_> {
    /// Appends to the audit trail.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn append_audit(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let (number, before) = link(self, meta::AUDIT_HEAD)?.unwrap_or(BEGINNING);
        let line = AuditLine { number, before, record: record.clone() };
        let bytes = codec::encode(&line)?;
        let head = (number.saturating_add(1), hash(&bytes));
        self.put_meta(meta::AUDIT_HEAD, Some(fact(head)));
        for entry in line.index_keys() {
            self.note(entry);
        }
        for counter in line.counter_keys() {
            self.bump(counter, 1)?;
        }
        self.put_bytes(Space::Audit, line.key(), bytes)
    }

    /// Removes the oldest audit lines that are from before `before`, at most `most`; says how many.
    /// The chain goes on from what was removed last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn trim_audit(&mut self, before: Timestamp, most: usize) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut old = Vec::new();
        for pair in self.engine.prefix(Space::Audit, &[])?.take(most) {
            old.push(pair?.0.to_vec());
        }
        for key in old {
            let Some(value) = self.look(Space::Audit, &key)? else { break };
            let line = self.record::<AuditLine>(&key)?.filter(|l| l.record.at < before);
            let Some(line) = line else { break };
            // It was read a moment ago, so its bytes are all there.
            let Ok(bytes) = whole(self, Space::Audit, &key, value)? else { break };
            self.put_meta(
                meta::AUDIT_TAIL,
                Some(fact((line.number.saturating_add(1), hash(&bytes)))),
            );
            self.remove_line(&line)?;
            removed += 1;
        }
        Ok(removed)
    }

    fn remove_line(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        for entry in line.index_keys() {
            self.forget(entry);
        }
        for counter in line.counter_keys() {
            self.bump(counter, -1)?;
        }
        self.remove(Space::Audit, &line.key()).map(drop)
    }
}

/// Where every trail begins.
const BEGINNING: Link = (1, [0; 32]);

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn link(from: &impl Look, key: &[u8]) -> Result<Option<Link>, StoreError> {
    Ok(from.look(Space::Meta, key)?.as_deref().and_then(keys::chained))
}

/// A link as it stands among the store's facts.
pub(super) fn fact((number, before): Link) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &before].concat()
}

/// Follows the chain from the oldest line to the newest and shows every good line to `look`.
pub(super) fn follow(
    engine: &Engine,
    look: &mut dyn FnMut(&AuditLine) -> Result<(), StoreError>,
) -> Result<AuditCheck, StoreError> {
    // What is appended after this moment is not looked at.
    let head = link(engine, meta::AUDIT_HEAD)?;
    let mut chain = Chain::from(link(engine, meta::AUDIT_TAIL)?.unwrap_or(BEGINNING));
    for pair in engine.prefix(Space::Audit, &[])? {
        let (key, value) = pair?;
        let number = keys::number(&key).unwrap_or(0);
        if head.is_some_and(|(next, _)| number >= next) {
            if engine.get(Space::Meta, meta::AUDIT_HEAD)?.as_deref().and_then(keys::chained) == head
            {
                chain.broke(format!("line {number} was put in behind the newest one"));
            }
            continue;
        }
        let bytes = whole(engine, Space::Audit, &key, value.to_vec())?;
        let read = bytes.and_then(|b| Ok((decode_at::<AuditLine>(&key, &b)?, hash(&b))));
        if let Some(line) = chain.add(number, read) {
            look(&line)?;
        }
    }
    Ok(chain.end(head))
}

/// How far a chain was followed.
struct Chain {
    check: AuditCheck,
    /// The number that comes next, and the hash of the line before it if that could be read.
    next: (u64, Option<[u8; 32]>),
}

impl Chain {
    fn from((number, before): Link) -> Self {
        Self { check: AuditCheck::default(), next: (number, Some(before)) }
    }

    fn broke(&mut self, what: String) {
        self.check.broken.push(what);
    }

    /// Looks at what lies under `number`; gives the line back if it could be read.
    fn add(
        &mut self,
        number: u64,
        read: Result<(AuditLine, [u8; 32]), Damage>,
    ) -> Option<AuditLine> {
        let check = &mut self.check;
        check.lines += 1;
        check.first = if check.lines == 1 { number } else { check.first };
        check.last = number;
        let (expected, before) = self.next;
        if number != expected {
            self.broke(gap(expected, number));
        }
        if number < expected {
            return read.ok().map(|(line, _)| line);
        }
        self.next = (number.saturating_add(1), None);
        match read {
            Ok((line, own)) => {
                if number == expected && before.is_some_and(|before| before != line.before) {
                    let last = number.saturating_sub(1);
                    self.broke(format!(
                        "line {number} does not continue line {last}: one of them was changed"
                    ));
                }
                self.next.1 = Some(own);
                Some(line)
            }
            Err(damage) => {
                self.broke(format!("line {number} cannot be read: {damage}"));
                None
            }
        }
    }

    fn end(mut self, head: Option<Link>) -> AuditCheck {
        let (next, before) = self.next;
        match head {
            Some((number, _)) if number != next => self.broke(gap(next, number)),
            Some((_, hash)) if before.is_some_and(|before| before != hash) => {
                let last = next.saturating_sub(1);
                self.broke(format!("line {last}, the newest, was changed"));
            }
            Some(_) | None => {}
        }
        self.check
    }
}

/// What it means that `found` comes where `expected` should.
fn gap(expected: u64, found: u64) -> String {
    match found.checked_sub(expected) {
        Some(1) => format!("line {expected} was taken out"),
        Some(more) => format!("lines {expected} to {} were taken out", expected + more - 1),
        None => format!("line {found} was put in before line {expected}, where the trail begins"),
    }
}

/// The head that a store should have: what it says itself, unless it says nothing or less than its
/// lines do. A line that was changed or taken out must not be hidden by a repair.
pub(super) fn head(engine: &Engine) -> Result<Option<Link>, StoreError> {
    let said = link(engine, meta::AUDIT_HEAD)?;
    let tail = link(engine, meta::AUDIT_TAIL)?;
    let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let Some(last) = engine.range(Space::Audit, everything, true)?.next() else {
        return Ok(said.max(tail));
    };
    let (key, value) = last?;
    let next = keys::number(&key).unwrap_or(0).saturating_add(1);
    if let Some(said) = said.filter(|(number, _)| *number >= next) {
        return Ok(Some(said));
    }
    let bytes = whole(engine, Space::Audit, &key, value.to_vec())?;
    Ok(Some((next, bytes.map_or([0; 32], |bytes| hash(&bytes)))))
}

/// The tail of a trail that came without one: it begins with its oldest line.
pub(super) fn first_link(engine: &Engine) -> Result<Option<Link>, StoreError> {
    let Some(first) = engine.prefix(Space::Audit, &[])?.next() else { return Ok(None) };
    let (key, value) = first?;
    let bytes = whole(engine, Space::Audit, &key, value.to_vec())?;
    let line = bytes.and_then(|bytes| decode_at::<AuditLine>(&key, &bytes));
    Ok(line.ok().map(|line| (line.number, line.before)))
}
