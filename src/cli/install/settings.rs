//! The configuration of a box that systemd runs, and what an existing one says differently.

use toml::{Table, Value};

/// Every setting with its default.
const REFERENCE: &str = include_str!("../../../config.toml");
/// Tables whose keys are names that people choose.
const NAMED: [&str; 2] = ["runners", "retention.queues"];

/// The text of a new `config.toml`: the reference, with the builder where its unit is.
pub(super) fn for_units() -> String {
    with_builder(REFERENCE)
}

fn with_builder(reference: &str) -> String {
    let socket = format!("socket = \"{}/builder.sock\"", super::parts::RUN);
    let mut section = "";
    let mut text = String::with_capacity(reference.len() + socket.len());
    for line in reference.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let here = section == "[builder]" && line == "socket = \"\"";
        text.push_str(if here { &socket } else { line });
        text.push('\n');
    }
    text
}

/// What a person has to hear about the settings in `theirs`, one sentence each.
pub(super) fn differences(theirs: &str) -> Vec<String> {
    compare(&for_units(), REFERENCE, theirs)
}

fn compare(units: &str, reference: &str, theirs: &str) -> Vec<String> {
    let keys = |text: &str| {
        let mut found = Vec::new();
        walk("", &text.parse::<Table>().unwrap_or_default(), &mut found);
        found
    };
    let (units, reference, theirs) = (keys(units), keys(reference), keys(theirs));
    let of = |all: &[(String, Value)], key: &str| all.iter().find(|k| k.0 == key).cloned();
    let mut said = Vec::new();
    for (key, value) in &units {
        let wanted = of(&reference, key).is_some_and(|default| default.1 != *value);
        let has = of(&theirs, key).is_some_and(|theirs| theirs.1 != Value::String(String::new()));
        if wanted && !has {
            let line = line(key, value);
            said.push(format!("the units want {line}: builds do not start before that is there"));
        }
    }
    let new: Vec<_> = units.iter().filter(|(key, _)| of(&theirs, key).is_none()).collect();
    if !new.is_empty() {
        let names: Vec<_> = new.iter().map(|(key, _)| key.as_str()).collect();
        said.push(format!("it leaves out, so that the default counts: {}", names.join(", ")));
    }
    said
}

/// `a.b` and its value as somebody would write it.
fn line(key: &str, value: &Value) -> String {
    match key.rsplit_once('.') {
        Some((section, name)) => format!("`{name} = {value}` in [{section}]"),
        None => format!("`{key} = {value}`"),
    }
}

fn walk(above: &str, table: &Table, found: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            _ if NAMED.contains(&key.as_str()) => {}
            Value::Table(inner) => walk(&key, inner, found),
            other => found.push((key, other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "[server]\nsocket = \"\"\n[builder]\n# Where.\nsocket = \"\"\nslots = 2\n";

    #[test]
    fn only_the_builders_socket_is_set_for_the_units() {
        let text = with_builder(OLD);
        assert_eq!(text.lines().count(), OLD.lines().count());
        assert!(text.starts_with("[server]\nsocket = \"\"\n[builder]\n# Where.\n"));
        assert!(text.contains("\nsocket = \"/run/img/builder.sock\"\nslots = 2\n"));
    }

    #[test]
    fn what_the_reference_says_is_a_good_configuration_for_the_units() {
        let text = for_units();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, &text).unwrap();
        crate::config::Config::load(Some(&path), |_| None).unwrap();
        assert!(differences(&text).is_empty(), "{:?}", differences(&text));
    }

    #[test]
    fn new_settings_are_named_and_what_people_name_themselves_is_not() {
        let theirs = "[server]\nsocket = \"x\"\n[runners.mic]\nenabled = true\n";
        let said = compare(&with_builder(OLD), OLD, theirs);
        assert_eq!(
            said,
            [
                "the units want `socket = \"/run/img/builder.sock\"` in [builder]: builds do not start before that is there",
                "it leaves out, so that the default counts: builder.slots, builder.socket"
            ]
        );
        let all = OLD.replace("[builder]\n# Where.\nsocket = \"\"", "[builder]\nsocket = \"/x\"");
        assert!(compare(&with_builder(OLD), OLD, &all).is_empty());
    }
}
