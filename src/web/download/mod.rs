//! Files to keep: artifacts, logs and definitions.

use super::Screens;
use crate::app::App;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
}
