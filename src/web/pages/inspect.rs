//! What a definition says of itself, and what "Check only" found.

use super::{
    frame::icon,
    human,
    logline::{plain, said},
};
use crate::app::{CheckView, InspectView, PlannedStep, Remark, Severity};
use maud::{Markup, html};

/// What a script puts beside the text after an upload or a paste was looked at. Its data
/// attributes say what to fill in.
pub fn inspect_fragment(v: &InspectView) -> Markup {
    html! {
        div class="inspect" data-runner=(v.runner) data-name=[v.name.as_deref()]
            data-type=[v.image_type.as_deref()] data-arch=[v.arch.as_deref()] {
            p class="meta" { (icon("info")) span { (words(v)) } }
            (remarks(&v.remarks))
            @if !v.privileged.is_empty() {
                div class="note warn" {
                    (icon("alert"))
                    div {
                        p { strong { "Runs as root on the box itself" } " and needs the permission " code { "privileged-definitions" } ":" }
                        ul { @for part in &v.privileged { li { (remark(part)) } } }
                    }
                }
            }
        }
    }
}

fn words(v: &InspectView) -> Markup {
    let said = [
        ("name", v.name.as_deref()),
        ("image type", v.image_type.as_deref()),
        ("architecture", v.arch.as_deref()),
    ];
    let said: Vec<_> = said.into_iter().filter_map(|(what, text)| Some((what, text?))).collect();
    html! {
        "Read by " strong { (v.runner) } ": "
        @if said.is_empty() { "it names no image type or architecture." }
        @for (n, (what, text)) in said.iter().enumerate() {
            @if n > 0 { ", " }
            (what) " " code { (plain(text)) }
        }
    }
}

fn remarks(remarks: &[Remark]) -> Markup {
    html! {
        @if remarks.is_empty() { p class="verdict good" { (icon("done")) span { "No remarks." } } }
        @else { ul class="remarks" { @for found in remarks { (row(found)) } } }
    }
}

fn row(found: &Remark) -> Markup {
    let (class, shape, word) = match found.severity {
        Severity::Error => ("bad", "alert", "Error"),
        Severity::Warning => ("warn", "alert", "Warning"),
        Severity::Info => ("info", "info", "Note"),
    };
    html! { li class=(class) { (icon(shape)) span { strong { (word) } " " (remark(found)) } } }
}

fn remark(found: &Remark) -> Markup {
    html! {
        @if let Some(line) = found.line { span class="ln" { "line " (line) } " " }
        (said(&found.message))
        @if let Some(hint) = &found.hint { " – " (said(hint)) }
    }
}

/// What "Check only" found: the exact commands and files. Nothing was run.
pub(super) fn check(v: &CheckView) -> Markup {
    html! {
        section class="check card" role="status" tabindex="-1" data-flash aria-labelledby="check-title" {
            h2 id="check-title" { (icon("done")) "The check passed" }
            p { "Nothing was run or queued. This is what the job would do." }
            @if let Some(disk) = v.disk { p { "Disk needed: " (human::size(disk)) } }
            (remarks(&v.remarks))
            h3 { "Commands" }
            ol class="commands" { @for step in &v.commands { (command(step)) } }
            @if !v.files.is_empty() {
                h3 { "Files written before" }
                @for (path, text) in &v.files {
                    details {
                        summary { code { (plain(path)) } }
                        pre class="code" tabindex="0" { (lines(text)) }
                    }
                }
            }
        }
    }
}

fn lines(text: &str) -> Markup {
    html! { @for line in text.lines() { (plain(line)) "\n" } }
}

fn command(step: &PlannedStep) -> Markup {
    html! {
        li {
            span { (plain(&step.name)) }
            @if !step.privileges.is_empty() {
                ul class="words" { @for word in &step.privileges { li { (plain(word)) } " " } }
            }
            code { (plain(&step.command)) }
        }
    }
}
