//! What stands in `log.gz`.
//!
//! One gzip member for each [`MEMBER`] bytes of the log, the last one shorter. Its header has an
//! extra field `IM`: bytes of the member, where its text begins, bytes of the whole log. After them
//! comes a member without text whose extra field `IX` is the directory: bytes of each member,
//! bytes of the log and the CRC-32 of all of it, the number of members, and a checksum of all
//! that. It is only a short cut: without it the members are found by their headers.
//!
//! The compressed bytes of a member end at a full flush; the two bytes that end a deflate stream
//! come after it. So the members without their ends, put together, are *one* deflate stream: that
//! is what goes to browsers, which read the first member of a gzip file and ignore the others.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Bytes of a log that one member holds.
pub(crate) const MEMBER: u64 = 256 << 10;
/// Bytes before the compressed ones.
pub(super) const HEADER: usize = 36;
/// The end of a deflate stream: a last block with nothing in it.
pub(super) const LAST_BLOCK: [u8; 2] = [3, 0];
/// Bytes after the compressed ones: the last block, CRC-32 and length.
pub(super) const END: usize = 10;
/// Deflate, with an extra field, no time, from a system that is not told.
const MAGIC: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
/// How a member's header begins.
pub(super) const START: [u8; 16] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 24, 0, b'I', b'M', 20, 0];
/// Bytes of the directory besides the sizes: total, CRC-32, count, checksum.
const FIXED: usize = 20;
/// Members a directory can name: an extra field has 65,535 bytes at most. A longer log (4 GiB)
/// does without.
const MOST: usize = (65_535 - 4 - FIXED) / 4;

/// A member's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the member, header and end included.
    pub(super) size: u32,
    /// Where in the log its text begins.
    pub(super) offset: u64,
    /// Bytes of the whole log.
    pub(super) total: u64,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&START);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.total.to_le_bytes());
        bytes
    }

    /// `None` for what is no header, or one that cannot be true.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.strip_prefix(&START)?.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let total = rest.first_chunk::<8>()?;
        let (size, offset) = (u32::from_le_bytes(*size), u64::from_le_bytes(*offset));
        let header = Self { size, offset, total: u64::from_le_bytes(*total) };
        let sane = offset.is_multiple_of(MEMBER) && offset < header.total && is_size(size);
        sane.then_some(header)
    }

    /// The header at byte `at` of a file; `None` if there is none.
    pub(super) fn at(file: &File, at: u64) -> Option<Self> {
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, at).ok()?;
        Self::decode(&bytes)
    }
}

/// Whether a member can have this many bytes.
fn is_size(size: u32) -> bool {
    (HEADER + END..2 * MEMBER as usize).contains(&(size as usize))
}

/// Bytes of text in the member that begins at `offset`.
pub(super) fn text_len(offset: u64, total: u64) -> usize {
    // At most MEMBER.
    total.saturating_sub(offset).min(MEMBER) as usize
}

/// Where everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    /// Bytes of each member.
    pub(super) sizes: Vec<u32>,
    /// Bytes of the log.
    pub(super) total: u64,
    /// CRC-32 of the log.
    pub(super) crc: u32,
}

impl Directory {
    /// The member that holds it; `None` if there are too many members.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let count = self.sizes.len();
        if count > MOST {
            return None;
        }
        let mut body: Vec<u8> = self.sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        body.extend_from_slice(&self.total.to_le_bytes());
        body.extend_from_slice(&self.crc.to_le_bytes());
        body.extend_from_slice(&u32::try_from(count).ok()?.to_le_bytes());
        body.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        let length = u16::try_from(body.len()).ok()?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&length.checked_add(4)?.to_le_bytes());
        bytes.extend_from_slice(b"IX");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&LAST_BLOCK);
        bytes.extend_from_slice(&[0; 8]);
        Some(bytes)
    }

    /// The directory at the end of a file of `size` bytes; `None` if there is none that can be
    /// believed.
    pub(super) fn read(file: &File, size: u64) -> Option<Self> {
        let mut end = [0; 8 + END];
        file.read_exact_at(&mut end, size.checked_sub((8 + END) as u64)?).ok()?;
        let count = u32::from_le_bytes(*end.first_chunk::<4>()?) as usize;
        if count > MOST {
            return None;
        }
        let length = MAGIC.len() + 6 + 4 * count + FIXED + END;
        let mut bytes = vec![0; length];
        let begin = size.checked_sub(length as u64)?;
        file.read_exact_at(&mut bytes, begin).ok()?;
        let directory = Self::decode(&bytes, count)?;
        let members: u64 = directory.sizes.iter().map(|size| u64::from(*size)).sum();
        let whole = directory.total.div_ceil(MEMBER) == count as u64
            && directory.sizes.iter().all(|size| is_size(*size))
            && members == begin;
        whole.then_some(directory)
    }

    fn decode(bytes: &[u8], count: usize) -> Option<Self> {
        let (sizes, rest) = bytes.get(MAGIC.len() + 6..)?.split_at_checked(4 * count)?;
        let (total, rest) = rest.split_first_chunk::<8>()?;
        let crc = rest.first_chunk::<4>()?;
        let sizes = sizes.as_chunks::<4>().0.iter().map(|size| u32::from_le_bytes(*size));
        let (total, crc) = (u64::from_le_bytes(*total), u32::from_le_bytes(*crc));
        let directory = Self { sizes: sizes.collect(), total, crc };
        // The checksum in it, and every other byte.
        (directory.encode()? == bytes).then_some(directory)
    }
}

/// The end of member bytes: CRC-32 and length of its text.
pub(super) fn trailer(crc: u32, len: u64) -> [u8; 8] {
    let (crc, len) = (u64::from(crc), len & u64::from(u32::MAX));
    (len << 32 | crc).to_le_bytes()
}

/// The next place at or after `from` where a member's header may begin.
pub(super) fn find_start(file: &File, from: u64) -> io::Result<Option<u64>> {
    const CHUNK: usize = 64 << 10;
    let finder = memchr::memmem::Finder::new(&START);
    let (mut at, mut chunk) = (from, vec![0; CHUNK]);
    loop {
        let mut filled = 0;
        while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = chunk.get(..filled).unwrap_or_default();
        if let Some(found) = finder.find(bytes) {
            return Ok(Some(at + found as u64));
        }
        if filled < CHUNK {
            return Ok(None);
        }
        // One may begin at the very end.
        at += (CHUNK - START.len() + 1) as u64;
    }
}
