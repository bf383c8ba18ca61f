//! Who may do what. A handler that needs a right takes the [`Allowed`] that only the check makes.

use super::UserName;

macro_rules! verbs {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $phrase:literal;)*) => {
        /// Something a person can be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Verb { $($(#[$doc])* $variant),* }

        impl Verb {
            /// Every verb.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The verb's word in the API, in token scopes and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// What it allows, as the end of "may …".
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$variant => $phrase),* }
            }
        }
    };
}

verbs! {
    /// See jobs, logs and files.
    ViewJobs = "view-jobs", "see jobs";
    /// Hand in a definition.
    Submit = "submit", "submit jobs";
    /// Stop one's own jobs.
    CancelOwn = "cancel-own", "cancel jobs";
    /// Stop anybody's jobs.
    CancelAny = "cancel-any", "cancel other people's jobs";
    /// Release a recorded job on a queue that does not launch by itself.
    Launch = "launch", "launch recorded jobs";
    /// Hand in definitions whose scripts run as root on the box itself.
    PrivilegedDefinitions = "privileged-definitions",
        "submit definitions that run code as root on the box";
    /// Keep the files of one's own jobs longer than their rule says.
    KeepOwn = "keep-own", "keep files longer";
    /// Delete the files of one's own jobs.
    DeleteOwn = "delete-own", "delete files of jobs";
    /// Delete the files of anybody's jobs.
    DeleteAny = "delete-any", "delete files of other people's jobs";
    /// Pin anybody's jobs, and keep their files longer.
    Pin = "pin", "pin jobs";
    /// Start cleanups and other chores, and delete what no record knows.
    RunCleanup = "run-cleanup", "start cleanups";
    /// See the health of the box.
    ViewHealth = "view-health", "see the health of the box";
    /// Take and bring back backups of the store.
    Backup = "backup", "take backups";
    /// Tag anybody's jobs, and move those that wait to another queue.
    ChangeJobs = "change-jobs", "tag jobs and move them to another queue";
    /// See how queues are set up.
    ViewQueues = "view-queues", "see how queues are set up";
    /// Make queues.
    AddQueues = "add-queues", "add queues";
    /// Change how queues are set up.
    ChangeQueues = "change-queues", "change queues";
    /// Delete queues.
    DeleteQueues = "delete-queues", "delete queues";
    /// Pause queues and let them go on.
    PauseQueues = "pause-queues", "pause queues";
    /// See runners, the programs they found and their errors.
    ViewRunners = "view-runners", "see runners";
    /// Switch runners on and off.
    ChangeRunners = "change-runners", "switch runners on and off";
    /// See image types and architectures.
    ViewTypes = "view-types", "see image types and architectures";
    /// Label, order and hide image types and architectures.
    ChangeTypes = "change-types", "change image types and architectures";
    /// See groups and what they may do.
    ViewGroups = "view-groups", "see groups";
    /// Make groups.
    AddGroups = "add-groups", "add groups";
    /// Change what groups may do.
    ChangeGroups = "change-groups", "change groups";
    /// Delete groups.
    DeleteGroups = "delete-groups", "delete groups";
    /// See users and their profiles.
    ViewUsers = "view-users", "see users";
    /// Make users; needs `change-users` too.
    AddUsers = "add-users", "add users";
    /// Change users, their rights and their profiles.
    ChangeUsers = "change-users", "change users";
    /// Delete users.
    DeleteUsers = "delete-users", "delete users";
    /// See the names under which the appliance answers.
    ViewSites = "view-sites", "see sites";
    /// Make sites.
    AddSites = "add-sites", "add sites";
    /// Change sites.
    ChangeSites = "change-sites", "change sites";
    /// Delete sites.
    DeleteSites = "delete-sites", "delete sites";
    /// See who is signed in.
    ViewSessions = "view-sessions", "see sessions";
    /// End anybody's sessions.
    DeleteSessions = "delete-sessions", "end sessions";
    /// See everybody's API tokens, never their secrets.
    ViewTokens = "view-tokens", "see API tokens";
    /// Revoke anybody's API tokens.
    DeleteTokens = "delete-tokens", "revoke API tokens";
    /// See settings.
    ViewSettings = "view-settings", "see settings";
    /// Change settings.
    ChangeSettings = "change-settings", "change settings";
    /// See the audit trail.
    ViewAudit = "view-audit", "see the audit trail";
}

/// A set is one number.
const _: () = assert!(Verb::ALL.len() <= 64);

impl Verb {
    /// The verb a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.as_str() == word)
    }

    /// True if an API token can be of use with it: the others open pages of the Admin tab, which
    /// tokens never do.
    pub fn is_for_tokens(self) -> bool {
        self <= Self::ChangeJobs
    }

    fn bit(self) -> u64 {
        1 << (self as u64)
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs(u64);

impl Verbs {
    /// No verb.
    pub const NONE: Self = Self(0);

    /// Every verb there is.
    pub fn all() -> Self {
        Verb::ALL.iter().copied().collect()
    }

    /// True if `verb` is in the set.
    pub fn has(self, verb: Verb) -> bool {
        self.0 & verb.bit() != 0
    }

    /// Both sets together.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Only what both sets have: how a token's scope narrows its owner's rights.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What this set has and `other` has not.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True if there is no verb in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The verbs of the set, in the order of [`Verb::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.iter().copied().filter(move |v| self.has(*v))
    }
}

impl FromIterator<Verb> for Verbs {
    fn from_iter<I: IntoIterator<Item = Verb>>(verbs: I) -> Self {
        Self(verbs.into_iter().fold(0, |bits, v| bits | v.bit()))
    }
}

/// Who asks, with what they may do at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user's name.
    pub user: UserName,
    /// What they may do: own permissions, groups and superuser already worked out.
    pub verbs: Verbs,
    /// True if they may enter the Admin tab.
    pub staff: bool,
    /// True if they have every permission, whatever it is.
    pub superuser: bool,
}

/// The proof that a permission was checked. Only [`Actor::allow`] makes one.
#[derive(Debug)]
pub struct Allowed {
    verb: Verb,
}

impl Allowed {
    /// What was allowed.
    pub fn verb(&self) -> Verb {
        self.verb
    }
}

/// The permission is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{user} may not {}: ask an administrator for the permission `{}`", verb.phrase(), verb.as_str())]
pub struct Denied {
    /// Who asked.
    pub user: UserName,
    /// For what.
    pub verb: Verb,
}

impl Actor {
    /// The proof that this actor may `verb`.
    ///
    /// # Errors
    /// [`Denied`] names the missing permission.
    pub fn allow(&self, verb: Verb) -> Result<Allowed, Denied> {
        if self.verbs.has(verb) {
            Ok(Allowed { verb })
        } else {
            Err(Denied { user: self.user.clone(), verb })
        }
    }

    /// The proof that this actor may cancel a job of `owner`.
    ///
    /// # Errors
    /// [`Denied`] names the missing permission.
    pub fn allow_cancel(&self, owner: &UserName) -> Result<Allowed, Denied> {
        if *owner == self.user && self.verbs.has(Verb::CancelOwn) {
            return Ok(Allowed { verb: Verb::CancelOwn });
        }
        self.allow(Verb::CancelAny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(verbs: &[Verb]) -> Actor {
        let verbs = verbs.iter().copied().collect();
        Actor { user: UserName::new("ann").unwrap(), verbs, staff: false, superuser: false }
    }

    #[test]
    fn what_is_not_granted_is_denied_with_the_permission_s_name() {
        let denied = actor(&[Verb::ViewJobs]).allow(Verb::Submit).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "ann may not submit jobs: ask an administrator for the permission `submit`"
        );
    }

    #[test]
    fn one_s_own_job_needs_less_than_another_s() {
        let ann = actor(&[Verb::CancelOwn]);
        assert!(ann.allow_cancel(&UserName::new("ann").unwrap()).is_ok());
        assert!(ann.allow_cancel(&UserName::new("bo").unwrap()).is_err());
        assert!(actor(&[Verb::CancelAny]).allow_cancel(&UserName::new("bo").unwrap()).is_ok());
        assert!(actor(&[]).allow_cancel(&UserName::new("ann").unwrap()).is_err());
    }

    #[test]
    fn every_verb_has_its_own_word_and_bit() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_word(verb.as_str()), Some(*verb));
            assert_eq!(Verbs::from_iter([*verb]).iter().collect::<Vec<_>>(), [*verb]);
        }
        assert_eq!(Verbs::all().iter().count(), Verb::ALL.len());
    }
}
