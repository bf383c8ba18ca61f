//! The head of a job's page.

use crate::{app::JobView, domain::Timestamp};
use maud::{Markup, html};

/// Status, explanation, phases, progress, place and estimate; sent alone when the job changed.
pub fn job_head(_v: &JobView, _now: Timestamp) -> Markup {
    html! {}
}
