//! What becomes of a job's files, over the API: pin, keep longer, delete.

use super::{job_routes::one, types::KeepJson};
use crate::{
    app::{AppError, Problem},
    domain::Timestamp,
    web::{Reply, Visit, day},
};
use http::StatusCode;
use serde::de::IgnoredAny;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// `POST /api/v1/jobs/{job}/pin`
pub async fn pin(visit: Visit) -> Reply {
    mark(visit, true).await
}

/// `POST /api/v1/jobs/{job}/unpin`
pub async fn unpin(visit: Visit) -> Reply {
    mark(visit, false).await
}

async fn mark(mut visit: Visit, pinned: bool) -> Reply {
    visit.json::<IgnoredAny>().await?;
    let id = visit.job_id()?;
    visit.app.pin(visit.actor()?, id, pinned, &visit.peer, visit.now).await?;
    one(&visit, id, StatusCode::OK)
}

/// `POST /api/v1/jobs/{job}/keep`
pub async fn keep(mut visit: Visit) -> Reply {
    let wanted = visit.json::<KeepJson>().await?;
    let (id, actor) = (visit.job_id()?, visit.actor()?);
    let view = visit.app.job_to_keep(actor, id, visit.now)?;
    let latest = visit.now.plus(view.kept.longest);
    let until = moment(&wanted, visit.now, latest).map_err(|p| AppError::Invalid(vec![p]))?;
    visit.app.keep_longer(actor, id, until, &visit.peer, visit.now).await?;
    one(&visit, id, StatusCode::OK)
}

fn moment(wanted: &KeepJson, now: Timestamp, latest: Timestamp) -> Result<Timestamp, Problem> {
    match (&wanted.until, wanted.days) {
        (Some(day), None) => day::until(day, now, latest),
        // Whether that is too far, or none at all, the rules say.
        (None, Some(days)) => Ok(now.plus(DAY.saturating_mul(days))),
        (None, None) | (Some(_), Some(_)) => {
            Err(Problem::new("until", "give either `until` (a day) or `days`"))
        }
    }
}

/// `POST /api/v1/jobs/{job}/delete`
pub async fn delete(mut visit: Visit) -> Reply {
    visit.json::<IgnoredAny>().await?;
    let id = visit.job_id()?;
    visit.app.delete_job(visit.actor()?, id, &visit.peer, visit.now).await?;
    one(&visit, id, StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_of_day_and_days_is_taken() {
        let (now, latest) = (Timestamp::default(), Timestamp::default().plus(90 * DAY));
        let ask = |until: Option<&str>, days| {
            moment(&KeepJson { until: until.map(str::to_owned), days }, now, latest)
        };
        assert_eq!(ask(None, Some(7)), Ok(now.plus(7 * DAY)));
        assert!(ask(Some("1970-01-09"), None).is_ok());
        assert!(ask(None, None).is_err() && ask(Some("1970-01-09"), Some(7)).is_err());
        assert_eq!(ask(None, Some(0)), Ok(now), "which the rules refuse");
    }
}
