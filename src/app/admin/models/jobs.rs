//! Image jobs.

use super::super::model::*;
use crate::{
    app::{App, AppError, BulkAction, Problem},
    domain::{QueueName, Tag, Verb},
};

pub(super) static JOBS: Model = Model {
    id: "jobs",
    one: "image job",
    many: "Image jobs",
    about: "Every request for an image, whoever handed it in.",
    section: Section::App,
    rights: Rights::view(Verb::ViewJobs),
    columns: &[
        Column::new("id", "ID"),
        Column::new("name", "Name"),
        Column::plain("submitted", "Submitted"),
        Column::plain("length", "Length"),
        Column::new("owner", "User"),
        Column::new("queue", "Queue"),
        Column::new("arch", "Arch"),
        Column::new("image_type", "Type"),
        Column::new("state", "Status"),
        Column::number("bytes", "Size"),
        Column::plain("tags", "Tags"),
    ],
    filters: &[
        Filter { id: "state", label: "Status" },
        Filter { id: "queue", label: "Queue" },
        Filter { id: "owner", label: "User" },
        Filter { id: "image_type", label: "Type" },
        Filter { id: "arch", label: "Arch" },
        Filter { id: "tag", label: "Tag" },
        Filter { id: "pinned", label: "Pinned" },
        Filter { id: "files", label: "Files on disk" },
    ],
    search: &["name", "tags", "id"],
    order: ("id", true),
    dated: true,
    fieldsets: &[],
    actions: &[
        Action {
            id: "delete",
            label: "Delete selected image jobs",
            verb: Verb::DeleteAny,
            argument: None,
            act: Act::DeleteJobs,
        },
        Action {
            id: "cancel",
            label: "Cancel",
            verb: Verb::CancelAny,
            argument: None,
            act: Act::Jobs(|_| Ok(BulkAction::Cancel)),
        },
        Action {
            id: "retry",
            label: "Retry",
            verb: Verb::Submit,
            argument: None,
            act: Act::Jobs(|_| Ok(BulkAction::Retry)),
        },
        Action {
            id: "pin",
            label: "Pin",
            verb: Verb::Pin,
            argument: None,
            act: Act::Jobs(|_| Ok(BulkAction::Pin)),
        },
        Action {
            id: "unpin",
            label: "Unpin",
            verb: Verb::Pin,
            argument: None,
            act: Act::Jobs(|_| Ok(BulkAction::Unpin)),
        },
        Action {
            id: "tag",
            label: "Add tag",
            verb: Verb::ChangeJobs,
            argument: Some(Argument::Text("Tag", 32)),
            act: Act::Jobs(|text| tag(text).map(BulkAction::Tag)),
        },
        Action {
            id: "untag",
            label: "Remove tag",
            verb: Verb::ChangeJobs,
            argument: Some(Argument::Text("Tag", 32)),
            act: Act::Jobs(|text| tag(text).map(BulkAction::Untag)),
        },
        Action {
            id: "move",
            label: "Move to queue",
            verb: Verb::ChangeJobs,
            argument: Some(Argument::One("Queue", queues)),
            act: Act::Jobs(|text| match QueueName::new(text) {
                Ok(queue) => Ok(BulkAction::Move(queue)),
                Err(error) => Err(Problem::new("argument", error.to_string())),
            }),
        },
    ],
    source: Source::Jobs,
    edit: None,
    object: "job",
};

fn tag(text: &str) -> Result<Tag, Problem> {
    Tag::new(text).map_err(|error| Problem::new("argument", error.to_string()))
}

/// The queues a job can be moved to.
pub(super) fn queues(app: &App) -> Result<Vec<(String, String)>, AppError> {
    let name = |q: crate::domain::Queue| (q.name.to_string(), q.name.to_string());
    Ok(app.store().queues()?.into_iter().map(name).collect())
}
