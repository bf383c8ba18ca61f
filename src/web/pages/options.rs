//! The fields a runner declares, as controls of the submit form.

use super::{field::Field, logline::plain};
use crate::app::{FieldChoice, FieldKind, NewJob, Problem, RunnerChoice};
use maud::{Markup, html};

/// The fields of one runner. Those of a runner that is not chosen are disabled, so that they are
/// not sent; a script enables them when the runner is chosen.
pub(super) fn fieldset(
    runner: &RunnerChoice,
    chosen: bool,
    typed: &NewJob,
    problems: &[Problem],
) -> Markup {
    html! {
        @if !runner.fields.is_empty() {
            fieldset data-runner=(runner.id) disabled[!chosen] hidden[!chosen] {
                legend { "Options of " (plain(&runner.name)) }
                @for field in &runner.fields {
                    (control(&runner.id, field, typed, if chosen { problems } else { &[] }))
                }
            }
        }
    }
}

/// The id of the control of a runner's field: field ids are unique only within their runner.
pub(super) fn control_id(runner: &str, field: &str) -> String {
    super::field::id(&format!("option-{runner}-{field}"))
}

/// The entry of the help column for a runner's field.
pub(super) fn help_entry(runner: &str, field: &str) -> String {
    format!("{runner}-{field}")
}

fn control(runner: &str, choice: &FieldChoice, typed: &NewJob, problems: &[Problem]) -> Markup {
    let name = format!("option.{}", choice.id);
    let value = typed.options.iter().find(|(id, _)| *id == choice.id).map(|(_, v)| v.as_str());
    // What was typed into a secret field does not travel back.
    let value = value.filter(|_| !choice.secret);
    let entry = help_entry(runner, &choice.id);
    let mut field = Field::new(&name, &choice.label, problems).help(&entry);
    field.id = control_id(runner, &choice.id);
    field.optional = !choice.required
        && matches!(choice.kind, FieldKind::Text { .. } | FieldKind::TextList { .. });
    match &choice.kind {
        FieldKind::Boolean(default) => boolean(&field, &name, value, *default),
        FieldKind::Text { default, pattern, max } => {
            let field = with_pattern(field, pattern.as_deref());
            text(&field, &name, choice, value.unwrap_or(default), *max)
        }
        FieldKind::Integer { default, min, max } => {
            let shown = value.map_or_else(|| default.to_string(), str::to_owned);
            integer(field, &name, &shown, *min, *max)
        }
        FieldKind::Choice { default, choices } => {
            select(&field, &name, value.unwrap_or(default), choices)
        }
        FieldKind::TextList { default, pattern, .. } => {
            let field = with_pattern(field, pattern.as_deref());
            list(&field, &name, choice, value.unwrap_or(default))
        }
    }
}

fn with_pattern<'a>(field: Field<'a>, pattern: Option<&str>) -> Field<'a> {
    match pattern {
        Some(pattern) => field.hint(html! { "Has to fit " code { (plain(pattern)) } }),
        None => field,
    }
}

fn boolean(field: &Field, name: &str, value: Option<&str>, default: bool) -> Markup {
    let on = value.map_or(default, |v| matches!(v, "true" | "on" | "1" | "yes"));
    html! {
        div class="field check" data-help=[field.help] {
            label for=(field.id) {
                input id=(field.id) type="checkbox" name=(name) value="true" checked[on]
                    aria-describedby=[field.described()];
                " " (field.label)
            }
            // A box that is not ticked sends nothing: this says "off". The first value counts.
            input type="hidden" name=(name) value="false";
            (field.below())
        }
    }
}

fn text(field: &Field, name: &str, choice: &FieldChoice, value: &str, max: u32) -> Markup {
    let kind = if choice.secret { "password" } else { "text" };
    field.around(html! {
        input id=(field.id) name=(name) type=(kind) value=(value) maxlength=(max)
            required[choice.required] autocomplete="off" spellcheck="false"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()];
    })
}

fn integer(field: Field, name: &str, value: &str, min: i64, max: i64) -> Markup {
    let field = field.hint(html! { (min) " to " (max) });
    field.around(html! {
        input id=(field.id) name=(name) type="number" value=(value) min=(min) max=(max) required
            aria-describedby=[field.described()] aria-invalid=[field.invalid()];
    })
}

fn select(field: &Field, name: &str, value: &str, choices: &[(String, String)]) -> Markup {
    field.around(html! {
        select id=(field.id) name=(name)
            aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
            @for (choice, label) in choices {
                option value=(choice) selected[choice == value] { (label) }
            }
        }
    })
}

fn list(field: &Field, name: &str, choice: &FieldChoice, value: &str) -> Markup {
    field.around(html! {
        textarea id=(field.id) name=(name) rows="3" required[choice.required] spellcheck="false"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
            "\n" (value)
        }
    })
}
