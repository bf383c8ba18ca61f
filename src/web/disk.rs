//! The Disk page and what is done there.

use super::{
    Reply, Screens, Visit, WebError, error::WayOut, flash::Notice, job::blocking, pages, reply,
};
use crate::app::{App, AppError, Chore, Receipt};
use http::{HeaderValue, StatusCode, header};

/// Rows of a preview.
pub(super) const ROWS: usize = 200;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("admin.disk", disk)
        .on("admin.disk.preview", preview)
        .on("admin.disk.run", |visit| start(visit, Chore::Cleanup))
        .on("admin.disk.receipt", receipt)
        .on("admin.orphans.compare", |visit| start(visit, Chore::Orphans))
        .on("admin.orphans.delete", confirm_orphans)
        .on("admin.orphans.delete.post", delete_orphans)
}

async fn disk(visit: Visit) -> Reply {
    let view = visit.app.disk_page(visit.actor()?, visit.now).await?;
    Ok(reply::page(pages::disk(&visit.frame(), &view)))
}

async fn preview(visit: Visit) -> Reply {
    let view = preview_now(&visit).await?;
    Ok(reply::page(pages::preview(&visit.frame(), &view)))
}

/// What a cleanup would do now.
pub(super) async fn preview_now(visit: &Visit) -> Result<crate::app::CleanupPreview, WebError> {
    let (app, actor, now) = (visit.app.clone(), visit.actor()?.clone(), visit.now);
    blocking(move || app.cleanup_preview(&actor, ROWS, now)).await
}

async fn start(visit: Visit, chore: Chore) -> Reply {
    visit.app.start_chore(visit.actor()?, chore)?;
    let notice = Notice::ChoreStarted(chore);
    Ok(reply::see_other_with("/admin/disk", &notice, visit.secure))
}

async fn receipt(visit: Visit) -> Reply {
    let receipt = receipt_of(&visit)?;
    let progress = visit.app.run_progress(receipt.run).filter(|_| receipt.ended.is_none());
    let mut response = reply::page(pages::receipt(&visit.frame(), &receipt, progress.as_ref()));
    if progress.is_some() {
        // Without a script, and only as long as there is something to see.
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static("2"));
    }
    Ok(response)
}

/// The receipt that the path's `{run}` names.
pub(super) fn receipt_of(visit: &Visit) -> Result<Receipt, WebError> {
    let given = visit.param("run");
    let way_out = || WayOut::new("Go to the disk page", "/admin/disk");
    let Ok(run) = given.parse() else {
        let shown: String = given.chars().take(20).collect();
        let message = format!("`{shown}` is no number of a cleanup run");
        let error = WebError::new(StatusCode::NOT_FOUND, "Not found", message);
        return Err(error.way_out(way_out()));
    };
    let found = visit.app.receipt(visit.actor()?, run);
    found.map_err(|error| WebError::from(error).way_out(way_out()))
}

async fn confirm_orphans(visit: Visit) -> Reply {
    match visit.app.orphans().filter(crate::app::Orphans::any) {
        Some(found) => Ok(reply::page(pages::orphans_confirm(&visit.frame(), &found))),
        None => Ok(reply::see_other("/admin/disk#orphans")),
    }
}

async fn delete_orphans(visit: Visit) -> Reply {
    let (app, actor, now) = (visit.app.clone(), visit.actor()?.clone(), visit.now);
    let done: Result<u64, WebError> =
        blocking(move || -> Result<u64, AppError> { app.delete_orphans(&actor, now) }).await;
    done.map_err(|error| error.way_out(WayOut::new("Go to the disk page", "/admin/disk")))?;
    Ok(reply::see_other_with("/admin/disk", &Notice::OrphansDeleted, visit.secure))
}
