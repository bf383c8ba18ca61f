//! Frames: length, kind, body.

use super::super::protocol::VERSION;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Most bytes of a frame behind its length.
pub const CAP: usize = 1 << 20;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side ended it, between two messages.
    #[error("the connection was closed")]
    Closed,
    /// It ended in the middle of a message.
    #[error("the connection was cut in the middle of a message")]
    Cut,
    /// A message that nobody sends.
    #[error("a message of {0} bytes came, and the most is {CAP}")]
    TooLong(u64),
    /// A message without a kind.
    #[error("an empty message came")]
    Empty,
    /// A kind that this side does not know.
    #[error("a message of the unknown kind {0} came")]
    Kind(u8),
    /// Another version of the messages.
    #[error(
        "the other side speaks version {0} of the messages, this img {VERSION}: run the same img for \
         the server and the builder"
    )]
    Version(u32),
    /// The body does not fit its kind.
    #[error("a message of kind {kind} does not read: {why}")]
    Body {
        /// The kind.
        kind: u8,
        /// What does not fit.
        why: String,
    },
    /// The system's reason.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// The next frame: its kind and its body. Memory grows with what really comes, not with what the
/// length says.
///
/// # Errors
/// See [`WireError`]; the connection is of no use afterwards.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<(u8, Vec<u8>), WireError> {
    let mut length = [0; 4];
    let mut have = 0;
    while let Some(rest) = length.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match from.read(rest).await? {
            0 if have == 0 => return Err(WireError::Closed),
            0 => return Err(WireError::Cut),
            more => have += more,
        }
    }
    let length = u64::from(u32::from_le_bytes(length));
    match length {
        0 => return Err(WireError::Empty),
        1..=0x10_0000 => {}
        _ => return Err(WireError::TooLong(length)),
    }
    let mut frame = Vec::new();
    from.take(length).read_to_end(&mut frame).await?;
    if frame.len() as u64 != length {
        return Err(WireError::Cut);
    }
    let kind = frame.remove(0);
    Ok((kind, frame))
}

/// Begins a frame of `kind` at the end of `out`; [`end`] closes it.
pub(super) fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    start
}

/// Closes the frame that begins at `start`: writes its length.
///
/// # Errors
/// When it is over [`CAP`]; then it is taken back.
pub(super) fn end(out: &mut Vec<u8>, start: usize) -> Result<(), WireError> {
    let length = out.len() - start - 4;
    match (u32::try_from(length), out.get_mut(start..start + 4)) {
        (Ok(number), Some(place)) if length <= CAP => {
            place.copy_from_slice(&number.to_le_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(WireError::TooLong(length as u64))
        }
    }
}
