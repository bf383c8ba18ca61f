//! `img submit`: hand in a definition, or only check it, or watch it to its end.

use super::{CliError, args, args::Global, client::Client, jobs, log, show, terminal};
use crate::{
    domain::JobId,
    web::api::types::{CheckJson, JobJson},
};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use std::{io::Read as _, path::Path};

/// `img submit`
pub async fn run(global: &Global, args: args::Submit) -> Result<(), CliError> {
    let client = global.client()?;
    let form = form(&args)?;
    if args.check {
        let request = client.request(Method::POST, "/api/v1/jobs/check").multipart(form);
        let check: CheckJson = client.json(request).await?;
        return match global.json {
            true => show::json(&check),
            false => terminal::print(show::check(&check).as_bytes()),
        };
    }
    let request = client.request(Method::POST, "/api/v1/jobs").multipart(form);
    let job: JobJson = client.json(request).await?;
    if args.watch {
        return watch(global, &client, &job).await;
    }
    if global.json {
        return show::json(&job);
    }
    let text = format!("job {}: {}\n", job.id, show::clean(&show::state(&job)));
    terminal::print(text.as_bytes())
}

fn form(args: &args::Submit) -> Result<Form, CliError> {
    let (name, definition) = definition(&args.file)?;
    let mut form = Form::new()
        .text("image_type", args.image_type.clone())
        .text("arch", args.arch.clone())
        .text("queue", args.queue.clone());
    let input_job = args.input_job.map(|id| id.to_string());
    for (field, value) in
        [("name", &args.name), ("runner", &args.runner), ("input_job", &input_job)]
    {
        if let Some(value) = value {
            form = form.text(field, value.clone());
        }
    }
    for package in &args.packages {
        form = form.text("packages", package.clone());
    }
    for (field, value) in &args.options {
        form = form.text(format!("option.{field}"), value.clone());
    }
    Ok(form.part("definition", Part::bytes(definition).file_name(name)))
}

/// The definition's name and bytes.
fn definition(path: &Path) -> Result<(String, Vec<u8>), CliError> {
    let wrong = |e| CliError::Usage(format!("cannot read the definition {}: {e}", path.display()));
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(wrong)?;
        return Ok(("definition".to_owned(), bytes));
    }
    let bytes = std::fs::read(path).map_err(wrong)?;
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Ok((name, bytes))
}

async fn watch(global: &Global, client: &Client, job: &JobJson) -> Result<(), CliError> {
    let id: JobId = job.id.to_string().parse().map_err(|e| {
        CliError::failed("the server gave the job no number", anyhow::Error::new(e))
    })?;
    terminal::note(&format!("job {id}: {}", show::clean(&show::state(job))));
    // With --json standard output is the job alone.
    let sink = |bytes: &[u8]| match global.json {
        true => terminal::print_beside(bytes),
        false => terminal::print(bytes),
    };
    tokio::select! {
        done = log::follow(client, id, true, sink) => done?,
        _ = tokio::signal::ctrl_c() => return Err(CliError::Interrupted(format!(
            "job {id} goes on: `img log {id} -f` shows it, `img cancel {id}` stops it"
        ))),
    }
    report(global, client, &jobs::fetch(client, id).await?)
}

/// Says how the job ended; only a job that is done is a success.
fn report(global: &Global, client: &Client, job: &JobJson) -> Result<(), CliError> {
    if global.json {
        show::json(job)?;
    }
    if job.state != "done" {
        let state = show::clean(&show::state(job));
        return Err(CliError::NotDone { job: job.id, state });
    }
    terminal::note(&format!("job {} is done", job.id));
    match job.artifacts.iter().find(|file| file.role == "image") {
        Some(file) if !global.json => {
            terminal::print(show::image(file, &client.url(&file.url)).as_bytes())
        }
        _ => Ok(()),
    }
}
