//! The downloads as routes; the API serves the same ones.

use super::{
    body::Reader,
    conditions::Version,
    send::{Coding, Offer, Source, send, takes_gzip},
};
use crate::{
    app::{App, AppError, LogFile},
    domain::Timestamp,
    web::{
        Reply, Screens, Visit, WebError,
        error::WayOut,
        reply,
        stream::{self, follow::Follow, parse_offset},
    },
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use std::{io, sync::Arc};
use tokio::sync::watch;

const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("job.log.text", log)
        .on("job.log.gzip", packed_log)
        .on("job.file", file)
        .on("job.image", image)
        .on("job.definition.text", definition)
}

/// An artifact by its name.
///
/// # Errors
/// There is none, or it cannot be opened.
pub async fn file(visit: Visit) -> Reply {
    let name = visit.param("name").to_owned();
    artifact(&visit, &name)
}

/// The artifact that is *the* image.
///
/// # Errors
/// There is none (yet), or it cannot be opened.
pub async fn image(visit: Visit) -> Reply {
    let id = visit.job_id()?;
    let view = visit.app.job(visit.actor()?, id, visit.now)?;
    let Some(image) = view.job.result.image() else {
        let state = view.job.state.kind().as_str();
        let reason = format!("image of job {id}: the job is {state}");
        return Err(AppError::NotFound(reason).into());
    };
    artifact(&visit, &image.name)
}

fn artifact(visit: &Visit, name: &str) -> Reply {
    let view = visit.app.artifact(visit.actor()?, visit.job_id()?, name, visit.now)?;
    let len = view.file.metadata().map_err(|e| WebError::internal(&e))?.len();
    let hash = data_encoding::HEXLOWER.decode(view.artifact.sha256.as_bytes()).ok();
    let version = Version {
        etag: Some(format!("\"{}\"", view.artifact.sha256)),
        modified: seconds(view.modified),
    };
    let offer = Offer {
        source: Source::Artifact(Reader::File(view.file), view.claim),
        len,
        mime: BINARY,
        version,
        name: Some(view.artifact.name),
        sha256: hash.and_then(|hash| hash.try_into().ok()),
        coding: Coding::Only,
    };
    send(visit, offer)
}

fn seconds(moment: Timestamp) -> Option<u64> {
    u64::try_from(moment.as_millis() / 1000).ok()
}

async fn definition(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?, visit.job_id()?);
    let request = visit.app.job(actor, id, visit.now)?.job.request;
    let bytes = Bytes::from(visit.app.definition(actor, id)?);
    let name = match request.definition_name.as_str() {
        "" => format!("job-{id}.txt"),
        name => name.to_owned(),
    };
    let hash = data_encoding::HEXLOWER.decode(request.definition_sha256.as_bytes()).ok();
    let offer = Offer {
        len: bytes.len() as u64,
        source: Source::Memory(bytes),
        mime: TEXT,
        version: Version {
            etag: Some(format!("\"{}\"", request.definition_sha256)),
            modified: None,
        },
        name: Some(name),
        sha256: hash.and_then(|hash| hash.try_into().ok()),
        coding: Coding::Only,
    };
    send(&visit, offer)
}

/// The log as it was printed: whole, a part, or until it ends (`?follow=1`); `?from=` is a byte
/// offset.
///
/// # Errors
/// There is no such job, or its log cannot be opened.
pub async fn log(visit: Visit) -> Reply {
    let (actor, id) = (visit.actor()?.clone(), visit.job_id()?);
    let from = visit.query("from").map(|from| parse_offset(&from, "from")).transpose()?;
    let view = visit.app.log(&actor, id)?;
    if view.file.is_none() && visit.app.job(&actor, id, visit.now)?.kept.shelf.logs_gone.is_some() {
        return Err(AppError::gone(id).into());
    }
    let mut log = stream::followed(&visit.app, &actor, id, view);
    let state = log.state().map_err(|e| WebError::internal(&e))?;
    let live = visit.query("follow").is_some_and(|follow| follow == "1");
    if live || from.is_some() {
        let until = if live { u64::MAX } else { state.len };
        return Ok(flowing(&visit, log, from.unwrap_or(0), until));
    }
    let file = log.file().map_err(|e| WebError::internal(&e))?;
    let packed = file.as_ref().filter(|_| state.ended && wants_gzip(&visit));
    let packed = packed.and_then(|file| Some((Arc::clone(file), file.gzip_len()?)));
    let (source, len, form, coding) = match (packed, file) {
        (Some((log, len)), _) => (Source::File(Reader::Gzip(log)), len, "-gzip", Coding::Gzip),
        (None, Some(log)) => (Source::File(plain(log)?), state.len, "", Coding::Plain),
        (None, None) => (Source::Memory(Bytes::new()), 0, "", Coding::Plain),
    };
    // A log that may still grow is never the same thing twice.
    let etag = state.ended.then(|| format!("\"log-{id}-{}{form}\"", state.len));
    let version = Version { etag, modified: None };
    send(&visit, Offer { source, len, mime: TEXT, version, name: None, sha256: None, coding })
}

/// The log as a gzip file.
///
/// # Errors
/// There is no such job, or its log is not compressed.
async fn packed_log(visit: Visit) -> Reply {
    let id = visit.job_id()?;
    let view = visit.app.log(visit.actor()?, id)?;
    if view.file.is_none()
        && visit.app.job(visit.actor()?, id, visit.now)?.kept.shelf.logs_gone.is_some()
    {
        return Err(AppError::gone(id).into());
    }
    let packed = view.file.and_then(|log| Some((log.gzip_len()?, log)));
    let Some((len, log)) = packed else {
        let message = format!("the log of job {id} is not compressed: take it as it was printed");
        let way_out = WayOut::new("The log as it was printed", format!("/jobs/{id}/log.txt"));
        let error = WebError::new(StatusCode::NOT_FOUND, "Not compressed", message);
        return Err(error.way_out(way_out));
    };
    let version = Version { etag: Some(format!("\"log-{id}-{len}-file\"")), modified: None };
    let offer = Offer {
        source: Source::File(Reader::Gzip(log)),
        len,
        mime: "application/gzip",
        version,
        name: Some(format!("job-{id}.log.gz")),
        sha256: None,
        coding: Coding::Only,
    };
    send(&visit, offer)
}

/// Whether the whole log may go out packed.
fn wants_gzip(visit: &Visit) -> bool {
    visit.header(header::RANGE).is_none()
        && visit.header(header::ACCEPT_ENCODING).is_some_and(takes_gzip)
}

fn plain(log: Arc<LogFile>) -> Result<Reader, WebError> {
    match log.plain().map(std::fs::File::try_clone).transpose() {
        Ok(Some(file)) => Ok(Reader::File(file)),
        Ok(None) => Ok(Reader::Log(log)),
        Err(error) => Err(WebError::internal(&error)),
    }
}

/// The log from byte `from` to byte `until` or its end, as it grows.
fn flowing(visit: &Visit, log: Follow, from: u64, until: u64) -> reply::Response {
    if visit.method == Method::HEAD {
        return reply::typed(StatusCode::OK, TEXT, Bytes::new());
    }
    let flow = Flow { log, offset: from, until, stopping: visit.stopping.clone() };
    let chunks = futures_util::stream::unfold(Some(flow), |flow| async {
        let mut flow = flow?;
        match flow.next().await {
            Ok(bytes) => bytes.map(|bytes| (Ok(bytes), Some(flow))),
            Err(error) => Some((Err(error), None)),
        }
    });
    let mut response = reply::stream(StatusCode::OK, TEXT, chunks);
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response
}

struct Flow {
    log: Follow,
    offset: u64,
    until: u64,
    stopping: watch::Receiver<bool>,
}

impl Flow {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.offset >= self.until {
            return Ok(None);
        }
        let next = tokio::select! {
            bytes = self.log.next(self.offset) => bytes?,
            // Not the end of the log: the reader has to see that the transfer broke.
            () = stream::stopped(&mut self.stopping) => {
                return Err(io::Error::other("the service stops"));
            }
        };
        let left = usize::try_from(self.until - self.offset).unwrap_or(usize::MAX);
        Ok(next.map(|mut bytes| {
            bytes.truncate(left);
            self.offset += bytes.len() as u64;
            bytes
        }))
    }
}
