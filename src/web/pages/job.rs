//! The page of one job: where it stands, its log, its files and what was asked for.

use super::{
    definition::{listing, source_size},
    files::table as files_table,
    frame::{About, Crumb, Frame, Tab, csrf, icon, page},
    head::{fact, job_head},
    human,
    keeping::{self, gone_note, sees_receipts},
    log::{self, LogPage},
    logline::{plain, said},
};
use crate::{app::JobView, domain::Job};
use maud::{Markup, html};

/// What the job page shows besides the job.
#[derive(Clone, Debug)]
pub struct JobPage<'a> {
    /// The definition, if it can be shown as text.
    pub definition: Option<&'a str>,
    /// The end of the log.
    pub tail: &'a LogPage,
}

/// Lines of a definition that the job page shows; the rest has a page of its own.
const DEFINITION_LINES: usize = 400;

/// The page of one job. Scripts read `/jobs/N/events?from=OFFSET`: `log` (rendered lines, id =
/// byte offset behind them, numbers and times to be made from the first line), `head` ([`job_head`]) and `end`.
pub fn job(f: &Frame, v: &JobView, p: &JobPage) -> Markup {
    let job = &v.job;
    let title = format!("Job {} · {}", job.id, job.name);
    let crumbs = [("Queue".to_owned(), "/queue".to_owned())];
    let mut about = About::new(&title, Tab::Queue);
    about.crumbs = &crumbs;
    about.heading = Some(html! {
        div class="titlebar" {
            h1 { span class="no" { "Job " (job.id) } " " (job.name) }
            (actions(f, v))
        }
    });
    about.aside = Some(aside(v));
    about.log = v.kept.shelf.logs_gone.is_none();
    let live = !job.state.kind().is_final();
    page(
        f,
        about,
        html! {
            p class="vh" id="announce" aria-live="polite" {}
            section id="head" data-live[live] aria-label="Status" { (job_head(v, f.now)) }
            (log_panel(f, v, p.tail))
            div id="results" { (files_section(f, v)) (residual(job)) (plan(job)) }
            (request(job))
            @if let Some(text) = p.definition { (definition(job, text)) }
        },
    )
}

/// The way from the queue to a page of `job`.
pub(super) fn crumbs_to(job: &Job) -> [Crumb; 2] {
    [
        ("Queue".to_owned(), "/queue".to_owned()),
        (format!("Job {} · {}", job.id, job.name), format!("/jobs/{}", job.id)),
    ]
}

fn log_panel(f: &Frame, v: &JobView, tail: &LogPage) -> Markup {
    match &v.kept.shelf.logs_gone {
        Some(gone) => html! {
            section { h2 { "Log" } (gone_note("Log and definition", gone, sees_receipts(f))) }
        },
        None => log::panel(v, tail, "", Some("Log")),
    }
}

fn files_section(f: &Frame, v: &JobView) -> Markup {
    let job = &v.job;
    let gone = v.kept.files_gone().filter(|_| !job.result.artifacts.is_empty());
    html! {
        @if let Some(gone) = gone {
            section { h2 { "Files" } (gone_note("Files", gone, sees_receipts(f))) }
        } @else if !job.result.artifacts.is_empty() {
            section {
                h2 { "Files" }
                (files_table(job, true))
            }
        }
    }
}

fn residual(job: &Job) -> Markup {
    html! {
        @if !job.result.residual.is_empty() {
            div class="note warn" {
                (icon("alert"))
                div {
                    p { strong { "Left behind after the build" } }
                    ul { @for left in &job.result.residual { li { (said(left)) } } }
                }
            }
        }
    }
}

fn plan(job: &Job) -> Markup {
    html! {
        @if !job.result.commands.is_empty() {
            section {
                h2 { "Plan" }
                ol class="commands" {
                    @for command in &job.result.commands { li { code { (plain(command)) } } }
                }
            }
        }
    }
}

fn request(job: &Job) -> Markup {
    let request = &job.request;
    html! {
        section {
            h2 { "Request" }
            dl class="facts" {
                (fact("Image type", html! { (job.image_type) }))
                (fact("Architecture", html! { (job.arch) }))
                (fact("Runner", runner(job)))
                @if let Some(input) = request.input_job {
                    (fact("Input", html! { a href={ "/jobs/" (input) } { "job " (input) } }))
                }
                @if let Some(old) = job.retry_of {
                    (fact("Repeats", html! { a href={ "/jobs/" (old) } { "job " (old) } }))
                }
                @if !request.packages.is_empty() { (fact("Packages", packages(&request.packages))) }
                @for (id, value) in &request.options { (fact(id, option_value(job, id, value))) }
            }
        }
    }
}

fn runner(job: &Job) -> Markup {
    html! { span title={ "SHA-256 " (job.runner_sha256) } { (job.runner) " " (job.runner_version) } }
}

fn packages(packages: &[String]) -> Markup {
    html! { ul class="words" { @for package in packages { li { code { (package) } } " " } } }
}

fn option_value(job: &Job, id: &str, value: &str) -> Markup {
    if job.request.secret_options.iter().any(|secret| secret == id) {
        html! { span class="meta" { "•••••• (secret)" } }
    } else {
        html! { code class="pre" { (plain(value)) } }
    }
}

fn definition(job: &Job, text: &str) -> Markup {
    let all = text.lines().count();
    html! {
        section class="panel" {
            header {
                h2 { "Definition" }
                span class="meta" { (plain(&job.request.definition_name)) " · " (source_size(job)) }
                a href={ "/jobs/" (job.id) "/definition" } { "With line links" }
                a href={ "/jobs/" (job.id) "/definition.txt" } { "Raw" }
            }
            (listing(text, DEFINITION_LINES, None))
            @if all > DEFINITION_LINES {
                p class="cut" {
                    (human::grouped((all - DEFINITION_LINES) as u64)) " more lines: "
                    a href={ "/jobs/" (job.id) "/definition" } { "the whole definition" }
                }
            }
        }
    }
}

fn actions(f: &Frame, v: &JobView) -> Markup {
    let job = &v.job;
    let base = format!("/jobs/{}", job.id);
    html! {
        div id="actions" {
            @if let Some(image) = job.result.image().filter(|_| v.kept.files_gone().is_none()) {
                a class="btn main" href={ (base) "/image" } {
                    (icon("download")) span { "Image" } " "
                    small { (human::size_text(image.size)) }
                }
            }
            @if v.may_launch {
                form method="post" action={ (base) "/launch" } {
                    @if let Some(session) = f.session { (csrf(session)) }
                    button class="main" type="submit" { "Launch" }
                }
            }
            @if v.may_cancel {
                a class="btn danger" href={ (base) "/cancel" } { (icon("stop")) span { "Cancel" } }
            }
            @if v.may_retry {
                form method="post" action={ (base) "/retry" } {
                    @if let Some(session) = f.session { (csrf(session)) }
                    button type="submit" { "Retry" }
                }
            }
            (keeping::buttons(f, v))
            @if f.session.is_some_and(|session| session.actor.staff) {
                a class="btn" href={ "/admin/jobs/" (job.id) "/history" } { "History" }
            }
        }
    }
}

fn aside(v: &JobView) -> Markup {
    let job = &v.job;
    let base = format!("/jobs/{}", job.id);
    html! {
        aside class="side" aria-label="About this job" {
            (who(job))
            h2 { "Go to" }
            ul class="links" {
                @let there = v.kept.shelf.logs_gone.is_none();
                @if there { li { a href={ (base) "/log" } { "Log" } } }
                li { a href={ (base) "/files" } { "Files" } }
                @if there { li { a href={ (base) "/definition" } { "Definition" } } }
            }
        }
    }
}

fn who(job: &Job) -> Markup {
    use super::query::encode;
    let queue = format!("/queue?queue={}", job.queue);
    let user = format!("/queue?user={}", encode(job.owner.as_str()));
    html! {
        h2 { "Job" }
        dl class="facts narrow" {
            (fact("User", html! { a href=(user) { (job.owner) } }))
            (fact("Queue", html! { a href=(queue) { (job.queue) } }))
            (fact("Type", html! { (job.image_type) }))
            (fact("Arch", html! { (job.arch) }))
        }
    }
}
