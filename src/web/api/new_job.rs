//! A job that is handed in: a multipart form or JSON.

use crate::{
    app::NewJob,
    web::{Form, Visit, WebError},
};
use http::header;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The queue for whoever names none.
const QUEUE: &str = "api";

/// A job as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct JobBody {
    definition: String,
    definition_name: String,
    name: String,
    runner: String,
    image_type: String,
    arch: String,
    queue: String,
    packages: Vec<String>,
    options: BTreeMap<String, String>,
    input_job: Option<u64>,
}

/// Reads the job that `visit` hands in.
///
/// # Errors
/// The body is too large, cut, or neither a multipart form nor JSON.
pub async fn read(visit: &mut Visit) -> Result<NewJob, WebError> {
    let kind = visit.header(header::CONTENT_TYPE).unwrap_or("");
    let mut job = match kind.split(';').next().unwrap_or("").trim() {
        kind if kind.eq_ignore_ascii_case("application/json") => {
            from_json(visit.json::<JobBody>().await?)
        }
        _ => from_form(&visit.multipart().await?),
    };
    if job.queue.is_empty() {
        job.queue = QUEUE.to_owned();
    }
    Ok(job)
}

fn from_json(body: JobBody) -> NewJob {
    NewJob {
        name: body.name,
        runner: body.runner,
        image_type: body.image_type,
        arch: body.arch,
        queue: body.queue,
        definition_name: body.definition_name,
        definition: body.definition.into_bytes(),
        packages: body.packages,
        options: body.options.into_iter().collect(),
        input_job: body.input_job.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn from_form(form: &Form) -> NewJob {
    let text = |name: &str| form.get(name).to_owned();
    let (definition_name, definition) = match form.file("definition") {
        Some(file) => (file.file_name.clone(), file.bytes.clone()),
        None => (text("definition_name"), text("definition").into_bytes()),
    };
    let options = form
        .fields()
        .filter_map(|(name, value)| Some((name.strip_prefix("option.")?, value)))
        .map(|(id, value)| (id.to_owned(), value.to_owned()));
    NewJob {
        name: text("name"),
        runner: text("runner"),
        image_type: text("image_type"),
        arch: text("arch"),
        queue: text("queue"),
        definition_name,
        definition,
        packages: form.all("packages").map(str::to_owned).collect(),
        options: options.collect(),
        input_job: text("input_job"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_a_word_nobody_knows_is_refused() {
        let read = |text: &str| serde_json::from_str::<JobBody>(text).map(from_json);
        let job = read(
            r#"{"definition": "a\n", "image_type": "raw", "arch": "i586", "options": {"x": "1"},
                "packages": ["vim"], "input_job": 7}"#,
        )
        .unwrap();
        assert_eq!(job.definition, b"a\n");
        assert_eq!(job.options, [("x".to_owned(), "1".to_owned())]);
        assert_eq!(job.input_job, "7");
        assert!(read(r#"{"imagetype": "raw"}"#).unwrap_err().to_string().contains("imagetype"));
    }
}
