//! Reads genimage.cfg (libconfuse's syntax) into sections and settings with their lines. It knows
//! no option by name; it never changes a definition.

use img_runner_sdk::{Diagnostic, MOST_DIAGNOSTICS, error_at};

/// A `key = value`, with every value of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// One value, or those of a list.
    pub values: Vec<String>,
    /// Its line, from 1.
    pub line: u32,
}

/// A `kind title { … }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `image`, `partition`, `ext4` …
    pub kind: String,
    /// What stands between the kind and the brace.
    pub title: Option<String>,
    /// Its settings, in order.
    pub settings: Vec<Setting>,
    /// The sections inside.
    pub sections: Vec<Section>,
    /// The line where it begins, from 1.
    pub line: u32,
}

impl Section {
    /// The last value of the setting `key`.
    pub fn value(&self, key: &str) -> Option<&str> {
        let setting = self.settings.iter().rev().find(|setting| setting.key == key)?;
        setting.values.last().map(String::as_str)
    }

    /// Whether the setting `key` is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| ["true", "yes", "on"].contains(&value))
    }
}

/// Sections inside sections that are still read.
const DEPTH: usize = 8;

/// Reads any bytes. The outermost section has no kind; calls such as `include(…)` are settings of
/// it whose key ends in `()`.
pub fn read(bytes: &[u8]) -> (Section, Vec<Diagnostic>) {
    let text = String::from_utf8_lossy(bytes);
    let mut diagnostics = Vec::new();
    if matches!(text, std::borrow::Cow::Owned(_)) {
        diagnostics.push(error_at(1, "the definition is not UTF-8 text"));
        return (Section::default(), diagnostics);
    }
    let tokens = tokens(&text, &mut diagnostics);
    let mut parser = Parser { tokens: &tokens, at: 0, diagnostics };
    let root = parser.section(String::new(), None, 1, 0);
    (root, parser.diagnostics)
}

/// One more, unless there are more than anyone reads.
fn complain(diagnostics: &mut Vec<Diagnostic>, diagnostic: Diagnostic) {
    if diagnostics.len() <= MOST_DIAGNOSTICS {
        diagnostics.push(diagnostic);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

/// genimage's own reader leaves out what it does not know, expands `${…}` and ends words in odd
/// places. Whatever it could read otherwise than this one is refused here, so that nothing it acts
/// on is hidden from `rules`.
fn tokens(text: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<(Token, u32)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (length, token) = match c {
            '\n' | '\r' | ' ' | '\t' => (1, None),
            '#' => (line_length(rest), None),
            '/' if rest.starts_with("//") => (line_length(rest), None),
            '/' if rest.starts_with("/*") => (comment(rest, line, diagnostics), None),
            '"' | '\'' => quoted(rest, c, line, diagnostics),
            '{' | '}' | '=' | '(' | ')' | ',' => (1, Some(Token::Sign(c))),
            '+' if rest.starts_with("+=") => (2, Some(Token::Sign('='))),
            c if is_bare(c) => bare(rest),
            odd => {
                let shown = odd.escape_debug();
                let message = format!("`{shown}` cannot stand here: put it in quotes");
                complain(diagnostics, error_at(line, message));
                (odd.len_utf8(), None)
            }
        };
        let (taken, after) = rest.split_at(length.min(rest.len()));
        found.extend(token.map(|token| (token, line)));
        line += u32::try_from(taken.matches('\n').count()).unwrap_or(0);
        rest = after;
    }
    found
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn comment(rest: &str, line: u32, diagnostics: &mut Vec<Diagnostic>) -> usize {
    let inner = rest.get(2..).unwrap_or_default();
    inner.find("*/").map_or_else(
        || {
            complain(diagnostics, error_at(line, "a comment begins here and never ends"));
            rest.len()
        },
        |end| end + 4,
    )
}

/// A text in quotes. A backslash stays in the value: what it stands for is for `rules` to doubt.
fn quoted(
    rest: &str,
    quote: char,
    line: u32,
    diagnostics: &mut Vec<Diagnostic>,
) -> (usize, Option<Token>) {
    let mut text = String::new();
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            if text.contains("${") {
                let message = "`${…}` cannot work: a definition sees no environment";
                complain(diagnostics, error_at(line, message));
            }
            return (index + 1, Some(Token::Word(text)));
        }
        escaped = c == '\\' && !escaped;
        text.push(c);
    }
    complain(diagnostics, error_at(line, "a text in quotes begins here and never ends"));
    (rest.len(), Some(Token::Word(text)))
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-:;@%^/~".contains(c)
}

fn bare(rest: &str) -> (usize, Option<Token>) {
    let all = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
    let word = rest.get(..all).unwrap_or_default();
    // A comment may begin right behind a word.
    let star = word.ends_with('/') && rest.get(all..).is_some_and(|after| after.starts_with('*'));
    let end = word.find("//").unwrap_or(all - usize::from(star));
    let word = rest.get(..end).unwrap_or_default();
    (end.max(1), (!word.is_empty()).then(|| Token::Word(word.to_owned())))
}

struct Parser<'a> {
    tokens: &'a [(Token, u32)],
    at: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    fn line(&self) -> u32 {
        let here = self.tokens.get(self.at).or(self.tokens.last());
        here.map_or(1, |(_, line)| *line)
    }

    fn complain(&mut self, line: u32, message: impl Into<String>) {
        complain(&mut self.diagnostics, error_at(line, message));
    }

    /// What lies between the braces; the opening one is behind us.
    fn section(&mut self, kind: String, title: Option<String>, line: u32, depth: usize) -> Section {
        let mut section = Section { kind, title, line, ..Section::default() };
        loop {
            let here = self.line();
            let Some(token) = self.peek().cloned() else {
                if depth > 0 {
                    self.complain(line, format!("`{}` has no closing brace", section.kind));
                }
                return section;
            };
            self.at += 1;
            match token {
                Token::Sign('}') if depth > 0 => return section,
                Token::Sign('}') => self.complain(here, "a closing brace without an opening one"),
                Token::Sign(sign) => self.complain(here, format!("`{sign}` is not expected here")),
                Token::Word(word) => self.entry(&mut section, word, here, depth),
            }
        }
    }

    /// What follows a word: a value, a list, the arguments of a call, or a section.
    fn entry(&mut self, section: &mut Section, word: String, line: u32, depth: usize) {
        if self.is_sign('=') {
            self.at += 1;
            let values = self.values();
            if values.is_empty() {
                self.complain(line, format!("`{}` has no value", word.escape_debug()));
            }
            section.settings.push(Setting { key: word, values, line });
            return;
        }
        if self.is_sign('(') {
            self.at += 1;
            let values = self.until(')');
            section.settings.push(Setting { key: word + "()", values, line });
            return;
        }
        let title = match self.peek() {
            Some(Token::Word(title)) => Some(title.clone()),
            _ => None,
        };
        self.at += usize::from(title.is_some());
        if !self.is_sign('{') {
            let shown = word.escape_debug();
            self.complain(line, format!("`{shown}` is followed by neither `=` nor a brace"));
        } else if depth == DEPTH {
            self.complain(line, format!("more than {DEPTH} sections inside each other"));
            self.at = self.tokens.len();
        } else {
            self.at += 1;
            let inner = self.section(word, title, line, depth + 1);
            section.sections.push(inner);
        }
    }

    fn values(&mut self) -> Vec<String> {
        match self.peek().cloned() {
            Some(Token::Word(value)) => {
                self.at += 1;
                vec![value]
            }
            Some(Token::Sign('{')) => {
                self.at += 1;
                self.until('}')
            }
            _ => Vec::new(),
        }
    }

    fn until(&mut self, end: char) -> Vec<String> {
        let opened = self.line();
        let mut values = Vec::new();
        while let Some(token) = self.peek().cloned() {
            self.at += 1;
            match token {
                Token::Sign(sign) if sign == end => return values,
                Token::Sign(',') => {}
                Token::Sign(sign) => {
                    let line = self.line();
                    self.complain(line, format!("`{sign}` is not expected in a list"));
                }
                Token::Word(value) => values.push(value),
            }
        }
        self.complain(opened, format!("a list begins here and has no `{end}`"));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(u32, String)> {
        let diagnostics = read(text.as_bytes()).1;
        diagnostics.into_iter().map(|one| (one.line.unwrap(), one.message)).collect()
    }

    #[test]
    fn sections_settings_lists_and_comments_are_read() {
        let text = "# one\nimage 'disk.img' { // two\n\thdimage { gpt = true }\n/* three\n */\
                    \tfiles += { \"a b\", c }\n\tpartition root { size=1M }\n}\n";
        let (root, diagnostics) = read(text.as_bytes());
        assert_eq!(diagnostics, []);
        let image = &root.sections[0];
        assert_eq!((image.kind.as_str(), image.title.as_deref()), ("image", Some("disk.img")));
        assert_eq!(image.line, 2);
        assert!(image.sections[0].is_on("gpt"));
        assert_eq!(image.settings[0].values, ["a b", "c"]);
        assert_eq!(image.settings[0].line, 5);
        assert_eq!(image.sections[1].value("size"), Some("1M"));
        assert_eq!(image.sections[1].line, 6);
    }

    #[test]
    fn what_is_unbalanced_is_told_with_its_line() {
        assert_eq!(said("image a {\n ext4 {\n}\n"), [(1, "`image` has no closing brace".into())]);
        assert_eq!(said("\n}\n"), [(2, "a closing brace without an opening one".into())]);
        assert_eq!(said("a = \"x\ny"), [(1, "a text in quotes begins here and never ends".into())]);
        assert_eq!(said("/* x"), [(1, "a comment begins here and never ends".into())]);
        assert_eq!(
            said("\nimage a"),
            [(2, "`image` is followed by neither `=` nor a brace".into())]
        );
        assert_eq!(
            said("x = }"),
            [(1, "`x` has no value".into()), (1, "a closing brace without an opening one".into())]
        );
    }

    #[test]
    fn what_the_tool_would_read_otherwise_is_refused() {
        // Each hides a command from a reader that ends comments, words or texts elsewhere.
        let hidden = [
            "label = a/* \" */ exec-pre = \"id\" /* \" */",
            "/*/ \" */ exec-pre = \"id\" # \"",
            "label = \"${ \" exec-pre = \"}\"",
            "label = a*b",
            "label = a+b",
            "label = a\u{b}b",
            "label = a\\b",
            "label = ${HOME}",
        ];
        for text in hidden {
            let (root, diagnostics) = read(text.as_bytes());
            let seen = root.settings.iter().any(|setting| setting.key == "exec-pre");
            assert!(seen || !diagnostics.is_empty(), "{text}: {root:?}");
        }
        assert!(read(hidden[0].as_bytes()).0.value("exec-pre").is_some());
        assert!(read(hidden[1].as_bytes()).0.value("exec-pre").is_some());
        assert_eq!(read(br#"label = "a\x27\"b""#).0.value("label"), Some(r#"a\x27\"b"#));
    }

    #[test]
    fn any_bytes_get_an_answer() {
        let deep = "a {".repeat(10_000);
        let odd: [&[u8]; 8] =
            [b"", b"\xff", b"+", b"+=", b"a+=1", b"a{b(c{d}e)f}", b"\"\\", deep.as_bytes()];
        for bytes in odd {
            read(bytes);
        }
        assert!(said(&deep).iter().any(|(_, message)| message.contains("more than 8")));
    }
}
