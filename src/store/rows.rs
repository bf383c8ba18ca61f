//! All jobs as a table in memory.

use super::{Row, RowFilter, RowPage, RowQuery, Store, StoreError};
use crate::domain::JobId;

impl Store {
    /// A page of all jobs in any order, with counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows(&self, _query: &RowQuery) -> Result<RowPage, StoreError> {
        todo!()
    }

    /// Calls `look` with every job that matches, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_row(
        &self,
        _filter: &RowFilter,
        _look: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// The rows of these jobs, in the order given; what does not exist is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows_of(
        &self,
        _ids: &[JobId],
        _look: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Reads the table into memory if it is not there yet: the first list need not wait then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn warm_rows(&self) -> Result<(), StoreError> {
        todo!()
    }
}
