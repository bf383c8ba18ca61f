//! Saving and deleting. One form is one transaction: a refusal anywhere leaves everything as it
//! was, and what was changed is in the audit trail together with the change.

use super::{
    form::{self, Typed},
    model::{Edit, Model, Refusal, Source, Values},
    value::{Object, Value},
};
use crate::{
    app::{App, AppError, Peer, Problem},
    domain::{Actor, QueueName, Timestamp, Verb},
    store::{AuditRecord, StoreError, Tx},
};
use std::sync::{Arc, Mutex, PoisonError};

/// Characters of a value that an audit line has.
const SHOWN: usize = 200;

/// What a change may look at and do.
pub struct Writing<'a, 'b> {
    /// The appliance, to look things up in; never to write.
    pub app: &'a App,
    /// The transaction.
    pub tx: &'a mut Tx<'b>,
    /// Who asks.
    pub actor: &'a Actor,
    /// When.
    pub now: Timestamp,
}

/// A form that was sent.
#[derive(Clone, Debug)]
pub struct Saving {
    /// Of which model.
    pub model: &'static Model,
    /// Which thing; `None`: a new one.
    pub key: Option<String>,
    /// What was typed.
    pub typed: Typed,
    /// The thing's version when the form was made.
    pub version: String,
}

/// Why a form was not saved.
#[derive(Debug)]
pub enum SaveRefused {
    /// What was typed does not fit.
    Invalid(Vec<Problem>),
    /// Somebody else changed the thing meanwhile.
    Stale(Stale),
    /// Anything else.
    Other(AppError),
}

/// The thing is no longer as it was when the form was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Its version now.
    pub version: String,
    /// Where the form and the thing differ.
    pub differences: Vec<Difference>,
}

/// A field with two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's name for people.
    pub label: &'static str,
    /// What was typed.
    pub yours: String,
    /// What is there.
    pub now: String,
}

/// What depends on a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependant {
    /// One sentence: what there is, and what becomes of it.
    pub text: String,
    /// Some of them, with their pages.
    pub some: Vec<(String, String)>,
    /// It keeps the thing from being deleted; the sentence says what to do.
    pub blocks: bool,
    /// Where they can be moved to, if somebody has to say that.
    pub move_to: Vec<String>,
}

impl Dependant {
    /// Something that goes with the thing, or stays without it.
    pub fn note(text: impl Into<String>) -> Self {
        Self { text: text.into(), some: Vec::new(), blocks: false, move_to: Vec::new() }
    }

    /// Something that keeps the thing from being deleted.
    pub fn block(text: impl Into<String>) -> Self {
        Self { blocks: true, ..Self::note(text) }
    }
}

impl From<Refusal> for SaveRefused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(problems) => Self::Invalid(problems),
            other => Self::Other(other.into()),
        }
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(problems) => Self::Invalid(problems),
            Refusal::Denied(denied) => Self::Denied(denied),
            Refusal::Refused(sentence) => Self::Refused(sentence),
            Refusal::Missing => Self::NotFound("such thing any more: somebody deleted it".into()),
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<AppError> for SaveRefused {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Invalid(problems) => Self::Invalid(problems),
            other => Self::Other(other),
        }
    }
}

/// Why a transaction was given up.
enum GaveUp {
    Refused(Refusal),
    Stale(Stale),
}

impl<E: Into<Refusal>> From<E> for GaveUp {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal.into())
    }
}

impl App {
    /// Saves a form; gives back the thing's key.
    ///
    /// # Errors
    /// See [`SaveRefused`]; nothing was changed then.
    pub async fn admin_save(
        &self,
        actor: &Actor,
        saving: Saving,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<String, SaveRefused> {
        let (model, adding) = (saving.model, saving.key.is_none());
        let verb = if adding { model.rights.add } else { model.rights.change };
        let (Some(verb), Some(edit)) = (verb, model.edit) else {
            return Err(AppError::NotFound(format!("form for {}", model.many)).into());
        };
        actor.allow(verb).map_err(AppError::from)?;
        let held = self.held(actor, &saving)?;
        let values = match form::read(self, model, (adding, &held), &saving.typed)? {
            Ok(values) => values,
            Err(problems) => return Err(SaveRefused::Invalid(problems)),
        };
        let audit = line(actor, peer, now);
        let saved = self.writing(actor, now, move |w| save(w, edit, &saving, &values, audit)).await;
        match saved {
            Ok(key) => {
                (edit.after)(self);
                Ok(key)
            }
            Err(Given::Up(GaveUp::Refused(refusal))) => Err(refusal.into()),
            Err(Given::Up(GaveUp::Stale(stale))) => Err(SaveRefused::Stale(stale)),
            Err(Given::Store(error)) => Err(AppError::from(error).into()),
        }
    }

    /// What a thing holds now; nothing where it is new or only the transaction will know.
    fn held(&self, actor: &Actor, saving: &Saving) -> Result<Object, AppError> {
        let (Some(key), Source::All(all)) = (&saving.key, saving.model.source) else {
            return Ok(Object::default());
        };
        let found = all(self, actor)?.into_iter().find(|object| object.key == *key);
        Ok(found.unwrap_or_default())
    }

    /// What depends on a thing.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn admin_dependants(
        &self,
        actor: &Actor,
        model: &'static Model,
        key: &str,
    ) -> Result<Vec<Dependant>, AppError> {
        actor.allow(model.rights.view)?;
        model.edit.map_or_else(|| Ok(Vec::new()), |edit| (edit.dependants)(self, actor, key))
    }

    /// Deletes things, all of them or none. `move_to`: where what waits in them goes first.
    ///
    /// # Errors
    /// Denied, or the reason why one of them stays.
    pub async fn admin_delete(
        &self,
        actor: &Actor,
        model: &'static Model,
        keys: Vec<String>,
        move_to: &str,
        (peer, now): (&Peer, Timestamp),
    ) -> Result<u64, AppError> {
        let edit = model.edit.zip(model.rights.delete);
        let Some((edit, verb)) = edit else {
            return Err(AppError::NotFound(format!("way to delete {}", model.many)));
        };
        actor.allow(verb)?;
        self.move_away(actor, model, &keys, move_to, (peer, now)).await?;
        let (count, audit) = (keys.len() as u64, line(actor, peer, now));
        let deleted = self.writing(actor, now, move |w| delete(w, model, edit, &keys, &audit));
        match deleted.await {
            Ok(()) => {
                (edit.after)(self);
                Ok(count)
            }
            Err(Given::Up(GaveUp::Refused(refusal))) => Err(refusal.into()),
            Err(Given::Up(GaveUp::Stale(_))) => Err(Refusal::Missing.into()),
            Err(Given::Store(error)) => Err(error.into()),
        }
    }

    /// Jobs that wait in what is deleted go elsewhere first: only the dispatcher moves jobs, so
    /// this cannot be part of the transaction, which looks again whether any wait. Everything
    /// that can be known to be wrong is looked at before the first one moves.
    async fn move_away(
        &self,
        actor: &Actor,
        model: &'static Model,
        keys: &[String],
        move_to: &str,
        (peer, now): (&Peer, Timestamp),
    ) -> Result<(), AppError> {
        let left = self.to_leave(actor, model, keys, move_to)?;
        if left.is_empty() {
            return Ok(());
        }
        actor.allow(Verb::ChangeJobs)?;
        let to = QueueName::new(move_to)?;
        for job in self.store().open_jobs()? {
            if left.contains(&job.queue) {
                self.move_job(actor, job.id, &to, peer, now).await?;
            }
        }
        Ok(())
    }

    /// The queues that jobs leave for `move_to` before they are deleted; none where nothing waits.
    fn to_leave(
        &self,
        actor: &Actor,
        model: &'static Model,
        keys: &[String],
        move_to: &str,
    ) -> Result<Vec<QueueName>, AppError> {
        let (mut left, mut blocked) = (Vec::new(), None);
        for key in keys {
            for dependant in self.admin_dependants(actor, model, key)? {
                if dependant.blocks {
                    blocked.get_or_insert_with(|| format!("{key}: {}", dependant.text));
                }
                if dependant.move_to.is_empty() {
                    continue;
                }
                let fits = dependant.move_to.iter().any(|name| name == move_to);
                if !fits || keys.iter().any(|key| key == move_to) {
                    let message = format!("{}: choose where they go", dependant.text);
                    return Err(AppError::Invalid(vec![Problem::new("move_to", message)]));
                }
                left.push(QueueName::new(key)?);
            }
        }
        match blocked {
            // Where nothing is to be moved the transaction itself says why.
            Some(sentence) if !left.is_empty() => Err(AppError::Refused(sentence)),
            _ => Ok(left),
        }
    }

    /// Runs a change in a transaction; what it refuses is carried past the store.
    async fn writing<T: Send + 'static>(
        &self,
        actor: &Actor,
        now: Timestamp,
        change: impl FnOnce(&mut Writing<'_, '_>) -> Result<T, GaveUp> + Send + 'static,
    ) -> Result<T, Given> {
        let reason = Arc::new(Mutex::new(None));
        let (app, actor, slot) = (self.clone(), actor.clone(), Arc::clone(&reason));
        let done = self
            .store()
            .write(move |tx| {
                let still = still_may(&app, tx, &actor)?;
                let changed = if still {
                    change(&mut Writing { app: &app, tx, actor: &actor, now })
                } else {
                    Err(GaveUp::Refused(Refusal::Refused(LESS.to_owned())))
                };
                changed.map_err(|gave_up| {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(gave_up);
                    StoreError::Refused("the change was refused".to_owned())
                })
            })
            .await;
        done.map_err(|error| {
            let reason = reason.lock().unwrap_or_else(PoisonError::into_inner).take();
            reason.map_or(Given::Store(error), Given::Up)
        })
    }

    /// As [`writing`](Self::writing), for the other parts of administration.
    pub(in crate::app) async fn in_one<T: Send + 'static>(
        &self,
        actor: &Actor,
        now: Timestamp,
        change: impl FnOnce(&mut Writing<'_, '_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, AppError> {
        let done = self.writing(actor, now, move |w| change(w).map_err(GaveUp::Refused)).await;
        done.map_err(|given| match given {
            Given::Up(GaveUp::Refused(refusal)) => refusal.into(),
            Given::Up(GaveUp::Stale(_)) => Refusal::Missing.into(),
            Given::Store(error) => error.into(),
        })
    }
}

const LESS: &str =
    "what you may do has changed while this was on its way: load the page again, then try again";

/// A form may have been on its way for a while: whoever may less by now than when it came changes
/// nothing with it.
fn still_may(app: &App, tx: &mut Tx<'_>, actor: &Actor) -> Result<bool, StoreError> {
    if *actor == app.console() {
        return Ok(true);
    }
    let groups = tx.groups()?;
    Ok(tx.user(&actor.user)?.is_some_and(|user| {
        let now = user.actor(&groups);
        let same = (now.superuser || !actor.superuser) && (now.staff || !actor.staff);
        same && actor.verbs.without(now.verbs).is_empty()
    }))
}

enum Given {
    Up(GaveUp),
    Store(StoreError),
}

/// An audit line without its action, object and detail.
pub(super) fn line(actor: &Actor, peer: &Peer, now: Timestamp) -> AuditRecord {
    AuditRecord {
        at: now,
        actor: actor.user.to_string(),
        peer: peer.shown(),
        action: String::new(),
        object: String::new(),
        detail: String::new(),
        request: peer.request.clone(),
    }
}

fn save(
    w: &mut Writing<'_, '_>,
    edit: Edit,
    saving: &Saving,
    values: &Values,
    mut audit: AuditRecord,
) -> Result<String, GaveUp> {
    let model = saving.model;
    let before = match &saving.key {
        Some(key) => Some((edit.load)(w, key)?.ok_or(Refusal::Missing)?),
        None => None,
    };
    if let Some(before) = &before {
        let version = before.version(editable(model, false));
        if version != saving.version {
            return Err(GaveUp::Stale(Stale {
                differences: differences(model, values, before),
                version,
            }));
        }
    }
    let key = (edit.write)(w, saving.key.as_deref(), values)?;
    let after = (edit.load)(w, &key)?.ok_or(Refusal::Missing)?;
    let detail = told(model, before.as_ref(), &after);
    if before.is_some() && detail.is_empty() {
        return Ok(key);
    }
    let verb = if before.is_some() { "change" } else { "add" };
    audit.action = format!("{}.{verb}", model.object);
    audit.object = model.object_of(&key);
    audit.detail = detail;
    w.tx.append_audit(&audit).map_err(Refusal::from)?;
    Ok(key)
}

fn editable(model: &Model, adding: bool) -> impl Iterator<Item = &'static str> {
    model.editable(adding).map(|field| field.id)
}

fn differences(model: &Model, values: &Values, now: &Object) -> Vec<Difference> {
    let both = model.editable(false).map(|field| Difference {
        label: field.label,
        yours: values.text(field.id),
        now: now.cell(field.id).text(),
    });
    both.filter(|d| d.yours != d.now).collect()
}

/// Old → new of every field that differs.
pub(super) fn told(model: &Model, before: Option<&Object>, after: &Object) -> String {
    let shown = |text: String| match text.as_str() {
        "" => "–".to_owned(),
        long if long.chars().count() > SHOWN => {
            long.chars().take(SHOWN).chain(['…']).collect::<String>()
        }
        _ => text,
    };
    let mut told = Vec::new();
    for field in model.fields().filter(|f| f.editable(true) || f.editable(false)) {
        let (was, is) = (before.map(|b| b.cell(field.id)), after.cell(field.id));
        // Of a list the whole difference is told: who was granted what must not be cut off.
        if matches!(is, Value::Grants(_) | Value::Words(_))
            || matches!(was, Some(Value::Grants(_) | Value::Words(_)))
        {
            let was = was.map(Value::words).unwrap_or_default();
            told.extend(list_told(field.id, &was, &is.words()));
            continue;
        }
        let old = was.map(Value::text);
        let new = is.text();
        match old {
            Some(old) if old == new => {}
            Some(old) => told.push(format!("{}: {} → {}", field.id, shown(old), shown(new))),
            None if new.is_empty() => {}
            None => told.push(format!("{}: {}", field.id, shown(new))),
        }
    }
    told.join("; ")
}

/// What came to a list and what went from it.
fn list_told(id: &str, was: &[String], is: &[String]) -> Option<String> {
    let came = is.iter().filter(|word| !was.contains(word)).map(|word| format!("+{word}"));
    let went = was.iter().filter(|word| !is.contains(word)).map(|word| format!("−{word}"));
    let changes: Vec<_> = came.chain(went).collect();
    match changes.is_empty() {
        true if was == is => None,
        true => Some(format!("{id}: another order")),
        false => Some(format!("{id}: {}", changes.join(" "))),
    }
}

fn delete(
    w: &mut Writing<'_, '_>,
    model: &Model,
    edit: Edit,
    keys: &[String],
    audit: &AuditRecord,
) -> Result<(), GaveUp> {
    let remove = edit.remove.ok_or(Refusal::Missing)?;
    for key in keys {
        let before = (edit.load)(w, key)?.ok_or(Refusal::Missing)?;
        remove(w, key)?;
        // What has no fields to fill in is told by its title: whose session it was, and from where.
        let told = Some(told(model, None, &before)).filter(|told| !told.is_empty());
        let audit = AuditRecord {
            action: format!("{}.delete", model.object),
            object: model.object_of(key),
            detail: told.unwrap_or(before.title),
            ..audit.clone()
        };
        w.tx.append_audit(&audit).map_err(Refusal::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_to_a_list_and_what_went_is_told_whole() {
        let list = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let long: Vec<_> = (0..90).map(|n| format!("permission-{n}")).collect();
        let more = [&long[..], &["change-users".to_owned()]].concat();
        assert_eq!(list_told("grants", &long, &more).unwrap(), "grants: +change-users");
        assert_eq!(list_told("grants", &more, &long).unwrap(), "grants: −change-users");
        assert_eq!(list_told("g", &list("a b"), &list("b c")).unwrap(), "g: +c −a");
        assert_eq!(list_told("g", &list("a b"), &list("b a")).unwrap(), "g: another order");
        assert_eq!(list_told("g", &list("a"), &list("a")), None);
    }

    #[test]
    fn a_text_that_is_told_cut_says_so() {
        let model = crate::app::admin::model("sites").unwrap();
        let site = |domain: &str| Object::new("a", "a").with("domain", Value::Text(domain.into()));
        let long = told(model, None, &site(&"x".repeat(SHOWN + 1)));
        assert!(long.contains(&format!("domain: {}…", "x".repeat(SHOWN))), "{long}");
        let whole = told(model, None, &site(&"x".repeat(SHOWN)));
        assert!(whole.contains("domain: x") && !whole.contains('…'), "{whole}");
    }
}
