//! What the deletion of many jobs would take: in numbers, and with what stays and why.

use super::{
    App, AppError,
    batch::{DELETED, UNKNOWN, in_order, may_delete_some, open_words, row_facts},
    keep::may_delete_of,
};
use crate::{
    domain::{
        Actor, JobId, Timestamp,
        retention::{Busy, Guard, Item},
    },
    store::Row,
};
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

/// Queues and users that are named; the others are one line.
const NAMED: usize = 20;
/// Jobs that are named.
const FIRST: usize = 50;
/// Jobs that are named for each reason to leave some out.
const EXAMPLES: usize = 5;

/// What a deletion of many jobs would take now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionPreview {
    /// How many jobs would lose their files.
    pub jobs: u64,
    /// Bytes of their artifacts and logs, as far as known.
    pub bytes: u64,
    /// Jobs and bytes by queue, the greatest first; beyond the first 20 as "others".
    pub by_queue: Vec<(String, u64, u64)>,
    /// Jobs and bytes by owner, the greatest first; beyond the first 20 as "others".
    pub by_owner: Vec<(String, u64, u64)>,
    /// The first 50 of them, with names and bytes.
    pub first: Vec<(JobId, String, u64)>,
    /// What would be left out: why, how many, and the first 5 of them.
    pub skipped: Vec<(String, u64, Vec<JobId>)>,
}

/// What the inventory says of a job.
#[derive(Clone, Copy)]
struct Known {
    bytes: u64,
    gone: bool,
    pinned: bool,
}

impl Known {
    fn of(item: &Item) -> Self {
        let bytes = item.artifacts + item.logs;
        Self { bytes, gone: item.logs == 0, pinned: item.pinned }
    }
}

type Sums = HashMap<String, (u64, u64)>;

/// A preview in the making.
struct Adding<'a> {
    actor: &'a Actor,
    app: &'a App,
    inputs: HashSet<JobId>,
    preview: DeletionPreview,
    queues: Sums,
    owners: Sums,
}

impl App {
    /// What [`start_deletion`](Self::start_deletion) of these jobs would take now. Looks at
    /// nothing but what is in memory.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn deletion_preview(
        &self,
        actor: &Actor,
        ids: &[JobId],
        _now: Timestamp,
    ) -> Result<DeletionPreview, AppError> {
        may_delete_some(actor)?;
        self.load_inventory()?;
        let ids = in_order(ids.to_vec());
        // Before the rows: nobody waits for one lock with the other in hand.
        let known: Vec<Option<Known>> = {
            let items = self.inventory().lock_items();
            ids.iter().map(|id| items.get(id).map(Known::of)).collect()
        };
        let inputs = self.inputs_in_use()?.into_keys().collect();
        let mut adding = Adding {
            actor,
            app: self,
            inputs,
            preview: DeletionPreview::default(),
            queues: Sums::new(),
            owners: Sums::new(),
        };
        let mut rest = ids.iter().copied().zip(known).peekable();
        row_facts(self, &ids, &mut |row| {
            while let Some((id, known)) = rest.next_if(|(id, _)| *id <= row.id) {
                match id == row.id {
                    true => adding.look(&row, known),
                    false => adding.skip(UNKNOWN, id),
                }
            }
        })?;
        rest.for_each(|(id, _)| adding.skip(UNKNOWN, id));
        Ok(adding.finish())
    }
}

impl Adding<'_> {
    fn look(&mut self, row: &Row<'_>, known: Option<Known>) {
        if let Err(error) = may_delete_of(self.actor, row.owner) {
            return self.skip(&error.to_string(), row.id);
        }
        let Some(known) = known else { return self.skip(open_words(row.state), row.id) };
        if known.gone {
            return self.skip(DELETED, row.id);
        }
        if known.pinned {
            return self.skip(&Guard::Pinned.to_string(), row.id);
        }
        if self.inputs.contains(&row.id) {
            return self.skip("another job takes it as its input", row.id);
        }
        if self.app.claims().is_downloading(row.id) {
            return self.skip(&Guard::Busy(Busy::Download).to_string(), row.id);
        }
        self.take(row, known.bytes);
    }

    fn take(&mut self, row: &Row<'_>, bytes: u64) {
        self.preview.jobs += 1;
        self.preview.bytes = self.preview.bytes.saturating_add(bytes);
        add(&mut self.queues, row.queue, bytes);
        add(&mut self.owners, row.owner, bytes);
        if self.preview.first.len() < FIRST {
            self.preview.first.push((row.id, row.name.to_owned(), bytes));
        }
    }

    fn skip(&mut self, why: &str, id: JobId) {
        let skipped = &mut self.preview.skipped;
        match skipped.iter_mut().find(|(known, ..)| known == why) {
            Some((_, count, first)) => {
                *count += 1;
                if first.len() < EXAMPLES {
                    first.push(id);
                }
            }
            None => skipped.push((why.to_owned(), 1, vec![id])),
        }
    }

    fn finish(self) -> DeletionPreview {
        let mut preview = self.preview;
        preview.by_queue = greatest(self.queues);
        preview.by_owner = greatest(self.owners);
        preview.skipped.sort_by_key(|(_, count, _)| Reverse(*count));
        preview
    }
}

fn add(sums: &mut Sums, name: &str, bytes: u64) {
    // A name is written down once, however many jobs bear it.
    if !sums.contains_key(name) {
        sums.insert(name.to_owned(), (0, 0));
    }
    if let Some((jobs, sum)) = sums.get_mut(name) {
        *jobs += 1;
        *sum = sum.saturating_add(bytes);
    }
}

fn greatest(sums: Sums) -> Vec<(String, u64, u64)> {
    let mut all: Vec<_> =
        sums.into_iter().map(|(name, (jobs, bytes))| (name, jobs, bytes)).collect();
    all.sort_by(|a, b| (b.2, b.1).cmp(&(a.2, a.1)).then_with(|| a.0.cmp(&b.0)));
    if all.len() > NAMED {
        let others = all.split_off(NAMED);
        let sum = |of: fn(&(String, u64, u64)) -> u64| others.iter().map(of).sum();
        all.push(("others".to_owned(), sum(|o| o.1), sum(|o| o.2)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_are_named_and_the_rest_is_one_sum() {
        let mut sums = Sums::new();
        for n in 0..25u64 {
            add(&mut sums, &format!("q{n:02}"), n);
            add(&mut sums, &format!("q{n:02}"), n);
        }
        let all = greatest(sums);
        assert_eq!(all.len(), NAMED + 1);
        assert_eq!(all[0], ("q24".to_owned(), 2, 48));
        assert_eq!(all[NAMED], ("others".to_owned(), 10, 2 * (1 + 2 + 3 + 4)));
    }
}
