//! `@NAME@`: text that is replaced before the tool reads the file.

use crate::{
    model::{Place, Token},
    work,
};

/// Names longer than this are not names.
const LONGEST: usize = 64;

/// Appends the tokens of one line.
pub(crate) fn find(text: &str, line: u32, place: Place, tokens: &mut Vec<Token>) {
    let mut parts = text.split('@');
    work::add(text.len());
    // What stands before the first sign is in no token; what stands behind the last is in none
    // either, so each part is looked at only when another sign follows.
    parts.next();
    let mut waiting = parts.next();
    for next in parts {
        if let Some(name) = waiting.filter(|name| is_name(name)) {
            tokens.push(Token { name: name.to_owned(), line, place });
            // The closing sign opens nothing.
            waiting = None;
            continue;
        }
        waiting = Some(next);
        // After a token, the part between it and the next sign was skipped by `None`.
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        find(text, 1, Place::Command, &mut tokens);
        tokens.into_iter().map(|token| token.name).collect()
    }

    #[test]
    fn a_name_between_two_signs_is_a_token() {
        assert_eq!(names("repo --baseurl=http://h/@RELEASE@/@ARCH@/x"), ["RELEASE", "ARCH"]);
        assert_eq!(names("@A@@B@"), ["A", "B"]);
        assert_eq!(names("@A@B@"), ["A"]);
    }

    #[test]
    fn groups_and_addresses_are_none() {
        for text in ["@MeeGo Base", "root@host", "a@b c@d", "@@", "@", "@1@", "", "x @ y @ z"] {
            assert!(names(text).is_empty(), "{text}");
        }
    }
}
