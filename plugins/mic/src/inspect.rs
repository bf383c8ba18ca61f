//! What a definition says of itself.

use crate::{privileged, said, types};
use img_runner_sdk::{Diagnostic, Inspection, info, warning_at};
use kickstart::{Given, Magic};

/// The answer to `inspect`, for any bytes.
pub(crate) fn inspect(definition: &[u8]) -> Inspection {
    let kickstart = kickstart::parse_bytes(definition);
    let mut diagnostics = said::diagnostics(&kickstart);
    let magic = kickstart.magic.as_ref();
    diagnostics.extend(magic.into_iter().flat_map(of_magic));
    let format = magic.and_then(|magic| magic.format.as_deref());
    let arch = magic.and_then(|magic| magic.arch.as_deref());
    Inspection {
        // A definition has no name of its own: the tool takes the file's.
        name: None,
        image_type: format.and_then(types::named).map(|one| one.id.to_owned()),
        architecture: arch.filter(|arch| types::ARCHITECTURES.contains(arch)).map(str::to_owned),
        diagnostics,
        privileged: privileged::find(&kickstart),
    }
}

fn of_magic(magic: &Magic) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(format) = magic.format.as_deref().filter(|format| types::named(format).is_none()) {
        let known: Vec<_> = types::TYPES.iter().map(|one| one.id).collect();
        let message = format!("the first line asks for the image type `{}`", shown(format));
        found.push(warning_at(1, message).with_hint(format!("choose {}", known.join(", "))));
    }
    let arch = magic.arch.as_deref();
    if let Some(arch) = arch.filter(|arch| !types::ARCHITECTURES.contains(arch)) {
        let message = format!("the first line asks for the architecture `{}`", shown(arch));
        let hint = format!("choose {}", types::ARCHITECTURES.join(", "));
        found.push(warning_at(1, message).with_hint(hint));
    }
    found.extend(magic.options.iter().map(unused));
    found
}

fn unused(given: &Given) -> Diagnostic {
    let value = given.value.as_deref().map(|value| format!("={value}")).unwrap_or_default();
    let option = shown(&format!("{}{value}", given.name));
    let mut one = info(format!("`{option}` of the first line is not taken over"));
    one.line = Some(1);
    one.with_hint("set it in the form")
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_line_fills_the_form() {
        let text = b"# -*-mic2-options-*- -f qcow --arch=armv7hl --pack-to=x.tar \
                     -*-mic2-options-*-\nlang C\n";
        let found = inspect(text);
        assert_eq!(found.image_type.as_deref(), Some("qcow2"));
        assert_eq!(found.architecture.as_deref(), Some("armv7hl"));
        assert_eq!(found.diagnostics.len(), 1);
    }

    #[test]
    fn types_nobody_has_are_said_and_not_filled_in() {
        let found = inspect(b"# -*-mic-options-*- tape -A sparc -*-mic-options-*-\nlang C\n");
        assert_eq!((found.image_type, found.architecture), (None, None));
        assert_eq!(found.diagnostics.len(), 2);
    }

    #[test]
    fn an_unknown_command_is_an_error_although_the_tool_builds_on() {
        let found = inspect(b"lang C\nprat / --size=1\n");
        assert_eq!(found.diagnostics[0].message, "unknown command `prat`");
        assert_eq!(found.diagnostics[0].line, Some(2));
    }
}
