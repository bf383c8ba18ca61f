//! Why a job failed, from what the tool and apt print at the end.

use img_runner_sdk::{Cause, Explanation, Failure, Request, explanation};

/// Words in a line, whose fault that is, and what to do.
struct Known {
    words: &'static [&'static str],
    cause: Cause,
    message: &'static str,
    suggestion: &'static str,
}

/// The first that fits any of the last lines; the more certain ones come first.
const KNOWN: [Known; 19] = [
    known(
        &["No space left on device"],
        Cause::Box,
        "the disk ran full",
        "free space on the box, or build a smaller package set",
    ),
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
        &["can neither be executed natively"],
        Cause::Box,
        "the box cannot run programs of this architecture",
        "install qemu-user-static and binfmt-support, or build the variant extract",
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
        &["NO_PUBKEY"],
        Cause::Repository,
        "the box has no key for this archive",
        "put its key into /usr/share/keyrings and name it in `keyring`",
    ),
    known(
        &["is not signed"],
        Cause::Repository,
        "the archive's signature could not be checked",
        "check the mirror, and name the right key in `keyring`",
    ),
    known(
        &["is expired"],
        Cause::Repository,
        "the archive's signature or date has expired",
        "for a snapshot add the option of apt: Acquire::Check-Valid-Until \"false\"",
    ),
    known(
        &["Could not resolve"],
        Cause::Repository,
        "the mirror's name could not be resolved",
        "check the mirror's URL and the box's network",
    ),
    known(
        &["Could not connect"],
        Cause::Repository,
        "the mirror did not answer",
        "check the mirror's URL and the box's network, then build again",
    ),
    known(
        &["Connection timed out"],
        Cause::Repository,
        "the mirror did not answer",
        "check the box's network, then build again",
    ),
    known(
        &["Hash Sum mismatch"],
        Cause::Repository,
        "the mirror is being updated or a proxy keeps old files",
        "build again in some minutes",
    ),
    known(
        &["Failed to fetch"],
        Cause::Repository,
        "the mirror did not deliver a file",
        "build again, or name another mirror",
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
    if let Some(explained) = lines.iter().find_map(|line| named(request, line)) {
        return Some(explained);
    }
    let fits = |known: &&Known| {
        lines.iter().any(|line| known.words.iter().all(|words| line.contains(words)))
    };
    if let Some(known) = KNOWN.iter().find(fits) {
        return Some(explanation(known.cause, known.message).with_suggestion(known.suggestion));
    }
    let hook = lines
        .iter()
        .any(|line| line.contains("E: command failed:") || line.contains("special hook failed"));
    hook.then(|| {
        explanation(Cause::Definition, "a hook of the definition failed")
            .with_suggestion("the lines above say which; run it by hand in an unpacked image")
    })
}

/// Failures that name a thing.
fn named(request: &Request, line: &str) -> Option<Explanation> {
    if let Some(package) = after(line, "Unable to locate package ") {
        let message =
            format!("the archive has no package `{package}` for {}", request.architecture);
        return Some(definition(message, "check its name, the suite and the components"));
    }
    if let Some(package) = between(line, "Package '", "' has no installation candidate") {
        let message = format!("the package `{package}` cannot be installed from this archive");
        return Some(definition(message, "check the suite and the components"));
    }
    if let Some(rest) = between(line, "Version '", "' was not found") {
        return Some(definition(
            format!("the archive has no `{}`", rest.replace("' for '", "` of `")),
            "leave the version out, or use a snapshot mirror",
        ));
    }
    if line.contains("have unmet dependencies") || line.contains("held broken packages") {
        return Some(definition(
            "the packages cannot be installed together".into(),
            "the lines above name the missing dependency; check the suite and the components",
        ));
    }
    let repository = between(line, "The repository '", "' does not have a Release file")?;
    Some(
        explanation(Cause::Repository, format!("there is no archive at `{repository}`"))
            .with_suggestion("check the suite's name and the mirror's URL"),
    )
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
                "the archive has no `9` of `dpkg`",
            ),
            (
                "E: The repository 'http://mirror.example/debian nosuite Release' does not have a Release file.",
                Cause::Repository,
                "there is no archive at `http://mirror.example/debian nosuite Release`",
            ),
            (
                "  Could not resolve 'nosuch.invalid'",
                Cause::Repository,
                "the mirror's name could not be resolved",
            ),
            (
                "W: GPG error: NO_PUBKEY 648ACFD622F3D138",
                Cause::Repository,
                "the box has no key for this archive",
            ),
            (
                "E: arm64 can neither be executed natively nor via qemu user emulation with binfmt_misc",
                Cause::Box,
                "the box cannot run programs of this architecture",
            ),
            ("E: need to be root", Cause::Box, "the mode root needs a builder that runs as root"),
            (
                "newuidmap: uid range [0-1) -> [1000-1001) not allowed",
                Cause::Box,
                "the builder may not use a user namespace",
            ),
            ("E: command failed: false", Cause::Definition, "a hook of the definition failed"),
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
