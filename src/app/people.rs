//! Signing in and out, passwords, API tokens.

use super::{
    AccountView, App, AppError, NewToken, Peer, Problem, SessionView, SignInError, SignedIn,
    admin::Refusal,
};
use crate::{
    accounts::{self, Verdict, code, session, token},
    domain::{Actor, Timestamp, User, UserName, Verbs},
    store::{AuditRecord, SessionRecord, StoreError, TokenRecord},
};
use std::{sync::PoisonError, time::Duration};

/// The user of a first start.
pub const FIRST_USER: &str = "imager";
/// Their password until they set one.
pub(super) const FIRST_PASSWORD: &str = FIRST_USER;
/// Setting that holds the hash of the one-time code for a first sign-in from another machine.
pub const FIRST_CODE: &str = "first-login.code-sha256";
/// "Last used" is kept to this grain, so that looking at pages does not write all the time.
const GRAIN: Duration = Duration::from_secs(60);

impl App {
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
        self.throttled(name, peer, now)?;
        let user = UserName::new(name).ok().and_then(|n| self.store().user(&n).ok().flatten());
        let hash = user.as_ref().map(|u| u.password_hash.clone());
        let verdict = self
            .hasher()
            .verify(password, hash.as_deref())
            .await
            .map_err(|e| SignInError::Internal(e.to_string()))?;
        let user = match (user, verdict) {
            (Some(user), Verdict::Ok | Verdict::OkRehash) if user.active => user,
            _ => {
                self.failed_sign_in(name, peer, now).await;
                return Err(SignInError::Refused);
            }
        };
        // Nobody can set it again: somebody who has chosen one is only to choose another.
        if user.must_set_password && password == FIRST_PASSWORD {
            self.check_first_login(&user, code, peer, now)?;
        }
        let rehash = (verdict == Verdict::OkRehash).then(|| password.to_owned());
        self.lock_throttle().succeeded(name, peer.addr);
        self.open_session(user, rehash, peer, now).await
    }

    fn lock_throttle(&self) -> std::sync::MutexGuard<'_, accounts::Throttle> {
        self.throttle().lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttled(&self, name: &str, peer: &Peer, now: Timestamp) -> Result<(), SignInError> {
        match self.lock_throttle().wait(name, peer.addr, now) {
            None => Ok(()),
            Some(retry_after) => Err(SignInError::Throttled { retry_after }),
        }
    }

    async fn failed_sign_in(&self, name: &str, peer: &Peer, now: Timestamp) {
        self.lock_throttle().failed(name, peer.addr, now);
        // A name nobody has may be a password that was typed into the wrong field.
        let known =
            UserName::new(name).ok().filter(|n| self.store().user(n).is_ok_and(|u| u.is_some()));
        let who = known.map_or_else(|| "nobody of this name".into(), |name| format!("user {name}"));
        let record = audit(now, "anonymous", peer, "login.failed", &who, "");
        if let Err(error) = self.store().write(move |tx| tx.append_audit(&record)).await {
            tracing::warn!(%error, "a failed sign-in could not be recorded");
        }
    }

    fn check_first_login(
        &self,
        user: &User,
        code: Option<&str>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        if user.name.as_str() != FIRST_USER {
            return Ok(());
        }
        if now.since(user.created) > self.settings().first_login {
            return Err(SignInError::FirstLoginOver { user: user.name.to_string() });
        }
        if peer.is_local() {
            return Ok(());
        }
        let stored = self.store().setting(FIRST_CODE).ok().flatten();
        match (code, stored) {
            (Some(code), Some(stored)) if code::matches(code, &stored) => Ok(()),
            _ => {
                self.lock_throttle().failed(user.name.as_str(), peer.addr, now);
                Err(SignInError::NeedsCode)
            }
        }
    }

    async fn open_session(
        &self,
        user: User,
        rehash: Option<String>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let internal = |e: &dyn std::fmt::Display| SignInError::Internal(e.to_string());
        let only_set_password = user.must_set_password;
        let (cookie, record) =
            new_session(&user.name, only_set_password, peer, now).map_err(|e| internal(&e))?;
        let hash = match rehash {
            Some(password) => Some(self.hasher().hash(&password).await.map_err(|e| internal(&e))?),
            None => None,
        };
        let line =
            audit(now, user.name.as_str(), peer, "login", &format!("user {}", user.name), "");
        self.store()
            .write(move |tx| {
                // Checking a password takes a while: only whoever still is who was checked gets in.
                let same = |now: &User| now.active && now.password_hash == user.password_hash;
                let Some(mut user) = tx.user(&user.name)?.filter(same) else {
                    return Err(StoreError::Refused("the account has changed".to_owned()));
                };
                user.last_login = Some(now);
                if let Some(hash) = hash {
                    user.password_hash = hash;
                }
                tx.put_user(&user)?;
                tx.put_session(&record)?;
                tx.append_audit(&line)
            })
            .await
            .map_err(|error| match error {
                StoreError::Refused(_) => SignInError::Refused,
                other => internal(&other),
            })?;
        Ok(SignedIn { cookie, only_set_password, max_age: self.live().session_absolute })
    }

    /// The session a cookie's value belongs to, if it is still good. Extends its idle time.
    pub async fn session(&self, cookie: &str, now: Timestamp) -> Option<SessionView> {
        let id_hash = session::hash(cookie)?;
        let record = self.store().session(&id_hash).ok().flatten()?;
        let limits = self.live();
        let ages = (now.since(record.last_used), now.since(record.created));
        if ages.0 > limits.session_idle || ages.1 > limits.session_absolute {
            return None;
        }
        let user = self.store().user(&record.user).ok().flatten().filter(|u| u.active)?;
        let actor = user.actor(&self.store().groups().ok()?);
        let only_set_password = record.only_set_password || user.must_set_password;
        if ages.0 >= GRAIN {
            let record = SessionRecord { last_used: now, ..record };
            let touched = self.store().write(move |tx| match tx.session(&record.id_hash)? {
                // It may have been ended in the meantime: do not bring it back.
                Some(_) => tx.put_session(&record),
                None => Ok(()),
            });
            if let Err(error) = touched.await {
                tracing::warn!(%error, "the last use of a session could not be recorded");
            }
        }
        Some(SessionView { actor, csrf: session::csrf(cookie), id_hash, only_set_password })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn sign_out(
        &self,
        session: &SessionView,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let id_hash = session.id_hash;
        let line = own_audit(
            (now, peer),
            &session.actor,
            "logout",
            &format!("user {}", session.actor.user),
        );
        self.store()
            .write(move |tx| {
                tx.remove_session(&id_hash)?;
                tx.append_audit(&line)
            })
            .await?;
        Ok(())
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
        let name = session.actor.user.clone();
        let user = self.user(&name)?;
        if !session.only_set_password {
            self.check_old(&user, old, peer, now).await?;
        }
        let hash = self.new_hash(&name, new).await?;
        let (cookie, record) = new_session(&name, false, peer, now)
            .map_err(|e| AppError::internal("no new session could be made: try again", e))?;
        let line = audit(now, name.as_str(), peer, "password.set", &format!("user {name}"), "");
        self.replace_password(user, hash, line, Some(record)).await?;
        let max_age = self.live().session_absolute;
        Ok(SignedIn { cookie, only_set_password: false, max_age })
    }

    async fn check_old(
        &self,
        user: &User,
        old: &str,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        if let Some(retry_after) = self.lock_throttle().wait(user.name.as_str(), peer.addr, now) {
            let message = format!("too many tries: wait {} s", retry_after.as_secs().max(1));
            return Err(AppError::Busy { message, retry_after });
        }
        let verdict = self.hasher().verify(old, Some(&user.password_hash)).await;
        match verdict.map_err(|e| AppError::internal("the password could not be checked", e))? {
            Verdict::Ok | Verdict::OkRehash => Ok(()),
            Verdict::Wrong => {
                self.lock_throttle().failed(user.name.as_str(), peer.addr, now);
                Err(AppError::Invalid(vec![Problem::new("old", "this is not your password")]))
            }
        }
    }

    pub(super) async fn new_hash(&self, name: &UserName, new: &str) -> Result<String, AppError> {
        accounts::check_policy(new, name.as_str())
            .map_err(|e| AppError::Invalid(vec![Problem::new("new", e.to_string())]))?;
        let hash = self.hasher().hash(new).await;
        hash.map_err(|e| AppError::internal("the password could not be stored: try again", e))
    }

    async fn replace_password(
        &self,
        user: User,
        hash: String,
        line: AuditRecord,
        session: Option<SessionRecord>,
    ) -> Result<(), AppError> {
        let console = self.console();
        self.in_one(&console, line.at, move |w| {
            // Making a hash takes a while: somebody may have been faster.
            let same = |now: &User| now.password_hash == user.password_hash;
            let Some(mut user) = w.tx.user(&user.name)?.filter(same) else {
                let said = "the account was changed meanwhile: sign in again, then try again";
                return Err(Refusal::Refused(said.to_owned()));
            };
            user.password_hash = hash;
            user.must_set_password = false;
            // A link that was given out for another password is of no use any more.
            user.setup = None;
            w.tx.put_user(&user)?;
            w.tx.remove_sessions_of(&user.name, None)?;
            if let Some(session) = session {
                w.tx.put_session(&session)?;
            }
            if user.name.as_str() == FIRST_USER {
                w.tx.put_setting(FIRST_CODE, None)?;
            }
            Ok(w.tx.append_audit(&line)?)
        })
        .await
    }

    fn user(&self, name: &UserName) -> Result<User, AppError> {
        self.store().user(name)?.ok_or_else(|| AppError::NotFound(format!("user {name}")))
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
        (peer, now): (&Peer, Timestamp),
    ) -> Result<(), AppError> {
        if *actor != self.console() {
            let message = "passwords of others are set on the box itself: `img user passwd NAME`";
            return Err(AppError::Invalid(vec![Problem::new("user", message)]));
        }
        let name = UserName::new(user)
            .map_err(|e| AppError::Invalid(vec![Problem::new("user", e.to_string())]))?;
        let record = self.user(&name)?;
        let hash = self.new_hash(&name, new).await?;
        let line = own_audit((now, peer), actor, "password.set", &format!("user {name}"));
        self.replace_password(record, hash, line, None).await
    }

    /// True while the first user has not set a password (the sign-in page shows the hint).
    pub fn first_login_open(&self, now: Timestamp) -> bool {
        let first = UserName::new(FIRST_USER).ok();
        let user = first.and_then(|name| self.store().user(&name).ok().flatten());
        user.is_some_and(|u| {
            u.must_set_password && u.active && now.since(u.created) <= self.settings().first_login
        })
    }

    /// The account page's data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn account(&self, session: &SessionView) -> Result<AccountView, AppError> {
        let name = &session.actor.user;
        let user = User { password_hash: String::new(), ..self.user(name)? };
        let sessions = self.store().sessions_of(name)?;
        Ok(AccountView { user, sessions, tokens: self.store().tokens_of(name)? })
    }

    /// Ends one of the user's own sessions, named by the hex of its hash.
    ///
    /// # Errors
    /// `NotFound` when it is not theirs.
    pub async fn end_session(
        &self,
        session: &SessionView,
        id_hex: &str,
        (peer, now): (&Peer, Timestamp),
    ) -> Result<(), AppError> {
        let own = self.store().sessions_of(&session.actor.user)?;
        let hex = |hash: &[u8; 32]| data_encoding::HEXLOWER.encode(hash);
        let found = own.into_iter().find(|s| hex(&s.id_hash) == id_hex);
        let found = found.ok_or_else(|| AppError::NotFound("such session of yours".into()))?;
        let line = own_audit((now, peer), &session.actor, "session.end", &found.peer);
        self.store()
            .write(move |tx| {
                tx.remove_session(&found.id_hash)?;
                tx.append_audit(&line)
            })
            .await?;
        Ok(())
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
        (peer, now): (&Peer, Timestamp),
    ) -> Result<NewToken, AppError> {
        let label = label.trim();
        if label.is_empty() || label.chars().count() > 80 || label.chars().any(char::is_control) {
            let message = "give the token a label of 1 to 80 characters, such as `nightly builds`";
            return Err(AppError::Invalid(vec![Problem::new("label", message)]));
        }
        let scope = scope.intersection(session.actor.verbs);
        if scope == Verbs::NONE {
            let message = "choose at least one thing the token may do";
            return Err(AppError::Invalid(vec![Problem::new("scope", message)]));
        }
        let secret = token::generate()
            .map_err(|e| AppError::internal("no token could be made: try again", e))?;
        let life = days.map(|d| Duration::from_secs(u64::from(d.clamp(1, 3650)) * 86_400));
        let record = TokenRecord {
            id_hash: token::hash(&secret),
            prefix: token::prefix(&secret),
            label: label.to_owned(),
            user: session.actor.user.clone(),
            scope,
            created: now,
            expires: life.map(|life| now.plus(life)),
            last_used: None,
        };
        let line = own_audit(
            (now, peer),
            &session.actor,
            "token.new",
            &format!("token {}", record.prefix),
        );
        let stored = record.clone();
        self.in_one(&session.actor, now, move |w| {
            w.tx.put_token(&stored)?;
            Ok(w.tx.append_audit(&line)?)
        })
        .await?;
        Ok(NewToken { secret, record })
    }

    /// Revokes one of the user's own tokens by its prefix.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn revoke_token(
        &self,
        session: &SessionView,
        prefix: &str,
        (peer, now): (&Peer, Timestamp),
    ) -> Result<(), AppError> {
        let (user, prefix) = (session.actor.user.clone(), prefix.to_owned());
        let line =
            own_audit((now, peer), &session.actor, "token.revoke", &format!("token {prefix}"));
        let found = self
            .store()
            .write(move |tx| {
                let found = tx.remove_token(&user, &prefix)?;
                if found {
                    tx.append_audit(&line)?;
                }
                Ok(found)
            })
            .await?;
        if found { Ok(()) } else { Err(AppError::NotFound("such token of yours".into())) }
    }

    /// Whoever a bearer token stands for, its scope applied.
    pub async fn bearer(&self, secret: &str, now: Timestamp) -> Option<Actor> {
        let record = self.store().token(&token::hash(secret)).ok().flatten()?;
        if record.expires.is_some_and(|end| end <= now) {
            return None;
        }
        let user = self.store().user(&record.user).ok().flatten().filter(|u| u.active)?;
        let mut actor = user.actor(&self.store().groups().ok()?);
        actor.verbs = actor.verbs.intersection(record.scope);
        if record.last_used.is_none_or(|used| now.since(used) >= GRAIN) {
            let record = TokenRecord { last_used: Some(now), ..record };
            let touched = self.store().write(move |tx| match tx.token(&record.id_hash)? {
                Some(_) => tx.put_token(&record),
                None => Ok(()),
            });
            if let Err(error) = touched.await {
                tracing::warn!(%error, "the last use of a token could not be recorded");
            }
        }
        Some(actor)
    }

    /// Removes ended sessions and expired tokens; says how many of each.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn expire(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        let limits = self.live();
        let (idle, absolute) = (limits.session_idle, limits.session_absolute);
        let over =
            |s: &SessionRecord| now.since(s.last_used) > idle || now.since(s.created) > absolute;
        let sessions: Vec<_> = self.store().sessions()?.into_iter().filter(over).collect();
        let tokens: Vec<_> = self
            .store()
            .tokens()?
            .into_iter()
            .filter(|t| t.expires.is_some_and(|end| end <= now))
            .collect();
        let counts = (sessions.len() as u64, tokens.len() as u64);
        if counts != (0, 0) {
            self.store().write_blocking(move |tx| {
                for session in &sessions {
                    tx.remove_session(&session.id_hash)?;
                }
                for token in &tokens {
                    tx.remove_token(&token.user, &token.prefix)?;
                }
                Ok(())
            })?;
        }
        Ok(counts)
    }
}

pub(super) fn new_session(
    user: &UserName,
    only_set_password: bool,
    peer: &Peer,
    now: Timestamp,
) -> Result<(String, SessionRecord), getrandom::Error> {
    let cookie = session::generate()?;
    let id_hash = session::hash(&cookie).unwrap_or_default();
    let record = SessionRecord {
        id_hash,
        user: user.clone(),
        created: now,
        last_used: now,
        peer: peer.shown(),
        agent: peer.agent.chars().filter(|c| !c.is_control()).take(120).collect(),
        only_set_password,
    };
    Ok((cookie, record))
}

fn audit(
    at: Timestamp,
    actor: &str,
    peer: &Peer,
    action: &str,
    object: &str,
    detail: &str,
) -> AuditRecord {
    AuditRecord {
        at,
        actor: actor.to_owned(),
        peer: peer.shown(),
        action: action.to_owned(),
        object: object.to_owned(),
        detail: detail.to_owned(),
        request: peer.request.clone(),
    }
}

fn own_audit(
    (at, peer): (Timestamp, &Peer),
    actor: &Actor,
    action: &str,
    object: &str,
) -> AuditRecord {
    AuditRecord {
        at,
        actor: actor.user.to_string(),
        peer: peer.shown(),
        action: action.to_owned(),
        object: object.to_owned(),
        detail: String::new(),
        request: peer.request.clone(),
    }
}
