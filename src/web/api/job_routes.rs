//! Jobs over the API.

use super::{
    convert, list, new_job,
    types::{FilesJson, JobsJson},
};
use crate::{
    app::App,
    domain::JobId,
    web::{Reply, Visit, WebError, Who, reply},
};
use http::{HeaderValue, StatusCode, header};
use serde::de::IgnoredAny;

/// `POST /api/v1/jobs`
pub async fn submit(mut visit: Visit) -> Reply {
    let job = new_job::read(&mut visit).await?;
    let id = visit.app.submit(visit.actor()?, job, &visit.peer, visit.now).await?;
    created(&visit, id)
}

/// `POST /api/v1/jobs/{job}/retry`
pub async fn retry(mut visit: Visit) -> Reply {
    visit.json::<IgnoredAny>().await?;
    let id = visit.job_id()?;
    let new = visit.app.retry(visit.actor()?, id, &visit.peer, visit.now).await?;
    created(&visit, new)
}

/// A new job, and where it is.
fn created(visit: &Visit, id: JobId) -> Reply {
    let mut response = one(visit, id, StatusCode::CREATED)?;
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/jobs/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `POST /api/v1/jobs/check`
pub async fn check(mut visit: Visit) -> Reply {
    let job = new_job::read(&mut visit).await?;
    let found = visit.app.check(visit.actor()?, job, visit.now).await?;
    Ok(reply::json(StatusCode::OK, &convert::check(found)))
}

/// `GET /api/v1/jobs`
pub async fn jobs(visit: Visit) -> Reply {
    let pairs: Vec<_> = visit.query_pairs().collect();
    let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let wanted = list::wanted(pairs)?;
    let (actor, now) = (visit.actor()?, visit.now);
    let page = visit.app.queue_page(actor, &wanted.filter, wanted.cursor, wanted.limit, now)?;
    let console = console(&visit);
    let jobs = JobsJson {
        jobs: page.rows.iter().map(|row| convert::job(row, now, console)).collect(),
        older: page.older.map(JobId::get),
        newer: page.newer.map(JobId::get),
        total: page.total,
    };
    Ok(reply::json(StatusCode::OK, &jobs))
}

/// `GET /api/v1/jobs/{job}`
pub async fn job(visit: Visit) -> Reply {
    one(&visit, visit.job_id()?, StatusCode::OK)
}

/// `GET /api/v1/jobs/{job}/files`
pub async fn files(visit: Visit) -> Reply {
    let view = visit.app.job(visit.actor()?, visit.job_id()?, visit.now)?;
    let files = convert::artifacts(&view, console(&visit));
    Ok(reply::json(StatusCode::OK, &FilesJson { job: view.job.id.get(), files }))
}

/// `POST /api/v1/jobs/{job}/cancel`
pub async fn cancel(mut visit: Visit) -> Reply {
    visit.json::<IgnoredAny>().await?;
    let id = visit.job_id()?;
    visit.app.cancel(visit.actor()?, id, &visit.peer).await?;
    one(&visit, id, StatusCode::OK)
}

/// `POST /api/v1/jobs/{job}/launch`
pub async fn launch(mut visit: Visit) -> Reply {
    visit.json::<IgnoredAny>().await?;
    let id = visit.job_id()?;
    visit.app.launch(visit.actor()?, id, &visit.peer).await?;
    one(&visit, id, StatusCode::OK)
}

pub(super) fn one(
    visit: &Visit,
    id: JobId,
    status: StatusCode,
) -> Result<reply::Response, WebError> {
    let view = visit.app.job(visit.actor()?, id, visit.now)?;
    Ok(reply::json(status, &convert::job(&view, visit.now, console(visit))))
}

/// Somebody on the box itself is told where files lie.
fn console(visit: &Visit) -> Option<&App> {
    match visit.who {
        Who::Console(_) => Some(&visit.app),
        Who::Nobody | Who::Session(_) | Who::Token(_) => None,
    }
}
