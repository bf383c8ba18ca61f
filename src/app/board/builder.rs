//! A builder that is a process of its own, as the board knows it.

use super::Board;
use crate::{app::Change, domain::Timestamp};

/// How the builder is that is a process of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderLink {
    /// Where it listens.
    pub socket: String,
    /// Since when it is there; `None` while it is away.
    pub since: Option<Timestamp>,
    /// The version of its program; empty before it was there for the first time.
    pub program: String,
    /// What confines its builds, for people; empty before it was there for the first time.
    pub sandbox: String,
    /// Why jobs cannot start now, if they cannot.
    pub away: Option<String>,
    /// Why the last connection ended.
    pub error: Option<String>,
}

impl Board {
    /// The builder is so from now on.
    pub fn set_builder(&self, link: BuilderLink) {
        let mut inner = self.lock();
        let before = inner.builder.replace(link);
        let away = |link: Option<&BuilderLink>| link.and_then(|link| link.away.clone());
        let turned = away(before.as_ref()) != away(inner.builder.as_ref());
        drop(inner);
        if turned {
            self.announce(Change::Queues);
            self.tell_waiting();
        }
    }

    /// How the builder is; `None` where builds run inside the service.
    pub fn builder(&self) -> Option<BuilderLink> {
        self.lock().builder.clone()
    }
}
