//! The submit form.

use super::frame::{About, Frame, Tab, page};
use crate::app::{CheckView, Choices, InspectView, NewJob, Problem};
use maud::{Markup, html};

/// Where the definition comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A file of the requester's machine.
    #[default]
    Upload,
    /// Typed or pasted text.
    Paste,
}

impl Source {
    /// The word of the form's `source` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Paste => "paste",
        }
    }

    /// The source a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Upload, Self::Paste].into_iter().find(|s| s.as_str() == word)
    }
}

/// What the submit page shows.
#[derive(Clone, Debug)]
pub struct SubmitPage<'a> {
    /// What can be chosen.
    pub choices: &'a Choices,
    /// Every field as typed; a definition that was uploaded comes back as text.
    pub typed: &'a NewJob,
    /// Which radio button is on.
    pub source: Source,
    /// What is wrong.
    pub problems: &'a [Problem],
    /// What the definition says of itself.
    pub inspect: Option<&'a InspectView>,
    /// What "Check only" found.
    pub check: Option<&'a CheckView>,
}

/// The submit page. It posts multipart/form-data to `/submit` with the fields
/// `csrf`, `source` (`upload` or `paste`), `file` (the upload), `definition` (the pasted text),
/// `definition_name` (the name of an upload that came back as text), `runner`, `name`,
/// `image_type`, `arch`, `queue`, `packages` (one per line), `input_job`, one `option.<id>` per
/// field of the chosen runner (of two values of a name the first counts), and
/// `action` (`submit`, `check` or `inspect`; the last one only shows the form again, with the
/// chosen runner's fields and, if there is a definition, with what it says of itself).
pub fn submit(f: &Frame, _p: &SubmitPage) -> Markup {
    page(f, About::new("Create an image", Tab::Submit), html! {})
}
