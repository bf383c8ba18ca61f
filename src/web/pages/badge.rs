//! Where a job stands, at a glance: text, shape and colour.

use super::human;
use crate::{
    app::{JobView, Live},
    domain::{Job, JobState, StateKind, Timestamp},
};
use maud::{Markup, html};
use std::time::Duration;

/// The badge of a state. Its shape is drawn by the stylesheet.
pub(super) fn badge(kind: StateKind) -> Markup {
    html! { b class={ "badge " (kind.as_str()) } { (kind.label()) } }
}

/// The badge of a job: a stop that is under way shows, too.
pub(super) fn job_badge(v: &JobView) -> Markup {
    if v.live.stopping && !v.job.state.kind().is_final() {
        html! { b class="badge cancelled" { "STOPPING" } }
    } else {
        badge(v.job.state.kind())
    }
}

/// How long the job waited before it began or ended, if it is worth a word.
pub(super) fn waited(job: &Job, now: Timestamp) -> Option<Duration> {
    let until = job.state.started().or(job.state.ended()).unwrap_or(now);
    Some(until.since(job.submitted)).filter(|span| *span >= Duration::from_secs(1))
}

/// "3rd in the queue".
pub(super) fn place(position: usize) -> String {
    match position {
        0 | 1 => "next in the queue".to_owned(),
        n => format!("{n}{} in the queue", ordinal(n)),
    }
}

fn ordinal(n: usize) -> &'static str {
    match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

/// "done in about 3 min", when the past tells.
pub(super) fn estimate(live: &Live, now: Timestamp) -> Option<Markup> {
    let end = live.expected_end?;
    Some(match end > now {
        true => html! { "done " (human::relative(end, now)) ", probably" },
        false => html! { "takes longer than usual" },
    })
}

/// A progress bar with its numbers; without an end there is none to draw.
pub(super) fn progress(live: &Live) -> Option<Markup> {
    let (done, all, unit) = live.progress.as_ref()?;
    let (done, all) = (*done, all.filter(|all| *all > 0));
    let text = match all {
        Some(all) => format!("{} of {} {unit}", human::grouped(done), human::grouped(all)),
        None => format!("{} {unit}", human::grouped(done)),
    };
    Some(html! {
        span class="prog" {
            @if let Some(all) = all {
                progress max=(all) value=(done.min(all)) aria-label="Progress" {}
            }
            span class="num" { (text) }
        }
    })
}

/// The state as a word that begins a sentence.
pub(super) fn sentence(state: &JobState) -> &'static str {
    match state {
        JobState::Queued => "Waiting for a slot",
        JobState::Building { .. } => "Building",
        JobState::Done { .. } => "Done",
        JobState::Failed { .. } => "Failed",
        JobState::Cancelled { .. } => "Cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_aloud_well() {
        let read: Vec<_> = [1, 2, 3, 4, 11, 21, 112].map(place).to_vec();
        assert_eq!(read[0], "next in the queue");
        assert_eq!(read[1], "2nd in the queue");
        assert_eq!(read[2], "3rd in the queue");
        assert_eq!(read[4], "11th in the queue");
        assert_eq!(read[5], "21st in the queue");
        assert_eq!(read[6], "112th in the queue");
    }
}
