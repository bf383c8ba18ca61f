//! What is wrong beyond the grammar of a single option.

use crate::{
    heredoc,
    lines::{Line, is_space},
    model::{Command, EntryKind, Kickstart, Section, SectionKind, Severity},
    nearest, packages,
    parse::Reader,
    table::{self, Age, Spec},
};
use std::collections::HashMap;

/// Bytes beyond which a line is no line a person wrote.
const LONG_LINE: usize = 64 * 1024;

/// Every line, whatever it belongs to.
pub(crate) fn line(reader: &mut Reader<'_>, line: &Line<'_>) {
    let at = Some(line.number);
    if line.text.contains('\0') {
        let hint = "save the file as plain text";
        reader.say(Severity::Error, at, "the line contains a NUL character", hint);
    }
    if line.text.len() > LONG_LINE {
        let message = format!("the line has {} bytes", line.text.len());
        reader.say(Severity::Warning, at, message, "is this a kickstart file?");
    }
    if line.odd_end {
        let message = "a control character in this line starts a new line for the tools";
        reader.say(Severity::Warning, at, message, "remove it");
    }
}

/// A command on its own.
pub(crate) fn command(reader: &mut Reader<'_>, command: &Command, spec: Option<&Spec>) {
    let at = Some(command.line);
    let name = &command.name;
    let Some(spec) = spec else { return unknown_command(reader, command) };
    if spec.age != Age::Current {
        let message = format!("`{name}` is known to some versions of the tools only");
        reader.say(Severity::Warning, at, message, "the others skip the line");
    }
    for need in spec.needs.split(' ').filter(|need| !need.is_empty()) {
        if !command.has(&format!("--{need}")) {
            let message = format!("`{name}` has no `--{need}`");
            reader.say(Severity::Error, at, message, format!("add `--{need}=…`"));
        }
    }
    if command.operands.len() < spec.operands {
        let what = if name.starts_with("part") { "a mount point, such as `/`" } else { "a value" };
        reader.say(
            Severity::Error,
            at,
            format!("`{name}` names nothing"),
            format!("give it {what}"),
        );
    }
    if name == "repo" {
        repository(reader, command);
    }
}

fn unknown_command(reader: &mut Reader<'_>, command: &Command) {
    let shown: String = command.name.chars().take(60).flat_map(char::escape_debug).collect();
    // Looking for what was meant is the dearest thing here: not for problems nobody will read.
    let listed = reader.out.diagnostics.len() < Kickstart::MAX_DIAGNOSTICS;
    let meant = nearest::nearest(&command.name, table::command_names().filter(|_| listed));
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "the tool skips the line and builds on without it".into(),
    };
    let message = format!("unknown command `{shown}`");
    reader.say(Severity::Error, Some(command.line), message, hint);
}

fn repository(reader: &mut Reader<'_>, command: &Command) {
    const SOURCES: [&str; 3] = ["--baseurl", "--mirrorlist", "--metalink"];
    let source = command.value_of(&SOURCES);
    if source.is_none_or(str::is_empty) {
        let name = command.value("--name").unwrap_or("?");
        let message = format!("the repository `{name}` has no address");
        let hint = "add `--baseurl=…` or `--mirrorlist=…`";
        reader.say(Severity::Error, Some(command.line), message, hint);
    }
}

/// A line of a list section.
pub(crate) fn entry(reader: &mut Reader<'_>, line: u32, read: &packages::Read) {
    let name = &read.name;
    if name.starts_with('%') {
        let message = format!("`{name}` is read as a name, not as a header");
        reader.say(Severity::Warning, Some(line), message, "is it misspelt?");
    }
    if read.kind == EntryKind::Remove && name.starts_with(is_space) {
        let message = format!("`-{name}` excludes nothing");
        let hint = format!("write `-{}`", name.trim_start_matches(is_space));
        reader.say(Severity::Warning, Some(line), message, hint);
    }
}

/// A section that was read to its end.
pub(crate) fn section(reader: &mut Reader<'_>, section: &Section, open: Option<&heredoc::Open>) {
    let header = &section.header;
    if section.kind == SectionKind::Unknown {
        unknown_section(reader, section);
    }
    if !section.ended {
        let message = format!("`{header}` has no `%end`");
        let hint = "newer tools need it, and ignore what follows without it";
        reader.say(Severity::Warning, Some(section.line), message, hint);
    }
    if let Some(open) = open {
        let last = section.last_line;
        let message = format!(
            "line {last} ends `{header}` within the text that began with `<<{}` on line {}",
            open.word, open.line
        );
        let hint = "the tools end a section wherever such a line stands: write it by other means";
        reader.say(Severity::Warning, Some(last), message, hint);
    }
    if section.kind == SectionKind::Certificate {
        certificate(reader, section);
    }
}

fn unknown_section(reader: &mut Reader<'_>, section: &Section) {
    let known = SectionKind::KNOWN.iter().map(|(name, _)| *name);
    let shown: String = section.header.chars().take(60).flat_map(char::escape_debug).collect();
    let hint = match nearest::nearest(&section.header, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "the tools ignore everything from here".into(),
    };
    reader.say(Severity::Error, Some(section.line), format!("unknown section `{shown}`"), hint);
}

fn certificate(reader: &mut Reader<'_>, section: &Section) {
    if !section.has("--dir") && !section.has("--type") {
        let message = "`%certificate` says neither `--dir` nor `--type`";
        reader.say(Severity::Error, Some(section.line), message, "add `--dir=…`");
    }
}

/// The file as a whole.
pub(crate) fn file(reader: &mut Reader<'_>) {
    repeated(reader, "repo", &["--name"], "repository");
    repeated_partitions(reader);
    let empty = reader.out.commands.is_empty() && reader.out.sections.is_empty();
    if empty && reader.out.includes.is_empty() {
        let hint = "a kickstart has commands such as `part` and a `%packages` section";
        reader.say(Severity::Error, None, "the definition says nothing", hint);
    }
}

fn repeated(reader: &mut Reader<'_>, name: &str, options: &[&str], what: &str) {
    let mut first: HashMap<String, u32> = HashMap::new();
    let mut found = Vec::new();
    for command in reader.out.commands_named(name) {
        let Some(value) = command.value_of(options) else { continue };
        match first.get(value) {
            Some(line) => found.push((command.line, value.to_owned(), *line)),
            None => {
                first.insert(value.to_owned(), command.line);
            }
        }
    }
    for (line, value, before) in found {
        let message = format!("the {what} `{value}` was named on line {before} already");
        let hint = "the later one replaces the earlier one";
        reader.say(Severity::Warning, Some(line), message, hint);
    }
}

fn repeated_partitions(reader: &mut Reader<'_>) {
    let mut first: HashMap<String, u32> = HashMap::new();
    let mut found = Vec::new();
    for part in reader.out.partitions() {
        let Some(place) = part.operands.first().filter(|place| place.starts_with('/')) else {
            continue;
        };
        match first.get(place) {
            Some(line) => found.push((part.line, place.clone(), *line)),
            None => {
                first.insert(place.clone(), part.line);
            }
        }
    }
    for (line, place, before) in found {
        let message = format!("the partition `{place}` was named on line {before} already");
        reader.say(Severity::Error, Some(line), message, "give each its own mount point");
    }
}
