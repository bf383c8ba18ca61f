//! Checking the store, and building again what is derived from its records.

use super::{
    Batch, FsckReport, Intent, Receipt, SessionRecord, ShelfRecord, Store, StoreError, TokenRecord,
    codec::{self, Damage, Record},
    core::{Core, Gate},
    engine::{Engine, Pair},
    facets::Facets,
    keys::{self, Dim, Space, Unfinished, meta},
    open::number_jobs,
    overlay::{Overlay, whole},
    people::Setting,
    reads::last_job,
    trail::{self, AuditLine},
    tx::{Tx, decode_at, log_damage},
};
use crate::domain::{Group, Job, Queue, Site, User};
use std::collections::BTreeMap;

/// Records whose derived entries are written together.
const PIECE: usize = 200;
/// Most sentences in a report; a number stands for the others.
const MOST_FINDINGS: usize = 500;

impl Store {
    /// Reads every record; with `repair` rebuilds indexes and counters and quarantines the damaged.
    /// Writes wait for it, reads do not.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn fsck(&self, repair: bool) -> Result<FsckReport, StoreError> {
        let core = self.core();
        let mut gate = core.gate();
        let mut check = Check::new(core)?;
        check.run()?;
        let mut report = check.into_report();
        if repair {
            core.ready(&mut gate)?;
            quarantine_all(core, &mut gate)?;
            rebuild(core, &mut gate)?;
            number_jobs(core, &mut gate)?;
            core.changed_all()?;
            report.rebuilt = true;
        }
        Ok(report)
    }
}

/// A check that goes on.
struct Check {
    engine: std::sync::Arc<Engine>,
    last_job: u64,
    records: u64,
    findings: Vec<String>,
    more: u64,
    /// What the counters should say.
    counters: BTreeMap<Vec<u8>, u64>,
}

impl Check {
    fn new(core: &Core) -> Result<Self, StoreError> {
        Ok(Self {
            engine: core.engine()?,
            last_job: last_job(core)?,
            records: 0,
            findings: Vec::new(),
            more: 0,
            counters: BTreeMap::new(),
        })
    }

    fn run(&mut self) -> Result<(), StoreError> {
        self.records_of(Self::job)?;
        self.records_of(|_, _: &Queue| Ok(()))?;
        self.records_of(|_, _: &User| Ok(()))?;
        self.records_of(|_, _: &Group| Ok(()))?;
        self.records_of(|_, _: &Site| Ok(()))?;
        self.records_of(|_, _: &Setting| Ok(()))?;
        self.records_of(|_, _: &ShelfRecord| Ok(()))?;
        self.records_of(|_, _: &Intent| Ok(()))?;
        self.records_of(|_, _: &Receipt| Ok(()))?;
        self.records_of(|_, _: &Batch| Ok(()))?;
        self.records_of(|check, s: &SessionRecord| {
            check.indexed(Dim::SessionOf, s.user.as_str(), &s.id_hash)
        })?;
        self.records_of(|check, t: &TokenRecord| {
            check.indexed(Dim::TokenOf, t.user.as_str(), &t.id_hash)
        })?;
        self.audit()?;
        self.index()?;
        self.rows()?;
        self.parts()?;
        self.counters()?;
        self.numbers()
    }

    fn into_report(mut self) -> FsckReport {
        if self.more > 0 {
            self.findings.push(format!("and {} more findings", self.more));
        }
        FsckReport { records: self.records, findings: self.findings, rebuilt: false }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Reads every record of a kind, and lets `look` say what it thinks of the good ones.
    fn records_of<R: Record>(
        &mut self,
        look: impl Fn(&mut Self, &R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let engine = std::sync::Arc::clone(&self.engine);
        for pair in engine.prefix(R::SPACE, &[])? {
            let (key, value) = pair?;
            self.records += 1;
            match read::<R>(&engine, &key, value.to_vec())? {
                Ok(record) => look(self, &record)?,
                Err(damage) => {
                    let record = R::SPACE.show(&key);
                    self.find(format!("the record {record} cannot be read: {damage}"));
                }
            }
        }
        Ok(())
    }

    fn job(&mut self, job: &Job) -> Result<(), StoreError> {
        let shelf = shelf_of(&self.engine, job)?;
        let row = Facets::of(job, &shelf);
        for counter in row.counter_keys() {
            *self.counters.entry(counter).or_default() += 1;
        }
        if self.engine.get(Space::Facets, &keys::job_key(job.id))? != Some(row.encode()) {
            self.find(format!("job {} has no right row to search in", job.id));
        }
        for key in row.index_keys(job.id) {
            if !self.engine.has(Space::Index, &key)? {
                self.find(format!("job {} is missing in an index", job.id));
            }
        }
        Ok(())
    }

    fn indexed(&mut self, dim: Dim, user: &str, id: &[u8; 32]) -> Result<(), StoreError> {
        if !self.engine.has(Space::Index, &keys::index_key(dim, user, id))? {
            self.find(format!("a session or token of {user} is missing in its index"));
        }
        Ok(())
    }

    fn audit(&mut self) -> Result<(), StoreError> {
        let engine = std::sync::Arc::clone(&self.engine);
        let check = trail::follow(&engine, &mut |line| self.line(line))?;
        self.records += check.lines;
        for broken in check.broken {
            self.find(format!("the audit trail is broken: {broken}"));
        }
        Ok(())
    }

    fn line(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        for counter in line.counter_keys() {
            *self.counters.entry(counter).or_default() += 1;
        }
        for key in line.index_keys() {
            if !self.engine.has(Space::Index, &key)? {
                self.find(format!(
                    "line {} of the audit trail is missing in an index",
                    line.number
                ));
            }
        }
        Ok(())
    }

    fn index(&mut self) -> Result<(), StoreError> {
        let engine = std::sync::Arc::clone(&self.engine);
        for pair in engine.prefix(Space::Index, &[])? {
            let (key, _) = pair?;
            if !entry_has_owner(&engine, &key)? {
                self.find("an index entry has no record".into());
            }
        }
        Ok(())
    }

    fn rows(&mut self) -> Result<(), StoreError> {
        let engine = std::sync::Arc::clone(&self.engine);
        for pair in engine.prefix(Space::Facets, &[])? {
            let (key, _) = pair?;
            if !engine.has(Space::Jobs, &key)? {
                self.find(format!("a row to search in has no record: {}", Space::Jobs.show(&key)));
            }
        }
        Ok(())
    }

    fn parts(&mut self) -> Result<(), StoreError> {
        let engine = std::sync::Arc::clone(&self.engine);
        for pair in engine.prefix(Space::Parts, &[])? {
            if !part_has_owner(&engine, &pair?.0)? {
                self.find("a piece of a long record belongs to none".into());
            }
        }
        Ok(())
    }

    fn counters(&mut self) -> Result<(), StoreError> {
        let mut kept = BTreeMap::new();
        for pair in self.engine.prefix(Space::Counters, &[])? {
            let (key, value) = pair?;
            kept.insert(key.to_vec(), keys::number(&value).unwrap_or(0));
        }
        let counted = std::mem::take(&mut self.counters);
        let mut all: Vec<&Vec<u8>> = counted.keys().chain(kept.keys()).collect();
        all.sort_unstable();
        all.dedup();
        for key in all {
            let says = kept.get(key).copied().unwrap_or(0);
            let is = counted.get(key).copied().unwrap_or(0);
            if says != is {
                let name = counted_thing(key);
                self.find(format!("the counter of {name} says {says}, there are {is}"));
            }
        }
        Ok(())
    }

    fn numbers(&mut self) -> Result<(), StoreError> {
        let next = self.engine.number(Space::Meta, meta::NEXT_JOB)?.unwrap_or(0);
        if next <= self.last_job {
            let last = self.last_job;
            self.find(format!("the next job number {next} is not above the last job {last}"));
        }
        Ok(())
    }
}

/// A record; the inner error says that it is damaged.
fn read<R: Record>(
    engine: &Engine,
    key: &[u8],
    value: Vec<u8>,
) -> Result<Result<R, Damage>, StoreError> {
    Ok(whole(engine, R::SPACE, key, value)?.and_then(|bytes| decode_at(key, &bytes)))
}

/// What a counter counts, for people.
fn counted_thing(key: &[u8]) -> String {
    let (dim, name) = key.split_first().unwrap_or((&0, &[]));
    let name = String::from_utf8_lossy(name);
    match *dim {
        dim if dim == Dim::All as u8 => "all jobs".into(),
        dim if dim == Dim::AuditAll as u8 => "all audit lines".into(),
        dim if dim == Dim::AuditActor as u8 => format!("audit lines by {name}"),
        dim if dim == Dim::AuditAction as u8 => format!("audit lines of {name}"),
        _ => name.into(),
    }
}

/// What retention knows of a job. What cannot be read is reported where shelves are looked at.
fn shelf_of(engine: &Engine, job: &Job) -> Result<ShelfRecord, StoreError> {
    let key = keys::job_key(job.id);
    let Some(value) = engine.get(Space::Shelves, &key)? else {
        return Ok(ShelfRecord::new(job.id));
    };
    Ok(read(engine, &key, value)?.unwrap_or_else(|_| ShelfRecord::new(job.id)))
}

fn entry_has_owner(engine: &Engine, entry: &[u8]) -> Result<bool, StoreError> {
    let dim = entry.first().copied().unwrap_or(0);
    if dim >= Dim::AuditAll as u8 {
        let number = entry.get(entry.len().saturating_sub(8)..).unwrap_or(entry);
        let Some(value) = engine.get(Space::Audit, number)? else { return Ok(false) };
        let line = read::<AuditLine>(engine, number, value)?;
        return Ok(line.is_ok_and(|line| line.index_keys().iter().any(|key| key == entry)));
    }
    if dim >= Dim::SessionOf as u8 {
        let id = entry.get(entry.len().saturating_sub(32)..).unwrap_or(entry);
        let owner = |dim: Dim, user: &str| keys::index_key(dim, user, id) == entry;
        let session = engine.get(Space::Sessions, id)?;
        let session = session.and_then(|v| decode_at::<SessionRecord>(id, &v).ok());
        let token = engine.get(Space::Tokens, id)?;
        let token = token.and_then(|v| decode_at::<TokenRecord>(id, &v).ok());
        return Ok(session.is_some_and(|s| owner(Dim::SessionOf, s.user.as_str()))
            || token.is_some_and(|t| owner(Dim::TokenOf, t.user.as_str())));
    }
    let Some(id) = keys::job_at_end(entry) else { return Ok(false) };
    let Some(row) = engine.get(Space::Facets, &keys::job_key(id))? else { return Ok(false) };
    Ok(Facets::decode(&row).is_ok_and(|row| row.index_keys(id).iter().any(|key| key == entry)))
}

fn part_has_owner(engine: &Engine, part: &[u8]) -> Result<bool, StoreError> {
    let Some((space, rest)) = part.split_first() else { return Ok(false) };
    let Some((key, [_, a, b])) = rest.split_last_chunk::<3>() else { return Ok(false) };
    let Some(space) = Space::from_byte(*space) else { return Ok(false) };
    let place = engine.get(space, key)?;
    Ok(place.is_some_and(|value| u16::from_be_bytes([*a, *b]) < codec::parts_of(&value)))
}

/// Puts every damaged record aside.
fn quarantine_all(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    quarantine::<Job>(core, gate)?;
    quarantine::<Queue>(core, gate)?;
    quarantine::<User>(core, gate)?;
    quarantine::<Group>(core, gate)?;
    quarantine::<Site>(core, gate)?;
    quarantine::<Setting>(core, gate)?;
    quarantine::<ShelfRecord>(core, gate)?;
    quarantine::<Intent>(core, gate)?;
    quarantine::<Receipt>(core, gate)?;
    quarantine::<Batch>(core, gate)?;
    quarantine::<SessionRecord>(core, gate)?;
    quarantine::<TokenRecord>(core, gate)?;
    quarantine::<AuditLine>(core, gate)
}

fn quarantine<R: Record>(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let engine = core.engine()?;
    for pair in engine.prefix(R::SPACE, &[])? {
        let (key, value) = pair?;
        let Err(damage) = read::<R>(&engine, &key, value.to_vec())? else { continue };
        log_damage(R::SPACE, &key, &damage);
        let nothing = Overlay::default();
        let mut tx = Tx::new(&engine, &nothing);
        tx.put_aside(R::SPACE, &key)?;
        core.apply_piece(gate, &tx.into_changes())?;
    }
    Ok(())
}

/// Builds rows, indexes and counters again from the records. A crash in between is noted in the
/// store, and the next start begins it again.
pub(super) fn rebuild(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let mut note = Overlay::default();
    let word = Unfinished::Rebuild.word().to_vec();
    note.set(Space::Meta, meta::UNFINISHED.to_vec(), Some(word));
    core.commit(gate, note)?;
    let engine = core.engine()?;
    for space in [Space::Facets, Space::Index, Space::Counters] {
        engine.clear(space)?;
    }
    let mut derived = Derived::default();
    for pair in engine.prefix(Space::Jobs, &[])? {
        derived.job(&engine, pair?)?;
        derived.flush(core, gate, PIECE)?;
    }
    derived.people(&engine)?;
    for pair in engine.prefix(Space::Audit, &[])? {
        derived.line(&engine, pair?)?;
        derived.flush(core, gate, PIECE)?;
    }
    derived.finish(core, gate, &engine)
}

/// Derived entries that are not written yet, and the counters so far.
#[derive(Default)]
struct Derived {
    piece: Overlay,
    records: usize,
    counters: BTreeMap<Vec<u8>, u64>,
}

impl Derived {
    fn job(&mut self, engine: &Engine, (key, value): Pair) -> Result<(), StoreError> {
        // A damaged record has nothing to derive from; whoever reads it puts it aside.
        let Ok(job) = read::<Job>(engine, &key, value.to_vec())? else { return Ok(()) };
        let shelf = shelf_of(engine, &job)?;
        let row = Facets::of(&job, &shelf);
        for entry in row.index_keys(job.id) {
            self.piece.set(Space::Index, entry, Some(Vec::new()));
        }
        for counter in row.counter_keys() {
            *self.counters.entry(counter).or_default() += 1;
        }
        self.piece.set(Space::Facets, key.to_vec(), Some(row.encode()));
        self.records += 1;
        Ok(())
    }

    fn line(&mut self, engine: &Engine, (key, value): Pair) -> Result<(), StoreError> {
        let Ok(line) = read::<AuditLine>(engine, &key, value.to_vec())? else { return Ok(()) };
        for entry in line.index_keys() {
            self.piece.set(Space::Index, entry, Some(Vec::new()));
        }
        for counter in line.counter_keys() {
            *self.counters.entry(counter).or_default() += 1;
        }
        self.records += 1;
        Ok(())
    }

    fn people(&mut self, engine: &Engine) -> Result<(), StoreError> {
        for pair in engine.prefix(Space::Sessions, &[])? {
            let (key, value) = pair?;
            if let Ok(s) = read::<SessionRecord>(engine, &key, value.to_vec())? {
                let entry = keys::index_key(Dim::SessionOf, s.user.as_str(), &key);
                self.piece.set(Space::Index, entry, Some(Vec::new()));
            }
        }
        for pair in engine.prefix(Space::Tokens, &[])? {
            let (key, value) = pair?;
            if let Ok(t) = read::<TokenRecord>(engine, &key, value.to_vec())? {
                let entry = keys::index_key(Dim::TokenOf, t.user.as_str(), &key);
                self.piece.set(Space::Index, entry, Some(Vec::new()));
            }
        }
        Ok(())
    }

    fn flush(&mut self, core: &Core, gate: &mut Gate, at: usize) -> Result<(), StoreError> {
        if self.records < at {
            return Ok(());
        }
        self.records = 0;
        core.apply_piece(gate, &std::mem::take(&mut self.piece))
    }

    /// The last piece: counters, the audit trail's head, no orphaned pieces, and no note any more.
    fn finish(mut self, core: &Core, gate: &mut Gate, engine: &Engine) -> Result<(), StoreError> {
        for (counter, jobs) in std::mem::take(&mut self.counters) {
            self.piece.set(Space::Counters, counter, Some(jobs.to_be_bytes().to_vec()));
        }
        for pair in engine.prefix(Space::Parts, &[])? {
            let (key, _) = pair?;
            if !part_has_owner(engine, &key)? {
                self.piece.set(Space::Parts, key.to_vec(), None);
            }
        }
        let head = trail::head(engine)?.map(trail::fact);
        self.piece.set(Space::Meta, meta::AUDIT_HEAD.to_vec(), head);
        self.piece.set(Space::Meta, meta::UNFINISHED.to_vec(), None);
        core.commit(gate, self.piece)
    }
}
