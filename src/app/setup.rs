//! Set-up links: somebody sets a password of their own without anybody having chosen one for them.

use super::{
    App, AppError, Peer, SignedIn, admin,
    admin::{Refusal, Writing},
};
use crate::{
    accounts::session,
    domain::{Actor, SetUp, Timestamp, User, UserName, Verb},
    store::{AuditCursor, AuditFilter, AuditRecord},
};
use std::time::Duration;

/// What the audit trail calls it that one was made.
const MADE: &str = "user.setup";
/// How long a link is good.
pub const SETUP_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);

impl App {
    /// Makes a set-up link's secret for a user; one made before is void. The only time it is seen.
    ///
    /// # Errors
    /// Denied, no such user, or somebody who may do more than the one who asks.
    pub async fn new_setup_link(
        &self,
        actor: &Actor,
        user: &str,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<String, AppError> {
        actor.allow(Verb::ChangeUsers)?;
        let missing = || AppError::NotFound("such user".into());
        let name = UserName::new(user).map_err(|_| missing())?;
        let secret = session::generate()
            .map_err(|e| AppError::internal("no link could be made: try again", e))?;
        let hash = session::hash(&secret).ok_or_else(missing)?;
        let audit = AuditRecord {
            at: now,
            actor: actor.user.to_string(),
            peer: peer.shown(),
            action: MADE.into(),
            object: format!("user {name}"),
            detail: "a set-up link was made".into(),
            request: peer.request.clone(),
        };
        self.in_one(actor, now, move |w| {
            let mut user = w.tx.user(&name)?.ok_or(Refusal::Missing)?;
            let groups = w.tx.groups()?;
            admin::may_manage(w.actor, &user, &groups).map_err(Refusal::Refused)?;
            if !user.active {
                let sentence = format!("{name} is switched off: switch the account on first");
                return Err(Refusal::Refused(sentence));
            }
            user.setup = Some(SetUp { hash, until: w.now.plus(SETUP_LIFE) });
            w.tx.put_user(&user)?;
            Ok(w.tx.append_audit(&audit)?)
        })
        .await?;
        Ok(secret)
    }

    /// Whose set-up link this is, if it is still good.
    ///
    /// # Errors
    /// `Gone` when it is none, was used or is too old: the same words for each.
    pub fn setup_user(&self, secret: &str, now: Timestamp) -> Result<User, AppError> {
        let hash = session::hash(secret);
        let fits = |user: &User| {
            let mut link = user.setup.iter().filter(|s| s.until > now);
            user.active && link.any(|s| Some(s.hash) == hash)
        };
        self.store().users()?.into_iter().find(fits).ok_or_else(used_up)
    }

    /// Sets the password of whoever has the link, uses the link up and signs them in.
    ///
    /// # Errors
    /// `Gone` for a link that is not good, `Invalid` with field `new` for a password that is not.
    pub async fn set_up(
        &self,
        secret: &str,
        new: &str,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<SignedIn, AppError> {
        let user = self.setup_user(secret, now)?;
        let hash = self.new_hash(&user.name, new).await?;
        let (cookie, record) = super::people::new_session(&user.name, false, peer, now)
            .map_err(|e| AppError::internal("no session could be made: try again", e))?;
        let (name, link) = (user.name, user.setup);
        let audit = AuditRecord {
            at: now,
            actor: name.to_string(),
            peer: peer.shown(),
            action: "password.set".into(),
            object: format!("user {name}"),
            detail: "with a set-up link".into(),
            request: peer.request.clone(),
        };
        let console = self.console();
        let maker = self.maker_of_link(&name);
        self.in_one(&console, now, move |w| {
            let user = w.tx.user(&name)?.ok_or(Refusal::Missing)?;
            // Two at once with one link: the first one wins.
            if user.setup != link || !user.active {
                return Err(Refusal::Missing);
            }
            // The link is as good as a password, and whoever made it has seen it: it does not
            // outlive that this user may more than they.
            if !may_still_make(w, &maker, &user)? {
                return Err(Refusal::Missing);
            }
            let user = User {
                password_hash: hash,
                must_set_password: false,
                setup: None,
                last_login: Some(w.now),
                ..user
            };
            w.tx.put_user(&user)?;
            w.tx.remove_sessions_of(&user.name, None)?;
            w.tx.put_session(&record)?;
            Ok(w.tx.append_audit(&audit)?)
        })
        .await
        .map_err(|error| match error {
            AppError::NotFound(_) => used_up(),
            other => other,
        })?;
        let max_age = self.live().session_absolute;
        Ok(SignedIn { cookie, only_set_password: false, max_age })
    }
}

impl App {
    /// Who made the newest set-up link of a user; nobody if that is not known any more.
    fn maker_of_link(&self, user: &UserName) -> Option<UserName> {
        let asked = AuditFilter {
            action: Some(MADE.to_owned()),
            object: Some(format!("user {user}")),
            ..AuditFilter::default()
        };
        let page = self.store().audit_page(&asked, AuditCursor::Newest, 1).ok()?;
        UserName::new(&page.lines.first()?.record.actor).ok()
    }
}

/// True if whoever made a link could make it now.
fn may_still_make(
    w: &mut Writing<'_, '_>,
    maker: &Option<UserName>,
    user: &User,
) -> Result<bool, Refusal> {
    let Some(maker) = maker else { return Ok(false) };
    if *maker == w.app.console().user {
        return Ok(true);
    }
    let groups = w.tx.groups()?;
    let Some(maker) = w.tx.user(maker)?.filter(|maker| maker.active) else { return Ok(false) };
    Ok(admin::may_manage(&maker.actor(&groups), user, &groups).is_ok())
}

fn used_up() -> AppError {
    AppError::Gone(
        "this link is not good any more: it was used, is too old, or a newer one was made, or you \
         may more now than whoever made it; ask \
         an administrator for another one"
            .into(),
    )
}
