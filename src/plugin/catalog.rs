//! Every runner this box knows, and what each may do.

use super::api;
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
    /// Compiled components; written by this program only.
    pub cache_dir: PathBuf,
    /// Directories in which programs are looked up, in order.
    pub path: Vec<PathBuf>,
    /// By runner id.
    pub grants: BTreeMap<String, Grant>,
}

/// Why a runner gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// It trapped, ran out of time or memory, or answered what it may not.
    #[error("runner \"{runner}\" {version}: {reason}")]
    Runner {
        /// Its id, or the file's name before it is known.
        runner: String,
        /// Its version; empty before it is known.
        version: String,
        /// What happened.
        reason: String,
    },
    /// The host itself could not work.
    #[error("the plugin host cannot {what}: {reason}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why not.
        reason: String,
    },
}

/// There is no usable runner of this name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("runner `{id}` {reason}")]
pub struct Unavailable {
    /// What was asked for.
    pub id: String,
    /// "is not known", "is disabled: …", "waits for a grant: …".
    pub reason: String,
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
    /// SHA-256 (hex) of the component.
    pub sha256: String,
    /// Whether it can be used.
    pub status: Status,
    /// The programs it declares.
    pub programs: Vec<FoundProgram>,
    /// The loaded runner, whatever its status; `None` when it could not be loaded.
    pub runner: Option<Arc<Runner>>,
}

impl Entry {
    /// The runner, if it may be used now.
    pub fn usable(&self) -> Option<&Arc<Runner>> {
        self.runner.as_ref().filter(|_| self.status == Status::Enabled)
    }
}

/// Every runner this box knows. Share it in an `Arc`; it changes under its own lock.
#[derive(Debug)]
pub struct Catalog {
    _private: (),
}

/// A loaded runner. Every call makes a Store of its own with a deadline and a memory limit.
#[derive(Debug)]
pub struct Runner {
    _private: (),
}

/// The parser of one job's output; keeps its state between batches.
#[derive(Debug)]
pub struct Observer {
    _private: (),
}

/// Keeps the plugin directory watched; dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    _private: (),
}

#[expect(unused_variables, clippy::todo, reason = "contract")]
impl Catalog {
    /// Loads the built-in runners and those of the plugin directory. A runner that does not load
    /// becomes an entry with [`Status::Failed`], never an error.
    ///
    /// # Errors
    /// Only when the engine itself cannot be made.
    pub fn open(config: CatalogConfig) -> Result<Self, PluginError> {
        todo!()
    }

    /// As it is now, ordered by id.
    pub fn snapshot(&self) -> Arc<Vec<Entry>> {
        todo!()
    }

    /// The usable runner of this id.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn runner(&self, id: &str) -> Result<Arc<Runner>, Unavailable> {
        todo!()
    }

    /// The usable runner of this id, if its component is exactly this one.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn exact(&self, id: &str, sha256: &str) -> Result<Arc<Runner>, Unavailable> {
        todo!()
    }

    /// Looks at the plugin directory again; true if anything changed.
    pub fn rescan(&self) -> bool {
        todo!()
    }

    /// Looks for the declared programs again and asks those found for their versions (blocking).
    pub fn probe(&self) {
        todo!()
    }

    /// Watches the plugin directory: rescans when a file appears, changes or goes, then calls
    /// `changed`. Polls slowly as a net.
    ///
    /// # Errors
    /// When the system cannot watch; polling goes on.
    pub fn watch(
        self: &Arc<Self>,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Watch, PluginError> {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "contract")]
impl Runner {
    /// What it said of itself when it was loaded, checked against the grammar.
    pub fn info(&self) -> &api::RunnerInfo {
        todo!()
    }

    /// SHA-256 (hex) of the component.
    pub fn sha256(&self) -> &str {
        todo!()
    }

    /// Reads a definition before anything is submitted.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn inspect(&self, definition: &[u8]) -> Result<api::Inspection, PluginError> {
        todo!()
    }

    /// Everything wrong with a request.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn check(&self, request: &api::Request) -> Result<Vec<api::Diagnostic>, PluginError> {
        todo!()
    }

    /// The plan, already checked: programs declared *and* granted, privileges granted, paths
    /// inside the build directory, no NUL, sizes bounded. The inner `Err` is the runner's refusal.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn plan(
        &self,
        request: &api::Request,
    ) -> Result<Result<api::BuildPlan, Vec<api::Diagnostic>>, PluginError> {
        todo!()
    }

    /// The parser for one job's output.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn observer(&self, request: &api::Request) -> Result<Observer, PluginError> {
        todo!()
    }

    /// Why it failed.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn explain(
        &self,
        request: &api::Request,
        failure: &api::Failure,
    ) -> Result<Option<api::Explanation>, PluginError> {
        todo!()
    }

    /// Which files are kept. Paths are relative to the output directory, checked to be among
    /// `files` and regular or directories. The inner `Err` is the runner's sentence.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn collect(
        &self,
        request: &api::Request,
        files: &[api::OutputFile],
    ) -> Result<Result<Vec<api::Artifact>, String>, PluginError> {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "contract")]
impl Observer {
    /// What these lines mean.
    ///
    /// # Errors
    /// See [`PluginError`]; after one the observer is dead and answers nothing more.
    pub fn feed(&mut self, lines: &[String]) -> Result<Vec<api::Event>, PluginError> {
        todo!()
    }
}
