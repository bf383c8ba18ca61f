//! What happens when the builder is there (again): what it carries out is compared with what is
//! known here.

use super::{
    Remote,
    state::{Entry, State},
    trust,
};
use crate::{
    builder::{
        protocol::{Event, Finished, Standing},
        wire::ToBuilder,
    },
    domain::JobId,
};
use std::collections::{HashMap, HashSet};
use tokio::sync::mpsc;

/// What goes to whom.
type Deliveries = Vec<(mpsc::Sender<Event>, Vec<Event>)>;

impl Remote {
    /// The builder is there and stands so. From now on it hears what is said.
    pub(super) async fn meet(
        &self,
        standings: Vec<Standing>,
        out: mpsc::UnboundedSender<ToBuilder>,
    ) {
        let remote = self.clone();
        let compared = tokio::task::spawn_blocking(move || remote.compare(standings, out)).await;
        for (to, events) in compared.unwrap_or_default() {
            for event in events {
                // Whoever let go of a build does not want to know.
                let _ = to.send(event).await;
            }
        }
    }

    fn compare(
        &self,
        standings: Vec<Standing>,
        out: mpsc::UnboundedSender<ToBuilder>,
    ) -> Deliveries {
        let data = &self.inner.data;
        let looked = |standing: Standing| (trust::look(data, &standing), standing);
        let looked: Vec<_> = standings.into_iter().map(looked).collect();
        let known: HashSet<JobId> = looked.iter().map(|(_, standing)| standing.job).collect();
        let ordered: Vec<_> = self.lock().jobs.keys().copied().collect();
        let logs: HashMap<_, _> =
            ordered.into_iter().map(|job| (job, self.log_length(job))).collect();

        let mut state = self.lock();
        state.out = Some(out);
        state.unclaimed.clear();
        state.disowned.retain(|job| known.contains(job));
        let mut deliveries = Deliveries::new();
        for (looked, standing) in looked {
            deliveries.extend(self.compare_one(&mut state, standing, looked));
        }
        let State { jobs, out, .. } = &mut *state;
        let unknown = jobs.iter_mut().filter(|(job, entry)| !known.contains(job) && !entry.ended);
        for (job, entry) in unknown {
            let say = |message| out.as_ref().is_some_and(|out| out.send(message).is_ok());
            let log = logs.get(job).copied().unwrap_or(entry.log);
            deliveries.extend(repeat_or_lose(*job, entry, log, say));
        }
        deliveries
    }

    fn compare_one(
        &self,
        state: &mut State,
        standing: Standing,
        looked: Result<(), String>,
    ) -> Option<(mpsc::Sender<Event>, Vec<Event>)> {
        let job = standing.job;
        if state.disowned.contains(&job) {
            if standing.finished.is_none() {
                state.follow_up(job, super::state::Word::Disown { running: true });
            } else if !state.jobs.contains_key(&job) {
                state.disowned.remove(&job);
                state.say(ToBuilder::Ack(job));
            }
            return None;
        }
        let Some(entry) = state.jobs.get_mut(&job) else {
            state.unclaimed.insert(job, standing);
            // The dispatcher ends after this; then nobody wants to know.
            let _ = self.inner.found.send(job);
            return None;
        };
        let (events, word) = entry.meet(standing, looked, &self.inner.socket);
        let to = entry.watcher();
        state.follow_up(job, word);
        to.map(|to| (to, events))
    }
}

/// A job that the builder does not know: an order that it never heard is given again, anything
/// else was lost with the builder that had it.
fn repeat_or_lose(
    job: JobId,
    entry: &mut Entry,
    log: u64,
    say: impl Fn(ToBuilder) -> bool,
) -> Option<(mpsc::Sender<Event>, Vec<Event>)> {
    match &entry.order {
        Some(order) => {
            entry.log = log;
            say(ToBuilder::Order(order.clone()));
            if let Some(reason) = entry.stop {
                say(ToBuilder::Stop(job, reason));
            }
            None
        }
        None => {
            entry.ended = true;
            entry.watcher().map(|to| (to, vec![Event::Finished(Finished::interrupted())]))
        }
    }
}
