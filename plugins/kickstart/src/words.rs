//! Splits a line into words as Python's `shlex.split` does: quotes, backslashes, and (in the
//! command section) comments that begin at any `#` outside of quotes, even within a word.

use crate::work;

/// Why a line cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsplit {
    /// A quote is open at the end.
    OpenQuote(char),
    /// A backslash is the last character of the file.
    OpenEscape,
}

#[derive(Clone, Copy)]
enum State {
    Between,
    Word,
    Quoted(char),
    /// After a backslash; the state to go back to.
    Escaped(Option<char>),
}

struct Splitter {
    words: Vec<String>,
    word: String,
    /// Whether `word` is one even if it is empty: quotes make one.
    open: bool,
    state: State,
}

impl Splitter {
    fn push(&mut self, c: char) {
        self.word.push(c);
        self.open = true;
    }

    fn close(&mut self) {
        if self.open {
            self.words.push(std::mem::take(&mut self.word));
            self.open = false;
        }
        self.state = State::Between;
    }

    fn plain(&mut self, c: char) {
        match c {
            ' ' | '\t' | '\r' | '\n' => self.close(),
            '\\' => self.state = State::Escaped(None),
            '"' | '\'' => self.state = State::Quoted(c),
            other => {
                self.push(other);
                self.state = State::Word;
            }
        }
    }

    fn quoted(&mut self, c: char, quote: char) {
        self.open = true;
        match c {
            end if end == quote => self.state = State::Word,
            '\\' if quote == '"' => self.state = State::Escaped(Some(quote)),
            other => self.word.push(other),
        }
    }

    fn escaped(&mut self, c: char, within: Option<char>) {
        if within.is_some_and(|quote| c != '\\' && c != quote) {
            self.push('\\');
        }
        self.push(c);
        self.state = within.map_or(State::Word, State::Quoted);
    }
}

/// The words of `line`; with `comments`, nothing from a `#` on.
pub(crate) fn split(line: &str, comments: bool) -> Result<Vec<String>, Unsplit> {
    let state = State::Between;
    let mut splitter = Splitter { words: Vec::new(), word: String::new(), open: false, state };
    work::add(line.len());
    for c in line.chars() {
        match splitter.state {
            State::Between | State::Word if comments && c == '#' => break,
            State::Between | State::Word => splitter.plain(c),
            State::Quoted(quote) => splitter.quoted(c, quote),
            State::Escaped(within) => splitter.escaped(c, within),
        }
    }
    match splitter.state {
        State::Quoted(quote) => Err(Unsplit::OpenQuote(quote)),
        State::Escaped(_) => Err(Unsplit::OpenEscape),
        State::Between | State::Word => {
            splitter.close();
            Ok(splitter.words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line, true).unwrap()
    }

    #[test]
    fn quotes_hold_words_together_and_vanish() {
        assert_eq!(words(r#"a "b c" 'd e'f"#), ["a", "b c", "d ef"]);
        assert_eq!(words(r#"--append="quiet splash""#), ["--append=quiet splash"]);
        assert_eq!(words("a '' b"), ["a", "", "b"]);
    }

    #[test]
    fn a_comment_begins_anywhere_outside_of_quotes() {
        assert_eq!(words("keyboard us# layout"), ["keyboard", "us"]);
        assert_eq!(words("rootpw 'a#b' # why"), ["rootpw", "a#b"]);
        assert_eq!(split("a#b", false).unwrap(), ["a#b"]);
    }

    #[test]
    fn a_backslash_takes_the_next_character_as_it_is() {
        assert_eq!(words(r"a\ b"), ["a b"]);
        assert_eq!(words(r#""a\"b\n""#), [r#"a"b\n"#]);
        assert_eq!(words(r"'a\b'"), [r"a\b"]);
        assert_eq!(words("a\\\n"), ["a\n"]);
    }

    #[test]
    fn what_is_left_open_is_said() {
        assert_eq!(split("a \"b", true), Err(Unsplit::OpenQuote('"')));
        assert_eq!(split("don't", true), Err(Unsplit::OpenQuote('\'')));
        assert_eq!(split("a\\", true), Err(Unsplit::OpenEscape));
    }
}
