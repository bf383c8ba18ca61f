//! Settings: the part of config.toml that may change while the service runs.

use super::super::{
    change::{Dependant, Writing},
    model::*,
    value::{Object, Value},
};
use crate::{
    app::{App, AppError, SettingSpec, SettingView},
    domain::{Actor, Verb},
};

pub(super) static SETTINGS: Model = Model {
    id: "settings",
    one: "setting",
    many: "Settings",
    about: "What of config.toml may change while the service runs; it counts at once.",
    section: Section::System,
    rights: Rights {
        view: Verb::ViewSettings,
        add: None,
        change: Some(Verb::ChangeSettings),
        delete: None,
    },
    columns: &[
        Column::new("key", "Setting"),
        Column::new("about", "What it is"),
        Column::plain("value", "Value"),
        Column::plain("given", "In config.toml"),
        Column::new("changed", "Changed here"),
    ],
    filters: &[
        Filter { id: "section", label: "Section" },
        Filter { id: "changed", label: "Changed here" },
    ],
    search: &["key", "about", "help"],
    order: ("key", false),
    dated: false,
    fieldsets: &[Fieldset {
        title: "Setting",
        fields: &[
            Field::shown("about", "What it is"),
            Field::shown("help", "What it does"),
            Field::shown("given", "In config.toml"),
            Field::new(
                "value",
                "Value",
                Kind::Text(40),
                "Written as in config.toml. Empty: as config.toml says.",
            ),
        ],
    }],
    actions: &[],
    source: Source::All(all),
    edit: Some(Edit {
        blank: |_| Object::default(),
        load,
        write,
        remove: None,
        dependants: |_, _, _| Ok(Vec::<Dependant>::new()),
        after,
    }),
    object: "setting",
};

fn all(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    Ok(app.setting_views()?.iter().map(object).collect())
}

fn object(view: &SettingView) -> Object {
    let spec = view.spec;
    Object::new(spec.key, spec.key)
        .with("key", Value::Code(spec.key.to_owned()))
        .with("about", Value::Text(spec.label.to_owned()))
        .with("help", Value::text_of(spec.help))
        .with("section", Value::Text(spec.section().to_owned()))
        .with("value", Value::text_of(view.value.as_str()))
        .with("given", Value::text_of(view.given.as_str()))
        .with("changed", Value::Yes(view.changed))
}

fn load(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Some(spec) = SettingSpec::find(key) else { return Ok(None) };
    let views = w.app.setting_views().map_err(|_| Refusal::Missing)?;
    let Some(view) = views.iter().find(|view| view.spec.key == spec.key) else { return Ok(None) };
    // What this transaction has written counts, and what it has taken away.
    let changed = w.tx.setting(&spec.store_key())?;
    let value = changed.clone().unwrap_or_else(|| view.given.clone());
    let now = SettingView { value, changed: changed.is_some(), ..view.clone() };
    Ok(Some(object(&now)))
}

fn write(w: &mut Writing<'_, '_>, key: Option<&str>, values: &Values) -> Result<String, Refusal> {
    let spec = key.and_then(SettingSpec::find).ok_or(Refusal::Missing)?;
    let text = values.text("value");
    let stored = if text.is_empty() {
        // What config.toml says has to fit with what else was changed here, too.
        let back = std::collections::BTreeMap::from([(spec.key.to_owned(), None)]);
        w.app.check_settings(&back).map_err(|problems| {
            let message = problems.into_iter().next().map(|problem| problem.message);
            Refusal::field("value", message.unwrap_or_else(|| "this does not fit".to_owned()))
        })?;
        None
    } else {
        let checked = w.app.check_setting(spec.key, &text);
        Some(checked.map_err(|problem| Refusal::field("value", problem.message))?)
    };
    w.tx.put_setting(&spec.store_key(), stored.as_deref())?;
    Ok(spec.key.to_owned())
}

fn after(app: &App) {
    app.settings_changed();
}
