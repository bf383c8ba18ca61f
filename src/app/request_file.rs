//! `request.json`: what a job's record says, beside its files, so that records could be rebuilt
//! from the job directories alone. Written once, when the job is accepted.

use crate::domain::Job;
use serde::Serialize;

/// Version of the file's layout.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct RequestFile<'a> {
    version: u32,
    id: u64,
    name: &'a str,
    owner: &'a str,
    queue: &'a str,
    runner: &'a str,
    runner_version: &'a str,
    runner_sha256: &'a str,
    image_type: &'a str,
    arch: &'a str,
    priority: i16,
    submitted_ms: i64,
    definition_name: &'a str,
    definition_size: u64,
    definition_sha256: &'a str,
    packages: &'a [String],
    options: Vec<(&'a str, &'a str)>,
    input_job: Option<u64>,
}

/// The file's bytes. Secret values are left out: they live in the store only until the job ends.
pub fn encode(job: &Job) -> Result<Vec<u8>, serde_json::Error> {
    let request = &job.request;
    let secret = |id: &str| request.secret_options.iter().any(|s| s == id);
    serde_json::to_vec_pretty(&RequestFile {
        version: VERSION,
        id: job.id.get(),
        name: job.name.as_str(),
        owner: job.owner.as_str(),
        queue: job.queue.as_str(),
        runner: job.runner.as_str(),
        runner_version: &job.runner_version,
        runner_sha256: &job.runner_sha256,
        image_type: job.image_type.as_str(),
        arch: job.arch.as_str(),
        priority: job.priority,
        submitted_ms: job.submitted.as_millis(),
        definition_name: &request.definition_name,
        definition_size: request.definition_size,
        definition_sha256: &request.definition_sha256,
        packages: &request.packages,
        options: request
            .options
            .iter()
            .filter(|(id, _)| !secret(id))
            .map(|(id, value)| (id.as_str(), value.as_str()))
            .collect(),
        input_job: request.input_job.map(|id| id.get()),
    })
}
