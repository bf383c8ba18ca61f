//! Queues, and the order in which their jobs start: fair between users, then by age.

use super::{
    GroupName, Hold, Job, JobId, OwnBounds, QueueName, RunnerId, Timestamp, UserName,
    retention::Override,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    time::Duration,
};

/// A named waiting line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// What it is for, one sentence.
    pub description: String,
    /// How many of its jobs may build at once.
    pub slots: u32,
    /// Queues with a higher number are served first when slots in all are short.
    pub priority: i16,
    /// Why it starts nothing now; `None` when it does. What builds goes on to its end.
    pub paused: Option<String>,
    /// False: jobs are recorded and wait until somebody launches them.
    pub launch: bool,
    /// Most jobs that may wait in it.
    pub cap: u32,
    /// Longest a build may take.
    pub total_timeout: Duration,
    /// Longest a build may print nothing.
    pub silence_timeout: Duration,
    /// Only members of these groups may submit to it; empty: whoever may submit at all.
    pub submitters: Vec<GroupName>,
    /// Only these runners build on it; empty: all.
    pub runners: Vec<RunnerId>,
    /// How long its things are kept, where that differs from the general rules.
    pub retention: Override,
    /// Bytes of images its jobs may keep; `None` is as the general quota says, 0 is no limit.
    pub kept_bytes: Option<u64>,
    /// A build that failed because of the box ([`Cause::is_of_the_box`](super::Cause)) is handed in
    /// again, once.
    pub requeue: bool,
    /// What one of its builds may use of the box, where that differs from the settings.
    pub bounds: OwnBounds,
}

impl Queue {
    /// A queue as the first start makes it: 2 slots, 200 waiting, 6 h in all, 60 min of silence.
    pub fn standard(name: QueueName, description: &str) -> Self {
        Self {
            name,
            description: description.to_owned(),
            slots: 2,
            priority: 0,
            paused: None,
            launch: true,
            cap: 200,
            total_timeout: Duration::from_secs(6 * 3600),
            silence_timeout: Duration::from_secs(3600),
            submitters: Vec::new(),
            runners: Vec::new(),
            retention: Override::default(),
            kept_bytes: None,
            requeue: false,
            bounds: OwnBounds::default(),
        }
    }

    /// Why a waiting job of this queue may not start, as far as the queue decides it.
    pub fn hold(&self, launched: bool) -> Option<Hold> {
        if let Some(reason) = &self.paused {
            return Some(Hold::QueuePaused { queue: self.name.clone(), reason: reason.clone() });
        }
        (!self.launch && !launched).then(|| Hold::NotLaunched { queue: self.name.clone() })
    }

    /// What it does now, while so many of its jobs build.
    pub fn state(&self, building: u32) -> QueueState {
        match (&self.paused, building, self.launch) {
            (Some(_), 0, _) => QueueState::Paused,
            (Some(_), building, _) => QueueState::Draining { building },
            (None, _, true) => QueueState::Open,
            (None, _, false) => QueueState::RecordsOnly,
        }
    }

    /// Whether somebody who is in these groups may submit to it.
    ///
    /// # Errors
    /// Names the groups that may.
    pub fn admit(&self, groups: &[GroupName]) -> Result<(), QueueRefusal> {
        let open = self.submitters.is_empty() || groups.iter().any(|g| self.submitters.contains(g));
        if open {
            return Ok(());
        }
        Err(QueueRefusal::Submitters { queue: self.name.clone(), groups: self.submitters.clone() })
    }

    /// Whether jobs of this runner may wait on it.
    ///
    /// # Errors
    /// Names the runners that may.
    pub fn take(&self, runner: &RunnerId) -> Result<(), QueueRefusal> {
        if self.runners.is_empty() || self.runners.contains(runner) {
            return Ok(());
        }
        let (queue, runners) = (self.name.clone(), self.runners.clone());
        Err(QueueRefusal::Runners { queue, runner: runner.clone(), runners })
    }
}

/// What a queue does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Jobs start by themselves.
    Open,
    /// Jobs start when somebody launches them.
    RecordsOnly,
    /// It was paused; what builds goes on to its end, nothing else starts.
    Draining {
        /// How many of its jobs still build.
        building: u32,
    },
    /// Nothing starts and nothing builds.
    Paused,
}

impl QueueState {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::RecordsOnly => "records only",
            Self::Draining { .. } => "draining",
            Self::Paused => "paused",
        }
    }
}

/// Why a queue does not take a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueRefusal {
    /// It is open to some groups only.
    #[error(
        "queue `{queue}` is open to the {} {}: choose another queue, or ask an administrator",
        if groups.len() == 1 { "group" } else { "groups" },
        listed(groups)
    )]
    Submitters {
        /// The queue.
        queue: QueueName,
        /// Who may.
        groups: Vec<GroupName>,
    },
    /// It is for some runners only.
    #[error(
        "queue `{queue}` takes no jobs of runner `{runner}`, only of {}: choose another queue, or another runner",
        listed(runners)
    )]
    Runners {
        /// The queue.
        queue: QueueName,
        /// The runner asked for.
        runner: RunnerId,
        /// Which may.
        runners: Vec<RunnerId>,
    },
}

fn listed<T: ToString>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What ordering needs to know of a waiting job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The job.
    pub id: JobId,
    /// Who asked.
    pub owner: UserName,
    /// Higher goes first.
    pub priority: i16,
    /// When it was accepted.
    pub submitted: Timestamp,
}

impl Waiting {
    /// What ordering needs to know of this job.
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.id,
            owner: job.owner.clone(),
            priority: job.priority,
            submitted: job.submitted,
        }
    }
}

/// Whose turn: the higher priority first, then by name.
type Turn = (Reverse<i16>, UserName);
/// The jobs of one turn, the oldest first.
type ByAge = BTreeSet<(Timestamp, JobId)>;

/// The waiting jobs of one queue in the order they will start.
///
/// Higher priority first; inside a priority users take turns (a user's n-th waiting job comes in
/// the n-th round, and every job of theirs that builds now counts as a round already had);
/// inside a round the older job first. The job's number breaks ties, so the order is total.
///
/// Adding, removing and finding the first take a time that grows with the users who wait, not
/// with their jobs.
#[derive(Clone, Debug, Default)]
pub struct Line {
    turns: BTreeMap<Turn, ByAge>,
    places: HashMap<JobId, Waiting>,
}

impl Line {
    /// Adds a job; one that waits already gets its new place.
    pub fn insert(&mut self, waiting: Waiting) {
        self.remove(waiting.id);
        let turn = (Reverse(waiting.priority), waiting.owner.clone());
        self.turns.entry(turn).or_default().insert((waiting.submitted, waiting.id));
        self.places.insert(waiting.id, waiting);
    }

    /// Takes a job out. False if it did not wait.
    pub fn remove(&mut self, id: JobId) -> bool {
        let Some(waiting) = self.places.remove(&id) else { return false };
        let turn = (Reverse(waiting.priority), waiting.owner);
        if let Some(jobs) = self.turns.get_mut(&turn) {
            jobs.remove(&(waiting.submitted, id));
            if jobs.is_empty() {
                self.turns.remove(&turn);
            }
        }
        true
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// How many jobs of one user wait.
    pub fn of_user(&self, user: &UserName) -> usize {
        self.turns.iter().filter(|((_, owner), _)| owner == user).map(|(_, jobs)| jobs.len()).sum()
    }

    /// The jobs that wait, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = JobId> {
        self.places.keys().copied()
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Every waiting job in order; `building` says how many jobs each user builds now.
    pub fn order(&self, building: &HashMap<UserName, u32>) -> Vec<JobId> {
        let mut order = Vec::with_capacity(self.places.len());
        self.first(building, |id| {
            order.push(id);
            false
        });
        order
    }

    /// The first in order that `suits`. Only as many are looked at as are needed.
    pub fn first(
        &self,
        building: &HashMap<UserName, u32>,
        mut suits: impl FnMut(JobId) -> bool,
    ) -> Option<JobId> {
        let mut turns = self.turns.iter().peekable();
        while let Some(((priority, _), _)) = turns.peek() {
            let priority = *priority;
            // Whose turn it is among the users of this priority: the earliest round, in it the
            // oldest job.
            let mut next = BinaryHeap::new();
            let mut lines = Vec::new();
            while let Some(((_, user), jobs)) = turns.next_if(|((p, _), _)| *p == priority) {
                let round = building.get(user).copied().unwrap_or(0);
                let mut jobs = jobs.iter();
                if let Some((submitted, id)) = jobs.next() {
                    next.push(Reverse((round, *submitted, *id, lines.len())));
                    lines.push(jobs);
                }
            }
            while let Some(Reverse((round, _, id, line))) = next.pop() {
                if suits(id) {
                    return Some(id);
                }
                if let Some((submitted, id)) = lines.get_mut(line).and_then(Iterator::next) {
                    next.push(Reverse((round.saturating_add(1), *submitted, *id, line)));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job(id: u64, owner: &str, priority: i16, submitted: i64) -> Waiting {
        Waiting {
            id: JobId::new(id).unwrap(),
            owner: UserName::new(owner).unwrap(),
            priority,
            submitted: Timestamp::from_millis(submitted),
        }
    }

    fn order(waiting: &[Waiting], building: &HashMap<UserName, u32>) -> Vec<JobId> {
        let mut line = Line::default();
        waiting.iter().cloned().for_each(|w| line.insert(w));
        line.order(building)
    }

    /// The rule as it is told, job by job.
    fn told(waiting: &[Waiting], building: &HashMap<UserName, u32>) -> Vec<JobId> {
        let mut by_age: Vec<&Waiting> = waiting.iter().collect();
        by_age.sort_by_key(|w| (w.submitted, w.id));
        let mut rounds: HashMap<(i16, &UserName), u32> = HashMap::new();
        let mut ranked = Vec::new();
        for w in by_age {
            let had = building.get(&w.owner).copied().unwrap_or(0);
            let round = rounds.entry((w.priority, &w.owner)).or_insert(had);
            ranked.push((Reverse(w.priority), *round, w.submitted, w.id));
            *round += 1;
        }
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, _, _, id)| id).collect()
    }

    fn numbers(waiting: &[Waiting], building: &HashMap<UserName, u32>) -> Vec<u64> {
        order(waiting, building).into_iter().map(JobId::get).collect()
    }

    #[test]
    fn users_take_turns() {
        let waiting =
            [job(1, "ann", 0, 1), job(2, "ann", 0, 2), job(3, "ann", 0, 3), job(4, "bo", 0, 4)];
        assert_eq!(numbers(&waiting, &HashMap::new()), [1, 4, 2, 3]);
    }

    #[test]
    fn a_user_who_builds_already_waits_for_the_others() {
        let waiting = [job(1, "ann", 0, 1), job(2, "bo", 0, 2)];
        let building = HashMap::from([(UserName::new("ann").unwrap(), 1)]);
        assert_eq!(numbers(&waiting, &building), [2, 1]);
    }

    #[test]
    fn priority_goes_before_fairness() {
        let waiting = [job(1, "bo", 0, 1), job(2, "ann", 5, 2), job(3, "ann", 5, 3)];
        assert_eq!(numbers(&waiting, &HashMap::new()), [2, 3, 1]);
    }

    #[test]
    fn a_paused_queue_holds_and_says_why() {
        let mut queue = Queue::standard(QueueName::new("web").unwrap(), "");
        assert_eq!(queue.hold(false), None);
        queue.paused = Some("disk swap".into());
        assert!(queue.hold(false).unwrap().to_string().contains("disk swap"));
        queue.paused = None;
        queue.launch = false;
        assert!(queue.hold(false).is_some());
        assert_eq!(queue.hold(true), None);
    }

    #[test]
    fn a_paused_queue_drains_until_nothing_of_it_builds() {
        let mut queue = Queue::standard(QueueName::new("web").unwrap(), "");
        assert_eq!(queue.state(2), QueueState::Open);
        queue.launch = false;
        assert_eq!(queue.state(0), QueueState::RecordsOnly);
        queue.paused = Some("disk swap".into());
        assert_eq!(queue.state(2), QueueState::Draining { building: 2 });
        assert_eq!(queue.state(0), QueueState::Paused);
    }

    #[test]
    fn a_queue_with_submitters_is_open_to_its_groups_only() {
        let [dev, ops, other] = ["Dev", "Ops", "Other"].map(|name| GroupName::new(name).unwrap());
        let mut queue = Queue::standard(QueueName::new("release").unwrap(), "");
        assert_eq!(queue.admit(&[]), Ok(()));
        queue.submitters = vec![dev, ops.clone()];
        assert_eq!(queue.admit(&[other.clone(), ops]), Ok(()));
        let said = queue.admit(&[other]).unwrap_err().to_string();
        assert_eq!(
            said,
            "queue `release` is open to the groups Dev, Ops: choose another queue, or ask an \
             administrator"
        );
        queue.submitters.truncate(1);
        assert!(queue.admit(&[]).unwrap_err().to_string().contains("open to the group Dev:"));
    }

    #[test]
    fn a_queue_with_runners_takes_theirs_only() {
        let [mic, mkosi, kiwi] = ["mic", "mkosi", "kiwi"].map(|id| RunnerId::new(id).unwrap());
        let mut queue = Queue::standard(QueueName::new("phones").unwrap(), "");
        assert_eq!(queue.take(&kiwi), Ok(()));
        queue.runners = vec![mic.clone(), mkosi];
        assert_eq!(queue.take(&mic), Ok(()));
        let said = queue.take(&kiwi).unwrap_err().to_string();
        assert!(
            said.contains("`phones` takes no jobs of runner `kiwi`, only of mic, mkosi"),
            "{said}"
        );
    }

    fn worlds() -> impl Strategy<Value = Vec<Waiting>> {
        proptest::collection::vec((0u8..4, -1i16..2, 0i64..20), 0..40).prop_map(|rows| {
            rows.into_iter()
                .enumerate()
                .map(|(i, (who, priority, at))| {
                    job(i as u64 + 1, ["ann", "bo", "cy", "di"][usize::from(who)], priority, at)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_is_total_and_does_not_depend_on_how_jobs_are_listed(
            waiting in worlds(), turn in 0usize..40,
        ) {
            let first = order(&waiting, &HashMap::new());
            let mut turned = waiting.clone();
            turned.rotate_left(turn.min(waiting.len()));
            prop_assert_eq!(&first, &order(&turned, &HashMap::new()));
            let mut unique = first.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), waiting.len());
        }

        #[test]
        fn the_line_keeps_the_order_that_is_told_whoever_leaves_it(
            waiting in worlds(),
            had in proptest::collection::hash_map(0usize..4, 0u32..3, 0..4),
            gone in proptest::collection::vec(0usize..40, 0..10),
            nth in 0usize..40,
        ) {
            let name = |who: usize| UserName::new(["ann", "bo", "cy", "di"][who]).unwrap();
            let building: HashMap<_, _> = had.into_iter().map(|(w, n)| (name(w), n)).collect();
            let mut line = Line::default();
            waiting.iter().cloned().for_each(|w| line.insert(w));
            let mut left = waiting.clone();
            for at in gone {
                if at < left.len() {
                    let out = left.remove(at);
                    prop_assert!(line.remove(out.id));
                    prop_assert!(!line.remove(out.id));
                }
            }
            let wanted = told(&left, &building);
            prop_assert_eq!(line.len(), left.len());
            prop_assert_eq!(&line.order(&building), &wanted);
            let pick = wanted.get(nth).copied();
            prop_assert_eq!(line.first(&building, |id| Some(id) == pick), pick);
        }

        #[test]
        fn nobody_starts_twice_while_another_waits_at_the_same_priority(waiting in worlds()) {
            let order = order(&waiting, &HashMap::new());
            let of = |id: &JobId| waiting.iter().find(|w| w.id == *id).unwrap();
            let mut had: HashMap<(i16, &UserName), u32> = HashMap::new();
            for (at, id) in order.iter().enumerate() {
                let w = of(id);
                let mine = had.get(&(w.priority, &w.owner)).copied().unwrap_or(0);
                for later in &order[at..] {
                    let other = of(later);
                    if other.priority == w.priority {
                        let theirs =
                            had.get(&(other.priority, &other.owner)).copied().unwrap_or(0);
                        prop_assert!(mine <= theirs, "{id} starts before {later}");
                    }
                }
                *had.entry((w.priority, &w.owner)).or_default() += 1;
            }
        }
    }
}
