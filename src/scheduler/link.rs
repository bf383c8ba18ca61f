//! The connection to a builder with a process of its own, as pages and the dispatcher see it.

use crate::{
    app::{App, BuilderLink, Wish},
    builder::Link,
};
use tokio::sync::watch;

/// Keeps what is known of the builder true until nobody can tell any more: jobs wait while it is
/// away, and start when it is back.
pub async fn follow_link(app: App, mut link: watch::Receiver<Link>) {
    loop {
        let there = note_link(&app, &link.borrow_and_update());
        if there && app.wish(Wish::Wake).is_err() {
            return;
        }
        if link.changed().await.is_err() {
            return;
        }
    }
}

/// The connection is so now; true if jobs may start.
pub fn note_link(app: &App, link: &Link) -> bool {
    let away = link.away();
    let there = away.is_none();
    app.board().set_builder(BuilderLink {
        socket: link.socket.display().to_string(),
        since: link.since,
        program: link.program.clone(),
        sandbox: link.sandbox.clone(),
        away,
        error: link.error.clone(),
    });
    there
}
