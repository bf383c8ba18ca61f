//! A job's definition.

use super::frame::{About, Frame, Tab, page};
use crate::app::JobView;
use maud::{Markup, html};

/// A job's definition with line numbers, `mark` stressed (`/jobs/N/definition?line=12`).
pub fn definition(f: &Frame, _v: &JobView, _text: &str, _mark: Option<u32>) -> Markup {
    page(f, About::new("Definition", Tab::Queue), html! {})
}
