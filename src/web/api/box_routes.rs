//! The box over the API: what it can build, how it is, passwords and backups.

use super::{
    convert,
    types::{PasswordJson, VersionJson},
};
use crate::{
    domain::Verb,
    web::{Reply, Visit, reply},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, Method, StatusCode, header};
use tokio_util::io::ReaderStream;

/// Bytes of a backup at a time.
const CHUNK: usize = 64 * 1024;

/// `GET /api/v1/choices`
pub async fn choices(visit: Visit) -> Reply {
    let choices = visit.app.choices(visit.actor()?)?;
    Ok(reply::json(StatusCode::OK, &convert::choices(choices)))
}

/// `GET /api/v1/plugins`
pub async fn plugins(visit: Visit) -> Reply {
    let proof = visit.actor()?.allow(Verb::ViewHealth)?;
    let health = visit.app.health(&proof, visit.now).await?;
    Ok(reply::json(StatusCode::OK, &convert::plugins(health.runners)))
}

/// `GET /api/v1/version`
pub async fn version(visit: Visit) -> Reply {
    let version = VersionJson {
        name: "img".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        user: visit.actor()?.user.to_string(),
    };
    Ok(reply::json(StatusCode::OK, &version))
}

/// `GET /api/v1/health`
pub async fn health(visit: Visit) -> Reply {
    let proof = visit.actor()?.allow(Verb::ViewHealth)?;
    let health = visit.app.health(&proof, visit.now).await?;
    Ok(reply::json(StatusCode::OK, &convert::health(health)))
}

/// `POST /api/v1/users/{user}/password`, on the box itself only.
pub async fn password(mut visit: Visit) -> Reply {
    let new = visit.json::<PasswordJson>().await?;
    let (user, now) = (visit.param("user"), visit.now);
    visit.app.admin_set_password(visit.actor()?, user, &new.password, (&visit.peer, now)).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `GET /api/v1/backup`
pub async fn backup(visit: Visit) -> Reply {
    let proof = visit.actor()?.allow(Verb::Backup)?;
    if visit.method == Method::HEAD {
        return Ok(reply::typed(StatusCode::OK, "application/octet-stream", Bytes::new()));
    }
    let export = tokio::fs::File::from_std(visit.app.backup(&proof)?);
    let chunks = ReaderStream::with_capacity(export, CHUNK).boxed();
    let mut response = reply::stream(StatusCode::OK, "application/octet-stream", chunks);
    let name = HeaderValue::from_static("attachment; filename=\"img.backup\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}
