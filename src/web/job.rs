//! The pages of one job.

use super::{
    Reply, Screens, Visit, WebError,
    flash::Notice,
    lines::{self, Piece},
    pages::{self, JobPage, LogPage, LogTail, logline},
    reply,
};
use crate::{
    app::{App, AppError, LogView},
    domain::{Actor, JobId},
};
use maud::PreEscaped;

/// Lines of the log at the end of the job page.
const TAIL: u64 = 200;
/// Lines on a page of the log.
const PER_PAGE: u64 = 1000;
/// Bytes of a definition that the job page shows; longer ones have a page of their own.
const SHOWN_DEFINITION: u64 = 64 * 1024;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("job", job)
        .on("job.log", log)
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
    let (tail, ended) = piece(&visit.app, actor, id, lines::tail).await?;
    let short =
        view.job.request.definition_size <= SHOWN_DEFINITION && view.kept.shelf.logs_gone.is_none();
    let bytes = if short { definition_bytes(&visit.app, actor, id).await? } else { Vec::new() };
    let definition = std::str::from_utf8(&bytes).ok().filter(|_| short);
    let tail = LogTail {
        html: PreEscaped(logline::render_lines(&tail.bytes, tail.from_line)),
        from_line: tail.from_line,
        next_offset: tail.next_offset,
        lines: tail.lines,
        ended,
    };
    Ok(reply::page(pages::job(&visit.frame(), &view, &JobPage { definition, tail: &tail })))
}

/// Reads a piece of a log away from the threads that answer others; says whether it has ended.
async fn piece(
    app: &App,
    actor: &Actor,
    id: JobId,
    read: impl FnOnce(&LogView, u64) -> std::io::Result<Piece> + Send + 'static,
) -> Result<(Piece, bool), WebError> {
    let (app, actor) = (app.clone(), actor.clone());
    blocking(move || {
        let view = app.log(&actor, id)?;
        let ended = view.progress.borrow().ended;
        let piece = read(&view, TAIL)
            .map_err(|e| AppError::internal("the log cannot be read just now", e))?;
        Ok((piece, ended))
    })
    .await
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

async fn log(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?, visit.job_id()?);
    let view = visit.app.job(actor, id, visit.now)?;
    if view.kept.shelf.logs_gone.is_some() {
        return Err(AppError::gone(id).into());
    }
    let number = |name: &str| visit.query(name).and_then(|n| n.parse::<u64>().ok());
    let mark = number("line").filter(|line| *line > 0);
    let from = first_line(number("from"), mark);
    let read = move |view: &LogView, _| lines::page(view, from, PER_PAGE, mark);
    let (piece, ended) = piece(&visit.app, actor, id, read).await?;
    let page = LogPage {
        html: PreEscaped(logline::render_marked(&piece.bytes, piece.from_line, mark)),
        from_line: piece.from_line,
        per_page: PER_PAGE,
        lines: piece.lines,
        size: piece.size,
        mark,
        ended,
    };
    Ok(reply::page(pages::log(&visit.frame(), &view, &page)))
}

/// Where the page begins: where it was asked to, or so that the marked line has some before it.
fn first_line(from: Option<u64>, mark: Option<u64>) -> u64 {
    match (from, mark) {
        (Some(from), _) => from.max(1),
        (None, Some(mark)) => mark.saturating_sub(PER_PAGE / 2).max(1),
        (None, None) => 1,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_log_begins_where_it_is_asked_to() {
        assert_eq!(first_line(None, None), 1);
        assert_eq!(first_line(Some(0), None), 1);
        assert_eq!(first_line(Some(1001), Some(7)), 1001);
        assert_eq!(first_line(None, Some(812)), 312);
        assert_eq!(first_line(None, Some(3)), 1);
    }
}
