//! The submit form: what goes in on the left, help for each field in the same order on the right.

use super::{
    field::{Field, id, summary},
    frame::{About, Frame, Tab, csrf, icon, page},
    human,
    inspect::{check, inspect_fragment},
    logline::plain,
    options::{control_id, fieldset, help_entry},
};
use crate::{
    app::{CheckView, Choices, InspectView, NewJob, Problem, RunnerChoice},
    domain::{QueueName, Timestamp},
};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Where the definition comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A file of the requester's machine.
    #[default]
    Upload,
    /// Typed or pasted text.
    Paste,
}

impl Source {
    /// The word of the form's `source` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Paste => "paste",
        }
    }

    /// The source a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Upload, Self::Paste].into_iter().find(|s| s.as_str() == word)
    }
}

/// What the submit page shows.
#[derive(Clone, Debug)]
pub struct SubmitPage<'a> {
    /// What can be chosen.
    pub choices: &'a Choices,
    /// Every field as typed; a definition that was uploaded comes back as text.
    pub typed: &'a NewJob,
    /// Which radio button is on.
    pub source: Source,
    /// What is wrong.
    pub problems: &'a [Problem],
    /// What the definition says of itself.
    pub inspect: Option<&'a InspectView>,
    /// What "Check only" found.
    pub check: Option<&'a CheckView>,
    /// Until when an image of each queue would be kept if it were built now; `None`: for ever.
    pub kept: &'a [(QueueName, Option<Timestamp>)],
}

impl SubmitPage<'_> {
    /// The runner whose fields are shown: the chosen one, or the only one.
    fn runner(&self) -> Option<&RunnerChoice> {
        let wanted = match (self.typed.runner.as_str(), self.inspect) {
            ("", Some(inspect)) => &inspect.runner,
            (typed, _) => typed,
        };
        let all = &self.choices.runners;
        match all.as_slice() {
            [only] => Some(only),
            _ => all.iter().find(|r| r.id == wanted),
        }
    }

    /// What a definition is called: as the chosen runner says, else a kickstart as in the first
    /// IMG, if anything here reads one.
    fn definition_label(&self) -> &str {
        let all = &self.choices.runners;
        let kickstart = || all.iter().find(|r| r.extensions.iter().any(|e| e == "ks"));
        let runner = self.runner().or_else(kickstart).or_else(|| all.first());
        runner.map_or("Definition file", |r| r.definition_label.as_str())
    }

    /// A text comes back as text: there is no way to fill in a file again.
    fn source(&self) -> Source {
        if self.typed.definition.is_empty() { self.source } else { Source::Paste }
    }

    /// What was typed, or else what the definition says.
    fn or_inspected<'s>(
        &'s self,
        typed: &'s str,
        said: impl Fn(&'s InspectView) -> Option<&'s str>,
    ) -> &'s str {
        match typed {
            "" => self.inspect.and_then(said).unwrap_or_default(),
            typed => typed,
        }
    }
}

/// The submit page. It posts multipart/form-data to `/submit` with the fields
/// `csrf`, `source` (`upload` or `paste`), `file` (the upload), `definition` (the pasted text),
/// `definition_name` (the name of an upload that came back as text), `runner`, `name`,
/// `image_type`, `arch`, `queue`, `packages` (one per line), `input_job`, one `option.<id>` per
/// field of the chosen runner (of two values of a name the first counts), and
/// `action` (`submit`, `check` or `inspect`; the last one only shows the form again, with the
/// chosen runner's fields and, if there is a definition, with what it says of itself).
pub fn submit(f: &Frame, p: &SubmitPage) -> Markup {
    let mut about = About::new("Create an image", Tab::Submit);
    about.aside = Some(help(p));
    about.shape = "form";
    page(
        f,
        about,
        html! {
            (summary(p.problems, |problem| target(p, problem)))
            @if let Some(found) = p.check { (check(found)) }
            @if p.choices.runners.is_empty() { (no_runner()) } @else { (form(f, p)) }
        },
    )
}

fn no_runner() -> Markup {
    html! {
        p class="note warn" {
            (icon("alert"))
            span { "No runner is enabled on this box, so nothing can be built: an administrator has to enable one." }
        }
    }
}

/// The control a problem belongs to.
fn target(p: &SubmitPage, problem: &Problem) -> String {
    match (problem.field.strip_prefix("option."), p.runner()) {
        (Some(option), Some(runner)) => control_id(&runner.id, option),
        _ if problem.field == "definition" && p.source() == Source::Upload => id("file"),
        _ => id(&problem.field),
    }
}

fn form(f: &Frame, p: &SubmitPage) -> Markup {
    let chosen = p.runner().map(|r| r.id.as_str());
    html! {
        form method="post" action="/submit" enctype="multipart/form-data" class="submit"
            data-submit data-inspect="/submit/inspect" {
            @if let Some(session) = f.session { (csrf(session)) }
            (definition(p))
            (image(f, p))
            fieldset { legend { "Packages" } (packages(p)) }
            @for runner in &p.choices.runners {
                (fieldset(runner, chosen == Some(runner.id.as_str()), p.typed, p.problems))
            }
            div class="buttons stay" {
                button class="main" type="submit" name="action" value="submit" { "Submit" }
                button type="submit" name="action" value="check" { "Check only" }
                span class="upload" data-upload hidden { progress max="100" value="0" aria-label="Upload" {} }
            }
        }
    }
}

fn definition(p: &SubmitPage) -> Markup {
    let label = p.definition_label();
    let source = p.source();
    html! {
        fieldset data-help="definition" {
            legend { "Definition" }
            div class="choice" role="radiogroup" aria-label="Where the definition comes from" {
                label {
                    input type="radio" name="source" value="upload" checked[source == Source::Upload];
                    " " span data-label { (plain(label)) }
                }
                label {
                    input type="radio" name="source" value="paste" checked[source == Source::Paste];
                    " Paste"
                }
            }
            (upload(p)) (paste(p))
            @if p.choices.runners.len() > 1 { (runner(p)) }
            @else if let Some(only) = p.runner() { input type="hidden" name="runner" value=(only.id); }
            div data-inspected aria-live="polite" {
                @if let Some(found) = p.inspect { (inspect_fragment(found)) }
            }
        }
    }
}

fn upload(p: &SubmitPage) -> Markup {
    let extensions: BTreeSet<_> = p.choices.runners.iter().flat_map(|r| &r.extensions).collect();
    let accept: Vec<_> = extensions.iter().map(|e| format!(".{e}")).collect();
    let mut field = Field::new("file", "File", p.problems).help("definition").hint(html! {
        "Choose a file or drop it here."
        @if let Some(max) = p.choices.runners.iter().map(|r| r.max_size).max() {
            " At most " (human::size(max)) "."
        }
    });
    if p.source() == Source::Upload {
        field.problems.extend(p.problems.iter().filter(|q| q.field == "definition"));
    }
    html! {
        div data-source="upload" {
            (field.around(html! {
                input id=(field.id) type="file" name="file" accept=(format!("{},text/plain", accept.join(",")))
                    aria-describedby=[field.described()] aria-invalid=[field.invalid()];
            }))
        }
    }
}

fn paste(p: &SubmitPage) -> Markup {
    let text = String::from_utf8_lossy(&p.typed.definition);
    let none = &[][..];
    let shown = if p.source() == Source::Paste { p.problems } else { none };
    let field = Field::new("definition", "Text", shown).help("definition");
    html! {
        div data-source="paste" {
            input type="hidden" name="definition_name" value=(p.typed.definition_name);
            (field.around(html! {
                textarea id=(field.id) class="code" name="definition" rows="14" spellcheck="false" wrap="off"
                    autocomplete="off" autocapitalize="none"
                    aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
                    // A browser leaves out the first line break.
                    "\n" (text)
                }
            }))
        }
    }
}

fn runner(p: &SubmitPage) -> Markup {
    let chosen = p.runner().map(|r| r.id.as_str());
    let field = Field::new("runner", "Runner", p.problems).help("runner");
    field.around(html! {
        div class="row" {
            select id=(field.id) name="runner" data-runners
                aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
                option value="" { "By the file's name" }
                @for runner in &p.choices.runners {
                    option value=(runner.id) selected[chosen == Some(runner.id.as_str())]
                        data-label=(runner.definition_label) data-ext=(runner.extensions.join(" ")) {
                        (runner.name)
                        @if !runner.missing_programs.is_empty() { " (not installed)" }
                    }
                }
            }
            button type="submit" name="action" value="inspect" formnovalidate data-nojs { "Choose runner" }
        }
    })
}

fn image(f: &Frame, p: &SubmitPage) -> Markup {
    html! {
        fieldset {
            legend { "Image" }
            (name(p))
            div class="pair" { (image_type(p)) (arch(p)) }
            (queue(p, f.now))
            (input_job(p))
        }
    }
}

fn name(p: &SubmitPage) -> Markup {
    let value = p.or_inspected(&p.typed.name, |i| i.name.as_deref());
    let field = Field::new("name", "Name", p.problems).help("name").optional();
    field.around(html! {
        input id=(field.id) name="name" type="text" value=(value) maxlength="64" autocomplete="off"
            spellcheck="false" placeholder="the file's name"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()];
    })
}

fn image_type(p: &SubmitPage) -> Markup {
    let value = p.or_inspected(&p.typed.image_type, |i| i.image_type.as_deref());
    let chosen = p.runner().map(|r| r.id.as_str());
    let field = Field::new("image_type", "Image type", p.problems).help("image_type");
    field.around(html! {
        select id=(field.id) name="image_type" data-types required
            aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
            option value="" { "Choose" }
            @for runner in &p.choices.runners {
                @let here = chosen.is_none_or(|id| id == runner.id);
                optgroup label=(runner.name) {
                    @for kind in &runner.image_types {
                        option value=(kind.id) selected[here && kind.id == value]
                            data-runner=(runner.id) data-archs=(kind.archs.join(" ")) { (kind.label) }
                    }
                }
            }
        }
    })
}

fn arch(p: &SubmitPage) -> Markup {
    let value = p.or_inspected(&p.typed.arch, |i| i.arch.as_deref());
    let field = Field::new("arch", "Architecture", p.problems).help("arch");
    field.around(html! {
        select id=(field.id) name="arch" data-archs required
            aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
            option value="" { "Choose" }
            @for arch in &p.choices.archs {
                @let named = arch.label != arch.id;
                option value=[named.then_some(&arch.id)] selected[arch.id == value] { (arch.label) }
            }
        }
    })
}

/// How long images are kept, in one sentence if that is the same everywhere.
fn kept(p: &SubmitPage, now: Timestamp) -> Option<Markup> {
    let words = |until: Option<Timestamp>| {
        html! {
            @match until {
                Some(until) => { (human::chosen(until.since(now))) ", until " (human::day(until)) }
                None => "for ever",
            }
        }
    };
    let (_, first) = p.kept.first()?;
    Some(html! {
        @if p.kept.iter().all(|(_, until)| until == first) {
            "Images are kept " (words(*first)) "."
        } @else {
            "Images are kept: "
            @for (at, (queue, until)) in p.kept.iter().enumerate() {
                @if at > 0 { "; " }
                "on " (queue) " " (words(*until))
            }
            "."
        }
    })
}

fn queue(p: &SubmitPage, now: Timestamp) -> Markup {
    let chosen = match p.typed.queue.as_str() {
        "" => "web",
        typed => typed,
    };
    let mut field = Field::new("queue", "Queue", p.problems).help("queue");
    field.hint = kept(p, now);
    field.around(html! {
        select id=(field.id) name="queue"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
            @for (queue, waiting) in &p.choices.queues {
                option value=(queue.name) selected[queue.name.as_str() == chosen] {
                    (queue.name)
                    @if queue.paused.is_some() { " – paused" }
                    @else if !queue.launch { " – started by an operator" }
                    @if *waiting > 0 { " – " (human::grouped(*waiting)) " waiting" }
                }
            }
        }
    })
}

fn input_job(p: &SubmitPage) -> Markup {
    let field = Field::new("input_job", "Files of job", p.problems).help("input_job").optional();
    field.around(html! {
        input id=(field.id) name="input_job" type="text" value=(p.typed.input_job) inputmode="numeric"
            maxlength="20" autocomplete="off" placeholder="number of a finished job"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()];
    })
}

fn packages(p: &SubmitPage) -> Markup {
    let field =
        Field::new("packages", "Extra packages", p.problems).help("packages").optional().hint(
            html! { "One a line: " code { "name" } ", " code { "-name" } ", " code { "@group" } },
        );
    field.around(html! {
        textarea id=(field.id) name="packages" rows="4" spellcheck="false" autocapitalize="none"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()] {
            "\n" (p.typed.packages.join("\n"))
        }
    })
}

/// The help for every field, in the order of the form.
const HELP: [(&str, &str, &str); 8] = [
    (
        "definition",
        "Definition",
        "What the image is made from: a kickstart, or another tool's recipe. Choose the file, drop it on the page, or paste the text. It is read at once: what it says of itself fills in the fields below.",
    ),
    (
        "runner",
        "Runner",
        "The tool that builds the image. It is found by the file's name; choose it when that does not tell.",
    ),
    (
        "name",
        "Name",
        "What the image is called: up to 64 letters, digits, dots, dashes. Without one, the file's name is taken.",
    ),
    (
        "image_type",
        "Image type",
        "The format of the result. Only what this box can build is offered.",
    ),
    (
        "arch",
        "Architecture",
        "The machines the image is for. Only those that go with the image type are offered.",
    ),
    (
        "queue",
        "Queue",
        "The waiting line. Each has its own slots and limits; a queue that does not start jobs by itself keeps the request until an operator launches it.",
    ),
    (
        "input_job",
        "Files of job",
        "The number of a finished job whose files this one starts from, for tools that turn one image into another.",
    ),
    (
        "packages",
        "Packages",
        "Added to those of the definition; a dash before the name leaves one out, an at sign names a group.",
    ),
];

fn help(p: &SubmitPage) -> Markup {
    let runner = p.runner();
    let several = p.choices.runners.len() > 1;
    html! {
        aside class="side help" aria-label="Help" {
            h2 { "Help" }
            dl {
                @for (entry, title, text) in HELP {
                    @if entry != "runner" || several { (help_text(entry, title, html! { (text) })) }
                }
            }
            @for choice in &p.choices.runners {
                @let chosen = runner.is_some_and(|r| r.id == choice.id);
                dl data-runner=(choice.id) hidden[!chosen] { (runner_help(choice)) }
            }
        }
    }
}

fn runner_help(runner: &RunnerChoice) -> Markup {
    html! {
        (help_text(&format!("about-{}", runner.id), &runner.name, html! {
            (plain(&runner.description))
            @if !runner.missing_programs.is_empty() {
                " Not installed on this box: " (plain(&runner.missing_programs.join(", "))) "."
            }
        }))
        @for kind in runner.image_types.iter().filter(|t| !t.help.is_empty()) {
            (help_text(&format!("type-{}-{}", runner.id, kind.id), &kind.label, plain(&kind.help)))
        }
        @for field in runner.fields.iter().filter(|f| !f.help.is_empty()) {
            (help_text(&help_entry(&runner.id, &field.id), &field.label, plain(&field.help)))
        }
    }
}

fn help_text(entry: &str, title: &str, text: Markup) -> Markup {
    html! { div id={ "help-" (entry) } { dt { (plain(title)) } dd { (text) } } }
}
