//! From what was typed to values, and back.

use super::{
    model::{Field, Kind, Model, Values},
    value::{Object, Value},
};
use crate::{
    app::{App, AppError, Problem},
    domain::{Verb, Verbs, units},
};
use std::collections::BTreeMap;

/// What was typed into a form, by field: several texts where several can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed(pub BTreeMap<String, Vec<String>>);

impl Typed {
    /// The first text of a field; empty when there is none.
    pub fn first(&self, id: &str) -> &str {
        self.all(id).first().map_or("", String::as_str)
    }

    /// Every text of a field.
    pub fn all(&self, id: &str) -> &[String] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }

    /// What a form shows of a thing.
    pub fn of(model: &Model, object: &Object) -> Self {
        let texts = |field: &Field| (field.id.to_owned(), form_texts(object.cell(field.id)));
        Self(model.fields().map(texts).collect())
    }
}

/// A value as a form has it: one text, or one for each that is chosen.
pub fn form_texts(value: &Value) -> Vec<String> {
    match value {
        Value::Nothing | Value::Yes(false) => Vec::new(),
        Value::Yes(true) => vec!["on".to_owned()],
        Value::Words(words) => words.clone(),
        Value::Grants(verbs) => verbs.iter().map(|v| v.as_str().to_owned()).collect(),
        other => vec![other.text()],
    }
}

/// What the form of a new thing has at first.
pub fn opening(app: &App, model: &Model) -> Typed {
    model.edit.map_or_else(Typed::default, |edit| Typed::of(model, &(edit.blank)(app)))
}

/// Reads every field that can be filled in. What a thing holds already it may go on holding, also
/// where it is not offered any more: a queue for a runner that is gone for now is still for no
/// other.
pub(super) fn read(
    app: &App,
    model: &Model,
    (adding, held): (bool, &Object),
    typed: &Typed,
) -> Result<Result<Values, Vec<Problem>>, AppError> {
    let mut values = Values::default();
    let mut problems = Vec::new();
    for field in model.editable(adding) {
        match read_field(app, field, typed.all(field.id), held.cell(field.id))? {
            Ok(Value::Nothing) if field.required => {
                problems.push(Problem::new(field.id, format!("{}: give one", lower(field.label))));
            }
            Ok(value) => {
                values.0.insert(field.id, value);
            }
            Err(message) => {
                let message = format!("{}: {message}", lower(field.label));
                problems.push(Problem::new(field.id, message));
            }
        }
    }
    Ok(if problems.is_empty() { Ok(values) } else { Err(problems) })
}

fn lower(label: &str) -> String {
    let mut chars = label.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

fn read_field(
    app: &App,
    field: &Field,
    texts: &[String],
    held: &Value,
) -> Result<Result<Value, String>, AppError> {
    let text = texts.first().map_or("", String::as_str).trim();
    let filled =
        |read: Result<Value, String>| if text.is_empty() { Ok(Value::Nothing) } else { read };
    Ok(match field.kind {
        Kind::Text(most) => filled(line(text, most)),
        Kind::Lines(most) => filled(lines(text, most)),
        Kind::Words(grammar, most) => read_words(text, grammar, most),
        Kind::Number(least, most) => filled(number(text, least, most)),
        Kind::Check => Ok(Value::Yes(!texts.is_empty())),
        Kind::Span => filled(units::parse_span(text).map(Value::Span).map_err(|e| e.to_string())),
        Kind::Size => filled(units::parse_size(text).map(Value::Bytes).map_err(|e| e.to_string())),
        Kind::Keep => {
            filled(units::parse_lifetime(text).map(Value::Keep).map_err(|e| e.to_string()))
        }
        Kind::One(offers) => filled(offered(&offers(app)?, text).map(Value::Text)),
        Kind::Any(offers) => {
            let mut known = offers(app)?;
            known.extend(held.words().into_iter().map(|word| (word.clone(), word)));
            let chosen: Result<Vec<_>, _> = texts.iter().map(|t| offered(&known, t)).collect();
            chosen.map(|mut words| {
                words.sort_unstable();
                words.dedup();
                Value::words_of(words)
            })
        }
        Kind::Grants => grants(texts).map(Value::Grants),
        Kind::Shown => Ok(Value::Nothing),
    })
}

fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

fn line(text: &str, most: usize) -> Result<Value, String> {
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(format!("it has the character {}: use one line of text", c.escape_debug()));
    }
    lines(text, most)
}

fn lines(text: &str, most: usize) -> Result<Value, String> {
    if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(format!("it has the character {}: leave it out", c.escape_debug()));
    }
    let length = text.chars().count();
    if length > most {
        return Err(format!("it has {length} characters: at most {most} are allowed"));
    }
    Ok(Value::Text(text.replace("\r\n", "\n")))
}

fn number(text: &str, least: i64, most: i64) -> Result<Value, String> {
    match text.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number)),
        _ => Err(format!("`{}` does not fit: give a number from {least} to {most}", shown(text))),
    }
}

fn read_words(
    text: &str,
    grammar: fn(&str) -> Result<String, String>,
    most: usize,
) -> Result<Value, String> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty());
    let mut words = words.map(grammar).collect::<Result<Vec<_>, _>>()?;
    words.sort_unstable();
    words.dedup();
    if words.len() > most {
        return Err(format!("there are {} of them: at most {most} are allowed", words.len()));
    }
    Ok(Value::words_of(words))
}

pub(super) fn offered(known: &[(String, String)], text: &str) -> Result<String, String> {
    if known.iter().any(|(value, _)| value == text) {
        return Ok(text.to_owned());
    }
    let all: Vec<_> = known.iter().map(|(value, _)| value.as_str()).collect();
    if all.is_empty() {
        return Err(format!("`{}` cannot be chosen: there is nothing to choose", shown(text)));
    }
    Err(format!("`{}` cannot be chosen: choose from {}", shown(text), all.join(", ")))
}

fn grants(texts: &[String]) -> Result<Verbs, String> {
    let verb = |text: &String| {
        Verb::from_word(text).ok_or_else(|| format!("`{}` is no permission", shown(text)))
    };
    texts.iter().map(verb).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_with_what_would() {
        assert_eq!(
            number("1001", 0, 1000).unwrap_err(),
            "`1001` does not fit: give a number from 0 to 1000"
        );
        assert!(number("four", 0, 9).unwrap_err().contains("`four`"));
        assert!(line("a\nb", 10).unwrap_err().contains("one line"));
        assert!(lines(&"x".repeat(11), 10).unwrap_err().contains("has 11 characters"));
        let known = [("web".to_owned(), String::new()), ("api".to_owned(), String::new())];
        assert_eq!(
            offered(&known, "../web").unwrap_err(),
            "`../web` cannot be chosen: choose from web, api"
        );
        assert!(grants(&["everything".into()]).unwrap_err().contains("no permission"));
    }

    #[test]
    fn words_are_split_sorted_and_counted() {
        let any = |w: &str| Ok(w.to_owned());
        let read = read_words(" b, a  b\n", any, 2).unwrap();
        assert_eq!(read, Value::Words(vec!["a".into(), "b".into()]));
        assert!(read_words("a b c", any, 2).is_err());
        assert_eq!(read_words(" ", any, 2).unwrap(), Value::Nothing);
    }

    #[test]
    fn a_value_reads_as_it_was_typed() {
        assert_eq!(form_texts(&Value::Yes(true)), ["on"]);
        assert!(form_texts(&Value::Yes(false)).is_empty());
        assert_eq!(form_texts(&Value::Number(-3)), ["-3"]);
    }
}
