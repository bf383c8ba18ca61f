//! What the last change brought about, carried to the next page as a code: a cookie can only ever
//! say one of these sentences, whoever wrote it.

use super::pages::{Flash, FlashKind, chore_words};
use crate::{
    app::{Chore, admin},
    domain::JobId,
};

/// A message that is shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This job was accepted.
    Submitted(JobId),
    /// A stop of this job was asked for.
    Cancelled(JobId),
    /// This job was released.
    Launched(JobId),
    /// A new password counts.
    PasswordSet,
    /// Nobody is signed in any more.
    SignedOut,
    /// A session was ended.
    SessionEnded,
    /// All other sessions were ended.
    OthersEnded,
    /// A token was revoked.
    TokenRevoked,
    /// This job's files are pinned.
    Pinned(JobId),
    /// This job's files are no longer pinned.
    Unpinned(JobId),
    /// This job's files are kept longer.
    Kept(JobId),
    /// This job's files were deleted.
    Deleted(JobId),
    /// A chore was asked for.
    ChoreStarted(Chore),
    /// A chore is due at other times now.
    ScheduleChanged(Chore),
    /// What no record knew was deleted.
    OrphansDeleted,
    /// A thing of this model was added, changed or deleted.
    Saved(&'static str, Saved, String),
    /// Something was done to so many things of this model.
    Acted(&'static str, &'static str, u64),
    /// Nothing was ticked.
    Nobody,
    /// No action was chosen.
    NoAction,
}

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is new.
    Added,
    /// It was changed.
    Changed,
    /// It is gone.
    Deleted,
}

impl Saved {
    const ALL: [Self; 3] = [Self::Added, Self::Changed, Self::Deleted];

    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Deleted => "gone",
        }
    }
}

/// Bytes of a key that a cookie carries.
const LONGEST_KEY: usize = 80;

fn saved_cookie(model: &str, saved: Saved, key: &str) -> String {
    let short: String = key.chars().take(LONGEST_KEY).collect();
    let key = data_encoding::BASE64URL_NOPAD.encode(short.as_bytes());
    format!("{}.{model}.{key}", saved.word())
}

fn saved_from(saved: Saved, rest: &str) -> Option<Notice> {
    let (model, key) = rest.split_once('.')?;
    let model = admin::model(model)?;
    let key = data_encoding::BASE64URL_NOPAD.decode(key.as_bytes()).ok()?;
    Some(Notice::Saved(model.id, saved, String::from_utf8(key).ok()?))
}

fn acted_from(rest: &str) -> Option<Notice> {
    let mut parts = rest.split('.');
    let model = admin::model(parts.next()?)?;
    let action = model.action(parts.next()?)?;
    let done = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(Notice::Acted(model.id, action.id, done))
}

fn saved_text(model: &str, saved: Saved, key: &str) -> String {
    let one = admin::model(model).map_or("thing", |m| m.one);
    match saved {
        Saved::Added => format!("The {one} {key} was added."),
        Saved::Changed => format!("The {one} {key} was saved."),
        Saved::Deleted => format!("The {one} {key} was deleted."),
    }
}

fn acted_text(model: &str, action: &str, done: u64) -> String {
    let Some(model) = admin::model(model) else { return String::new() };
    let label = model.action(action).map_or("Done", |a| a.label);
    format!("{label}: done for {done} {}.", model.several(done))
}

const PLAIN: [(&str, Notice); 8] = [
    ("password-set", Notice::PasswordSet),
    ("signed-out", Notice::SignedOut),
    ("session-ended", Notice::SessionEnded),
    ("others-ended", Notice::OthersEnded),
    ("token-revoked", Notice::TokenRevoked),
    ("orphans-deleted", Notice::OrphansDeleted),
    ("nobody", Notice::Nobody),
    ("no-action", Notice::NoAction),
];

/// Makes a notice about a job.
type OfJob = fn(JobId) -> Notice;

/// Notices about a job, by their codes.
const OF_JOB: [(&str, OfJob); 7] = [
    ("submitted", Notice::Submitted),
    ("cancelled", Notice::Cancelled),
    ("launched", Notice::Launched),
    ("pinned", Notice::Pinned),
    ("unpinned", Notice::Unpinned),
    ("kept", Notice::Kept),
    ("deleted", Notice::Deleted),
];

impl Notice {
    /// The cookie's value.
    pub fn to_cookie(&self) -> String {
        match self {
            Self::Submitted(job) => format!("submitted.{job}"),
            Self::Cancelled(job) => format!("cancelled.{job}"),
            Self::Launched(job) => format!("launched.{job}"),
            Self::Pinned(job) => format!("pinned.{job}"),
            Self::Unpinned(job) => format!("unpinned.{job}"),
            Self::Kept(job) => format!("kept.{job}"),
            Self::Deleted(job) => format!("deleted.{job}"),
            Self::ChoreStarted(chore) => format!("started.{}", chore.as_str()),
            Self::ScheduleChanged(chore) => format!("schedule.{}", chore.as_str()),
            Self::Saved(model, saved, key) => saved_cookie(model, *saved, key),
            Self::Acted(model, action, done) => format!("acted.{model}.{action}.{done}"),
            plain => {
                let code = PLAIN.iter().find(|(_, notice)| notice == plain);
                code.map_or("", |(code, _)| code).to_owned()
            }
        }
    }

    /// What a cookie's value says; `None` if it says nothing.
    pub fn from_cookie(value: &str) -> Option<Self> {
        match value.split_once('.') {
            Some(("started", chore)) => Chore::from_word(chore).map(Self::ChoreStarted),
            Some(("schedule", chore)) => Chore::from_word(chore).map(Self::ScheduleChanged),
            Some(("acted", rest)) => acted_from(rest),
            Some((word, rest)) if Saved::ALL.iter().any(|s| s.word() == word) => {
                let saved = Saved::ALL.into_iter().find(|s| s.word() == word)?;
                saved_from(saved, rest)
            }
            Some((code, job)) => {
                let (_, notice) = OF_JOB.iter().find(|(known, _)| *known == code)?;
                job.parse().ok().map(notice)
            }
            None => PLAIN.iter().find(|(code, _)| *code == value).map(|(_, n)| n.clone()),
        }
    }

    /// As pages show it.
    pub fn shown(&self) -> Flash {
        let text = match self {
            Self::Submitted(job) => format!("Job {job} is in the queue."),
            Self::Cancelled(job) => format!("Job {job} is being stopped."),
            Self::Launched(job) => format!("Job {job} was launched."),
            Self::PasswordSet => "Your new password is set. Other sessions were ended.".into(),
            Self::SignedOut => "You are logged out.".into(),
            Self::SessionEnded => "The session was ended.".into(),
            Self::OthersEnded => "All your other sessions were ended.".into(),
            Self::TokenRevoked => "The token was revoked.".into(),
            Self::Pinned(job) => format!("The files of job {job} are pinned: no rule takes them."),
            Self::Unpinned(job) => format!("The files of job {job} are no longer pinned."),
            Self::Kept(job) => format!("The files of job {job} are kept longer."),
            Self::Deleted(job) => format!("The files of job {job} are deleted."),
            Self::ChoreStarted(Chore::Cleanup) => {
                "A cleanup was started: its receipt appears on the Disk page.".into()
            }
            Self::ChoreStarted(chore) => format!("{}: started.", chore_words(*chore).0),
            Self::ScheduleChanged(chore) => {
                format!("{}: the new times count from now on.", chore_words(*chore).0)
            }
            Self::OrphansDeleted => "What no record knew is deleted.".into(),
            Self::Saved(model, saved, key) => saved_text(model, *saved, key),
            Self::Acted(model, action, done) => acted_text(model, action, *done),
            Self::NoAction => "No action was chosen: choose one, then run it.".into(),
            Self::Nobody => {
                "Nothing was ticked: tick some rows, or choose all that the list finds.".into()
            }
        };
        let kind = match self {
            Self::Nobody | Self::NoAction => FlashKind::Problem,
            _ => FlashKind::Done,
        };
        Flash { kind, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_went() {
        let job = JobId::new(7).unwrap();
        let with_job = OF_JOB.iter().map(|(_, notice)| notice(job));
        let chores = Chore::ALL
            .into_iter()
            .flat_map(|chore| [Notice::ChoreStarted(chore), Notice::ScheduleChanged(chore)]);
        let plain = PLAIN.iter().map(|(_, notice)| notice.clone());
        let admin = [
            Notice::Saved("groups", Saved::Added, "Image builders".into()),
            Notice::Saved("users", Saved::Changed, "ann@example".into()),
            Notice::Saved("sites", Saved::Deleted, "a.example".into()),
            Notice::Acted("jobs", "pin", 7),
        ];
        for notice in with_job.chain(chores).chain(plain).chain(admin) {
            assert_eq!(Notice::from_cookie(&notice.to_cookie()), Some(notice));
        }
    }

    #[test]
    fn a_made_up_message_says_nothing() {
        for bad in [
            "",
            "submitted",
            "submitted.x",
            "submitted.0",
            "<b>",
            "other.7",
            "started.x",
            "schedule.",
            "added.nothing.YQ",
            "added.users.!",
            "acted.jobs.explode.7",
            "acted.jobs.pin.x",
            "acted.jobs.pin.7.8",
        ] {
            assert_eq!(Notice::from_cookie(bad), None, "{bad}");
        }
    }
}
