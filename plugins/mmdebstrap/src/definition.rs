//! Reads a definition: TOML, every value with its line. Unknown keys and wrong kinds are errors;
//! whether a value makes sense is for `rules`.

use img_runner_sdk::{Diagnostic, MOST_DIAGNOSTICS, error_at, line_number};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value and the line (from 1) where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its line.
    pub line: u32,
}

/// A file to write into the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEntry {
    /// Where, from the image's root.
    pub path: String,
    /// What is in it.
    pub content: String,
    /// Its mode in octal.
    pub mode: Option<String>,
    /// Where the table begins.
    pub line: u32,
}

/// A symbolic link to make in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkEntry {
    /// Where, from the image's root.
    pub path: String,
    /// What it points to.
    pub target: String,
    /// Where the table begins.
    pub line: u32,
}

type Text = Option<At<String>>;
type Texts = Vec<At<String>>;

/// What a definition says, as it says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Fills the form.
    pub name: Text,
    /// Fills the form.
    pub image_type: Text,
    /// Fills the form.
    pub architecture: Text,
    /// Debian's release, by code name or symbol.
    pub suite: Text,
    /// The package set.
    pub variant: Text,
    /// How root inside the image is had.
    pub mode: Text,
    /// The image's host name.
    pub hostname: Text,
    /// A file below /usr/share/keyrings.
    pub keyring: Text,
    /// Seconds since 1970.
    pub source_date_epoch: Text,
    /// URLs or lines of sources.list.
    pub mirrors: Texts,
    /// main, contrib …
    pub components: Texts,
    /// Packages.
    pub include: Texts,
    /// Lines for apt.conf.
    pub aptopts: Texts,
    /// Lines for dpkg.cfg.
    pub dpkgopts: Texts,
    /// Directories to make.
    pub directories: Texts,
    /// Commands after unpacking.
    pub extract_hooks: Texts,
    /// Commands after the essential packages.
    pub essential_hooks: Texts,
    /// Commands at the end.
    pub customize_hooks: Texts,
    /// Files to write.
    pub files: Vec<FileEntry>,
    /// Links to make.
    pub links: Vec<LinkEntry>,
}

const KEYS: &str = "name, image-type, architecture, suite, mirrors, components, variant, mode, include, hostname, keyring, aptopts, dpkgopts, source-date-epoch, directories, extract-hooks, essential-hooks, customize-hooks, [[file]], [[symlink]]";

impl Definition {
    /// Reads any bytes; what could not be read is in the diagnostics.
    pub fn read(bytes: &[u8]) -> (Self, Vec<Diagnostic>) {
        let mut definition = Self::default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(bad) => {
                let before = String::from_utf8_lossy(bytes.get(..bad.valid_up_to()).unwrap_or(&[]));
                let line = line_number(&before, before.len());
                return (definition, vec![error_at(line, "the definition is not UTF-8 text")]);
            }
        };
        let mut reader = Reader::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            let diagnostic = reader.at(offset, error.message().to_owned());
            reader.complain(diagnostic);
        }
        for (key, value) in table.get_ref() {
            reader.key(&mut definition, key.get_ref(), key.span().start, value);
        }
        reader.diagnostics.sort_by_key(|one| one.line);
        (definition, reader.diagnostics)
    }
}

struct Reader {
    /// Where each line but the first begins.
    lines: Vec<usize>,
    diagnostics: Vec<Diagnostic>,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader {
    fn new(text: &str) -> Self {
        let lines = text.match_indices('\n').map(|(end, _)| end + 1).collect();
        Self { lines, diagnostics: Vec::new() }
    }

    fn complain(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() <= MOST_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    fn key(&mut self, to: &mut Definition, key: &str, offset: usize, value: &Value<'_>) {
        if let Some(slot) = text_slot(to, key) {
            *slot = self.scalar(key, value);
        } else if let Some(slot) = list_slot(to, key) {
            *slot = self.strings(key, value);
        } else if key == "file" {
            to.files = self.tables(key, value, Self::file);
        } else if key == "symlink" {
            to.links = self.tables(key, value, Self::link);
        } else {
            let unknown = self.at(offset, format!("unknown key `{}`", key.escape_debug()));
            self.complain(unknown.with_hint(format!("the keys are {KEYS}")));
        }
    }

    fn at(&self, offset: usize, message: String) -> Diagnostic {
        error_at(self.line(offset), message)
    }

    fn line(&self, offset: usize) -> u32 {
        let ended = self.lines.partition_point(|start| *start <= offset);
        u32::try_from(ended + 1).unwrap_or(u32::MAX)
    }

    fn wrong(&mut self, key: &str, value: &Value<'_>, wanted: &str) {
        let found = value.get_ref().type_str();
        let message = format!("`{}` is {wanted}, not of type {found}", key.escape_debug());
        let diagnostic = self.at(value.span().start, message);
        self.complain(diagnostic);
    }

    /// A string, or a whole number as its digits.
    fn scalar(&mut self, key: &str, value: &Value<'_>) -> Text {
        let line = self.line(value.span().start);
        let text = match value.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            _ => {
                self.wrong(key, value, "a text in quotes");
                return None;
            }
        };
        Some(At { value: text, line })
    }

    /// A list of strings, or one string.
    fn strings(&mut self, key: &str, value: &Value<'_>) -> Texts {
        match value.get_ref() {
            DeValue::Array(items) => {
                items.iter().filter_map(|item| self.string(key, item)).collect()
            }
            _ => self.string(key, value).into_iter().collect(),
        }
    }

    fn string(&mut self, key: &str, value: &Value<'_>) -> Text {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, "a list of texts in quotes");
            return None;
        };
        Some(At { value: text.clone().into_owned(), line: self.line(value.span().start) })
    }

    fn tables<T>(
        &mut self,
        key: &str,
        value: &Value<'_>,
        read: fn(&mut Self, u32, &DeTable<'_>) -> T,
    ) -> Vec<T> {
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, &format!("a list of tables: [[{key}]]"));
            return Vec::new();
        };
        let mut rows = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let line = self.line(item.span().start);
                    rows.push(read(self, line, table));
                }
                _ => self.wrong(key, item, &format!("a list of tables: [[{key}]]")),
            }
        }
        rows
    }

    fn file(&mut self, line: u32, table: &DeTable<'_>) -> FileEntry {
        let mut row = FileEntry { line, ..FileEntry::default() };
        let keys = "path, content, mode";
        self.fields(line, "file", keys, &["path", "content"], table, |key, text| match key {
            "path" => row.path = text,
            "content" => row.content = text,
            "mode" => row.mode = Some(text),
            _ => {}
        });
        row
    }

    fn link(&mut self, line: u32, table: &DeTable<'_>) -> LinkEntry {
        let mut row = LinkEntry { line, ..LinkEntry::default() };
        let keys = "path, target";
        self.fields(line, "symlink", keys, &["path", "target"], table, |key, text| match key {
            "path" => row.path = text,
            "target" => row.target = text,
            _ => {}
        });
        row
    }

    fn fields(
        &mut self,
        line: u32,
        table_name: &str,
        keys: &str,
        needed: &[&str],
        table: &DeTable<'_>,
        mut take: impl FnMut(&str, String),
    ) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !keys.split(", ").any(|known| known == name) {
                let message = format!("unknown key `{}` in [[{table_name}]]", name.escape_debug());
                let unknown = self.at(key.span().start, message);
                self.complain(unknown.with_hint(format!("the keys are {keys}")));
            } else if let Some(text) = self.string(name, value) {
                take(name, text.value);
            }
        }
        for name in
            needed.iter().filter(|name| !table.iter().any(|(key, _)| key.get_ref() == **name))
        {
            self.complain(error_at(line, format!("[[{table_name}]] has no `{name}`")));
        }
    }
}

fn text_slot<'a>(to: &'a mut Definition, key: &str) -> Option<&'a mut Text> {
    Some(match key {
        "name" => &mut to.name,
        "image-type" => &mut to.image_type,
        "architecture" => &mut to.architecture,
        "suite" => &mut to.suite,
        "variant" => &mut to.variant,
        "mode" => &mut to.mode,
        "hostname" => &mut to.hostname,
        "keyring" => &mut to.keyring,
        "source-date-epoch" => &mut to.source_date_epoch,
        _ => return None,
    })
}

fn list_slot<'a>(to: &'a mut Definition, key: &str) -> Option<&'a mut Texts> {
    Some(match key {
        "mirrors" | "mirror" => &mut to.mirrors,
        "components" => &mut to.components,
        "include" => &mut to.include,
        "aptopts" => &mut to.aptopts,
        "dpkgopts" => &mut to.dpkgopts,
        "directories" => &mut to.directories,
        "extract-hooks" => &mut to.extract_hooks,
        "essential-hooks" => &mut to.essential_hooks,
        "customize-hooks" => &mut to.customize_hooks,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(u32, String)> {
        let diagnostics = Definition::read(text.as_bytes()).1;
        diagnostics.into_iter().map(|one| (one.line.unwrap(), one.message)).collect()
    }

    #[test]
    fn values_keep_their_lines() {
        let (read, diagnostics) = Definition::read(
            b"suite = \"bookworm\"\n\ninclude = [\n  \"busybox-static\",\n  \"dpkg\",\n]\n",
        );
        assert_eq!(diagnostics, []);
        assert_eq!(read.suite, Some(At { value: "bookworm".into(), line: 1 }));
        assert_eq!(read.include[1], At { value: "dpkg".into(), line: 5 });
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_valid_ones() {
        let (_, diagnostics) = Definition::read(b"suite = \"sid\"\nsweet = \"x\"\n");
        assert_eq!(diagnostics[0].message, "unknown key `sweet`");
        assert_eq!(diagnostics[0].line, Some(2));
        assert!(diagnostics[0].hint.as_ref().unwrap().contains("customize-hooks"));
    }

    #[test]
    fn a_wrong_kind_names_key_and_type() {
        assert_eq!(
            said("include = [1]\nsuite = true\n"),
            [
                (1, "`include` is a list of texts in quotes, not of type integer".into()),
                (2, "`suite` is a text in quotes, not of type boolean".into())
            ]
        );
    }

    #[test]
    fn a_file_needs_a_path_and_content() {
        assert_eq!(
            said("suite = \"sid\"\n[[file]]\npath = \"/x\"\nowner = \"me\"\n"),
            [
                (2, "[[file]] has no `content`".into()),
                (4, "unknown key `owner` in [[file]]".into())
            ]
        );
        assert!(!said("file = \"x\"").is_empty());
        assert!(!said("file = [\"x\"]").is_empty());
    }

    #[test]
    fn any_bytes_get_an_answer_with_a_line() {
        for bytes in [&b"\xff\xfe"[..], b"a\nb = \xff", b"= = =", b"[[[", b"suite = \"x", b""] {
            for one in Definition::read(bytes).1 {
                assert!(one.line.is_some(), "{bytes:?}: {one:?}");
            }
        }
        assert!(said("suite = \"sid\"\ninclude = [\n").first().unwrap().0 >= 2);
    }
}
