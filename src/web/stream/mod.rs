//! Events for the scripts of pages: the queue's rows and a job's log while they change.

use super::Screens;
use crate::app::App;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
}
