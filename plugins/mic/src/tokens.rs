//! The values of `@NAME@` in a definition.

use crate::options;
use img_runner_sdk::{Diagnostic, Request, error, error_at, info, warning, warning_at};
use kickstart::{Kickstart, Place};

/// The values the tool will be given, and what is wrong with those that were asked for.
pub(crate) fn read(request: &Request) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for (name, value) in given(request, &mut wrong) {
        match fault(&name, &value) {
            Some(message) => wrong.push(error(message)),
            None if values.iter().any(|(other, _)| *other == name) => {
                wrong.push(error(format!("the token `{name}` has two values: give it one")));
            }
            None => values.push((name, value)),
        }
    }
    (values, wrong)
}

fn given(request: &Request, wrong: &mut Vec<Diagnostic>) -> Vec<(String, String)> {
    let mut all = request.tokens.clone();
    for entry in options::tokenmap(request) {
        match entry.split_once(':') {
            Some((name, value)) => all.push((name.trim().to_owned(), value.trim().to_owned())),
            None => {
                let shown = entry.escape_debug();
                wrong.push(error(format!("the token value `{shown}` is not NAME:value")));
            }
        }
    }
    all
}

/// The tool splits its list of values at commas and colons, and there is no way to quote them.
fn fault(name: &str, value: &str) -> Option<String> {
    let (shown_name, shown) = (name.escape_debug(), value.escape_debug());
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(first) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Some(format!("the token `{shown_name}` has to be letters, digits and `_`"));
    }
    let what = format!("the value `{shown}` of the token `{shown_name}`");
    if value.is_empty() {
        return Some(format!("the token `{shown_name}` has an empty value: leave it out"));
    }
    if value.contains([',', ':']) {
        return Some(format!("{what} has a comma or a colon, where the tool splits its list"));
    }
    // A value with an at sign could become another token.
    if value.starts_with('-') || value.contains('@') || value.chars().any(char::is_control) {
        return Some(format!("{what} begins with `-`, or has an `@` or a control character"));
    }
    None
}

/// The value of a token: given, or what the tool takes by itself.
fn value<'v>(name: &str, values: &'v [(String, String)], request: &'v Request) -> Option<&'v str> {
    let given = |name: &str| {
        values.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    };
    given(name).or_else(|| match name {
        "RELEASE" => Some("latest"),
        "BUILD_ID" => given("RELEASE").or(Some("latest")),
        "ARCH" => Some(request.architecture.as_str()),
        "arch" if request.architecture.starts_with('i') => Some("ia32"),
        _ => None,
    })
}

/// Tokens of the definition without a value, and values without a token.
pub(crate) fn check(
    kickstart: &Kickstart<'_>,
    values: &[(String, String)],
    request: &Request,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen: Vec<(&str, bool)> = Vec::new();
    for token in kickstart.tokens.iter().filter(|token| token.place != Place::Comment) {
        let (name, line) = (token.name.as_str(), token.line);
        let in_script = token.place == Place::Body;
        if seen.contains(&(name, in_script)) || seen.contains(&(name, false)) || seen.len() > 200 {
            continue;
        }
        seen.push((name, in_script));
        match value(name, values, request) {
            Some(_) if values.iter().any(|(given, _)| given == name) => {}
            Some(value) if !in_script => found.push(info(format!("`@{name}@` becomes `{value}`"))),
            None if in_script => {
                let message = format!("`@{name}@` on line {line} has no value and stays as it is");
                found.push(warning_at(line, message));
            }
            None => found.push(without_value(name, line)),
            Some(_) => {}
        }
    }
    for (name, _) in values {
        if !kickstart.tokens.iter().any(|token| token.name == *name) {
            found.push(warning(format!("the definition has no `@{name}@`: its value is not used")));
        }
    }
    found
}

fn without_value(name: &str, line: u32) -> Diagnostic {
    error_at(line, format!("the token `@{name}@` on line {line} has no value"))
        .with_hint(format!("add `{name}:…` to the token values"))
}

/// The values for `--tokenmap`: those given, and the architecture where it is asked for.
pub(crate) fn map(
    kickstart: &Kickstart<'_>,
    values: &[(String, String)],
    request: &Request,
) -> Vec<(String, String)> {
    let mut map = values.to_vec();
    let asked = kickstart.tokens.iter().any(|token| token.name == "ARCH");
    if asked && !map.iter().any(|(name, _)| name == "ARCH") {
        map.push(("ARCH".into(), request.architecture.clone()));
    }
    map
}

/// The text as the tool will read it.
pub(crate) fn substituted(
    kickstart: &Kickstart<'_>,
    values: &[(String, String)],
    request: &Request,
) -> String {
    let mut text = kickstart.text.clone().into_owned();
    let mut names: Vec<_> = kickstart.tokens.iter().map(|token| token.name.as_str()).collect();
    names.extend(values.iter().map(|(name, _)| name.as_str()));
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().take(200) {
        if let Some(value) = value(name, values, request) {
            text = text.replace(&format!("@{name}@"), value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::{Severity, failed, testing};

    const TEXT: &str = "repo --name=a --baseurl=http://h/@RELEASE@/@DEVICE@/@ARCH@/\n\
                        %post\nsed s@OLD@NEW@ x\n%end\n";

    fn request(map: &str) -> Request {
        testing::with_option(testing::request(TEXT, "fs", "armv7hl"), "tokenmap", map)
    }

    #[test]
    fn a_token_without_value_is_named_with_its_line() {
        let request = request("OTHER:1");
        let (values, wrong) = read(&request);
        assert!(wrong.is_empty());
        let found = check(&kickstart::parse(TEXT), &values, &request);
        let errors: Vec<_> = found.iter().filter(|d| d.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].message, "the token `@DEVICE@` on line 1 has no value");
        assert_eq!(errors[0].line, Some(1));
        let warnings = found.iter().filter(|d| d.severity == Severity::Warning).count();
        assert_eq!(warnings, 2, "OLD stays, OTHER is not used: {found:?}");
    }

    #[test]
    fn values_the_tool_would_split_are_refused() {
        for bad in ["A:x:y", "A:x,B", "A:-x", "A:@x", "A:x@y", "A:", "A", "1A:x", "A b:x"] {
            assert!(failed(&read(&request(bad)).1), "{bad}");
        }
        assert!(failed(&read(&request("A:1\nA:2")).1));
        assert_eq!(read(&request("A:1\nB:2")).0.len(), 2);
    }

    #[test]
    fn the_architecture_is_given_where_it_is_asked_for() {
        let request = request("DEVICE:phone");
        let kickstart = kickstart::parse(TEXT);
        let (values, _) = read(&request);
        let map = map(&kickstart, &values, &request);
        assert_eq!(map[1], ("ARCH".to_owned(), "armv7hl".to_owned()));
        let text = substituted(&kickstart, &values, &request);
        assert!(text.starts_with("repo --name=a --baseurl=http://h/latest/phone/armv7hl/\n"));
    }
}
