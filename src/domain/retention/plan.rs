//! From jobs, volume and policy to a plan.

use super::rules::{Class, Guard, Item, Lifetime, Policy, Rule, Volume};
use crate::domain::{JobId, StateKind, Timestamp};
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::Duration,
};

/// One thing that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// The job.
    pub id: JobId,
    /// What of it.
    pub class: Class,
    /// Bytes it is known to have.
    pub bytes: u64,
    /// Why.
    pub rule: Rule,
}

/// One thing a rule wants and a guard keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The job.
    pub id: JobId,
    /// What of it.
    pub class: Class,
    /// Bytes it is known to have.
    pub bytes: u64,
    /// Which rule wanted it.
    pub rule: Rule,
    /// What kept it.
    pub guard: Guard,
}

/// What a run does, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanupPlan {
    /// What goes.
    pub doomed: Vec<Doomed>,
    /// What was kept although a rule wanted it.
    pub saved: Vec<Saved>,
    /// Rules that cannot be met, one sentence each.
    pub unmet: Vec<String>,
}

impl CleanupPlan {
    /// Bytes that go.
    pub fn bytes(&self) -> u64 {
        self.doomed.iter().map(|d| d.bytes).sum()
    }
}

/// The plan for these ended jobs. `trust_age` is false while the clock cannot be believed: then no
/// rule looks at ages.
///
/// Takes a time in proportion to the jobs (n log n if images have to go for the budget).
pub fn plan(
    items: &[Item],
    volume: Option<Volume>,
    policy: &Policy,
    now: Timestamp,
    trust_age: bool,
) -> CleanupPlan {
    let mut planner = Planner::new(items, policy, now);
    if trust_age {
        planner.by_age();
    } else {
        planner.plan.unmet.push(
            "the clock has jumped: nothing goes by its age until a day has passed or somebody \
             starts a cleanup"
                .to_owned(),
        );
    }
    planner.by_number();
    if let Some(volume) = volume.filter(|_| policy.budget < 100) {
        let allowed = u128::from(volume.total) * u128::from(policy.budget) / 100;
        let used = u128::from(volume.total.saturating_sub(volume.free));
        let over = u64::try_from(used.saturating_sub(allowed)).unwrap_or(u64::MAX);
        planner.by_size(over, &Rule::Budget { percent: policy.budget });
    }
    if trust_age {
        planner.logs_and_records();
    }
    planner.finish()
}

/// The plan for a volume that is nearly full: what failed jobs left, whatever its age, then the
/// images that were of no use for longest, until `wanted` bytes are free.
pub fn plan_emergency(
    items: &[Item],
    volume: Volume,
    wanted: u64,
    policy: &Policy,
    now: Timestamp,
) -> CleanupPlan {
    let mut planner = Planner::new(items, policy, now);
    for item in items.iter().filter(|i| i.artifact_class() == Class::Leftovers) {
        planner.take(item, Class::Leftovers, Rule::Emergency);
    }
    let short = wanted.saturating_sub(volume.free);
    planner.by_size(short, &Rule::Emergency);
    planner.finish()
}

/// Until when `class` of `item` is kept by its lifetime and by who asked for it; `None`: until
/// something else than its age takes it.
pub fn expiry(item: &Item, class: Class, policy: &Policy) -> Option<Timestamp> {
    let (lifetime, _) = policy.lifetime(class, &item.queue);
    let own = match lifetime {
        Lifetime::Forever => return None,
        Lifetime::For(span) => item.ended.plus(span.max(policy.min_age)),
    };
    if item.pinned {
        return None;
    }
    let until = item.keep_until.map_or(own, |until| until.max(own));
    if class == Class::Logs && item.artifacts > 0 {
        return expiry(item, item.artifact_class(), policy).map(|images| images.max(until));
    }
    Some(until)
}

struct Planner<'a> {
    items: &'a [Item],
    policy: &'a Policy,
    now: Timestamp,
    last_good: HashSet<JobId>,
    /// Jobs whose artifacts go.
    gone: HashSet<JobId>,
    plan: CleanupPlan,
}

impl<'a> Planner<'a> {
    fn new(items: &'a [Item], policy: &'a Policy, now: Timestamp) -> Self {
        Self {
            items,
            policy,
            now,
            last_good: last_good(items, policy.keep_last_good),
            gone: HashSet::new(),
            plan: CleanupPlan::default(),
        }
    }

    fn by_age(&mut self) {
        for item in self.items.iter().filter(|i| i.artifacts > 0) {
            let class = item.artifact_class();
            if let Some(rule) = self.too_old(item, class) {
                self.take(item, class, rule);
            }
        }
    }

    fn too_old(&self, item: &Item, class: Class) -> Option<Rule> {
        let (lifetime, own) = self.policy.lifetime(class, &item.queue);
        match lifetime {
            Lifetime::For(limit) if self.now.since(item.ended) >= limit => {
                Some(Rule::Age { limit, queue: own.then(|| item.queue.clone()) })
            }
            Lifetime::For(_) | Lifetime::Forever => None,
        }
    }

    /// More images of a recipe than are kept: the oldest go.
    fn by_number(&mut self) {
        let keep = self.policy.keep_newest;
        if keep == 0 {
            return;
        }
        let most = usize::try_from(keep).unwrap_or(usize::MAX);
        for group in images_by_recipe(self.items).into_values().filter(|g| g.len() > most) {
            let Some(newest) = group.first().map(|item| item.id) else { continue };
            for item in group.into_iter().skip(most) {
                if !self.gone.contains(&item.id) {
                    self.take(item, Class::Images, Rule::Number { keep, newest });
                }
            }
        }
    }

    /// Images of no use for longest, until `over` bytes are on their way out.
    fn by_size(&mut self, over: u64, rule: &Rule) {
        let mut left = over.saturating_sub(self.plan.bytes());
        if left == 0 {
            return;
        }
        let image = |i: &&Item| i.artifacts > 0 && i.state == StateKind::Done;
        let mut images: Vec<_> =
            self.items.iter().filter(image).filter(|i| !self.gone.contains(&i.id)).collect();
        images.sort_unstable_by_key(|i| (i.last_use(), i.id));
        let (mut kept, mut spared) = (0u64, None);
        for item in images {
            if left == 0 {
                break;
            }
            if self.take(item, Class::Images, rule.clone()) {
                left = left.saturating_sub(item.artifacts);
            } else {
                kept = kept.saturating_add(item.artifacts);
                spared = self.plan.saved.last().map(|saved| saved.guard);
            }
        }
        if left > 0 {
            self.plan.unmet.push(super::words::unmet(rule, left, kept, spared));
        }
    }

    /// Logs go when nothing of the artifacts is left, records when nothing at all is.
    fn logs_and_records(&mut self) {
        for item in self.items {
            if item.artifacts > 0 && !self.gone.contains(&item.id) {
                continue;
            }
            let logs = (item.logs > 0).then(|| self.too_old(item, Class::Logs)).flatten();
            let logs_go = logs.is_some_and(|rule| self.take(item, Class::Logs, rule));
            if (item.logs == 0 || logs_go)
                && let Some(rule) = self.too_old(item, Class::Records)
            {
                self.take(item, Class::Records, rule);
            }
        }
    }

    /// Puts it among what goes, or says what keeps it. True if it goes.
    fn take(&mut self, item: &Item, class: Class, rule: Rule) -> bool {
        let bytes = match class {
            Class::Images | Class::Leftovers => item.artifacts,
            Class::Logs => item.logs,
            Class::Records => 0,
        };
        if bytes == 0 && class != Class::Records {
            return false;
        }
        let id = item.id;
        match self.guard(item, class) {
            Some(guard) => {
                self.plan.saved.push(Saved { id, class, bytes, rule, guard });
                false
            }
            None => {
                if matches!(class, Class::Images | Class::Leftovers) {
                    self.gone.insert(id);
                }
                self.plan.doomed.push(Doomed { id, class, bytes, rule });
                true
            }
        }
    }

    fn guard(&self, item: &Item, class: Class) -> Option<Guard> {
        guard(item, self.policy, self.now).or_else(|| {
            (class == Class::Images && self.last_good.contains(&item.id)).then_some(Guard::LastGood)
        })
    }

    fn finish(mut self) -> CleanupPlan {
        self.plan.doomed.sort_by_key(|d| (d.class, d.id));
        // What several rules wanted is told once.
        self.plan.saved.sort_by_key(|s| (s.class, s.id));
        self.plan.saved.dedup_by_key(|s| (s.class, s.id));
        self.plan
    }
}

/// What keeps all of a job, whatever rule wants it.
pub fn guard(item: &Item, policy: &Policy, now: Timestamp) -> Option<Guard> {
    if item.pinned {
        return Some(Guard::Pinned);
    }
    if let Some(busy) = item.busy {
        return Some(Guard::Busy(busy));
    }
    if let Some(until) = item.keep_until.filter(|until| *until > now) {
        return Some(Guard::KeepUntil(until));
    }
    let age: Duration = now.since(item.ended);
    (age < policy.min_age).then_some(Guard::Young(policy.min_age))
}

/// The images of each recipe, the newest first.
fn images_by_recipe(items: &[Item]) -> HashMap<&str, Vec<&Item>> {
    let mut recipes: HashMap<&str, Vec<&Item>> = HashMap::new();
    for item in items.iter().filter(|i| i.state == StateKind::Done && i.artifacts > 0) {
        recipes.entry(&item.recipe).or_default().push(item);
    }
    recipes.values_mut().for_each(|group| group.sort_unstable_by_key(|i| Reverse((i.ended, i.id))));
    recipes
}

/// The newest `keep` good images of each recipe.
pub fn last_good(items: &[Item], keep: u32) -> HashSet<JobId> {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    if keep == 0 {
        return HashSet::new();
    }
    images_by_recipe(items)
        .into_values()
        .flat_map(|group| group.into_iter().take(keep).map(|item| item.id))
        .collect()
}
