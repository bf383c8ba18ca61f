//! Users with their profiles and rights.

use super::super::{
    change::{Dependant, Writing},
    model::*,
    value::{Object, Value},
};
use crate::{
    app::{App, AppError},
    domain::{Actor, Group, GroupName, User, UserName, UserQuota, Verb, Verbs},
    store::{RowFilter, RowQuery},
};

/// Things that are named on the page that asks before a deletion.
const NAMED: usize = 10;

pub(super) static USERS: Model = Model {
    id: "users",
    one: "user",
    many: "Users",
    about: "People who can sign in, with their profiles and rights.",
    section: Section::Auth,
    rights: Rights {
        view: Verb::ViewUsers,
        add: Some(Verb::AddUsers),
        change: Some(Verb::ChangeUsers),
        delete: Some(Verb::DeleteUsers),
    },
    columns: &[
        Column::new("name", "User"),
        Column::new("full_name", "Name"),
        Column::new("mail", "Mail"),
        Column::new("active", "Active"),
        Column::new("staff", "Staff"),
        Column::new("superuser", "Superuser"),
        Column::new("groups", "Groups"),
        Column::new("last_login", "Last login"),
    ],
    filters: &[
        Filter { id: "active", label: "Active" },
        Filter { id: "staff", label: "Staff" },
        Filter { id: "superuser", label: "Superuser" },
        Filter { id: "groups", label: "Group" },
        Filter { id: "password", label: "Password" },
    ],
    search: &["name", "full_name", "mail"],
    order: ("name", false),
    dated: false,
    fieldsets: &[
        Fieldset {
            title: "User",
            fields: &[
                Field::required(
                    "name",
                    "User name",
                    Kind::Text(64),
                    "Letters, digits, ., _, +, - and @; it cannot be changed later.",
                )
                .only(On::Add),
                Field::shown("password", "Password"),
                Field::shown("created", "Member since"),
                Field::shown("last_login", "Last login"),
            ],
        },
        Fieldset {
            title: "Profile",
            fields: &[
                Field::new("full_name", "Full name", Kind::Text(100), "For people."),
                Field::new("mail", "Mail", Kind::Text(200), "Where mail about their jobs goes."),
            ],
        },
        Fieldset {
            title: "Rights",
            fields: &[
                Field::new(
                    "active",
                    "Active",
                    Kind::Check,
                    "Off: they cannot sign in; their sessions end and their tokens are revoked at once.",
                )
                .only(On::Change),
                Field::new(
                    "must_set_password",
                    "Must set a new password",
                    Kind::Check,
                    "At the next sign-in, before anything else answers.",
                )
                .only(On::Change),
                Field::new("staff", "Staff", Kind::Check, "May enter the Admin tab.")
                    .only(On::Change),
                Field::new(
                    "superuser",
                    "Superuser",
                    Kind::Check,
                    "Has every permission. Only superusers make superusers.",
                )
                .only(On::Change),
                Field::new(
                    "groups",
                    "Groups",
                    Kind::Any(groups),
                    "They have what their groups have.",
                )
                .only(On::Change),
                Field::new(
                    "grants",
                    "Permissions of their own",
                    Kind::Grants,
                    "Besides those of their groups. You can only give what you have yourself.",
                )
                .only(On::Change),
            ],
        },
        Fieldset {
            title: "Quota",
            fields: &[
                Field::new(
                    "running",
                    "Build at once",
                    Kind::Number(0, 1000),
                    "0: no limit. Empty: as the settings say.",
                )
                .only(On::Change),
                Field::new(
                    "queued",
                    "Wait at once",
                    Kind::Number(0, 100_000),
                    "Further jobs are refused until some have started.",
                )
                .only(On::Change),
                Field::new(
                    "bytes",
                    "Images in all",
                    Kind::Size,
                    "Most their images may take, such as 50GiB.",
                )
                .only(On::Change),
            ],
        },
    ],
    actions: &[
        Action {
            id: "delete",
            label: "Delete selected users",
            verb: Verb::DeleteUsers,
            argument: None,
            act: Act::Delete,
        },
        Action {
            id: "disable",
            label: "Disable",
            verb: Verb::ChangeUsers,
            argument: None,
            act: Act::Each(|w, key, _| switch(w, key, false)),
        },
        Action {
            id: "enable",
            label: "Enable",
            verb: Verb::ChangeUsers,
            argument: None,
            act: Act::Each(|w, key, _| switch(w, key, true)),
        },
    ],
    source: Source::All(all),
    edit: Some(Edit { blank, load, write, remove: Some(remove), dependants, after }),
    object: "user",
};

fn all(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    Ok(app.store().users()?.iter().map(object).collect())
}

fn object(user: &User) -> Object {
    let number = |n: Option<u32>| n.map_or(Value::Nothing, |n| Value::Number(i64::from(n)));
    Object::new(user.name.as_str(), user.name.as_str())
        .with("name", Value::Text(user.name.to_string()))
        .with("full_name", Value::text_of(user.full_name.as_str()))
        .with("mail", Value::text_of(user.mail.as_str()))
        .with("active", Value::Yes(user.active))
        .with("must_set_password", Value::Yes(user.must_set_password))
        .with("staff", Value::Yes(user.staff))
        .with("superuser", Value::Yes(user.superuser))
        .with("groups", Value::words_of(&user.groups))
        .with("grants", Value::Grants(user.verbs))
        .with("running", number(user.quota.running))
        .with("queued", number(user.quota.queued))
        .with("bytes", user.quota.bytes.map_or(Value::Nothing, Value::Bytes))
        .with("password", Value::Text(password(user).to_owned()))
        .with("created", Value::Moment(user.created))
        .with("last_login", Value::moment_of(user.last_login))
}

fn password(user: &User) -> &'static str {
    match (user.password_hash.is_empty(), user.setup.is_some()) {
        (true, true) => "link given out",
        (true, false) => "none",
        (false, _) if user.must_set_password => "to be changed",
        (false, _) => "set",
    }
}

fn blank(_app: &App) -> Object {
    Object::default()
}

fn load(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Ok(name) = UserName::new(key) else { return Ok(None) };
    Ok(w.tx.user(&name)?.as_ref().map(object))
}

fn write(w: &mut Writing<'_, '_>, key: Option<&str>, values: &Values) -> Result<String, Refusal> {
    let Some(key) = key else { return add(w, values) };
    let old = named(w, key)?;
    manageable(w, &old)?;
    let mut user = old.clone();
    profile(&mut user, values)?;
    user.active = values.yes("active");
    user.must_set_password = values.yes("must_set_password");
    user.staff = values.yes("staff");
    user.superuser = values.yes("superuser");
    user.groups = values.words("groups").iter().flat_map(|g| GroupName::new(g)).collect();
    user.verbs = match values.get("grants") {
        Value::Grants(verbs) => *verbs,
        _ => Verbs::NONE,
    };
    let count = |id: &str| values.number(id).and_then(|n| u32::try_from(n).ok());
    let (running, queued) = (count("running"), count("queued"));
    user.quota = UserQuota { running, queued, bytes: values.bytes("bytes") };
    granted(w, &old, &user)?;
    put(w, &old, &user)?;
    Ok(user.name.to_string())
}

fn add(w: &mut Writing<'_, '_>, values: &Values) -> Result<String, Refusal> {
    // Whoever adds a user goes on to say what they may, as Django has it.
    w.actor.allow(Verb::ChangeUsers)?;
    let name = UserName::new(&values.text("name"));
    let name = name.map_err(|e| Refusal::field("name", e.to_string()))?;
    // In the audit trail these are the service itself and whoever has not signed in.
    let reserved = [crate::app::CONSOLE, "system", "anonymous"].contains(&name.as_str());
    if w.tx.user(&name)?.is_some() || reserved {
        let message = format!("there is a user `{name}` already: choose another name");
        return Err(Refusal::field("name", message));
    }
    let mut user = User {
        name,
        full_name: String::new(),
        mail: String::new(),
        password_hash: String::new(),
        active: true,
        staff: false,
        superuser: false,
        must_set_password: false,
        groups: Vec::new(),
        verbs: Verbs::NONE,
        created: w.now,
        last_login: None,
        quota: UserQuota::default(),
        setup: None,
    };
    profile(&mut user, values)?;
    w.tx.put_user(&user)?;
    Ok(user.name.to_string())
}

fn profile(user: &mut User, values: &Values) -> Result<(), Refusal> {
    user.full_name = values.text("full_name");
    user.mail = values.text("mail");
    let fits = user.mail.is_empty()
        || user.mail.split_once('@').is_some_and(|(name, host)| {
            let plain = |t: &str| {
                !t.is_empty() && !t.contains(|c: char| c.is_whitespace() || "<>,;\"".contains(c))
            };
            plain(name) && plain(host) && !host.contains('@')
        });
    if fits {
        return Ok(());
    }
    Err(Refusal::field("mail", "this is no mail address: give one such as name@example.org"))
}

fn named(w: &mut Writing<'_, '_>, key: &str) -> Result<User, Refusal> {
    let name = UserName::new(key).map_err(|_| Refusal::Missing)?;
    w.tx.user(&name)?.ok_or(Refusal::Missing)
}

/// Nobody changes somebody who may do more than they: it would be a way to become them.
pub(super) fn manageable(w: &mut Writing<'_, '_>, user: &User) -> Result<(), Refusal> {
    let groups = w.tx.groups()?;
    may_manage(w.actor, user, &groups).map_err(Refusal::Refused)
}

/// Whether `actor` may change `user`, and if not, why.
pub(in crate::app) fn may_manage(
    actor: &Actor,
    user: &User,
    groups: &[Group],
) -> Result<(), String> {
    if actor.superuser || user.name == actor.user {
        return Ok(());
    }
    let theirs = User { active: true, ..user.clone() }.actor(groups).verbs;
    let more = theirs.without(actor.verbs);
    if user.superuser {
        return Err(format!("{} is a superuser: only superusers change superusers", user.name));
    }
    if more.is_empty() {
        return Ok(());
    }
    Err(format!("{} may do what you may not ({}): ask a superuser", user.name, listed(more)))
}

fn listed(verbs: Verbs) -> String {
    verbs.iter().map(Verb::as_str).collect::<Vec<_>>().join(", ")
}

/// Nobody grants what they do not have.
pub(super) fn given(
    actor: &Actor,
    field: &str,
    before: Verbs,
    after: Verbs,
) -> Result<(), Refusal> {
    let more = after.without(before).without(actor.verbs);
    if actor.superuser || more.is_empty() {
        return Ok(());
    }
    let message = format!("you cannot give what you do not have yourself: {}", listed(more));
    Err(Refusal::field(field, message))
}

fn granted(w: &mut Writing<'_, '_>, old: &User, new: &User) -> Result<(), Refusal> {
    let actor = w.actor;
    if new.superuser && !old.superuser && !actor.superuser {
        return Err(Refusal::field("superuser", "only superusers make superusers"));
    }
    given(actor, "grants", old.verbs, new.verbs)?;
    for group in w.tx.groups()? {
        if new.groups.contains(&group.name) && !old.groups.contains(&group.name) {
            given(actor, "groups", Verbs::NONE, group.verbs)?;
        }
    }
    if new.name != actor.user {
        return Ok(());
    }
    if !new.active {
        return Err(Refusal::field("active", "this is you: somebody else has to switch you off"));
    }
    if old.superuser && !new.superuser {
        let message = "this is you: another superuser has to take it from you";
        return Err(Refusal::field("superuser", message));
    }
    if old.staff && !new.staff && !new.superuser {
        return Err(Refusal::field("staff", "this is you: you would not come back here"));
    }
    Ok(())
}

/// Writes a changed user. Who is switched off is out at once, and no link lets them in again.
fn put(w: &mut Writing<'_, '_>, old: &User, new: &User) -> Result<(), Refusal> {
    if old.active && old.superuser && !(new.active && new.superuser) {
        last_superuser(w, old)?;
    }
    if new.active {
        w.tx.put_user(new)?;
    } else {
        w.tx.put_user(&User { setup: None, ..new.clone() })?;
        w.tx.remove_sessions_of(&new.name, None)?;
        w.tx.remove_tokens_of(&new.name)?;
    }
    Ok(())
}

fn last_superuser(w: &mut Writing<'_, '_>, user: &User) -> Result<(), Refusal> {
    let other = |u: &User| u.superuser && u.active && u.name != user.name;
    if w.tx.users()?.iter().any(other) {
        return Ok(());
    }
    let sentence =
        format!("{} is the last superuser who is active: make another one first", user.name);
    Err(Refusal::Refused(sentence))
}

fn switch(w: &mut Writing<'_, '_>, key: &str, on: bool) -> Result<(), Refusal> {
    let old = named(w, key)?;
    manageable(w, &old)?;
    if !on && old.name == w.actor.user {
        return Err(Refusal::Refused("this is you: somebody else has to switch you off".into()));
    }
    let new = User { active: on, ..old.clone() };
    put(w, &old, &new)
}

fn remove(w: &mut Writing<'_, '_>, key: &str) -> Result<(), Refusal> {
    let user = named(w, key)?;
    manageable(w, &user)?;
    if user.name == w.actor.user {
        return Err(Refusal::Refused("this is you: somebody else has to delete you".into()));
    }
    if user.superuser && user.active {
        last_superuser(w, &user)?;
    }
    w.tx.remove_user(&user.name)?;
    Ok(())
}

fn dependants(app: &App, actor: &Actor, key: &str) -> Result<Vec<Dependant>, AppError> {
    let Ok(name) = UserName::new(key) else { return Ok(Vec::new()) };
    let Some(user) = app.store().user(&name)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    if name == actor.user {
        found.push(Dependant::block("this is you: somebody else has to delete you"));
    } else if let Err(why) = may_manage(actor, &user, &app.store().groups()?) {
        found.push(Dependant::block(why));
    }
    let others = app.store().users()?;
    let other = |u: &User| u.superuser && u.active && u.name != name;
    if user.superuser && user.active && !others.iter().any(other) {
        found.push(Dependant::block("the last superuser who is active: make another one first"));
    }
    let sessions = app.store().sessions_of(&name)?.len();
    let tokens = app.store().tokens_of(&name)?.len();
    if sessions + tokens > 0 {
        let text = format!("{sessions} sessions and {tokens} API tokens end at once");
        found.push(Dependant::note(text));
    }
    let filter = RowFilter { owner: Some(key.to_owned()), ..RowFilter::default() };
    let jobs = app.store().rows(&RowQuery {
        filter,
        descending: true,
        limit: NAMED,
        ..RowQuery::default()
    })?;
    if jobs.total > 0 {
        let text = format!("{} jobs of theirs stay, with their files", jobs.total);
        let link = |id: &crate::domain::JobId| (id.to_string(), format!("/jobs/{id}"));
        let some = jobs.ids.iter().map(link).collect();
        found.push(Dependant { some, ..Dependant::note(text) });
    }
    Ok(found)
}

/// Some things of a model, with their pages.
pub(super) fn some_of(model: &str, keys: &[String]) -> Vec<(String, String)> {
    let link = |key: &String| (key.clone(), format!("/admin/{model}/{key}/change"));
    keys.iter().take(NAMED).map(link).collect()
}

/// The groups there are, as a choice.
pub(super) fn groups(app: &App) -> Result<Vec<(String, String)>, AppError> {
    let groups = app.store().groups()?.into_iter();
    Ok(groups.map(|g| (g.name.to_string(), g.name.to_string())).collect())
}

fn after(app: &App) {
    app.settings_changed();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn user(superuser: bool, verbs: &[Verb]) -> User {
        User {
            name: UserName::new("bo").unwrap(),
            full_name: String::new(),
            mail: String::new(),
            password_hash: "x".into(),
            active: false,
            staff: true,
            superuser,
            must_set_password: false,
            groups: Vec::new(),
            verbs: verbs.iter().copied().collect(),
            created: Timestamp::default(),
            last_login: None,
            quota: UserQuota::default(),
            setup: None,
        }
    }

    fn actor(superuser: bool, verbs: &[Verb]) -> Actor {
        Actor {
            user: UserName::new("ann").unwrap(),
            verbs: verbs.iter().copied().collect(),
            staff: true,
            superuser,
        }
    }

    #[test]
    fn nobody_manages_somebody_who_may_more_even_while_they_are_switched_off() {
        let ann = actor(false, &[Verb::ChangeUsers]);
        assert!(may_manage(&ann, &user(false, &[Verb::ChangeUsers]), &[]).is_ok());
        let refused = may_manage(&ann, &user(false, &[Verb::Backup]), &[]).unwrap_err();
        assert!(refused.contains("backup"), "{refused}");
        assert!(may_manage(&ann, &user(true, &[]), &[]).unwrap_err().contains("superuser"));
        assert!(may_manage(&actor(true, &[]), &user(true, &[]), &[]).is_ok());
    }

    #[test]
    fn nobody_gives_what_they_do_not_have_but_may_leave_it() {
        let verbs = |v: &[Verb]| v.iter().copied().collect::<Verbs>();
        let ann = actor(false, &[Verb::Pin]);
        assert!(given(&ann, "grants", Verbs::NONE, verbs(&[Verb::Pin])).is_ok());
        assert!(given(&ann, "grants", Verbs::NONE, verbs(&[Verb::Backup])).is_err());
        assert!(given(&ann, "grants", verbs(&[Verb::Backup]), verbs(&[Verb::Backup])).is_ok());
        assert!(given(&ann, "grants", verbs(&[Verb::Backup]), Verbs::NONE).is_ok());
    }
}
