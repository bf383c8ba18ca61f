//! From how a build ended to what is said about it.

use super::{
    collect::CollectError,
    pipeline::OWN,
    process::End,
    protocol::{Limits, Outcome, StopReason},
    watch::Why,
};
use crate::{
    domain::{Cause, Failure, JobId},
    files::DataDir,
    plugin::{PluginError, api},
};
use std::time::Duration;

/// Lines given to a runner to explain a failure.
const LINES: usize = 200;
/// Bytes of the log's end that are looked at for them.
const END: usize = 256 << 10;

/// A failure with a way out.
pub(super) fn failed(cause: Cause, message: impl Into<String>, suggestion: &str) -> Failure {
    let suggestion = (!suggestion.is_empty()).then(|| suggestion.to_owned());
    Failure { cause, message: message.into(), suggestion, line: None }
}

/// What a build that was ended before its time counts as.
pub(super) fn of_why(why: &Why, limits: &Limits) -> Outcome {
    let failure = match why {
        Why::Stopped(reason) => return Outcome::Stopped(*reason),
        Why::Total => failed(
            Cause::Timeout,
            format!("the build took longer than {}", span(limits.total)),
            "raise the queue's time limit, or make the image smaller",
        ),
        Why::Silent => failed(
            Cause::Silent,
            format!("the tool printed nothing for {}", span(limits.silence)),
            "look at the end of the log for what it was waiting for",
        ),
        Why::Log { reason, full: true } => failed(
            Cause::Box,
            format!("the disk is full: {reason}"),
            "free space on the box, then retry",
        ),
        Why::Log { reason, full: false } => failed(Cause::Box, reason, ""),
    };
    Outcome::Failed(failure)
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
        End::Exit(code) => format!("`{program}` ended with exit code {code}"),
        End::Signal(9) => format!(
            "`{program}` was killed by signal 9 (SIGKILL): probably the box ran out of memory"
        ),
        End::Signal(number) => {
            format!("`{program}` was killed by signal {number}{}", named(*number))
        }
        End::Failed(reason) => format!("`{program}` could not be run: {reason}"),
    }
}

fn named(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// Without the runner's opinion: what a step's end means.
pub(super) fn of_step(step: &api::Step, end: &End, line: Option<u64>) -> Failure {
    let cause = match end {
        End::Exit(_) | End::Signal(15) => Cause::Definition,
        End::Signal(_) | End::Failed(_) => Cause::Box,
    };
    Failure { line, ..failed(cause, sentence(&step.program, end), "read the end of the log") }
}

/// The runner itself failed.
pub(super) fn of_plugin(error: &PluginError) -> Failure {
    let way_out = "tell the administrator: the runner has to be repaired or replaced";
    failed(Cause::Runner, error.to_string(), way_out)
}

/// Nothing was collected.
pub(super) fn of_collect(error: CollectError) -> Outcome {
    let failure = match &error {
        CollectError::Runner(e) => of_plugin(e),
        CollectError::Refused(_) => failed(Cause::Runner, error.to_string(), ""),
        CollectError::NoImage(_) => failed(
            Cause::Definition,
            error.to_string(),
            "read the log for what the tool did instead",
        ),
        CollectError::Files(e) if e.is_full() => failed(
            Cause::Box,
            format!("the disk is full: {e}"),
            "free space on the box, then retry",
        ),
        CollectError::Files(_) => failed(Cause::Box, error.to_string(), ""),
        CollectError::Stopped => return Outcome::Stopped(StopReason::Cancelled),
    };
    Outcome::Failed(failure)
}

/// The tool's last lines, and the log line of the first of them.
pub(super) fn last_lines(data: &DataDir, job: JobId, total: u64) -> Vec<(u64, String)> {
    let read = || -> Option<Vec<u8>> {
        let log = data.open_log(job).ok()??;
        let begin = log.len().ok()?.saturating_sub(END as u64);
        let mut bytes = vec![0; END];
        let read = log.read_full_at(&mut bytes, begin).ok()?;
        bytes.truncate(read);
        Some(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<_> = text
        .lines()
        .rev()
        .zip((1..=total).rev())
        .filter(|(line, _)| !line.starts_with(OWN))
        .take(LINES)
        .map(|(line, number)| (number, line.to_owned()))
        .collect();
    lines.reverse();
    lines
}

/// What the runner says about it.
pub(super) fn of_explanation(
    explanation: api::Explanation,
    lines: &[(u64, String)],
    first_error: Option<u64>,
) -> Failure {
    let cause = match explanation.cause {
        api::Cause::Definition => Cause::Definition,
        api::Cause::Repository => Cause::Repository,
        api::Cause::Box => Cause::Box,
        api::Cause::Runner => Cause::Runner,
    };
    // A runner knows the lines it was given, counted from 1.
    let given = explanation.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
    let line = given.and_then(|at| lines.get(at)).map(|(number, _)| *number).or(first_error);
    Failure { cause, message: explanation.message, suggestion: explanation.suggestion, line }
}
