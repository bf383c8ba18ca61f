//! A job's definition.

use super::{
    frame::{About, Frame, Tab, page},
    human,
    job::crumbs_to,
    logline::plain,
};
use crate::{app::JobView, domain::Job};
use maud::{Markup, html};

/// A job's definition with line numbers, `mark` stressed (`/jobs/N/definition?line=12`).
pub fn definition(f: &Frame, v: &JobView, text: &str, mark: Option<u32>) -> Markup {
    let job = &v.job;
    let title = format!("Definition of job {}", job.id);
    let crumbs = crumbs_to(job);
    let mut about = About::new(&title, Tab::Queue);
    about.crumbs = &crumbs;
    about.shape = "full";
    page(
        f,
        about,
        html! {
            section class="panel" aria-label="Definition" {
                header {
                    span { (plain(&job.request.definition_name)) }
                    span class="meta" { (source_size(job)) }
                    a href={ "/jobs/" (job.id) "/definition.txt" } { "Raw" }
                }
                (listing(text, usize::MAX, mark))
            }
        },
    )
}

/// How large the definition is.
pub(super) fn source_size(job: &Job) -> Markup {
    human::size(job.request.definition_size)
}

/// Text with line numbers that are links, at most `limit` lines.
pub(super) fn listing(text: &str, limit: usize, mark: Option<u32>) -> Markup {
    let marked = |n: usize| mark.is_some_and(|mark| mark as usize == n);
    html! {
        pre class="lines code" tabindex="0" role="region" aria-label="Lines of the definition" {
            @for (n, line) in (1..).zip(text.lines().take(limit)) {
                span id={ "D" (n) } class=(if marked(n) { "line mark" } else { "line" }) {
                    a href={ "#D" (n) } { (n) } (plain(line)) "\n"
                }
            }
        }
    }
}
