//! What the submit form offers and what "Check only" shows, from the runner's own words.

use crate::{
    app::{CheckView, FieldChoice, FieldKind, ImageTypeChoice, PlannedStep, Remark, RunnerChoice},
    domain::Job,
    plugin::{self, api},
};

/// Characters of a planned file that "Check only" shows.
const SHOWN_FILE: usize = 8 * 1024;

/// A runner as the form offers it; `limit` is the most a definition may have on this box.
pub(super) fn choice(
    info: &api::RunnerInfo,
    missing_programs: Vec<String>,
    limit: u64,
) -> RunnerChoice {
    RunnerChoice {
        id: info.id.clone(),
        name: info.name.clone(),
        description: info.description.clone(),
        definition_label: info.definition.label.clone(),
        extensions: info.definition.extensions.clone(),
        max_size: info.definition.max_size.min(limit),
        image_types: info
            .image_types
            .iter()
            .map(|t| ImageTypeChoice {
                id: t.id.clone(),
                label: t.label.clone(),
                help: t.help.clone(),
                archs: t.architectures.clone(),
            })
            .collect(),
        fields: info.options.iter().map(field_choice).collect(),
        missing_programs,
    }
}

fn field_choice(field: &api::Field) -> FieldChoice {
    let kind = match &field.kind {
        api::FieldKind::Text(t) => FieldKind::Text {
            default: t.default.clone(),
            pattern: t.pattern.clone(),
            max: t.max_length,
        },
        api::FieldKind::Boolean(default) => FieldKind::Boolean(*default),
        api::FieldKind::Integer(i) => {
            FieldKind::Integer { default: i.default, min: i.min, max: i.max }
        }
        api::FieldKind::Choice(c) => {
            FieldKind::Choice { default: c.default.clone(), choices: c.choices.clone() }
        }
        api::FieldKind::TextList(t) => FieldKind::TextList {
            default: t.default.clone(),
            pattern: t.pattern.clone(),
            max: t.max_length,
        },
    };
    FieldChoice {
        id: field.id.clone(),
        label: field.label.clone(),
        help: field.help.clone(),
        required: field.required,
        secret: field.secret,
        kind,
    }
}

pub(super) fn check_view(remarks: Vec<Remark>, plan: api::BuildPlan) -> CheckView {
    let commands = plan
        .steps
        .iter()
        .map(|step| PlannedStep {
            name: step.name.clone(),
            command: plugin::shown_command(step),
            privileges: step.privileges.iter().map(|p| privilege(*p).to_owned()).collect(),
        })
        .collect();
    let files = plan
        .files
        .iter()
        .map(|file| {
            let text: String =
                String::from_utf8_lossy(&file.contents).chars().take(SHOWN_FILE).collect();
            (file.path.clone(), text)
        })
        .collect();
    CheckView { remarks, commands, files, disk: plan.disk }
}

fn privilege(privilege: api::Privilege) -> &'static str {
    match privilege {
        api::Privilege::Root => "root",
        api::Privilege::LoopDevices => "loop devices",
        api::Privilege::Network => "network",
        api::Privilege::Kvm => "KVM",
        api::Privilege::UserNamespaces => "user namespaces",
    }
}

/// A request in a line of the audit trail.
pub(super) fn request_words(job: &Job) -> String {
    let words = format!("{} {} {} on {}", job.name, job.image_type, job.arch, job.queue);
    match job.retry_of {
        Some(old) => format!("{words}, repeats job {old}"),
        None => words,
    }
}
