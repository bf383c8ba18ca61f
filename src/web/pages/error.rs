//! Pages that stand between a person and what they asked for.

use super::frame::{About, Frame, Tab, page};
use crate::app::JobView;
use maud::{Markup, html};

/// What an error page says.
#[derive(Clone, Debug)]
pub struct ErrorPage<'a> {
    /// HTTP status.
    pub status: u16,
    /// A few words.
    pub title: &'a str,
    /// One sentence.
    pub message: &'a str,
    /// Label and address of the way out.
    pub way_out: Option<(&'a str, &'a str)>,
}

/// An error page; the request id is its reference.
pub fn error(f: &Frame, p: &ErrorPage) -> Markup {
    page(f, About::new(p.title, Tab::None), html! {})
}

/// Asks whether a job is really to be stopped; posts to `/jobs/N/cancel`.
pub fn cancel_confirm(f: &Frame, _v: &JobView) -> Markup {
    page(f, About::new("Cancel", Tab::Queue), html! {})
}
