//! Sessions and API tokens: looked at, and ended.

use super::super::{
    change::Writing,
    model::*,
    value::{Object, Value},
};
use crate::{
    app::{App, AppError},
    domain::{Actor, Verb},
    store::{SessionRecord, TokenRecord},
};

pub(super) static SESSIONS: Model = Model {
    id: "sessions",
    one: "session",
    many: "Sessions",
    about: "Browsers that are signed in.",
    section: Section::Auth,
    rights: Rights {
        view: Verb::ViewSessions,
        add: None,
        change: None,
        delete: Some(Verb::DeleteSessions),
    },
    columns: &[
        Column::new("user", "User"),
        Column::new("peer", "From"),
        Column::new("agent", "Browser"),
        Column::new("created", "Since"),
        Column::new("last_used", "Last used"),
        Column::new("over", "State"),
    ],
    filters: &[Filter { id: "user", label: "User" }, Filter { id: "over", label: "State" }],
    search: &["user", "peer", "agent"],
    order: ("last_used", true),
    dated: false,
    fieldsets: &[Fieldset {
        title: "Session",
        fields: &[
            Field::shown("user", "User"),
            Field::shown("peer", "From"),
            Field::shown("agent", "Browser"),
            Field::shown("created", "Since"),
            Field::shown("last_used", "Last used"),
        ],
    }],
    actions: &[Action {
        id: "delete",
        label: "End selected sessions",
        verb: Verb::DeleteSessions,
        argument: None,
        act: Act::Delete,
    }],
    source: Source::All(sessions),
    edit: Some(Edit {
        blank: |_| Object::default(),
        load: load_session,
        write: |_, _, _| Err(Refusal::Missing),
        remove: Some(end_session),
        dependants: |_, _, _| Ok(Vec::new()),
        after: |_| {},
    }),
    object: "session",
};

pub(super) static TOKENS: Model = Model {
    id: "tokens",
    one: "API token",
    many: "API tokens",
    about: "With which programs act for somebody; their secrets are never shown again.",
    section: Section::Auth,
    rights: Rights {
        view: Verb::ViewTokens,
        add: None,
        change: None,
        delete: Some(Verb::DeleteTokens),
    },
    columns: &[
        Column::new("prefix", "Begins with"),
        Column::new("label", "Label"),
        Column::new("user", "User"),
        Column::new("created", "Since"),
        Column::new("expires", "Until"),
        Column::new("last_used", "Last used"),
        Column::plain("scope", "May"),
    ],
    filters: &[Filter { id: "user", label: "User" }, Filter { id: "scope", label: "May" }],
    search: &["prefix", "label", "user"],
    order: ("created", true),
    dated: false,
    fieldsets: &[Fieldset {
        title: "Token",
        fields: &[
            Field::shown("prefix", "Begins with"),
            Field::shown("label", "Label"),
            Field::shown("user", "User"),
            Field::shown("created", "Since"),
            Field::shown("expires", "Until"),
            Field::shown("last_used", "Last used"),
            Field::shown("scope", "May"),
        ],
    }],
    actions: &[Action {
        id: "delete",
        label: "Revoke selected tokens",
        verb: Verb::DeleteTokens,
        argument: None,
        act: Act::Delete,
    }],
    source: Source::All(tokens),
    edit: Some(Edit {
        blank: |_| Object::default(),
        load: load_token,
        write: |_, _, _| Err(Refusal::Missing),
        remove: Some(revoke_token),
        dependants: |_, _, _| Ok(Vec::new()),
        after: |_| {},
    }),
    object: "token",
};

fn hex(hash: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

fn hash(key: &str) -> Option<[u8; 32]> {
    data_encoding::HEXLOWER.decode(key.as_bytes()).ok()?.try_into().ok()
}

fn sessions(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    Ok(app.store().sessions()?.iter().map(session_object).collect())
}

fn session_object(s: &SessionRecord) -> Object {
    let state = if s.only_set_password { "to set a password" } else { "signed in" };
    Object::new(hex(&s.id_hash), format!("{} from {}", s.user, s.peer))
        .with("user", Value::Text(s.user.to_string()))
        .with("peer", Value::text_of(s.peer.as_str()))
        .with("agent", Value::text_of(s.agent.as_str()))
        .with("created", Value::Moment(s.created))
        .with("last_used", Value::Moment(s.last_used))
        .with("over", Value::Text(state.to_owned()))
}

fn load_session(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Some(hash) = hash(key) else { return Ok(None) };
    Ok(w.tx.session(&hash)?.as_ref().map(session_object))
}

fn end_session(w: &mut Writing<'_, '_>, key: &str) -> Result<(), Refusal> {
    let hash = hash(key).ok_or(Refusal::Missing)?;
    Ok(w.tx.remove_session(&hash)?)
}

fn tokens(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    Ok(app.store().tokens()?.iter().map(token_object).collect())
}

fn token_object(t: &TokenRecord) -> Object {
    Object::new(hex(&t.id_hash), format!("{}… of {}", t.prefix, t.user))
        .with("prefix", Value::Code(t.prefix.clone()))
        .with("label", Value::text_of(t.label.as_str()))
        .with("user", Value::Text(t.user.to_string()))
        .with("created", Value::Moment(t.created))
        .with("expires", Value::moment_of(t.expires))
        .with("last_used", Value::moment_of(t.last_used))
        .with("scope", Value::Grants(t.scope))
}

fn load_token(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Some(hash) = hash(key) else { return Ok(None) };
    Ok(w.tx.token(&hash)?.as_ref().map(token_object))
}

fn revoke_token(w: &mut Writing<'_, '_>, key: &str) -> Result<(), Refusal> {
    let hash = hash(key).ok_or(Refusal::Missing)?;
    if w.tx.remove_token_by(&hash)? { Ok(()) } else { Err(Refusal::Missing) }
}
