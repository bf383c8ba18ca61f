//! The state machine: command section, section headers, bodies.

use crate::{
    checks,
    heredoc::Heredocs,
    lines::{Line, Lines, is_space},
    magic,
    model::{
        Command, Diagnostic, Entry, Include, Kickstart, Place, Section, SectionKind, Severity,
    },
    options::{self, Fault, Sorted},
    packages, table, tokens,
    words::{self, Unsplit},
};
use std::borrow::Cow;

/// Reads `text`.
pub fn parse(text: &str) -> Kickstart<'_> {
    let mut reader = Reader::new(text);
    reader.whole_file();
    reader.out
}

/// What a line of a section's body is to the tools.
enum BodyLine {
    Text,
    End,
    Include(Vec<String>),
    /// A header: this section has no `%end`.
    Header,
    /// Looks like a directive, but is dropped.
    Dropped,
}

pub(crate) struct Reader<'t> {
    lines: Lines<'t>,
    pub out: Kickstart<'t>,
    last_line: u32,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let out = Kickstart { text: Cow::Borrowed(text), ..Kickstart::default() };
        Self { lines: Lines::new(text), out, last_line: 0 }
    }

    fn whole_file(&mut self) {
        self.first_line();
        while let Some(line) = self.next_line() {
            self.command_section_line(&line);
        }
        checks::file(self);
        self.out.diagnostics.sort_by_key(|one| one.line);
    }

    /// The magic line and the byte order mark.
    fn first_line(&mut self) {
        let Some(first) = self.lines.next() else { return };
        let text = first.text.trim_start_matches('\u{feff}');
        if text.len() < first.text.len() {
            let hint = "save the file as UTF-8 without one";
            self.say(Severity::Error, Some(1), "the file begins with a byte order mark", hint);
        }
        self.out.magic = magic::read(text.trim_end());
        let start = first.start.saturating_add(first.text.len()).saturating_sub(text.len());
        self.lines.put_back(Line { start, text, ..first });
    }

    fn next_line(&mut self) -> Option<Line<'t>> {
        let line = self.lines.next()?;
        checks::line(self, &line);
        self.last_line = line.number;
        Some(line)
    }

    /// Adds a diagnostic, unless there are too many.
    pub fn say(
        &mut self,
        severity: Severity,
        line: Option<u32>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let count = self.out.diagnostics.len();
        if count > Kickstart::MAX_DIAGNOSTICS {
            return;
        }
        let full = count == Kickstart::MAX_DIAGNOSTICS;
        let (severity, line, message, hint) = if full {
            let message = format!("more than {count} problems: the rest is not listed");
            (Severity::Error, None, message, String::new())
        } else {
            (severity, line, message.into(), hint.into())
        };
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        self.out.diagnostics.push(Diagnostic { severity, message, line, hint });
    }

    fn command_section_line(&mut self, line: &Line<'t>) {
        if is_blank_or_comment(line.text) {
            return tokens::find(line.text, line.number, Place::Comment, &mut self.out.tokens);
        }
        let Some(words) = self.split(line, true) else { return };
        match words.first().map(String::as_str) {
            None => {}
            Some("") => {
                let message = "the line begins with an empty word";
                self.say(Severity::Error, Some(line.number), message, "remove the quotes");
            }
            Some("%include" | "%ksappend") => self.include(line, &words, None),
            Some(header) if header.starts_with('%') => self.section(line, words),
            Some(_) => self.command(line, words),
        }
    }

    /// The words of a line, or an error and `None` where the tools stop reading the file.
    fn split(&mut self, line: &Line<'t>, comments: bool) -> Option<Vec<String>> {
        let wrong = match words::split(line.text, comments) {
            Ok(words) => return Some(words),
            Err(wrong) => wrong,
        };
        let (message, hint) = match wrong {
            Unsplit::OpenQuote(quote) => (
                format!("a quote ({quote}) is opened and not closed"),
                format!("close it, or write \\{quote} for the character itself"),
            ),
            Unsplit::OpenEscape => {
                ("the file ends with a backslash".into(), "remove it".to_owned())
            }
        };
        self.say(Severity::Error, Some(line.number), message, hint);
        None
    }

    fn include(&mut self, line: &Line<'t>, words: &[String], section: Option<usize>) {
        tokens::find(line.text, line.number, Place::Header, &mut self.out.tokens);
        let directive = words.first().cloned().unwrap_or_default();
        match words.get(1).filter(|target| !target.is_empty()) {
            Some(target) => {
                let (target, line) = (target.clone(), line.number);
                self.out.includes.push(Include { directive, target, line, section });
            }
            None => {
                let message = format!("`{directive}` names no file");
                self.say(
                    Severity::Error,
                    Some(line.number),
                    message,
                    "give it a file or an address",
                );
            }
        }
    }

    fn command(&mut self, line: &Line<'t>, words: Vec<String>) {
        tokens::find(line.text, line.number, Place::Command, &mut self.out.tokens);
        let name = words.first().cloned().unwrap_or_default();
        let spec = table::command(&name);
        let rest = words.get(1..).unwrap_or_default();
        let sorted = options::sort(spec.unwrap_or(&table::ANY), rest);
        self.faults(&name, spec, line.number, &sorted);
        let Sorted { options, operands, .. } = sorted;
        let (known, raw) = (spec.is_some(), line.content());
        let line = line.number;
        let command = Command { name, line, words, known, options, operands, raw };
        checks::command(self, &command, spec);
        self.out.commands.push(command);
    }

    fn faults(&mut self, name: &str, spec: Option<&table::Spec>, line: u32, sorted: &Sorted) {
        let Some(spec) = spec else { return };
        for fault in &sorted.faults {
            let (severity, message, hint) = said(name, spec, fault);
            self.say(severity, Some(line), message, hint);
        }
    }

    fn section(&mut self, header: &Line<'t>, words: Vec<String>) {
        tokens::find(header.text, header.number, Place::Header, &mut self.out.tokens);
        let name = words.first().cloned().unwrap_or_default();
        if name == "%end" {
            let hint = "remove it, or look for a header above it that is misspelt";
            return self.say(Severity::Error, Some(header.number), "`%end` ends no section", hint);
        }
        let kind = SectionKind::of(&name).unwrap_or(SectionKind::Unknown);
        let spec = table::header(&kind);
        let sorted = options::sort(spec, words.get(1..).unwrap_or_default());
        self.faults(&name, Some(spec), header.number, &sorted);
        let at = self.lines.position();
        self.out.sections.push(Section {
            kind,
            header: name,
            line: header.number,
            words,
            options: sorted.options,
            operands: sorted.operands,
            raw: header.content(),
            body: at..at,
            last_line: header.number,
            ended: false,
        });
        self.body();
    }

    /// Reads the body of the section that was pushed last.
    fn body(&mut self) {
        let index = self.out.sections.len().saturating_sub(1);
        let Some(kind) = self.out.sections.last().map(|section| section.kind.clone()) else {
            return;
        };
        let mut heredocs = Heredocs::default();
        let mut ended = false;
        let mut end = self.lines.position();
        while let Some(line) = self.next_line() {
            match self.body_line(&kind, &line) {
                BodyLine::Header => {
                    self.lines.put_back(line);
                    break;
                }
                BodyLine::End => {
                    ended = true;
                    break;
                }
                BodyLine::Include(words) => self.include(&line, &words, Some(index)),
                BodyLine::Dropped => {}
                BodyLine::Text => self.text_line(&kind, index, &line),
            }
            if kind.is_script() {
                heredocs.line(&line);
            }
            end = line.whole().end;
        }
        self.close(index, end, ended, &heredocs);
    }

    fn close(&mut self, index: usize, end: usize, ended: bool, heredocs: &Heredocs) {
        let last_line = self.last_line;
        let Some(section) = self.out.sections.get_mut(index) else { return };
        section.body.end = end.max(section.body.start);
        section.ended = ended;
        section.last_line = last_line;
        let section = section.clone();
        checks::section(self, &section, heredocs.open());
    }

    fn body_line(&mut self, kind: &SectionKind, line: &Line<'t>) -> BodyLine {
        let text = line.text.trim_start_matches(is_space);
        if !text.starts_with('%') {
            return BodyLine::Text;
        }
        let first = text.split(is_space).next().unwrap_or_default();
        let is_header = SectionKind::of(first).is_some()
            || (*kind == SectionKind::Unknown && self.is_header_of_last(first));
        if !is_header && !matches!(first, "%end" | "%include") {
            return BodyLine::Text;
        }
        // The tools stop at a line they cannot split; what it would have been is what counts here.
        let words = self.split(line, false).unwrap_or_else(|| vec![first.to_owned()]);
        match words.first().map(String::as_str) {
            Some("%end") => BodyLine::End,
            Some("%include") => BodyLine::Include(words),
            Some(word) if word == first => BodyLine::Header,
            _ => BodyLine::Dropped,
        }
    }

    fn is_header_of_last(&self, first: &str) -> bool {
        self.out.sections.last().is_some_and(|section| section.header == first)
    }

    fn text_line(&mut self, kind: &SectionKind, section: usize, line: &Line<'t>) {
        let place = if kind.is_list() { Place::List } else { Place::Body };
        tokens::find(line.text, line.number, place, &mut self.out.tokens);
        if !kind.is_list() {
            return;
        }
        match packages::read(line.text) {
            None => {}
            Some(Err(mark)) => {
                let message = format!("`{mark}` names nothing");
                self.say(Severity::Error, Some(line.number), message, "write the name behind it");
            }
            Some(Ok(read)) => {
                checks::entry(self, line.number, &read);
                let packages::Read { kind, name, options } = read;
                self.out.entries.push(Entry { kind, name, options, line: line.number, section });
            }
        }
    }
}

fn is_blank_or_comment(line: &str) -> bool {
    let text = line.trim_start_matches(is_space);
    text.is_empty() || text.starts_with('#')
}

/// An option's fault, for people. One that resembles nothing may belong to a newer tool.
fn said(name: &str, spec: &table::Spec, fault: &Fault) -> (Severity, String, String) {
    match fault {
        Fault::Unknown(option) => {
            let bare = option.trim_start_matches('-');
            let known = spec.options().map(|(name, _)| name);
            let message = format!("unknown option `{option}` of `{name}`");
            match crate::nearest::nearest(bare, known) {
                Some(meant) => (Severity::Error, message, format!("did you mean `--{meant}`?")),
                None => (Severity::Warning, message, "the tool may skip the whole line".into()),
            }
        }
        Fault::NoValue(option) => {
            let message = format!("`{option}` of `{name}` has no value");
            (Severity::Error, message, format!("write `{option}=…`"))
        }
        Fault::Valued(option) => {
            let message = format!("`{option}` of `{name}` takes no value");
            (Severity::Error, message, format!("write `{option}` alone"))
        }
        Fault::Ambiguous(option, [first, second]) => {
            let message = format!("`{option}` of `{name}` is short for several options");
            (Severity::Warning, message, format!("write `--{first}` or `--{second}`"))
        }
    }
}
