//! Groups.

use super::super::{
    change::{Dependant, Writing},
    model::*,
    value::{Object, Value},
};
use super::users::{given, some_of};
use crate::{
    app::{App, AppError},
    domain::{Actor, Group, GroupName, Verb, Verbs},
};
use std::collections::HashMap;

pub(super) static GROUPS: Model = Model {
    id: "groups",
    one: "group",
    many: "Groups",
    about: "Sets of permissions that users share.",
    section: Section::Auth,
    rights: Rights {
        view: Verb::ViewGroups,
        add: Some(Verb::AddGroups),
        change: Some(Verb::ChangeGroups),
        delete: Some(Verb::DeleteGroups),
    },
    columns: &[
        Column::new("name", "Name"),
        Column::number("members", "Members"),
        Column::number("may", "Permissions"),
    ],
    filters: &[Filter { id: "grants", label: "Permission" }],
    search: &["name"],
    order: ("name", false),
    dated: false,
    fieldsets: &[
        Fieldset {
            title: "Group",
            fields: &[Field::required(
                "name",
                "Name",
                Kind::Text(64),
                "Letters, digits, blanks, -, _, + and .; it cannot be changed later.",
            )
            .only(On::Add)],
        },
        Fieldset {
            title: "Permissions",
            fields: &[Field::new(
                "grants",
                "Members may",
                Kind::Grants,
                "You can only give what you have yourself.",
            )],
        },
    ],
    actions: &[Action {
        id: "delete",
        label: "Delete selected groups",
        verb: Verb::DeleteGroups,
        argument: None,
        act: Act::Delete,
    }],
    source: Source::All(all),
    edit: Some(Edit { blank, load, write, remove: Some(remove), dependants, after }),
    object: "group",
};

fn all(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    let mut members: HashMap<GroupName, i64> = HashMap::new();
    for group in app.store().users()?.into_iter().flat_map(|user| user.groups) {
        *members.entry(group).or_default() += 1;
    }
    let object = |group: Group| {
        let count = members.get(&group.name).copied().unwrap_or(0);
        object(&group).with("members", Value::Number(count))
    };
    Ok(app.store().groups()?.into_iter().map(object).collect())
}

fn object(group: &Group) -> Object {
    let may = i64::try_from(group.verbs.iter().count()).unwrap_or(0);
    Object::new(group.name.as_str(), group.name.as_str())
        .with("name", Value::Text(group.name.to_string()))
        .with("grants", Value::Grants(group.verbs))
        .with("may", Value::Number(may))
}

fn blank(_app: &App) -> Object {
    Object::default()
}

fn load(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Ok(name) = GroupName::new(key) else { return Ok(None) };
    Ok(w.tx.group(&name)?.as_ref().map(object))
}

fn write(w: &mut Writing<'_, '_>, key: Option<&str>, values: &Values) -> Result<String, Refusal> {
    let mut group = match key {
        Some(key) => {
            let name = GroupName::new(key).map_err(|_| Refusal::Missing)?;
            w.tx.group(&name)?.ok_or(Refusal::Missing)?
        }
        None => new(w, &values.text("name"))?,
    };
    let wanted = match values.get("grants") {
        Value::Grants(verbs) => *verbs,
        _ => Verbs::NONE,
    };
    given(w.actor, "grants", group.verbs, wanted)?;
    group.verbs = wanted;
    w.tx.put_group(&group)?;
    Ok(group.name.to_string())
}

fn new(w: &mut Writing<'_, '_>, name: &str) -> Result<Group, Refusal> {
    let name = GroupName::new(name).map_err(|e| Refusal::field("name", e.to_string()))?;
    if w.tx.group(&name)?.is_some() {
        let message = format!("there is a group `{name}` already: choose another name");
        return Err(Refusal::field("name", message));
    }
    Ok(Group { name, verbs: Verbs::NONE })
}

/// Whoever is in it leaves it, and queues that were open to it alone are refused: they would be
/// open to everybody.
fn remove(w: &mut Writing<'_, '_>, key: &str) -> Result<(), Refusal> {
    let name = GroupName::new(key).map_err(|_| Refusal::Missing)?;
    for mut queue in w.tx.queues()? {
        if !queue.submitters.contains(&name) {
            continue;
        }
        queue.submitters.retain(|g| *g != name);
        if queue.submitters.is_empty() {
            let sentence = format!(
                "queue {} is open to group {name} alone and would be open to everybody: change the queue first",
                queue.name
            );
            return Err(Refusal::Refused(sentence));
        }
        w.tx.put_queue(&queue)?;
    }
    for mut user in w.tx.users()? {
        if user.groups.contains(&name) {
            user.groups.retain(|g| *g != name);
            w.tx.put_user(&user)?;
        }
    }
    if w.tx.remove_group(&name)? { Ok(()) } else { Err(Refusal::Missing) }
}

fn dependants(app: &App, _actor: &Actor, key: &str) -> Result<Vec<Dependant>, AppError> {
    let Ok(name) = GroupName::new(key) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let members = app.store().users()?.into_iter().filter(|u| u.groups.contains(&name));
    let members: Vec<_> = members.map(|u| u.name.to_string()).collect();
    if !members.is_empty() {
        let text = format!("{} users are in it and lose what it gave them", members.len());
        found.push(Dependant { some: some_of("users", &members), ..Dependant::note(text) });
    }
    for queue in app.store().queues()?.into_iter().filter(|q| q.submitters.contains(&name)) {
        let some = some_of("queues", &[queue.name.to_string()]);
        found.push(if queue.submitters.len() == 1 {
            let text = format!(
                "queue {} is open to this group alone and would be open to everybody: change the queue first",
                queue.name
            );
            Dependant { some, ..Dependant::block(text) }
        } else {
            let text = format!("queue {} is no longer open to it", queue.name);
            Dependant { some, ..Dependant::note(text) }
        });
    }
    Ok(found)
}

fn after(app: &App) {
    app.settings_changed();
}
