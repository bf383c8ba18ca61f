//! The options for MIC2 on the first line.

use crate::model::{Given, Magic};

const MARKS: [&str; 2] = ["-*-mic2-options-*-", "-*-mic-options-*-"];

/// The options of a first line, if it is one of theirs.
pub(crate) fn read(line: &str) -> Option<Magic> {
    let comment = line.strip_prefix('#')?.trim_start();
    let inner = MARKS.into_iter().find_map(|mark| {
        let behind = comment.strip_prefix(mark)?;
        let end = behind.rfind(mark)?;
        behind.get(..end)
    })?;
    Some(options(inner))
}

fn options(inner: &str) -> Magic {
    let mut words = inner.split_whitespace().peekable();
    let mut magic = Magic { format: None, arch: None, options: Vec::new() };
    let mut bare = None;
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            bare = bare.or(Some(word));
            continue;
        }
        let (name, inline) = split(word);
        let value = inline.or_else(|| words.next_if(|next| !next.starts_with('-')));
        match (name, value) {
            ("-f" | "--format", Some(value)) => magic.format = Some(value.to_owned()),
            ("-A" | "--arch", Some(value)) => magic.arch = Some(value.to_owned()),
            (name, value) => {
                let value = value.map(str::to_owned);
                magic.options.push(Given { name: name.to_owned(), value });
            }
        }
    }
    magic.format = magic.format.or_else(|| bare.map(str::to_owned));
    magic
}

/// `--arch=x`, `-f=x` and `-fx` carry their value in the same word.
fn split(word: &str) -> (&str, Option<&str>) {
    if let Some((name, value)) = word.split_once('=') {
        return (name, Some(value));
    }
    let short = !word.starts_with("--") && word.len() > 2 && word.is_char_boundary(2);
    if short {
        let (name, value) = word.split_at(2);
        return (name, Some(value));
    }
    (word, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_and_architecture_are_read_in_every_spelling() {
        for options in [
            "-f raw --arch=armv7hl",
            "--format=raw -A armv7hl",
            "--format raw --arch armv7hl",
            "-fraw -Aarmv7hl",
            "raw --arch=armv7hl",
        ] {
            for mark in MARKS {
                let magic = read(&format!("# {mark} {options} {mark}")).unwrap();
                assert_eq!(magic.format.as_deref(), Some("raw"), "{options}");
                assert_eq!(magic.arch.as_deref(), Some("armv7hl"), "{options}");
            }
        }
    }

    #[test]
    fn the_rest_is_kept() {
        let line = "#-*-mic2-options-*- -f fs --pack-to=@NAME@.tar.gz --record-pkgs=name \
                    -*-mic2-options-*-";
        let magic = read(line).unwrap();
        assert_eq!(magic.value("--pack-to"), Some("@NAME@.tar.gz"));
        assert_eq!(magic.value("--record-pkgs"), Some("name"));
    }

    #[test]
    fn other_first_lines_are_none() {
        for line in ["", "# a comment", "-*-mic2-options-*- -f fs", "# -*-mic2-options-*- -f fs"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
