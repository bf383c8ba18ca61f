//! Image types and architectures: which there are, the runners say; what they are called, in which
//! order and whether they are offered, an administrator.

use super::super::{
    change::Writing,
    model::*,
    value::{Object, Value},
};
use crate::{
    app::{App, AppError, Kind as KnownKind, Known, TypeNote},
    domain::{Actor, Verb},
};

const RIGHTS: Rights =
    Rights { view: Verb::ViewTypes, add: None, change: Some(Verb::ChangeTypes), delete: None };

const FIELDS: &[Fieldset] = &[Fieldset {
    title: "On the submit page",
    fields: &[
        Field::shown("runners", "Runners"),
        Field::shown("pairs", "Built with"),
        Field::new("label", "Label", Kind::Text(60), "Empty: what the runner calls it."),
        Field::required("order", "Order", Kind::Number(-1000, 1000), "Lower numbers come first."),
        Field::new(
            "hidden",
            "Hidden",
            Kind::Check,
            "Not offered on the submit page; scripts that name it are still served.",
        ),
    ],
}];

const COLUMNS: &[Column] = &[
    Column::new("id", "ID"),
    Column::new("shown", "Label"),
    Column::number("order", "Order"),
    Column::new("hidden", "Hidden"),
    Column::plain("runners", "Runners"),
    Column::plain("pairs", "Built with"),
];

const FILTERS: &[Filter] =
    &[Filter { id: "hidden", label: "Hidden" }, Filter { id: "runners", label: "Runner" }];

/// Both are the same but for their words: what runners declare, and a note about each.
macro_rules! declared {
    ($kind:ident, $id:literal, $one:literal, $many:literal, $about:literal, $object:literal) => {
        Model {
            id: $id,
            one: $one,
            many: $many,
            about: $about,
            section: Section::App,
            rights: RIGHTS,
            columns: COLUMNS,
            filters: FILTERS,
            search: &["id", "shown"],
            order: ("id", false),
            dated: false,
            fieldsets: FIELDS,
            actions: &[
                Action {
                    id: "hide",
                    label: "Hide",
                    verb: Verb::ChangeTypes,
                    argument: None,
                    act: Act::Each(|w, key, _| hide(w, KnownKind::$kind, key, true)),
                },
                Action {
                    id: "show",
                    label: "Offer",
                    verb: Verb::ChangeTypes,
                    argument: None,
                    act: Act::Each(|w, key, _| hide(w, KnownKind::$kind, key, false)),
                },
            ],
            source: Source::All(|app, _: &Actor| all(app, KnownKind::$kind)),
            edit: Some(Edit {
                blank: |_| Object::default(),
                load: |w, key| load(w, KnownKind::$kind, key),
                write: |w, key, values| write(w, KnownKind::$kind, key, values),
                remove: None,
                dependants: |_, _, _| Ok(Vec::new()),
                after: |_| {},
            }),
            object: $object,
        }
    };
}

pub(super) static IMAGE_TYPES: Model = declared!(
    ImageType,
    "types",
    "image type",
    "Image types",
    "Output formats, as the runners declare them.",
    "image-type"
);

pub(super) static ARCHS: Model = declared!(
    Arch,
    "archs",
    "architecture",
    "Architectures",
    "Target architectures, as the runners declare them.",
    "arch"
);

fn known(app: &App, kind: KnownKind) -> Vec<Known> {
    match kind {
        KnownKind::ImageType => app.known_types(),
        KnownKind::Arch => app.known_archs(),
    }
}

fn all(app: &App, kind: KnownKind) -> Result<Vec<Object>, AppError> {
    let notes = app.type_notes(kind)?;
    let note = |known: &Known| notes.get(&known.id).cloned().unwrap_or_default();
    Ok(known(app, kind).iter().map(|known| object(known, &note(known))).collect())
}

fn object(known: &Known, note: &TypeNote) -> Object {
    let label = note.label.clone();
    Object::new(known.id.as_str(), known.id.as_str())
        .with("id", Value::Code(known.id.clone()))
        .with("shown", Value::Text(label.clone().unwrap_or_else(|| known.label.clone())))
        .with("label", Value::text_of(label.unwrap_or_default()))
        .with("order", Value::Number(i64::from(note.order)))
        .with("hidden", Value::Yes(note.hidden))
        .with("runners", Value::words_of(&known.runners))
        .with("pairs", Value::words_of(&known.pairs))
}

fn noted(
    w: &mut Writing<'_, '_>,
    kind: KnownKind,
    key: &str,
) -> Result<Option<(Known, TypeNote)>, Refusal> {
    let Some(known) = known(w.app, kind).into_iter().find(|known| known.id == key) else {
        return Ok(None);
    };
    let text = w.tx.setting(&kind.key(key))?;
    // A note that no longer reads counts as none.
    let note = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(Some((known, note)))
}

fn load(w: &mut Writing<'_, '_>, kind: KnownKind, key: &str) -> Result<Option<Object>, Refusal> {
    Ok(noted(w, kind, key)?.map(|(known, note)| object(&known, &note)))
}

fn write(
    w: &mut Writing<'_, '_>,
    kind: KnownKind,
    key: Option<&str>,
    values: &Values,
) -> Result<String, Refusal> {
    let key = key.ok_or(Refusal::Missing)?;
    let order = values.number("order").and_then(|n| i32::try_from(n).ok()).unwrap_or_default();
    let label = Some(values.text("label")).filter(|label| !label.is_empty());
    put(w, kind, key, &TypeNote { label, order, hidden: values.yes("hidden") })?;
    Ok(key.to_owned())
}

fn hide(w: &mut Writing<'_, '_>, kind: KnownKind, key: &str, hidden: bool) -> Result<(), Refusal> {
    let (_, note) = noted(w, kind, key)?.ok_or(Refusal::Missing)?;
    put(w, kind, key, &TypeNote { hidden, ..note })
}

fn put(
    w: &mut Writing<'_, '_>,
    kind: KnownKind,
    key: &str,
    note: &TypeNote,
) -> Result<(), Refusal> {
    let plain = *note == TypeNote::default();
    let text = serde_json::to_string(note)
        .map_err(|error| Refusal::Refused(format!("it cannot be written down: {error}")))?;
    Ok(w.tx.put_setting(&kind.key(key), (!plain).then_some(text.as_str()))?)
}
