//! The end of a log whose beginning is full, and what became of its lines.

use std::collections::VecDeque;

/// The end of a log whose beginning is full.
#[derive(Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    dropped: u64,
    /// Line ends that were pushed, and those of them that are dropped.
    ends: u64,
    dropped_ends: u64,
}

/// Which lines a log that was too long has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The last line before the gap.
    pub(super) head: u64,
    /// Lines that are left out behind it; one line says so in their place.
    pub(super) lost: u64,
}

impl Cut {
    /// Where a line stands, counted as if nothing had been left out. A line that is lost stands
    /// where the log says so.
    pub(super) fn place(self, line: u64) -> u64 {
        if line <= self.head {
            line
        } else {
            self.head + 1 + line.saturating_sub(self.head + self.lost)
        }
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Tail {
    /// Adds `bytes` and lets go of what is more than `limit`.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) {
        self.ends += line_ends(bytes);
        let bytes = match bytes.len().checked_sub(limit) {
            Some(over) if over > 0 => {
                let (lost, kept) = bytes.split_at(over);
                self.dropped += over as u64;
                self.dropped_ends += line_ends(lost);
                kept
            }
            Some(_) | None => bytes,
        };
        let over = (self.bytes.len() + bytes.len()).saturating_sub(limit);
        let over = over.min(self.bytes.len());
        let (first, second) = self.bytes.as_slices();
        let of_first = over.min(first.len());
        let lost = [first.get(..of_first), second.get(..over - of_first)];
        self.dropped_ends += lost.into_iter().flatten().map(line_ends).sum::<u64>();
        self.bytes.drain(..over);
        self.dropped += over as u64;
        self.bytes.extend(bytes);
    }

    /// Line ends pushed so far.
    pub(super) fn ends(&self) -> u64 {
        self.ends
    }

    /// The last bytes, at most `most`.
    pub(super) fn last(&self, most: usize) -> Vec<u8> {
        let from = self.bytes.len().saturating_sub(most);
        self.bytes.range(from..).copied().collect()
    }

    /// Bytes left out, lines left out, and what is kept, from the beginning of a line.
    pub(super) fn take(self) -> (u64, u64, Vec<u8>) {
        let mut bytes: Vec<u8> = self.bytes.into();
        let (mut dropped, mut lost) = (self.dropped, self.dropped_ends);
        if dropped > 0
            && let Some(end) = memchr::memchr(b'\n', &bytes)
        {
            bytes.drain(..=end);
            dropped += end as u64 + 1;
            lost += 1;
        }
        (dropped, lost, bytes)
    }
}
