//! Follows the output of a job: phases, progress, and what the tool complains about.

use crate::logline::{self, Level, LogLine};
use img_runner_sdk::{Diagnostic, Event, Progress, error, error_at, progress, warning};

/// More complaints than this help nobody.
const MOST_WARNINGS: u32 = 100;
const MOST_ERRORS: u32 = 50;

/// Beginnings of the tool's own lines and the phase they open. A build passes through them in this
/// order, so a line that goes back (a script may print what it likes) changes nothing.
const PHASES: [(&str, &str); 18] = [
    ("Retrieving repo metadata", "reading repositories"),
    ("Running pre scripts", "running %pre scripts"),
    ("Refreshing repository", "resolving packages"),
    ("Checking packages cache", "checking packages"),
    ("Downloading packages", "downloading packages"),
    ("Retrieving ", "downloading packages"),
    ("Preinstall: ", "installing packages"),
    ("Installing: ", "installing packages"),
    ("Copying attachment", "copying attachments"),
    ("Applying configurations", "configuring the system"),
    ("Running post scripts", "running %post scripts"),
    ("Checking filesystem", "making the image"),
    ("Copying /", "making the image"),
    ("Pack rootfs", "making the image"),
    ("Pack all", "making the image"),
    ("Running pack scripts", "running %pack scripts"),
    ("The new image can be found here", "finishing"),
    ("Finished.", "finished"),
];

/// What every build prints and nobody can act on.
const NOISE: [&str; 4] = [
    "Failed to terminate /proc/",
    "Failed to kill /proc/",
    "Loading failed, skip plugin",
    "Module ",
];
/// A package in the cache is older than the repository's: it is fetched again.
const STALE: [&str; 2] =
    ["checksum mismatch - redownloading", "is not same as the cached rpm digest"];

/// What the next lines belong to.
#[derive(Debug, Default)]
enum Within {
    #[default]
    Nothing,
    /// `The following problem occurred on line N of the kickstart file:`
    Problem(u32),
    /// A Python traceback: its last line says what happened.
    Traceback,
}

/// The state between lines.
#[derive(Debug, Default)]
pub struct Observer {
    within: Within,
    /// How far down the table of phases the build is, from 1.
    reached: usize,
    last: Option<Progress>,
    warnings: u32,
    errors: u32,
}

impl img_runner_sdk::Observer for Observer {
    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if !matches!(self.within, Within::Nothing) {
            return self.continued(line, events);
        }
        // Everything below begins with one of these letters; most lines of a build do not matter.
        match line.as_bytes().first() {
            Some(b'I' | b'W' | b'E') => {
                if let Some(line) = logline::read(line) {
                    self.own_line(&line, events);
                }
            }
            Some(b'T') => self.opening(line),
            Some(b'm') => self.usage(line, events),
            _ => {}
        }
    }
}

impl Observer {
    fn own_line(&mut self, line: &LogLine<'_>, events: &mut Vec<Event>) {
        match line.level {
            Level::Info => self.info(line.text, events),
            Level::Warning => {
                if !is_noise(line.text) {
                    self.warn(line.text, events);
                }
            }
            Level::Error => {
                let class = if line.class.is_empty() { "mic" } else { line.class };
                self.complain(error(format!("{class}: {}", clipped(line.text))), events);
            }
        }
    }

    fn info(&mut self, text: &str, events: &mut Vec<Event>) {
        let Some(at) = PHASES.iter().position(|(start, _)| text.starts_with(start)) else {
            return;
        };
        self.phase(at, events);
        if let Some((done, total)) = logline::counter(text) {
            self.count(done, total, events);
        }
    }

    fn phase(&mut self, at: usize, events: &mut Vec<Event>) {
        if at < self.reached {
            return;
        }
        let name = |at: usize| PHASES.get(at).map(|(_, name)| *name);
        let before = self.reached.checked_sub(1).and_then(name);
        self.reached = at.saturating_add(1);
        let now = name(at);
        if now != before {
            self.last = None;
            events.extend(now.map(|name| Event::Phase(name.into())));
        }
    }

    fn count(&mut self, done: u64, total: u64, events: &mut Vec<Event>) {
        let next = Progress { done, total: Some(total), unit: "packages".into() };
        if self.last.as_ref() != Some(&next) {
            events.push(progress(done, Some(total), "packages"));
            self.last = Some(next);
        }
    }

    fn warn(&mut self, text: &str, events: &mut Vec<Event>) {
        self.warnings = self.warnings.saturating_add(1);
        if self.warnings <= MOST_WARNINGS {
            events.push(Event::Diagnostic(warning(clipped(text))));
        }
    }

    fn complain(&mut self, diagnostic: Diagnostic, events: &mut Vec<Event>) {
        self.errors = self.errors.saturating_add(1);
        if self.errors <= MOST_ERRORS {
            events.push(Event::Diagnostic(diagnostic));
        }
    }

    fn opening(&mut self, line: &str) {
        if let Some(number) = problem_line(line) {
            self.within = Within::Problem(number);
        } else if line.starts_with("Traceback (most recent call last):") {
            self.within = Within::Traceback;
        }
    }

    /// `mic create(cr) loop: no such option: --x`
    fn usage(&mut self, line: &str, events: &mut Vec<Event>) {
        if let Some(text) = usage(line) {
            self.complain(error(format!("mic: {}", clipped(text))), events);
        }
    }

    fn continued(&mut self, line: &str, events: &mut Vec<Event>) {
        let text = line.trim_end();
        match self.within {
            Within::Nothing => {}
            Within::Problem(_) if text.is_empty() => {}
            Within::Problem(number) => {
                self.within = Within::Nothing;
                self.complain(error_at(number, kickstart_problem(text)), events);
            }
            Within::Traceback if text.is_empty() || text.starts_with(' ') => {}
            Within::Traceback => {
                self.within = Within::Nothing;
                self.complain(error(format!("mic crashed: {}", clipped(text))), events);
            }
        }
    }
}

fn is_noise(text: &str) -> bool {
    NOISE.iter().any(|noise| text.starts_with(noise))
        || STALE.iter().any(|part| text.contains(part))
}

/// The number in `The following problem occurred on line N of the kickstart file:`.
pub(crate) fn problem_line(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("The following problem occurred on line ")?;
    rest.split(' ').next()?.parse().ok()
}

/// The complaint about the command line.
pub(crate) fn usage(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("mic ")?;
    let (who, text) = rest.split_once(": ")?;
    who.starts_with("create").then_some(text)
}

/// The kickstart parser's sentence, in this runner's words where it is known.
pub(crate) fn kickstart_problem(text: &str) -> String {
    match text.strip_prefix("Unknown command: ") {
        Some(command) => format!("unknown command `{}`", clipped(command)),
        None => clipped(text),
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::{Severity, testing};

    fn events(output: &str) -> Vec<Event> {
        testing::events(&mut Observer::default(), output)
    }

    fn phases(events: &[Event]) -> Vec<&str> {
        let mut names = Vec::new();
        for event in events {
            if let Event::Phase(name) = event {
                names.push(name.as_str());
            }
        }
        names
    }

    fn said(events: &[Event]) -> Vec<(Severity, Option<u32>, &str)> {
        let mut said = Vec::new();
        for event in events {
            if let Event::Diagnostic(one) = event {
                said.push((one.severity, one.line, one.message.as_str()));
            }
        }
        said
    }

    #[test]
    fn a_build_passes_through_its_phases() {
        let events = events(include_str!("../tests/logs/loop-done.log"));
        let expected = [
            "reading repositories",
            "running %pre scripts",
            "resolving packages",
            "checking packages",
            "downloading packages",
            "installing packages",
            "copying attachments",
            "configuring the system",
            "running %post scripts",
            "making the image",
            "running %pack scripts",
            "finishing",
            "finished",
        ];
        assert_eq!(phases(&events), expected);
        let counts: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Progress(one) => Some((one.done, one.total)),
                _ => None,
            })
            .collect();
        assert_eq!(counts, [(1, Some(1)), (1, Some(3)), (2, Some(3)), (3, Some(3))]);
        assert_eq!(said(&events), []);
    }

    #[test]
    fn a_skipped_line_of_the_definition_is_an_error_with_its_line() {
        let events = events(include_str!("../tests/logs/unknown-command.log"));
        assert_eq!(said(&events)[0], (Severity::Error, Some(4), "unknown command `prat`"));
    }

    #[test]
    fn errors_usage_and_tracebacks_are_said() {
        let output = "Error <creator>[11/23 17:51:12] : Unable to find package: app\n\
                      mic create(cr) loop: no such option: --bogus\n\
                      Traceback (most recent call last):\n  File \"x\", line 1\n    y()\n\
                      EOFError: EOF when reading a line\n";
        let texts: Vec<_> = said(&events(output)).iter().map(|one| one.2.to_owned()).collect();
        assert_eq!(
            texts,
            [
                "creator: Unable to find package: app",
                "mic: no such option: --bogus",
                "mic crashed: EOFError: EOF when reading a line"
            ]
        );
    }

    #[test]
    fn what_a_script_prints_cannot_turn_the_build_back() {
        let output = "Info[11/23 17:51:11] : Running post scripts ...\n\
                      Info[11/23 17:51:11] : Retrieving repo metadata:\n\
                      Info[11/23 17:51:11] : Installing: x ++ [1/9]\n";
        assert_eq!(phases(&events(output)), ["running %post scripts"]);
    }

    #[test]
    fn a_stale_cache_is_no_warning() {
        let output = "Warning[11/23 17:51:11] : package /c/x.rpm checksum mismatch - \
                      redownloading\n";
        assert_eq!(events(output), []);
    }

    #[test]
    fn complaints_are_bounded() {
        let line = "Warning[11/23 17:51:11] : package x is damaged\n";
        let fault = "Error <repo>[11/23 17:51:11] : x\n";
        assert_eq!(events(&line.repeat(1_000)).len(), 100);
        assert_eq!(events(&fault.repeat(1_000)).len(), 50);
    }
}
