//! `img jobs`, `job`, `cancel`, `launch`, `retry`.

use super::{
    CliError,
    args::{Global, Jobs, Number},
    client::Client,
    show, terminal,
};
use crate::{
    domain::JobId,
    web::api::types::{JobJson, JobsJson, VersionJson},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;

/// A value as part of a query.
pub fn quoted(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// `img jobs`
pub async fn list(global: &Global, args: &Jobs) -> Result<(), CliError> {
    let client = global.client()?;
    let owner = match args.mine {
        true => Some(whoami(&client).await?),
        false => args.owner.clone(),
    };
    let page: JobsJson = client.get(&format!("/api/v1/jobs?{}", query(args, owner))).await?;
    if global.json { show::json(&page) } else { terminal::print(show::jobs(&page).as_bytes()) }
}

fn query(args: &Jobs, owner: Option<String>) -> String {
    let mut query = format!("limit={}", args.limit);
    let before = args.before.map(|id| id.to_string());
    for (key, value) in [
        ("state", &args.state),
        ("owner", &owner),
        ("queue", &args.queue),
        ("type", &args.image_type),
        ("arch", &args.arch),
        ("q", &args.search),
        ("before", &before),
    ] {
        if let Some(value) = value {
            query.push_str(&format!("&{key}={}", quoted(value)));
        }
    }
    query
}

/// Who the server takes one for.
async fn whoami(client: &Client) -> Result<String, CliError> {
    let version: VersionJson = client.get("/api/v1/version").await?;
    Ok(version.user)
}

/// The job of a number.
pub async fn fetch(client: &Client, id: JobId) -> Result<JobJson, CliError> {
    client.get(&format!("/api/v1/jobs/{id}")).await
}

/// `img job`
pub async fn one(global: &Global, args: &Number) -> Result<(), CliError> {
    let job = fetch(&global.client()?, args.job).await?;
    if global.json { show::json(&job) } else { terminal::print(show::job(&job).as_bytes()) }
}

/// `img cancel`
pub async fn cancel(global: &Global, args: &Number) -> Result<(), CliError> {
    let job = ask(global, args.job, "cancel").await?;
    let stopping = if job.state == "cancelled" { "is cancelled" } else { "is being stopped" };
    say(global, &job, stopping)
}

/// `img launch`
pub async fn launch(global: &Global, args: &Number) -> Result<(), CliError> {
    let job = ask(global, args.job, "launch").await?;
    say(global, &job, "is launched")
}

/// `img retry`
pub async fn retry(global: &Global, args: &Number) -> Result<(), CliError> {
    let job = ask(global, args.job, "retry").await?;
    say(global, &job, &format!("is in the queue: it repeats job {}", args.job))
}

async fn ask(global: &Global, id: JobId, what: &str) -> Result<JobJson, CliError> {
    post(global, id, what, &serde_json::json!({})).await
}

/// Posts `body` to a job's `what`; the answer is the job.
pub async fn post(
    global: &Global,
    id: JobId,
    what: &str,
    body: &impl serde::Serialize,
) -> Result<JobJson, CliError> {
    let client = global.client()?;
    let request = client.request(Method::POST, &format!("/api/v1/jobs/{id}/{what}"));
    client.json(request.json(body)).await
}

/// Says what has happened to a job.
pub fn say(global: &Global, job: &JobJson, what: &str) -> Result<(), CliError> {
    if global.json {
        return show::json(job);
    }
    terminal::print(format!("job {} {what}\n", job.id).as_bytes())
}
