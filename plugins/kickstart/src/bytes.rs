//! From bytes to a text: what is not UTF-8 or not text at all.

use crate::{
    model::{Diagnostic, Kickstart, Severity},
    parse,
};
use std::borrow::Cow;

/// Reads `bytes`. Where they are not UTF-8 the first bad byte is an error, and the rest is read
/// with replacement characters, so that everything else is said as well.
pub fn parse_bytes(bytes: &[u8]) -> Kickstart<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse::parse(text),
        Err(wrong) => {
            let owned = String::from_utf8_lossy(bytes).into_owned();
            let mut kickstart = into_owned(parse::parse(&owned));
            kickstart.text = Cow::Owned(owned);
            kickstart.diagnostics.insert(0, not_utf8(bytes, wrong.valid_up_to()));
            kickstart
        }
    }
}

fn into_owned(kickstart: Kickstart<'_>) -> Kickstart<'static> {
    Kickstart {
        text: Cow::Borrowed(""),
        magic: kickstart.magic,
        commands: kickstart.commands,
        sections: kickstart.sections,
        entries: kickstart.entries,
        includes: kickstart.includes,
        tokens: kickstart.tokens,
        diagnostics: kickstart.diagnostics,
    }
}

fn not_utf8(bytes: &[u8], offset: usize) -> Diagnostic {
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let ends = bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
    let line = u32::try_from(ends).unwrap_or(u32::MAX).saturating_add(1);
    Diagnostic {
        severity: Severity::Error,
        message: format!("the definition is not UTF-8: byte {byte:#04x} at offset {offset}"),
        line: Some(line),
        hint: Some("save the file as UTF-8".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_not_utf8_is_named() {
        let kickstart = parse_bytes(b"lang en_US\n# Gr\xfc\xdfe\nprat / --size 1\n");
        let first = &kickstart.diagnostics[0];
        assert_eq!(first.message, "the definition is not UTF-8: byte 0xfc at offset 15");
        assert_eq!(first.line, Some(2));
        assert_eq!(kickstart.diagnostics[1].line, Some(3));
        assert_eq!(kickstart.raw(&kickstart.commands[1].raw), "prat / --size 1");
    }
}
