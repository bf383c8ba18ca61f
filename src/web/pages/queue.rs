//! The queue page.

use super::{
    QueueQuery,
    frame::{About, Frame, Tab, page},
};
use crate::app::QueueView;
use maud::{Markup, html};

/// The queue page.
pub fn queue(f: &Frame, _v: &QueueView, _q: &QueueQuery) -> Markup {
    page(f, About::new("Image creating job queue", Tab::Queue), html! {})
}
