//! All jobs as a table in memory: when it is read, and how it follows what is committed.
//!
//! The table is read from [`Space::Facets`] while others write. What they commit meanwhile is kept
//! and laid over it: changes are applied before anybody hears of them, so the reader has seen each
//! one already or finds it among those that were kept, and to apply one twice changes nothing.

use super::{
    Row, RowFilter, RowPage, RowQuery, Store, StoreError,
    core::{Core, lock},
    engine::Engine,
    facets::Facets,
    keys::{self, Space},
    overlay::Changes,
    select,
    sieve::Sieve,
    table::Table,
};
use crate::domain::JobId;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The table, or nothing yet.
#[derive(Default)]
pub(super) struct Rows {
    slot: RwLock<Slot>,
    /// Held by whoever reads the table from the store; others wait for that one.
    loading: Mutex<()>,
}

#[derive(Default)]
struct Slot {
    /// How often the table was forgotten.
    age: u64,
    table: Option<Table>,
    /// What was committed while somebody reads the table from the store.
    missed: Option<Vec<Changes>>,
}

impl Rows {
    /// Follows what was committed; called in the order of commits, after each was applied.
    pub(super) fn changed(&self, changes: &Changes) {
        let mut slot = self.change();
        let Slot { table, missed, .. } = &mut *slot;
        match (table, missed) {
            (Some(table), _) => follow(table, changes),
            (None, Some(missed)) => missed.push(changes.clone()),
            (None, None) => {}
        }
    }

    /// Forgets the table: the records were changed as a whole.
    pub(super) fn forget(&self) {
        let mut slot = self.change();
        *slot = Slot { age: slot.age.wrapping_add(1), ..Slot::default() };
    }

    fn read(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Slot> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the table to `look`, and reads it before if it is not there.
    fn with<T>(&self, core: &Core, look: impl FnOnce(&Table) -> T) -> Result<T, StoreError> {
        loop {
            if let Some(table) = &self.read().table {
                return Ok(look(table));
            }
            self.load(core)?;
        }
    }

    fn load(&self, core: &Core) -> Result<(), StoreError> {
        let _alone = lock(&self.loading);
        let age = {
            let mut slot = self.change();
            if slot.table.is_some() {
                return Ok(());
            }
            slot.missed = Some(Vec::new());
            slot.age
        };
        let loaded = core.engine().and_then(|engine| load(&engine));
        let mut slot = self.change();
        if slot.age == age {
            let missed = slot.missed.take().unwrap_or_default();
            let mut table = loaded?;
            missed.iter().for_each(|changes| follow(&mut table, changes));
            slot.table = Some(table);
        }
        // Otherwise it was forgotten meanwhile, and whoever wants it begins again.
        Ok(())
    }
}

fn load(engine: &Engine) -> Result<Table, StoreError> {
    let mut table = Table::default();
    for pair in engine.prefix(Space::Facets, &[])? {
        let (key, value) = pair?;
        lay(&mut table, &key, Some(&value));
    }
    Ok(table)
}

fn follow(table: &mut Table, changes: &Changes) {
    changes.iter().for_each(|(key, row)| lay(table, key, row.as_deref()));
}

/// A row that is damaged is no row: fsck finds it.
fn lay(table: &mut Table, key: &[u8], row: Option<&[u8]>) {
    let Some(id) = keys::number(key).and_then(JobId::new) else { return };
    match row.map(Facets::decode) {
        Some(Ok(row)) => table.put(id, &row),
        Some(Err(_)) | None => table.remove(id),
    }
}

impl Store {
    /// A page of all jobs in any order, with counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows(&self, query: &RowQuery) -> Result<RowPage, StoreError> {
        self.core().rows.with(self.core(), |table| select::page(table, query))
    }

    /// Calls `look` with every job that matches, newest first. The table is locked meanwhile and
    /// the writer waits for it: `look` must be quick, and must neither write to the store nor ask
    /// it for rows again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_row(
        &self,
        filter: &RowFilter,
        look: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), StoreError> {
        self.core().rows.with(self.core(), |table| {
            let sieve = Sieve::new(table, filter);
            let wanted = table.by_number().rev().filter(|entry| sieve.wants(entry));
            wanted.for_each(|entry| look(table.row(entry)));
        })
    }

    /// The rows of these jobs, in the order given; what does not exist is left out. The table is
    /// locked meanwhile, as in [`each_row`](Self::each_row).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows_of(&self, ids: &[JobId], look: &mut dyn FnMut(Row<'_>)) -> Result<(), StoreError> {
        self.core().rows.with(self.core(), |table| {
            let found = ids.iter().filter_map(|id| table.find(*id));
            found.for_each(|entry| look(table.row(entry)));
        })
    }

    /// Reads the table into memory if it is not there yet: the first list need not wait then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn warm_rows(&self) -> Result<(), StoreError> {
        self.core().rows.with(self.core(), |_| ())
    }
}
