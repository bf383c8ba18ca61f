//! The health page.

use super::frame::{About, Frame, Tab, page};
use crate::app::HealthView;
use maud::{Markup, html};

/// How the box is.
pub fn health(f: &Frame, _v: &HealthView) -> Markup {
    page(f, About::new("Health", Tab::Admin), html! {})
}
