//! How a record lies on disk: a version byte, postcard, CRC-32 of both.
//!
//! sled checks its own pages; this checksum finds what was written wrongly or changed between.
//! sled keeps values of 16 KiB and more in files that it never syncs, so a longer record is cut
//! into pieces ([`Space::Parts`]) and its place holds only how many there are.

use super::{StoreError, keys::Space};
use serde::{Serialize, de::DeserializeOwned};

/// The longest value given to sled.
pub(super) const LONGEST: usize = 12 * 1024;
/// Stands where a version stands, and says that the record is in pieces.
const IN_PARTS: u8 = 0xFF;
/// Most pieces of a record: 1.5 MiB.
const MOST_PARTS: usize = 128;

/// Why bytes are no record.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Damage {
    /// Fewer bytes than any record has.
    #[error("it is cut short")]
    Short,
    /// The checksum does not fit.
    #[error("its checksum does not fit")]
    Checksum,
    /// A version of the record that this program does not know.
    #[error("it has record version {0}, which this program does not know")]
    Version(u8),
    /// The bytes have another shape.
    #[error("it has another shape: {0}")]
    Shape(String),
    /// The shape is right, a value in it is impossible.
    #[error("a value in it is impossible: {0}")]
    Value(String),
    /// A piece of it is missing.
    #[error("piece {0} of it is missing")]
    Part(u16),
}

/// Something that is kept as one record.
pub(super) trait Record: Sized {
    /// Where it lies.
    const SPACE: Space;
    /// The version it is written with; those before it are read by [`older`](Self::older).
    const VERSION: u8 = 1;
    /// What it looks like on disk.
    type Stored: Serialize + DeserializeOwned;
    /// Its key.
    fn key(&self) -> Vec<u8>;
    /// The form that is written.
    fn to_stored(&self) -> Self::Stored;
    /// The record back from its form.
    fn from_stored(stored: Self::Stored) -> Result<Self, Damage>;
    /// The record from the form of an older version.
    fn older(version: u8, _body: &[u8]) -> Result<Self, Damage> {
        Err(Damage::Version(version))
    }
}

/// The bytes of a record.
pub(super) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, StoreError> {
    seal(R::VERSION, &record.to_stored())
}

/// The record in `bytes`.
pub(super) fn decode<R: Record>(bytes: &[u8]) -> Result<R, Damage> {
    match unseal(bytes)? {
        (version, body) if version == R::VERSION => R::from_stored(form(body)?),
        (version, body) if version < R::VERSION => R::older(version, body),
        (newer, _) => Err(Damage::Version(newer)),
    }
}

/// What a record's bytes between version and checksum say.
pub(super) fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Damage> {
    postcard::from_bytes(body).map_err(|e| Damage::Shape(e.to_string()))
}

/// The bytes of a form with its version before and its checksum behind it.
pub(super) fn seal<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, StoreError> {
    let bytes = postcard::to_extend(value, vec![version])
        .map_err(|e| StoreError::Io { what: "encode a record", reason: e.to_string() })?;
    Ok(add_checksum(bytes))
}

/// `bytes` with their checksum behind them.
pub(super) fn add_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes
}

/// The bytes before a checksum that fits.
pub(super) fn check(bytes: &[u8]) -> Result<&[u8], Damage> {
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(Damage::Short)?;
    if crc32fast::hash(body) == u32::from_be_bytes(*sum) { Ok(body) } else { Err(Damage::Checksum) }
}

fn unseal(bytes: &[u8]) -> Result<(u8, &[u8]), Damage> {
    let (version, body) = check(bytes)?.split_first().ok_or(Damage::Short)?;
    Ok((*version, body))
}

/// How many pieces the value in a record's place speaks of; 0 for an ordinary record.
pub(super) fn parts_of(value: &[u8]) -> u16 {
    match unseal(value) {
        Ok((IN_PARTS, [a, b, ..])) => u16::from_be_bytes([*a, *b]),
        _ => 0,
    }
}

/// What stands in a long record's place, and its pieces.
pub(super) type Cut = (Vec<u8>, Vec<Vec<u8>>);

/// Cuts a long record. `None` if it is short enough.
pub(super) fn cut(bytes: &[u8]) -> Result<Option<Cut>, StoreError> {
    if bytes.len() <= LONGEST {
        return Ok(None);
    }
    let parts: Vec<Vec<u8>> = bytes.chunks(LONGEST).map(<[u8]>::to_vec).collect();
    let count = u16::try_from(parts.len()).ok().filter(|n| usize::from(*n) <= MOST_PARTS);
    let most = LONGEST * MOST_PARTS;
    let count = count.ok_or(StoreError::TooLong { bytes: bytes.len(), most })?;
    // With the checksum of the whole in it, the place changes whenever a piece does.
    let mut place = vec![IN_PARTS];
    place.extend_from_slice(&count.to_be_bytes());
    place.extend_from_slice(&crc32fast::hash(bytes).to_be_bytes());
    Ok(Some((add_checksum(place), parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_found() {
        let sealed = seal(1, &("text", 7u32)).unwrap();
        assert!(unseal(&sealed).is_ok());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 0x10;
            assert_eq!(unseal(&bad), Err(Damage::Checksum), "byte {at}");
        }
        assert_eq!(unseal(&[1, 2]), Err(Damage::Short));
    }

    #[test]
    fn a_record_that_is_too_long_for_pieces_is_refused_with_its_size() {
        assert!(cut(&vec![0; LONGEST]).unwrap().is_none());
        let (place, parts) = cut(&vec![0; LONGEST + 1]).unwrap().unwrap();
        assert_eq!((parts_of(&place), parts.len()), (2, 2));
        let refused = cut(&vec![0; LONGEST * MOST_PARTS + 1]).unwrap_err().to_string();
        assert!(refused.contains("1572865 bytes"), "{refused}");
    }
}
