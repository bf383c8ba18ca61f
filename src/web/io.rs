//! A connection that does not wait for ever: for a request's head, between requests, or for a
//! reader that takes nothing. While a request is worked on only writing is watched; its body has a
//! pace of its own.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Nothing was asked yet.
const FRESH: u8 = 0;
/// Something was answered, nothing more was asked.
const IDLE: u8 = 1;
/// A head has begun.
const HEAD: u8 = 2;
/// A request is worked on.
const BUSY: u8 = 3;

/// How long a connection waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a whole head.
    pub(super) head: Duration,
    /// Between requests, and for a reader to take something.
    pub(super) idle: Duration,
}

/// What a connection is doing; shared between its bytes and its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase(Arc<AtomicU8>);

impl Phase {
    /// A request begins; it ends when the value is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.0.store(BUSY, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request that is worked on.
#[derive(Debug)]
pub(super) struct Busy(Phase);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.store(IDLE, Ordering::Relaxed);
    }
}

/// A stream with [`Patience`].
pub(super) struct Paced<S> {
    inner: S,
    phase: Phase,
    patience: Patience,
    reading: Pin<Box<Sleep>>,
    /// The phase `reading` was set for.
    armed: u8,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S, phase: Phase, patience: Patience) -> Self {
        let reading = Box::pin(sleep(patience.head));
        Self { inner, phase, patience, reading, armed: FRESH, writing: None }
    }

    fn arm(&mut self, phase: u8) {
        if self.armed != phase {
            self.armed = phase;
            let wait = if phase == IDLE { self.patience.idle } else { self.patience.head };
            self.reading.as_mut().reset(Instant::now() + wait);
        }
    }

    /// Called when there is nothing to read.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.phase.get();
        self.arm(phase);
        if phase == BUSY {
            return Poll::Pending;
        }
        ready!(self.reading.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time")))
    }

    /// Called when something was read.
    fn heard(&mut self) {
        if self.phase.get() == IDLE {
            self.phase.0.store(HEAD, Ordering::Relaxed);
            self.arm(HEAD);
        }
    }

    /// Watches a write that does not move.
    fn moved<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.writing = None;
            return done;
        }
        let idle = self.patience.idle;
        let writing = self.writing.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(writing.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => self.overdue(cx),
            done => {
                self.heard();
                done
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.moved(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.moved(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_flush(cx);
        self.moved(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.moved(cx, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const QUICK: Patience =
        Patience { head: Duration::from_millis(30), idle: Duration::from_millis(60) };
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_head_that_never_comes_is_not_waited_for() {
        let (_client, server) = duplex(64);
        let mut paced = Paced::new(server, Phase::default(), QUICK);
        let error = paced.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn bytes_in_a_trickle_do_not_make_the_wait_longer() {
        let (mut client, server) = duplex(64);
        let mut paced = Paced::new(server, Phase::default(), QUICK);
        let feed = tokio::spawn(async move {
            while client.write_u8(b'x').await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let begun = std::time::Instant::now();
        while paced.read_u8().await.is_ok() {}
        assert!(begun.elapsed() < Duration::from_secs(20));
        drop(paced);
        feed.await.unwrap();
    }

    #[tokio::test]
    async fn a_head_that_begins_after_an_answer_has_the_time_of_a_head() {
        let (mut client, server) = duplex(64);
        let phase = Phase::default();
        drop(phase.busy());
        let patience = Patience { head: Duration::from_millis(30), idle: LONG };
        let mut paced = Paced::new(server, phase, patience);
        client.write_u8(b'G').await.unwrap();
        assert_eq!(paced.read_u8().await.unwrap(), b'G');
        assert_eq!(paced.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_request_that_is_worked_on_may_take_its_time() {
        let (mut client, server) = duplex(64);
        let phase = Phase::default();
        let busy = phase.busy();
        let mut paced = Paced::new(server, phase, QUICK);
        let wait = tokio::time::timeout(Duration::from_millis(200), paced.read_u8()).await;
        assert!(wait.is_err(), "it would have waited on");
        drop(busy);
        client.write_u8(b'x').await.unwrap();
        assert_eq!(paced.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_let_go() {
        let (_client, server) = duplex(4);
        let phase = Phase::default();
        let _busy = phase.busy();
        let mut paced = Paced::new(server, phase, QUICK);
        let error = paced.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
