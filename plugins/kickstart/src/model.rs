//! What a kickstart file consists of. Lines are counted from 1, as an editor counts them.

use std::{borrow::Cow, ops::Range};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A remark.
    Info,
    /// The tools accept it, perhaps not as it was meant.
    Warning,
    /// The tools refuse it, or skip it and build something else.
    Error,
}

/// Something to say about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about; lower case, no full stop.
    pub message: String,
    /// Where; `None` when it is about the whole file.
    pub line: Option<u32>,
    /// The way out.
    pub hint: Option<String>,
}

/// An option as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// With its dashes and at full length, even if it was abbreviated: `--name`.
    pub name: String,
    /// `None` for a switch.
    pub value: Option<String>,
}

/// A line of the command section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The first word.
    pub name: String,
    /// Where it stands.
    pub line: u32,
    /// All words, quotes resolved, comment left out.
    pub words: Vec<String>,
    /// Whether any tool of the dialect knows a command of this name.
    pub known: bool,
    /// Its options, in the order given.
    pub options: Vec<Given>,
    /// The words that belong to no option.
    pub operands: Vec<String>,
    /// The line itself, as bytes of the text.
    pub raw: Range<usize>,
}

/// What kind of section a header opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// `%packages`
    Packages,
    /// `%prepackages` (MIC2)
    Prepackages,
    /// `%attachment` (MIC2)
    Attachment,
    /// `%pre`
    Pre,
    /// `%pre-install`
    PreInstall,
    /// `%post`
    Post,
    /// `%pack` (MIC2)
    Pack,
    /// `%onerror`
    OnError,
    /// `%traceback`
    Traceback,
    /// `%certificate`
    Certificate,
    /// `%addon`
    Addon,
    /// `%anaconda`
    Anaconda,
    /// A header that no tool knows.
    Unknown,
}

impl SectionKind {
    /// Every kind that a tool knows, with its header.
    pub const KNOWN: [(&'static str, Self); 12] = [
        ("%packages", Self::Packages),
        ("%prepackages", Self::Prepackages),
        ("%attachment", Self::Attachment),
        ("%pre", Self::Pre),
        ("%pre-install", Self::PreInstall),
        ("%post", Self::Post),
        ("%pack", Self::Pack),
        ("%onerror", Self::OnError),
        ("%traceback", Self::Traceback),
        ("%certificate", Self::Certificate),
        ("%addon", Self::Addon),
        ("%anaconda", Self::Anaconda),
    ];

    /// The kind a header word opens.
    pub fn of(header: &str) -> Option<Self> {
        Self::KNOWN.iter().find(|(name, _)| *name == header).map(|(_, kind)| kind.clone())
    }

    /// Whether its lines are names (of packages or files), with comments and blanks left out.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Packages | Self::Prepackages | Self::Attachment)
    }

    /// Whether its body is a script.
    pub fn is_script(&self) -> bool {
        matches!(
            self,
            Self::Pre
                | Self::PreInstall
                | Self::Post
                | Self::Pack
                | Self::OnError
                | Self::Traceback
        )
    }
}

/// From a header to the line that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it is.
    pub kind: SectionKind,
    /// The header's first word, with the per cent sign.
    pub header: String,
    /// The line of the header.
    pub line: u32,
    /// All words of the header.
    pub words: Vec<String>,
    /// The header's options.
    pub options: Vec<Given>,
    /// The header's words that belong to no option.
    pub operands: Vec<String>,
    /// The header line, as bytes of the text.
    pub raw: Range<usize>,
    /// The body, as bytes of the text.
    pub body: Range<usize>,
    /// The line that ended it: its `%end`, the next header, or the last line of the file.
    pub last_line: u32,
    /// Whether it has its `%end`.
    pub ended: bool,
}

/// What a line of a list section does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `name`
    Add,
    /// `-name`
    Remove,
    /// `@group`
    Group,
    /// `-@group`
    RemoveGroup,
    /// `@^environment`
    Environment,
    /// `-@^environment`
    RemoveEnvironment,
}

/// A line of a list section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it does.
    pub kind: EntryKind,
    /// The name without its marks; blanks inside are kept, those around are not.
    pub name: String,
    /// A group's own options: `--nodefaults`, `--optional`.
    pub options: Vec<String>,
    /// Where it stands.
    pub line: u32,
    /// Which section it stands in, as an index of [`Kickstart::sections`].
    pub section: usize,
}

/// `%include` or `%ksappend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// `%include` or `%ksappend`.
    pub directive: String,
    /// The file or address it names.
    pub target: String,
    /// Where it stands.
    pub line: u32,
    /// The section it stands in, if any.
    pub section: Option<usize>,
}

/// The first line's options for MIC2: `# -*-mic2-options-*- -f raw -*-mic2-options-*-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magic {
    /// `-f`, `--format`, or the first bare word: the image type.
    pub format: Option<String>,
    /// `-A`, `--arch`: the architecture.
    pub arch: Option<String>,
    /// Everything else.
    pub options: Vec<Given>,
}

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A comment outside of scripts.
    Comment,
    /// A script or another opaque body.
    Body,
    /// A line of a list section.
    List,
    /// A section's header, or an include.
    Header,
    /// A command.
    Command,
}

/// `@NAME@`: text that is replaced before the tool reads the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Without the at signs.
    pub name: String,
    /// Where it stands.
    pub line: u32,
    /// In what it stands.
    pub place: Place,
}

/// A kickstart file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kickstart<'a> {
    /// What was read; owned only when bytes that are not UTF-8 had to be replaced.
    pub text: Cow<'a, str>,
    /// The first line's options, if it has any.
    pub magic: Option<Magic>,
    /// The command section.
    pub commands: Vec<Command>,
    /// All sections in order.
    pub sections: Vec<Section>,
    /// The lines of all list sections.
    pub entries: Vec<Entry>,
    /// All includes.
    pub includes: Vec<Include>,
    /// All tokens.
    pub tokens: Vec<Token>,
    /// What is wrong, in the order of the lines; at most [`Self::MAX_DIAGNOSTICS`] and a last word.
    pub diagnostics: Vec<Diagnostic>,
}

impl Kickstart<'_> {
    /// More problems than this are not listed: nobody reads them, and they cost memory.
    pub const MAX_DIAGNOSTICS: usize = 200;

    /// The commands of this name.
    pub fn commands_named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Command> {
        self.commands.iter().filter(move |command| command.name == name)
    }

    /// The partitions: `part` and `partition` are one command.
    pub fn partitions(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(|c| matches!(c.name.as_str(), "part" | "partition"))
    }

    /// The lines of all `%packages` sections.
    pub fn packages(&self) -> impl Iterator<Item = &Entry> {
        self.entries_in(SectionKind::Packages)
    }

    /// The lines of all sections of one kind.
    pub fn entries_in(&self, kind: SectionKind) -> impl Iterator<Item = &Entry> {
        let of_kind = move |entry: &&Entry| {
            self.sections.get(entry.section).is_some_and(|section| section.kind == kind)
        };
        self.entries.iter().filter(of_kind)
    }

    /// The body of a section.
    pub fn body(&self, section: &Section) -> &str {
        self.text.get(section.body.clone()).unwrap_or_default()
    }

    /// A command's or header's line as it was written.
    pub fn raw(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Whether an error was found.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Error)
    }
}

fn find<'g>(options: &'g [Given], names: &[&str]) -> Option<&'g Given> {
    options.iter().rev().find(|given| names.contains(&given.name.as_str()))
}

macro_rules! with_options {
    ($($type:ty),*) => {$(
        impl $type {
            /// Whether the option (with its dashes) was given.
            pub fn has(&self, name: &str) -> bool {
                find(&self.options, &[name]).is_some()
            }

            /// The value of the option (with its dashes) that was given last.
            pub fn value(&self, name: &str) -> Option<&str> {
                find(&self.options, &[name])?.value.as_deref()
            }

            /// The value of whichever of these options was given last.
            pub fn value_of(&self, names: &[&str]) -> Option<&str> {
                find(&self.options, names)?.value.as_deref()
            }
        }
    )*};
}
with_options!(Command, Section, Magic);
