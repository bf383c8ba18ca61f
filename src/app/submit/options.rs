//! The runner's own fields: what was given for them against what the runner declares.

use crate::{app::Problem, plugin::api};

/// Checks values against the fields the runner declares; absent ones take their default.
pub(super) fn parse_options(
    problems: &mut Vec<Problem>,
    info: &api::RunnerInfo,
    given: &[(String, String)],
) -> (Vec<(String, String)>, Vec<String>) {
    let mut values = Vec::new();
    for (id, _) in given {
        if !info.options.iter().any(|f| f.id == *id) {
            let shown: String = id.chars().take(40).flat_map(char::escape_debug).collect();
            let all: Vec<_> = info.options.iter().map(|f| f.id.as_str()).collect();
            let message =
                format!("{} has no option `{shown}`: it has {}", info.name, all.join(", "));
            problems.push(Problem::new("runner", message));
        }
    }
    for field in &info.options {
        let value = given.iter().find(|(id, _)| *id == field.id).map(|(_, v)| v.as_str());
        match option_value(field, value) {
            Ok(Some(value)) => values.push((field.id.clone(), value)),
            Ok(None) => {}
            Err(message) => problems.push(Problem::new(&format!("option.{}", field.id), message)),
        }
    }
    // Only those with a value: once values are forgotten, this tells whether there was one.
    let given = |id: &String| values.iter().any(|(known, _)| known == id);
    let secret = info.options.iter().filter(|f| f.secret && given(&f.id)).map(|f| f.id.clone());
    let secret = secret.collect();
    (values, secret)
}

fn option_value(field: &api::Field, given: Option<&str>) -> Result<Option<String>, String> {
    let label = &field.label;
    if given.is_some_and(|v| v.contains('\0')) {
        return Err(format!("{label} contains a NUL character: leave it out"));
    }
    let value = match &field.kind {
        api::FieldKind::Boolean(default) => match given.map(str::trim) {
            None => default.to_string(),
            Some("true" | "on" | "1" | "yes") => "true".into(),
            Some("false" | "off" | "0" | "no" | "") => "false".into(),
            Some(other) => return Err(format!("{label} is `{other}`: use true or false")),
        },
        api::FieldKind::Integer(int) => match given.map(str::trim).filter(|v| !v.is_empty()) {
            None => int.default.to_string(),
            Some(text) => match text.parse::<i64>() {
                Ok(n) if (int.min..=int.max).contains(&n) => n.to_string(),
                _ => {
                    let (min, max) = (int.min, int.max);
                    return Err(format!("{label} is `{text}`: use a number from {min} to {max}"));
                }
            },
        },
        api::FieldKind::Choice(choice) => {
            let value = given.map(str::trim).unwrap_or(&choice.default);
            if !choice.choices.iter().any(|(v, _)| v == value) {
                let all: Vec<_> = choice.choices.iter().map(|(v, _)| v.as_str()).collect();
                return Err(format!("{label} is `{value}`: choose {}", all.join(", ")));
            }
            value.to_owned()
        }
        api::FieldKind::Text(text) => {
            let value = given.map(str::trim).unwrap_or(&text.default);
            check_text(label, text, value)?;
            value.to_owned()
        }
        api::FieldKind::TextList(text) => {
            let value = given.unwrap_or(&text.default);
            let lines: Vec<_> = value.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
            for line in &lines {
                check_text(label, text, line)?;
            }
            lines.join("\n")
        }
    };
    if value.is_empty() && field.required {
        return Err(format!("{label} is needed: fill it in"));
    }
    Ok((!value.is_empty()).then_some(value))
}

fn check_text(label: &str, rule: &api::TextField, value: &str) -> Result<(), String> {
    let length = value.chars().count();
    if length > rule.max_length as usize {
        return Err(format!("{label} has {length} characters: at most {} fit", rule.max_length));
    }
    if value.is_empty() {
        return Ok(());
    }
    let Some(pattern) = &rule.pattern else { return Ok(()) };
    // The pattern was compiled once already when the runner was loaded; it is small.
    match regex::Regex::new(&format!("^(?:{pattern})$")) {
        Ok(regex) if regex.is_match(value) => Ok(()),
        Ok(_) => Err(format!("{label} is `{value}`: it has to fit the pattern {pattern}")),
        Err(e) => Err(format!("{label} cannot be checked, the runner's pattern is broken: {e}")),
    }
}
