//! The queue page.

use super::{Reply, Screens, Visit, pages, reply};
use crate::app::App;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("queue", queue)
}

async fn queue(visit: Visit) -> Reply {
    let actor = visit.actor()?;
    let query = query(&visit, actor);
    let view = visit.app.queue_page(actor, &query.filter, query.at, query.size, visit.now)?;
    Ok(reply::page(pages::queue(&visit.frame(), &view, &query)))
}

/// What the address of the queue page (or of its events) asks for.
pub(super) fn query(visit: &Visit, actor: &crate::domain::Actor) -> pages::QueueQuery {
    let pairs: Vec<_> = visit.query_pairs().collect();
    let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    pages::QueueQuery::from_pairs(pairs, &actor.user)
}
