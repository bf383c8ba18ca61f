//! Here-documents of shell scripts. The tools do not know them: a `%end` inside one ends the
//! section. This only notices that it happened.

use crate::lines::Line;

/// A here-document that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// The word that ends it.
    pub word: String,
    /// Where it began.
    pub line: u32,
    /// Whether tabs before the word count for nothing.
    dash: bool,
}

/// Follows a script's lines.
#[derive(Debug, Default)]
pub(crate) struct Heredocs {
    open: Option<Open>,
}

impl Heredocs {
    /// Takes the next line of the script.
    pub fn line(&mut self, line: &Line<'_>) {
        let text = line.text.trim_end_matches(['\n', '\r']);
        match &self.open {
            None => self.open = begin(text, line.number),
            Some(open) => {
                let inner = if open.dash { text.trim_start_matches('\t') } else { text };
                if inner == open.word {
                    self.open = None;
                }
            }
        }
    }

    /// The one that is open now.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }
}

fn begin(text: &str, line: u32) -> Option<Open> {
    if text.trim_start().starts_with('#') {
        return None;
    }
    let (before, behind) = text.split_once("<<")?;
    // `<<<` is a here-string, `1<<2` and `((a<<b))` are shifts.
    if behind.starts_with('<') || before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let dash = behind.starts_with('-');
    let behind = behind.trim_start_matches('-').trim_start_matches([' ', '\t', '\\']);
    let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
    let word: String = match quote {
        Some(quote) => behind.chars().skip(1).take_while(|c| *c != quote).collect(),
        None => behind.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect(),
    };
    let named = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    named.then_some(Open { word, line, dash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;

    fn open_after(script: &str) -> Option<u32> {
        let mut heredocs = Heredocs::default();
        Lines::new(script).for_each(|line| heredocs.line(&line));
        heredocs.open().map(|open| open.line)
    }

    #[test]
    fn a_here_document_is_open_until_its_word() {
        assert_eq!(open_after("cat > x << EOF\n%packages\n"), Some(1));
        assert_eq!(open_after("cat << 'EOF' > x\na\nEOF\n"), None);
        assert_eq!(open_after("cat <<-EOF\n\ta\n\tEOF\n"), None);
        assert_eq!(open_after("cat <<EOF\n\tEOF\n"), Some(1));
    }

    #[test]
    fn shifts_and_here_strings_open_nothing() {
        for script in ["echo $((1<<2))\n", "cat <<< word\n", "# cat << EOF\n", "x=$((n<<m))\n"] {
            assert_eq!(open_after(script), None, "{script}");
        }
    }
}
