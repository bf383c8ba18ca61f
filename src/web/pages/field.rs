//! A form field with its label, its hint and what is wrong with it, tied together for everybody.

use super::{frame::icon, logline::said};
use crate::app::Problem;
use maud::{Markup, html};

/// A field of a form.
pub(super) struct Field<'a> {
    /// Id of the control; hint and errors derive theirs from it.
    pub(super) id: String,
    /// For people.
    pub(super) label: &'a str,
    /// One sentence below the control.
    pub(super) hint: Option<Markup>,
    /// What is wrong with it.
    pub(super) problems: Vec<&'a Problem>,
    /// Name of the entry of the help column that belongs to it.
    pub(super) help: Option<&'a str>,
    /// Says so beside the label.
    pub(super) optional: bool,
}

impl<'a> Field<'a> {
    /// A field whose control has the id of `name` and whose problems are those of `name`.
    pub(super) fn new(name: &str, label: &'a str, problems: &'a [Problem]) -> Self {
        Self {
            id: id(name),
            label,
            hint: None,
            problems: problems.iter().filter(|p| p.field == name).collect(),
            help: None,
            optional: false,
        }
    }

    pub(super) fn hint(mut self, hint: Markup) -> Self {
        self.hint = Some(hint);
        self
    }

    pub(super) fn help(mut self, entry: &'a str) -> Self {
        self.help = Some(entry);
        self
    }

    pub(super) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// For the control's `aria-describedby`.
    pub(super) fn described(&self) -> Option<String> {
        let hint = self.hint.is_some().then(|| format!("{}-hint", self.id));
        let bad = self.is_bad().then(|| format!("{}-bad", self.id));
        let ids: Vec<_> = bad.into_iter().chain(hint).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// For the control's `aria-invalid`.
    pub(super) fn invalid(&self) -> Option<&'static str> {
        self.is_bad().then_some("true")
    }

    fn is_bad(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The field around its control.
    pub(super) fn around(&self, control: Markup) -> Markup {
        let class = if self.is_bad() { "field bad" } else { "field" };
        html! {
            div class=(class) data-help=[self.help] {
                label for=(self.id) {
                    (self.label) @if self.optional { " " span class="opt" { "optional" } }
                }
                (control)
                (self.below())
            }
        }
    }

    /// The hint and the problems.
    pub(super) fn below(&self) -> Markup {
        html! {
            @if self.is_bad() {
                div class="err" id={ (self.id) "-bad" } {
                    @for problem in &self.problems { p { (sentence(problem)) } }
                }
            }
            @if let Some(hint) = &self.hint { p class="hint" id={ (self.id) "-hint" } { (hint) } }
        }
    }
}

/// The id of the control of a form field.
pub(super) fn id(name: &str) -> String {
    format!("f-{}", name.replace('.', "-"))
}

/// A problem in words: message, line, way out.
pub(super) fn sentence(problem: &Problem) -> Markup {
    html! {
        (said(&problem.message))
        @if let Some(line) = problem.line { " (line " (line) ")" }
        @if let Some(hint) = &problem.hint { " – " (said(hint)) }
    }
}

/// Everything that is wrong, with links to the fields; what concerns none has no link. `target` gives a field's control id.
pub(super) fn summary(problems: &[Problem], target: impl Fn(&Problem) -> String) -> Markup {
    html! {
        @if !problems.is_empty() {
            div class="note bad" role="alert" tabindex="-1" data-flash {
                (icon("alert"))
                div {
                    p {
                        strong {
                            @if problems.len() == 1 { "This does not work yet:" }
                            @else { (problems.len()) " things do not work yet:" }
                        }
                    }
                    ul {
                        @for problem in problems {
                            li {
                                @if problem.field.is_empty() { (sentence(problem)) }
                                @else { a href={ "#" (target(problem)) } { (sentence(problem)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
