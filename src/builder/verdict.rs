//! From how a build ended to what is said about it.
//!
//! What counts, in this order: what the box knows ([`of_box`]), what the runner reads in the
//! output ([`of_explanation`]), the first error line of the log ([`of_step`]).

use super::{
    collect::CollectError,
    evidence::{FULL, Memory, Room},
    lines::{Line, error_line, quoted},
    pipeline::Complaint,
    process::End,
    protocol::{Limits, Outcome, StopReason},
    watch::Why,
};
use crate::{
    domain::{Bounds, Cause, Failure, units::size_text},
    files::FilesError,
    plugin::{PluginError, api},
};
use std::time::Duration;

const FREE: &str = "free space on the box, then retry";
const FEWER: &str = "try again when fewer jobs run, or give the box more memory";
const ADMINISTRATOR: &str = "tell the administrator of the box";
const REPLACE: &str = "tell the administrator: the runner has to be repaired or replaced";
const WHO: &str = "find out who ends processes on the box, then retry";

/// A failure with a way out.
pub(super) fn failed(cause: Cause, message: impl Into<String>, suggestion: &str) -> Failure {
    let suggestion = (!suggestion.is_empty()).then(|| suggestion.to_owned());
    Failure { cause, message: message.into(), suggestion, line: None }
}

/// What a build that was ended before its time counts as; `program` was running, if one was, and
/// `last` is what was printed last.
pub(super) fn of_why(
    why: &Why,
    limits: &Limits,
    program: Option<&str>,
    last: Option<&Line>,
) -> Outcome {
    let line = last.map(|line| line.number);
    let said = last.map(|line| quoted(&line.text)).filter(|text| !text.is_empty());
    let failure = match why {
        Why::Stopped(reason) => return Outcome::Stopped(*reason),
        Why::Total => failed(
            Cause::Timeout,
            match program {
                Some(program) => {
                    format!("the build took longer than {}, in `{program}`", span(limits.total))
                }
                None => format!("the build took longer than {}", span(limits.total)),
            },
            "raise the queue's time limit, or make the image smaller",
        ),
        Why::Silent => failed(
            Cause::Silent,
            format!(
                "{} printed nothing for {}{}",
                program.map_or("the tool".into(), |program| format!("`{program}`")),
                span(limits.silence),
                said.map_or(String::new(), |said| format!("; its last words: {said}"))
            ),
            "look at the end of the log for what it was waiting for",
        ),
        Why::Scratch(held) => failed(
            Cause::Limit,
            format!(
                "the build's directory holds {}, and it may hold {}",
                size_text(*held),
                size_text(limits.bounds.scratch)
            ),
            "raise what the queue's builds may hold, or make the image smaller",
        ),
        Why::Log { reason, full: true } => {
            failed(Cause::Box, format!("the disk is full: {reason}"), FREE)
        }
        Why::Log { reason, full: false } => failed(Cause::Box, reason, ADMINISTRATOR),
    };
    Outcome::Failed(Failure { line, ..failure })
}

fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// In a sentence: how the program ended.
pub(super) fn sentence(program: &str, end: &End) -> String {
    match end {
        End::Exit(code @ 129..=159) => {
            let signal = code - 128;
            format!("`{program}` ended with exit code {code}, as after signal {}", named(signal))
        }
        End::Exit(code) => format!("`{program}` ended with exit code {code}"),
        End::Signal(signal) => format!("`{program}` was killed by signal {}", named(*signal)),
        End::Failed(reason) => format!("`{program}` could not be run: {reason}"),
    }
}

fn named(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return signal.to_string(),
    };
    format!("{signal} ({name})")
}

/// What is known about a step that failed.
pub(super) struct Facts<'a> {
    pub(super) program: &'a str,
    pub(super) end: &'a End,
    /// Whether the kernel killed for want of memory since the step began.
    pub(super) memory: Memory,
    /// True where that was counted for this build alone.
    pub(super) counted: bool,
    /// Whether it was refused a process because it had as many as it may.
    pub(super) met_tasks: bool,
    /// What it may use.
    pub(super) bounds: &'a Bounds,
    /// Room on the builds' volume now.
    pub(super) room: Option<Room>,
    /// The least room while a tool complained of a full device.
    pub(super) complained: Option<Room>,
    /// What the step printed last.
    pub(super) lines: &'a [Line],
    /// The first complaint the runner took for an error.
    pub(super) first_error: Option<&'a Complaint>,
}

impl Facts<'_> {
    fn says(&self, words: &[&str]) -> Option<&Line> {
        let has = |line: &&Line| words.iter().any(|word| line.text.contains(word));
        self.lines.iter().rev().find(has)
    }

    fn last(&self) -> Option<u64> {
        self.lines.last().map(|line| line.number)
    }
}

/// What the box knows better than any tool: nothing of it needs a runner's opinion.
pub(super) fn of_box(facts: &Facts<'_>) -> Option<Failure> {
    not_run(facts)
        .or_else(|| over(facts))
        .or_else(|| killed(facts))
        .or_else(|| disk(facts))
        .or_else(|| outside(facts))
}

fn not_run(facts: &Facts<'_>) -> Option<Failure> {
    let End::Failed(reason) = facts.end else { return None };
    let way_out = if reason.contains("No such file or directory") {
        "if it is a script, install the interpreter that its first line names"
    } else if reason.contains("Exec format error") {
        "it is no program for this box's processor: install the right one"
    } else if reason.contains("Permission denied") {
        "the service may not run it: check its mode and how its file system is mounted"
    } else {
        ADMINISTRATOR
    };
    Some(failed(Cause::Box, sentence(facts.program, facts.end), way_out))
}

/// What the control group refused it.
fn over(facts: &Facts<'_>) -> Option<Failure> {
    let program = facts.program;
    if facts.memory == Memory::OverLimit {
        let line = facts.says(&["Killed", "signal 9", "SIGKILL"]).map(|line| line.number);
        let most = size_text(facts.bounds.memory);
        let message = format!(
            "the build needs more than the {most} of memory it may have: the kernel killed {}",
            match facts.end {
                End::Signal(9) | End::Exit(137) => format!("`{program}`"),
                End::Exit(_) | End::Signal(_) | End::Failed(_) => format!("a part of `{program}`"),
            }
        );
        let way_out = "raise the memory of the queue's builds, or make the image smaller";
        let line = line.or(facts.last());
        return Some(Failure { line, ..failed(Cause::Limit, message, way_out) });
    }
    // Many a tool meets it, waits and tries again: only when it says so does it count.
    let words = ["Resource temporarily unavailable", "annot fork", "annot allocate memory"];
    let said = facts.met_tasks.then(|| facts.says(&words)).flatten()?;
    let message = format!(
        "the build needs more than the {} processes it may have at once: {}",
        facts.bounds.tasks,
        quoted(&said.text)
    );
    let way_out = "raise the processes of the queue's builds, or start fewer at once";
    Some(Failure { line: Some(said.number), ..failed(Cause::Limit, message, way_out) })
}

/// Signal 9 never comes from us here: a build that we end has its own verdict.
fn killed(facts: &Facts<'_>) -> Option<Failure> {
    let program = facts.program;
    let hard = matches!(facts.end, End::Signal(9) | End::Exit(137));
    let told = facts.says(&["Killed", "signal 9", "SIGKILL"]);
    let (message, way_out) = match (hard, facts.memory) {
        (true, Memory::Ran) => {
            (format!("the box ran out of memory: the kernel killed `{program}`"), FEWER)
        }
        (true, Memory::RanSomewhere | Memory::Unknown) => {
            let ended = sentence(program, facts.end);
            (format!("{ended}, not by img: most likely the box ran out of memory"), FEWER)
        }
        (true, Memory::Held | Memory::OverLimit) => {
            let ended = sentence(program, facts.end);
            (format!("{ended}, not by img, and the box has not run out of memory"), WHO)
        }
        (false, Memory::Ran) if told.is_some() => (of_child(program), FEWER),
        (false, _) => return None,
    };
    let line = told.map(|line| line.number).or(facts.last());
    Some(Failure { line, ..failed(Cause::Box, message, way_out) })
}

fn of_child(program: &str) -> String {
    format!("the box ran out of memory: the kernel killed a part of `{program}`")
}

fn disk(facts: &Facts<'_>) -> Option<Failure> {
    let told = facts.says(&[FULL]);
    let at_complaint = facts.complained.and_then(|room| room.lack(true));
    let lack = at_complaint.or_else(|| facts.room?.lack(told.is_some()))?;
    let line = told.map(|line| line.number);
    let line = line.or(facts.first_error.map(|error| error.line)).or(facts.last());
    Some(Failure { line, ..failed(Cause::Box, lack, FREE) })
}

/// Signals that a program does not bring upon itself.
fn outside(facts: &Facts<'_>) -> Option<Failure> {
    let End::Signal(1 | 2 | 3 | 15) = facts.end else { return None };
    let message = format!("{}, not by img", sentence(facts.program, facts.end));
    Some(Failure { line: facts.last(), ..failed(Cause::Box, message, WHO) })
}

/// Neither the box nor the runner knows: the first error line of the log has to do.
pub(super) fn of_step(facts: &Facts<'_>) -> Failure {
    let program = facts.program;
    // What was counted for all builds may have been another one's.
    if facts.memory == Memory::Ran && facts.counted {
        return Failure { line: facts.last(), ..failed(Cause::Box, of_child(program), FEWER) };
    }
    if let Some(failure) = missing(facts) {
        return failure;
    }
    if let (Some(line), Some(room)) = (facts.says(&[FULL]), facts.room) {
        let message = format!(
            "a file system is full, but not the one of the builds ({} MiB are free there): {}",
            room.free >> 20,
            quoted(&line.text)
        );
        let way_out = "make the image larger, or free space where the log says";
        let line = Some(line.number);
        return Failure { line, ..failed(Cause::Definition, message, way_out) };
    }
    let ended = sentence(program, facts.end);
    let error = match facts.first_error {
        Some(error) => Some((error.line, error.message.as_str())),
        None => error_line(facts.lines).map(|line| (line.number, line.text.as_str())),
    };
    let (line, message) = match error {
        Some((line, text)) => (Some(line), format!("{ended}: {}", quoted(text))),
        None => (facts.last(), ended),
    };
    let (cause, way_out) = match facts.end {
        End::Exit(_) => (Cause::Definition, "read the log from there on"),
        End::Signal(_) | End::Failed(_) => {
            (Cause::Box, "try again; if it happens again, tell the makers of the program")
        }
    };
    Failure { line, ..failed(cause, message, way_out) }
}

/// What a shell says of a program that it cannot run: `sh: 3: NAME: not found`.
fn missing(facts: &Facts<'_>) -> Option<Failure> {
    let (endings, what, way_out): (&[&str], _, _) = match facts.end {
        End::Exit(127) => (
            &[": not found", ": command not found", ": No such file or directory"],
            "is not installed",
            "install it on the box, or leave it out of the definition",
        ),
        End::Exit(126) => (
            &[": Permission denied", ": cannot execute: required file not found"],
            "cannot be run",
            "make it executable, or leave it out of the definition",
        ),
        End::Exit(_) | End::Signal(_) | End::Failed(_) => return None,
    };
    let (line, named) = facts.lines.iter().rev().find_map(|line| {
        let named = endings.iter().find_map(|ending| line.text.strip_suffix(ending))?;
        Some((line.number, named))
    })?;
    let name = quoted(named.rsplit(": ").next().unwrap_or(named));
    let message = format!("`{name}`, which `{}` starts, {what}", facts.program);
    Some(Failure { line: Some(line), ..failed(Cause::Box, message, way_out) })
}

/// The runner itself failed.
pub(super) fn of_plugin(error: &PluginError) -> Failure {
    failed(Cause::Runner, error.to_string(), REPLACE)
}

/// Nothing was collected.
pub(super) fn of_collect(error: CollectError) -> Outcome {
    let failure = match &error {
        CollectError::Runner(e) => of_plugin(e),
        CollectError::Refused(_) => failed(Cause::Runner, error.to_string(), REPLACE),
        CollectError::NoImage(_) => failed(
            Cause::Definition,
            error.to_string(),
            "read the log for what the tool did instead",
        ),
        CollectError::Files(e) if e.is_full() => {
            failed(Cause::Box, format!("the disk is full: {e}"), FREE)
        }
        // The next try would find the same.
        CollectError::Files(FilesError::Links { .. }) => {
            failed(Cause::Runner, error.to_string(), REPLACE)
        }
        CollectError::Files(_) => failed(Cause::Box, error.to_string(), ADMINISTRATOR),
        CollectError::Stopped => return Outcome::Stopped(StopReason::Cancelled),
    };
    Outcome::Failed(failure)
}

/// What the runner says about it.
pub(super) fn of_explanation(
    explanation: api::Explanation,
    lines: &[Line],
    first_error: Option<&Complaint>,
) -> Failure {
    let cause = match explanation.cause {
        api::Cause::Definition => Cause::Definition,
        api::Cause::Repository => Cause::Repository,
        api::Cause::Box => Cause::Box,
        api::Cause::Runner => Cause::Runner,
    };
    // A runner knows the lines it was given, counted from 1.
    let given = explanation.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
    let line = given.and_then(|at| lines.get(at)).map(|line| line.number);
    let line = line.or(first_error.map(|error| error.line));
    let line = line.or_else(|| Some(error_line(lines).or(lines.last())?.number));
    Failure { cause, message: explanation.message, suggestion: explanation.suggestion, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(end: &End, memory: Memory, met_tasks: bool, said: &str) -> Option<Failure> {
        let bounds = Bounds { memory: 2 << 30, tasks: 40, ..Bounds::default() };
        let lines = [Line { number: 7, text: said.to_owned() }];
        let facts = Facts {
            program: "mic",
            end,
            memory,
            counted: true,
            met_tasks,
            bounds: &bounds,
            room: None,
            complained: None,
            lines: &lines,
            first_error: None,
        };
        of_box(&facts)
    }

    #[test]
    fn a_build_over_its_memory_is_told_from_a_box_without_memory() {
        let over = verdict(&End::Signal(9), Memory::OverLimit, false, "unpacking").unwrap();
        assert_eq!((over.cause, over.line), (Cause::Limit, Some(7)));
        assert!(over.message.contains("2GiB of memory it may have"), "{}", over.message);
        assert!(over.message.contains("killed `mic`"), "{}", over.message);
        let child = verdict(&End::Exit(1), Memory::OverLimit, false, "sh: Killed").unwrap();
        assert!(child.message.contains("a part of `mic`"), "{}", child.message);
        let of_box = verdict(&End::Signal(9), Memory::Ran, false, "unpacking").unwrap();
        assert_eq!(of_box.cause, Cause::Box);
        assert!(of_box.message.contains("the box ran out of memory"), "{}", of_box.message);
    }

    #[test]
    fn a_build_over_its_processes_is_told_by_its_own_words() {
        let said = "sh: fork: Resource temporarily unavailable";
        let over = verdict(&End::Exit(2), Memory::Held, true, said).unwrap();
        assert_eq!((over.cause, over.line), (Cause::Limit, Some(7)));
        assert!(over.message.contains("40 processes"), "{}", over.message);
        assert_eq!(verdict(&End::Exit(2), Memory::Held, false, said), None);
        assert_eq!(verdict(&End::Exit(2), Memory::Held, true, "syntax error"), None);
    }
}
