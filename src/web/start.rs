//! The start page.

use super::{Reply, Screens, Visit, pages, reply};
use crate::app::App;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("start", start)
}

async fn start(visit: Visit) -> Reply {
    let view = visit.app.start_page(visit.actor()?, visit.now)?;
    Ok(reply::page(pages::start(&visit.frame(), &view)))
}
