//! A loaded runner: every question gets a Store of its own, and every answer is checked.

use super::{
    Observer, PluginError, api,
    bindings::{RunnerPre, exports::img::runner::build::Guest},
    check,
    engine::Host,
    grants::Granted,
    limits::State,
    warden::{Call, Warden},
};
use std::{fmt, sync::Arc};
use wasmtime::Store;

/// A loaded runner. Every call makes a Store of its own with a deadline and a memory limit.
///
/// Calls block for as long as the guest runs ([`Limits::call`](super::Limits)): make them from
/// blocking threads.
pub struct Runner {
    warden: Arc<Warden>,
    pre: RunnerPre<State>,
    info: api::RunnerInfo,
    sha256: String,
    granted: Granted,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, version, sha256) = (&self.info.id, &self.info.version, &self.sha256);
        f.debug_struct("Runner")
            .field("id", id)
            .field("version", version)
            .field("sha256", sha256)
            .finish_non_exhaustive()
    }
}

impl Runner {
    pub(super) fn new(
        host: Arc<Host>,
        pre: RunnerPre<State>,
        info: api::RunnerInfo,
        sha256: String,
        granted: Granted,
    ) -> Self {
        let warden = Arc::new(Warden::new(host, &info));
        Self { warden, pre, info, sha256, granted }
    }

    /// What it said of itself when it was loaded, checked against the grammar.
    pub fn info(&self) -> &api::RunnerInfo {
        &self.info
    }

    /// SHA-256 (hex) of the component.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Reads a definition before anything is submitted.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn inspect(&self, definition: &[u8]) -> Result<api::Inspection, PluginError> {
        let ask = |guest: &Guest, store: &mut Store<State>| guest.call_inspect(store, definition);
        self.call(Call::Inspect, ask, check::inspection)
    }

    /// Everything wrong with a request.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn check(&self, request: &api::Request) -> Result<Vec<api::Diagnostic>, PluginError> {
        let ask = |guest: &Guest, store: &mut Store<State>| guest.call_check(store, request);
        self.call(Call::Check, ask, |found| Ok(check::diagnostics(found)))
    }

    /// The plan, already checked: programs declared *and* granted, privileges granted, paths
    /// inside the build directory, no NUL, sizes bounded. Files' paths come back relative to the
    /// work directory; a step's directory is empty, relative to the work directory, or absolute
    /// below the work or the output directory. The inner `Err` is the runner's refusal.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn plan(
        &self,
        request: &api::Request,
    ) -> Result<Result<api::BuildPlan, Vec<api::Diagnostic>>, PluginError> {
        let ask = |guest: &Guest, store: &mut Store<State>| guest.call_plan(store, request);
        self.call(Call::Plan, ask, |answer| match answer {
            Ok(plan) => check::plan(&self.info, &self.granted, &request.paths, plan).map(Ok),
            Err(refusal) => Ok(Err(check::diagnostics(refusal))),
        })
    }

    /// The parser for one job's output.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn observer(&self, request: &api::Request) -> Result<Observer, PluginError> {
        Observer::new(self.warden.clone(), &self.pre, request)
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
        let ask =
            |guest: &Guest, store: &mut Store<State>| guest.call_explain(store, request, failure);
        self.call(Call::Explain, ask, |answer| Ok(answer.map(check::explanation)))
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
        let ask =
            |guest: &Guest, store: &mut Store<State>| guest.call_collect(store, request, files);
        self.call(Call::Collect, ask, |answer| match answer {
            Ok(artifacts) => check::artifacts(files, artifacts).map(Ok),
            Err(sentence) => Ok(Err(check::message(&sentence))),
        })
    }

    /// Asks, checks, and keeps count of failures.
    fn call<A, T>(
        &self,
        call: Call,
        ask: impl FnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<A>,
        check: impl FnOnce(A) -> Result<T, String>,
    ) -> Result<T, PluginError> {
        let mut store = self.warden.store(call);
        let answer = self.pre.instantiate(&mut store);
        let answer = answer.and_then(|guest| ask(guest.img_runner_build(), &mut store));
        self.warden.judge(call, &store, answer, check)
    }

    pub(super) fn granted(&self) -> &Granted {
        &self.granted
    }

    /// Why it was switched off, if it was.
    pub(super) fn disabled(&self) -> Option<String> {
        self.warden.disabled()
    }

    /// What went wrong last, newest first.
    pub(super) fn errors(&self) -> Vec<String> {
        self.warden.errors()
    }

    /// Switches it on again. True if it was off.
    pub(super) fn revive(&self) -> bool {
        self.warden.revive()
    }
}
