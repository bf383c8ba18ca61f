//! A runner that misbehaves on request. The first word of the definition says how; any other
//! word gets a decent answer, so the same component also serves where a good runner is needed.
//!
//! What `describe` answers is set by three markers in the data section, which a test may patch in
//! the finished component: `HOSTILE-MODE=`, `HOSTILE-ID=` and `HOSTILE-VERSION=`, each followed by
//! a text of fixed width, padded with blanks.

mod answers;
mod deeds;

use answers::{collection, described, explained, inspected, planned};
use deeds::misbehave;
use exports::img::runner::build::{
    Artifact, BuildPlan, Diagnostic, Event, Explanation, Failure, Guest, GuestObserver, Inspection,
    OutputFile, Request, RunnerInfo,
};
use img::runner::types::{Progress, Severity};
use std::{cell::Cell, sync::Once};

wit_bindgen::generate!({ path: "../wit", world: "runner" });

struct Hostile;

/// Reads a marker's value. Volatile, so that what a test patches is what is read.
fn marker<const N: usize>(marker: &'static [u8; N], name: &str) -> String {
    // SAFETY: the pointer comes from a reference.
    let bytes = unsafe { std::ptr::read_volatile(marker) };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.strip_prefix(name).unwrap_or(&text).trim_end().to_owned()
}

/// The first word of a definition.
fn word(definition: &[u8]) -> String {
    let text = String::from_utf8_lossy(definition);
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Has a panic's text logged: without WASI it is lost otherwise.
fn tell_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            img::runner::host::log(img::runner::host::Level::Error, &info.to_string());
        }));
    });
}

fn enter(definition: &[u8]) -> String {
    tell_panics();
    let word = word(definition);
    misbehave(&word);
    word
}

impl Guest for Hostile {
    type Observer = Lines;

    fn describe() -> RunnerInfo {
        tell_panics();
        let mode = marker(b"HOSTILE-MODE=good                            ", "HOSTILE-MODE=");
        let id = marker(b"HOSTILE-ID=hostile                         ", "HOSTILE-ID=");
        let version = marker(b"HOSTILE-VERSION=1.0.0           ", "HOSTILE-VERSION=");
        misbehave(&mode);
        described(&mode, id, version)
    }

    fn inspect(definition: Vec<u8>) -> Inspection {
        let word = enter(&definition);
        inspected(&word)
    }

    fn check(request: Request) -> Vec<Diagnostic> {
        enter(&request.definition);
        let error = |message: &str| answers::diagnostic(Severity::Error, message);
        if request.definition.is_empty() { vec![error("the definition is empty")] } else { vec![] }
    }

    fn plan(request: Request) -> Result<BuildPlan, Vec<Diagnostic>> {
        let word = enter(&request.definition);
        planned(&word, &request)
    }

    fn explain(request: Request, failure: Failure) -> Option<Explanation> {
        enter(&request.definition);
        explained(&failure)
    }

    fn collect(request: Request, files: Vec<OutputFile>) -> Result<Vec<Artifact>, String> {
        let word = enter(&request.definition);
        collection(&word, &files)
    }
}

/// Counts lines; tells phases (`== name`), progress (`3/7`) and errors (`error: …`).
struct Lines {
    word: String,
    seen: Cell<u64>,
}

impl GuestObserver for Lines {
    fn new(request: Request) -> Self {
        let word = enter(&request.definition);
        Self { word, seen: Cell::new(0) }
    }

    fn feed(&self, lines: Vec<String>) -> Vec<Event> {
        if let Some(deed) = self.word.strip_prefix("feed-") {
            misbehave(deed);
        }
        if self.word == "many-events" {
            return (0..200_000).map(|n| Event::Phase(n.to_string())).collect();
        }
        self.seen.set(self.seen.get() + lines.len() as u64);
        let mut events: Vec<_> = lines.iter().filter_map(|line| event(line)).collect();
        if lines.iter().any(|line| line == "count?") {
            let progress = Progress { done: self.seen.get(), total: None, unit: "lines".into() };
            events.push(Event::Progress(progress));
        }
        events
    }
}

fn event(line: &str) -> Option<Event> {
    if let Some(phase) = line.strip_prefix("== ") {
        return Some(Event::Phase(phase.to_owned()));
    }
    if let Some(message) = line.strip_prefix("error: ") {
        return Some(Event::Diagnostic(answers::diagnostic(Severity::Error, message)));
    }
    let (done, total) = line.split_once('/')?;
    let (done, total) = (done.parse().ok()?, total.parse().ok()?);
    Some(Event::Progress(Progress { done, total: Some(total), unit: "steps".into() }))
}

export!(Hostile);
