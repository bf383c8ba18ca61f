//! Runners: what they are, what they found, and whether they may be used.

use super::super::{
    change::Writing,
    model::*,
    value::{Object, Value},
};
use crate::{
    app::{App, AppError, OFF, runner_key},
    domain::{Actor, RunnerId, Verb},
    plugin::{Entry, Origin, Status},
};

pub(super) static RUNNERS: Model = Model {
    id: "runners",
    one: "runner",
    many: "Runners",
    about: "Plugins, each of which knows one image tool.",
    section: Section::App,
    rights: Rights {
        view: Verb::ViewRunners,
        add: None,
        change: Some(Verb::ChangeRunners),
        delete: None,
    },
    columns: &[
        Column::new("id", "Runner"),
        Column::new("name", "Name"),
        Column::new("version", "Version"),
        Column::new("origin", "From"),
        Column::new("usable", "Usable"),
        Column::plain("status", "State"),
        Column::plain("missing", "Programs not found"),
        Column::number("pairs", "Pairs"),
    ],
    filters: &[Filter { id: "usable", label: "Usable" }, Filter { id: "origin", label: "From" }],
    search: &["id", "name", "status", "programs"],
    order: ("id", false),
    dated: false,
    fieldsets: &[
        Fieldset {
            title: "Runner",
            fields: &[
                Field::shown("name", "Name"),
                Field::shown("version", "Version"),
                Field::shown("sha256", "SHA-256"),
                Field::shown("origin", "From"),
                Field::shown("status", "State"),
                Field::new(
                    "on",
                    "Switched on",
                    Kind::Check,
                    "Off: nothing new is built with it; what builds goes on. What config.toml switches off stays off.",
                ),
            ],
        },
        Fieldset {
            title: "On this box",
            fields: &[
                Field::shown("programs", "Programs found"),
                Field::shown("missing", "Programs not found"),
                Field::shown("builds", "Builds"),
                Field::shown("errors", "Last errors"),
            ],
        },
    ],
    actions: &[
        Action {
            id: "off",
            label: "Switch off",
            verb: Verb::ChangeRunners,
            argument: None,
            act: Act::Each(|w, key, _| switch(w, key, false)),
        },
        Action {
            id: "on",
            label: "Switch on",
            verb: Verb::ChangeRunners,
            argument: None,
            act: Act::Each(|w, key, _| switch(w, key, true)),
        },
    ],
    source: Source::All(all),
    edit: Some(Edit {
        blank: |_| Object::default(),
        load,
        write,
        remove: None,
        dependants: |_, _, _| Ok(Vec::new()),
        after,
    }),
    object: "runner",
};

fn is_on(setting: Option<&str>) -> bool {
    setting != Some(OFF)
}

fn all(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    let mut found: Vec<Object> = Vec::new();
    for entry in app.catalog().snapshot().iter() {
        // Two files may say the same id; the first is the one that counts.
        if !found.iter().any(|object| object.key == entry.id) {
            let on = is_on(app.store().setting(&runner_key(&entry.id))?.as_deref());
            found.push(object(entry, on));
        }
    }
    Ok(found)
}

fn object(entry: &Entry, on: bool) -> Object {
    let info = entry.runner.as_ref().map(|runner| runner.info());
    let text = |text: Option<&str>| Value::text_of(text.unwrap_or_default());
    let program = |found: bool| {
        let programs = entry.programs.iter().filter(move |p| p.path.is_some() == found);
        Value::words_of(programs.map(|p| match (&p.path, &p.version) {
            (Some(path), Some(version)) => format!("{} ({version})", path.display()),
            (Some(path), None) => path.display().to_string(),
            (None, _) => p.name.clone(),
        }))
    };
    let types = info.map(|i| i.image_types.as_slice()).unwrap_or_default();
    let builds = types.iter().map(|t| format!("{}: {}", t.id, t.architectures.join(" ")));
    let pairs: usize = types.iter().map(|t| t.architectures.len()).sum();
    Object::new(entry.id.as_str(), entry.id.as_str())
        .with("id", Value::Code(entry.id.clone()))
        .with("name", text(info.map(|i| i.name.as_str())))
        .with("version", text(info.map(|i| i.version.as_str())))
        .with("sha256", Value::Code(entry.sha256.clone()))
        .with("origin", Value::Text(origin(&entry.origin)))
        .with("usable", Value::Yes(entry.usable().is_some()))
        .with("status", Value::Text(status(&entry.status)))
        .with("on", Value::Yes(on))
        .with("programs", program(true))
        .with("missing", program(false))
        .with("builds", Value::words_of(builds))
        .with("pairs", Value::Number(i64::try_from(pairs).unwrap_or(i64::MAX)))
        .with("errors", Value::words_of(&entry.errors))
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::File(name) => name.clone(),
    }
}

fn status(status: &Status) -> String {
    match status {
        Status::Enabled => "enabled".to_owned(),
        Status::WaitingForGrant(what) => format!("waits for a grant: {what}"),
        Status::Disabled(why) => format!("disabled: {why}"),
        Status::Failed(why) => format!("failed: {why}"),
    }
}

fn known(w: &Writing<'_, '_>, key: &str) -> Option<Entry> {
    w.app.catalog().snapshot().iter().find(|entry| entry.id == key).cloned()
}

fn load(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Some(entry) = known(w, key) else { return Ok(None) };
    let on = is_on(w.tx.setting(&runner_key(key))?.as_deref());
    Ok(Some(object(&entry, on)))
}

fn write(w: &mut Writing<'_, '_>, key: Option<&str>, values: &Values) -> Result<String, Refusal> {
    let key = key.ok_or(Refusal::Missing)?;
    switch(w, key, values.yes("on"))?;
    Ok(key.to_owned())
}

fn switch(w: &mut Writing<'_, '_>, key: &str, on: bool) -> Result<(), Refusal> {
    if known(w, key).is_none() || RunnerId::new(key).is_err() {
        return Err(Refusal::Missing);
    }
    Ok(w.tx.put_setting(&runner_key(key), (!on).then_some(OFF))?)
}

fn after(app: &App) {
    app.settings_changed();
}
