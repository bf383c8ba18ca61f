//! What the last change brought about, carried to the next page as a code: a cookie can only ever
//! say one of these sentences, whoever wrote it.

use super::pages::{Flash, FlashKind, chore_words};
use crate::{app::Chore, domain::JobId};

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
}

const PLAIN: [(&str, Notice); 6] = [
    ("password-set", Notice::PasswordSet),
    ("signed-out", Notice::SignedOut),
    ("session-ended", Notice::SessionEnded),
    ("others-ended", Notice::OthersEnded),
    ("token-revoked", Notice::TokenRevoked),
    ("orphans-deleted", Notice::OrphansDeleted),
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
        };
        Flash { kind: FlashKind::Done, text }
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
        for notice in with_job.chain(chores).chain(plain) {
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
        ] {
            assert_eq!(Notice::from_cookie(bad), None, "{bad}");
        }
    }
}
