//! People, the groups they are in, and the site they come to.

use super::{Actor, GroupName, Timestamp, UserName, Verb, Verbs};

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name; never changes.
    pub name: UserName,
    /// For people.
    pub full_name: String,
    /// Where mail goes; empty when unknown.
    pub mail: String,
    /// The password's PHC string (argon2id); empty when none is set, and then nobody can sign in.
    pub password_hash: String,
    /// False: cannot sign in, sessions and tokens are dead.
    pub active: bool,
    /// May enter the Admin tab.
    pub staff: bool,
    /// Has every permission.
    pub superuser: bool,
    /// Must set a new password before anything else answers.
    pub must_set_password: bool,
    /// Groups whose permissions they share.
    pub groups: Vec<GroupName>,
    /// Permissions of their own.
    pub verbs: Verbs,
    /// When the account was made.
    pub created: Timestamp,
    /// When they last signed in.
    pub last_login: Option<Timestamp>,
    /// What they may have, where that differs from the general quota.
    pub quota: UserQuota,
    /// A link with which they set a password of their own; `None` when none was given out.
    pub setup: Option<SetUp>,
}

/// What one user may have; `None` is as the general quota says, 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserQuota {
    /// Jobs that may build at once.
    pub running: Option<u32>,
    /// Jobs that may wait.
    pub queued: Option<u32>,
    /// Bytes of images that may be kept.
    pub bytes: Option<u64>,
}

/// A link that was given to somebody so that they set a password, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetUp {
    /// SHA-256 of the secret in the link: the secret itself is never stored.
    pub hash: [u8; 32],
    /// When it stops to work.
    pub until: Timestamp,
}

impl User {
    /// What the user may do, their groups counted in. An inactive user may do nothing.
    pub fn actor<'a>(&self, groups: impl IntoIterator<Item = &'a Group>) -> Actor {
        let verbs = if !self.active {
            Verbs::NONE
        } else if self.superuser {
            Verbs::all()
        } else {
            groups
                .into_iter()
                .filter(|g| self.groups.contains(&g.name))
                .fold(self.verbs, |verbs, g| verbs.union(g.verbs))
        };
        Actor {
            user: self.name.clone(),
            verbs,
            staff: self.active && (self.staff || self.superuser),
            superuser: self.active && self.superuser,
        }
    }
}

/// A set of permissions with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// What its members may do.
    pub verbs: Verbs,
}

impl Group {
    /// The four groups of a first start, from least to most.
    pub fn standard() -> Vec<Self> {
        let submit =
            [Verb::ViewJobs, Verb::Submit, Verb::CancelOwn, Verb::KeepOwn, Verb::DeleteOwn];
        let operate = [
            Verb::CancelAny,
            Verb::Launch,
            Verb::ViewHealth,
            Verb::Pin,
            Verb::DeleteAny,
            Verb::RunCleanup,
            Verb::ChangeJobs,
            Verb::ViewQueues,
            Verb::PauseQueues,
            Verb::ViewRunners,
            Verb::ViewTypes,
        ];
        let sets: [(&str, Verbs); 4] = [
            ("Viewers", [Verb::ViewJobs].into_iter().collect()),
            ("Submitters", submit.into_iter().collect()),
            ("Operators", submit.into_iter().chain(operate).collect()),
            ("Administrators", Verbs::all()),
        ];
        sets.into_iter()
            .filter_map(|(name, verbs)| Some(Self { name: GroupName::new(name).ok()?, verbs }))
            .collect()
    }
}

/// A name under which the appliance answers: used in links, the title and the Host check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Host name, without port.
    pub domain: String,
    /// Shown in the header of every page.
    pub display_name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User {
            name: UserName::new("ann").unwrap(),
            full_name: String::new(),
            mail: String::new(),
            password_hash: String::new(),
            active: true,
            staff: false,
            superuser: false,
            must_set_password: false,
            groups: vec![GroupName::new("Submitters").unwrap()],
            verbs: Verbs::NONE,
            created: Timestamp::default(),
            last_login: None,
            quota: UserQuota::default(),
            setup: None,
        }
    }

    #[test]
    fn a_member_may_do_what_the_group_may() {
        let actor = user().actor(&Group::standard());
        assert!(actor.verbs.has(Verb::Submit));
        assert!(!actor.verbs.has(Verb::PrivilegedDefinitions));
        assert!(!actor.staff);
    }

    #[test]
    fn an_inactive_superuser_may_do_nothing() {
        let gone = User { active: false, superuser: true, staff: true, ..user() };
        let actor = gone.actor(&Group::standard());
        assert_eq!(actor.verbs, Verbs::NONE);
        assert!(!actor.staff);
    }

    #[test]
    fn the_first_start_has_four_groups() {
        assert_eq!(Group::standard().len(), 4);
    }
}
