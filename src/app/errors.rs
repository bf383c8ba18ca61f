//! Why a request was not carried out, in words for people.

use crate::{
    domain::{Denied, JobId, NameError, StateKind},
    files::FilesError,
    store::StoreError,
};
use std::time::Duration;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The permission is missing (403).
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No such thing, or not for this person's eyes (404).
    #[error("there is no {0}")]
    NotFound(String),
    /// What was given does not fit (422): one problem per field or line.
    #[error("{}", .0.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    /// Too much of something for now (429).
    #[error("{message}")]
    Busy {
        /// One sentence with the way out.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The definition is larger than allowed (413).
    #[error("the definition has {size} bytes: at most {limit} are allowed")]
    TooLarge {
        /// Bytes given.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The state does not allow it (409).
    #[error("job {job} is {}: {hint}", state.as_str())]
    Conflict {
        /// The job.
        job: JobId,
        /// Where it stands.
        state: StateKind,
        /// What could be done instead.
        hint: String,
    },
    /// It was there and is deleted, or is being deleted (410).
    #[error("{0}")]
    Gone(String),
    /// It cannot be done to this thing now (409).
    #[error("{0}")]
    Refused(String),
    /// Something of ours failed (500/503). The message is safe to show; the chain goes to the log.
    #[error("{message}")]
    Internal {
        /// Safe to show.
        message: String,
        /// For the log only.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One thing that is wrong with what was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The form field it belongs to (`name`, `definition`, `image_type`, `arch`, `queue`,
    /// `packages`, `runner`, `input_job`, `option.<id>`).
    pub field: String,
    /// One sentence.
    pub message: String,
    /// Line of the definition, from 1.
    pub line: Option<u32>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of `field`.
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into(), line: None, hint: None }
    }
}

impl AppError {
    /// Wraps something of ours that failed: `message` is safe to show, the chain goes to the log.
    pub fn internal(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal { message: message.into(), source: source.into() }
    }

    /// The files of a job are gone, or going.
    pub fn gone(job: JobId) -> Self {
        Self::Gone(format!(
            "the files of job {job} are deleted: submit it again to have them again"
        ))
    }

    /// A cleanup goes on.
    pub fn cleaning() -> Self {
        Self::Busy {
            message: "a cleanup is running already: wait for its receipt".into(),
            retry_after: Duration::from_secs(10),
        }
    }

    /// A job's files were not deleted.
    pub fn kept(job: JobId, why: &str) -> Self {
        Self::Refused(format!("the files of job {job} stay: {why}"))
    }

    /// The service is about to stop and takes no more wishes.
    pub fn stopping() -> Self {
        Self::internal("the service is stopping: try again in a minute", "dispatcher is gone")
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::internal("the store does not answer: see the service's log", error)
    }
}

impl From<FilesError> for AppError {
    fn from(error: FilesError) -> Self {
        Self::internal("the job's files cannot be used: see the service's log", error)
    }
}

impl From<NameError> for AppError {
    fn from(error: NameError) -> Self {
        Self::Invalid(vec![Problem::new("name", error.to_string())])
    }
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// One message for every reason: unknown, wrong, inactive.
    #[error("the user name and the password do not fit together")]
    Refused,
    /// Too many tries from this address or for this account.
    #[error("too many tries: wait {} s and try again", retry_after.as_secs().max(1))]
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// The time for the first sign-in is over.
    #[error("the first password was not set in time: run `img user passwd {user}` on the box")]
    FirstLoginOver {
        /// The first user.
        user: String,
    },
    /// From another machine the one-time code is needed as well.
    #[error(
        "signing in from another machine for the first time needs the one-time code from the service's log"
    )]
    NeedsCode,
    /// Something of ours failed.
    #[error("signing in does not work just now: {0}")]
    Internal(String),
}
