//! What all streams of events have in common: they are heard of at least every 15 seconds, they
//! end when the service stops, and after a quarter of an hour they end so that the browser comes
//! back, and whoever is no longer signed in does not.

use super::sse;
use crate::{domain::Timestamp, web::Visit};
use bytes::Bytes;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// Longest silence.
const SILENCE: Duration = Duration::from_secs(15);
/// Longest life of one connection.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Where events come from.
pub trait Source: Send + 'static {
    /// The next bytes to send; `None` ends the stream.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// The time of one stream.
pub struct Pulse {
    arrived: Timestamp,
    began: Instant,
    spoke: Instant,
    stopping: watch::Receiver<bool>,
}

/// What a wait ended with.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// The moment that was waited for.
    Due,
    /// Nothing was sent for long: send this.
    Quiet(Bytes),
    /// The stream has to end.
    End,
}

impl Pulse {
    /// The pulse of the stream that answers `visit`.
    pub fn new(visit: &Visit) -> Self {
        Self::at(visit.now, visit.stopping.clone())
    }

    /// A pulse that begins at `now`.
    pub fn at(now: Timestamp, stopping: watch::Receiver<bool>) -> Self {
        let began = Instant::now();
        Self { arrived: now, began, spoke: began, stopping }
    }

    /// The moment it is: the clock was read when the request arrived.
    pub fn now(&self) -> Timestamp {
        self.arrived.plus(self.began.elapsed())
    }

    /// Something was sent.
    pub fn spoke(&mut self) {
        self.spoke = Instant::now();
    }

    /// Waits for `due`, or for what comes before it.
    pub async fn wait(&mut self, due: Option<Instant>) -> Beat {
        let (at, beat) = self.first(due);
        tokio::select! {
            () = stopped(&mut self.stopping) => Beat::End,
            () = tokio::time::sleep_until(at) => beat,
        }
    }

    /// What comes first if nothing else happens, and when.
    fn first(&self, due: Option<Instant>) -> (Instant, Beat) {
        let (quiet, end) = (self.spoke + SILENCE, self.began + LIFE);
        match due {
            Some(due) if due <= quiet && due < end => (due, Beat::Due),
            _ if quiet < end => (quiet, Beat::Quiet(sse::KEEP_ALIVE)),
            _ => (end, Beat::End),
        }
    }
}

/// Waits until the service stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could stop it.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_broken_and_no_connection_lives_for_ever() {
        let mut pulse = Pulse::at(Timestamp::default(), watch::channel(false).1);
        let began = pulse.began;
        let after = |(at, beat): (Instant, Beat)| (at - began, beat);
        assert_eq!(after(pulse.first(None)), (SILENCE, Beat::Quiet(sse::KEEP_ALIVE)));
        let soon = Duration::from_secs(1);
        assert_eq!(after(pulse.first(Some(began + soon))), (soon, Beat::Due));
        let late = began + SILENCE + soon;
        assert_eq!(after(pulse.first(Some(late))), (SILENCE, Beat::Quiet(sse::KEEP_ALIVE)));
        pulse.spoke = began + LIFE - soon;
        assert_eq!(after(pulse.first(None)), (LIFE, Beat::End));
        assert_eq!(after(pulse.first(Some(began + LIFE))), (LIFE, Beat::End));
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait() {
        let (stop, stopping) = watch::channel(false);
        let mut pulse = Pulse::at(Timestamp::default(), stopping);
        stop.send(true).unwrap();
        assert!(matches!(pulse.wait(None).await, Beat::End));
    }
}
