//! Reads kickstart files as the tools read them, for any bytes, in linear time, and never changes
//! one: commands with their options, sections with their lines, packages, includes, tokens, and
//! diagnostics that point at lines.
//!
//! The dialect is pykickstart's, newest and older versions together, with what MIC2 adds. Where the
//! tools would end a section, this reader ends it too, even if a person would say the line is text
//! of a here-document: what runs as root must not hide behind a difference in reading.
//!
//! ```
//! let kickstart = kickstart::parse("lang en_US.UTF-8\nprat / --size 100\n");
//! assert_eq!(kickstart.commands.len(), 2);
//! assert_eq!(kickstart.diagnostics[0].line, Some(2));
//! assert_eq!(kickstart.diagnostics[0].hint.as_deref(), Some("did you mean `part`?"));
//! ```

mod bytes;
mod checks;
mod commands;
mod heredoc;
#[cfg(test)]
mod linear_tests;
mod lines;
mod magic;
mod model;
mod nearest;
mod options;
mod packages;
mod parse;
mod table;
mod tokens;
mod words;
mod work;

pub use bytes::parse_bytes;
pub use model::{
    Command, Diagnostic, Entry, EntryKind, Given, Include, Kickstart, Magic, Place, Section,
    SectionKind, Severity, Token,
};
pub use parse::parse;
pub use table::command_names;
