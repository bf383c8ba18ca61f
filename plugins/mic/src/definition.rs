//! The definition as the tool gets it: what was handed in, and behind it what the request adds.
//! Nothing that stands there is changed.

use img_runner_sdk::{Diagnostic, Repository, Request, error, warning};
use kickstart::{Kickstart, SectionKind};

/// The text with the request's packages and repositories behind it.
pub(crate) fn extended(kickstart: &Kickstart<'_>, request: &Request) -> String {
    let mut text = kickstart.text.clone().into_owned();
    if request.packages.is_empty() && request.repositories.is_empty() {
        return text;
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if kickstart.sections.last().is_some_and(|last| !last.ended) {
        text.push_str("%end\n");
    }
    text.push_str("\n# Added by the request\n");
    request.repositories.iter().for_each(|one| text.push_str(&repository_line(one)));
    if !request.packages.is_empty() {
        text.push_str(&packages_header(kickstart));
        for package in &request.packages {
            text.push_str(package.trim());
            text.push('\n');
        }
        text.push_str("%end\n");
    }
    text
}

/// A second `%packages` resets what the first one's options said: so it repeats them.
fn packages_header(kickstart: &Kickstart<'_>) -> String {
    let mut sections = kickstart.sections.iter().rev();
    let last = sections.find(|section| section.kind == SectionKind::Packages);
    match last {
        Some(section) => format!("{}\n", kickstart.raw(&section.raw).trim()),
        None => "%packages\n".into(),
    }
}

fn repository_line(one: &Repository) -> String {
    let priority = one.priority.map(|value| format!(" --priority={value}")).unwrap_or_default();
    format!("repo --name={} --baseurl={}{priority}\n", one.name, one.url)
}

/// What is wrong with what the request adds.
pub(crate) fn check(kickstart: &Kickstart<'_>, request: &Request) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for package in &request.packages {
        if !is_package(package.trim()) {
            let shown = package.escape_debug();
            let message = format!("`{shown}` is no package");
            found.push(error(message).with_hint("use `name`, `-name`, `@group` or `-@group`"));
        }
    }
    for one in &request.repositories {
        found.extend(repository_fault(one).map(error));
        let name = |repo: &kickstart::Command| repo.value("--name") == Some(one.name.as_str());
        if let Some(repo) = kickstart.commands_named("repo").find(|repo| name(repo)) {
            let (name, line) = (&one.name, repo.line);
            let message = format!("the repository `{name}` replaces the one on line {line}");
            found.push(warning(message));
        }
    }
    found
}

/// A name or group that stays one line of a list: nothing that begins a comment or a section.
fn is_package(text: &str) -> bool {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let bare = bare.strip_prefix('@').unwrap_or(bare);
    let bare = bare.strip_prefix('^').unwrap_or(bare);
    bare.len() <= 200
        && bare.starts_with(|c: char| c.is_ascii_alphanumeric())
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || " .+_:~*-".contains(c))
}

/// A file: address would read the box without the permission that this needs in a definition.
fn repository_fault(one: &Repository) -> Option<String> {
    let (name, url) = (one.name.escape_debug(), one.url.escape_debug());
    if !img_runner_sdk::is_word(&one.name, "._-") {
        return Some(format!(
            "the repository name `{name}` has to be letters, digits, `.`, `_`, `-`"
        ));
    }
    let scheme = ["http://", "https://", "ftp://"];
    if !scheme.iter().any(|scheme| one.url.starts_with(scheme)) {
        return Some(format!("the repository `{name}` is at `{url}`: use http, https or ftp"));
    }
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"'\"\\#`@".contains(c);
    if !one.url.chars().all(plain) {
        return Some(format!("the address `{url}` of the repository `{name}` has odd characters"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::{failed, testing};

    fn request(packages: &[&str], repositories: &[(&str, &str)]) -> Request {
        let mut request = testing::request("", "fs", "i686");
        request.packages = packages.iter().map(|one| (*one).into()).collect();
        let repository = |(name, url): &(&str, &str)| Repository {
            name: (*name).into(),
            url: (*url).into(),
            priority: Some(5),
        };
        request.repositories = repositories.iter().map(repository).collect();
        request
    }

    #[test]
    fn nothing_is_changed_when_nothing_is_added() {
        let text = "lang C\r\n%packages\nbash";
        assert_eq!(extended(&kickstart::parse(text), &request(&[], &[])), text);
    }

    #[test]
    fn additions_stand_behind_the_text_and_keep_the_sections_options() {
        let text = "lang C\n%packages --excludedocs # small\nbash\n%end\n%post\nid";
        let request = request(&["vim", "-nano", "@core"], &[("extra", "http://x.example/")]);
        let extended = extended(&kickstart::parse(text), &request);
        assert_eq!(
            extended,
            format!(
                "{text}\n%end\n\n# Added by the request\n\
                 repo --name=extra --baseurl=http://x.example/ --priority=5\n\
                 %packages --excludedocs # small\nvim\n-nano\n@core\n%end\n"
            )
        );
        let again = kickstart::parse(&extended);
        assert_eq!(again.packages().count(), 4);
        assert!(again.sections.iter().all(|section| section.ended));
    }

    #[test]
    fn an_addition_cannot_be_anything_but_one_line() {
        for bad in ["a\n%post", "%end", "a#b", "a;b", "", "-", "@", "--x y\0"] {
            let found = check(&kickstart::parse(""), &request(&[bad], &[]));
            assert!(failed(&found), "{bad:?}");
        }
        for (name, url) in [
            ("a", "file:///etc"),
            ("a b", "http://x/"),
            ("a", "http://x/ --save"),
            ("a", "http://x/\n%post"),
            ("a", "http://x/@Y@"),
        ] {
            let found = check(&kickstart::parse(""), &request(&[], &[(name, url)]));
            assert!(failed(&found), "{name} {url}");
        }
        let good = request(&["gcc-c++", "@Base Double Byte"], &[("a.b", "https://x/y?z=1&a")]);
        assert_eq!(check(&kickstart::parse(""), &good), []);
    }
}
