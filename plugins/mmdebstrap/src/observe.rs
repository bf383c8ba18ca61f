//! Reads the tool's output: `I: text`, with seconds in front when it is stamped.

use img_runner_sdk::{Diagnostic, Event, Observer, error, warning};

/// Phases in the order in which they come, with the words that begin them.
const PHASES: [(&str, &str); 11] = [
    ("running apt-get update", "update"),
    ("downloading packages", "download"),
    ("downloading apt", "download"),
    ("extracting archives", "extract"),
    ("installing essential", "install essential packages"),
    ("installing remaining", "install packages"),
    ("running special hook", "write files"),
    ("running --", "run hooks"),
    ("cleaning package lists", "clean"),
    ("creating ", "create the image"),
    ("removing tempdir", "tidy up"),
];

/// Warnings that say only that the image has no such directory.
const USUAL: [&str; 3] = ["skipping creation of", "skipping mounting of", "cannot mount"];

/// Keeps the phase, so that each is told once.
#[derive(Debug, Default)]
pub struct Reader {
    phase: &'static str,
}

impl Observer for Reader {
    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        match parts(line) {
            Some(('I', text)) => self.info(text, events),
            Some(('W', text)) if !USUAL.iter().any(|start| text.starts_with(start)) => {
                events.push(Event::Diagnostic(said(warning, text)));
            }
            Some(('E', text)) => events.push(Event::Diagnostic(said(error, text))),
            Some(_) | None => {}
        }
    }
}

impl Reader {
    fn info(&mut self, text: &str, events: &mut Vec<Event>) {
        let known = PHASES.iter().find(|(start, _)| text.starts_with(start));
        let Some((_, phase)) = known.filter(|(_, phase)| *phase != self.phase) else { return };
        self.phase = phase;
        events.push(Event::Phase((*phase).to_owned()));
    }
}

/// The letter and the text of a line of the tool's own.
pub fn parts(line: &str) -> Option<(char, &str)> {
    let stamp_ends = line.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unstamped = line.get(stamp_ends..)?.trim_start();
    let (letter, text) = unstamped.split_once(": ")?;
    let mut letters = letter.chars();
    let letter = letters.next().filter(|c| "IWEND".contains(*c))?;
    letters.next().is_none().then_some((letter, text))
}

fn said(kind: fn(String) -> Diagnostic, text: &str) -> Diagnostic {
    kind(text.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::testing::events;

    fn phases(output: &str) -> Vec<String> {
        let phase = |event| match event {
            Event::Phase(name) => Some(name),
            _ => None,
        };
        events(&mut Reader::default(), output).into_iter().filter_map(phase).collect()
    }

    #[test]
    fn a_build_walks_through_its_phases() {
        let output = "I: automatically chosen mode: root\n\
            I: using /build/work/mmdebstrap.x as tempdir\n\
            I: running apt-get update...\n\
            I: downloading packages with apt...\n\
            I: extracting archives...\n\
            I: installing essential packages...\n\
            I: installing remaining packages inside the chroot...\n\
            I: running special hook: tar-in files-0.tar /sbin\n\
            I: running special hook: tar-in files-1.tar /etc\n\
            I: running --customize-hook directly: /srv/x /build/work/mmdebstrap.x\n\
            I: cleaning package lists and apt cache...\n\
            I: creating tarball...\n\
            I: done\n\
            I: removing tempdir /build/work/mmdebstrap.x...\n\
            I: success in 21.9833 seconds\n";
        let stamped: String = output.lines().map(|line| format!("03.829092 {line}\n")).collect();
        let wanted = [
            "update",
            "download",
            "extract",
            "install essential packages",
            "install packages",
            "write files",
            "run hooks",
            "clean",
            "create the image",
            "tidy up",
        ];
        assert_eq!(phases(output), wanted);
        assert_eq!(phases(&stamped), wanted);
    }

    #[test]
    fn errors_and_warnings_are_told_and_the_usual_ones_are_not() {
        let output = "W: skipping mounting of sysfs because the /sys directory is missing\n\
            W: unable to detect whether merged-/usr is needed\n\
            E: Unable to locate package nosuch\nE: apt-get failed.\n";
        assert_eq!(
            events(&mut Reader::default(), output),
            [
                Event::Diagnostic(warning("unable to detect whether merged-/usr is needed")),
                Event::Diagnostic(error("Unable to locate package nosuch")),
                Event::Diagnostic(error("apt-get failed"))
            ]
        );
    }

    #[test]
    fn other_programs_lines_mean_nothing() {
        let output =
            "Selecting previously unselected package x.\nNOTE: hello\n1.2.3\n\n: \nE:\n[x]\n";
        assert_eq!(events(&mut Reader::default(), output), []);
    }
}
