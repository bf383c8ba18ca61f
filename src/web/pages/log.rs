//! A page of a log.

use super::frame::{About, Frame, Tab, page};
use crate::app::JobView;
use maud::{Markup, html};

/// What the log page shows.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// Lines from [`render_lines`](super::logline::render_lines).
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

/// A page of a log's lines. `?from=N` begins with line N; `?line=N` shows the page around line N.
pub fn log(f: &Frame, _v: &JobView, _p: &LogPage) -> Markup {
    page(f, About::new("Log", Tab::Queue), html! {})
}
