//! From the generated traits to [`Runner`].

use crate::{Observer, Runner, build::bounded, contract, log::install_panic_hook};
use std::{cell::RefCell, marker::PhantomData};

/// The generated export, answered by `R`.
#[derive(Debug)]
pub struct Adapter<R>(PhantomData<R>);

/// The generated resource: an [`Observer`] behind a shared reference. A guest has one thread.
#[derive(Debug)]
pub struct ObserverCell<R: Runner>(RefCell<R::Observer>);

impl<R: Runner> contract::Guest for Adapter<R> {
    type Observer = ObserverCell<R>;

    fn describe() -> contract::RunnerInfo {
        install_panic_hook();
        R::describe()
    }

    fn inspect(definition: Vec<u8>) -> contract::Inspection {
        install_panic_hook();
        let mut inspection = R::inspect(&definition);
        inspection.diagnostics = bounded(inspection.diagnostics);
        inspection.privileged = bounded(inspection.privileged);
        inspection
    }

    fn check(request: contract::Request) -> Vec<contract::Diagnostic> {
        install_panic_hook();
        bounded(R::check(&request))
    }

    fn plan(request: contract::Request) -> Result<contract::BuildPlan, Vec<contract::Diagnostic>> {
        install_panic_hook();
        R::plan(&request).map_err(bounded)
    }

    fn explain(
        request: contract::Request,
        failure: contract::Failure,
    ) -> Option<contract::Explanation> {
        install_panic_hook();
        R::explain(&request, &failure)
    }

    fn collect(
        request: contract::Request,
        files: Vec<contract::OutputFile>,
    ) -> Result<Vec<contract::Artifact>, String> {
        install_panic_hook();
        R::collect(&request, &files)
    }
}

impl<R: Runner> contract::GuestObserver for ObserverCell<R> {
    fn new(request: contract::Request) -> Self {
        install_panic_hook();
        Self(RefCell::new(R::observe(&request)))
    }

    fn feed(&self, lines: Vec<String>) -> Vec<contract::Event> {
        let mut events = Vec::new();
        let mut observer = self.0.borrow_mut();
        for line in &lines {
            observer.line(line, &mut events);
        }
        events
    }
}
