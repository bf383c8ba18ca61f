//! Sorts a command's words into options and operands by the rules of Python's `argparse`:
//! `--opt value` and `--opt=value`, abbreviations, values that look like options.

use crate::{
    model::Given,
    table::{Spec, Takes},
};

/// What is wrong with one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No version of the command knows it.
    Unknown(String),
    /// It takes a value and has none.
    NoValue(String),
    /// It takes no value and has one.
    Valued(String),
    /// It abbreviates several.
    Ambiguous(String, [&'static str; 2]),
}

/// The words of a command or header behind its name, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    pub options: Vec<Given>,
    pub operands: Vec<String>,
    pub faults: Vec<Fault>,
}

enum Reading<'w> {
    Operand,
    /// A known option, at full length, and the value behind its `=`.
    Option(&'static str, Takes, Option<&'w str>),
    Faulty(Fault),
}

/// Sorts `words` by what `spec` knows.
pub(crate) fn sort(spec: &Spec, words: &[String]) -> Sorted {
    let mut sorted = Sorted::default();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        match read(spec, word) {
            Reading::Operand => sorted.operands.push(word.to_owned()),
            Reading::Faulty(fault) => {
                let taken = taken_by_unknown(spec, word, words.peek().copied());
                sorted.options.push(given(word, taken));
                if taken.is_some() {
                    words.next();
                }
                if !spec.any {
                    sorted.faults.push(fault);
                }
            }
            Reading::Option(name, takes, inline) => {
                let next = words.peek().copied().filter(|next| is_value(spec, next));
                let from_next = inline.is_none() && takes != Takes::Nothing && next.is_some();
                let value = if from_next { words.next() } else { inline };
                sorted.faults.extend(fault(name, takes, value));
                sorted.options.push(full(name, value));
            }
        }
    }
    sorted
}

/// A command that passes its options on: what stands behind one without `=` is its value.
fn taken_by_unknown<'w>(spec: &Spec, word: &str, next: Option<&'w str>) -> Option<&'w str> {
    let candidate = next.filter(|next| !next.starts_with('-'));
    if spec.any && !word.contains('=') { candidate } else { None }
}

fn full(name: &str, value: Option<&str>) -> Given {
    Given { name: format!("--{name}"), value: value.map(str::to_owned) }
}

fn given(word: &str, taken: Option<&str>) -> Given {
    let (name, inline) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    Given { name: name.to_owned(), value: inline.or(taken).map(str::to_owned) }
}

fn fault(name: &str, takes: Takes, value: Option<&str>) -> Option<Fault> {
    match (takes, value) {
        (Takes::Value, None) => Some(Fault::NoValue(format!("--{name}"))),
        (Takes::Nothing, Some(_)) => Some(Fault::Valued(format!("--{name}"))),
        _ => None,
    }
}

fn is_value(spec: &Spec, word: &str) -> bool {
    matches!(read(spec, word), Reading::Operand)
}

fn read<'w>(spec: &Spec, word: &'w str) -> Reading<'w> {
    if word == "--" || word.len() < 2 || !word.starts_with('-') {
        return Reading::Operand;
    }
    let (name, inline) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let Some(bare) = name.strip_prefix("--").filter(|bare| !bare.is_empty()) else {
        return operand_or_unknown(word, name);
    };
    if let Some((name, takes)) = spec.options().find(|(option, _)| *option == bare) {
        return Reading::Option(name, takes, inline);
    }
    let mut abbreviated = spec.options().filter(|(option, _)| option.starts_with(bare));
    match (abbreviated.next(), abbreviated.next()) {
        (Some((name, takes)), None) => Reading::Option(name, takes, inline),
        (Some((first, _)), Some((second, _))) => {
            Reading::Faulty(Fault::Ambiguous(name.to_owned(), [first, second]))
        }
        (None, _) => operand_or_unknown(word, name),
    }
}

/// A negative number or a text with blanks is a value, not an option.
fn operand_or_unknown<'w>(word: &'w str, name: &str) -> Reading<'w> {
    let number = word.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') && rest.parse::<f64>().is_ok()
    });
    if number || word.contains(' ') {
        return Reading::Operand;
    }
    Reading::Faulty(Fault::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{table, words};

    fn sorted(line: &str) -> Sorted {
        let words = words::split(line, true).unwrap();
        sort(table::command(&words[0]).unwrap(), &words[1..])
    }

    #[test]
    fn both_ways_of_giving_a_value_are_one() {
        let spaced = sorted("part / --size 3000 --fstype ext4 --grow");
        assert_eq!(spaced, sorted("part --size=3000 / --fstype=ext4 --grow"));
        assert_eq!(spaced.operands, ["/"]);
        assert!(spaced.faults.is_empty());
    }

    #[test]
    fn an_abbreviation_is_read_at_full_length() {
        assert_eq!(sorted("bootloader --disable").options[0].name, "--disabled");
        let fault = sorted("part / --fs ext4").faults.remove(0);
        assert!(matches!(fault, Fault::Ambiguous(name, _) if name == "--fs"));
    }

    #[test]
    fn a_value_may_look_like_an_option_when_it_has_blanks() {
        let desktop = sorted(r#"desktop --session "-software -show-cursor""#);
        assert_eq!(desktop.options[0].value.as_deref(), Some("-software -show-cursor"));
    }

    #[test]
    fn faults_name_the_option() {
        assert_eq!(sorted("part / --siez=4").faults, [Fault::Unknown("--siez".into())]);
        assert_eq!(sorted("part / --size --grow").faults, [Fault::NoValue("--size".into())]);
        assert_eq!(sorted("part / --grow=yes").faults, [Fault::Valued("--grow".into())]);
        assert!(sorted("auth --useshadow --enablemd5").faults.is_empty());
    }
}
