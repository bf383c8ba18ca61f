//! Queues, and the order in which their jobs start: fair between users, then by age.

use super::{Hold, JobId, QueueName, Timestamp, UserName};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
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
    /// Why it starts nothing now; `None` when it does.
    pub paused: Option<String>,
    /// False: jobs are recorded and wait until somebody launches them.
    pub launch: bool,
    /// Most jobs that may wait in it.
    pub cap: u32,
    /// Longest a build may take.
    pub total_timeout: Duration,
    /// Longest a build may print nothing.
    pub silence_timeout: Duration,
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
        }
    }

    /// Why a waiting job of this queue may not start, as far as the queue decides it.
    pub fn hold(&self, launched: bool) -> Option<Hold> {
        if let Some(reason) = &self.paused {
            return Some(Hold::QueuePaused { queue: self.name.clone(), reason: reason.clone() });
        }
        (!self.launch && !launched).then(|| Hold::NotLaunched { queue: self.name.clone() })
    }
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

/// The waiting jobs of one queue in the order they will start.
///
/// Higher priority first; inside a priority users take turns (a user's n-th waiting job comes in
/// the n-th round, and every job of theirs that builds now counts as a round already had);
/// inside a round the older job first. The job's number breaks ties, so the order is total.
pub fn order(waiting: &[Waiting], building: &HashMap<UserName, u32>) -> Vec<JobId> {
    let mut by_age: Vec<&Waiting> = waiting.iter().collect();
    by_age.sort_by_key(|w| (w.submitted, w.id));
    let mut rounds: BTreeMap<(i16, &UserName), u32> = BTreeMap::new();
    let mut ranked: Vec<_> = by_age
        .into_iter()
        .map(|w| {
            let had = building.get(&w.owner).copied().unwrap_or(0);
            let round = rounds.entry((w.priority, &w.owner)).or_insert(had);
            let key = (Reverse(w.priority), *round, w.submitted, w.id);
            *round = round.saturating_add(1);
            key
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, _, id)| id).collect()
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
