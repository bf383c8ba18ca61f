//! The two streams of events as routes, and how a job's log becomes one that is followed.

use super::{
    follow::Follow,
    job::JobEvents,
    log_events::LogEvents,
    pulse::{Pulse, Source},
    queue::QueueEvents,
};
use crate::{
    app::{App, LogView},
    domain::{Actor, JobId},
    web::{Reply, Screens, Visit, WebError, pages::QueueQuery, reply},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use std::io;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("job.events", job_events).on("queue.events", queue_events)
}

async fn job_events(visit: Visit) -> Reply {
    let (id, actor, offset) = (visit.job_id()?, visit.actor()?.clone(), offset(&visit)?);
    // First listen, then look: a change in between is told twice rather than never.
    let changes = visit.app.changes();
    let mut view = visit.app.log(&actor, id)?;
    let (index, app, viewer) = (view.index.take(), visit.app.clone(), actor.clone());
    // While nothing was printed there is none yet.
    let find = Box::new(move || index.or_else(|| app.log(&viewer, id).ok()?.index));
    let log = followed(&visit.app, &actor, id, view);
    let log = LogEvents::new(log, find, offset).map_err(|e| WebError::internal(&e))?;
    let pulse = Pulse::new(&visit);
    Ok(events(JobEvents::new(visit.app, actor, id, log, changes, pulse)))
}

async fn queue_events(visit: Visit) -> Reply {
    let session = visit.session()?;
    let (actor, csrf) = (session.actor.clone(), session.csrf.clone());
    let pairs: Vec<_> = visit.query_pairs().collect();
    let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let query = QueueQuery::from_pairs(pairs, &actor.user);
    let again = visit.header("last-event-id").is_some();
    let (changes, pulse) = (visit.app.changes(), Pulse::new(&visit));
    let who = (actor, csrf);
    Ok(events(QueueEvents::new(visit.app, who, query, changes, pulse, again)?))
}

/// The log of a job to be followed.
pub fn followed(app: &App, actor: &Actor, id: JobId, view: LogView) -> Follow {
    let (app, actor) = (app.clone(), actor.clone());
    let reopen = move || match app.log(&actor, id) {
        Ok(view) => Ok(view.file),
        Err(error) => Err(io::Error::other(error)),
    };
    Follow::new(view.file, view.progress, Box::new(reopen))
}

/// The byte after which to go on: where a browser that comes back stopped, or `from`, or the
/// beginning.
fn offset(visit: &Visit) -> Result<u64, WebError> {
    let last = visit.header("last-event-id").filter(|id| !id.is_empty());
    let (given, name) = match (last, visit.query("from")) {
        (Some(last), _) => (last.to_owned(), "Last-Event-ID"),
        (None, Some(from)) => (from.into_owned(), "from"),
        (None, None) => return Ok(0),
    };
    parse_offset(&given, name)
}

/// A byte offset that was given as `name`.
pub(in crate::web) fn parse_offset(given: &str, name: &str) -> Result<u64, WebError> {
    given.parse().map_err(|_| {
        let shown: String = given.chars().take(40).flat_map(char::escape_debug).collect();
        let message = format!("{name} is `{shown}`: give a byte offset in digits");
        WebError::new(StatusCode::BAD_REQUEST, "Not an offset", message)
    })
}

/// Events from `source` as an answer.
fn events<S: Source>(source: S) -> reply::Response {
    let chunks = futures_util::stream::unfold(source, |mut source| async {
        let bytes = source.next().await?;
        Some((Ok::<Bytes, io::Error>(bytes), source))
    });
    let mut response = reply::stream(StatusCode::OK, "text/event-stream", chunks);
    // A reverse proxy that collects an answer before it passes it on would hold back every line.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
