//! The lines of `%packages`, `%prepackages` and `%attachment`.

use crate::{lines::is_space, model::EntryKind};

/// A line's name and marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub kind: EntryKind,
    pub name: String,
    pub options: Vec<String>,
}

/// What a line says; `None` when nothing is left of it without its comment.
/// `Err` holds the mark that has no name behind it.
pub(crate) fn read(line: &str) -> Option<Result<Read, &str>> {
    let text = line.split_once('#').map_or(line, |(before, _)| before).trim_matches(is_space);
    if text.is_empty() {
        return None;
    }
    let (kind, rest) = kind_of(text);
    let (name, options) = match kind {
        EntryKind::Group => group(rest),
        EntryKind::RemoveGroup => (rest.trim_matches(is_space).to_owned(), Vec::new()),
        // A blank behind the minus is part of the name for the tools: they exclude nothing.
        _ => (rest.to_owned(), Vec::new()),
    };
    if name.trim_matches(is_space).is_empty() {
        return Some(Err(text));
    }
    Some(Ok(Read { kind, name, options }))
}

fn kind_of(text: &str) -> (EntryKind, &str) {
    const MARKS: [(&str, EntryKind); 5] = [
        ("-@^", EntryKind::RemoveEnvironment),
        ("-@", EntryKind::RemoveGroup),
        ("-", EntryKind::Remove),
        ("@^", EntryKind::Environment),
        ("@", EntryKind::Group),
    ];
    let marked = MARKS.into_iter().find_map(|(mark, kind)| Some((kind, text.strip_prefix(mark)?)));
    marked.unwrap_or((EntryKind::Add, text))
}

/// A group's name, its words joined by single blanks, and its own options.
fn group(rest: &str) -> (String, Vec<String>) {
    let words = rest.split(is_space).filter(|word| !word.is_empty());
    let (options, name): (Vec<_>, Vec<_>) =
        words.partition(|word| matches!(*word, "--nodefaults" | "--optional"));
    (name.join(" "), options.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_and_name(line: &str) -> (EntryKind, String) {
        let read = read(line).unwrap().unwrap();
        (read.kind, read.name)
    }

    #[test]
    fn marks_say_what_a_line_does() {
        use EntryKind::{Add, Environment, Group, Remove, RemoveEnvironment, RemoveGroup};
        let cases = [
            ("kernel", Add, "kernel"),
            ("  tar # archives", Add, "tar"),
            ("-plymouth", Remove, "plymouth"),
            ("@ admin-tools", Group, "admin-tools"),
            ("@MeeGo  X Window System ", Group, "MeeGo X Window System"),
            ("-@standard", RemoveGroup, "standard"),
            ("@^minimal-environment", Environment, "minimal-environment"),
            ("-@^minimal", RemoveEnvironment, "minimal"),
        ];
        for (line, kind, name) in cases {
            assert_eq!(kind_and_name(line), (kind, name.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_groups_options_are_not_its_name() {
        let read = read("@core --nodefaults").unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.options.len()), ("core", 1));
    }

    #[test]
    fn a_mark_alone_names_nothing() {
        for line in ["-", "@", "-@", "@^ ", " - # x"] {
            assert!(read(line).unwrap().is_err(), "{line:?}");
        }
        assert_eq!(read("# only a comment"), None);
        assert_eq!(read(" \t"), None);
    }
}
