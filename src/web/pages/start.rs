//! The start page: the two things people come for, and how the box is.

use super::{
    badge::{estimate, job_badge, progress},
    frame::{About, Frame, Tab, icon, page},
    human,
    row::results,
};
use crate::{
    app::{JobView, StartView},
    domain::{Timestamp, Verb},
};
use maud::{Markup, html};

/// The start page.
pub fn start(f: &Frame, v: &StartView) -> Markup {
    let mut about = About::new("Image building", Tab::None);
    about.shape = "start";
    let submit = f.session.is_some_and(|s| s.actor.verbs.has(Verb::Submit));
    page(
        f,
        about,
        html! {
            div class="actions" {
                @if submit {
                    (action("/submit", "create", "Create an image", "Hand in a kickstart or another tool's definition."))
                }
                (action("/queue", "list", "Look at the image creating job queue", &queue_words(v)))
            }
            div class="split" {
                section { h2 { "Building now" } (building(v, f.now)) }
                section { h2 { "Ended last" } (finished(v, f.now)) }
            }
            @if let Some((total, free)) = v.space { (disk(total, free, v.next_cleanup, f.now)) }
        },
    )
}

fn action(url: &str, shape: &str, title: &str, words: &str) -> Markup {
    html! {
        a class="action" href=(url) {
            (icon(shape)) span { strong { (title) } " " span { (words) } }
        }
    }
}

fn queue_words(v: &StartView) -> String {
    let building = v.building.len();
    match (building, v.waiting) {
        (0, 0) => "Nothing builds and nothing waits.".to_owned(),
        (n, 0) => format!("{n} building, nothing waits."),
        (n, waiting) => format!("{n} building, {} waiting.", human::grouped(waiting)),
    }
}

fn building(v: &StartView, now: Timestamp) -> Markup {
    html! {
        @if v.building.is_empty() { p class="empty" { "No job builds at the moment." } }
        @else {
            ul class="jobs" {
                @for view in &v.building {
                    li {
                        (title(view))
                        span class="meta" {
                            @if let Some(started) = view.job.state.started() {
                                (human::running(started, now))
                            }
                            @if let Some(phase) = &view.live.phase { " · " (phase) }
                            @if let Some(estimate) = estimate(&view.live, now) { " · " (estimate) }
                        }
                        @if let Some(progress) = progress(&view.live) { (progress) }
                    }
                }
            }
        }
    }
}

fn finished(v: &StartView, now: Timestamp) -> Markup {
    html! {
        @if v.finished.is_empty() { p class="empty" { "No job has ended yet." } }
        @else {
            ul class="jobs" {
                @for view in &v.finished {
                    li {
                        (title(view))
                        span class="meta" {
                            @if let Some(ended) = view.job.state.ended() {
                                (human::relative(ended, now))
                            }
                            " · " (results(view))
                        }
                    }
                }
            }
        }
    }
}

fn title(view: &JobView) -> Markup {
    let job = &view.job;
    html! {
        span class="t" {
            a href={ "/jobs/" (job.id) } { (job.id) " " (job.name) }
            " " (job_badge(view))
        }
        span class="meta" { (job.image_type) " · " (job.arch) " · " (job.owner) }
    }
}

/// How full the data volume is: a bar and the numbers.
fn disk(total: u64, free: u64, next: Option<Timestamp>, now: Timestamp) -> Markup {
    let used = total.saturating_sub(free);
    let share = |part: u64| u128::from(part) * 1000 / u128::from(total.max(1));
    let level = match share(used) {
        0..=799 => "ok",
        800..=919 => "high",
        _ => "full",
    };
    let words = format!("{} of {} used", human::size_text(used), human::size_text(total));
    html! {
        section class={ "disk " (level) } {
            h2 { "Disk" }
            svg class="gauge" viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label=(words) {
                rect class="all" width="1000" height="16" {}
                rect class="used" width=(share(used).min(1000)) height="16" {}
            }
            p class="meta" {
                (human::size(used)) " used · " (human::size(free)) " free of " (human::size(total))
                @if let Some(next) = next { " · next cleanup " (human::relative(next, now)) }
                @if level == "full" { " · nearly full: ask an administrator to make room" }
            }
        }
    }
}
