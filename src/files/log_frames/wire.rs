//! A compressed log as one gzip member, for those who asked for gzip over HTTP.
//!
//! Browsers read the first member of a gzip answer and ignore the rest. So the members' compressed
//! bytes go out as they lie on disk, but with one header before all of them and one end after.
//! Nothing is compressed again, and where each byte lies is known without reading.

use super::{
    format::{END, HEADER, LAST_BLOCK, trailer},
    read::{Frames, Place},
};
use std::{io, os::unix::fs::FileExt};

/// Deflate, nothing else told.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

impl Frames {
    /// Bytes of it; `None` if the file is not whole.
    pub(in crate::files) fn wire_len(&self) -> Option<u64> {
        self.crc?;
        let last = self.places.last()?;
        Some(begin(last) + packed(last) + END as u64)
    }

    /// Bytes from `offset` of it, fewer at a border; 0 at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or is not whole.
    pub(in crate::files) fn wire_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (Some(len), Some(crc)) = (self.wire_len(), self.crc) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the log is not whole"));
        };
        let end = len - END as u64;
        if offset >= end {
            let mut bytes = LAST_BLOCK.to_vec();
            bytes.extend_from_slice(&trailer(crc, self.len()));
            return Ok(copy(&bytes, offset - end, buf));
        }
        let after = self.places.partition_point(|place| begin(place) <= offset);
        let Some(place) = after.checked_sub(1).and_then(|at| self.places.get(at)) else {
            return Ok(copy(&HEAD, offset, buf));
        };
        let inside = offset - begin(place);
        let left = usize::try_from(packed(place).saturating_sub(inside)).unwrap_or(usize::MAX);
        let count = left.min(buf.len());
        let buf = buf.get_mut(..count).unwrap_or_default();
        self.file.read_at(buf, place.at + HEADER as u64 + inside)
    }
}

/// Where the compressed bytes of a member begin: as on disk, without the headers and ends before.
fn begin(place: &Place) -> u64 {
    HEAD.len() as u64 + place.at - place.number * (HEADER + END) as u64
}

fn packed(place: &Place) -> u64 {
    u64::from(place.size) - (HEADER + END) as u64
}

fn copy(from: &[u8], offset: u64, to: &mut [u8]) -> usize {
    let from = usize::try_from(offset).ok().and_then(|at| from.get(at..)).unwrap_or_default();
    let count = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}
