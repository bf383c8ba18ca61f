//! A value as pages show it.

use super::super::{badge::badge, frame::icon, human, logline::plain};
use crate::app::admin::Value;
use maud::{Markup, html};

/// What a cell of a list or a shown field has.
pub(super) fn cell(value: &Value) -> Markup {
    match value {
        Value::Nothing => html! { span class="meta" { "–" } },
        Value::Text(text) => plain(text),
        Value::Code(text) => html! { code { (plain(text)) } },
        Value::Words(words) => word_list(words),
        Value::Yes(true) => html! { span class="yes" { (icon("done")) " Yes" } },
        Value::Yes(false) => html! { "No" },
        Value::Number(number) => match u64::try_from(*number) {
            Ok(number) => html! { (human::grouped(number)) },
            Err(_) => html! { (number) },
        },
        Value::Bytes(bytes) => human::size(*bytes),
        Value::Span(span) => human::span(*span),
        Value::Keep(_) => plain(&value.text()),
        Value::Moment(at) => human::time(*at),
        Value::State(state) => badge(*state),
        Value::Grants(verbs) => {
            let words: Vec<_> = verbs.iter().map(|v| v.as_str().to_owned()).collect();
            word_list(&words)
        }
    }
}

fn word_list(words: &[String]) -> Markup {
    html! { ul class="words" { @for word in words { li { (plain(word)) } " " } } }
}

/// A value of a filter, for people.
pub(super) fn facet_label(value: &str) -> &str {
    match value {
        "yes" => "Yes",
        "no" => "No",
        other => other,
    }
}
