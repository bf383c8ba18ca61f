//! The history of one thing, and what somebody did last.

use super::model::Model;
use crate::{
    app::{App, AppError},
    domain::Actor,
    store::{AuditCursor, AuditFilter, AuditRecord},
};

/// Lines of a history on one page.
const HISTORY: usize = 50;
/// Lines of "Recent actions".
const RECENT: usize = 10;

/// A line of a history: its number, and what it says.
pub type TrailRow = (u64, AuditRecord);

impl App {
    /// The history of a thing, newest first, from a line on; and the line the next page goes on
    /// from.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn admin_history(
        &self,
        actor: &Actor,
        model: &'static Model,
        key: &str,
        before: Option<u64>,
    ) -> Result<(Vec<TrailRow>, Option<u64>), AppError> {
        actor.allow(model.rights.view)?;
        let object = Some(model.object_of(key));
        let filter = AuditFilter { object, ..AuditFilter::default() };
        let cursor = before.map_or(AuditCursor::Newest, AuditCursor::Before);
        let page = self.store().audit_page(&filter, cursor, HISTORY)?;
        let rows = page.lines.into_iter().map(|line| (line.number, line.record));
        Ok((rows.collect(), page.older))
    }

    /// What somebody did last, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recent_actions(&self, actor: &Actor) -> Result<Vec<TrailRow>, AppError> {
        let filter = AuditFilter { actor: Some(actor.user.to_string()), ..AuditFilter::default() };
        let page = self.store().audit_page(&filter, AuditCursor::Newest, RECENT)?;
        Ok(page.lines.into_iter().map(|line| (line.number, line.record)).collect())
    }
}
