//! The start page.

use super::frame::{About, Frame, Tab, page};
use crate::app::StartView;
use maud::{Markup, html};

/// The start page.
pub fn start(f: &Frame, _v: &StartView) -> Markup {
    page(f, About::new("Image building", Tab::None), html! {})
}
