//! When chores run: all of them, and the form of one.

use super::{
    admin::{Section, admin},
    field::{Field, id, summary},
    frame::{Frame, csrf, icon},
    human,
    logline::plain,
};
use crate::{
    app::{Chore, LastRun, Problem, ScheduleView},
    domain::{Timestamp, Verb},
};
use maud::{Markup, html};
use std::time::Duration;

/// What a chore is called, and what it does.
pub(in crate::web) fn chore_words(chore: Chore) -> (&'static str, &'static str) {
    match chore {
        Chore::Cleanup => ("Cleanup", "Deletes what the rules no longer keep."),
        Chore::Orphans => {
            ("Comparison", "Compares files with records, both ways; deletes nothing.")
        }
        Chore::ExpireSessions => ("Ended sessions", "Removes ended sessions and expired tokens."),
        Chore::Backup => ("Backup", "Writes an export of the store; the last seven are kept."),
        Chore::Verify => ("Verification", "Reads kept images and compares their checksums."),
    }
}

/// When chores run, and how the last runs went.
pub fn schedules(f: &Frame, all: &[ScheduleView]) -> Markup {
    let run = f.session.is_some_and(|s| s.actor.verbs.has(Verb::RunCleanup));
    admin(
        f,
        "Schedules",
        (Section::Schedules, false),
        "full",
        html! {
            p class="meta" { "Times are UTC, as the server's. What was missed while the service was off is done at its start." }
            div class="groups" { @for view in all { (chore_card(f, view, run)) } }
        },
    )
}

fn chore_card(f: &Frame, v: &ScheduleView, run: bool) -> Markup {
    let (name, what) = chore_words(v.chore);
    html! {
        section class="card" id=(v.chore.as_str()) {
            h2 { (name) }
            p class="meta" { (what) }
            dl class="pairs" {
                div { dt { "When" } dd { (when(v)) } }
                @if !v.next.is_empty() { div { dt { "Next" } dd { (moments(&v.next)) } } }
                div { dt { "Last run" } dd { (last(f, v)) } }
            }
            @if run {
                div class="buttons" {
                    form method="post" action={ "/admin/schedules/" (v.chore.as_str()) "/run" } {
                        @if let Some(session) = f.session { (csrf(session)) }
                        button type="submit" { "Run now" span class="vh" { ": " (name) } }
                    }
                    a class="btn" href={ "/admin/schedules/" (v.chore.as_str()) } {
                        "Change" span class="vh" { ": " (name) }
                    }
                }
            }
        }
    }
}

fn when(v: &ScheduleView) -> Markup {
    html! {
        (plain(&v.sentence))
        @if !v.text.is_empty() { " " code class="num" { (plain(&v.text)) } }
        @if let Some(original) = &v.original {
            p class="meta" {
                "Changed here; config.toml says "
                @if original.is_empty() { "never" } @else { code class="num" { (plain(original)) } }
            }
        }
    }
}

fn moments(all: &[Timestamp]) -> Markup {
    html! { ul { @for at in all { li { (human::time(*at)) } } } }
}

fn last(f: &Frame, v: &ScheduleView) -> Markup {
    html! {
        @if v.running { p { strong { "Runs now." } } }
        @match &v.last {
            None => "not yet",
            Some(last) => (outcome(f, last)),
        }
    }
}

fn outcome(f: &Frame, last: &LastRun) -> Markup {
    let took = human::span(Duration::from_millis(last.took));
    html! {
        @if last.at > 0 {
            p class={ "verdict " (if last.well { "good" } else { "bad" }) } {
                (icon(if last.well { "done" } else { "alert" }))
                span { @if !last.well { "Not well: " } (plain(&last.outcome)) }
            }
            p class="meta" {
                (human::relative(Timestamp::from_millis(last.at), f.now)) ", took " (took) ", "
                (plain(&last.trigger))
            }
        }
        @if let Some(at) = last.left_out {
            p class="meta" {
                "A run at " (human::time(Timestamp::from_millis(at)))
                " was left out: the one before still ran."
            }
        }
    }
}

/// The form of one chore.
#[derive(Clone, Debug)]
pub struct SchedulePage<'a> {
    /// The chore as it is.
    pub view: &'a ScheduleView,
    /// What was typed.
    pub typed: &'a str,
    /// What is wrong, by field `text`.
    pub problems: &'a [Problem],
    /// What was typed as a sentence, with its next moments, if somebody wanted to see that.
    pub tried: Option<(&'a str, &'a [Timestamp])>,
}

/// The form of one chore; posts `text` and `action` (`save`, `check`, `original` or `off`) to its
/// own address.
pub fn schedule(f: &Frame, p: &SchedulePage) -> Markup {
    let (name, what) = chore_words(p.view.chore);
    let title = format!("When: {name}");
    admin(
        f,
        &title,
        (Section::Schedules, true),
        "start",
        html! {
            (summary(p.problems, |problem| id(&problem.field)))
            p { (what) }
            dl class="pairs" { div { dt { "Now" } dd { (when(p.view)) } } }
            @if let Some((sentence, next)) = p.tried {
                div class="note good" role="status" {
                    (icon("done"))
                    div { p { strong { (plain(sentence)) } } p { "The next times:" } (moments(next)) }
                }
            }
            (schedule_form(f, p))
        },
    )
}

fn schedule_form(f: &Frame, p: &SchedulePage) -> Markup {
    let field = Field::new("text", "Timetable", p.problems).hint(html! {
        "Six fields: second, minute, hour, day, month, weekday, in UTC. " code { "0 */15 * * * *" }
        " is every 15 minutes, " code { "0 30 3 * * *" } " half past three every night."
    });
    html! {
        form method="post" action={ "/admin/schedules/" (p.view.chore.as_str()) } class="card" {
            @if let Some(session) = f.session { (csrf(session)) }
            (field.around(html! {
                input id=(field.id) name="text" type="text" value=(p.typed) maxlength="100"
                    autocomplete="off" autocapitalize="none" spellcheck="false"
                    aria-describedby=[field.described()] aria-invalid=[field.invalid()];
            }))
            div class="buttons" {
                button class="main" type="submit" name="action" value="save" { "Save" }
                button type="submit" name="action" value="check" { "Show the next times" }
                @if p.view.original.is_some() {
                    button type="submit" name="action" value="original" { "As in config.toml" }
                }
                @if !p.view.text.is_empty() {
                    button class="danger" type="submit" name="action" value="off" { "Switch off" }
                }
                a class="btn" href="/admin/schedules" { "Back" }
            }
        }
    }
}
