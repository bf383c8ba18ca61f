//! Pages that stand between a person and what they asked for.

use super::{
    badge::job_badge,
    frame::{About, Frame, Tab, csrf, page},
    human,
    job::crumbs_to,
    logline::said,
};
use crate::app::JobView;
use maud::{Markup, html};

/// What an error page says.
#[derive(Clone, Debug)]
pub struct ErrorPage<'a> {
    /// HTTP status.
    pub status: u16,
    /// A few words.
    pub title: &'a str,
    /// One sentence.
    pub message: &'a str,
    /// Label and address of the way out.
    pub way_out: Option<(&'a str, &'a str)>,
}

/// An error page; the request id is its reference.
pub fn error(f: &Frame, p: &ErrorPage) -> Markup {
    let mut about = About::new(p.title, Tab::None);
    about.shape = "narrow";
    page(
        f,
        about,
        html! {
            p class="lead" { (said(p.message)) }
            @if let Some((label, url)) = p.way_out { p { a class="btn main" href=(url) { (label) } } }
            p class="meta" { "Status " (p.status) " · reference " code { (f.request_id) } }
        },
    )
}

/// Asks whether a job is really to be stopped; posts to `/jobs/N/cancel`.
pub fn cancel_confirm(f: &Frame, v: &JobView) -> Markup {
    let job = &v.job;
    let title = format!("Cancel job {}?", job.id);
    let crumbs = crumbs_to(job);
    let mut about = About::new(&title, Tab::Queue);
    about.crumbs = &crumbs;
    about.shape = "narrow";
    page(
        f,
        about,
        html! {
            p class="lead" {
                (job_badge(v)) " " strong { (job.name) } ", " (job.image_type) " for " (job.arch)
                @if let Some(length) = job.state.length(f.now) { ", building for " (human::span(length)) }
            }
            p { "What was built so far is thrown away; the log is kept. This cannot be undone." }
            form method="post" action={ "/jobs/" (job.id) "/cancel" } class="buttons" {
                @if let Some(session) = f.session { (csrf(session)) }
                button class="danger" type="submit" { "Cancel the job" }
                a class="btn" href={ "/jobs/" (job.id) } { "Let it go on" }
            }
        },
    )
}
