//! The files of a job.

use super::frame::{About, Frame, Tab, page};
use crate::app::JobView;
use maud::{Markup, html};

/// The files of a job.
pub fn files(f: &Frame, _v: &JobView) -> Markup {
    page(f, About::new("Files", Tab::Queue), html! {})
}
