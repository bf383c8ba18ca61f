//! Reading `log.gz` by byte offset of the log.

use super::format::{Directory, END, HEADER, Header, MEMBER, find_start, text_len, trailer};
use flate2::{Decompress, FlushDecompress, Status};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which one, from 0.
    pub(super) number: u64,
    /// Its first byte in the file.
    pub(super) at: u64,
    /// Its bytes.
    pub(super) size: u32,
}

/// The member that was read last: reading on costs nothing then.
#[derive(Debug, Default)]
struct Cache {
    number: Option<u64>,
    text: Vec<u8>,
}

/// A `log.gz`, open. It holds the places of its members and the text of one.
#[derive(Debug)]
pub(in crate::files) struct Frames {
    pub(super) file: File,
    path: String,
    /// By number; some may be missing in a damaged file.
    pub(super) places: Vec<Place>,
    total: u64,
    /// CRC-32 of the log, if the directory is whole.
    pub(super) crc: Option<u32>,
    cache: Mutex<Cache>,
}

impl Frames {
    /// The log in `file`, which has `size` bytes. Whatever state it is in, it opens; what is
    /// damaged shows when it is read.
    pub(in crate::files) fn open(file: File, size: u64, path: String) -> Self {
        let (places, total, crc) = match Directory::read(&file, size) {
            Some(directory) => (places(&directory.sizes), directory.total, Some(directory.crc)),
            None => {
                let (places, total) = scan(&file);
                (places, total, None)
            }
        };
        // Nothing found, and nobody knows how much it was: one byte that cannot be read tells
        // every reader.
        let total = total.max(1);
        Self { file, path, places, total, crc, cache: Mutex::default() }
    }

    /// Bytes of the log.
    pub(in crate::files) fn len(&self) -> u64 {
        self.total
    }

    /// The file itself.
    pub(in crate::files) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes from `offset` of the log, at most up to the end of a member; 0 at the end.
    ///
    /// # Errors
    /// When the member is damaged (`InvalidData`), or the file cannot be read.
    pub(in crate::files) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.total || buf.is_empty() {
            return Ok(0);
        }
        let number = offset / MEMBER;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.number != Some(number) {
            cache.number = None;
            self.load(number, &mut cache.text)?;
            cache.number = Some(number);
        }
        let from = usize::try_from(offset % MEMBER).unwrap_or(usize::MAX);
        let text = cache.text.get(from..).unwrap_or_default();
        let count = text.len().min(buf.len());
        if let (Some(to), Some(text)) = (buf.get_mut(..count), text.get(..count)) {
            to.copy_from_slice(text);
        }
        Ok(count)
    }

    /// Reads every member; the CRC-32 of all of it.
    ///
    /// # Errors
    /// The first damage.
    pub(super) fn check(&self, go_on: &dyn Fn() -> bool) -> io::Result<u32> {
        let (mut crc, mut text) = (crc32fast::Hasher::new(), Vec::new());
        for number in 0..self.total.div_ceil(MEMBER) {
            if !go_on() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.load(number, &mut text)?;
            crc.update(&text);
        }
        Ok(crc.finalize())
    }

    /// Bytes of text it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).text.capacity()
    }

    fn load(&self, number: u64, text: &mut Vec<u8>) -> io::Result<()> {
        let offset = number * MEMBER;
        let found = self.places.binary_search_by_key(&number, |place| place.number);
        let place = found.ok().and_then(|at| self.places.get(at));
        let place = place.ok_or_else(|| self.damaged(offset, "this part of it is missing"))?;
        let mut bytes = vec![0; place.size as usize];
        self.file.read_exact_at(&mut bytes, place.at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(offset, "the file is cut off there"),
            _ => error,
        })?;
        let header = Header { size: place.size, offset, total: self.total };
        text.clear();
        text.resize(text_len(offset, self.total), 0);
        unpack(&bytes, header, text).ok_or_else(|| self.damaged(offset, "a checksum is wrong"))
    }

    fn damaged(&self, offset: u64, why: &str) -> io::Error {
        let last = offset.saturating_add(MEMBER).min(self.total);
        let text = format!(
            "{} is damaged: bytes {offset} to {last} of the log cannot be read, because {why}",
            self.path
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

/// The text of a member, which must have exactly the bytes `text` has; `None` if it is damaged.
fn unpack(member: &[u8], header: Header, text: &mut [u8]) -> Option<()> {
    let packed = member.strip_prefix(header.encode().as_slice())?;
    let (packed, check) = packed.split_last_chunk::<8>()?;
    let mut inflate = Decompress::new(false);
    let status = inflate.decompress(packed, text, FlushDecompress::Finish).ok()?;
    let len = text.len() as u64;
    let whole = matches!(status, Status::StreamEnd)
        && (inflate.total_in(), inflate.total_out()) == (packed.len() as u64, len)
        && trailer(crc32fast::hash(text), len) == *check;
    whole.then_some(())
}

fn places(sizes: &[u32]) -> Vec<Place> {
    let mut at = 0;
    let place = |(number, size): (u64, &u32)| {
        let place = Place { number, at, size: *size };
        at += u64::from(*size);
        place
    };
    (0..).zip(sizes).map(place).collect()
}

/// Finds members by their headers: their places, and the bytes of the log as they tell.
fn scan(file: &File) -> (Vec<Place>, u64) {
    let (mut places, mut total) = (Vec::<Place>::new(), 0);
    let mut at = Some(0);
    while let Some(here) = at {
        let found = Header::at(file, here).filter(|header| total == 0 || header.total == total);
        let Some(header) = found else {
            at = next_start(file, here + 1);
            continue;
        };
        let number = header.offset / MEMBER;
        if places.last().is_none_or(|last| last.number < number) {
            total = header.total;
            places.push(Place { number, at: here, size: header.size });
        }
        let next = here + u64::from(header.size);
        // Where no member follows, this one's size may be what is damaged.
        let follows = Header::at(file, next).is_some();
        at = if follows { Some(next) } else { next_start(file, here + (HEADER + END) as u64) };
    }
    (places, total)
}

/// What cannot be read is as good as not there.
fn next_start(file: &File, from: u64) -> Option<u64> {
    find_start(file, from).unwrap_or_default()
}
