//! What can be done to many at once: who is meant, and doing it.

use super::{
    change::{line, told},
    list::ListQuery,
    model::{Act, Action, Argument, Model, Refusal},
};
use crate::{
    app::{App, AppError, Peer, Problem},
    domain::{Actor, JobId, Timestamp, UserName},
    store::AuditRecord,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Ticked(Vec<String>),
    /// All that a list finds.
    All,
}

/// What somebody chose on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The list they saw.
    pub query: ListQuery,
    /// Who of it is meant.
    pub scope: Scope,
    /// How many "all" were, and of which list: see [`fingerprint`](Selection::fingerprint).
    pub print: String,
}

impl Selection {
    /// A short text that stands for a list and how many it found.
    pub fn fingerprint(model: &Model, query: &ListQuery, total: u64) -> String {
        let mut hash = Sha256::new();
        let dates = query.dates.map(|dates| dates.text());
        let said = format!("{} {:?} {} {dates:?}", model.id, query.filters, query.text.trim());
        hash.update(said);
        let hex = data_encoding::HEXLOWER.encode(&hash.finalize());
        format!("{total}-{}", hex.chars().take(16).collect::<String>())
    }
}

/// Whoever was meant, found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Their keys.
    pub keys: Vec<String>,
}

/// Why nothing is done yet.
#[derive(Debug)]
pub enum ActRefused {
    /// Nothing was ticked.
    Nobody,
    /// "All" are not as many as they were.
    Changed {
        /// How many they are now.
        now: u64,
    },
    /// Anything else.
    Other(AppError),
}

impl From<AppError> for ActRefused {
    fn from(error: AppError) -> Self {
        Self::Other(error)
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acted {
    /// To how many.
    pub done: u64,
    /// To whom not, and why.
    pub skipped: Vec<(String, String)>,
    /// How many more were left alone.
    pub more_skipped: u64,
    /// The run that does it beside everything else.
    pub run: Option<u64>,
}

/// The number of an action, who did it, and what it came to.
type Remembered = (u64, UserName, Acted);

/// What the last actions came to, for the page that follows. Losing it loses a message.
#[derive(Default)]
pub(in crate::app) struct Results(Mutex<(u64, VecDeque<Remembered>)>);

/// Results that are remembered.
const REMEMBERED: usize = 64;

impl App {
    /// Remembers what an action came to, for whoever did it.
    pub fn remember_result(&self, actor: &Actor, acted: Acted) -> u64 {
        let mut results = self.results().0.lock().unwrap_or_else(PoisonError::into_inner);
        results.0 += 1;
        let number = results.0;
        results.1.push_back((number, actor.user.clone(), acted));
        if results.1.len() > REMEMBERED {
            results.1.pop_front();
        }
        number
    }

    /// What one's own action with this number came to.
    pub fn result(&self, actor: &Actor, number: u64) -> Option<Acted> {
        let results = self.results().0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = results.1.iter().find(|(n, user, _)| *n == number && *user == actor.user);
        found.map(|(_, _, acted)| acted.clone())
    }

    /// Whoever a selection means.
    ///
    /// # Errors
    /// See [`ActRefused`].
    pub fn admin_choose(
        &self,
        actor: &Actor,
        model: &'static Model,
        selection: &Selection,
    ) -> Result<Chosen, ActRefused> {
        actor.allow(model.rights.view).map_err(AppError::from)?;
        let keys = match &selection.scope {
            Scope::Ticked(keys) if keys.is_empty() => return Err(ActRefused::Nobody),
            Scope::Ticked(keys) => keys.clone(),
            Scope::All => {
                let keys = self.admin_keys(actor, model, &selection.query)?;
                let now = keys.len() as u64;
                if Selection::fingerprint(model, &selection.query, now) != selection.print {
                    return Err(ActRefused::Changed { now });
                }
                keys
            }
        };
        if keys.is_empty() { Err(ActRefused::Nobody) } else { Ok(Chosen { keys }) }
    }

    /// Does something to the chosen. Deletions of jobs go on beside everything else.
    ///
    /// # Errors
    /// Denied, an argument that does not fit, or why it cannot be done at all.
    pub async fn admin_act(
        &self,
        actor: &Actor,
        model: &'static Model,
        (action, argument): (&'static Action, &str),
        keys: Vec<String>,
        (peer, now): (&Peer, Timestamp),
    ) -> Result<Acted, AppError> {
        actor.allow(action.verb)?;
        let argument = self.argument(action, argument)?;
        match action.act {
            Act::Delete => {
                let done = self.admin_delete(actor, model, keys, &argument, (peer, now)).await?;
                Ok(Acted { done, ..Acted::default() })
            }
            Act::DeleteJobs => {
                let jobs = job_ids(&keys)?;
                let done = jobs.len() as u64;
                let run = self.start_deletion(actor, jobs, peer, now).await?;
                Ok(Acted { done, run: Some(run), ..Acted::default() })
            }
            Act::Jobs(what) => {
                let what = what(&argument).map_err(|p| AppError::Invalid(vec![p]))?;
                let done = self.bulk(actor, &what, job_ids(&keys)?, peer, now).await?;
                let skipped = done.skipped.into_iter();
                Ok(Acted {
                    done: done.done,
                    skipped: skipped.map(|(id, why)| (format!("job {id}"), why)).collect(),
                    more_skipped: done.more_skipped,
                    run: None,
                })
            }
            Act::Each(each) => {
                let Some(edit) = model.edit else { return Err(Refusal::Missing.into()) };
                let audit = line(actor, peer, now);
                let done = keys.len() as u64;
                self.in_one(actor, now, move |w| {
                    for key in &keys {
                        let before = (edit.load)(w, key)?.ok_or(Refusal::Missing)?;
                        each(w, key, &argument)?;
                        let after = (edit.load)(w, key)?.ok_or(Refusal::Missing)?;
                        w.tx.append_audit(&AuditRecord {
                            action: format!("{}.{}", model.object, action.id),
                            object: model.object_of(key),
                            detail: told(model, Some(&before), &after),
                            ..audit.clone()
                        })?;
                    }
                    Ok(())
                })
                .await?;
                (edit.after)(self);
                Ok(Acted { done, ..Acted::default() })
            }
        }
    }

    fn argument(&self, action: &Action, given: &str) -> Result<String, AppError> {
        let given = given.trim();
        let wrong =
            |message: String| Err(AppError::Invalid(vec![Problem::new("argument", message)]));
        match action.argument {
            // A deletion's argument is where what waits goes: its rule looks at it.
            None => Ok(given.to_owned()),
            Some(Argument::Text(label, most)) => {
                let length = given.chars().count();
                if length == 0 || length > most || given.chars().any(char::is_control) {
                    return wrong(format!(
                        "{}: give 1 to {most} characters on one line",
                        label.to_lowercase()
                    ));
                }
                Ok(given.to_owned())
            }
            Some(Argument::One(label, offers)) => {
                let known = offers(self)?;
                let chosen = super::form::offered(&known, given);
                chosen.or_else(|message| wrong(format!("{}: {message}", label.to_lowercase())))
            }
        }
    }
}

/// The jobs that keys name; a key of something else is refused.
fn job_ids(keys: &[String]) -> Result<Vec<JobId>, AppError> {
    let parse = |key: &String| key.parse::<JobId>();
    keys.iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map_err(|error| AppError::Invalid(vec![Problem::new("id", error.to_string())]))
}
