//! A request's body: limited in size and not allowed to trickle in for ever.

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt as _};
use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// Bytes that have to arrive in each [`WINDOW`] while a body is read.
const PACE: u64 = 64 * 1024;
/// See [`PACE`].
const WINDOW: Duration = Duration::from_secs(60);

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It has more bytes than allowed.
    #[error("the request has more than {0} bytes: send less")]
    TooLarge(u64),
    /// It trickled in.
    #[error("the request came in too slowly: try again on a better connection")]
    TooSlow,
    /// It ended early.
    #[error("the request ended before it was complete: send it again")]
    Broken,
}

/// The body of one request, read chunk by chunk.
pub struct Body {
    // Never locked, only reached through `&mut`: it makes the body `Sync`.
    chunks: Mutex<Chunks>,
    limit: u64,
    left: u64,
    window: Duration,
    window_ends: Option<Instant>,
    in_window: u64,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} of {} bytes left)", self.left, self.limit)
    }
}

impl Body {
    /// A body of at most `limit` bytes.
    pub fn new<S, B, E>(stream: S, limit: u64) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Buf,
    {
        let chunks = stream.map(|chunk| match chunk {
            Ok(mut bytes) => Ok(bytes.copy_to_bytes(bytes.remaining())),
            Err(_) => Err(BodyError::Broken),
        });
        Self {
            chunks: Mutex::new(Box::pin(chunks)),
            limit,
            left: limit,
            window: WINDOW,
            window_ends: None,
            in_window: 0,
        }
    }

    /// A body with nothing in it.
    pub fn empty() -> Self {
        Self::new(futures_util::stream::empty::<Result<Bytes, BodyError>>(), 0)
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        let ends = *self.window_ends.get_or_insert_with(|| Instant::now() + self.window);
        let chunks = self.chunks.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Ok(chunk) = timeout_at(ends, chunks.next()).await else {
            return Err(BodyError::TooSlow);
        };
        let Some(bytes) = chunk.transpose()? else { return Ok(None) };
        self.in_window += bytes.len() as u64;
        if self.in_window >= PACE {
            (self.in_window, self.window_ends) = (0, None);
        }
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None => return Err(BodyError::TooLarge(self.limit)),
        }
        Ok(Some(bytes))
    }

    /// Everything, up to the limit.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn bytes(&mut self) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// The body as a stream, `more` bytes over the limit allowed: who reads it so throws away
    /// what is too much and can still see what comes after it.
    pub fn into_stream(mut self, more: u64) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
        self.left = self.left.saturating_add(more);
        futures_util::stream::try_unfold(self, |mut body| async move {
            Ok(body.chunk().await?.map(|bytes| (bytes, body)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn body(chunks: Vec<&'static [u8]>, limit: u64) -> Body {
        let chunks = chunks.into_iter().map(|c| Ok::<_, BodyError>(Bytes::from_static(c)));
        Body::new(stream::iter(chunks), limit)
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_no_further() {
        assert_eq!(body(vec![b"ab", b"cd"], 4).bytes().await.unwrap(), b"abcd");
        assert_eq!(body(vec![b"ab", b"cd"], 3).bytes().await, Err(BodyError::TooLarge(3)));
        assert_eq!(Body::empty().bytes().await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_body_that_trickles_in_is_given_up() {
        let never =
            stream::iter([Ok::<_, BodyError>(Bytes::from_static(b"a"))]).chain(stream::pending());
        let mut body = Body::new(never, 10);
        body.window = Duration::from_millis(20);
        assert_eq!(body.bytes().await, Err(BodyError::TooSlow));
    }

    #[tokio::test]
    async fn a_body_that_is_fast_enough_may_take_longer_than_one_window() {
        let block = Bytes::from(vec![0u8; PACE as usize]);
        let slow = stream::unfold(0, move |i| {
            let block = block.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(30)).await;
                (i < 5).then_some((Ok::<_, BodyError>(block), i + 1))
            }
        });
        let mut body = Body::new(slow, PACE * 5);
        body.window = Duration::from_millis(2000);
        assert_eq!(body.bytes().await.unwrap().len() as u64, PACE * 5);
    }

    #[tokio::test]
    async fn a_broken_body_says_so() {
        let broken = stream::iter([Err::<Bytes, _>(BodyError::Broken)]);
        assert_eq!(Body::new(broken, 9).bytes().await, Err(BodyError::Broken));
    }
}
