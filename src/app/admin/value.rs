//! What stands in a cell, and how it reads.

use crate::domain::{StateKind, Timestamp, Verbs, retention::Lifetime, units};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, time::Duration};

/// What a field of a thing holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing was given.
    #[default]
    Nothing,
    /// A text.
    Text(String),
    /// Text that machines read: an address, a checksum.
    Code(String),
    /// Several words, in order.
    Words(Vec<String>),
    /// Yes or no.
    Yes(bool),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(u64),
    /// A span of time.
    Span(Duration),
    /// How long something is kept.
    Keep(Lifetime),
    /// A moment.
    Moment(Timestamp),
    /// Where a job stands.
    State(StateKind),
    /// Permissions.
    Grants(Verbs),
}

impl Value {
    /// A text; an empty one is nothing.
    pub fn text_of(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }

    /// Several words; none is nothing.
    pub fn words_of<T: ToString>(words: impl IntoIterator<Item = T>) -> Self {
        let words: Vec<_> = words.into_iter().map(|w| w.to_string()).collect();
        if words.is_empty() { Self::Nothing } else { Self::Words(words) }
    }

    /// A moment that may not have come.
    pub fn moment_of(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Nothing, Self::Moment)
    }

    /// As plain text: in exports, in the audit trail and for searches. Nothing is empty.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) | Self::Code(text) => text.clone(),
            Self::Words(words) => words.join(", "),
            Self::Yes(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => units::size_text(*bytes),
            Self::Span(span) => units::span_text(*span),
            Self::Keep(life) => units::lifetime_text(*life),
            Self::Moment(at) => moment_text(*at),
            Self::State(state) => state.as_str().to_owned(),
            Self::Grants(verbs) => {
                let words: Vec<_> = verbs.iter().map(|v| v.as_str()).collect();
                words.join(", ")
            }
        }
    }

    /// The words a filter can ask for.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Words(words) => words.clone(),
            Self::Grants(verbs) => verbs.iter().map(|v| v.as_str().to_owned()).collect(),
            other => vec![other.text()],
        }
    }

    /// A text that is in order where the values are: numbers, sizes, spans and moments by their
    /// amount, nothing before everything.
    pub fn sort_text(&self) -> String {
        const MIDDLE: i128 = 1 << 64;
        let number = |n: i128| format!("{:020}", n + MIDDLE);
        match self {
            Self::Nothing => String::new(),
            Self::Number(n) => number(i128::from(*n)),
            Self::Bytes(n) => number(i128::from(*n)),
            Self::Span(span) => number(i128::try_from(span.as_millis()).unwrap_or(i128::MAX / 2)),
            Self::Keep(Lifetime::Forever) => number(MIDDLE),
            Self::Keep(Lifetime::For(span)) => Self::Span(*span).sort_text(),
            Self::Moment(at) => number(i128::from(at.as_millis())),
            Self::Text(text) | Self::Code(text) => text.to_lowercase(),
            Self::Words(_) | Self::Yes(_) | Self::State(_) | Self::Grants(_) => {
                self.text().to_lowercase()
            }
        }
    }
}

/// A moment in UTC, to the second.
pub(super) fn moment_text(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{} ms after 1970", at.as_millis()),
    }
}

/// A thing of a model: what its columns and fields hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// What names it in addresses and in the store.
    pub key: String,
    /// What names it for people.
    pub title: String,
    /// What it holds, by the id of the column or field.
    pub cells: BTreeMap<&'static str, Value>,
}

impl Object {
    /// A thing that holds nothing yet.
    pub fn new(key: impl Into<String>, title: impl Into<String>) -> Self {
        Self { key: key.into(), title: title.into(), cells: BTreeMap::new() }
    }

    /// With a value in a cell.
    #[must_use]
    pub fn with(mut self, id: &'static str, value: Value) -> Self {
        self.cells.insert(id, value);
        self
    }

    /// What stands in a cell.
    pub fn cell(&self, id: &str) -> &Value {
        self.cells.get(id).unwrap_or(&Value::Nothing)
    }

    /// A text that changes whenever one of these cells does.
    pub fn version(&self, ids: impl IntoIterator<Item = &'static str>) -> String {
        let mut hash = Sha256::new();
        for id in ids {
            let text = self.cell(id).text();
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let hex = data_encoding::HEXLOWER.encode(&hash.finalize());
        hex.chars().take(16).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_the_order_of_their_sort_texts() {
        let rising = [
            Value::Nothing,
            Value::Number(i64::MIN),
            Value::Number(-1),
            Value::Number(9),
            Value::Number(10),
            Value::Bytes(u64::MAX),
        ];
        assert!(rising.windows(2).all(|pair| pair[0].sort_text() < pair[1].sort_text()));
        let day = Value::Keep(Lifetime::For(Duration::from_secs(86_400)));
        assert!(day.sort_text() < Value::Keep(Lifetime::Forever).sort_text());
    }

    #[test]
    fn a_version_changes_with_every_cell_it_is_made_of_and_no_other() {
        let thing = Object::new("a", "a").with("x", Value::Number(1)).with("y", Value::Yes(true));
        let version = thing.version(["x"]);
        assert_eq!(thing.clone().with("y", Value::Yes(false)).version(["x"]), version);
        assert_ne!(thing.clone().with("x", Value::Number(2)).version(["x"]), version);
        assert_ne!(thing.version(["x", "y"]), version);
    }
}
