//! What the two sides say to each other.

use super::{
    frame::{self, WireError, begin, end},
    mirror,
};
use crate::{
    builder::protocol::{
        Event, Finished, Order, Outcome, Standing, StopReason, VERSION, shortened,
    },
    domain::{Cause, JobId, Timestamp},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::AsyncRead;

/// Begins the body of every hello, in every version; the version follows, little endian.
const MAGIC: &[u8; 4] = b"IMGb";
/// Bytes of log in one message.
const LOG_PIECE: usize = 256 << 10;

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const ORDER: u8 = 2;
    pub(super) const STOP: u8 = 3;
    pub(super) const ACK: u8 = 4;
    pub(super) const PING: u8 = 5;
    pub(super) const HELLO_BACK: u8 = 65;
    pub(super) const STANDING: u8 = 66;
    pub(super) const EVENT: u8 = 67;
    /// Job, offset, time (8 bytes each, little endian), then the bytes as they are.
    pub(super) const LOG: u8 = 68;
    pub(super) const REFUSED: u8 = 69;
    pub(super) const PONG: u8 = 70;
    pub(super) const STOPPING: u8 = 71;
    /// A text, in every version.
    pub(super) const GOODBYE: u8 = 72;
}

/// An order on its way: the definition itself stays in the job's directory.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The order, with an empty definition.
    pub order: Order,
    /// Bytes of the definition.
    pub definition_size: u64,
    /// SHA-256 (hex) of the definition.
    pub definition_sha256: String,
}

/// What a server says.
#[derive(Clone, Debug)]
pub enum ToBuilder {
    /// First of all. The version is in it.
    Hello,
    /// "Build this job." An order for a job that the builder knows already changes nothing.
    Order(Box<Ordered>),
    /// "Stop this job."
    Stop(JobId, StopReason),
    /// "The end of this job is written down": the builder may forget it.
    Ack(JobId),
    /// "Are you there?"
    Ping,
}

/// What a builder says.
#[derive(Clone, Debug)]
pub enum FromBuilder {
    /// First of all. The version is in it.
    Hello {
        /// The program's own version, for people.
        program: String,
        /// What confines the builds it carries out, for people.
        sandbox: String,
        /// So many standings follow.
        running: u32,
    },
    /// One of the jobs that it carries out, or whose end was not acknowledged.
    Standing(Box<Standing>),
    /// Something happened.
    Event(JobId, Event),
    /// An order that is not carried out, and why.
    Refused(JobId, String),
    /// "I am."
    Pong,
    /// It is about to stop: no further orders.
    Stopping,
    /// It ends the connection, and why.
    Goodbye(String),
}

impl ToBuilder {
    /// Appends the message's frame to `out`.
    ///
    /// # Errors
    /// When it is too long to be sent; then nothing is appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Hello => hello(out, kind::HELLO, &env!("CARGO_PKG_VERSION")),
            Self::Order(ordered) => body(out, kind::ORDER, &mirror::Order::of(ordered)),
            Self::Stop(job, reason) => {
                body(out, kind::STOP, &(job.get(), mirror::Reason::of(*reason)))
            }
            Self::Ack(job) => body(out, kind::ACK, &job.get()),
            Self::Ping => body(out, kind::PING, &()),
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, WireError> {
        let (kind, body) = frame::read(from).await?;
        Self::decode(kind, &body)
    }

    /// The message of a frame.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, WireError> {
        let wrong = |why: String| WireError::Body { kind, why };
        match kind {
            kind::HELLO => from_hello::<String>(kind, body).map(|_| Self::Hello),
            kind::ORDER => {
                let order = parsed::<mirror::Order>(kind, body)?.back().map_err(wrong)?;
                Ok(Self::Order(Box::new(order)))
            }
            kind::STOP => {
                let (number, reason) = parsed::<(u64, mirror::Reason)>(kind, body)?;
                Ok(Self::Stop(mirror::job(number).map_err(wrong)?, reason.back()))
            }
            kind::ACK => Ok(Self::Ack(mirror::job(parsed(kind, body)?).map_err(wrong)?)),
            kind::PING => parsed::<()>(kind, body).map(|()| Self::Ping),
            other => Err(WireError::Kind(other)),
        }
    }
}

impl FromBuilder {
    /// Appends the message's frame to `out`; of a long piece of log several. What is too long
    /// otherwise is cut, as far as it is only for people.
    ///
    /// # Errors
    /// When it is too long to be sent; then nothing is appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Hello { program, sandbox, running } => {
                let sandbox = shortened(sandbox);
                hello(out, kind::HELLO_BACK, &(program.as_str(), sandbox, running))
            }
            Self::Standing(standing) => encode_standing(out, standing),
            Self::Event(job, Event::Log { offset, bytes, at }) => {
                encode_log(out, *job, *offset, bytes, *at)
            }
            Self::Event(job, event) => encode_event(out, *job, event),
            Self::Refused(job, why) => body(out, kind::REFUSED, &(job.get(), shortened(why))),
            Self::Pong => body(out, kind::PONG, &()),
            Self::Stopping => body(out, kind::STOPPING, &()),
            Self::Goodbye(why) => {
                let start = begin(out, kind::GOODBYE);
                out.extend_from_slice(shortened(why).as_bytes());
                end(out, start)
            }
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, WireError> {
        let (kind, body) = frame::read(from).await?;
        Self::decode(kind, body)
    }

    /// The message of a frame.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(kind: u8, body: Vec<u8>) -> Result<Self, WireError> {
        let wrong = |why: String| WireError::Body { kind, why };
        match kind {
            kind::HELLO_BACK => {
                let (program, sandbox, running) = from_hello::<(String, String, u32)>(kind, &body)?;
                Ok(Self::Hello { program, sandbox, running })
            }
            kind::STANDING => {
                let standing = parsed::<mirror::Standing>(kind, &body)?.back().map_err(wrong)?;
                Ok(Self::Standing(Box::new(standing)))
            }
            kind::EVENT => {
                let (number, event) = parsed::<(u64, mirror::Event)>(kind, &body)?;
                Ok(Self::Event(mirror::job(number).map_err(wrong)?, event.back().map_err(wrong)?))
            }
            kind::LOG => decode_log(body).map_err(wrong),
            kind::REFUSED => {
                let (number, why) = parsed::<(u64, String)>(kind, &body)?;
                Ok(Self::Refused(mirror::job(number).map_err(wrong)?, why))
            }
            kind::PONG => parsed::<()>(kind, &body).map(|()| Self::Pong),
            kind::STOPPING => parsed::<()>(kind, &body).map(|()| Self::Stopping),
            kind::GOODBYE => Ok(Self::Goodbye(String::from_utf8_lossy(&body).into_owned())),
            other => Err(WireError::Kind(other)),
        }
    }
}

fn body(out: &mut Vec<u8>, kind: u8, value: &impl Serialize) -> Result<(), WireError> {
    let start = begin(out, kind);
    append(out, start, kind, value)
}

fn hello(out: &mut Vec<u8>, kind: u8, value: &impl Serialize) -> Result<(), WireError> {
    let start = begin(out, kind);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    append(out, start, kind, value)
}

fn append(
    out: &mut Vec<u8>,
    start: usize,
    kind: u8,
    value: &impl Serialize,
) -> Result<(), WireError> {
    match postcard::to_stdvec(value) {
        Ok(body) => out.extend_from_slice(&body),
        Err(e) => {
            out.truncate(start);
            return Err(WireError::Body { kind, why: e.to_string() });
        }
    }
    end(out, start)
}

fn parsed<T: DeserializeOwned>(kind: u8, body: &[u8]) -> Result<T, WireError> {
    let wrong = |why: String| WireError::Body { kind, why };
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(wrong(format!("{} bytes are left over", rest.len()))),
        Err(e) => Err(wrong(e.to_string())),
    }
}

/// What lies behind magic and version is only looked at when the version is ours.
fn from_hello<T: DeserializeOwned>(kind: u8, body: &[u8]) -> Result<T, WireError> {
    let stranger = || WireError::Body { kind, why: "this is no hello of an img".into() };
    let rest = body.strip_prefix(MAGIC).ok_or_else(stranger)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(stranger)?;
    match u32::from_le_bytes(*version) {
        VERSION => parsed(kind, rest),
        other => Err(WireError::Version(other)),
    }
}

fn encode_event(out: &mut Vec<u8>, job: JobId, event: &Event) -> Result<(), WireError> {
    // What a server tells itself does not travel.
    let Some(mirrored) = mirror::Event::of(event) else { return Ok(()) };
    let encoded = body(out, kind::EVENT, &(job.get(), mirrored));
    match (encoded, event) {
        (Err(WireError::TooLong(_)), Event::Finished(finished)) => {
            encode_event(out, job, &Event::Finished(unsendable(finished)))
        }
        (other, _) => other,
    }
}

fn encode_standing(out: &mut Vec<u8>, standing: &Standing) -> Result<(), WireError> {
    let encoded = body(out, kind::STANDING, &mirror::Standing::of(standing));
    match (encoded, &standing.finished) {
        (Err(WireError::TooLong(_)), Some(finished)) => {
            let finished = Some(unsendable(finished));
            let standing = Standing { finished, ..standing.clone() };
            body(out, kind::STANDING, &mirror::Standing::of(&standing))
        }
        (other, _) => other,
    }
}

/// An end that does not fit into a message: too many files were made.
fn unsendable(finished: &Finished) -> Finished {
    let count = finished.artifacts.len();
    let why = format!("the build made {count} files, more than its builder can tell of");
    Finished { peak_disk: finished.peak_disk, ..Finished::plain(Outcome::failed(Cause::Box, why)) }
}

fn encode_log(
    out: &mut Vec<u8>,
    job: JobId,
    offset: u64,
    bytes: &Bytes,
    at: Timestamp,
) -> Result<(), WireError> {
    let mut offset = offset;
    for piece in bytes.chunks(LOG_PIECE) {
        let start = begin(out, kind::LOG);
        out.extend_from_slice(&job.get().to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&at.as_millis().to_le_bytes());
        out.extend_from_slice(piece);
        end(out, start)?;
        offset = offset.saturating_add(piece.len() as u64);
    }
    Ok(())
}

fn decode_log(body: Vec<u8>) -> Result<FromBuilder, String> {
    let mut rest = body.as_slice();
    let mut number = || -> Result<u64, String> {
        let (word, more) = rest.split_first_chunk::<8>().ok_or("it is cut")?;
        rest = more;
        Ok(u64::from_le_bytes(*word))
    };
    let (job, offset, at) = (number()?, number()?, number()?);
    let head = body.len() - rest.len();
    let event = Event::Log {
        offset,
        at: Timestamp::from_millis(at.cast_signed()),
        bytes: Bytes::from(body).slice(head..),
    };
    Ok(FromBuilder::Event(mirror::job(job)?, event))
}
