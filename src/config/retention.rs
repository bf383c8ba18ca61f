//! `[retention]`: what is kept for how long.

use super::{Keep, Size, Span};
use crate::domain::{
    QueueName,
    retention::{Lifetime, Override, Policy, Wrong, too_short},
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[retention]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Artifacts of jobs that are done.
    pub images: Keep,
    /// What failed, cancelled and interrupted jobs left.
    pub leftovers: Keep,
    /// Logs and definitions; they stay at least as long as the artifacts.
    pub logs: Keep,
    /// Records of jobs without files.
    pub records: Keep,
    /// Lines of the audit trail.
    pub audit: Keep,
    /// Images of one recipe at most; 0: any number.
    pub keep_newest: u32,
    /// Newest good images of each recipe that no rule takes.
    pub keep_last_good: u32,
    /// Per cent of the volume that may be used before images go; 100: never for that reason.
    pub budget: u8,
    /// Nothing younger is deleted by any rule.
    pub min_age: Span,
    /// How far "Keep longer" reaches.
    pub keep_longer: Span,
    /// Bytes all runner caches may have together.
    pub cache: Size,
    /// Lifetimes of single queues.
    pub queues: BTreeMap<String, QueueRetention>,
}

/// `[retention.queues.<name>]`: what is left out is as in `[retention]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueRetention {
    /// See [`Retention::images`].
    pub images: Option<Keep>,
    /// See [`Retention::leftovers`].
    pub leftovers: Option<Keep>,
    /// See [`Retention::logs`].
    pub logs: Option<Keep>,
    /// See [`Retention::records`].
    pub records: Option<Keep>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            images: Keep::days(14),
            leftovers: Keep::For(Span::hours(4)),
            logs: Keep::days(180),
            records: Keep::Forever,
            audit: Keep::days(400),
            keep_newest: 3,
            keep_last_good: 1,
            budget: 80,
            min_age: Span::hours(1),
            keep_longer: Span::hours(90 * 24),
            cache: Size::gib(20),
            queues: BTreeMap::new(),
        }
    }
}

impl QueueRetention {
    fn own(&self) -> Override {
        Override {
            images: self.images.map(Lifetime::from),
            leftovers: self.leftovers.map(Lifetime::from),
            logs: self.logs.map(Lifetime::from),
            records: self.records.map(Lifetime::from),
        }
    }
}

impl Retention {
    /// The same as the rules take it. Queues with names that cannot be are left out.
    pub fn policy(&self) -> Policy {
        let named = |(name, own): (&String, &QueueRetention)| {
            QueueName::new(name).ok().map(|name| (name, own.own()))
        };
        Policy {
            images: self.images.into(),
            leftovers: self.leftovers.into(),
            logs: self.logs.into(),
            records: self.records.into(),
            queues: self.queues.iter().filter_map(named).collect(),
            keep_newest: self.keep_newest,
            keep_last_good: self.keep_last_good,
            budget: self.budget,
            min_age: self.min_age.get(),
            longest_extension: self.keep_longer.get(),
        }
    }

    /// The first key with a value that cannot be, with what would be valid.
    pub(super) fn wrong(&self) -> Option<Wrong> {
        if let Some(bad) = self.queues.keys().find(|name| QueueName::new(name).is_err()) {
            return Some(Wrong {
                key: "retention.queues".into(),
                value: format!("`{}`", bad.escape_debug()),
                want: "use letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
                    .into(),
            });
        }
        self.policy().wrong().or_else(|| too_short("retention.audit", self.audit.into()))
    }
}
