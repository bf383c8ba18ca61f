//! The pages of one job.

use super::{
    Reply, Screens, Visit, WebError,
    flash::Notice,
    log,
    pages::{self, JobPage, LogAsk, LogPage},
    reply,
};
use crate::{
    app::{App, AppError},
    domain::{Actor, JobId},
};

/// Lines of the log at the end of the job page.
const TAIL: u64 = 200;
/// Bytes of a definition that the job page shows; longer ones have a page of their own.
const SHOWN_DEFINITION: u64 = 64 * 1024;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("job", job)
        .on("job.files", files)
        .on("job.definition", definition)
        .on("job.cancel", confirm_cancel)
        .on("job.cancel.post", cancel)
        .on("job.launch", launch)
        .on("job.retry", retry)
}

async fn job(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?, visit.job_id()?);
    let view = visit.app.job(actor, id, visit.now)?;
    let tail = LogPage { lines: log::tail(&visit, id, TAIL).await?, ask: LogAsk::Nothing };
    let short =
        view.job.request.definition_size <= SHOWN_DEFINITION && view.kept.shelf.logs_gone.is_none();
    let bytes = if short { definition_bytes(&visit.app, actor, id).await? } else { Vec::new() };
    let definition = std::str::from_utf8(&bytes).ok().filter(|_| short);
    Ok(reply::page(pages::job(&visit.frame(), &view, &JobPage { definition, tail: &tail })))
}

async fn definition_bytes(app: &App, actor: &Actor, id: JobId) -> Result<Vec<u8>, WebError> {
    let (app, actor) = (app.clone(), actor.clone());
    blocking(move || app.definition(&actor, id)).await
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, WebError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|e| WebError::internal(&e))??)
}

async fn files(visit: Visit) -> Reply {
    let view = visit.app.job(visit.actor()?, visit.job_id()?, visit.now)?;
    Ok(reply::page(pages::files(&visit.frame(), &view)))
}

async fn definition(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?, visit.job_id()?);
    let view = visit.app.job(actor, id, visit.now)?;
    let bytes = definition_bytes(&visit.app, actor, id).await?;
    let mark = visit.query("line").and_then(|line| line.parse().ok());
    let text = String::from_utf8_lossy(&bytes);
    Ok(reply::page(pages::definition(&visit.frame(), &view, &text, mark)))
}

async fn confirm_cancel(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?, visit.job_id()?);
    let view = visit.app.job(actor, id, visit.now)?;
    actor.allow_cancel(&view.job.owner)?;
    Ok(reply::page(pages::cancel_confirm(&visit.frame(), &view)))
}

async fn cancel(visit: Visit) -> Reply {
    let id = visit.job_id()?;
    visit.app.cancel(visit.actor()?, id, &visit.peer).await?;
    Ok(reply::see_other_with(&format!("/jobs/{id}"), &Notice::Cancelled(id), visit.secure))
}

async fn launch(visit: Visit) -> Reply {
    let id = visit.job_id()?;
    visit.app.launch(visit.actor()?, id, &visit.peer).await?;
    Ok(reply::see_other_with(&format!("/jobs/{id}"), &Notice::Launched(id), visit.secure))
}

async fn retry(visit: Visit) -> Reply {
    let id = visit.job_id()?;
    let new = visit.app.retry(visit.actor()?, id, &visit.peer, visit.now).await?;
    Ok(reply::see_other_with(&format!("/jobs/{new}"), &Notice::Submitted(new), visit.secure))
}
