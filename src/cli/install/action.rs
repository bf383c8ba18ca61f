//! One thing to do, as a value: a plan is a list of them.

use std::{fmt, path::PathBuf};

/// One thing to do, or to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make a folder, and those above it.
    Folder {
        path: PathBuf,
        mode: u32,
        /// Whose it becomes.
        owner: Option<&'static str>,
    },
    /// Put this program there.
    Program { from: PathBuf, to: PathBuf },
    /// Write a file, or replace one of ours.
    Write { path: PathBuf, text: String, mode: u32 },
    /// Give a file another name, under which nothing reads it.
    PutAside { path: PathBuf, to: PathBuf, why: &'static str },
    /// Start a program of systemd's.
    Run { program: PathBuf, words: Vec<String> },
    /// Remove a file.
    Remove { path: PathBuf },
    /// Remove a folder if nothing is in it.
    RemoveEmpty { path: PathBuf },
    /// Remove a folder with all that is in it.
    RemoveAll { path: PathBuf },
    /// Nothing is done.
    Leave { path: PathBuf, why: String },
    /// A sentence for the person.
    Say(String),
}

impl Action {
    /// True if it changes something.
    pub(super) fn acts(&self) -> bool {
        !matches!(self, Self::Leave { .. } | Self::Say(_))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, mode, owner } => {
                write!(f, "make the folder {} ({mode:04o}", path.display())?;
                owner.map_or(Ok(()), |owner| write!(f, ", {owner}"))?;
                f.write_str(")")
            }
            Self::Program { from, to } => {
                write!(f, "copy {} to {} (0755)", from.display(), to.display())
            }
            Self::Write { path, mode, .. } => write!(f, "write {} ({mode:04o})", path.display()),
            Self::PutAside { path, to, why } => {
                write!(f, "move {} to {}: {why}", path.display(), to.display())
            }
            Self::Run { program, words } => {
                write!(f, "run {} {}", program.display(), words.join(" "))
            }
            Self::Remove { path } => write!(f, "remove {}", path.display()),
            Self::RemoveEmpty { path } => write!(f, "remove the folder {}", path.display()),
            Self::RemoveAll { path } => {
                write!(f, "remove the folder {} and all that is in it", path.display())
            }
            Self::Leave { path, why } => write!(f, "leave {}: {why}", path.display()),
            Self::Say(text) => f.write_str(text),
        }
    }
}
