//! What is known of one runner, and what the administrator said of it.

use super::Runner;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// What a runner may use, as the administrator says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// False: not usable at all.
    pub enabled: bool,
    /// Programs its plans may start; `None`: all it declares if it is built in, else none.
    pub programs: Option<Vec<String>>,
    /// Privileges its steps may use, by their words; `None` as above.
    pub privileges: Option<Vec<String>>,
    /// A file in the plugin directory may take the built-in runner's place.
    pub replace: bool,
}

/// Where runners come from and what they may do.
#[derive(Clone, Debug, Default)]
pub struct CatalogConfig {
    /// Dropped-in runners (`*.wasm`).
    pub plugin_dir: PathBuf,
    /// Compiled components; written by this program only. It is made (0700) if it is missing, and
    /// not used when it belongs to somebody else or others may write into it.
    pub cache_dir: PathBuf,
    /// Directories in which programs are looked up, in order.
    pub path: Vec<PathBuf>,
    /// By runner id.
    pub grants: BTreeMap<String, Grant>,
}

/// A program a runner declares, and what is on this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProgram {
    /// Its name.
    pub name: String,
    /// Why the runner needs it.
    pub why: String,
    /// True if the runner may start it.
    pub granted: bool,
    /// Where it is; `None` when it is not installed.
    pub path: Option<PathBuf>,
    /// First line of what its probe printed; `None` until probed.
    pub version: Option<String>,
}

/// Where a component came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Embedded in this program.
    BuiltIn,
    /// A file of the plugin directory, by name.
    File(String),
}

/// Whether a runner can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Yes.
    Enabled,
    /// Programs or privileges are missing from its grant; the sentence names them.
    WaitingForGrant(String),
    /// Switched off, by the administrator or after three failures in a row.
    Disabled(String),
    /// It could not be loaded.
    Failed(String),
}

/// One runner of the catalog.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id; the file's name when it could not be loaded.
    pub id: String,
    /// Where it came from.
    pub origin: Origin,
    /// SHA-256 (hex) of the component; empty when the file could not be read.
    pub sha256: String,
    /// Whether it can be used.
    pub status: Status,
    /// The programs it declares.
    pub programs: Vec<FoundProgram>,
    /// What went wrong with it last, newest first; a few.
    pub errors: Vec<String>,
    /// The loaded runner, whatever its status; `None` when it could not be loaded.
    pub runner: Option<Arc<Runner>>,
}

impl Entry {
    /// The runner, if it may be used now.
    pub fn usable(&self) -> Option<&Arc<Runner>> {
        self.runner.as_ref().filter(|_| self.status == Status::Enabled)
    }

    /// True if nothing one can see differs; a runner is what its SHA-256 says.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.origin == other.origin
            && self.sha256 == other.sha256
            && self.status == other.status
            && self.programs == other.programs
    }
}
