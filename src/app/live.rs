//! What of the configuration may change while the service runs, and what is so now.
//!
//! config.toml says what is given. What somebody changed in the Admin tab lies in the store under
//! `setting.<key>` as text and goes over it; queues and users have wishes of their own. From all of
//! that [`LiveSettings`] is worked out again after every change, and everybody looks at it when they need
//! it. A stored text that no longer reads counts as if it were not there: a setting must never keep
//! the service from starting.

mod spec;
mod values;

pub use spec::{SETTINGS, SettingKind, SettingSpec};

use super::{App, AppError, Change, Problem, Settings, Wish};
use crate::{
    domain::{
        Bounds, Queue, User, UserQuota,
        admission::{Quota, Quotas, Thresholds},
        retention::{Lifetime, Policy},
    },
    store::StoreError,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use values::Values;

/// What is so now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// What is kept for how long; queues have what their record says, else what config.toml says
    /// for them.
    pub retention: Policy,
    /// How long audit lines are kept; `None`: for ever.
    pub audit_kept: Option<Duration>,
    /// Bytes all runner caches may have together.
    pub cache_budget: u64,
    /// What one user or queue may have that has no limits of its own.
    pub quota: Quota,
    /// Idle end of a session.
    pub session_idle: Duration,
    /// Absolute end of a session.
    pub session_absolute: Duration,
    /// Bytes a definition may have.
    pub definition_limit: u64,
    /// Jobs that may build at once, over all queues.
    pub slots: u32,
    /// What a build may use, where its queue has no numbers of its own.
    pub bounds: Bounds,
    /// When jobs wait for the volume.
    pub thresholds: Thresholds,
    /// Bytes a job is taken to need if nothing else tells.
    pub unknown_need: u64,
}

/// A setting as a form shows it.
#[derive(Clone, Debug)]
pub struct SettingView {
    /// What it is.
    pub spec: &'static SettingSpec,
    /// What is so now.
    pub value: String,
    /// What config.toml or the built-in default says.
    pub given: String,
    /// True if somebody changed it in the Admin tab.
    pub changed: bool,
}

/// The live settings and who works them out.
pub(super) struct Lively {
    now: RwLock<Arc<LiveSettings>>,
    /// Held while they are worked out: who comes later has read later.
    work: Mutex<()>,
}

impl Lively {
    pub(super) fn new(settings: &Settings) -> Self {
        let values = Values::given(settings);
        let live = LiveSettings::of(values, settings.disk.thresholds, &[]);
        Self { now: RwLock::new(Arc::new(live)), work: Mutex::default() }
    }
}

impl LiveSettings {
    fn of(values: Values, thresholds: Thresholds, queues: &[Queue]) -> Self {
        Self {
            retention: with_queues(values.retention, queues),
            audit_kept: match values.audit {
                Lifetime::Forever => None,
                Lifetime::For(span) => Some(span),
            },
            cache_budget: values.cache_budget,
            quota: values.quota,
            session_idle: values.session_idle,
            session_absolute: values.session_absolute,
            definition_limit: values.definition_limit,
            slots: values.slots,
            bounds: values.bounds,
            thresholds,
            unknown_need: values.unknown_need,
        }
    }
}

/// The policy with what the queues' records say of their own.
fn with_queues(mut policy: Policy, queues: &[Queue]) -> Policy {
    for queue in queues {
        let given = policy.queues.remove(&queue.name).unwrap_or_default();
        policy.queues.insert(queue.name.clone(), queue.retention.or(&given));
    }
    policy
}

fn quotas(general: Quota, users: &[User], queues: &[Queue]) -> Quotas {
    let own = users.iter().filter(|user| user.quota != UserQuota::default());
    Quotas {
        general,
        users: own.map(|user| (user.name.clone(), user.quota)).collect(),
        queues: queues.iter().filter_map(|q| Some((q.name.clone(), q.kept_bytes?))).collect(),
    }
}

/// What somebody changed, by key.
type Changes = BTreeMap<&'static str, String>;

/// The given values with the changes over them. What no longer reads, and every change of a section
/// that would contradict itself, is left out and told in the log.
fn apply(given: &Values, changes: &Changes) -> Values {
    let mut values = given.clone();
    let mut bad: BTreeSet<&str> = BTreeSet::new();
    for spec in SETTINGS {
        let Some(text) = changes.get(spec.key) else { continue };
        let read = spec.set(&mut values, text).and_then(|()| spec.fits(&mut values));
        if let Err(error) = read {
            tracing::warn!(setting = spec.key, "a changed setting does not count: {error}");
            spec.reset(&mut values, given);
        }
    }
    while let Some(wrong) = values.wrong() {
        let section = wrong.key.split('.').next().unwrap_or_default();
        let Some(section) = SETTINGS.iter().map(SettingSpec::section).find(|s| *s == section)
        else {
            break;
        };
        // What is given may itself be so: then there is nothing better.
        if !bad.insert(section) {
            break;
        }
        tracing::warn!(section, "changed settings of this section do not count: {wrong}");
        let of_section = SETTINGS.iter().filter(|spec| spec.section() == section);
        of_section.for_each(|spec| spec.reset(&mut values, given));
    }
    values
}

/// The problem of a field.
fn problem(key: &str, message: impl Into<String>) -> Problem {
    Problem::new(key, message)
}

impl App {
    /// What is so now. Cheap; ask again rather than keep it.
    pub fn live(&self) -> Arc<LiveSettings> {
        Arc::clone(&self.lively().now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works out anew what is so now and makes it count: call it after any change of a setting, a
    /// queue, a user's quota or a runner's switch is on disk. What cannot be read stays as it was.
    pub fn settings_changed(&self) {
        self.refresh_live();
        self.board().announce(Change::Queues);
        // Only fails when the service stops, and then nothing is to be woken.
        let _ = self.wish(Wish::Wake);
    }

    pub(super) fn refresh_live(&self) {
        let working = self.lively().work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.work_out() {
            tracing::warn!(%error, "settings stay as they were");
        }
        if let Err(error) = self.switch_runners() {
            tracing::warn!(%error, "runners stay switched as they were");
        }
        drop(working);
    }

    fn work_out(&self) -> Result<(), StoreError> {
        let (queues, users) = (self.store().queues()?, self.store().users()?);
        let values = apply(&Values::given(self.settings()), &self.changed_settings()?);
        // Those that are given do not contradict each other.
        let thresholds = values.thresholds().unwrap_or(self.settings().disk.thresholds);
        let live = LiveSettings::of(values, thresholds, &queues);
        let quotas = quotas(live.quota, &users, &queues);
        self.board().set_limits(quotas, thresholds, live.unknown_need);
        *self.lively().now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        Ok(())
    }

    fn changed_settings(&self) -> Result<Changes, StoreError> {
        let mut changes = Changes::new();
        for spec in SETTINGS {
            if let Some(text) = self.store().setting(&spec.store_key())? {
                changes.insert(spec.key, text);
            }
        }
        Ok(changes)
    }

    /// The settings as a form shows them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn setting_views(&self) -> Result<Vec<SettingView>, AppError> {
        let (given, changes) = (Values::given(self.settings()), self.changed_settings()?);
        let values = apply(&given, &changes);
        let view = |spec: &'static SettingSpec| SettingView {
            spec,
            value: spec.text(&values),
            given: spec.text(&given),
            changed: changes.contains_key(spec.key),
        };
        Ok(SETTINGS.iter().map(view).collect())
    }

    /// Whether the setting may become what the text says, by itself and with all others; gives the
    /// text to store. The problem's field is the key.
    ///
    /// # Errors
    /// Says what is wrong and what would be valid.
    pub fn check_setting(&self, key: &str, text: &str) -> Result<String, Problem> {
        let change = BTreeMap::from([(key.to_owned(), Some(text.to_owned()))]);
        let checked = self.check_settings(&change);
        let mut checked = checked.map_err(|mut problems| match problems.is_empty() {
            true => problem(key, "this cannot be changed now: try again"),
            false => problems.swap_remove(0),
        })?;
        Ok(checked.remove(key).flatten().unwrap_or_default())
    }

    /// As [`check_setting`](Self::check_setting) for several that change together; `None` goes back
    /// to what config.toml says. Gives the texts to store.
    ///
    /// # Errors
    /// Every text that does not read, else the first contradiction.
    pub fn check_settings(
        &self,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<BTreeMap<String, Option<String>>, Vec<Problem>> {
        let stored = self.changed_settings().map_err(|error| {
            tracing::warn!(%error, "settings cannot be read");
            vec![problem("", "the store does not answer: see the service's log")]
        })?;
        check(&Values::given(self.settings()), &stored, changes)
    }
}

fn check(
    given: &Values,
    stored: &Changes,
    changes: &BTreeMap<String, Option<String>>,
) -> Result<BTreeMap<String, Option<String>>, Vec<Problem>> {
    let mut values = apply(given, stored);
    let (mut texts, mut problems) = (BTreeMap::new(), Vec::new());
    for (key, text) in changes {
        let Some(spec) = SettingSpec::find(key) else {
            let shown: String = key.chars().take(40).flat_map(char::escape_debug).collect();
            problems.push(problem(key, format!("there is no setting `{shown}`")));
            continue;
        };
        let Some(text) = text else {
            spec.reset(&mut values, given);
            texts.insert(key.clone(), None);
            continue;
        };
        match spec.set(&mut values, text).and_then(|()| spec.fits(&mut values)) {
            Ok(()) => drop(texts.insert(key.clone(), Some(spec.text(&values)))),
            Err(message) => problems.push(problem(key, message)),
        }
    }
    if let Some(wrong) = values.wrong().filter(|_| problems.is_empty()) {
        // Told at what was changed, whichever of the two it is that does not fit.
        let key = if changes.contains_key(&wrong.key) {
            wrong.key.clone()
        } else {
            changes.keys().next().cloned().unwrap_or_default()
        };
        problems.push(problem(&key, wrong.to_string()));
    }
    if problems.is_empty() { Ok(texts) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
