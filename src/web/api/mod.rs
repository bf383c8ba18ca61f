//! The HTTP API for programs.

use super::Screens;
use crate::app::App;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
}
