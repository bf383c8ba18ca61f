//! The page of one job.

use super::frame::{About, Frame, Tab, page};
use crate::app::JobView;
use maud::{Markup, html};

/// The end of a log, rendered.
#[derive(Clone, Debug)]
pub struct LogTail {
    /// Lines from [`render_lines`](super::logline::render_lines).
    pub html: Markup,
    /// Number of the first of them, from 1.
    pub from_line: u64,
    /// Byte offset behind them: the live log goes on there (`/jobs/N/events?from=OFFSET`).
    pub next_offset: u64,
    /// Lines of the whole log.
    pub lines: u64,
    /// Nothing will be appended any more.
    pub ended: bool,
}

/// What the job page shows besides the job.
#[derive(Clone, Debug)]
pub struct JobPage<'a> {
    /// The definition, if it can be shown as text.
    pub definition: Option<&'a str>,
    /// The end of the log.
    pub tail: &'a LogTail,
}

/// The page of one job. Scripts read `/jobs/N/events?from=OFFSET`: `log` (rendered lines, id =
/// byte offset behind them), `head` ([`job_head`](super::job_head)) and `end`.
pub fn job(f: &Frame, v: &JobView, _p: &JobPage) -> Markup {
    page(f, About::new(&format!("Job {}", v.job.id), Tab::Queue), html! {})
}
