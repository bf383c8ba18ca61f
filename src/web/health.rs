//! The Admin tab: how the box is.

use super::{Reply, Screens, Visit, pages, reply};
use crate::{app::App, domain::Verb};

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("admin.health", health)
}

async fn health(visit: Visit) -> Reply {
    let proof = visit.actor()?.allow(Verb::ViewHealth)?;
    let view = visit.app.health(&proof, visit.now).await?;
    Ok(reply::page(pages::health(&visit.frame(), &view)))
}
