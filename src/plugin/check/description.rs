//! What `describe` answered: it decides what the submit form offers and what is granted.

use super::{super::api, count, shown, text, unique};
use crate::domain::{Arch, ImageTypeId, RunnerId};

/// Bytes a compiled pattern may have.
const PATTERN_SIZE: usize = 1 << 20;
const SHORT: usize = 200;
const LONG: usize = 4 << 10;

pub fn description(info: &api::RunnerInfo) -> Result<(), String> {
    RunnerId::new(&info.id).map_err(|e| e.to_string())?;
    version(&info.version)?;
    filled("its name", &info.name, SHORT)?;
    text("its description", &info.description, LONG)?;
    homepage(info.homepage.as_deref())?;
    definition_kind(&info.definition)?;
    image_types(&info.image_types)?;
    options(&info.options)?;
    programs(&info.programs)?;
    let words = info.privileges.iter().map(|p| super::super::privilege_word(*p));
    unique("the privilege", words)
}

fn filled(what: &str, value: &str, max: usize) -> Result<(), String> {
    if value.trim().is_empty() {
        return Err(format!("{what} is empty"));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("{what} contains control characters"));
    }
    text(what, value, max)
}

fn version(version: &str) -> Result<(), String> {
    filled("its version", version, 40)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~' | '_');
    if !version.chars().all(good) {
        return Err(format!("its version is `{}`: use a form such as 1.2.0", shown(version)));
    }
    Ok(())
}

fn homepage(url: Option<&str>) -> Result<(), String> {
    let Some(url) = url else { return Ok(()) };
    filled("its homepage", url, 500)?;
    // It becomes a link: other schemes could be scripts.
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!("its homepage is `{}`: use https://…", shown(url)));
    }
    Ok(())
}

fn definition_kind(kind: &api::DefinitionKind) -> Result<(), String> {
    filled("the label of its definition", &kind.label, SHORT)?;
    count("extensions", kind.extensions.len(), 16)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    for extension in &kind.extensions {
        filled("an extension", extension, 20)?;
        if extension.starts_with('.') || !extension.chars().all(good) {
            let shown = shown(extension);
            return Err(format!("the extension `{shown}` is none: use a form such as `ks`"));
        }
    }
    Ok(())
}

fn image_types(types: &[api::ImageType]) -> Result<(), String> {
    if types.is_empty() {
        return Err("it offers no image type".into());
    }
    count("image types", types.len(), 100)?;
    for one in types {
        ImageTypeId::new(&one.id).map_err(|e| e.to_string())?;
        filled(&format!("the label of the image type {}", one.id), &one.label, SHORT)?;
        text(&format!("the help of the image type {}", one.id), &one.help, LONG)?;
        architectures(one)?;
    }
    unique("the image type", types.iter().map(|one| one.id.as_str()))
}

fn architectures(of: &api::ImageType) -> Result<(), String> {
    if of.architectures.is_empty() {
        return Err(format!("its image type {} has no architecture", of.id));
    }
    count("architectures", of.architectures.len(), 100)?;
    for arch in &of.architectures {
        Arch::new(arch).map_err(|e| e.to_string())?;
    }
    unique("the architecture", of.architectures.iter().map(String::as_str))
}

fn options(fields: &[api::Field]) -> Result<(), String> {
    count("options", fields.len(), 100)?;
    for field in fields {
        option_id(&field.id)?;
        let named = |what: &str| format!("the {what} of the option {}", field.id);
        filled(&named("label"), &field.label, SHORT)?;
        text(&named("help"), &field.help, LONG)?;
        field_kind(&field.kind).map_err(|why| format!("the option {}: {why}", field.id))?;
    }
    unique("the option", fields.iter().map(|field| field.id.as_str()))
}

fn option_id(id: &str) -> Result<(), String> {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let first = |c: char| c.is_ascii_alphabetic();
    if id.len() > 40 || !id.starts_with(first) || !id.chars().all(rest) {
        let shown = shown(id);
        return Err(format!(
            "the option `{shown}` is no name: use letters, digits, `-` and `_`, a letter first, \
             40 at most"
        ));
    }
    Ok(())
}

fn field_kind(kind: &api::FieldKind) -> Result<(), String> {
    match kind {
        api::FieldKind::Boolean(_) => Ok(()),
        api::FieldKind::Integer(int) if int.min <= int.default && int.default <= int.max => Ok(()),
        api::FieldKind::Integer(int) => {
            let api::IntegerField { default, min, max } = int;
            Err(format!("its default {default} is not between {min} and {max}"))
        }
        api::FieldKind::Choice(choice) => choices(choice),
        api::FieldKind::Text(field) => text_field(field, &[&field.default]),
        api::FieldKind::TextList(field) => {
            text_field(field, &field.default.lines().map(str::trim).collect::<Vec<_>>())
        }
    }
}

fn choices(field: &api::ChoiceField) -> Result<(), String> {
    count("choices", field.choices.len(), 500)?;
    for (value, label) in &field.choices {
        text("a choice", value, SHORT)?;
        text("the label of a choice", label, SHORT)?;
    }
    unique("the choice", field.choices.iter().map(|(value, _)| value.as_str()))?;
    if !field.choices.iter().any(|(value, _)| *value == field.default) {
        return Err(format!("its default `{}` is none of the choices", shown(&field.default)));
    }
    Ok(())
}

fn text_field(field: &api::TextField, defaults: &[&str]) -> Result<(), String> {
    text("its default", &field.default, 64 << 10)?;
    let pattern = field.pattern.as_deref().map(compiled).transpose()?;
    for default in defaults.iter().filter(|default| !default.is_empty()) {
        if default.chars().count() as u64 > u64::from(field.max_length) {
            return Err(format!("its default is longer than {}", field.max_length));
        }
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(default)) {
            return Err(format!("its default `{}` does not fit its pattern", shown(default)));
        }
    }
    Ok(())
}

/// The pattern as it is used: it has to match the whole value. Compiled bare first, so that
/// brackets that do not close cannot leave the group around them.
fn compiled(pattern: &str) -> Result<regex::Regex, String> {
    text("its pattern", pattern, LONG)?;
    let build = |text: &str| regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
    let whole = build(pattern).and_then(|_| build(&format!("^(?:{pattern})$")));
    whole.map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => "its pattern is too large".to_owned(),
        e => {
            let text = e.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("its pattern `{}` is none: {}", shown(pattern), shown(last))
        }
    })
}

fn programs(programs: &[api::Program]) -> Result<(), String> {
    count("programs", programs.len(), 64)?;
    for program in programs {
        program_name(&program.name)?;
        text(&format!("the reason for `{}`", program.name), &program.why, LONG)?;
        count(&format!("probe arguments of `{}`", program.name), program.probe.len(), 8)?;
        for argument in &program.probe {
            text(&format!("a probe argument of `{}`", program.name), argument, SHORT)?;
        }
    }
    unique("the program", programs.iter().map(|program| program.name.as_str()))
}

fn program_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let dots = name.contains("..") || name.starts_with(['.', '-']);
    if name.is_empty() || name.len() > 64 || dots || !name.chars().all(good) {
        let shown = shown(name);
        return Err(format!(
            "the program `{shown}` is no name: use letters, digits, `.`, `_`, `+` and `-`, \
             without a directory and without `..`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(default: &str, pattern: Option<&str>) -> api::FieldKind {
        let pattern = pattern.map(str::to_owned);
        api::FieldKind::Text(api::TextField { default: default.into(), pattern, max_length: 8 })
    }

    fn field(id: &str, kind: api::FieldKind) -> api::Field {
        let (label, help) = ("Label".to_owned(), String::new());
        api::Field { id: id.into(), label, help, kind, required: false, secret: false }
    }

    fn program(name: &str) -> api::Program {
        api::Program { name: name.into(), probe: vec!["--version".into()], why: "works".into() }
    }

    fn decent() -> api::RunnerInfo {
        api::RunnerInfo {
            id: "mic".into(),
            name: "MIC2".into(),
            version: "1.2.0".into(),
            description: "Builds images.\nFrom kickstarts.".into(),
            homepage: Some("https://example.org/mic".into()),
            definition: api::DefinitionKind {
                label: "Kickstart file".into(),
                extensions: vec!["ks".into()],
                required: true,
                max_size: 1 << 20,
            },
            image_types: vec![api::ImageType {
                id: "raw".into(),
                label: "Raw disk".into(),
                architectures: vec!["x86_64".into()],
                help: String::new(),
            }],
            options: vec![field("release", text("abc", Some("[a-z]*")))],
            programs: vec![program("mic")],
            privileges: vec![api::Privilege::Root, api::Privilege::Network],
        }
    }

    /// What is said of the decent description after `spoil` had its way.
    fn said(spoil: impl FnOnce(&mut api::RunnerInfo)) -> String {
        let mut info = decent();
        spoil(&mut info);
        description(&info).expect_err("a spoiled description is refused")
    }

    fn option_said(kind: api::FieldKind) -> String {
        said(|info| info.options = vec![field("x", kind)])
    }

    #[test]
    fn a_decent_description_passes() {
        assert_eq!(description(&decent()), Ok(()));
    }

    #[test]
    fn names_keep_to_their_grammar() {
        assert!(said(|i| i.id = "../etc".into()).contains("the runner `../etc` contains `.`"));
        assert!(said(|i| i.id = String::new()).contains("the runner is empty"));
        assert_eq!(said(|i| i.version.clear()), "its version is empty");
        assert!(said(|i| i.version = "1 2".into()).contains("use a form such as 1.2.0"));
        assert!(said(|i| i.name = "a\nb".into()).contains("control characters"));
        assert!(said(|i| i.homepage = Some("javascript:x".into())).contains("use https://"));
        assert!(
            said(|i| i.image_types[0].id = "../raw".into()).contains("the image type `../raw`")
        );
        let arch = said(|i| i.image_types[0].architectures = vec!["x86/64".into()]);
        assert!(arch.contains("the architecture `x86/64` contains `/`"), "{arch}");
        assert!(said(|i| i.definition.extensions = vec!["../ks".into()]).contains("extension"));
    }

    #[test]
    fn programs_are_names_without_a_directory() {
        for bad in ["", "../sh", "/bin/sh", "a/b", "-rf", "..", "a..b", ".hidden", "a\0b", "a b"] {
            let said = said(|info| info.programs = vec![program(bad)]);
            assert!(said.contains("is no name: use letters"), "{bad:?}: {said}");
        }
        let nul = said(|info| info.programs[0].probe = vec!["a\0".into()]);
        assert_eq!(nul, "a probe argument of `mic` contains a NUL character");
    }

    #[test]
    fn a_default_fits_its_own_field() {
        let range = api::IntegerField { default: 50, min: 1, max: 9 };
        let range = option_said(api::FieldKind::Integer(range));
        assert_eq!(range, "the option x: its default 50 is not between 1 and 9");
        let choices = vec![("one".to_owned(), "One".to_owned())];
        let choice = api::ChoiceField { default: "two".into(), choices };
        let choice = option_said(api::FieldKind::Choice(choice));
        assert_eq!(choice, "the option x: its default `two` is none of the choices");
        assert!(option_said(text("UPPER", Some("[a-z]*"))).contains("does not fit its pattern"));
        assert!(option_said(text("much too long", None)).contains("longer than 8"));
    }

    #[test]
    fn a_pattern_compiles_alone_and_stays_small() {
        assert!(option_said(text("", Some("("))).contains("its pattern `(` is none"));
        assert!(option_said(text("", Some("a)|(b"))).contains("is none"));
        let giant = option_said(text("", Some(r"((\w{100}){100}){100}")));
        assert_eq!(giant, "the option x: its pattern is too large");
    }

    #[test]
    fn nothing_is_there_twice_or_without_end() {
        let twice = |i: &mut api::RunnerInfo| i.options.push(i.options[0].clone());
        assert_eq!(said(twice), "the option `release` is there twice");
        let twice = |i: &mut api::RunnerInfo| i.image_types.push(i.image_types[0].clone());
        assert_eq!(said(twice), "the image type `raw` is there twice");
        let root = |i: &mut api::RunnerInfo| i.privileges.push(api::Privilege::Root);
        assert_eq!(said(root), "the privilege `root` is there twice");
        assert_eq!(said(|i| i.image_types.clear()), "it offers no image type");
        let many = |i: &mut api::RunnerInfo| i.programs = vec![program("a"); 65];
        assert_eq!(said(many), "programs: 65, at most 64 are allowed");
        assert!(said(|i| i.description = "d".repeat(5000)).contains("at most 4096 are allowed"));
    }

    proptest! {
        #[test]
        fn an_accepted_program_is_one_plain_file_name(name in any::<String>()) {
            if program_name(&name).is_ok() {
                prop_assert!(!name.contains(['/', '\0', ' ']) && !name.starts_with(['-', '.']));
            }
        }

        #[test]
        fn no_pattern_makes_the_check_panic(pattern in any::<String>()) {
            let _ = compiled(&pattern);
        }
    }
}
