//! Why a job failed, from what the tool and apt print at the end.

use crate::{definition::Definition, rules};
use img_runner_sdk::{Cause, Explanation, Failure, Request, explanation};

/// Words in a line, whose fault that is, and what to do.
struct Known {
    words: &'static [&'static str],
    cause: Cause,
    message: &'static str,
    suggestion: &'static str,
}

/// The first that fits any of the last lines; the more certain ones come first.
const KNOWN: [Known; 10] = [
    known(
        &["Cannot allocate memory"],
        Cause::Box,
        "the box ran out of memory",
        "build again when fewer jobs run",
    ),
    known(
        &["need to be root"],
        Cause::Box,
        "the mode root needs a builder that runs as root",
        "choose the mode unshare or auto",
    ),
    known(
        &["newuidmap"],
        Cause::Box,
        "the builder may not use a user namespace",
        "install uidmap and give its user subordinate ids in /etc/subuid and /etc/subgid",
    ),
    known(
        &["subuid"],
        Cause::Box,
        "the builder's user has no subordinate ids",
        "give its user a range in /etc/subuid and /etc/subgid",
    ),
    known(
        &["unprivileged_userns_clone"],
        Cause::Box,
        "the box forbids user namespaces to plain users",
        "set kernel.unprivileged_userns_clone to 1, or choose the mode root",
    ),
    known(
        &["unshare() failed"],
        Cause::Box,
        "the box refused a user namespace",
        "allow user namespaces, or choose the mode root",
    ),
    known(
        &["tar2sqfs", "failed"],
        Cause::Box,
        "squashfs images need tar2sqfs",
        "install squashfs-tools-ng on the box",
    ),
    known(
        &["tar2sqfs", "not found"],
        Cause::Box,
        "squashfs images need tar2sqfs",
        "install squashfs-tools-ng on the box",
    ),
    known(
        &["genext2fs", "not found"],
        Cause::Box,
        "ext2 images need genext2fs",
        "install genext2fs on the box",
    ),
    known(
        &["Connection timed out"],
        Cause::Repository,
        "the mirror did not answer",
        "check the box's network, then build again",
    ),
];

const fn known(
    words: &'static [&'static str],
    cause: Cause,
    message: &'static str,
    suggestion: &'static str,
) -> Known {
    Known { words, cause, message, suggestion }
}

/// Why it failed, if the last lines tell.
pub fn explain(request: &Request, failure: &Failure) -> Option<Explanation> {
    let lines = &failure.last_lines;
    let first = |ask: &dyn Fn(&str, &[String]) -> Option<Explanation>| {
        lines
            .iter()
            .enumerate()
            .find_map(|(at, line)| Some(ask(line, lines.get(at + 1..).unwrap_or_default())?.at(at)))
    };
    first(&|line, _| disk(request, line))
        .or_else(|| first(&|line, rest| package(request, line, rest)))
        .or_else(|| first(&|line, _| fetch(line)))
        .or_else(|| first(&|line, _| archive(line, lines)))
        .or_else(|| first(&|line, _| architecture(request, line)))
        .or_else(|| {
            let fits = |known: &Known| {
                lines.iter().position(|line| known.words.iter().all(|words| line.contains(words)))
            };
            let (known, at) = KNOWN.iter().find_map(|known| Some((known, fits(known)?)))?;
            let said = explanation(known.cause, known.message);
            Some(said.with_suggestion(known.suggestion).at(at))
        })
        .or_else(|| first(&|line, _| hook(request, line)))
        .or_else(|| special_hook(lines))
}

/// The builder has looked at its own volume before it asks: another one is full.
fn disk(request: &Request, line: &str) -> Option<Explanation> {
    if !line.contains("No space left on device") && !line.contains("Disk quota exceeded") {
        return None;
    }
    let (definition, _) = Definition::read(&request.definition);
    let way_out = match rules::mode(request, &definition) {
        "root" => "free space on the box, or build a smaller package set",
        _ => "free space on the volume of /tmp, where this mode unpacks; or choose the mode root",
    };
    Some(explanation(Cause::Box, "the disk ran full").with_suggestion(way_out))
}

/// Packages that are not there, or do not fit together.
fn package(request: &Request, line: &str, rest: &[String]) -> Option<Explanation> {
    let arch = &request.architecture;
    if let Some(package) = after(line, "E: Unable to locate package ") {
        let message = format!("the archive has no package `{package}` for {arch}");
        return Some(definition(message, "check its name, the suite and the components"));
    }
    if let Some(package) = between(line, "Package '", "' has no installation candidate") {
        let message = format!("the package `{package}` cannot be installed from this archive");
        return Some(definition(message, "check the suite and the components"));
    }
    if let Some(version) = between(line, "Version '", "' was not found") {
        let (version, package) = version.split_once("' for '").unwrap_or((version, ""));
        return Some(definition(
            format!("the archive has no version `{version}` of the package `{package}`"),
            "leave the version out, or use a snapshot mirror",
        ));
    }
    if line.ends_with("have unmet dependencies:") {
        return Some(unmet(rest));
    }
    if line.contains("held broken packages") {
        return Some(definition(
            "the packages cannot be installed together".into(),
            "check the suite and the components",
        ));
    }
    let found = between(line, "dpkg: error processing ", "):")?;
    let (what, _) = found.split_once(" (").unwrap_or((found, ""));
    Some(definition(
        format!("dpkg could not install the {what}"),
        "the log says below what its script or its files ran into",
    ))
}

/// apt lists below who needs what: ` a : Depends: libx (>= 2) but it is not installable`.
fn unmet(rest: &[String]) -> Explanation {
    let first = rest.first().and_then(|line| line.trim().split_once(" : "));
    let message = match first {
        Some((package, problem)) => {
            let problem = problem.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("the package `{package}` cannot be installed: {problem}")
        }
        None => "the packages cannot be installed together".to_owned(),
    };
    definition(
        message,
        "leave one of them out, or add the suite or mirror that has what is missing",
    )
}

/// `E: Failed to fetch URL  REASON`
fn fetch(line: &str) -> Option<Explanation> {
    let (url, reason) = line.strip_prefix("E: Failed to fetch ")?.split_once(' ')?;
    let reason = reason.trim().trim_end_matches('.');
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    let repository = |message: String, suggestion: &str| {
        Some(explanation(Cause::Repository, message).with_suggestion(suggestion))
    };
    if reason.starts_with("Could not resolve") || reason.contains("Temporary failure resolving") {
        let message = format!("the mirror's name `{host}` could not be resolved");
        return repository(message, "check the mirror's URL and the box's network");
    }
    if reason.contains("Connection refused") {
        let message = format!("the mirror `{host}` refuses the connection");
        return repository(message, "check the mirror's URL, its port and any proxy");
    }
    if reason.starts_with("Could not connect") || reason.contains("timed out") {
        let message = format!("the mirror `{host}` did not answer");
        return repository(
            message,
            "check the mirror's URL and the box's network, then build again",
        );
    }
    if reason.starts_with("Hash Sum mismatch") || reason.contains("unexpected size") {
        let message = format!("`{url}` arrived with other contents than the archive promises");
        return repository(
            message,
            "the mirror is being updated or a proxy keeps old files: build again in some minutes",
        );
    }
    let reason = reason.split(" [IP: ").next().unwrap_or(reason);
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = format!("the mirror did not deliver `{url}`: {reason}");
    repository(message, "check the mirror's URL and the suite, or name another mirror")
}

/// Archives that are not there, or are not to be trusted.
fn archive(line: &str, lines: &[String]) -> Option<Explanation> {
    let repository = |message: String, suggestion: String| {
        Some(explanation(Cause::Repository, message).with_suggestion(suggestion))
    };
    if let Some(named) = between(line, "The repository '", "' does not have a Release file") {
        let (url, suite) = url_and_suite(named);
        let message = format!("there is no suite `{suite}` at `{url}`");
        return repository(message, "check the suite's name and the mirror's URL".into());
    }
    if let Some(url) = between(line, "E: Release file for ", " is expired") {
        let since = between(line, "(", ")").unwrap_or("its date has passed");
        let message = format!("the archive `{url}` has expired: {since}");
        let way_out = "for a snapshot add the option of apt: Acquire::Check-Valid-Until \"false\"";
        return repository(message, way_out.into());
    }
    let named = between(line, "The repository '", "' is not signed")?;
    let (url, suite) = url_and_suite(named);
    let key = lines.iter().find_map(|line| after(line, "NO_PUBKEY "));
    match key {
        Some(key) => repository(
            format!("the box has no key for the suite `{suite}` of `{url}`"),
            format!("put the key {key} into /usr/share/keyrings and name its file in `keyring`"),
        ),
        None => repository(
            format!("the suite `{suite}` of `{url}` is not signed"),
            "check the mirror's URL; an archive of your own can be signed and its key named in \
             `keyring`"
                .into(),
        ),
    }
}

/// `URL SUITE Release`
fn url_and_suite(named: &str) -> (&str, &str) {
    let mut words = named.split(' ');
    let url = words.next().unwrap_or(named);
    (url, words.next().unwrap_or_default())
}

fn architecture(request: &Request, line: &str) -> Option<Explanation> {
    if let Some(arch) = between(line, "did not find any indices for architecture '", "'") {
        let suite = between(line, "in suite '", "'").unwrap_or_default();
        let message = format!("the suite `{suite}` has nothing for the architecture {arch}");
        return Some(definition(message, "choose an architecture or a suite that has it"));
    }
    line.contains("can neither be executed natively").then(|| {
        let message =
            format!("the box cannot run programs of the architecture {}", request.architecture);
        explanation(Cause::Box, message).with_suggestion(
            "install qemu-user-static and binfmt-support, or build the variant extract",
        )
    })
}

/// `E: setup failed: E: command failed: COMMAND`
fn hook(request: &Request, line: &str) -> Option<Explanation> {
    let command = line.split_once("E: command failed: ")?.1.trim();
    let (definition, _) = Definition::read(&request.definition);
    let hooks = rules::hooks(&definition);
    let mut all = hooks.iter().flat_map(|(key, commands)| commands.iter().map(move |at| (key, at)));
    let ours = all.find(|(_, at)| at.value.lines().next().map(str::trim) == Some(command));
    let message = match ours {
        Some((key, at)) => {
            format!("the hook `{}` ({key}, line {}) failed", clipped(command), at.line)
        }
        None => format!("the hook `{}` failed", clipped(command)),
    };
    Some(self::definition(message, "look at what it printed just above the error in the log"))
}

/// The tool tells only that one failed: the line above says which was running.
fn special_hook(lines: &[String]) -> Option<Explanation> {
    let end = lines.iter().position(|line| line.contains("special hook failed"))?;
    let mut before = lines.iter().enumerate().take(end).rev();
    let start = "I: running special hook: ";
    let named = before.find_map(|(at, line)| Some((at, line.split_once(start)?.1)));
    let way_out = "the log says below what it ran into";
    Some(match named {
        Some((at, hook)) => {
            definition(format!("the hook `{}` failed", clipped(hook)), way_out).at(at)
        }
        None => definition("a hook of the definition failed".into(), way_out).at(end),
    })
}

fn clipped(text: &str) -> String {
    text.chars().take(200).collect()
}

fn definition(message: String, suggestion: &str) -> Explanation {
    explanation(Cause::Definition, message).with_suggestion(suggestion)
}

fn after<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    let found = line.split_once(start)?.1.split_whitespace().next()?;
    (!found.is_empty()).then_some(found)
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(line.split_once(start)?.1.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::testing::{failure, request};

    fn said(lines: &str) -> Option<(Cause, String)> {
        let request = request("", "tar", "amd64");
        explain(&request, &failure("build", 25, lines)).map(|one| (one.cause, one.message))
    }

    #[test]
    fn usual_failures_are_explained() {
        let cases = [
            (
                "E: Unable to locate package nosuch",
                Cause::Definition,
                "the archive has no package `nosuch` for amd64",
            ),
            (
                "E: Package 'x' has no installation candidate",
                Cause::Definition,
                "the package `x` cannot be installed from this archive",
            ),
            (
                "E: Version '9' for 'dpkg' was not found",
                Cause::Definition,
                "the archive has no version `9` of the package `dpkg`",
            ),
            (
                "E: The repository 'http://mirror.example/debian nosuite Release' does not have a Release file.",
                Cause::Repository,
                "there is no suite `nosuite` at `http://mirror.example/debian`",
            ),
            (
                "E: Failed to fetch http://nosuch.invalid/debian/x  Could not resolve 'nosuch.invalid'",
                Cause::Repository,
                "the mirror's name `nosuch.invalid` could not be resolved",
            ),
            (
                "E: The repository 'http://m.example/debian x InRelease' is not signed.",
                Cause::Repository,
                "the suite `x` of `http://m.example/debian` is not signed",
            ),
            (
                "E: arm64 can neither be executed natively nor via qemu user emulation with binfmt_misc",
                Cause::Box,
                "the box cannot run programs of the architecture amd64",
            ),
            ("E: need to be root", Cause::Box, "the mode root needs a builder that runs as root"),
            (
                "newuidmap: uid range [0-1) -> [1000-1001) not allowed",
                Cause::Box,
                "the builder may not use a user namespace",
            ),
            ("E: command failed: false", Cause::Definition, "the hook `false` failed"),
        ];
        for (line, cause, message) in cases {
            let lines = format!("{line}\nE: mmdebstrap failed to run\n");
            assert_eq!(said(&lines), Some((cause, message.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_full_disk_is_told_before_what_it_causes() {
        let lines = "E: The repository 'http://x bookworm InRelease' is not signed.\n\
                     E: Write error - write (28: No space left on device)\n";
        assert_eq!(said(lines), Some((Cause::Box, "the disk ran full".into())));
    }

    #[test]
    fn an_unknown_failure_is_not_explained() {
        assert_eq!(said("E: mmdebstrap failed to run\n"), None);
        assert_eq!(said(""), None);
    }
}
