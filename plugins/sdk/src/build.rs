//! Short ways to write the contract's records, and to read a request's options.

use crate::{
    Argument, Artifact, Cause, ChoiceField, Diagnostic, Event, Explanation, Field, FieldKind, File,
    FileKind, IntegerField, OutputFile, Program, Progress, Request, Role, Severity, Step,
    TextField,
};

/// The value given for the option `id`; an empty value counts as none.
pub fn option<'a>(request: &'a Request, id: &str) -> Option<&'a str> {
    let given = request.options.iter().rev().find(|(name, _)| name == id);
    given.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

/// Whether the boolean option `id` is on; `default` when it was not given.
pub fn flag(request: &Request, id: &str, default: bool) -> bool {
    match option(request, id) {
        Some(value) => matches!(value, "true" | "on" | "yes" | "1"),
        None => default,
    }
}

/// The entries of the text-list option `id`: one a line, blank ones left out.
pub fn list<'a>(request: &'a Request, id: &'a str) -> impl Iterator<Item = &'a str> {
    let values = request.options.iter().filter(move |(name, _)| name == id);
    values.flat_map(|(_, value)| value.lines()).map(str::trim).filter(|line| !line.is_empty())
}

fn diagnostic(severity: Severity, message: impl Into<String>, line: Option<u32>) -> Diagnostic {
    Diagnostic { severity, message: message.into(), line, hint: None }
}

/// Something that keeps the request from being queued.
pub fn error(message: impl Into<String>) -> Diagnostic {
    diagnostic(Severity::Error, message, None)
}

/// An error at a line of the definition (from 1).
pub fn error_at(line: u32, message: impl Into<String>) -> Diagnostic {
    diagnostic(Severity::Error, message, Some(line))
}

/// Something people should know before they submit.
pub fn warning(message: impl Into<String>) -> Diagnostic {
    diagnostic(Severity::Warning, message, None)
}

/// A warning at a line of the definition (from 1).
pub fn warning_at(line: u32, message: impl Into<String>) -> Diagnostic {
    diagnostic(Severity::Warning, message, Some(line))
}

/// A remark.
pub fn info(message: impl Into<String>) -> Diagnostic {
    diagnostic(Severity::Info, message, None)
}

/// Diagnostics of one answer: more help nobody, and a hostile definition must not make a runner
/// answer more than the host takes.
pub const MOST_DIAGNOSTICS: usize = 100;

/// The first [`MOST_DIAGNOSTICS`]; errors before the others when there are more.
pub(crate) fn bounded(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = diagnostics.len().saturating_sub(MOST_DIAGNOSTICS);
    if more > 0 {
        diagnostics.sort_by_key(|one| one.severity != Severity::Error);
        diagnostics.truncate(MOST_DIAGNOSTICS);
        diagnostics.push(info(format!("{more} more are not shown")));
    }
    diagnostics
}

/// Whether any of these keeps a request from being queued.
pub fn failed(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|one| one.severity == Severity::Error)
}

impl Diagnostic {
    /// The same with a way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An argument everyone may read.
pub fn arg(value: impl Into<String>) -> Argument {
    Argument { value: value.into(), secret: false }
}

/// An argument that is masked wherever the plan is shown.
pub fn secret_arg(value: impl Into<String>) -> Argument {
    Argument { value: value.into(), secret: true }
}

/// Arguments everyone may read.
pub fn args<T: Into<String>>(values: impl IntoIterator<Item = T>) -> Vec<Argument> {
    values.into_iter().map(arg).collect()
}

/// A step without environment or privileges that runs in `directory`.
pub fn step(name: &str, program: &str, arguments: Vec<Argument>, directory: &str) -> Step {
    Step {
        name: name.into(),
        program: program.into(),
        arguments,
        environment: Vec::new(),
        directory: directory.into(),
        privileges: Vec::new(),
        always: false,
    }
}

/// A file the host writes before the first step.
pub fn file(path: impl Into<String>, contents: impl Into<Vec<u8>>, executable: bool) -> File {
    File { path: path.into(), contents: contents.into(), executable }
}

/// A program the plans may start; `probe` makes it print its version.
pub fn program(name: &str, probe: &str, why: &str) -> Program {
    Program { name: name.into(), probe: vec![probe.into()], why: why.into() }
}

fn field(id: &str, label: &str, help: &str, kind: FieldKind) -> Field {
    let (id, label, help) = (id.into(), label.into(), help.into());
    Field { id, label, help, kind, required: false, secret: false }
}

fn text(pattern: Option<&str>, max_length: u32) -> TextField {
    TextField { default: String::new(), pattern: pattern.map(str::to_owned), max_length }
}

/// A line of text; `pattern` is a regular expression the whole value must match.
pub fn text_field(
    id: &str,
    label: &str,
    help: &str,
    pattern: Option<&str>,
    max_length: u32,
) -> Field {
    field(id, label, help, FieldKind::Text(text(pattern, max_length)))
}

/// Several lines of text, each matching `pattern`.
pub fn text_list_field(
    id: &str,
    label: &str,
    help: &str,
    pattern: Option<&str>,
    max_length: u32,
) -> Field {
    field(id, label, help, FieldKind::TextList(text(pattern, max_length)))
}

/// A tick box.
pub fn boolean_field(id: &str, label: &str, help: &str, default: bool) -> Field {
    field(id, label, help, FieldKind::Boolean(default))
}

/// A whole number from `min` to `max`.
pub fn integer_field(id: &str, label: &str, help: &str, default: i64, min: i64, max: i64) -> Field {
    field(id, label, help, FieldKind::Integer(IntegerField { default, min, max }))
}

/// One of `choices`, each with its label; the first is the default.
pub fn choice_field(id: &str, label: &str, help: &str, choices: &[(&str, &str)]) -> Field {
    let owned = |(value, label): &(&str, &str)| ((*value).to_owned(), (*label).to_owned());
    let choices: Vec<_> = choices.iter().map(owned).collect();
    let default = choices.first().map(|(value, _)| value.clone()).unwrap_or_default();
    field(id, label, help, FieldKind::Choice(ChoiceField { default, choices }))
}

/// How far something is.
pub fn progress(done: u64, total: Option<u64>, unit: &str) -> Event {
    Event::Progress(Progress { done, total, unit: unit.into() })
}

/// Why a job failed.
pub fn explanation(cause: Cause, message: impl Into<String>) -> Explanation {
    Explanation { cause, message: message.into(), suggestion: None, line: None }
}

impl Explanation {
    /// The same with what to do now.
    #[must_use]
    pub fn with_suggestion(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The same, shown by the last line with this index (from 0) in `Failure::last_lines`.
    #[must_use]
    pub fn at(mut self, index: usize) -> Self {
        self.line = u64::try_from(index).ok().and_then(|index| index.checked_add(1));
        self
    }
}

/// A file that is kept; `path` is relative to the output directory.
pub fn artifact(path: impl Into<String>, role: Role, label: impl Into<String>) -> Artifact {
    Artifact { path: path.into(), role, label: label.into() }
}

/// Every regular, non-empty file for which `role` has an answer, in the order given.
pub fn named_artifacts(
    files: &[OutputFile],
    role: impl Fn(&str) -> Option<(Role, String)>,
) -> Vec<Artifact> {
    let kept = files.iter().filter(|file| file.kind == FileKind::Regular && file.size > 0);
    kept.filter_map(|file| {
        let (role, label) = role(&file.path)?;
        Some(artifact(file.path.clone(), role, label))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{request, with_option};

    #[test]
    fn an_answer_is_bounded_and_keeps_its_errors() {
        let mut many: Vec<_> = (0..500).map(|n| warning(format!("{n}"))).collect();
        many.push(error("bad"));
        let kept = bounded(many);
        assert_eq!(kept.len(), MOST_DIAGNOSTICS + 1);
        assert_eq!(kept[0], error("bad"));
        assert_eq!(kept[MOST_DIAGNOSTICS], info("401 more are not shown"));
        assert_eq!(bounded(vec![warning("a"), error("b")]), [warning("a"), error("b")]);
    }

    #[test]
    fn options_are_read_as_the_form_sends_them() {
        let asked = with_option(request("", "tar", "amd64"), "lines", " a \n\nb\n");
        let asked = with_option(with_option(asked, "on", "true"), "blank", "  ");
        assert_eq!(list(&asked, "lines").collect::<Vec<_>>(), ["a", "b"]);
        assert!(flag(&asked, "on", false) && flag(&asked, "absent", true));
        assert_eq!(option(&asked, "blank"), None);
    }

    #[test]
    fn only_files_with_something_in_them_are_kept() {
        let files = [crate::testing::output("a", 0), crate::testing::output("b", 1)];
        let kept = named_artifacts(&files, |path| Some((Role::Image, path.to_owned())));
        assert_eq!(kept, [artifact("b", Role::Image, "b")]);
    }
}
