//! Why a build failed, in one sentence: from the exit and the last lines of the output.

use crate::{
    logline::{self, Level},
    observe,
};
use img_runner_sdk::{Cause, Explanation, Failure, Request, explanation};
use kickstart::{EntryKind, Kickstart, SectionKind};

/// The answer to `explain`.
pub(crate) fn explain(request: &Request, failure: &Failure) -> Option<Explanation> {
    let lines = &failure.last_lines;
    let last = |ask: &dyn Fn(&str) -> Option<Explanation>| {
        lines.iter().enumerate().rev().find_map(|(at, line)| Some(ask(line)?.at(at)))
    };
    by_signal(failure)
        .or_else(|| last(&|line| of_box(request, line)))
        .or_else(|| by_error(request, failure))
        .or_else(|| by_traceback(lines))
        .or_else(|| last(&by_usage))
        .or_else(|| by_problem(lines))
        .or_else(|| by_exit(failure))
}

fn by_signal(failure: &Failure) -> Option<Explanation> {
    let signal = failure.signal?;
    let said = match signal {
        9 => explanation(Cause::Box, "mic was killed, most likely because memory ran out")
            .with_suggestion("try again when fewer jobs run, or ask for more memory"),
        6 | 7 | 11 => explanation(Cause::Runner, format!("mic crashed (signal {signal})"))
            .with_suggestion("try another package manager in the options"),
        _ => explanation(Cause::Box, format!("mic was stopped by signal {signal}"))
            .with_suggestion("try again"),
    };
    Some(said)
}

/// Images of these types hold file systems of their own, which can be full when the box is not.
const WITH_FILE_SYSTEMS: [&str; 8] =
    ["loop", "raw", "livecd", "liveusb", "vmdk", "vdi", "qcow2", "qcow"];

/// What the box lacks, wherever it is printed. The builder has looked at its own volume before it
/// asks, so a disk that is full still is another one, or the image's.
fn of_box(request: &Request, line: &str) -> Option<Explanation> {
    const MEMORY: [&str; 3] = ["Cannot allocate memory", "MemoryError", "Out of memory"];
    if line.contains("No enough space used for installing") {
        let said = "a partition of the definition is too small for its packages";
        return Some(explanation(Cause::Definition, said).with_suggestion(LARGER));
    }
    if line.contains("No enough space used for downloading") {
        let said = "the disk has no room for the packages to be downloaded";
        return Some(explanation(Cause::Box, said).with_suggestion(FREE));
    }
    if let Some((before, size)) = line.split_once(" is not enough for about ") {
        let place = before.split("space on ").last().unwrap_or(before);
        let said = format!("the disk is full: {} has no room for {size}", clipped(place));
        return Some(explanation(Cause::Box, said).with_suggestion(FREE));
    }
    if line.contains("No space left on device") || line.contains("Disk quota exceeded") {
        return Some(full(request));
    }
    MEMORY.iter().any(|text| line.contains(text)).then(|| {
        explanation(Cause::Box, "memory ran out").with_suggestion("try again when fewer jobs run")
    })
}

fn full(request: &Request) -> Explanation {
    if WITH_FILE_SYSTEMS.contains(&request.image_type.as_str()) {
        let kickstart = kickstart::parse_bytes(&request.definition);
        let place = kickstart.partitions().next().map(|part| format!(" (line {})", part.line));
        let said = format!("a partition of the image{} is full", place.unwrap_or_default());
        return explanation(Cause::Definition, said).with_suggestion(LARGER);
    }
    explanation(Cause::Box, "the disk is full").with_suggestion(FREE)
}

/// By the last error the tool itself named.
fn by_error(request: &Request, failure: &Failure) -> Option<Explanation> {
    let own = failure.last_lines.iter().enumerate().rev();
    let mut own = own.filter_map(|(at, line)| Some((at, logline::read(line)?)));
    let (at, error) = own.find(|(_, line)| line.level == Level::Error)?;
    let text = error.text;
    let kickstart = kickstart::parse_bytes(&request.definition);
    let said = package(text, &kickstart)
        .or_else(|| script(text, &failure.last_lines, &kickstart))
        .or_else(|| repository(text, &kickstart))
        .or_else(|| architecture(request, text))
        .or_else(|| known(text))
        .or_else(|| resolver(text, &failure.last_lines))
        .unwrap_or_else(|| by_class(error.class, text));
    Some(said.at(at))
}

/// Errors that quote an address or the name of a repository: which of the definition's it is.
fn repository(text: &str, kickstart: &Kickstart<'_>) -> Option<Explanation> {
    const STARTS: [&str; 5] = [
        "URLGrabber error:",
        "Failed to retrieve",
        "Failed to get",
        "Unable to find repomd",
        "Could not resolve host",
    ];
    STARTS.iter().find(|start| text.starts_with(**start))?;
    let reason = text.trim_start_matches("URLGrabber error:").trim();
    // The tool writes a local address with one slash more or less than the definition.
    let path = |url: &str| url.split_once("://").map(|(_, rest)| rest.trim_matches('/').to_owned());
    let quoted = |url: &str| {
        let path = path(url);
        text.contains(url.trim_end_matches('/'))
            || path.is_some_and(|path| !path.is_empty() && text.contains(&path))
    };
    let mut named = kickstart.commands_named("repo").filter(|repo| {
        repo.value_of(&["--baseurl", "--mirrorlist"]).is_some_and(quoted)
            || repo.value("--name").is_some_and(|name| text.contains(&format!("'{name}'")))
    });
    let repo = named.next()?;
    let name = repo.value("--name").unwrap_or("without a name");
    let reason = clipped(reason);
    let message =
        format!("the repository `{name}` (line {}) cannot be reached: {reason}", repo.line);
    Some(explanation(Cause::Repository, message).with_suggestion(REACH))
}

/// `Invalid arch i686 for repository. Valid arches: x86_64`
fn architecture(request: &Request, text: &str) -> Option<Explanation> {
    let rest = text.split_once("Invalid arch ")?.1;
    let asked = rest.split_whitespace().next().unwrap_or(&request.architecture);
    let valid = rest.split_once("Valid arches: ").map(|(_, valid)| valid.trim());
    let message = format!("the repositories have nothing for the architecture {asked}");
    let suggestion = match valid.filter(|valid| !valid.is_empty()) {
        Some(valid) => format!("choose {}, or other repositories", clipped(valid)),
        None => "choose an architecture that they have, or other repositories".to_owned(),
    };
    Some(explanation(Cause::Definition, message).with_suggestion(suggestion))
}

/// The text behind `start`, without quotes.
fn behind<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(start)?.trim();
    Some(rest.split(" : ").next().unwrap_or(rest).trim_matches(['\'', '"', ' ']))
}

fn package(text: &str, kickstart: &Kickstart<'_>) -> Option<Explanation> {
    let packages = ["Unable to find package:", "Failed to find package"];
    let groups = ["Unable to find pattern:", "Unable to find group:", "Failed to find group"];
    let first = |starts: &[&str]| starts.iter().find_map(|start| behind(text, start));
    let (what, name, kind) = match (first(&packages), first(&groups)) {
        (Some(name), _) => ("package", name, EntryKind::Add),
        (None, Some(name)) => ("group", name, EntryKind::Group),
        (None, None) => return None,
    };
    let named = kickstart.packages().find(|entry| entry.name == name && entry.kind == kind);
    let place = named.map(|entry| format!(" (line {})", entry.line)).unwrap_or_default();
    let message = format!("{what} `{name}`{place} is in none of the repositories");
    let suggestion = format!("correct its name, or add the repository that has the {what}");
    Some(explanation(Cause::Definition, message).with_suggestion(suggestion))
}

/// The tool says `%pre` whatever script failed: the phase before it tells which.
fn script(text: &str, lines: &[String], kickstart: &Kickstart<'_>) -> Option<Explanation> {
    if !text.starts_with("Failed to execute %") {
        return None;
    }
    let phase = lines.iter().rev().filter_map(|line| logline::read(line)).find_map(|line| {
        [("Running pre ", "%pre"), ("Running post ", "%post"), ("Running pack ", "%pack")]
            .into_iter()
            .find_map(|(start, name)| line.text.starts_with(start).then_some(name))
    });
    let said = text.split_whitespace().find(|word| word.starts_with('%'));
    let name = phase.or(said).unwrap_or("%post");
    let kind = SectionKind::of(name)?;
    let mut failing = kickstart
        .sections
        .iter()
        .filter(|section| section.kind == kind && section.has("--erroronfail"));
    let place = match (failing.next(), failing.next()) {
        (Some(only), None) => format!(" on line {}", only.line),
        _ => String::new(),
    };
    let message = format!("the `{name}` script{place} failed");
    let suggestion = "look at what it printed just above the error in the log";
    Some(explanation(Cause::Definition, message).with_suggestion(suggestion))
}

/// Beginnings or parts of the tool's errors, what they mean, and what to do.
const KNOWN: [(&str, Cause, &str, &str); 18] = [
    ("URLGrabber error", Cause::Repository, "a repository cannot be reached", REACH),
    ("Failed to retrieve", Cause::Repository, "a repository cannot be reached", REACH),
    ("Failed to get", Cause::Repository, "a repository cannot be reached", REACH),
    ("Unable to find repomd", Cause::Repository, "a repository has no metadata", REACH),
    ("repomd.xml syntax error", Cause::Repository, "a repository's metadata is damaged", REACH),
    ("Failed to download", Cause::Repository, "a package cannot be downloaded", REACH),
    ("Could not resolve host", Cause::Repository, "a repository's host has no address", REACH),
    ("checksum", Cause::Repository, "a package or metadata arrived damaged", "try again"),
    (
        "Please specify a valid arch",
        Cause::Definition,
        "the repositories are for several architectures",
        "choose one that they have",
    ),
    (
        "no valid repos found",
        Cause::Definition,
        "the definition names no repository",
        "add `repo --name=… --baseurl=…`",
    ),
    (
        "No packages or groups specified",
        Cause::Definition,
        "the definition names no packages",
        "add a `%packages` section",
    ),
    (
        "Failed to create disks",
        Cause::Definition,
        "a partition has no --ondisk or --fstype",
        "add it to every `part`",
    ),
    (
        "Can't support multi partitions",
        Cause::Definition,
        "live media have one partition",
        "use loop or raw",
    ),
    (
        "Can't find package manager",
        Cause::Box,
        "the box has no such package manager",
        "choose another",
    ),
    ("is not available", Cause::Box, "the box lacks a program that mic needs", ASK),
    ("oot permission is required", Cause::Box, "mic was not started as root", ASK),
    ("Can't find the file:", Cause::Runner, "mic does not find the definition", ASK),
    ("No qemu for arch", Cause::Box, "the box has no emulator for this architecture", ASK),
];
const FREE: &str = "free space on the box, then retry";
const LARGER: &str = "give the partition a larger `--size`";
const REACH: &str = "check its address in a browser, and try again later if it is right";
const ASK: &str = "tell the administrator of the box";

fn known(text: &str) -> Option<Explanation> {
    let (_, cause, message, suggestion) = KNOWN.iter().find(|(part, ..)| text.contains(part))?;
    let detail = clipped(text);
    Some(explanation(*cause, format!("{message}: {detail}")).with_suggestion(*suggestion))
}

/// The resolver counts its problems; what they are was warned of before.
fn resolver(text: &str, lines: &[String]) -> Option<Explanation> {
    let parts = ["resolver problem", "Unresolved dependencies"];
    if !parts.iter().any(|part| text.contains(part)) {
        return None;
    }
    let own = lines.iter().filter_map(|line| logline::read(line));
    let mut problems = own.filter(|line| line.level == Level::Warning).filter_map(|line| {
        let problem = line.text.strip_prefix("repo problem: ");
        problem.or_else(|| line.text.contains(" Requires [").then_some(line.text))
    });
    let detail = problems.next().map_or_else(|| clipped(text), clipped);
    let message = format!("the packages do not fit together: {detail}");
    let suggestion = "add the repository that has what is missing, or leave the package out";
    Some(explanation(Cause::Definition, message).with_suggestion(suggestion))
}

fn by_class(class: &str, text: &str) -> Explanation {
    let (cause, what) = match class {
        "repo" => (Cause::Repository, "a repository failed"),
        "rpm" => (Cause::Repository, "a package could not be installed"),
        "mount" | "snapshot" | "squashfs" => {
            (Cause::Box, "the image could not be made on this box")
        }
        "bootstrap" | "runtime" => (Cause::Box, "mic could not set itself up"),
        "usage" => (Cause::Runner, "this mic does not take the command"),
        "kickstart" | "config" => (Cause::Definition, "mic does not accept the definition"),
        _ => (Cause::Definition, "mic gave up"),
    };
    explanation(cause, format!("{what}: {}", clipped(text)))
        .with_suggestion("look at the lines above the error in the log")
}

fn by_traceback(lines: &[String]) -> Option<Explanation> {
    let start = lines.iter().rposition(|line| line.starts_with("Traceback (most recent call"))?;
    let mut behind = lines.iter().enumerate().skip(start).skip(1);
    let (at, last) = behind.find(|(_, line)| !line.starts_with(' ') && !line.trim().is_empty())?;
    Some(crash(last).at(at))
}

fn crash(last: &str) -> Explanation {
    if last.starts_with("EOFError") {
        let message = "mic asked a question and nobody could answer";
        let said = explanation(Cause::Runner, message);
        return said.with_suggestion("the question stands above the traceback in the log");
    }
    if last.contains("No closing quotation") {
        let message = "a quote in the definition is opened and not closed";
        return explanation(Cause::Definition, message).with_suggestion("close it");
    }
    let said = explanation(Cause::Runner, format!("mic crashed: {}", clipped(last)));
    said.with_suggestion("try other options, or report it to the makers of mic")
}

fn by_usage(line: &str) -> Option<Explanation> {
    if line.contains("livecd cannot support arm") || line.contains("liveusb cannot support arm") {
        let said = explanation(Cause::Definition, "live media cannot be built for ARM");
        return Some(said.with_suggestion("choose raw or loop"));
    }
    let text = observe::usage(line)?;
    let (option, command) = (behind(text, "no such option:"), behind(text, "unknown command:"));
    let said = match (option, command) {
        (Some(option), _) => {
            let message = format!("the mic on this box does not know the option `{option}`");
            explanation(Cause::Box, message).with_suggestion("switch it off in the options")
        }
        (None, Some(kind)) => {
            let message = format!("the mic on this box does not have the image type `{kind}`");
            explanation(Cause::Box, message).with_suggestion("choose raw, loop or fs")
        }
        (None, None) => {
            explanation(Cause::Runner, format!("mic says: {}", clipped(text))).with_suggestion(ASK)
        }
    };
    Some(said)
}

fn by_problem(lines: &[String]) -> Option<Explanation> {
    let at = lines.iter().position(|line| observe::problem_line(line).is_some())?;
    let number = lines.get(at).and_then(|line| observe::problem_line(line))?;
    let text = lines.iter().skip(at).skip(1).find(|line| !line.trim().is_empty())?;
    let problem = observe::kickstart_problem(text.trim());
    let message = format!("line {number} of the definition was skipped: {problem}");
    Some(explanation(Cause::Definition, message).with_suggestion("correct the line").at(at))
}

fn by_exit(failure: &Failure) -> Option<Explanation> {
    match failure.exit_code? {
        126 | 127 => {
            let said = explanation(Cause::Box, "mic cannot be started on this box");
            Some(said.with_suggestion(ASK))
        }
        _ => None,
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::testing;

    const KS: &str = "lang C\nrepo --name=a --baseurl=http://a.example/\n\
                      %packages\nbash\nno-such-app\n%end\n\
                      %post --erroronfail\nfalse\n%end\n";

    fn explained(exit: i32, log: &str) -> Option<(Cause, String)> {
        let request = testing::request(KS, "fs", "i686");
        let said = explain(&request, &testing::failure("create", exit, log))?;
        Some((said.cause, said.message))
    }

    fn own(class: &str, text: &str) -> String {
        format!("noise\nError <{class}>[03/02 09:00:01] : {text}\n")
    }

    #[test]
    fn a_missing_package_is_named_with_its_line() {
        let (cause, message) =
            explained(1, &own("creator", "Unable to find package: no-such-app")).unwrap();
        assert_eq!(cause, Cause::Definition);
        assert_eq!(message, "package `no-such-app` (line 5) is in none of the repositories");
        let text = own("creator", "Failed to find group 'Games' : no such group");
        assert!(explained(1, &text).unwrap().1.starts_with("group `Games` is in none"));
    }

    #[test]
    fn the_script_that_failed_is_named_although_the_tool_says_pre() {
        let log = format!(
            "Info[03/02 09:00:00] : Running post scripts ...\nhello\n{}",
            own("creator", "Failed to execute %pre script with /bin/bash")
        );
        let (cause, message) = explained(1, &log).unwrap();
        assert_eq!(cause, Cause::Definition);
        assert_eq!(message, "the `%post` script on line 7 failed");
    }

    #[test]
    fn each_usual_error_has_its_cause() {
        let cases = [
            (
                "creator",
                "URLGrabber error: can't find file ///x/repodata/repomd.xml",
                Cause::Repository,
            ),
            ("config", "Invalid arch i686 for repository. Valid arches: x86_64", Cause::Definition),
            ("creator", "Can't find the file: lab.ks", Cause::Runner),
            ("creator", "Command 'kpartx' is not available.", Cause::Box),
            ("kickstart", "no valid repos found in ks file", Cause::Definition),
            ("repo", "Could not run transaction.", Cause::Repository),
            ("mount", "Unable to set MBR to /dev/loop0", Cause::Box),
            ("squashfs", "'mksquashfs' exited with error", Cause::Box),
            ("bootstrap", "Could not bootstrap", Cause::Box),
            ("creator", "something new", Cause::Definition),
        ];
        for (class, text, cause) in cases {
            assert_eq!(explained(1, &own(class, text)).unwrap().0, cause, "{text}");
        }
    }

    #[test]
    fn a_repository_that_is_away_is_named_with_its_line() {
        for text in [
            "URLGrabber error: http://a.example/repodata/repomd.xml: 404",
            "Failed to retrieve primary.xml from repository 'a'",
        ] {
            let (cause, message) = explained(1, &own("creator", text)).unwrap();
            assert_eq!(cause, Cause::Repository);
            assert!(message.starts_with("the repository `a` (line 2) cannot be"), "{message}");
        }
        let other = own("creator", "URLGrabber error: http://b.example/x: 404");
        assert!(explained(1, &other).unwrap().1.starts_with("a repository cannot be reached"));
    }

    #[test]
    fn the_line_that_shows_it_is_told() {
        let request = testing::request(KS, "fs", "i686");
        let line = |log: &str| explain(&request, &testing::failure("create", 1, log))?.line;
        assert_eq!(line(&own("creator", "Unable to find package: x")), Some(2));
        assert_eq!(line("a\nb\nmic create(cr) fs: no such option: --bogus\n"), Some(3));
        let trace = "Traceback (most recent call last):\n  File \"x\"\nNameError: y\n";
        assert_eq!(line(trace), Some(3));
    }

    #[test]
    fn a_full_image_is_not_a_full_box() {
        let log = "cp: write error: No space left on device\n";
        let said = |kind| {
            let request = testing::request("part / --size 9\n", kind, "i686");
            explain(&request, &testing::failure("create", 1, log)).unwrap()
        };
        assert_eq!(said("fs").cause, Cause::Box);
        let raw = said("raw");
        assert_eq!(raw.cause, Cause::Definition);
        assert_eq!(raw.message, "a partition of the image (line 1) is full");
    }

    #[test]
    fn a_resolver_problem_says_what_is_missing() {
        let log = format!(
            "Warning[03/02 09:00:00] : repo problem: nothing provides libx needed by app-1.0\n{}",
            own("repo", "found 1 resolver problem, abort!")
        );
        let (cause, message) = explained(1, &log).unwrap();
        assert_eq!(cause, Cause::Definition);
        assert!(message.contains("nothing provides libx needed by app-1.0"), "{message}");
    }

    #[test]
    fn a_full_disk_and_a_kill_are_the_boxs() {
        let log = own("creator", "Failed to copy") + "cp: write error: No space left on device\n";
        assert_eq!(explained(1, &log).unwrap().0, Cause::Box);
        let request = testing::request(KS, "fs", "i686");
        let mut failure = testing::failure("create", 0, "");
        (failure.exit_code, failure.signal) = (None, Some(9));
        let said = explain(&request, &failure).unwrap();
        assert_eq!(said.cause, Cause::Box);
        assert!(said.message.contains("memory"));
    }

    #[test]
    fn crashes_are_not_the_definitions_fault() {
        let trace = "Traceback (most recent call last):\n  File \"x\", line 1, in <module>\n";
        let eof = format!("{trace}EOFError: EOF when reading a line\n");
        assert_eq!(explained(1, &eof).unwrap().0, Cause::Runner);
        let name = format!("{trace}NameError: name 'ksconf' is not defined\n");
        assert!(explained(1, &name).unwrap().1.contains("NameError"));
        let quote = format!("{trace}ValueError: No closing quotation\n");
        assert_eq!(explained(1, &quote).unwrap().0, Cause::Definition);
    }

    #[test]
    fn success_without_an_image_is_explained_too() {
        let usage =
            "mic create(cr) loop: no such option: --bogus\nTry 'mic create(cr) help loop'\n";
        let (cause, message) = explained(0, usage).unwrap();
        assert_eq!(cause, Cause::Box);
        assert!(message.contains("`--bogus`"));
        let unknown = "mic create(cr): unknown command: 'vmdk'\n";
        assert!(explained(0, unknown).unwrap().1.contains("image type `vmdk`"));
        let arm = "Warning[03/02 09:00:00] : livecd cannot support arm images, Quit\n";
        assert_eq!(explained(0, arm).unwrap().0, Cause::Definition);
        let problem = include_str!("../tests/logs/unknown-command.log");
        let (_, message) = explained(0, problem).unwrap();
        assert_eq!(message, "line 4 of the definition was skipped: unknown command `prat`");
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        assert_eq!(explained(3, "hello\n"), None);
        assert_eq!(explained(127, "").unwrap().0, Cause::Box);
    }
}
