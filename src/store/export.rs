//! Carrying everything away and bringing it back: one stream, checked as a whole before the first
//! record of it is written.
//!
//! ```text
//! img store export 1, format 4\n
//! space (u8) · key length (u32) · value length (u32) · key · value     … one per record
//! 0xFF · records (u64) · SHA-256 of all before it
//! ```
//! Numbers are big-endian. Values are the stored records, so their own versions travel with them;
//! a long one travels whole. Three of the store's own facts go with them: the next job number, and
//! where the audit trail begins and ends (before format 4 only the first).

use super::{
    Store, StoreError,
    codec::{self, add_checksum, check},
    core::{Core, Gate},
    engine::{io, refuse},
    fsck,
    keys::{self, Space, Unfinished, meta},
    open::{FORMAT, empty, give_tail, number_jobs},
    overlay::{Overlay, whole},
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{BufReader, BufWriter, ErrorKind, Read, Seek as _, Write},
    path::Path,
};

/// The first words of an export.
const MAGIC: &str = "img store export ";
/// The version of the stream.
const VERSION: u32 = 1;
/// Stands where a space stands, at the end.
const END: u8 = 0xFF;
/// No record is longer.
const LONGEST_RECORD: usize = 2 * 1024 * 1024;
/// The store's own facts that are carried.
const FACTS: [&[u8]; 3] = [meta::NEXT_JOB, meta::AUDIT_HEAD, meta::AUDIT_TAIL];
/// The first format whose exports carry more than the first of them.
const WITH_TRAIL: u32 = 4;
/// Bytes written to the store at once.
const PIECE: usize = 256 * 1024;

impl Store {
    /// Writes everything as a versioned, checksummed export (binary) to `out`: every good record
    /// and the next job number, as they are at one moment. Writes wait for it, reads do not.
    /// Returns how many records it holds.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64, StoreError> {
        let _gate = self.core().gate();
        let engine = self.core().engine()?;
        let mut stream = Outgoing { out: BufWriter::new(out), hash: Sha256::new(), records: 0 };
        stream.put(format!("{MAGIC}{VERSION}, format {FORMAT}\n").as_bytes())?;
        for space in Space::RECORDS {
            for pair in engine.prefix(space, &[])? {
                let (key, value) = pair?;
                let Ok(bytes) = whole(engine.as_ref(), space, &key, value.to_vec())? else {
                    continue;
                };
                if check(&bytes).is_ok() {
                    stream.record(space, &key, &bytes)?;
                }
            }
        }
        for fact in FACTS {
            if let Some(value) = engine.get(Space::Meta, fact)? {
                stream.record(Space::Meta, fact, &add_checksum(value))?;
            }
        }
        stream.finish()
    }

    /// Fills an EMPTY store from an export; checks the checksum before the first write. Returns how
    /// many records it held.
    ///
    /// # Errors
    /// The store is not empty, or the export is damaged, cut or newer.
    pub fn import(&self, input: &mut dyn std::io::Read) -> Result<u64, StoreError> {
        let core = self.core();
        let mut gate = core.gate();
        core.ready(&mut gate)?;
        must_be_empty(core)?;
        let mut spool = spool(&core.dir, input)?;
        let records = Incoming::new(&mut spool)?.check()?;
        note(core, &mut gate)?;
        match fill(core, &mut gate, &mut spool) {
            Ok(()) => Ok(records),
            Err(error) => {
                empty(core, &mut gate)?;
                core.changed_all()?;
                Err(error)
            }
        }
    }
}

struct Outgoing<'a> {
    out: BufWriter<&'a mut dyn Write>,
    hash: Sha256,
    records: u64,
}

impl Outgoing<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(|e| io("write the export", e.to_string()))
    }

    fn record(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.put(&[space as u8])?;
        self.put(&length(key)?)?;
        self.put(&length(value)?)?;
        self.put(key)?;
        self.put(value)?;
        self.records += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<u64, StoreError> {
        self.put(&[END])?;
        self.put(&self.records.to_be_bytes())?;
        let sum = self.hash.finalize();
        let written = self.out.write_all(&sum).and_then(|()| self.out.flush());
        written.map_err(|e| io("write the export", e.to_string()))?;
        Ok(self.records)
    }
}

fn length(bytes: &[u8]) -> Result<[u8; 4], StoreError> {
    let length = u32::try_from(bytes.len());
    length.map(u32::to_be_bytes).map_err(|e| io("write the export", e.to_string()))
}

/// What is wrong with an export.
fn bad(reason: impl std::fmt::Display) -> StoreError {
    io("import", format!("{reason}: nothing was written, take another backup file"))
}

/// A record with its space and key.
type Carried = (Space, Vec<u8>, Vec<u8>);

struct Incoming<'a> {
    input: BufReader<&'a mut File>,
    hash: Sha256,
    records: u64,
    /// Of the store that was exported.
    format: u32,
}

impl<'a> Incoming<'a> {
    /// Reads the first line.
    fn new(file: &'a mut File) -> Result<Self, StoreError> {
        file.rewind().map_err(|e| io("import", e.to_string()))?;
        let input = BufReader::new(file);
        let mut stream = Self { input, hash: Sha256::new(), records: 0, format: 0 };
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if line.len() > 80 {
                return Err(bad("it is no export of img's store"));
            }
            line.extend(stream.take::<1>()?);
        }
        let line = String::from_utf8_lossy(&line);
        let known = line.trim_end().strip_prefix(MAGIC).and_then(|rest| {
            let (version, format) = rest.split_once(", format ")?;
            Some((version.parse::<u32>().ok()?, format.parse::<u32>().ok()?))
        });
        match known {
            None => Err(bad("it is no export of img's store")),
            Some((version, format)) if version > VERSION || format > FORMAT => Err(bad(format!(
                "it is an export of version {version} and format {format}, this program knows \
                 {VERSION} and {FORMAT} (use a newer img)"
            ))),
            Some((_, format)) => Ok(Self { format, ..stream }),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StoreError> {
        self.input.read_exact(bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => bad("the export is cut short"),
            _ => io("read the export", e.to_string()),
        })?;
        self.hash.update(&*bytes);
        Ok(())
    }

    fn bytes(&mut self, length: [u8; 4]) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST_RECORD {
            return Err(bad("the export is damaged: a record in it is too long"));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next record; `None` at the end, once count and checksum have been found right.
    fn next(&mut self) -> Result<Option<Carried>, StoreError> {
        let [space] = self.take::<1>()?;
        if space == END {
            return self.end().map(|()| None);
        }
        let space = Space::from_byte(space);
        let known = space.filter(|s| Space::RECORDS.contains(s) || *s == Space::Meta);
        let Some(space) = known else {
            return Err(bad("the export is damaged: it holds records of an unknown kind"));
        };
        let (key, value) = (self.take::<4>()?, self.take::<4>()?);
        let (key, value) = (self.bytes(key)?, self.bytes(value)?);
        if space == Space::Meta && !FACTS.contains(&key.as_slice()) {
            return Err(bad("the export is damaged: it holds an unknown fact"));
        }
        self.records += 1;
        Ok(Some((space, key, value)))
    }

    fn end(&mut self) -> Result<(), StoreError> {
        let records = u64::from_be_bytes(self.take::<8>()?);
        let sum = self.hash.clone().finalize();
        let mut claimed = [0u8; 32];
        self.fill(&mut claimed)?;
        if *sum != claimed || records != self.records {
            return Err(bad("the export is damaged: its checksum does not fit"));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            _ => Err(bad("the export is damaged: something follows its end")),
        }
    }

    /// Reads it all; how many records it holds.
    fn check(mut self) -> Result<u64, StoreError> {
        while self.next()?.is_some() {}
        Ok(self.records)
    }
}

fn must_be_empty(core: &Core) -> Result<(), StoreError> {
    let engine = core.engine()?;
    for space in Space::RECORDS {
        if let Some(pair) = engine.prefix(space, &[])?.next() {
            let found = space.show(&pair?.0);
            let reason = format!(
                "it is not empty (it holds {found}): move {} aside first",
                core.dir.display()
            );
            return Err(refuse(&core.dir, &reason));
        }
    }
    Ok(())
}

/// The whole input in a file without a name, so that it can be checked before it is used.
fn spool(dir: &Path, input: &mut dyn Read) -> Result<File, StoreError> {
    let failed = |e: std::io::Error| io("import", e.to_string());
    let mut file = nameless(&dir.join("import.spool")).map_err(failed)?;
    std::io::copy(input, &mut file).map_err(failed)?;
    Ok(file)
}

#[expect(clippy::disallowed_methods, reason = "the file was made here, in a directory of our own")]
fn nameless(path: &Path) -> std::io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// From here on a crash leaves a store that begins empty again.
fn note(core: &Core, gate: &mut Gate) -> Result<(), StoreError> {
    let mut note = Overlay::default();
    let word = Unfinished::Import.word().to_vec();
    note.set(Space::Meta, meta::UNFINISHED.to_vec(), Some(word));
    core.commit(gate, note)
}

fn fill(core: &Core, gate: &mut Gate, spool: &mut File) -> Result<(), StoreError> {
    let before = core.engine()?.get(Space::Meta, meta::NEXT_JOB)?;
    let mut stream = Incoming::new(spool)?;
    let mut piece = Overlay::default();
    for fact in [meta::AUDIT_HEAD, meta::AUDIT_TAIL] {
        piece.set(Space::Meta, fact.to_vec(), None);
    }
    let mut size = 0;
    while let Some((space, key, value)) = stream.next()? {
        size += key.len() + value.len();
        if space == Space::Meta {
            let fact = check(&value).ok().map(<[u8]>::to_vec);
            // Numbers that were given out here already are not given again either.
            let fact = if key == meta::NEXT_JOB { fact.max(before.clone()) } else { fact };
            piece.set(Space::Meta, key, fact);
        } else {
            lay(&mut piece, space, key, value)?;
        }
        if size > PIECE {
            core.apply_piece(gate, &std::mem::take(&mut piece))?;
            size = 0;
        }
    }
    core.apply_piece(gate, &piece)?;
    if stream.format < WITH_TRAIL {
        give_tail(core, gate)?;
    }
    fsck::rebuild(core, gate)?;
    number_jobs(core, gate)?;
    core.changed_all()
}

fn lay(piece: &mut Overlay, space: Space, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
    let Some((place, parts)) = codec::cut(&value)? else {
        piece.set(space, key, Some(value));
        return Ok(());
    };
    for (n, part) in (0..).zip(parts) {
        piece.set(Space::Parts, keys::part_key(space, &key, n), Some(part));
    }
    piece.set(space, key, Some(place));
    Ok(())
}
