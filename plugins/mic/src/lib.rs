//! The runner for MIC2: reads kickstart files, plans one `mic create`, follows its output, and
//! tells which files are the image. Knows nothing of the host; natively it is plain functions.

mod about;
mod check;
mod collect;
mod conf;
mod definition;
mod explain;
mod inspect;
mod logline;
mod observe;
mod options;
mod plan;
mod privileged;
mod said;
mod tokens;
mod types;

use img_runner_sdk::{
    Artifact, BuildPlan, Diagnostic, Explanation, Failure, Inspection, OutputFile, Request, Runner,
    RunnerInfo, export_runner,
};

/// MIC2.
#[derive(Debug)]
pub struct Mic;

impl Runner for Mic {
    type Observer = observe::Observer;

    fn describe() -> RunnerInfo {
        about::describe()
    }

    fn inspect(definition: &[u8]) -> Inspection {
        inspect::inspect(definition)
    }

    fn check(request: &Request) -> Vec<Diagnostic> {
        check::check(request)
    }

    fn plan(request: &Request) -> Result<BuildPlan, Vec<Diagnostic>> {
        plan::plan(request)
    }

    fn observe(_request: &Request) -> observe::Observer {
        observe::Observer::default()
    }

    fn explain(request: &Request, failure: &Failure) -> Option<Explanation> {
        explain::explain(request, failure)
    }

    fn collect(request: &Request, files: &[OutputFile]) -> Result<Vec<Artifact>, String> {
        collect::collect(request, files)
    }
}

export_runner!(Mic);
