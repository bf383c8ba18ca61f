//! Stop messages for a thread that sleeps in `poll`: the channel's waker rings a handle.

use super::protocol::StopReason;
use rustix::event::{EventfdFlags, eventfd};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};
use tokio::sync::mpsc;

struct Bell(OwnedFd);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // It can only fail when the count is full, and then it rings already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

/// The receiving end of a build's stop channel.
pub(super) struct Stop {
    receiver: mpsc::Receiver<StopReason>,
    bell: Arc<Bell>,
    waker: Waker,
    reason: Option<StopReason>,
}

impl Stop {
    /// Listens on `receiver`.
    pub(super) fn new(receiver: mpsc::Receiver<StopReason>) -> io::Result<Self> {
        let bell = Arc::new(Bell(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let waker = Waker::from(Arc::clone(&bell));
        let mut stop = Self { receiver, bell, waker, reason: None };
        stop.check();
        Ok(stop)
    }

    /// Becomes readable when there may be something to [`check`](Self::check).
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.bell.0.as_fd()
    }

    /// The first reason that was sent, if any.
    pub(super) fn check(&mut self) -> Option<StopReason> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell.0, &mut count);
        let mut context = Context::from_waker(&self.waker);
        while let Poll::Ready(Some(reason)) = self.receiver.poll_recv(&mut context) {
            self.reason.get_or_insert(reason);
        }
        self.reason
    }
}
