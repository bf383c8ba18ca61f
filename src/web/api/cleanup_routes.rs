//! Cleanups over the API.

use super::{
    convert,
    types::{CleanupAskedJson, ReceiptsJson},
};
use crate::web::{Reply, Visit, WebError, disk, reply};
use http::StatusCode;
use serde::de::IgnoredAny;

/// Receipts of one answer.
const MOST: usize = 100;

/// `POST /api/v1/cleanup`
pub async fn start(mut visit: Visit) -> Reply {
    visit.json::<IgnoredAny>().await?;
    let after = visit.app.ask_cleanup(visit.actor()?)?;
    let asked = CleanupAskedJson { asked: convert::moment(visit.now), after };
    Ok(reply::json(StatusCode::ACCEPTED, &asked))
}

/// `GET /api/v1/cleanup/preview`
pub async fn preview(visit: Visit) -> Reply {
    let view = disk::preview_now(&visit).await?;
    Ok(reply::json(StatusCode::OK, &convert::preview(view)))
}

/// `GET /api/v1/cleanup/runs?after=N`
pub async fn runs(visit: Visit) -> Reply {
    let after = match visit.query("after") {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            let message = format!("after is `{text}`: give the number of a run");
            WebError::new(StatusCode::BAD_REQUEST, "No number", message)
        })?,
    };
    let all = visit.app.receipts(visit.actor()?, MOST)?;
    let newer = all.into_iter().filter(|receipt| receipt.run > after);
    let runs = newer.map(convert::receipt).collect();
    Ok(reply::json(StatusCode::OK, &ReceiptsJson { runs }))
}

/// `GET /api/v1/cleanup/runs/{run}`
pub async fn run(visit: Visit) -> Reply {
    let receipt = disk::receipt_of(&visit)?;
    Ok(reply::json(StatusCode::OK, &convert::receipt(receipt)))
}
