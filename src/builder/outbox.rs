//! Events on their way to the reader. Log bytes are never lost; what only tells how far a build is
//! may be replaced by something newer while the reader is slow.

use super::protocol::{Event, Finished};
use std::collections::VecDeque;
use tokio::sync::mpsc::Sender;

/// The sending end of a build's events.
pub(super) struct Outbox {
    sender: Sender<Event>,
    /// Goes out in order and complete.
    must: VecDeque<Event>,
    complaints: Option<Event>,
    phase: Option<Event>,
    progress: Option<Event>,
    usage: Option<Event>,
}

impl Outbox {
    pub(super) fn new(sender: Sender<Event>) -> Self {
        Self {
            sender,
            must: VecDeque::new(),
            complaints: None,
            phase: None,
            progress: None,
            usage: None,
        }
    }

    /// Takes an event and sends what can be sent.
    pub(super) fn put(&mut self, event: Event) {
        match event {
            Event::Phase { .. } => self.phase = Some(event),
            Event::Progress { .. } => self.progress = Some(event),
            Event::Usage { .. } => self.usage = Some(event),
            Event::Complaints(_) => self.complaints = Some(event),
            Event::Resumed(_) | Event::Started { .. } | Event::Log { .. } | Event::Finished(_) => {
                self.must.push_back(event);
            }
        }
        self.flush();
    }

    /// True while the reader has not taken all log bytes: time to stop reading the tool's output.
    pub(super) fn is_behind(&self) -> bool {
        !self.must.is_empty()
    }

    /// True if anything waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_behind()
            || self.complaints.is_some()
            || self.phase.is_some()
            || self.progress.is_some()
            || self.usage.is_some()
    }

    /// True if nobody will ever read.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn next(&mut self) -> Option<Event> {
        self.must
            .pop_front()
            .or_else(|| self.phase.take())
            .or_else(|| self.complaints.take())
            .or_else(|| self.progress.take())
            .or_else(|| self.usage.take())
    }

    /// Sends what can be sent without waiting.
    pub(super) fn flush(&mut self) {
        while self.is_waiting() {
            if self.sender.is_closed() {
                return self.forget();
            }
            if self.sender.capacity() == 0 {
                return;
            }
            let Some(event) = self.next() else { return };
            // Only this thread sends, so the place just seen is still free.
            let _ = self.sender.try_send(event);
        }
    }

    fn forget(&mut self) {
        while self.next().is_some() {}
    }

    /// Waits until the reader has everything, the end last. Only for a thread of its own.
    pub(super) fn finish(mut self, finished: Finished) {
        while let Some(event) = self.next() {
            let _ = self.sender.blocking_send(event);
        }
        let _ = self.sender.blocking_send(Event::Finished(finished));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use bytes::Bytes;
    use tokio::sync::mpsc;

    fn log(offset: u64) -> Event {
        Event::Log { offset, bytes: Bytes::from_static(b"x"), at: Timestamp::default() }
    }

    #[test]
    fn a_slow_reader_gets_every_log_byte_and_the_newest_progress() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        for n in 0..5 {
            outbox.put(log(n));
            outbox.put(Event::Progress { done: n, total: None, unit: String::new() });
        }
        assert!(outbox.is_behind());
        let (mut offsets, mut progress) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            while let Ok(event) = receiver.try_recv() {
                match event {
                    Event::Log { offset, .. } => offsets.push(offset),
                    Event::Progress { done, .. } => progress.push(done),
                    other => panic!("{other:?}"),
                }
            }
            outbox.flush();
        }
        assert_eq!(offsets, [0, 1, 2, 3, 4]);
        assert_eq!(progress.last(), Some(&4));
        assert!(!outbox.is_waiting());
    }
}
