//! The one object pages, API and command line talk to.

use super::*;
use crate::domain::{Actor, Allowed, JobId, Timestamp, UserName, Verbs};
use crate::store::{Cursor, JobFilter};
use std::net::IpAddr;
use tokio::sync::broadcast;

/// The appliance. Cheap to clone.
#[derive(Clone)]
pub struct App {
    _private: (),
}

/// Where a request came from, for the audit trail and the throttle.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address; `None` on the local socket.
    pub addr: Option<IpAddr>,
    /// The browser, shortened.
    pub agent: String,
}

#[expect(unused_variables, clippy::todo, reason = "contract")]
impl App {
    // --- people -------------------------------------------------------------------------------

    /// Checks name and password and makes a session. Slow on purpose (argon2).
    ///
    /// `code` is the one-time code of a first sign-in from another machine.
    ///
    /// # Errors
    /// See [`SignInError`]; the same words for every kind of refusal.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        todo!()
    }

    /// The session a cookie's value belongs to, if it is still good. Extends its idle time.
    pub async fn session(&self, cookie: &str, now: Timestamp) -> Option<SessionView> {
        todo!()
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn sign_out(&self, session: &SessionView, now: Timestamp) -> Result<(), AppError> {
        todo!()
    }

    /// Sets a new password (and lifts `must_set_password`). Other sessions of the user end; the
    /// asking one gets a new cookie. `old` may be empty only in an `only_set_password` session.
    ///
    /// # Errors
    /// `Invalid` with field `old` or `new` when they are wrong, too short (12) or too common.
    pub async fn set_password(
        &self,
        session: &SessionView,
        old: &str,
        new: &str,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<SignedIn, AppError> {
        todo!()
    }

    /// The account page's data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn account(&self, session: &SessionView) -> Result<AccountView, AppError> {
        todo!()
    }

    /// Ends one of the user's own sessions, named by the hex of its hash.
    ///
    /// # Errors
    /// `NotFound` when it is not theirs.
    pub async fn end_session(
        &self,
        session: &SessionView,
        id_hex: &str,
        now: Timestamp,
    ) -> Result<(), AppError> {
        todo!()
    }

    /// Makes an API token of the user's own, scoped to at most their rights.
    ///
    /// # Errors
    /// `Invalid` when the label is empty or too long.
    pub async fn new_token(
        &self,
        session: &SessionView,
        label: &str,
        scope: Verbs,
        days: Option<u32>,
        now: Timestamp,
    ) -> Result<NewToken, AppError> {
        todo!()
    }

    /// Revokes one of the user's own tokens by its prefix.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn revoke_token(
        &self,
        session: &SessionView,
        prefix: &str,
        now: Timestamp,
    ) -> Result<(), AppError> {
        todo!()
    }

    /// Whoever a bearer token stands for, its scope applied.
    pub async fn bearer(&self, token: &str, now: Timestamp) -> Option<Actor> {
        todo!()
    }

    /// Whoever speaks through the local socket as root or as the service's own user.
    pub fn console(&self) -> Actor {
        todo!()
    }

    /// Sets a password from the box itself; ends the user's sessions.
    ///
    /// # Errors
    /// `NotFound`, or `Invalid` when the password is too short or common.
    pub async fn admin_set_password(
        &self,
        actor: &Actor,
        user: &str,
        new: &str,
        now: Timestamp,
    ) -> Result<(), AppError> {
        todo!()
    }

    /// True while the first user has not set a password (the sign-in page shows the hint).
    pub fn first_login_open(&self, now: Timestamp) -> bool {
        todo!()
    }

    /// The name in the header of every page, and the domain names it answers to.
    pub fn site(&self) -> (Text, Vec<String>) {
        todo!()
    }

    // --- submitting ---------------------------------------------------------------------------

    /// What the submit form offers.
    ///
    /// # Errors
    /// When submitting is denied.
    pub fn choices(&self, actor: &Actor) -> Result<Choices, AppError> {
        todo!()
    }

    /// What a definition says of itself. `runner` may be empty: then by file extension.
    ///
    /// # Errors
    /// Unknown runner, too large, denied.
    pub async fn inspect(
        &self,
        actor: &Actor,
        runner: &str,
        file_name: &str,
        definition: Vec<u8>,
    ) -> Result<InspectView, AppError> {
        todo!()
    }

    /// Everything [`submit`](Self::submit) checks, and the plan; nothing is queued.
    ///
    /// # Errors
    /// As `submit`.
    pub async fn check(
        &self,
        actor: &Actor,
        job: NewJob,
        now: Timestamp,
    ) -> Result<CheckView, AppError> {
        todo!()
    }

    /// Checks, stores (on disk when this returns) and queues a job.
    ///
    /// # Errors
    /// `Invalid` with every problem found, `TooLarge`, `Busy` (queue full), `Denied`.
    pub async fn submit(
        &self,
        actor: &Actor,
        job: NewJob,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        todo!()
    }

    // --- looking ------------------------------------------------------------------------------

    /// The start page's data.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn start_page(&self, actor: &Actor, now: Timestamp) -> Result<StartView, AppError> {
        todo!()
    }

    /// A page of the queue, `limit` rows.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn queue_page(
        &self,
        actor: &Actor,
        filter: &JobFilter,
        cursor: Cursor,
        limit: usize,
        now: Timestamp,
    ) -> Result<QueueView, AppError> {
        todo!()
    }

    /// One job.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn job(&self, actor: &Actor, id: JobId, now: Timestamp) -> Result<JobView, AppError> {
        todo!()
    }

    /// The definition of a job as it was sent.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn definition(&self, actor: &Actor, id: JobId) -> Result<Vec<u8>, AppError> {
        todo!()
    }

    /// The log of a job.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn log(&self, actor: &Actor, id: JobId) -> Result<LogView, AppError> {
        todo!()
    }

    /// An artifact of a job, open for sending.
    ///
    /// # Errors
    /// `NotFound`, denied.
    pub fn artifact(&self, actor: &Actor, id: JobId, name: &str) -> Result<ArtifactView, AppError> {
        todo!()
    }

    /// What changes, from now on. A slow reader loses messages, never blocks anybody.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        todo!()
    }

    // --- acting -------------------------------------------------------------------------------

    /// Asks for a job to be stopped. Queued jobs are cancelled when this returns; building ones
    /// are being stopped.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` when it ended already.
    pub async fn cancel(&self, actor: &Actor, id: JobId, now: Timestamp) -> Result<(), AppError> {
        todo!()
    }

    /// Releases a recorded job on a queue that does not launch by itself.
    ///
    /// # Errors
    /// `NotFound`, denied, `Conflict` when it is not waiting for that.
    pub async fn launch(&self, actor: &Actor, id: JobId, now: Timestamp) -> Result<(), AppError> {
        todo!()
    }

    // --- the box ------------------------------------------------------------------------------

    /// The health page's data. May run `--version` of tools: takes a moment the first time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn health(&self, proof: &Allowed, now: Timestamp) -> Result<HealthView, AppError> {
        todo!()
    }

    /// An export of the store.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn backup(&self, proof: &Allowed) -> Result<std::fs::File, AppError> {
        todo!()
    }

    /// A name by which a user is known, parsed.
    ///
    /// # Errors
    /// The name's grammar.
    pub fn user_name(&self, text: &str) -> Result<UserName, AppError> {
        todo!()
    }
}
