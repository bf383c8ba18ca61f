//! A row of the queue table.

use crate::{app::JobView, domain::Timestamp};
use maud::{Markup, html};

/// A row of the queue table; sent alone when the job changed.
pub fn queue_row(v: &JobView, _now: Timestamp, _csrf: &str) -> Markup {
    html! { tr id={ "job-" (v.job.id) } {} }
}
