//! From a job to what a runner is asked, and from a plan to what people read.

use super::api;
use crate::{
    domain::{Arch, Artifact, ImageTypeId, Job, JobId, JobName, Role},
    files::Layout,
};
use bytes::Bytes;
use std::path::Path;

/// What a job asks for, as far as a runner needs it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the requester calls the image.
    pub name: JobName,
    /// The definition as it was handed in.
    pub definition: Bytes,
    /// What comes out.
    pub image_type: ImageTypeId,
    /// For which machines.
    pub arch: Arch,
    /// Extra packages.
    pub packages: Vec<String>,
    /// Values of the runner's own fields.
    pub options: Vec<(String, String)>,
    /// Values that must not appear in any log or listing (secret fields, passwords in URLs).
    pub secrets: Vec<String>,
    /// A finished job whose artifacts are linked read-only into the build's `input/`.
    pub input_job: Option<JobId>,
}

impl Ask {
    /// What `job` asks for.
    pub fn of(job: &Job, definition: Bytes) -> Self {
        let request = &job.request;
        let secret = |id: &String| request.secret_options.contains(id);
        Self {
            name: job.name.clone(),
            definition,
            image_type: job.image_type.clone(),
            arch: job.arch.clone(),
            packages: request.packages.clone(),
            options: request.options.clone(),
            secrets: request
                .options
                .iter()
                .filter(|(id, _)| secret(id))
                .map(|(_, value)| value.clone())
                .collect(),
            input_job: request.input_job,
        }
    }
}

/// The artifacts of a finished job as another job's plan sees them.
pub fn input_files(job: &Job, layout: &Layout) -> Vec<api::InputFile> {
    let file = |artifact: &Artifact| api::InputFile {
        path: layout.input.join(&artifact.name).to_string_lossy().into_owned(),
        role: role_to_plugin(artifact.role),
        label: artifact.label.clone(),
        size: artifact.size,
    };
    job.result.artifacts.iter().map(file).collect()
}

/// A role in the words of the contract.
pub fn role_to_plugin(role: Role) -> api::Role {
    match role {
        Role::Image => api::Role::Image,
        Role::Kernel => api::Role::Kernel,
        Role::Initrd => api::Role::Initrd,
        Role::Manifest => api::Role::Manifest,
        Role::Checksum => api::Role::Checksum,
        Role::Log => api::Role::Log,
        Role::Other => api::Role::Other,
    }
}

/// The question a runner is asked.
pub fn plugin_request(
    id: JobId,
    ask: &Ask,
    inputs: Vec<api::InputFile>,
    layout: &Layout,
) -> api::Request {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    api::Request {
        job: id.get(),
        name: ask.name.to_string(),
        definition: ask.definition.to_vec(),
        image_type: ask.image_type.to_string(),
        architecture: ask.arch.to_string(),
        packages: ask.packages.clone(),
        repositories: Vec::new(),
        tokens: Vec::new(),
        options: ask.options.clone(),
        inputs,
        paths: api::Paths {
            work: text(&layout.work),
            output: text(&layout.output),
            cache: text(&layout.cache),
        },
    }
}

/// A step's command as one would type it, secrets masked.
pub fn shown_command(step: &api::Step) -> String {
    let words = step.arguments.iter().map(|argument| {
        if argument.secret { "••••••".to_owned() } else { quoted(&argument.value) }
    });
    let mut words: Vec<_> = words.collect();
    words.insert(0, quoted(&step.program));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
