//! `img pin`, `unpin`, `keep`, `delete`: what becomes of a job's files.

use super::{
    CliError,
    args::{Global, Keep, Number},
    jobs, show,
};
use crate::web::api::types::KeepJson;
use serde_json::json;

/// `img pin` and `img unpin`
pub async fn pin(global: &Global, args: &Number, pinned: bool) -> Result<(), CliError> {
    let what = if pinned { "pin" } else { "unpin" };
    let job = jobs::post(global, args.job, what, &json!({})).await?;
    let said = if pinned { "is pinned: no rule takes its files" } else { "is no longer pinned" };
    jobs::say(global, &job, said)
}

/// `img keep`
pub async fn keep(global: &Global, args: Keep) -> Result<(), CliError> {
    let wanted = KeepJson { until: args.until, days: args.days };
    let job = jobs::post(global, args.job, "keep", &wanted).await?;
    let until =
        job.expires.as_deref().map_or_else(|| "for ever".into(), |at| format!("until {at}"));
    jobs::say(global, &job, &format!("is kept {}", show::clean(&until)))
}

/// `img delete`
pub async fn delete(global: &Global, args: &Number) -> Result<(), CliError> {
    let job = jobs::post(global, args.job, "delete", &json!({})).await?;
    jobs::say(global, &job, "has lost its files: image, log and definition are deleted")
}
