//! Everything wrong with a request.

use crate::{
    definition, options, privileged, said, tokens,
    types::{self, Type},
};
use img_runner_sdk::{Diagnostic, Request, error, error_at, warning};
use kickstart::Kickstart;

/// The answer to `check`.
pub(crate) fn check(request: &Request) -> Vec<Diagnostic> {
    let kickstart = kickstart::parse_bytes(&request.definition);
    let mut found = said::diagnostics(&kickstart);
    found.extend(name(request));
    let Some(kind) = types::of(&request.image_type) else {
        found.push(unknown_type(request));
        return found;
    };
    found.extend(pair(request, kind));
    found.extend(options::read(request, kind).1);
    found.extend(definition::check(&kickstart, request));
    let (values, wrong) = tokens::read(request);
    found.extend(wrong);
    found.extend(tokens::check(&kickstart, &values, request));
    found.extend(hidden_privileges(&kickstart, &values, request));
    found.extend(content(&kickstart, request));
    found.extend(partitions(&kickstart, kind));
    found
}

/// The tool names everything after the definition's file.
fn name(request: &Request) -> Option<Diagnostic> {
    let shown = request.name.escape_debug();
    let good = img_runner_sdk::is_word(&request.name, "._+-") && !request.name.contains("..");
    (!good)
        .then(|| error(format!("the name `{shown}` has to be letters, digits, `.`, `_`, `+`, `-`")))
}

fn unknown_type(request: &Request) -> Diagnostic {
    let known: Vec<_> = types::TYPES.iter().map(|one| one.id).collect();
    let shown = request.image_type.escape_debug();
    error(format!("there is no image type `{shown}`: choose {}", known.join(", ")))
}

fn pair(request: &Request, kind: &Type) -> Option<Diagnostic> {
    if kind.architectures().contains(&request.architecture.as_str()) {
        return None;
    }
    let (all, arch) = (kind.architectures().join(", "), request.architecture.escape_debug());
    Some(error(format!("{} cannot be built for `{arch}`: choose {all}", kind.id)))
}

/// A token may not turn a line into something that acts on the box: that has to stand in the
/// definition, where it is seen.
fn hidden_privileges(
    kickstart: &Kickstart<'_>,
    values: &[(String, String)],
    request: &Request,
) -> Vec<Diagnostic> {
    if kickstart.tokens.is_empty() {
        return Vec::new();
    }
    let text = tokens::substituted(kickstart, values, request);
    let lines = |found: &[Diagnostic]| found.iter().filter_map(|one| one.line).collect::<Vec<_>>();
    let before = lines(&privileged::find(kickstart));
    let after = privileged::find(&kickstart::parse(&text));
    let new = after.into_iter().filter(|one| one.line.is_none_or(|line| !before.contains(&line)));
    new.map(|one| Diagnostic { message: format!("with the token values, {}", one.message), ..one })
        .map(|one| Diagnostic { severity: img_runner_sdk::Severity::Error, ..one })
        .map(|one| one.with_hint("write it into the definition instead of a token value"))
        .collect()
}

/// What every build needs.
fn content(kickstart: &Kickstart<'_>, request: &Request) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let included = !kickstart.includes.is_empty();
    let has_repo = kickstart.commands_named("repo").next().is_some();
    if !has_repo && !included && request.repositories.is_empty() {
        let hint = "add `repo --name=… --baseurl=…`";
        found.push(error("the definition names no repository").with_hint(hint));
    }
    let has_packages = kickstart.packages().next().is_some() || !request.packages.is_empty();
    if !has_packages && !included {
        let hint = "add a `%packages` section";
        found.push(error("the definition names no packages").with_hint(hint));
    }
    if included {
        found.push(warning("included files were not checked"));
    }
    found
}

/// What the partitions of some types need.
fn partitions(kickstart: &Kickstart<'_>, kind: &Type) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if kind.has_disks() {
        for part in kickstart.partitions() {
            for (need, options) in
                [("--ondisk", ["--ondisk", "--ondrive"]), ("--fstype", ["--fstype", "--fstype"])]
            {
                if part.value_of(&options).is_none() {
                    let message = format!("`{}` has no {need}, which {} needs", part.name, kind.id);
                    found.push(error_at(part.line, message).with_hint(format!("add {need}=…")));
                }
            }
        }
    }
    if kind.x86_only {
        let second =
            kickstart.partitions().filter(|part| part.value("--fstype") != Some("swap")).nth(1);
        if let Some(part) = second {
            let message = format!("{} has room for one partition only", kind.id);
            let hint = "remove this one, or choose loop or raw";
            found.push(error_at(part.line, message).with_hint(hint));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::{Severity, failed, testing};

    const GOOD: &str = "lang C\npart / --size=100 --ondisk=sda --fstype=ext4\n\
                        repo --name=a --baseurl=http://a.example/\n%packages\nbash\n%end\n";

    fn errors(text: &str, kind: &str, arch: &str) -> Vec<String> {
        let found = check(&testing::request(text, kind, arch));
        let errors = found.into_iter().filter(|one| one.severity == Severity::Error);
        errors.map(|one| one.message).collect()
    }

    #[test]
    fn a_good_request_has_no_errors_for_any_pair_that_is_offered() {
        for kind in &types::TYPES {
            for arch in kind.architectures() {
                assert_eq!(errors(GOOD, kind.id, arch), [] as [String; 0], "{} {arch}", kind.id);
            }
        }
    }

    #[test]
    fn pairs_that_are_not_offered_are_refused() {
        assert!(errors(GOOD, "livecd", "armv7hl")[0].starts_with("livecd cannot be built for"));
        assert!(errors(GOOD, "tape", "i686")[0].starts_with("there is no image type `tape`"));
        assert_eq!(errors(GOOD, "fs", "sparc").len(), 1);
    }

    #[test]
    fn what_the_tool_would_skip_is_refused() {
        let text = GOOD.replace("part /", "prat /");
        assert_eq!(errors(&text, "fs", "i686"), ["unknown command `prat`"]);
    }

    #[test]
    fn disks_and_live_media_say_what_they_need_of_partitions() {
        let text = GOOD.replace(" --ondisk=sda --fstype=ext4", "");
        assert_eq!(errors(&text, "raw", "i686").len(), 2);
        assert_eq!(errors(&text, "fs", "i686").len(), 0);
        let two = GOOD.replace("repo", "part /home --size=1\nrepo");
        assert_eq!(errors(&two, "livecd", "i686"), ["livecd has room for one partition only"]);
    }

    #[test]
    fn an_empty_definition_names_what_is_missing() {
        let errors = errors("lang C\n", "fs", "i686");
        assert_eq!(
            errors,
            ["the definition names no repository", "the definition names no packages"]
        );
    }

    #[test]
    fn a_token_cannot_hide_what_acts_on_the_box() {
        for (line, map) in [
            ("%post @HOW@\nid\n%end\n", "HOW:--nochroot"),
            ("@WHAT@ --erroronfail\nid\n%end\n", "WHAT:%pre"),
            ("%po@X@ --nochroot\nid\n%end\n", "X:st"),
            ("repo --name=b --baseurl=@PLACE@\n", "PLACE:/srv/rpms"),
            ("%post\n@X@\nid\n%end\n", "X:%pre"),
        ] {
            let request = testing::request(&format!("{GOOD}{line}"), "fs", "i686");
            let request = testing::with_option(request, "tokenmap", map);
            assert!(failed(&check(&request)), "{line}");
        }
    }

    #[test]
    fn the_name_must_be_able_to_be_a_file() {
        let mut request = testing::request(GOOD, "fs", "i686");
        for bad in ["", "-x", "a/b", "a b", "..", "a..b", ".x", "@x"] {
            request.name = bad.into();
            assert!(failed(&check(&request)), "{bad:?}");
        }
    }
}
