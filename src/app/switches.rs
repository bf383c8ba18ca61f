//! Runners that an administrator has switched off while the service runs.

use super::App;
use crate::store::StoreError;
use std::collections::BTreeSet;

/// What the setting of a runner says that is switched off; anything else, or nothing, leaves it as
/// config.toml says.
pub const OFF: &str = "off";

/// The key in the store under which the switch of a runner lies.
pub fn runner_key(id: &str) -> String {
    format!("runner.{id}")
}

impl App {
    /// Tells the catalog which runners are switched off.
    pub(super) fn switch_runners(&self) -> Result<(), StoreError> {
        let entries = self.catalog().snapshot();
        // A file that was taken away and comes back is still switched off.
        let mut known = self.catalog().off();
        known.extend(entries.iter().map(|entry| entry.id.clone()));
        let mut off = BTreeSet::new();
        for id in known {
            if self.store().setting(&runner_key(&id))?.as_deref() == Some(OFF) {
                off.insert(id);
            }
        }
        self.catalog().set_off(off);
        Ok(())
    }
}
