//! What a definition says of itself, and what "Check only" found.

use crate::app::InspectView;
use maud::{Markup, html};

/// What a script puts beside the text after an upload or a paste was looked at.
pub fn inspect_fragment(_v: &InspectView) -> Markup {
    html! {}
}
