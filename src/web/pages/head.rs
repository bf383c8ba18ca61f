//! The head of a job's page: where it stands and why.

use super::{
    badge::{estimate, job_badge, place, progress, sentence, waited},
    frame::icon,
    human,
    keeping::{damage_note, kept},
    logline::said,
};
use crate::{
    app::{JobView, Live},
    domain::{Complaints, Failure, Job, JobState, Timestamp},
};
use maud::{Markup, html};
use std::time::Duration;

/// Status, explanation, phases, progress, place and estimate; sent alone when the job changed.
/// `data-state` tells a script when the state is another one.
pub fn job_head(v: &JobView, now: Timestamp) -> Markup {
    let job = &v.job;
    html! {
        div class={ "headbox " (job.state.kind().as_str()) } data-state=(job.state.kind().as_str()) {
            p class="state" { (job_badge(v)) " " span { (story(v, now)) } }
            @if let JobState::Failed { failure, .. } = &job.state { (explanation(job, failure)) }
            @if let Some(hold) = held(v) {
                p class="note warn" { (icon("pause")) span { "Held: " (hold) } }
            }
            @if let Some(progress) = progress(&v.live) { (progress) }
            (complaints(v))
            (damage_note(v))
            (facts(v, now))
            (phases(job, now))
        }
    }
}

/// One sentence on where the job stands.
fn story(v: &JobView, now: Timestamp) -> Markup {
    let (job, live) = (&v.job, &v.live);
    html! {
        @if live.stopping && !job.state.kind().is_final() { "A stop is under way." }
        @else {
            (sentence(&job.state))
            @match &job.state {
                JobState::Queued => {
                    @if let Some(position) = live.position { ", " (place(position)) }
                }
                JobState::Building { .. } => {
                    @if let Some(phase) = &live.phase { ": " (phase) }
                }
                JobState::Cancelled { by, .. } => { " by " (by) }
                JobState::Done { .. } | JobState::Failed { .. } => {}
            }
            @if let Some(ended) = job.state.ended() { ", " (human::relative(ended, now)) }
            @if let Some(estimate) = estimate(live, now) { "; " (estimate) }
        }
    }
}

/// What the tool has complained of while it builds, with the way to the line.
fn complaints(v: &JobView) -> Markup {
    let Complaints { errors, warnings, first } = v.live.complaints;
    let (job, building) = (&v.job, matches!(v.job.state, JobState::Building { .. }));
    html! {
        @if building && first > 0 {
            p class="meta" {
                @if errors > 0 { (human::count(errors, "error", "errors")) }
                @if errors > 0 && warnings > 0 { " and " }
                @if warnings > 0 { (human::count(warnings, "warning", "warnings")) }
                " so far, "
                @if errors > 0 { "the first error in " } @else { "the first in " }
                (log_line(job, first))
            }
        }
    }
}

/// A link to a line of the log.
fn log_line(job: &Job, line: u64) -> Markup {
    html! {
        a href={ "/jobs/" (job.id) "/log?line=" (line) "#L" (line) } data-jump {
            "log line " (line)
        }
    }
}

fn held(v: &JobView) -> Option<&crate::domain::Hold> {
    v.live.hold.as_ref().filter(|_| matches!(v.job.state, JobState::Queued))
}

fn explanation(job: &Job, failure: &Failure) -> Markup {
    html! {
            div class="note bad" {
                (icon("alert"))
                div {
                    p { strong { (said(&failure.message)) } }
                    @if let Some(suggestion) = &failure.suggestion { p { (said(suggestion)) } }
                    p class="meta" {
                        "Cause: " (cause_text(failure))
                        @if let Some(line) = failure.line {
                            " · "
    (log_line(job, line))
                        }
                    }
                }
            }
        }
}

fn cause_text(failure: &Failure) -> String {
    use crate::domain::Cause;
    let meaning = match failure.cause {
        Cause::Definition => "the definition asks for something that cannot be",
        Cause::Repository => "a mirror or the network",
        Cause::Box => "this box",
        Cause::Timeout => "it took longer than the queue allows",
        Cause::Silent => "it printed nothing for too long",
        Cause::Limit => "it used more than it may",
        Cause::Interrupted => "the box restarted",
        Cause::Runner => "the runner failed",
    };
    format!("{} ({meaning})", failure.cause.as_str())
}

fn facts(v: &JobView, now: Timestamp) -> Markup {
    let (job, live) = (&v.job, &v.live);
    html! {
        dl class="facts" {
            (fact("Submitted", human::time(job.submitted)))
            @if let Some(waited) = waited(job, now) { (fact("Waited", waiting(job, waited, now))) }
            @if let Some(started) = job.state.started() { (fact("Started", human::time(started))) }
            @if let Some(length) = length(job, now) { (fact("Length", length)) }
            @if let Some(ended) = job.state.ended() { (fact("Ended", human::time(ended))) }
            @if let Some(disk) = disk(job, live) { (fact("Disk", disk)) }
            @if let Some(used) = used(job, live) { (fact("Used", html! { (used) })) }
            @if let Some(kept) = kept(v) { (fact("Kept", kept)) }
            @if !v.kept.shelf.tags.is_empty() { (fact("Tags", html! { (tags(v)) })) }
            @if let Some(sandbox) = &live.sandbox { (fact("Sandbox", html! { (sandbox) })) }
        }
    }
}

/// The tags of a job, in order.
pub(super) fn tags(v: &JobView) -> String {
    let tags: Vec<_> = v.kept.shelf.tags.iter().map(|tag| tag.as_str()).collect();
    tags.join(", ")
}

/// A label and what is so.
pub(super) fn fact(label: &str, value: Markup) -> Markup {
    html! { div { dt { (label) } dd { (value) } } }
}

fn waiting(job: &Job, waited: Duration, now: Timestamp) -> Markup {
    match job.state {
        JobState::Queued => human::running(job.submitted, now),
        _ => human::span(waited),
    }
}

fn length(job: &Job, now: Timestamp) -> Option<Markup> {
    let length = job.state.length(now)?;
    Some(match &job.state {
        JobState::Building { started } => human::running(*started, now),
        _ => human::span(length),
    })
}

fn disk(job: &Job, live: &Live) -> Option<Markup> {
    match (live.disk, job.result.peak_disk) {
        (0, 0) => None,
        (0, peak) => Some(html! { (human::size(peak)) " at most" }),
        (now, _) => Some(human::size(now)),
    }
}

/// Of the processors and the memory; while it builds, so far.
fn used(job: &Job, live: &Live) -> Option<String> {
    let used = if live.used.is_nothing() { job.result.used } else { live.used };
    (!used.is_nothing()).then(|| {
        let seconds = used.cpu.as_secs_f64();
        let mut words = format!("{seconds:.1} s of the processors");
        if used.memory > 0 {
            words.push_str(&format!(", {} of memory at most", human::size_text(used.memory)));
        }
        words
    })
}

/// Width of the drawing, in its own units.
const WIDTH: u64 = 1000;

/// The phases in their order, each as long as it took.
fn phases(job: &Job, now: Timestamp) -> Markup {
    let spans = phase_spans(job, now);
    let total: u128 = spans.iter().map(|(_, span)| span.as_millis()).sum();
    html! {
        @if !spans.is_empty() {
            div class="phases" {
                h2 { "Phases" }
                @if total > 0 { (bar(&spans, total)) }
                ol {
                    @for (at, (name, span)) in spans.iter().enumerate() {
                        li class={ "p" (at % 6) } { span { (name) } " " (human::span(*span)) }
                    }
                }
            }
        }
    }
}

fn phase_spans(job: &Job, now: Timestamp) -> Vec<(&str, Duration)> {
    let phases = &job.result.phases;
    let end = job.state.ended().unwrap_or(now);
    let ends = phases.iter().skip(1).map(|(_, began)| *began).chain([end]);
    phases.iter().zip(ends).map(|((name, began), end)| (name.as_str(), end.since(*began))).collect()
}

fn bar(spans: &[(&str, Duration)], total: u128) -> Markup {
    let mut passed = 0;
    let at =
        |ms: u128| u64::try_from(ms.saturating_mul(u128::from(WIDTH)) / total).unwrap_or(WIDTH);
    html! {
        svg class="bar" viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none"
            aria-hidden="true" focusable="false" {
            @for (n, (_, span)) in spans.iter().enumerate() {
                @let from = at(passed);
                @let to = { passed += span.as_millis(); at(passed) };
                rect class={ "p" (n % 6) } x=(from) width=((to - from).max(2)) height="10" {}
            }
        }
    }
}
