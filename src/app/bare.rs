//! An appliance for unit tests: without runners, builds and pages.

use super::{App, DiskSettings, Parts, Settings, Told, Wish};
use crate::{
    domain::{Bounds, Timestamp, retention::Policy},
    files::DataDir,
    plugin::{Catalog, CatalogConfig, Limits},
    store::Store,
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::mpsc;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Settings as a fresh box has them, without schedules.
pub(crate) fn settings() -> Settings {
    Settings {
        definition_limit: 4 << 20,
        session_idle: Duration::from_secs(3_600),
        session_absolute: Duration::from_secs(12 * 3_600),
        first_login: Duration::from_secs(1),
        hosts: Vec::new(),
        sandbox: Told::new(String::new),
        bounds: Bounds::default(),
        slots: 2,
        disk: DiskSettings::default(),
        started: Timestamp::default(),
        swept: Vec::new(),
        timetable: Default::default(),
        retention: Policy::default(),
        audit_kept: Some(400 * DAY),
        cache_budget: 20 << 30,
    }
}

/// One over a folder below `dir`, and the wishes it makes.
pub(crate) fn app_in(dir: &Path) -> (App, mpsc::UnboundedReceiver<Wish>) {
    let data = Arc::new(DataDir::open(&dir.join("data")).unwrap());
    let (store, _) = Store::open(&data.root().join("db")).unwrap();
    let config = CatalogConfig {
        plugin_dir: data.root().join("plugins"),
        cache_dir: data.root().join("cwasm"),
        ..CatalogConfig::default()
    };
    let catalog = Catalog::open_with(config, Limits::default(), Vec::new()).unwrap();
    let catalog = Arc::new(catalog);
    let parts = Parts { store, data, catalog, settings: settings() };
    App::new(parts).unwrap()
}
