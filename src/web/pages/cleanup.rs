//! What a cleanup would do now, and what one has done.

use super::{
    admin::{Section, admin},
    disk::{errors, run_button, took},
    frame::{Frame, icon},
    head::fact,
    human,
    keeping::class_word,
    logline::plain,
};
use crate::{
    app::{CleanupPreview, PlannedRow, Receipt, RunProgress, SKIPPED},
    domain::{
        Verb,
        retention::{Class, Guard},
    },
};
use maud::{Markup, html};

/// Exactly what a run would do now.
pub fn preview(f: &Frame, v: &CleanupPreview) -> Markup {
    let run = f.session.is_some_and(|s| s.actor.verbs.has(Verb::RunCleanup));
    admin(
        f,
        "What a cleanup would do now",
        (Section::Disk, true),
        "full",
        html! {
            p class="lead" {
                @if v.items == 0 { "Nothing would be deleted." }
                @else {
                    (human::count(v.items, "thing", "things")) " would be deleted, "
                    (human::size(v.bytes)) "."
                }
            }
            (unmet(&v.unmet))
            div class="buttons" {
                @if run { (run_button(f)) }
                a class="btn" href="/admin/disk" { "Back" }
            }
            (classes(&v.by_class))
            @if !v.doomed.is_empty() {
                section { h2 { "Goes" } (rows(f, &v.doomed, false)) (more(v.items, v.doomed.len())) }
            }
            @if !v.saved.is_empty() {
                section {
                    h2 { "Stays although a rule wants it" }
                    (rows(f, &v.saved, true)) (more(v.saved_items, v.saved.len()))
                }
            }
        },
    )
}

/// Rules that cannot be met.
fn unmet(all: &[String]) -> Markup {
    html! {
        @if !all.is_empty() {
            div class="note warn" {
                (icon("alert"))
                div {
                    p { strong { "What cannot be met" } }
                    ul { @for what in all { li { (plain(what)) } } }
                }
            }
        }
    }
}

fn classes(all: &[(Class, u64, u64)]) -> Markup {
    html! {
        @if !all.is_empty() {
            dl class="facts" {
                @for (class, items, bytes) in all {
                    (fact(class_word(*class), html! {
                        (human::count(*items, "thing", "things")) ", " (human::size(*bytes))
                    }))
                }
            }
        }
    }
}

fn rows(f: &Frame, all: &[PlannedRow], guarded: bool) -> Markup {
    html! {
        table class="stack" {
            thead {
                tr {
                    th scope="col" { "Job" } th scope="col" { "What" } th scope="col" { "Ended" }
                    th scope="col" { "Rule" }
                    @if guarded { th scope="col" { "Kept because" } }
                    th scope="col" { "Size" }
                }
            }
            tbody {
                @for row in all {
                    tr {
                        th scope="row" { a href={ "/jobs/" (row.job) } { (row.job) " " (plain(&row.name)) } }
                        td data-l="What" { (class_word(row.class)) }
                        td data-l="Ended" { (human::relative(row.ended, f.now)) }
                        td data-l="Rule" { (plain(&row.why)) }
                        @if guarded { td data-l="Kept because" { (guard(row.guard.as_ref())) } }
                        td data-l="Size" { (human::size(row.bytes)) }
                    }
                }
            }
        }
    }
}

fn guard(guard: Option<&Guard>) -> Markup {
    html! {
        @if let Some(guard) = guard {
            (guard)
            @if let Guard::KeepUntil(until) = guard { ", until " (human::day(*until)) }
        }
    }
}

fn more(all: u64, shown: usize) -> Markup {
    let left = all.saturating_sub(shown as u64);
    html! { @if left > 0 { p class="meta" { "and " (human::grouped(left)) " more" } } }
}

/// What one cleanup did; `progress` while it goes on.
pub fn receipt(f: &Frame, r: &Receipt, progress: Option<&RunProgress>) -> Markup {
    let title = format!("Cleanup {}", r.run);
    admin(
        f,
        &title,
        (Section::Disk, true),
        "full",
        html! {
            @match progress {
                Some(progress) => (going_on(progress)),
                None => (verdict(r)),
            }
            dl class="facts" {
                (fact("Began", human::time(r.begun)))
                (fact("Trigger", plain(&r.trigger)))
                (fact("Took", took(r)))
                (fact("Planned", html! {
                    (human::count(r.planned_items, "thing", "things")) ", " (human::size(r.planned_bytes))
                }))
                (fact("Deleted", html! {
                    (human::count(r.items, "thing", "things")) ", " (human::size(r.bytes)) " on disk"
                }))
                @if let Some(freed) = r.freed { (fact("Free space", freed_words(freed))) }
                (fact("Kept by guards", html! { (human::count(r.saved, "thing", "things")) }))
            }
            (classes(&r.by_class))
            (unmet(&r.unmet))
            (mishaps(r))
        },
    )
}

fn going_on(p: &RunProgress) -> Markup {
    let (done, all) = (human::grouped(p.done), human::grouped(p.planned));
    html! {
        p class="note info" {
            (icon("info"))
            span {
                @if p.done == 0 { "It has only just begun, or waits for another cleanup to end." }
                @else { "It goes on. This page shows how far it is." }
            }
        }
        p {
            span class="prog" {
                progress max=(p.planned.max(1)) value=(p.done) aria-label="Progress" {}
                span class="num" { (done) " of " (all) ", " (human::size(p.bytes)) " freed" }
            }
        }
    }
}

/// What somebody asked for and what stayed all the same.
fn skipped(r: &Receipt) -> u64 {
    let named = r.mishaps.iter().filter(|m| m.what.starts_with(SKIPPED)).count() as u64;
    // What is not named any more is of the same kind, if what is named is.
    if named == r.mishaps.len() as u64 { errors(r) } else { named }
}

fn verdict(r: &Receipt) -> Markup {
    let (errors, skipped) = (errors(r), skipped(r));
    let wrong = errors.saturating_sub(skipped);
    let (class, shape) = match (r.ended, errors) {
        (None, _) => ("info", "info"),
        (Some(_), 0) => ("good", "done"),
        (Some(_), _) => ("warn", "alert"),
    };
    html! {
        p class={ "note " (class) } {
            (icon(shape))
            span {
                @match (r.ended, wrong, skipped) {
                    (None, ..) => "It goes on, or it was cut short: then the next one ends it.",
                    (Some(_), 0, 0) => "Everything went well.",
                    (Some(_), 0, n) => { (human::count(n, "job was", "jobs were")) " skipped; the rest is done." }
                    (Some(_), n, 0) => { (human::count(n, "thing", "things")) " went wrong; the rest is done." }
                    (Some(_), n, left) => {
                        (human::count(n, "thing", "things")) " went wrong and "
                        (human::count(left, "job was", "jobs were")) " skipped; the rest is done."
                    }
                }
            }
        }
    }
}

/// What the volume has more or less than before.
fn freed_words(freed: i64) -> Markup {
    let size = human::size(freed.unsigned_abs());
    html! { (size) @if freed < 0 { " less: builds wrote meanwhile" } @else { " more" } }
}

fn mishaps(r: &Receipt) -> Markup {
    html! {
        @if !r.mishaps.is_empty() {
            section {
                h2 { @if skipped(r) > 0 { "What was skipped or went wrong" } @else { "What went wrong" } }
                table class="stack" {
                    thead { tr { th scope="col" { "Job" } th scope="col" { "What" } } }
                    tbody {
                        @for mishap in &r.mishaps {
                            tr {
                                th scope="row" {
                                    @match mishap.job {
                                        Some(job) => a href={ "/jobs/" (job) } { (job) },
                                        None => "–",
                                    }
                                }
                                td data-l="What" { (plain(&mishap.what)) }
                            }
                        }
                    }
                }
                (more(errors(r), r.mishaps.len()))
            }
        }
    }
}
