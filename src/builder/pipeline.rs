//! The way of the output: read → mask → fold → append to the log → events → observer.
//!
//! No byte of the log stays in memory beyond the piece at hand, apart from the last megabyte of a
//! log that is too long.

mod tail;

use self::tail::{Cut, Tail};
use super::{clock, mask::Masker, outbox::Outbox, planner::Observing, protocol::Event};
use crate::{
    domain::{Complaints, log_line::is_error},
    files::{FilesError, LogWriter},
    plugin::api,
};
use bytes::Bytes;
use std::{borrow::Cow, time::Instant};

/// Begins every line of the builder itself.
pub(super) const OWN: &str = "[img] ";
/// A longer line is broken into several.
const LONGEST_LINE: usize = 64 << 10;
/// The observer sees this much of a line.
const OBSERVED: usize = 4 << 10;
/// Lines given to the observer at once, at most.
const BATCH: usize = 4_096;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cap {
    /// Bytes kept from its beginning.
    pub(super) head: u64,
    /// Bytes kept from its end once the beginning is full.
    pub(super) tail: usize,
}

impl Cap {
    /// At most `total` bytes, 64 KiB at least; of them the last MiB is the log's end, or the last
    /// sixteenth if that is less.
    pub(super) fn of(total: u64) -> Self {
        let total = total.max(64 << 10);
        let tail = (total / 16).min(1 << 20);
        // At most a MiB.
        Self { head: total - tail, tail: tail as usize }
    }
}

/// A complaint of the tool, as its runner understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The log line.
    pub(super) line: u64,
    pub(super) message: String,
}

/// One job's pipeline.
pub(super) struct Pipeline {
    log: LogWriter,
    masker: Masker,
    pub(super) outbox: Outbox,
    observer: Option<Box<dyn Observing>>,
    cap: Cap,
    tail: Option<Tail>,
    /// Bytes of the line that is being written.
    line_len: usize,
    /// The unfinished line as the observer will see it.
    partial: Vec<u8>,
    batch: Vec<String>,
    /// The log line of each line of the batch.
    numbers: Vec<u64>,
    fed: Option<Instant>,
    /// The first complaint that was an error.
    pub(super) first_error: Option<Complaint>,
    complaints: Complaints,
    /// What is left out of a log that was too long; known at its end.
    cut: Option<Cut>,
    /// Why the log could not be written, once that happened.
    pub(super) broken: Option<FilesError>,
}

impl Pipeline {
    pub(super) fn new(log: LogWriter, masker: Masker, outbox: Outbox, cap: Cap) -> Self {
        Self {
            log,
            masker,
            outbox,
            observer: None,
            cap,
            tail: None,
            line_len: 0,
            partial: Vec::new(),
            batch: Vec::new(),
            numbers: Vec::new(),
            fed: None,
            first_error: None,
            complaints: Complaints::default(),
            cut: None,
            broken: None,
        }
    }

    /// From now on `observer` sees the lines.
    pub(super) fn observe_with(&mut self, observer: Box<dyn Observing>) {
        self.observer = Some(observer);
    }

    /// From now on these values are masked.
    pub(super) fn mask_with(&mut self, masker: Masker) {
        self.masker = masker;
    }

    /// Masks a text that goes anywhere but through the log.
    pub(super) fn masked(&mut self, text: &str) -> String {
        self.masker.text(text)
    }

    /// Output of a tool, as it was read.
    pub(super) fn output(&mut self, piece: &[u8]) {
        // Cow borrows from the piece, not from the masker.
        let masked = self.masker.mask(piece, false);
        self.tool_bytes(&masked);
    }

    /// No more output of this tool: what was held back goes on, the last line ends.
    pub(super) fn end_output(&mut self) {
        let rest = self.masker.mask(b"", true).into_owned();
        self.tool_bytes(&rest);
        if self.line_len > 0 {
            self.tool_bytes(b"\n");
        }
        self.feed();
    }

    /// A line of the builder itself, secrets masked.
    pub(super) fn remark(&mut self, text: &str) {
        let text = self.masker.text(text);
        let mut line = String::new();
        if self.line_len > 0 {
            line.push('\n');
        }
        for part in text.lines() {
            line.extend([OWN, part, "\n"]);
        }
        self.partial.clear();
        self.line_len = 0;
        self.write(line.as_bytes());
    }

    fn tool_bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let folded = self.fold(bytes);
        let lines = self.lines();
        let number = if self.partial_line() { lines } else { lines + 1 };
        self.line_len = match memchr::memrchr(b'\n', &folded) {
            Some(at) => folded.len() - at - 1,
            None => self.line_len + folded.len(),
        };
        self.write(&folded);
        self.split(&folded, number.max(1));
        if self.batch.len() >= BATCH {
            self.feed();
        }
    }

    fn partial_line(&self) -> bool {
        self.line_len > 0
    }

    /// Breaks lines that are too long.
    fn fold<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let (mut line, mut rest) = (self.line_len, bytes);
        let mut folded = Vec::new();
        loop {
            let room = LONGEST_LINE.saturating_sub(line);
            if rest.len() <= room {
                break;
            }
            let (fits, over) = rest.split_at(room);
            if let Some(end) = memchr::memrchr(b'\n', fits) {
                let (lines, next) = rest.split_at(end + 1);
                folded.extend_from_slice(lines);
                rest = next;
            } else if let Some(next) = over.strip_prefix(b"\n") {
                folded.extend_from_slice(fits);
                folded.push(b'\n');
                rest = next;
            } else {
                folded.extend_from_slice(fits);
                folded.push(b'\n');
                rest = over;
            }
            line = 0;
        }
        if folded.is_empty() {
            return Cow::Borrowed(bytes);
        }
        folded.extend_from_slice(rest);
        Cow::Owned(folded)
    }

    /// To the log, or to its kept end once it is full.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(tail) = &mut self.tail {
            return tail.push(bytes, self.cap.tail);
        }
        let room = self.cap.head.saturating_sub(self.log.len().0);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return self.append(bytes);
        }
        let (fits, _) = bytes.split_at(room);
        let end = memchr::memrchr(b'\n', fits).map_or(0, |at| at + 1);
        let (head, rest) = bytes.split_at(end);
        self.append(head);
        let from = if head.is_empty() && self.log.len().0 > 0 { "\n" } else { "" };
        let (size, kept) = (self.cap.head >> 10, self.cap.tail >> 10);
        self.append(
            format!(
                "{from}{OWN}the log has reached {size} KiB: from here on only the last {kept} KiB \
                 are kept, after the end\n"
            )
            .as_bytes(),
        );
        let mut tail = Tail::default();
        tail.push(rest, self.cap.tail);
        self.tail = Some(tail);
    }

    fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || self.broken.is_some() {
            return;
        }
        let (offset, at) = (self.log.len().0, clock::now());
        if let Err(e) = self.log.append(bytes, at.as_millis()) {
            self.broken = Some(e);
        }
        let written = usize::try_from(self.log.len().0.saturating_sub(offset)).unwrap_or(0);
        let bytes = Bytes::copy_from_slice(bytes.get(..written).unwrap_or(bytes));
        self.outbox.put(Event::Log { offset, bytes, at });
    }

    /// Cuts output into lines for the observer. A carriage return ends a line too, because
    /// progress bars know no other end.
    fn split(&mut self, bytes: &[u8], mut number: u64) {
        if self.observer.is_none() {
            return;
        }
        let mut from = 0;
        for end in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let part = bytes.get(from..end).unwrap_or_default();
            self.line(part, number);
            number += u64::from(bytes.get(end) == Some(&b'\n'));
            from = end + 1;
        }
        let rest = bytes.get(from..).unwrap_or_default();
        let room = OBSERVED.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(rest.get(..room).unwrap_or(rest));
    }

    fn line(&mut self, part: &[u8], number: u64) {
        let part = part.get(..OBSERVED).unwrap_or(part);
        let text = if self.partial.is_empty() {
            String::from_utf8_lossy(part).into_owned()
        } else {
            self.partial.extend_from_slice(part);
            let text = String::from_utf8_lossy(&self.partial).into_owned();
            self.partial.clear();
            text
        };
        if !text.is_empty() {
            self.batch.push(text);
            self.numbers.push(number);
        }
    }

    /// When lines last went to the observer, if some wait now.
    pub(super) fn waiting_lines(&self) -> Option<Option<Instant>> {
        (!self.batch.is_empty()).then_some(self.fed)
    }

    /// Gives the waiting lines to the observer and passes on what they meant.
    pub(super) fn feed(&mut self) {
        self.fed = Some(Instant::now());
        let (batch, numbers) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.numbers));
        let Some(observer) = &mut self.observer else { return };
        let (mut result, before) = (Ok(()), self.complaints);
        for (lines, numbers) in batch.chunks(BATCH).zip(numbers.chunks(BATCH)) {
            match observer.feed(lines) {
                Ok(events) => events.into_iter().for_each(|event| {
                    let said = tell(&mut self.outbox, event, lines, numbers);
                    let Some((error, complaint)) = said else { return };
                    self.complaints.note(error, complaint.line);
                    if error {
                        self.first_error.get_or_insert(complaint);
                    }
                }),
                Err(e) => {
                    result = Err(e);
                    break;
                }
            }
        }
        if self.complaints != before {
            self.outbox.put(Event::Complaints(self.complaints));
        }
        if let Err(e) = result {
            self.observer = None;
            self.remark(&format!("{e}: phases and progress are not shown any more"));
        }
    }

    /// The end of the log: what was kept of a log that is too long. Its way to disk begins and is
    /// not waited for: that would cost each job more than all its other files, and after a loss of
    /// power the end of a log is missed less than an image.
    pub(super) fn finish(&mut self) {
        self.end_output();
        if let Some(tail) = self.tail.take() {
            let (dropped, lost, bytes) = tail.take();
            if dropped > 0 {
                self.cut = Some(Cut { head: self.log.len().1, lost });
                self.append(format!("{OWN}{dropped} bytes are left out here\n").as_bytes());
            }
            self.append(&bytes);
        }
        self.log.write_back();
    }

    /// Lines of the log so far, those included that will be left out of it.
    pub(super) fn lines(&self) -> u64 {
        let unfinished = u64::from(self.partial_line());
        self.log.len().1 + self.tail.as_ref().map_or(0, |tail| tail.ends() + unfinished)
    }

    /// After the end: where a line stands that was counted while the log grew.
    pub(super) fn place(&self, line: u64) -> u64 {
        self.cut.map_or(line, |cut| cut.place(line))
    }

    /// The last bytes of a log that is too long; `None` as long as the log holds everything.
    pub(super) fn kept_end(&self, most: usize) -> Option<Vec<u8>> {
        self.tail.as_ref().map(|tail| tail.last(most))
    }

    /// Lets go of everything but the events.
    pub(super) fn into_outbox(self) -> Outbox {
        self.outbox
    }
}

/// Passes on one event of the observer; a complaint is given back, true if it is an error.
fn tell(
    outbox: &mut Outbox,
    event: api::Event,
    lines: &[String],
    numbers: &[u64],
) -> Option<(bool, Complaint)> {
    let at = clock::now();
    match event {
        api::Event::Phase(name) => outbox.put(Event::Phase { name, at }),
        api::Event::Progress(p) => {
            outbox.put(Event::Progress { done: p.done, total: p.total, unit: p.unit });
        }
        api::Event::Diagnostic(found) => {
            let error = match found.severity {
                api::Severity::Error => true,
                api::Severity::Warning => false,
                api::Severity::Info => return None,
            };
            let message = found.message;
            let at = said_by(&message, lines, error).and_then(|at| numbers.get(at));
            let line = at.or(numbers.last()).copied().unwrap_or(1);
            return Some((error, Complaint { line, message }));
        }
    }
    None
}

/// A runner does not know the log's line numbers: the line is found by what it says, in the
/// runner's words, in those behind a word of its own, or else as the first that looks like one.
fn said_by(message: &str, lines: &[String], error: bool) -> Option<usize> {
    let whole = message.trim();
    let behind = whole.split_once(": ").map_or("", |(_, rest)| rest.trim());
    let find = |said: &str| lines.iter().position(|line| !said.is_empty() && line.contains(said));
    let guess = || lines.iter().position(|line| error && is_error(line));
    find(whole).or_else(|| find(behind)).or_else(guess)
}

#[cfg(test)]
mod tests;
