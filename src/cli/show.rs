//! Jobs and other answers as text for people.

use super::{CliError, terminal};
use crate::web::api::types::{ArtifactJson, CheckJson, GoneJson, JobJson, JobsJson, PluginJson};
use serde::Serialize;
use std::fmt::Write as _;

/// Prints a value as JSON.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| CliError::failed("cannot write the answer as JSON", e))?;
    text.push(b'\n');
    terminal::print(&text)
}

/// Rows in columns as wide as their widest cell.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What a terminal may get of a text that others chose.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Bytes for people, with the exact number behind it.
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    format!("{} ({bytes} bytes)", short_size(bytes))
}

pub(super) fn short_size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// Milliseconds for people.
pub fn length(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A list of jobs.
pub fn jobs(page: &JobsJson) -> String {
    let head = ["JOB", "STATE", "NAME", "TYPE", "ARCH", "QUEUE", "USER", "SUBMITTED", "LENGTH"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(page.jobs.iter().map(|job| {
        let length = job.length_ms.map_or_else(|| "-".to_owned(), length);
        let words = [&job.state, &job.name, &job.image_type, &job.arch, &job.queue, &job.owner];
        let mut row = vec![job.id.to_string()];
        row.extend(words.map(|word| clean(word)));
        row.extend([job.submitted.clone(), length]);
        row
    }));
    table(&rows)
}

/// One job, a fact a line.
pub fn job(job: &JobJson) -> String {
    let mut rows = Vec::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push(vec![format!("{name}:"), clean(&value)]);
        }
    };
    fact("job", job.id.to_string());
    fact("name", job.name.clone());
    fact("state", state(job));
    fact("image", format!("{} for {}", job.image_type, job.arch));
    fact("runner", format!("{} {}", job.runner, job.runner_version));
    fact("queue", job.queue.clone());
    fact("user", job.owner.clone());
    fact("submitted", job.submitted.clone());
    fact("started", job.started.clone().unwrap_or_default());
    fact("ended", job.ended.clone().unwrap_or_default());
    fact("length", job.length_ms.map(length).unwrap_or_default());
    fact("definition", format!("{} {}", job.definition.name, size(job.definition.size)));
    fact("packages", job.packages.join(" "));
    let options = job.options.iter().map(|(k, v)| format!("{k}={v}"));
    fact("options", options.collect::<Vec<_>>().join(" "));
    fact("input job", job.input_job.map(|id| id.to_string()).unwrap_or_default());
    if job.log_deleted.is_none() {
        fact("log", format!("{} lines, {}", job.log_lines, size(job.log_size)));
    }
    fact("kept until", job.expires.clone().unwrap_or_default());
    if let Some(pin) = &job.pinned {
        fact("pinned", format!("by {}, {}", pin.by, pin.at));
    }
    if let Some(gone) = &job.files_deleted {
        fact("files", deleted(gone));
    }
    if let Some(gone) = &job.log_deleted {
        fact("log", deleted(gone));
    }
    if !job.tags.is_empty() {
        fact("tags", job.tags.join(", "));
    }
    for sentence in &job.damage {
        fact("damaged", sentence.clone());
    }
    for sentence in &job.residual {
        fact("left behind", sentence.clone());
    }
    for file in &job.artifacts {
        fact("file", format!("{} ({}), {}", file.name, file.role, size(file.size)));
        fact("sha256", file.sha256.clone());
        fact("path", file.path.clone().unwrap_or_default());
    }
    table(&rows)
}

/// That something is gone, in words.
pub fn deleted(gone: &GoneJson) -> String {
    format!("deleted {}: {}", gone.at, gone.why)
}

/// Where a job stands, in words.
pub fn state(job: &JobJson) -> String {
    let mut text = job.state.clone();
    if let Some(position) = job.position {
        let _ = write!(text, ", place {position} on queue {}", job.queue);
    }
    if let Some(hold) = &job.hold {
        let _ = write!(text, ", {hold}");
    }
    if let Some(phase) = &job.phase {
        let _ = write!(text, ", {phase}");
    }
    if let Some(by) = &job.cancelled_by {
        let _ = write!(text, " by {by}");
    }
    if let Some(failure) = &job.failure {
        let line = failure.line.map(|line| format!(" (log line {line})")).unwrap_or_default();
        let hint = failure.suggestion.as_deref().map(|s| format!(": {s}")).unwrap_or_default();
        let _ = write!(text, ", {}: {}{line}{hint}", failure.cause, failure.message);
    }
    text
}

/// The image of a job that is done: path (or address), size and checksum.
pub fn image(file: &ArtifactJson, url: &str) -> String {
    let place = file.path.clone().unwrap_or_else(|| url.to_owned());
    let fact = |name: &str, value: String| vec![format!("{name}:"), clean(&value)];
    table(&[
        fact("image", place),
        fact("size", size(file.size)),
        fact("sha256", file.sha256.clone()),
    ])
}

/// What a check found and what would be run.
pub fn check(check: &CheckJson) -> String {
    let mut text = String::new();
    for remark in &check.remarks {
        let line = remark.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let hint = remark.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let _ = writeln!(text, "{}: {line}{}{hint}", remark.severity, clean(&remark.message));
    }
    for (number, step) in check.steps.iter().enumerate() {
        let needs = match step.privileges.as_slice() {
            [] => String::new(),
            privileges => format!(" [{}]", privileges.join(", ")),
        };
        let _ = writeln!(text, "step {}: {}{needs}", number + 1, clean(&step.name));
        let _ = writeln!(text, "  {}", clean(&step.command));
    }
    for file in &check.files {
        let _ = writeln!(text, "file {}:", clean(&file.path));
        for line in file.text.lines() {
            let _ = writeln!(text, "  {}", clean(line));
        }
    }
    if let Some(disk) = check.disk {
        let _ = writeln!(text, "disk: {}", size(disk));
    }
    text
}

/// A list of runners.
pub fn plugins(plugins: &[PluginJson]) -> String {
    let head = ["RUNNER", "VERSION", "STATUS", "PAIRS", "FROM", "MISSING PROGRAMS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(plugins.iter().map(|plugin| {
        let missing = plugin.programs.iter().filter(|p| p.path.is_none()).map(|p| p.name.as_str());
        let missing = missing.collect::<Vec<_>>().join(" ");
        let words = [&plugin.id, &plugin.version, &plugin.status];
        let mut row: Vec<_> = words.map(|word| clean(word)).to_vec();
        row.extend([plugin.pairs.to_string(), clean(&plugin.origin), clean(&missing)]);
        row
    }));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::api::types::FailureJson;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["a", "bc"]), row(["äöü", "d"])]), "a    bc\näöü  d\n");
    }

    #[test]
    fn what_others_chose_cannot_move_the_cursor() {
        let job = JobJson { name: "a\x1b[2Jb".into(), ..JobJson::default() };
        let page = JobsJson { jobs: vec![job.clone()], ..JobsJson::default() };
        assert!(!jobs(&page).contains('\x1b'));
        assert!(!super::job(&job).contains('\x1b'));
    }

    #[test]
    fn a_failed_job_says_why_where_and_what_to_do() {
        let failure = FailureJson {
            cause: "definition".into(),
            message: "no package foo".into(),
            suggestion: Some("look for its new name".into()),
            line: Some(812),
        };
        let job = JobJson { state: "failed".into(), failure: Some(failure), ..JobJson::default() };
        let want = "failed, definition: no package foo (log line 812): look for its new name";
        assert_eq!(state(&job), want);
    }

    #[test]
    fn what_becomes_of_the_files_is_said() {
        let gone = GoneJson { at: "2026".into(), why: "older than 14 days".into(), run: Some(3) };
        let job = JobJson {
            expires: Some("2027".into()),
            files_deleted: Some(gone.clone()),
            log_deleted: Some(gone),
            damage: vec!["a.img has changed".into()],
            ..JobJson::default()
        };
        let text = super::job(&job);
        for said in ["2027", "deleted 2026: older than 14 days", "a.img has changed"] {
            assert!(text.contains(said), "{text}");
        }
        assert!(!text.contains("lines"), "the log is gone: {text}");
    }

    #[test]
    fn sizes_and_lengths_are_for_people() {
        assert_eq!(size(7), "7 B");
        assert_eq!(size(1 << 20), "1.0 MiB (1048576 bytes)");
        assert_eq!(length(59_999), "59 s");
        assert_eq!(length(61_000), "1 min 1 s");
        assert_eq!(length(7_260_000), "2 h 1 min");
    }
}
