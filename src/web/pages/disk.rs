//! The Disk page: what fills the volume, how fast, what goes next, and what cleanups did.

use super::{
    admin::{Section, admin},
    frame::{Frame, csrf, icon},
    human,
    keeping::{class_word, pin_form},
    logline::plain,
};
use crate::{
    app::{DiskView, NextRow, Orphans, Receipt, Taker},
    domain::{Timestamp, Verb},
};
use maud::{Markup, html};

/// Width of the drawings, in their own units.
const WIDTH: u64 = 1000;
/// Height of the receipts' bars, in their own units.
const HEIGHT: u64 = 60;
/// Beyond that a forecast says nothing.
const FAR: u64 = 365;
/// Names that are listed of what a comparison found.
const NAMES: usize = 20;

/// What fills the volume, what goes next, and what cleanups did.
pub fn disk(f: &Frame, v: &DiskView) -> Markup {
    let may = |verb| f.session.is_some_and(|s| s.actor.verbs.has(verb));
    let run = may(Verb::RunCleanup);
    admin(
        f,
        "Disk",
        (Section::Disk, false),
        "full",
        html! {
            section { h2 { "Space" } (space(v)) }
            section {
                h2 { "Cleanup" }
                (next_run(f, v, run))
            }
            section { h2 { "Goes next" } (goes_next(f, v, may(Verb::Pin))) }
            section { h2 { "Past cleanups" } (receipts(&v.receipts)) }
            section id="orphans" { h2 { "Files without a record" } (orphans(f, v, run)) }
        },
    )
}

/// What a part of the volume is called.
fn taker_word(taker: Taker) -> &'static str {
    match taker {
        Taker::Images => "Images",
        Taker::Logs => "Logs",
        Taker::Leftovers => "Leftovers",
        Taker::Builds => "Builds going on",
        Taker::Caches => "Runner caches",
        Taker::Store => "Store",
        Taker::Backups => "Backups",
        Taker::Ballast => "Ballast",
        Taker::Trash => "Trash",
        Taker::Foreign => "Used by others",
    }
}

fn space(v: &DiskView) -> Markup {
    let Some((total, free)) = v.space else {
        return html! {
            p class="note bad" { (icon("alert")) span { "The volume does not answer: see the service's log." } }
        };
    };
    let used = total.saturating_sub(free);
    let percent = u128::from(used) * 100 / u128::from(total.max(1));
    html! {
        @if free < v.emergency_below {
            p class="note warn" {
                (icon("alert"))
                span {
                    "Nearly full: cleanups take more than their rules until "
                    (human::size(v.resume_above)) " are free."
                }
            }
        }
        @if v.holds {
            p class="note warn" {
                (icon("pause"))
                span { "New builds wait until " (human::size(v.resume_above)) " are free." }
            }
        }
        p {
                strong { (human::size(used)) " of " (human::size(total)) " used" }
                " (" (percent) " %), " (human::size(free)) " free. "
                @if v.reserved > 0 { "Builds that go on may still write " (human::size(v.reserved)) ". " }
                (forecast(v, free))
            }
        div class="phases" {
            (stacked(v, total))
            ol {
                @for (at, (taker, bytes)) in v.parts.iter().enumerate() {
                    li class={ "p" (at) } { span { (taker_word(*taker)) } " " (human::size(*bytes)) }
                }
            }
        }
        p class="meta" {
            "Below " (human::size(v.hold_below)) " free no build starts, until "
            (human::size(v.resume_above)) " are free. Below " (human::size(v.emergency_below))
            ", marked in the bar, a cleanup takes leftovers and the images that were needed longest ago, until "
            (human::size(v.resume_above)) " are free."
            @if v.budget < 100 { " Images go by size when more than " (v.budget) " % are used." }
        }
    }
}

/// "Full in about 3 days at this rate."
fn forecast(v: &DiskView, free: u64) -> String {
    let Some(days) = free.checked_div(v.growth) else {
        return "No growth over the last week.".to_owned();
    };
    let rate = format!("it grows by {} a day", human::size_text(v.growth));
    match days {
        0 => format!("Full within a day at this rate: {rate}."),
        1 => format!("Full in about 1 day at this rate: {rate}."),
        2..=FAR => format!("Full in about {days} days at this rate: {rate}."),
        _ => format!("Not full within a year at this rate: {rate}."),
    }
}

/// One bar of everything that takes room, with a mark where an emergency begins.
fn stacked(v: &DiskView, total: u64) -> Markup {
    let share = |bytes: u64| wide(bytes, total);
    let words: Vec<_> = v
        .parts
        .iter()
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(taker, bytes)| format!("{} {}", taker_word(*taker), human::size_text(*bytes)))
        .collect();
    let mut from = 0;
    html! {
        svg class="bar" viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label=(words.join(", ")) {
            @for (at, (_, bytes)) in v.parts.iter().enumerate() {
                @let (x, width) = (share(from), share(from.saturating_add(*bytes)).saturating_sub(share(from)));
                @if width > 0 { rect class={ "p" (at) } x=(x) width=(width) height="16" {} }
                ({ from = from.saturating_add(*bytes); "" })
            }
            @if v.emergency_below < total {
                rect class="limit" x=(share(total - v.emergency_below).min(WIDTH - 3)) width="3" height="16" {}
            }
        }
    }
}

/// `part` of `all` in units of the drawing.
fn wide(part: u64, all: u64) -> u64 {
    let share = u128::from(part) * u128::from(WIDTH) / u128::from(all.max(1));
    u64::try_from(share).map_or(WIDTH, |share| share.min(WIDTH))
}

fn next_run(f: &Frame, v: &DiskView, run: bool) -> Markup {
    html! {
        p {
            @if v.cleaning { "A cleanup runs now: its receipt appears below. " }
            @match v.next_cleanup {
                Some(at) => { "The next one is due " (human::relative(at, f.now)) ". " }
                None => "It is switched off: nothing goes by itself. ",
            }
            a href="/admin/schedules" { "Schedules" }
        }
        div class="buttons" {
            a class="btn" href="/admin/disk/preview" { "Preview" }
            @if run { (run_button(f)) }
        }
    }
}

/// The form that starts a cleanup.
pub(super) fn run_button(f: &Frame) -> Markup {
    html! {
        form method="post" action="/admin/disk/run" {
            @if let Some(session) = f.session { (csrf(session)) }
            button class="main" type="submit" { "Run now" }
        }
    }
}

fn goes_next(f: &Frame, v: &DiskView, pin: bool) -> Markup {
    html! {
        @if v.next.is_empty() {
            p class="empty" { "Nothing goes by its rule." }
        } @else {
            table class="stack" {
                thead {
                    tr {
                        th scope="col" { "Job" } th scope="col" { "What" } th scope="col" { "When" }
                        th scope="col" { "Rule" } th scope="col" { "Size" } th scope="col" { "Action" }
                    }
                }
                tbody { @for row in &v.next { (next_row(f, row, pin)) } }
            }
        }
    }
}

fn next_row(f: &Frame, row: &NextRow, pin: bool) -> Markup {
    let base = format!("/jobs/{}", row.job);
    let token = f.session.map_or("", |s| &s.csrf);
    let own = f
        .session
        .is_some_and(|s| s.actor.user.as_str() == row.owner && s.actor.verbs.has(Verb::KeepOwn));
    // Of a job without files nothing can be kept longer but by a pin.
    let keep = row.class != crate::domain::retention::Class::Logs;
    html! {
        tr {
            th scope="row" { a href=(base) { (row.job) " " (plain(&row.name)) } }
            td data-l="What" { (class_word(row.class)) }
            td data-l="When" {
                @match row.at {
                    Some(at) => (human::day(at)),
                    None => "next cleanup",
                }
            }
            td data-l="Rule" { (plain(&row.why)) }
            td data-l="Size" { (human::size(row.bytes)) }
            td {
                @if keep && (pin || own) {
                    a class="btn small" href={ (base) "/keep?next=/admin/disk" } {
                        "Keep longer" span class="vh" { " job " (row.job) }
                    }
                    " "
                }
                @if pin { (pin_form(&base, token, false, "/admin/disk", "small")) }
            }
        }
    }
}

fn receipts(all: &[Receipt]) -> Markup {
    html! {
        @if all.is_empty() {
            p class="empty" { "No cleanup had anything to do yet." }
        } @else {
            (bars(all))
            table class="stack" {
                thead {
                    tr {
                        th scope="col" { "Run" } th scope="col" { "When" } th scope="col" { "Trigger" }
                        th scope="col" { "Planned" } th scope="col" { "Measured" }
                        th scope="col" { "Items" } th scope="col" { "Errors" } th scope="col" { "Took" }
                    }
                }
                tbody { @for receipt in all { (receipt_row(receipt)) } }
            }
        }
    }
}

fn receipt_row(r: &Receipt) -> Markup {
    let errors = errors(r);
    html! {
        tr {
            th scope="row" { a href={ "/admin/disk/runs/" (r.run) } { (r.run) } }
            td data-l="When" { (human::time(r.begun)) }
            td data-l="Trigger" { (plain(&r.trigger)) }
            td data-l="Planned" { (human::size(r.planned_bytes)) }
            td data-l="Measured" { (human::size(r.bytes)) }
            td data-l="Items" { (human::grouped(r.items)) }
            td data-l="Errors" {
                @if errors > 0 { (icon("alert")) " " }
                (human::grouped(errors))
            }
            td data-l="Took" { (took(r)) }
        }
    }
}

/// How many things went wrong in a run.
pub(super) fn errors(r: &Receipt) -> u64 {
    (r.mishaps.len() as u64).saturating_add(r.more_mishaps)
}

/// How long a run took.
pub(super) fn took(r: &Receipt) -> Markup {
    match r.ended {
        Some(ended) => human::span(ended.since(r.begun)),
        None => html! { "not ended" },
    }
}

/// Freed bytes of each run, the newest on the right.
fn bars(all: &[Receipt]) -> Markup {
    let most = all.iter().map(|r| r.bytes).max().unwrap_or(0);
    let words = format!(
        "Bytes freed by the last {}, the newest on the right; at most {}",
        human::count(all.len() as u64, "cleanup", "cleanups"),
        human::size_text(most)
    );
    let tall = |bytes: u64| u128::from(bytes) * u128::from(HEIGHT) / u128::from(most.max(1));
    html! {
        @if most > 0 {
        svg class="bars" viewBox="0 0 1000 60" preserveAspectRatio="none" role="img" aria-label=(words) {
            @for (at, receipt) in all.iter().rev().enumerate() {
                @let height = tall(receipt.bytes).max(1);
                rect x=(at * 33) y=(u128::from(HEIGHT) - height) width="28" height=(height) {}
            }
        }
        }
    }
}

fn orphans(f: &Frame, v: &DiskView, run: bool) -> Markup {
    html! {
        @match &v.orphans {
            None => p { "Files and records were not compared since the service started." },
            Some(found) => (found_words(found, f.now)),
        }
        @if v.comparing { p { "They are being compared now." } }
        @if run {
            div class="buttons" {
                form method="post" action="/admin/disk/orphans/compare" {
                    @if let Some(session) = f.session { (csrf(session)) }
                    button type="submit" { "Compare now" }
                }
                @if v.orphans.as_ref().is_some_and(Orphans::any) {
                    a class="btn danger" href="/admin/disk/orphans/delete" { "Delete them" }
                }
            }
        }
    }
}

fn found_words(found: &Orphans, now: Timestamp) -> Markup {
    html! {
        p { "Compared " (human::relative(found.at, now)) ": " (orphan_counts(found)) }
        (orphan_lists(found))
    }
}

fn orphan_counts(found: &Orphans) -> String {
    let n = |len: usize, one: &str, many: &str| human::count(len as u64, one, many);
    if !found.any() && found.missing.is_empty() && found.foreign.is_empty() {
        return "everything fits.".to_owned();
    }
    format!(
        "{}, {}, {}, {}.",
        n(found.directories.len(), "directory without a record", "directories without a record"),
        n(
            found.builds.len(),
            "build directory without a build",
            "build directories without a build"
        ),
        human::count(found.trash, "thing in the trash", "things in the trash"),
        n(found.missing.len(), "record whose files are missing", "records whose files are missing"),
    )
}

/// What was found, by name.
fn orphan_lists(found: &Orphans) -> Markup {
    html! {
        ul class="remarks" {
            @for (id, bytes) in found.directories.iter().take(NAMES) {
                li { code { "jobs/" (id.dir_name()) } " " (human::size(*bytes)) }
            }
            @for name in found.builds.iter().take(NAMES) { li { code { "build/" (plain(name)) } } }
            @for id in found.missing.iter().take(NAMES) {
                li { a href={ "/jobs/" (id) } { "Job " (id) } " has lost its files; it says so now" }
            }
            @for name in found.foreign.iter().take(NAMES) {
                li { code { "jobs/" (plain(name)) } " is not of IMG and is never touched" }
            }
        }
    }
}

/// Asks whether what nobody knows is really to be deleted; posts to `/admin/disk/orphans/delete`.
pub fn orphans_confirm(f: &Frame, found: &Orphans) -> Markup {
    let bytes = found.directories.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
    admin(
        f,
        "Delete files without a record?",
        (Section::Disk, true),
        "start",
        html! {
            p { "Found " (human::relative(found.at, f.now)) ": " (orphan_counts(found)) }
            (orphan_lists(found))
            p {
                "Directories without a record, build directories without a build and the trash are deleted, at least "
                (human::size(bytes)) ". It is compared again first: what belongs to a job stays. This cannot be undone."
            }
            form method="post" action="/admin/disk/orphans/delete" class="buttons" {
                @if let Some(session) = f.session { (csrf(session)) }
                button class="danger" type="submit" { "Delete them" }
                a class="btn" href="/admin/disk" { "Keep them" }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_is_a_sentence() {
        let at = |growth| DiskView { growth, ..DiskView::default() };
        assert_eq!(forecast(&at(0), 100), "No growth over the last week.");
        assert!(forecast(&at(30), 100).starts_with("Full in about 3 days at this rate: "));
        assert!(forecast(&at(60), 100).starts_with("Full in about 1 day at"));
        assert!(forecast(&at(200), 100).starts_with("Full within a day"));
        assert!(forecast(&at(1), 1000).starts_with("Not full within a year"));
    }

    #[test]
    fn a_drawing_never_leaves_its_frame() {
        assert_eq!(wide(5, 10), 500);
        assert_eq!(wide(50, 10), WIDTH);
        assert_eq!(wide(u64::MAX, 0), WIDTH);
        let full = DiskView {
            space: Some((10, 0)),
            parts: vec![(Taker::Images, u64::MAX), (Taker::Foreign, 1)],
            emergency_below: u64::MAX,
            ..DiskView::default()
        };
        assert!(space(&full).into_string().contains("(100 %)"));
    }
}
