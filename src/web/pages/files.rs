//! The files of a job.

use super::{
    frame::{About, Frame, Tab, icon, page},
    human,
    job::crumbs_to,
    keeping::{damage_note, gone_note, sees_receipts},
    logline::plain,
    row::file_url,
};
use crate::{
    app::JobView,
    domain::{Artifact, Job},
};
use maud::{Markup, html};

/// The files of a job, the definition as it was sent among them.
pub fn files(f: &Frame, v: &JobView) -> Markup {
    let job = &v.job;
    let title = format!("Files of job {}", job.id);
    let crumbs = crumbs_to(job);
    let mut about = About::new(&title, Tab::Queue);
    about.crumbs = &crumbs;
    page(
        f,
        about,
        html! {
            @if let Some(gone) = v.kept.files_gone() {
                (gone_note("Files", gone, sees_receipts(f)))
            } @else if job.result.artifacts.is_empty() {
                p class="empty" {
                    @if job.state.kind().is_final() { "This job left no files behind." }
                    @else { "Files appear here when the job is done." }
                }
            } @else {
                (damage_note(v))
                (table(job, true))
            }
            h2 { "What was sent" }
            @if let Some(gone) = &v.kept.shelf.logs_gone {
                (gone_note("Log and definition", gone, sees_receipts(f)))
            } @else {
                p {
                    a href={ "/jobs/" (job.id) "/definition" } { (plain(name(job))) } " "
                    (human::size(job.request.definition_size)) " · "
                    a href={ "/jobs/" (job.id) "/definition.txt" } { "Raw" }
                }
            }
            p class="meta" { "SHA-256 " code class="hash" { (job.request.definition_sha256) } }
        },
    )
}

/// What the definition is called, even if nobody said.
fn name(job: &Job) -> &str {
    match job.request.definition_name.as_str() {
        "" => "definition",
        name => name,
    }
}

/// The table of files, with links to them if they are there to be taken.
pub(super) fn table(job: &Job, linked: bool) -> Markup {
    let bytes = job.result.artifacts.iter().map(|a| a.size).fold(0, u64::saturating_add);
    html! {
        table class="files" {
            thead {
                tr { th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Size" } th scope="col" { "SHA-256" } }
            }
            tbody { @for artifact in &job.result.artifacts { (file(job, artifact, linked)) } }
        }
        p class="meta" {
            (human::count(job.result.artifacts.len() as u64, "file", "files")) ", " (human::size(bytes))
        }
    }
}

fn file(job: &Job, artifact: &Artifact, linked: bool) -> Markup {
    html! {
        tr {
            th scope="row" {
                @if linked {
                    a href=(file_url(job, &artifact.name)) { (icon("download")) (plain(&artifact.name)) }
                } @else { (plain(&artifact.name)) }
            }
            td {
                span class={ "role " (artifact.role.as_str()) } { (artifact.role.as_str()) }
                @if !artifact.label.is_empty() { small { (plain(&artifact.label)) } }
            }
            td { (human::size(artifact.size)) }
            td { code class="hash" { (artifact.sha256) } }
        }
    }
}
