//! From what the appliance answers to what the API says.

use super::types::*;
use crate::{
    app::{
        App, CheckView, Choices, CleanupPreview, FieldChoice, FieldKind, Gone, HealthView, JobView,
        PlannedRow, Receipt, Remark, RunnerChoice, RunnerHealth, Severity,
    },
    domain::{Artifact, Job, JobState, Queue, Timestamp, retention::Class},
};
use std::collections::BTreeMap;

/// What stands in for a secret value.
const MASK: &str = "••••••";

/// A moment as RFC 3339; one no calendar knows as the nearest it does.
pub fn moment(at: Timestamp) -> String {
    let near = if at.as_millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(near).to_string()
}

/// A job. With `console` its files say where they lie.
pub fn job(view: &JobView, now: Timestamp, console: Option<&App>) -> JobJson {
    let (job, live) = (&view.job, &view.live);
    let (failure, cancelled_by) = ending(&job.state);
    let used = if live.used.is_nothing() { &job.result.used } else { &live.used };
    JobJson {
        id: job.id.get(),
        name: job.name.to_string(),
        owner: job.owner.to_string(),
        queue: job.queue.to_string(),
        runner: job.runner.to_string(),
        runner_version: job.runner_version.clone(),
        runner_sha256: job.runner_sha256.clone(),
        image_type: job.image_type.to_string(),
        arch: job.arch.to_string(),
        priority: job.priority,
        state: job.state.kind().as_str().to_owned(),
        submitted: moment(job.submitted),
        started: job.state.started().map(moment),
        ended: job.state.ended().map(moment),
        length_ms: job.state.length(now).map(millis),
        retry_of: job.retry_of.map(|id| id.get()),
        definition: definition(job),
        packages: job.request.packages.clone(),
        options: options(job),
        input_job: job.request.input_job.map(|id| id.get()),
        position: live.position.map(|position| position as u64),
        hold: live.hold.as_ref().map(ToString::to_string),
        phase: live.phase.clone(),
        progress: live.progress.clone().map(|(done, total, unit)| ProgressJson {
            done,
            total,
            unit,
        }),
        expected_end: live.expected_end.map(moment),
        stopping: live.stopping,
        failure,
        cancelled_by,
        log_size: job.result.log_size,
        log_lines: job.result.log_lines,
        phases: phases(job),
        commands: job.result.commands.clone(),
        artifacts: artifacts(view, console),
        residual: job.result.residual.clone(),
        peak_disk: job.result.peak_disk,
        cpu_ms: millis(used.cpu),
        peak_memory: used.memory,
        written: used.written,
        expires: view.kept.until.map(moment),
        pinned: view
            .kept
            .shelf
            .pinned
            .as_ref()
            .map(|(by, at)| PinnedJson { by: by.to_string(), at: moment(*at) }),
        files_deleted: view.kept.files_gone().map(gone),
        log_deleted: view.kept.shelf.logs_gone.as_ref().map(gone),
        damage: view.kept.shelf.damage.clone(),
        tags: view.kept.shelf.tags.iter().map(ToString::to_string).collect(),
        url: format!("/jobs/{}", job.id),
    }
}

fn gone(gone: &Gone) -> GoneJson {
    GoneJson { at: moment(gone.at), why: gone.why.clone(), run: (gone.run > 0).then_some(gone.run) }
}

/// What a cleanup would do now.
pub fn preview(view: CleanupPreview) -> PreviewJson {
    let row = |row: PlannedRow| PlannedJson {
        job: row.job.get(),
        name: row.name,
        class: row.class.as_str().to_owned(),
        bytes: row.bytes,
        why: row.why,
        kept_because: row.guard.map(|guard| guard.to_string()),
        ended: moment(row.ended),
    };
    PreviewJson {
        items: view.items,
        bytes: view.bytes,
        by_class: by_class(&view.by_class),
        goes: view.doomed.into_iter().map(row).collect(),
        stays: view.saved.into_iter().map(row).collect(),
        stays_items: view.saved_items,
        unmet: view.unmet,
    }
}

fn by_class(all: &[(Class, u64, u64)]) -> Vec<ClassJson> {
    let one = |(class, items, bytes): &(Class, u64, u64)| ClassJson {
        class: class.as_str().to_owned(),
        items: *items,
        bytes: *bytes,
    };
    all.iter().map(one).collect()
}

/// What a cleanup did.
pub fn receipt(receipt: Receipt) -> ReceiptJson {
    ReceiptJson {
        run: receipt.run,
        begun: moment(receipt.begun),
        ended: receipt.ended.map(moment),
        length_ms: receipt.ended.map(|ended| millis(ended.since(receipt.begun))),
        trigger: receipt.trigger,
        planned_items: receipt.planned_items,
        planned_bytes: receipt.planned_bytes,
        items: receipt.items,
        bytes: receipt.bytes,
        freed: receipt.freed,
        by_class: by_class(&receipt.by_class),
        saved: receipt.saved,
        unmet: receipt.unmet,
        mishaps: receipt
            .mishaps
            .into_iter()
            .map(|mishap| MishapJson { job: mishap.job.map(|id| id.get()), what: mishap.what })
            .collect(),
        more_mishaps: receipt.more_mishaps,
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn ending(state: &JobState) -> (Option<FailureJson>, Option<String>) {
    match state {
        JobState::Failed { failure, .. } => {
            let failure = FailureJson {
                cause: failure.cause.as_str().to_owned(),
                message: failure.message.clone(),
                suggestion: failure.suggestion.clone(),
                line: failure.line,
            };
            (Some(failure), None)
        }
        JobState::Cancelled { by, .. } => (None, Some(by.to_string())),
        JobState::Queued | JobState::Building { .. } | JobState::Done { .. } => (None, None),
    }
}

fn definition(job: &Job) -> DefinitionJson {
    DefinitionJson {
        name: job.request.definition_name.clone(),
        size: job.request.definition_size,
        sha256: job.request.definition_sha256.clone(),
    }
}

fn options(job: &Job) -> BTreeMap<String, String> {
    let secret = |id: &String| job.request.secret_options.contains(id);
    let shown = |id: &String, value: &String| match secret(id) {
        true => MASK.to_owned(),
        false => value.clone(),
    };
    job.request.options.iter().map(|(id, value)| (id.clone(), shown(id, value))).collect()
}

fn phases(job: &Job) -> Vec<PhaseJson> {
    let phase = |(name, began): &(String, Timestamp)| PhaseJson {
        name: name.clone(),
        began: moment(*began),
    };
    job.result.phases.iter().map(phase).collect()
}

/// The files of a job that are still there. With `console` they say where they lie.
pub fn artifacts(view: &JobView, console: Option<&App>) -> Vec<ArtifactJson> {
    let job = &view.job;
    if view.kept.files_gone().is_some() {
        return Vec::new();
    }
    let file = |artifact: &Artifact| ArtifactJson {
        name: artifact.name.clone(),
        role: artifact.role.as_str().to_owned(),
        label: artifact.label.clone(),
        size: artifact.size,
        sha256: artifact.sha256.clone(),
        url: format!("/api/v1/jobs/{}/files/{}", job.id, encoded(&artifact.name)),
        path: console
            .map(|app| app.artifact_path(job.id, &artifact.name).to_string_lossy().into_owned()),
    };
    job.result.artifacts.iter().map(file).collect()
}

fn encoded(name: &str) -> impl std::fmt::Display {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const SEGMENT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// What a check found.
pub fn check(view: CheckView) -> CheckJson {
    CheckJson {
        remarks: view.remarks.into_iter().map(remark).collect(),
        steps: view
            .commands
            .into_iter()
            .map(|step| StepJson {
                name: step.name,
                command: step.command,
                privileges: step.privileges,
            })
            .collect(),
        files: view.files.into_iter().map(|(path, text)| PlannedFileJson { path, text }).collect(),
        disk: view.disk,
    }
}

fn remark(remark: Remark) -> RemarkJson {
    let severity = match remark.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    RemarkJson {
        severity: severity.to_owned(),
        message: remark.message,
        line: remark.line,
        hint: remark.hint,
    }
}

/// What can be submitted.
pub fn choices(choices: Choices) -> ChoicesJson {
    ChoicesJson {
        runners: choices.runners.into_iter().map(runner).collect(),
        queues: choices.queues.into_iter().map(queue).collect(),
    }
}

fn queue((queue, waiting): (Queue, u64)) -> QueueJson {
    QueueJson {
        name: queue.name.to_string(),
        description: queue.description,
        waiting,
        paused: queue.paused,
        launch: queue.launch,
    }
}

fn runner(runner: RunnerChoice) -> RunnerJson {
    let image_types = runner.image_types.into_iter().map(|image_type| ImageTypeJson {
        id: image_type.id,
        label: image_type.label,
        archs: image_type.archs,
    });
    RunnerJson {
        id: runner.id,
        name: runner.name,
        description: runner.description,
        definition: runner.definition_label,
        extensions: runner.extensions,
        max_size: runner.max_size,
        image_types: image_types.collect(),
        options: runner.fields.into_iter().map(field).collect(),
        missing_programs: runner.missing_programs,
    }
}

fn field(field: FieldChoice) -> FieldJson {
    let (kind, default, choices) = match field.kind {
        FieldKind::Text { default, .. } => ("text", default, Vec::new()),
        FieldKind::Boolean(default) => ("boolean", default.to_string(), Vec::new()),
        FieldKind::Integer { default, .. } => ("integer", default.to_string(), Vec::new()),
        FieldKind::Choice { default, choices } => {
            ("choice", default, choices.into_iter().map(|(value, _)| value).collect())
        }
        FieldKind::TextList { default, .. } => ("text_list", default, Vec::new()),
    };
    FieldJson {
        id: field.id,
        label: field.label,
        help: field.help,
        required: field.required,
        secret: field.secret,
        kind: kind.to_owned(),
        default,
        choices,
    }
}

/// Every runner of the box.
pub fn plugins(runners: Vec<RunnerHealth>) -> PluginsJson {
    let program = |(name, path, version)| ProgramJson { name, path, version };
    let plugins = runners.into_iter().map(|runner| PluginJson {
        id: runner.id,
        name: runner.name,
        version: runner.version,
        sha256: runner.sha256,
        origin: runner.origin,
        status: runner.status,
        usable: runner.usable,
        programs: runner.programs.into_iter().map(program).collect(),
        pairs: runner.pairs as u64,
    });
    PluginsJson { plugins: plugins.collect() }
}

/// How the box is.
pub fn health(view: HealthView) -> HealthJson {
    let fact = |(name, value, attention)| FactJson { name, value, attention };
    let groups = view.groups.into_iter().map(|group| HealthGroupJson {
        title: group.title,
        facts: group.facts.into_iter().map(fact).collect(),
    });
    HealthJson { well: view.well, groups: groups.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{Live, Retained},
        domain::{
            Arch, Cause, Failure, ImageTypeId, JobId, JobName, QueueName, Role, RunnerId, UserName,
            job,
        },
    };

    fn view() -> JobView {
        let artifact = Artifact {
            name: "root fs ü.img".into(),
            role: Role::Image,
            label: "disk".into(),
            size: 7,
            sha256: "ab".into(),
        };
        let failure = Failure {
            cause: Cause::Repository,
            message: "the mirror is gone".into(),
            suggestion: None,
            line: Some(3),
        };
        let at = Timestamp::from_millis;
        let job = Job {
            id: JobId::new(42).unwrap(),
            name: JobName::new("handset").unwrap(),
            owner: UserName::new("ann").unwrap(),
            queue: QueueName::new("web").unwrap(),
            runner: RunnerId::new("mic").unwrap(),
            runner_version: "1".into(),
            runner_sha256: String::new(),
            image_type: ImageTypeId::new("raw").unwrap(),
            arch: Arch::new("i586").unwrap(),
            priority: 0,
            launched: false,
            submitted: at(1_000),
            retry_of: None,
            request: job::Request {
                options: vec![("a".into(), "1".into()), ("key".into(), "hunter2".into())],
                secret_options: vec!["key".into()],
                ..job::Request::default()
            },
            state: JobState::Failed { started: Some(at(2_000)), ended: at(5_500), failure },
            result: job::BuildResult { artifacts: vec![artifact], ..job::BuildResult::default() },
        };
        let kept = Retained::nothing(job.id);
        JobView {
            job,
            live: Live::default(),
            may_cancel: false,
            may_launch: false,
            may_retry: false,
            kept,
        }
    }

    #[test]
    fn a_file_that_is_gone_is_not_offered() {
        let mut view = view();
        assert_eq!(artifacts(&view, None).len(), 1);
        let why = "older than 14 days".to_owned();
        view.kept.shelf.artifacts_gone = Some(Gone { at: Timestamp::default(), why, run: 3 });
        let said = job(&view, Timestamp::default(), None);
        assert_eq!(said.artifacts, []);
        let gone = said.files_deleted.unwrap();
        assert_eq!((gone.why.as_str(), gone.run), ("older than 14 days", Some(3)));
        assert_eq!(gone.at, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_secret_never_leaves() {
        let text = serde_json::to_string(&job(&view(), Timestamp::default(), None)).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("\"a\":\"1\""), "{text}");
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let written = job(&view(), Timestamp::default(), None);
        assert_eq!(written.submitted, "1970-01-01T00:00:01Z");
        assert_eq!(written.length_ms, Some(3_500));
        assert_eq!(written.artifacts[0].url, "/api/v1/jobs/42/files/root%20fs%20%C3%BC.img");
        assert_eq!(written.failure.as_ref().unwrap().cause, "repository");
        let text = serde_json::to_string(&written).unwrap();
        assert!(!text.contains("\"path\""), "{text}");
        assert_eq!(serde_json::from_str::<JobJson>(&text).unwrap(), written);
    }

    #[test]
    fn a_moment_outside_every_calendar_is_no_panic() {
        assert!(moment(Timestamp::from_millis(i64::MAX)).starts_with("9999"));
        assert!(moment(Timestamp::from_millis(i64::MIN)).starts_with('-'));
    }
}
