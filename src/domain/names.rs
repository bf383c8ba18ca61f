//! Names and their grammar. A name is parsed once, at the edge; behind it the type is the proof
//! that it can stand in a path, an argument list, a header and a page.

use std::{fmt, str::FromStr};

/// Why a text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the {kind} is empty: give 1 to {max} characters")]
    Empty {
        /// What was being named.
        kind: &'static str,
        /// The most characters it may have.
        max: usize,
    },
    /// More characters than the kind allows.
    #[error("the {kind} `{start}…` has {length} characters: at most {max} are allowed")]
    TooLong {
        /// What was being named.
        kind: &'static str,
        /// Its first characters.
        start: String,
        /// How many it has.
        length: usize,
        /// How many it may have.
        max: usize,
    },
    /// A first character that could be taken for an option or a hidden file.
    #[error("the {kind} `{text}` starts with {found}: start with {allowed}")]
    Start {
        /// What was being named.
        kind: &'static str,
        /// The text, control characters escaped.
        text: String,
        /// The character, readable.
        found: String,
        /// What it may start with.
        allowed: &'static str,
    },
    /// A character outside the grammar, `/` and NUL among them.
    #[error("the {kind} `{text}` contains {found}: use {allowed}")]
    Character {
        /// What was being named.
        kind: &'static str,
        /// The text, control characters escaped.
        text: String,
        /// The character, readable.
        found: String,
        /// What it may contain.
        allowed: &'static str,
    },
    /// Two dots in a row, which could climb out of a directory.
    #[error("the {kind} `{text}` contains `..`: use single dots")]
    Dots {
        /// What was being named.
        kind: &'static str,
        /// The text, control characters escaped.
        text: String,
    },
}

/// The grammar of one kind of name.
struct Grammar {
    kind: &'static str,
    max: usize,
    start: fn(char) -> bool,
    start_allowed: &'static str,
    rest: fn(char) -> bool,
    allowed: &'static str,
}

fn readable(c: char) -> String {
    match c {
        '\0' => "a NUL character".into(),
        ' ' => "a blank".into(),
        c if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

impl Grammar {
    fn check(&self, text: &str) -> Result<(), NameError> {
        let kind = self.kind;
        let shown = || text.escape_debug().collect::<String>();
        let Some(first) = text.chars().next() else {
            return Err(NameError::Empty { kind, max: self.max });
        };
        let length = text.chars().count();
        if length > self.max {
            let start = text.chars().take(20).flat_map(char::escape_debug).collect();
            return Err(NameError::TooLong { kind, start, length, max: self.max });
        }
        if let Some(bad) = text.chars().find(|c| !(self.rest)(*c)) {
            let (text, found) = (shown(), readable(bad));
            return Err(NameError::Character { kind, text, found, allowed: self.allowed });
        }
        if !(self.start)(first) {
            let (text, found) = (shown(), readable(first));
            return Err(NameError::Start { kind, text, found, allowed: self.start_allowed });
        }
        if text.contains("..") {
            return Err(NameError::Dots { kind, text: shown() });
        }
        Ok(())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $grammar:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// Reads a name.
            ///
            /// # Errors
            /// Says which character, or what length, keeps `text` from being one.
            pub fn new(text: &str) -> Result<Self, NameError> {
                const GRAMMAR: Grammar = $grammar;
                GRAMMAR.check(text)?;
                Ok(Self(text.into()))
            }

            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

const WORD: &str = "letters, digits, `.`, `_`, `+` and `-`";

fn word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-')
}

fn lower_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')
}

name!(
    /// What the requester calls the image: 1 to 64 letters, digits, `.`, `_`, `+`, `-`, starting
    /// with a letter or a digit. It becomes part of file names and tool arguments.
    JobName,
    Grammar {
        kind: "name",
        max: 64,
        start: |c| c.is_ascii_alphanumeric(),
        start_allowed: "a letter or a digit",
        rest: word_char,
        allowed: WORD,
    }
);
name!(
    /// The name of a queue, such as `web`: 1 to 32 of `a-z`, `0-9`, `-`, `_`, a letter first.
    QueueName,
    Grammar {
        kind: "queue",
        max: 32,
        start: |c| c.is_ascii_lowercase(),
        start_allowed: "a small letter",
        rest: lower_char,
        allowed: "small letters, digits, `-` and `_`",
    }
);
name!(
    /// A user's login name: 1 to 64 letters, digits, `.`, `_`, `+`, `-`, `@`.
    UserName,
    Grammar {
        kind: "user name",
        max: 64,
        start: |c| c.is_ascii_alphanumeric(),
        start_allowed: "a letter or a digit",
        rest: |c| word_char(c) || c == '@',
        allowed: "letters, digits, `.`, `_`, `+`, `-` and `@`",
    }
);
name!(
    /// A group's name, such as `Submitters`: 1 to 64 characters; blanks are allowed inside.
    GroupName,
    Grammar {
        kind: "group name",
        max: 64,
        start: |c| c.is_ascii_alphanumeric(),
        start_allowed: "a letter or a digit",
        rest: |c| word_char(c) || c == ' ',
        allowed: "letters, digits, blanks, `.`, `_`, `+` and `-`",
    }
);
name!(
    /// A runner's id, such as `mic`: 1 to 32 of `a-z`, `0-9`, `-`, `_`.
    RunnerId,
    Grammar {
        kind: "runner",
        max: 32,
        start: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
        start_allowed: "a small letter or a digit",
        rest: lower_char,
        allowed: "small letters, digits, `-` and `_`",
    }
);
name!(
    /// The id of an output format, such as `raw`: 1 to 32 letters, digits, `.`, `_`, `+`, `-`.
    ImageTypeId,
    Grammar {
        kind: "image type",
        max: 32,
        start: |c| c.is_ascii_alphanumeric(),
        start_allowed: "a letter or a digit",
        rest: word_char,
        allowed: WORD,
    }
);
name!(
    /// A target architecture, such as `armv7hl`: 1 to 32 letters, digits, `.`, `_`, `+`, `-`.
    Arch,
    Grammar {
        kind: "architecture",
        max: 32,
        start: |c| c.is_ascii_alphanumeric(),
        start_allowed: "a letter or a digit",
        rest: word_char,
        allowed: WORD,
    }
);
name!(
    /// A word somebody sticks on jobs to find them by: 1 to 32 of `a-z`, `0-9`, `.`, `-`, `_`.
    Tag,
    Grammar {
        kind: "tag",
        max: 32,
        start: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
        start_allowed: "a small letter or a digit",
        rest: |c| lower_char(c) || c == '.',
        allowed: "small letters, digits, `.`, `-` and `_`",
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_could_climb_or_be_an_option_is_refused_with_the_character() {
        let said = |text| JobName::new(text).unwrap_err().to_string();
        assert_eq!(
            said("a/b"),
            "the name `a/b` contains `/`: use letters, digits, `.`, `_`, `+` and `-`"
        );
        assert_eq!(said("-rf"), "the name `-rf` starts with `-`: start with a letter or a digit");
        assert_eq!(said("a..b"), "the name `a..b` contains `..`: use single dots");
        assert!(said("a\0b").contains("a NUL character"));
        assert_eq!(said(""), "the name is empty: give 1 to 64 characters");
        assert!(said(&"x".repeat(65)).contains("has 65 characters: at most 64"));
    }

    #[test]
    fn the_names_people_use_pass() {
        for good in ["meego-core-1.2.0", "Fedora_40+x86", "7"] {
            assert!(JobName::new(good).is_ok(), "{good}");
        }
        assert!(GroupName::new("Image builders").is_ok());
        assert!(UserName::new("a.b@example").is_ok());
        assert!(QueueName::new("Web").is_err());
    }

    proptest! {
        #[test]
        fn an_accepted_name_can_stand_in_a_path_and_an_argument(text in any::<String>()) {
            if let Ok(name) = JobName::new(&text) {
                let s = name.as_str();
                prop_assert!(!s.contains('/') && !s.contains('\0') && !s.contains(".."));
                prop_assert!(!s.starts_with('-') && !s.starts_with('.') && !s.starts_with('@'));
                prop_assert!(s.chars().all(|c| !c.is_control() && c != ' '));
            }
        }
    }
}
