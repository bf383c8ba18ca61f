//! Watches over a runner's calls: opens their Stores, turns what went wrong into one sentence, and
//! keeps count.

use super::{
    PluginError, api,
    engine::Host,
    limits::{State, one_line},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use wasmtime::{Store, Trap};

/// Failures in a row after which a runner is switched off.
const FAILURES: u32 = 3;
/// Errors that are remembered.
const ERRORS: usize = 5;

/// Which of the guest's functions is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Describe,
    Inspect,
    Check,
    Plan,
    Observer,
    Feed,
    Explain,
    Collect,
}

impl Call {
    fn word(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Inspect => "inspect",
            Self::Check => "check",
            Self::Plan => "plan",
            Self::Observer => "observer",
            Self::Feed => "feed",
            Self::Explain => "explain",
            Self::Collect => "collect",
        }
    }

    /// Bytes its answer may have, as it lies in the host's memory. A plan may carry 16 MiB of files.
    pub(super) fn answer(self) -> usize {
        match self {
            Self::Plan => 24 << 20,
            _ => 4 << 20,
        }
    }
}

/// Stands between a runner and everybody who calls it.
pub(super) struct Warden {
    host: Arc<Host>,
    id: Arc<str>,
    version: String,
    /// Failures since the last good answer.
    row: AtomicU32,
    disabled: Mutex<Option<String>>,
    /// What went wrong last, newest first.
    errors: Mutex<VecDeque<String>>,
}

impl Warden {
    pub(super) fn new(host: Arc<Host>, info: &api::RunnerInfo) -> Self {
        Self {
            host,
            id: info.id.as_str().into(),
            version: info.version.clone(),
            row: AtomicU32::new(0),
            disabled: Mutex::default(),
            errors: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A fresh Store for one call.
    pub(super) fn store(&self, call: Call) -> Store<State> {
        self.host.store(&self.id, self.deadline(), call.answer())
    }

    pub(super) fn deadline(&self) -> Duration {
        self.host.limits.call
    }

    /// The one place where an answer becomes a result: checked, wrapped, counted.
    pub(super) fn judge<A, T>(
        &self,
        call: Call,
        store: &Store<State>,
        answer: wasmtime::Result<A>,
        check: impl FnOnce(A) -> Result<T, String>,
    ) -> Result<T, PluginError> {
        let readable = answer.map_err(|e| failure(call, &e, store.data(), self.deadline()));
        match readable.and_then(check) {
            Ok(answer) => {
                self.row.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Err(reason) => Err(self.failed(call, reason)),
        }
    }

    /// An error in this runner's name.
    pub(super) fn error(&self, reason: String) -> PluginError {
        let (runner, version) = (self.id.to_string(), self.version.clone());
        PluginError::Runner { runner, version, reason }
    }

    fn failed(&self, call: Call, reason: String) -> PluginError {
        let error = self.error(reason);
        tracing::warn!(runner.id = &*self.id, runner.call = call.word(), "{error}");
        self.remember(error.reason());
        if self.row.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.disable(error.reason());
        }
        error
    }

    fn disable(&self, last: &str) {
        let mut disabled = self.lock();
        if disabled.is_none() {
            *disabled = Some(format!("failed three times in a row: {last}"));
            self.host.note_change();
        }
    }

    fn remember(&self, error: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.truncate(ERRORS - 1);
        errors.push_front(error.to_owned());
        drop(errors);
        self.host.note_change();
    }

    /// What went wrong last, newest first.
    pub(super) fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Why it was switched off, if it was.
    pub(super) fn disabled(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Switches it on again. True if it was off.
    pub(super) fn revive(&self) -> bool {
        self.row.store(0, Ordering::Relaxed);
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.disabled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call came to nothing, with the guest's last words.
pub(super) fn failure(
    call: Call,
    error: &wasmtime::Error,
    state: &State,
    deadline: Duration,
) -> String {
    let what = state.over().map_or_else(|| trapped(call, error, deadline), str::to_owned);
    let words: Vec<_> = state.last_words().collect();
    let said =
        if words.is_empty() { String::new() } else { format!("; it said: {}", words.join(" | ")) };
    format!("its `{}` {what}{said}", call.word())
}

fn trapped(call: Call, error: &wasmtime::Error, deadline: Duration) -> String {
    let root = error.root_cause().to_string();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => format!("gave no answer within {} s", deadline.as_secs_f32()),
        Some(Trap::StackOverflow) => "used up its stack".into(),
        Some(Trap::UnreachableCodeReached) => "panicked".into(),
        Some(Trap::MemoryOutOfBounds) => {
            "reached outside of its memory, as a recursion without end does".into()
        }
        Some(trap) => format!("trapped: {trap}"),
        // wasmtime keeps the type of this error to itself.
        None if root.contains("fuel allocated for hostcalls") => {
            format!("handed over more than {} MiB", call.answer() >> 20)
        }
        None => format!("answered what cannot be read: {}", one_line(&root, 300)),
    }
}
