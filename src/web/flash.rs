//! What the last change brought about, carried to the next page as a code: a cookie can only ever
//! say one of these sentences, whoever wrote it.

use super::pages::{Flash, FlashKind};
use crate::domain::JobId;

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
}

const PLAIN: [(&str, Notice); 5] = [
    ("password-set", Notice::PasswordSet),
    ("signed-out", Notice::SignedOut),
    ("session-ended", Notice::SessionEnded),
    ("others-ended", Notice::OthersEnded),
    ("token-revoked", Notice::TokenRevoked),
];

impl Notice {
    /// The cookie's value.
    pub fn to_cookie(&self) -> String {
        match self {
            Self::Submitted(job) => format!("submitted.{job}"),
            Self::Cancelled(job) => format!("cancelled.{job}"),
            Self::Launched(job) => format!("launched.{job}"),
            plain => {
                let code = PLAIN.iter().find(|(_, notice)| notice == plain);
                code.map_or("", |(code, _)| code).to_owned()
            }
        }
    }

    /// What a cookie's value says; `None` if it says nothing.
    pub fn from_cookie(value: &str) -> Option<Self> {
        match value.split_once('.') {
            Some(("submitted", job)) => job.parse().ok().map(Self::Submitted),
            Some(("cancelled", job)) => job.parse().ok().map(Self::Cancelled),
            Some(("launched", job)) => job.parse().ok().map(Self::Launched),
            Some(_) => None,
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
        let with_job = [Notice::Submitted(job), Notice::Cancelled(job), Notice::Launched(job)];
        let plain = PLAIN.iter().map(|(_, notice)| notice.clone());
        for notice in with_job.into_iter().chain(plain) {
            assert_eq!(Notice::from_cookie(&notice.to_cookie()), Some(notice));
        }
    }

    #[test]
    fn a_made_up_message_says_nothing() {
        for bad in ["", "submitted", "submitted.x", "submitted.0", "<b>", "other.7"] {
            assert_eq!(Notice::from_cookie(bad), None, "{bad}");
        }
    }
}
