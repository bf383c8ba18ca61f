//! What no policy may say, whoever writes it: config.toml, a setting or a queue.

use super::rules::{Lifetime, Override, Policy};
use crate::domain::QueueName;
use std::{fmt, time::Duration};

/// The shortest time that can be given for keeping something.
const LEAST_KEPT: Duration = Duration::from_secs(60);

/// A value that reads well but cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key, with its section.
    pub key: String,
    /// What it is.
    pub value: String,
    /// What would be valid.
    pub want: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: {}", self.key, self.value, self.want)
    }
}

impl std::error::Error for Wrong {}

/// What is wrong with a lifetime under `key`, if it is shorter than anything may be kept.
pub fn too_short(key: &str, lifetime: Lifetime) -> Option<Wrong> {
    match lifetime {
        Lifetime::For(span) if span < LEAST_KEPT => Some(Wrong {
            key: key.to_owned(),
            value: "less than a minute".into(),
            want: "give at least \"1min\", or \"forever\" to keep it".into(),
        }),
        Lifetime::For(_) | Lifetime::Forever => None,
    }
}

impl Override {
    /// The lifetimes that are given, by the words of their classes.
    fn given(&self) -> impl Iterator<Item = (&'static str, Lifetime)> {
        let all = [
            ("images", self.images),
            ("leftovers", self.leftovers),
            ("logs", self.logs),
            ("records", self.records),
        ];
        all.into_iter().filter_map(|(word, lifetime)| Some((word, lifetime?)))
    }

    /// The first lifetime that cannot be; `prefix` stands before its key.
    pub fn wrong(&self, prefix: &str) -> Option<Wrong> {
        self.given().find_map(|(word, lifetime)| too_short(&format!("{prefix}.{word}"), lifetime))
    }

    /// What is given here, else what `other` says.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            images: self.images.or(other.images),
            leftovers: self.leftovers.or(other.leftovers),
            logs: self.logs.or(other.logs),
            records: self.records.or(other.records),
        }
    }
}

impl Policy {
    /// The first key of `[retention]` with a value that cannot be.
    pub fn wrong(&self) -> Option<Wrong> {
        let general = Override {
            images: Some(self.images),
            leftovers: Some(self.leftovers),
            logs: Some(self.logs),
            records: Some(self.records),
        };
        let own =
            |(name, own): (&QueueName, &Override)| own.wrong(&format!("retention.queues.{name}"));
        general
            .wrong("retention")
            .or_else(|| self.queues.iter().find_map(own))
            .or_else(|| self.wrong_numbers())
    }

    fn wrong_numbers(&self) -> Option<Wrong> {
        if self.budget == 0 || self.budget > 100 {
            return Some(Wrong {
                key: "retention.budget".into(),
                value: self.budget.to_string(),
                want: "give per cent of the volume from 1 to 100 (100: no budget)".into(),
            });
        }
        (self.keep_newest != 0 && self.keep_newest < self.keep_last_good).then(|| Wrong {
            key: "retention.keep_newest".into(),
            value: format!("{} and keep_last_good is {}", self.keep_newest, self.keep_last_good),
            want: "keep at least as many as keep_last_good, or 0 for any number".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_less_than_a_minute() {
        assert_eq!(Policy::default().wrong(), None);
        let short = Policy { logs: Lifetime::For(Duration::from_secs(59)), ..Policy::default() };
        let said = short.wrong().unwrap().to_string();
        assert!(said.starts_with("retention.logs is less than a minute: give at least"), "{said}");
        let minute = Policy { logs: Lifetime::For(LEAST_KEPT), ..Policy::default() };
        assert_eq!(minute.wrong(), None);
    }

    #[test]
    fn numbers_that_contradict_each_other_are_told_together() {
        let few = Policy { keep_newest: 1, keep_last_good: 2, ..Policy::default() };
        let said = few.wrong().unwrap().to_string();
        assert!(said.contains("keep_newest is 1 and keep_last_good is 2"), "{said}");
        assert_eq!(Policy { keep_newest: 0, ..few }.wrong(), None);
        for budget in [0, 101] {
            let said = Policy { budget, ..Policy::default() }.wrong().unwrap().to_string();
            assert!(said.contains(&format!("retention.budget is {budget}")), "{said}");
        }
    }

    #[test]
    fn what_one_says_goes_before_what_another_says() {
        let hours = |n: u64| Some(Lifetime::For(Duration::from_secs(n * 3_600)));
        let own = Override { images: hours(1), ..Override::default() };
        let other = Override { images: hours(2), logs: hours(3), ..Override::default() };
        let both = own.or(&other);
        assert_eq!((both.images, both.logs, both.records), (hours(1), hours(3), None));
    }
}
