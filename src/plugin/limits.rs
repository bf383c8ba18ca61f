//! What a call may use: time, memory, tables, words. One [`State`] lives in each Store.

use super::{
    api,
    bindings::img::runner::host::{self, Level},
    clock::Clock,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use wasmtime::ResourceLimiter;

/// How long a call may take and how much memory a Store may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processor time any call may take, and any batch of an observer. On a busy box it may wait
    /// for a processor up to five times as long.
    pub call: Duration,
    /// The same for the first `describe`, with the instantiation before it.
    pub load: Duration,
    /// Bytes of linear memory in one Store.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A decent call takes microseconds: one second is for boxes that are very busy. Guests that
        // carry a language runtime need seconds to start.
        Self { call: Duration::from_secs(1), load: Duration::from_secs(5), memory: 64 << 20 }
    }
}

/// A component made by usual tools has two or three core instances; these are generous.
const INSTANCES: usize = 32;
const TABLES: usize = 32;
const MEMORIES: usize = 8;
const TABLE_ELEMENTS: usize = 100_000;

/// Messages one call may log, and how long each may be.
const LOG_CALLS: u32 = 100;
const LOG_BYTES: usize = 1024;
/// Messages kept for the error should the guest trap.
const LOG_KEPT: usize = 3;

/// What the host keeps beside a guest while it runs.
pub(super) struct State {
    runner: Arc<str>,
    memory_limit: usize,
    memory: usize,
    table_elements: usize,
    over: Option<String>,
    logged: u32,
    last: VecDeque<String>,
    pub(super) clock: Clock,
}

impl State {
    pub(super) fn new(runner: Arc<str>, limits: &Limits) -> Self {
        Self {
            runner,
            memory_limit: limits.memory,
            memory: 0,
            table_elements: 0,
            over: None,
            logged: 0,
            last: VecDeque::new(),
            clock: Clock::default(),
        }
    }

    /// A new call begins: what was logged before is not its business.
    pub(super) fn begin_call(&mut self, deadline: Duration) {
        self.clock = Clock::new(deadline);
        self.logged = 0;
        self.last.clear();
    }

    /// Which limit was run into, if one was.
    pub(super) fn over(&self) -> Option<&str> {
        self.over.as_deref()
    }

    /// The last things it logged, newest last.
    pub(super) fn last_words(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    fn stop(&mut self, why: String) -> wasmtime::Error {
        self.over = Some(why.clone());
        wasmtime::Error::msg(why)
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(desired.saturating_sub(current));
        if wanted > self.memory_limit {
            let mib = self.memory_limit >> 20;
            return Err(self.stop(format!("wanted more than {mib} MiB of memory")));
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.table_elements.saturating_add(desired.saturating_sub(current));
        if wanted > TABLE_ELEMENTS {
            return Err(self.stop(format!("wanted more than {TABLE_ELEMENTS} table elements")));
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

impl api::Host for State {}

impl host::Host for State {
    fn log(&mut self, level: Level, message: String) {
        self.logged = self.logged.saturating_add(1);
        if self.logged > LOG_CALLS {
            return;
        }
        let message = one_line(&message, LOG_BYTES);
        write(&self.runner, level, &message);
        if self.logged == LOG_CALLS {
            write(&self.runner, Level::Warning, "logs too much, the rest of this call is dropped");
        }
        if self.last.len() == LOG_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(message);
    }
}

fn write(runner: &str, level: Level, message: &str) {
    match level {
        Level::Error => tracing::error!(runner.id = runner, "runner {runner}: {message}"),
        Level::Warning => tracing::warn!(runner.id = runner, "runner {runner}: {message}"),
        Level::Info => tracing::info!(runner.id = runner, "runner {runner}: {message}"),
        Level::Debug => tracing::debug!(runner.id = runner, "runner {runner}: {message}"),
    }
}

/// At most `max` bytes of `text`, with everything that could forge a line or turn the text around
/// written as an escape.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::new();
    for c in text.trim().chars() {
        let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let before = line.len();
        match c {
            c if c.is_control() || bidi => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
        if line.len() > max {
            line.truncate(before);
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_guest_logs_cannot_forge_a_line() {
        assert_eq!(one_line("a\nb\u{1b}[31m\u{202e}c", 100), r"a\u{a}b\u{1b}[31m\u{202e}c");
    }

    #[test]
    fn memory_is_counted_over_all_memories_of_a_store() {
        let limits = Limits { memory: 10 << 20, ..Limits::default() };
        let mut state = State::new("x".into(), &limits);
        assert!(state.memory_growing(0, 6 << 20, None).unwrap());
        assert!(state.memory_growing(0, 6 << 20, None).is_err());
        assert_eq!(state.over(), Some("wanted more than 10 MiB of memory"));
    }

    #[test]
    fn only_the_last_words_are_kept_and_only_of_this_call() {
        use host::Host as _;
        let mut state = State::new("x".into(), &Limits::default());
        (0..1000).for_each(|n| state.log(Level::Debug, n.to_string()));
        assert_eq!(state.last_words().collect::<Vec<_>>(), ["97", "98", "99"]);
        state.begin_call(Duration::from_secs(1));
        assert_eq!(state.last_words().count(), 0);
    }

    proptest! {
        #[test]
        fn a_cut_line_is_short_and_has_no_control_characters(text in any::<String>(), max in 0usize..64) {
            let line = one_line(&text, max);
            prop_assert!(line.len() <= max + '…'.len_utf8());
            prop_assert!(line.chars().all(|c| !c.is_control()));
        }
    }
}
