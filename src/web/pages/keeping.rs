//! What becomes of a job's files, in words; and the pages that ask before something about it is
//! changed.

use super::{
    badge::job_badge,
    field::{Field, id, summary},
    files::table,
    frame::{About, Frame, Tab, csrf, csrf_field, icon, page},
    human,
    job::crumbs_to,
    logline::plain,
};
use crate::{
    app::{Gone, JobView, Problem},
    domain::{Timestamp, Verb, retention::Class},
};
use maud::{Markup, html};

/// How long a job's files stay, as a fact of its page; `None` while that is open.
pub(super) fn kept(v: &JobView) -> Option<Markup> {
    let shelf = &v.kept.shelf;
    if let Some((by, at)) = &shelf.pinned {
        return Some(html! { "pinned by " (by) ", " (human::day(*at)) });
    }
    let what = match v.kept.class? {
        Class::Images => "images",
        Class::Leftovers => "leftovers",
        Class::Logs => "log",
        Class::Records => "record",
    };
    Some(match v.kept.until {
        Some(until) => html! { (what) " until " (human::day(until)) },
        None => html! { (what) " for ever" },
    })
}

/// That files are gone, when and why; `receipts` links to the run that did it.
pub(super) fn gone_note(what: &str, gone: &Gone, receipts: bool) -> Markup {
    html! {
        p class="note info" {
            (icon("info"))
            span {
                (what) " deleted on " (human::day(gone.at)) " because " (because(&gone.why)) "."
                @if receipts && gone.run > 0 {
                    " " a href={ "/admin/disk/runs/" (gone.run) } { "Cleanup " (gone.run) }
                }
            }
        }
    }
}

/// A rule as the end of a sentence about files.
fn because(why: &str) -> Markup {
    html! { @if why.starts_with("older than ") { "they are " } (plain(why)) }
}

/// That a verification found something.
pub(super) fn damage_note(v: &JobView) -> Markup {
    let shelf = &v.kept.shelf;
    html! {
        @if !shelf.damage.is_empty() {
            div class="note bad" {
                (icon("alert"))
                div {
                    p {
                        strong { "These files are no longer what was built: build the image again." }
                        @if let Some(at) = shelf.verified { " Found on " (human::day(at)) "." }
                    }
                    ul { @for what in &shelf.damage { li { (plain(what)) } } }
                }
            }
        }
    }
}

/// True if whoever looks may open the receipts of cleanups.
pub(super) fn sees_receipts(f: &Frame) -> bool {
    f.session.is_some_and(|s| s.actor.verbs.has(Verb::ViewHealth))
}

/// The buttons of a job's page.
pub(super) fn buttons(f: &Frame, v: &JobView) -> Markup {
    let base = format!("/jobs/{}", v.job.id);
    let token = f.session.map_or("", |s| &s.csrf);
    let pinned = v.kept.shelf.pinned.is_some();
    html! {
        @if v.kept.may_keep && !pinned { a class="btn" href={ (base) "/keep" } { "Keep longer" } }
        @if v.kept.may_pin { (pin_form(&base, token, pinned, "", "")) }
        @if v.kept.may_delete && !pinned && v.kept.shelf.logs_gone.is_none() {
            a class="btn danger" href={ (base) "/delete" } { "Delete" }
        }
    }
}

/// The form that pins a job or lets go of it, and leads to `next` then.
pub(super) fn pin_form(base: &str, token: &str, pinned: bool, next: &str, class: &str) -> Markup {
    let (action, label) = if pinned { ("unpin", "Unpin") } else { ("pin", "Pin") };
    html! {
        form method="post" action={ (base) "/" (action) } {
            (csrf_field(token))
            @if !next.is_empty() { input type="hidden" name="next" value=(next); }
            button class=[(!class.is_empty()).then_some(class)] type="submit" { (label) }
        }
    }
}

/// What the "Keep longer" page shows besides the job.
#[derive(Clone, Debug)]
pub struct KeepPage<'a> {
    /// Days to choose from: label, date as in the form, moment.
    pub choices: &'a [(&'static str, String, Timestamp)],
    /// The last day that can be chosen, as in the form.
    pub latest: &'a str,
    /// What was chosen: a date or `date`.
    pub choice: &'a str,
    /// What was typed into the date field.
    pub date: &'a str,
    /// What is wrong, by field `until`.
    pub problems: &'a [Problem],
    /// Where to go afterwards; empty: to the job.
    pub next: &'a str,
}

/// Asks until when a job's files are to be kept; posts `until` (a date, or `date` for the one in
/// the field `date`) to `/jobs/N/keep`.
pub fn keep(f: &Frame, v: &JobView, p: &KeepPage) -> Markup {
    let job = &v.job;
    let field = Field::new("until", "Another day", p.problems);
    let back = if p.next.is_empty() { format!("/jobs/{}", job.id) } else { p.next.to_owned() };
    narrow(
        f,
        v,
        &format!("Keep job {} longer", job.id),
        html! {
            (summary(p.problems, |problem| id(&problem.field)))
            @if let Some(kept) = kept(v) { p { "Now kept: " (kept) "." } }
            form method="post" action={ "/jobs/" (job.id) "/keep" } class="card" {
                @if let Some(session) = f.session { (csrf(session)) }
                input type="hidden" name="next" value=(p.next);
                fieldset class="checks" {
                    legend { "Keep the files" }
                    @for (label, date, at) in p.choices {
                        label {
                            input type="radio" name="until" value=(date) checked[p.choice == date];
                            " " (label) ", until " (human::day(*at))
                        }
                    }
                    label {
                        input type="radio" name="until" value="date" checked[p.choice == "date"];
                        " Until the day below"
                    }
                }
                (field.around(html! {
                    input id=(field.id) type="date" name="date" value=(p.date) max=(p.latest)
                        aria-describedby=[field.described()] aria-invalid=[field.invalid()];
                }))
                div class="buttons" {
                    button class="main" type="submit" { "Keep longer" }
                    a class="btn" href=(back) { "Back" }
                }
            }
        },
    )
}

/// Asks whether a job's files are really to be deleted; posts to `/jobs/N/delete`.
pub fn delete_confirm(f: &Frame, v: &JobView) -> Markup {
    let job = &v.job;
    let artifacts = !job.result.artifacts.is_empty() && v.kept.files_gone().is_none();
    narrow(
        f,
        v,
        &format!("Delete the files of job {}?", job.id),
        html! {
            p { "The job stays in the list and says that its files are gone. This cannot be undone." }
            @if artifacts { (table(job, false)) }
            p class="meta" {
                "Log: " (human::size(job.result.log_size)) " · definition: "
                (human::size(job.request.definition_size))
            }
            form method="post" action={ "/jobs/" (job.id) "/delete" } class="buttons" {
                @if let Some(session) = f.session { (csrf(session)) }
                button class="danger" type="submit" { "Delete the files" }
                a class="btn" href={ "/jobs/" (job.id) } { "Keep them" }
            }
        },
    )
}

fn narrow(f: &Frame, v: &JobView, title: &str, body: Markup) -> Markup {
    let job = &v.job;
    let crumbs = crumbs_to(job);
    let mut about = About::new(title, Tab::Queue);
    about.crumbs = &crumbs;
    about.shape = "start";
    page(
        f,
        about,
        html! {
            p class="lead" {
                (job_badge(v)) " " strong { (job.name) } ", " (job.image_type) " for " (job.arch)
                ", by " (job.owner)
            }
            (body)
        },
    )
}

/// A class of files, as a page calls it.
pub(super) fn class_word(class: Class) -> &'static str {
    match class {
        Class::Images => "Images",
        Class::Leftovers => "Leftovers",
        Class::Logs => "Log and definition",
        Class::Records => "Record",
    }
}
