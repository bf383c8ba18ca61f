//! The page of a log: which lines somebody asks for, and what they search for.

use super::{
    Reply, Screens, Visit, WebError,
    find::{Found, Needle, Wanted, search},
    job::blocking,
    lines::{self, Piece},
    pages::{
        self, LogAsk, LogLines, LogPage,
        logline::{self, Rows},
    },
    reply,
};
use crate::{
    app::{App, AppError, LogView},
    domain::JobId,
};
use http::StatusCode;
use std::{io, time::Duration};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// Lines at the end of a log that its page shows.
const TAIL: u64 = 2000;
/// Lines of any other part of it, and of what a script takes at once.
const PER_PAGE: u64 = 1000;
/// Lines that were found on a page.
const HITS: usize = 100;

/// Logs that are searched at once: a search is work for one processor, and there is other work.
static SEARCHES: Semaphore = Semaphore::const_new(2);
/// Longest one waits for another to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("job.log", log)
}

/// A part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    End,
    From(u64),
    Before(u64),
    Around(u64),
}

impl Part {
    fn of(visit: &Visit) -> Self {
        let number = |name| visit.query(name).and_then(|n| n.parse::<u64>().ok());
        match (number("line").filter(|n| *n > 0), number("from"), number("before")) {
            (Some(line), _, _) => Self::Around(line),
            (None, Some(from), _) => Self::From(from.max(1)),
            (None, None, Some(end)) => Self::Before(end),
            (None, None, None) => Self::End,
        }
    }

    fn read(self, view: &LogView) -> io::Result<Piece> {
        match self {
            Self::End => lines::tail(view, TAIL),
            Self::From(line) => lines::page(view, line, PER_PAGE, None),
            Self::Before(line) => lines::before(view, line, PER_PAGE),
            Self::Around(line) => {
                let from = line.saturating_sub(PER_PAGE / 2).max(1);
                lines::page(view, from, PER_PAGE, Some(line))
            }
        }
    }

    fn mark(self) -> Option<u64> {
        match self {
            Self::Around(line) => Some(line),
            Self::End | Self::From(_) | Self::Before(_) => None,
        }
    }
}

/// The last `count` lines of a log.
///
/// # Errors
/// There is no such job, or its log cannot be read.
pub(super) async fn tail(visit: &Visit, id: JobId, count: u64) -> Result<LogLines, WebError> {
    rendered(visit, id, None, move |view| lines::tail(view, count)).await
}

/// Reads and renders a piece of a log away from the threads that answer others.
async fn rendered(
    visit: &Visit,
    id: JobId,
    mark: Option<u64>,
    read: impl FnOnce(&LogView) -> io::Result<Piece> + Send + 'static,
) -> Result<LogLines, WebError> {
    with_log(visit, id, move |view| {
        let live = !view.progress.borrow().ended;
        let piece = read(view)?;
        let rows = Rows { first: piece.from_line, mark, times: &piece.times };
        Ok(LogLines {
            html: logline::render_rows(&piece.bytes, rows),
            from_line: piece.from_line,
            to_line: piece.to_line,
            lines: piece.lines,
            size: piece.size,
            gzip: piece.gzip,
            mark,
            live: live.then_some(piece.end_offset),
        })
    })
    .await
}

async fn with_log<T: Send + 'static>(
    visit: &Visit,
    id: JobId,
    read: impl FnOnce(&LogView) -> io::Result<T> + Send + 'static,
) -> Result<T, WebError> {
    let (app, actor) = (visit.app.clone(), visit.actor()?.clone());
    blocking(move || {
        let view = app.log(&actor, id)?;
        read(&view).map_err(|e| AppError::internal("the log cannot be read just now", e))
    })
    .await
}

async fn log(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?, visit.job_id()?);
    let view = visit.app.job(actor, id, visit.now)?;
    if view.kept.shelf.logs_gone.is_some() {
        return Err(AppError::gone(id).into());
    }
    let part = Part::of(&visit);
    let ask = match first_error(&visit, id).await? {
        Some(Ok(line)) => {
            return Ok(reply::see_other(&format!("/jobs/{id}/log?line={line}#L{line}")));
        }
        Some(Err(searched)) => LogAsk::Error(searched),
        None => text(&visit, id, part).await?,
    };
    let lists = matches!(&ask, LogAsk::Text { answer: Ok(_), at: None, .. });
    let read = move |view: &LogView| match lists {
        // How much there is, and next to nothing of it.
        true => lines::tail(view, 1),
        false => part.read(view),
    };
    let lines = rendered(&visit, id, part.mark(), read).await?;
    let refused = matches!(&ask, LogAsk::Text { answer: Err(_), .. });
    let status = if refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(reply::html(status, pages::log(&visit.frame(), &view, &LogPage { lines, ask })))
}

/// The line of the first error, or where there is none; `None` if nobody asks for it.
async fn first_error(visit: &Visit, id: JobId) -> Result<Option<Result<u64, Found>>, WebError> {
    if visit.query("error").is_none_or(|which| which != "first") {
        return Ok(None);
    }
    let needle = Needle::errors().map_err(|why| WebError::internal(&why))?;
    let found = searched(visit, id, needle, Wanted { from: 1, most: 1, only: true }).await?;
    Ok(Some(found.hits.first().map(|hit| hit.line).ok_or(found)))
}

/// What was asked with `?q=`: a list of lines, or the one that is shown and its neighbours.
async fn text(visit: &Visit, id: JobId, part: Part) -> Result<LogAsk, WebError> {
    let Some(text) = visit.query("q") else { return Ok(LogAsk::Nothing) };
    let (text, case) = (text.into_owned(), visit.query("case").is_some());
    let after = visit.query("after").and_then(|line| line.parse::<u64>().ok());
    let (at, wanted) = match part.mark() {
        Some(line) => (Some(line), Wanted { from: line, most: 2, only: false }),
        None => {
            let from = after.unwrap_or(0).saturating_add(1);
            (None, Wanted { from, most: HITS, only: false })
        }
    };
    let answer = match Needle::text(&text, case) {
        Ok(needle) => Ok(searched(visit, id, needle, wanted).await?),
        Err(why) => Err(why),
    };
    Ok(LogAsk::Text { text, case, answer, at })
}

async fn searched(
    visit: &Visit,
    id: JobId,
    needle: Needle,
    wanted: Wanted,
) -> Result<Found, WebError> {
    let turn = turn().await?;
    with_log(visit, id, move |view| {
        // Held until the work is done, whether or not somebody still waits for it.
        let _turn = turn;
        search(view, &needle, wanted)
    })
    .await
}

async fn turn() -> Result<SemaphorePermit<'static>, WebError> {
    match timeout(PATIENCE, SEARCHES.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => {
            let message = "others are searching logs just now: try again in a few seconds";
            let error = WebError::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", message);
            Err(error.retry_after(PATIENCE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_search_at_once_and_a_third_is_told_to_come_back() {
        let (first, second) = (turn().await.unwrap(), turn().await.unwrap());
        let busy = turn().await.map(drop).unwrap_err();
        assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(busy.message.contains("others are searching") && busy.retry_after.is_some());
        drop(first);
        let third = turn().await.unwrap();
        drop((second, third));
    }
}
