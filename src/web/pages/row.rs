//! A row of the queue table.

use super::{
    badge::{estimate, job_badge, place, progress, waited},
    frame::csrf_field,
    head::tags,
    human,
    query::encode,
};
use crate::{
    app::JobView,
    domain::{Job, JobState, Timestamp, retention::Class},
};
use maud::{Markup, html};

/// Characters of a failure that the table shows; the job's page has all of it.
const WHY: usize = 90;

/// A row of the queue table; sent alone when the job changed. The columns are those of the first
/// IMG, in its order.
pub fn queue_row(v: &JobView, now: Timestamp, csrf: &str) -> Markup {
    let job = &v.job;
    html! {
        tr id={ "job-" (job.id) } {
            th scope="row" {
                a href={ "/jobs/" (job.id) } { (job.id) " / " (job.queue) }
                small { (job.name) }
                @if !v.kept.shelf.tags.is_empty() { small { (tags(v)) } }
            }
            td { (human::time(job.submitted)) }
            td { (length(job, now)) }
            td { (job.owner) }
            td { (job.arch) }
            td { (job.image_type) }
            td { (job_badge(v)) (detail(v, now)) }
            td { (results(v)) (actions(v, csrf)) }
        }
    }
}

/// Counts from the start of the build; the time before it stands apart.
fn length(job: &Job, now: Timestamp) -> Markup {
    let waited = waited(job, now).map(human::span_text);
    html! {
        @match &job.state {
            JobState::Queued => {
                "–" small { "waits " (human::running(job.submitted, now)) }
            }
            JobState::Building { started } => (human::running(*started, now)),
            JobState::Done { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => {
                @match job.state.length(now) {
                    Some(length) => (human::span_text(length)),
                    None => "–",
                }
            }
        }
        @if job.state.started().is_some() {
            @if let Some(waited) = waited { small { "waited " (waited) } }
        }
    }
}

fn detail(v: &JobView, now: Timestamp) -> Markup {
    let live = &v.live;
    html! {
        @match &v.job.state {
            JobState::Queued => {
                @if let Some(hold) = &live.hold { small class="hold" { (hold) } }
                @else if let Some(position) = live.position { small { (place(position)) } }
                @if let Some(estimate) = estimate(live, now) { small { (estimate) } }
            }
            JobState::Building { .. } => {
                @if let Some(phase) = &live.phase { small { (phase) } }
                @if let Some(progress) = progress(live) { (progress) }
                @if let Some(estimate) = estimate(live, now) { small { (estimate) } }
            }
            JobState::Failed { failure, .. } => {
                @let sentence = failure.message.replace('`', "");
                @let short = shortened(&sentence);
                // What does not fit can still be read without leaving the table.
                small title=[(short != sentence).then_some(&sentence)] {
                    (failure.cause.as_str()) ": " (short)
                }
            }
            JobState::Cancelled { by, .. } => small { "by " (by) },
            JobState::Done { .. } => {
                @if v.kept.shelf.pinned.is_some() && v.kept.files_gone().is_none() { small { "pinned" } }
                @else if let (Some(Class::Images), Some(until)) = (v.kept.class, v.kept.until) {
                    small { "until " (human::day_text(until)) }
                }
            }
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WHY) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

/// The three links of the first IMG, each only where it leads somewhere; "deleted" where files
/// were.
pub(super) fn results(v: &JobView) -> Markup {
    let job = &v.job;
    let (base, result) = (format!("/jobs/{}", job.id), &job.result);
    let started = job.state.started().is_some();
    let files = !result.artifacts.is_empty();
    let there = v.kept.files_gone().is_none();
    html! {
        @if started && v.kept.shelf.logs_gone.is_none() {
            a href={ (base) "/log" } { "Log" } " "
        }
        @if files && there {
            a href={ (base) "/files" } { "Files" } " "
        }
        @if let Some(image) = result.image().filter(|_| there) {
            a href={ (base) "/image" } title=(human::size_text(image.size)) {
                "Image"
            }
        }
        @if (files && !there) || v.kept.shelf.logs_gone.is_some() { "deleted" }
        @else if !started && !files { "–" }
    }
}

fn actions(v: &JobView, csrf: &str) -> Markup {
    let base = format!("/jobs/{}", v.job.id);
    html! {
        @if v.may_launch || v.may_cancel {
            div {
                @if v.may_launch {
                    form method="post" action={ (base) "/launch" } {
                        (csrf_field(csrf))
                        button class="small" type="submit" { "Launch" }
                    }
                }
                @if v.may_cancel { a class="danger" href={ (base) "/cancel" } { "Cancel" } }
            }
        }
    }
}

/// The address of a file of a job.
pub(super) fn file_url(job: &Job, name: &str) -> String {
    format!("/jobs/{}/files/{}", job.id, encode(name))
}
