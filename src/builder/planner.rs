//! What the builder asks of a runner: the seam that lets tests give fixed plans.

use crate::plugin::{Catalog, Observer, PluginError, Runner, Unavailable, api};
use std::sync::Arc;

/// A runner as the builder sees it.
pub trait Planner: Send + Sync {
    /// See [`Runner::plan`].
    ///
    /// # Errors
    /// See [`PluginError`].
    fn plan(
        &self,
        request: &api::Request,
    ) -> Result<Result<api::BuildPlan, Vec<api::Diagnostic>>, PluginError>;

    /// See [`Runner::observer`].
    ///
    /// # Errors
    /// See [`PluginError`].
    fn observer(&self, request: &api::Request) -> Result<Box<dyn Observing>, PluginError>;

    /// See [`Runner::explain`].
    ///
    /// # Errors
    /// See [`PluginError`].
    fn explain(
        &self,
        request: &api::Request,
        failure: &api::Failure,
    ) -> Result<Option<api::Explanation>, PluginError>;

    /// See [`Runner::collect`].
    ///
    /// # Errors
    /// See [`PluginError`].
    fn collect(
        &self,
        request: &api::Request,
        files: &[api::OutputFile],
    ) -> Result<Result<Vec<api::Artifact>, String>, PluginError>;
}

/// The parser of one job's output.
pub trait Observing {
    /// See [`Observer::feed`].
    ///
    /// # Errors
    /// See [`PluginError`].
    fn feed(&mut self, lines: &[String]) -> Result<Vec<api::Event>, PluginError>;
}

/// Finds the runner of an order by id and SHA-256.
pub type Source =
    Arc<dyn Fn(&str, &str) -> Result<Arc<dyn Planner>, Unavailable> + Send + Sync + 'static>;

/// Runners from the catalog.
pub(super) fn from_catalog(catalog: Arc<Catalog>) -> Source {
    Arc::new(move |id, sha256| Ok(catalog.exact(id, sha256)? as Arc<dyn Planner>))
}

impl Planner for Runner {
    fn plan(
        &self,
        request: &api::Request,
    ) -> Result<Result<api::BuildPlan, Vec<api::Diagnostic>>, PluginError> {
        Self::plan(self, request)
    }

    fn observer(&self, request: &api::Request) -> Result<Box<dyn Observing>, PluginError> {
        Ok(Box::new(Self::observer(self, request)?))
    }

    fn explain(
        &self,
        request: &api::Request,
        failure: &api::Failure,
    ) -> Result<Option<api::Explanation>, PluginError> {
        Self::explain(self, request, failure)
    }

    fn collect(
        &self,
        request: &api::Request,
        files: &[api::OutputFile],
    ) -> Result<Result<Vec<api::Artifact>, String>, PluginError> {
        Self::collect(self, request, files)
    }
}

impl Observing for Observer {
    fn feed(&mut self, lines: &[String]) -> Result<Vec<api::Event>, PluginError> {
        Self::feed(self, lines)
    }
}
