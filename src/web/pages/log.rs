//! A page of a log.

use super::{
    frame::{About, Frame, Tab, icon, page},
    human,
    job::crumbs_to,
};
use crate::{
    app::JobView,
    domain::{Job, JobState},
};
use maud::{Markup, html};

/// What the log page shows.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// Lines from [`render_marked`](super::logline::render_marked).
    pub html: Markup,
    /// Number of the first of them, from 1.
    pub from_line: u64,
    /// Lines on a page; paging links are `/jobs/N/log?from=LINE`.
    pub per_page: u64,
    /// Lines of the whole log.
    pub lines: u64,
    /// Bytes of the whole log.
    pub size: u64,
    /// The line that was asked for with `?line=N`, which is on this page.
    pub mark: Option<u64>,
    /// Nothing will be appended any more.
    pub ended: bool,
}

/// A page of a log's lines. `?from=N` begins with line N; `?line=N` shows the page with line N.
pub fn log(f: &Frame, v: &JobView, p: &LogPage) -> Markup {
    let job = &v.job;
    let title = format!("Log of job {}", job.id);
    let crumbs = crumbs_to(job);
    let mut about = About::new(&title, Tab::Queue);
    about.crumbs = &crumbs;
    about.shape = "full";
    page(
        f,
        about,
        html! {
            section class="panel log whole" aria-label="Log" data-mark=[p.mark] {
                header {
                    p class="meta" {
                        (human::count(p.lines, "line", "lines")) " · " (human::size(p.size))
                        @if !p.ended { " · still growing" }
                    }
                    (tools(job, false))
                }
                (pager(job, p, "Pages of the log, above"))
                @if p.lines == 0 { p class="empty" { "Nothing was printed yet." } }
                @else {
                    pre class="lines" tabindex="0" role="region" aria-label="Log lines" data-lines {
                        (p.html)
                    }
                }
                (pager(job, p, "Pages of the log, below"))
            }
        },
    )
}

/// What can be done with a log. Buttons appear only where a script makes them work.
pub(super) fn tools(job: &Job, follow: bool) -> Markup {
    let raw = format!("/jobs/{}/log.txt", job.id);
    html! {
        div class="tools" {
            @if follow {
                button type="button" data-follow aria-pressed="true" hidden { "Follow" }
            }
            (first_error(job))
            button type="button" data-wrap aria-pressed="true" hidden { "Wrap" }
            span data-search hidden role="search" {
                input type="search" aria-label="Search in the log lines on this page"
                    placeholder="Search" autocomplete="off" spellcheck="false";
                span class="meta" data-found aria-live="polite" {}
                button type="button" data-prev aria-label="Previous match" { "↑" }
                button type="button" data-next aria-label="Next match" { "↓" }
            }
            a href=(raw) { "Raw" }
            a href=(raw) download={ "job-" (job.id) ".log" } { (icon("download")) "Download" }
        }
    }
}

fn first_error(job: &Job) -> Markup {
    let line = match &job.state {
        JobState::Failed { failure, .. } => failure.line,
        JobState::Queued
        | JobState::Building { .. }
        | JobState::Done { .. }
        | JobState::Cancelled { .. } => None,
    };
    html! {
        @match line {
            Some(line) => {
                a href={ "/jobs/" (job.id) "/log?line=" (line) "#L" (line) } data-line=(line) {
                    "First error"
                }
            }
            None => button type="button" data-error hidden { "First error" },
        }
    }
}

fn pager(job: &Job, p: &LogPage, label: &str) -> Markup {
    let step = p.per_page.max(1);
    let last = p.lines.saturating_sub(1) / step * step + 1;
    let end = p.lines.min(p.from_line.saturating_add(step) - 1);
    let url = |from: u64| format!("/jobs/{}/log?from={from}", job.id);
    html! {
        @if p.lines > step || p.from_line > 1 {
            nav class="pager" aria-label=(label) {
                @if p.from_line > 1 {
                    a href=(url(1)) { "First" }
                    a rel="prev" href=(url(p.from_line.saturating_sub(step).max(1))) { "← Earlier" }
                }
                span { "Lines " (human::grouped(p.from_line)) " to " (human::grouped(end)) }
                @if end < p.lines {
                    a rel="next" href=(url(end + 1)) { "Later →" }
                    a href=(url(last)) { "Last" }
                }
            }
        }
    }
}
