//! The audit trail: only looked at.

use super::super::model::*;
use crate::domain::Verb;

pub(super) static AUDIT: Model = Model {
    id: "audit",
    one: "audit line",
    many: "Audit",
    about: "Who did what, when and from where; every line seals the one before it.",
    section: Section::System,
    rights: Rights::view(Verb::ViewAudit),
    columns: &[
        Column::new("number", "No."),
        Column::plain("at", "Time (UTC)"),
        Column::plain("actor", "Who"),
        Column::plain("action", "What"),
        Column::plain("object", "On"),
        Column::plain("detail", "Old → new"),
        Column::plain("peer", "From"),
    ],
    filters: &[
        Filter { id: "action", label: "What" },
        Filter { id: "actor", label: "Who" },
        Filter { id: "object", label: "On" },
    ],
    search: &["actor", "action", "object", "detail", "peer", "request"],
    order: ("number", true),
    dated: true,
    fieldsets: &[Fieldset {
        title: "Line",
        fields: &[
            Field::shown("at", "Time"),
            Field::shown("actor", "Who"),
            Field::shown("action", "What"),
            Field::shown("object", "On"),
            Field::shown("detail", "Old → new"),
            Field::shown("peer", "From"),
            Field::shown("request", "Request"),
        ],
    }],
    actions: &[],
    source: Source::Audit,
    edit: None,
    object: "",
};
