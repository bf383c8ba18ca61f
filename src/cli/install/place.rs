//! The box, or a folder that stands for its `/`.

use std::path::{Path, PathBuf};

/// Where an installation goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: Option<PathBuf>,
}

impl Place {
    /// The box itself, or everything below `prefix`, as a packager wants it.
    pub(super) fn new(prefix: Option<&Path>) -> Self {
        Self { root: prefix.map(Path::to_owned) }
    }

    /// Where the absolute `path` is here.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => PathBuf::from(path),
        }
    }

    /// True for the box itself: owners are set and systemd is told.
    pub(super) fn is_box(&self) -> bool {
        self.root.is_none()
    }

    /// True if systemd runs here and is to be told.
    pub(super) fn has_systemd(&self) -> bool {
        self.is_box() && Path::new("/run/systemd/system").is_dir()
    }
}
