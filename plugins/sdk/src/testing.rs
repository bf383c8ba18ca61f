//! Requests and files for a runner's unit tests.

use crate::{Event, Failure, FileKind, Observer, OutputFile, Paths, Request};

/// A request as the host would make it: job 7, named "lab", directories below `/build`.
pub fn request(definition: &str, image_type: &str, architecture: &str) -> Request {
    let path = |name: &str| format!("/build/{name}");
    Request {
        job: 7,
        name: "lab".into(),
        definition: definition.as_bytes().to_vec(),
        image_type: image_type.into(),
        architecture: architecture.into(),
        packages: Vec::new(),
        repositories: Vec::new(),
        tokens: Vec::new(),
        options: Vec::new(),
        inputs: Vec::new(),
        paths: Paths { work: path("work"), output: path("output"), cache: path("cache") },
    }
}

/// The same request with a value for the option `id`.
#[must_use]
pub fn with_option(mut request: Request, id: &str, value: &str) -> Request {
    request.options.push((id.into(), value.into()));
    request
}

/// A regular file below the output directory.
pub fn output(path: &str, size: u64) -> OutputFile {
    OutputFile { path: path.into(), size, kind: FileKind::Regular }
}

/// A step that ended with `exit_code` after printing `lines`.
pub fn failure(step: &str, exit_code: i32, lines: &str) -> Failure {
    let last_lines = lines.lines().map(str::to_owned).collect();
    Failure { step: step.into(), exit_code: Some(exit_code), signal: None, last_lines }
}

/// Every event of `output`, fed line by line.
pub fn events(observer: &mut impl Observer, output: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for line in output.lines() {
        observer.line(line, &mut events);
    }
    events
}
