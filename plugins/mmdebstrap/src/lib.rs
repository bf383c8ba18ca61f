//! The runner for mmdebstrap: Debian root file systems as archives and file system images.
//!
//! The definition is a small TOML file; `examples/busybox.toml` is one. Everything the tool would
//! run on the box itself (hooks, unusual options of apt and dpkg, unsigned or local archives) is
//! named as privileged.

mod archive;
mod definition;
mod describe;
mod explain;
mod observe;
mod plan;
mod rules;

use definition::Definition;
use img_runner_sdk::{
    Artifact, BuildPlan, Diagnostic, Explanation, Failure, Inspection, OutputFile, Request, Role,
    Runner, RunnerInfo, export_runner, failed, is_word, named_artifacts,
};

/// mmdebstrap behind the contract.
#[derive(Debug)]
pub struct Mmdebstrap;

impl Runner for Mmdebstrap {
    type Observer = observe::Reader;

    fn describe() -> RunnerInfo {
        describe::info()
    }

    fn inspect(definition: &[u8]) -> Inspection {
        let (read, mut diagnostics) = Definition::read(definition);
        diagnostics.extend(rules::errors(&read));
        Inspection {
            privileged: rules::privileged(&read),
            name: named(read.name),
            image_type: named(read.image_type),
            architecture: named(read.architecture),
            diagnostics,
        }
    }

    fn check(request: &Request) -> Vec<Diagnostic> {
        checked(request).1
    }

    fn plan(request: &Request) -> Result<BuildPlan, Vec<Diagnostic>> {
        let (definition, diagnostics) = checked(request);
        if failed(&diagnostics) {
            return Err(diagnostics);
        }
        plan::plan(request, &definition).map_err(|refused| vec![refused])
    }

    fn observe(_request: &Request) -> Self::Observer {
        observe::Reader::default()
    }

    fn explain(request: &Request, failure: &Failure) -> Option<Explanation> {
        explain::explain(request, failure)
    }

    fn collect(request: &Request, files: &[OutputFile]) -> Result<Vec<Artifact>, String> {
        let wanted = plan::target_name(request);
        let label = describe::type_label(&request.image_type);
        let kept = named_artifacts(files, |path| {
            (path == wanted).then(|| (Role::Image, label.to_owned()))
        });
        if kept.is_empty() {
            return Err(format!("mmdebstrap left no `{wanted}`"));
        }
        Ok(kept)
    }
}

/// What can fill a field of the form.
fn named(value: Option<definition::At<String>>) -> Option<String> {
    value.map(|at| at.value).filter(|text| is_word(text, "._+-") && text.len() <= 64)
}

fn checked(request: &Request) -> (Definition, Vec<Diagnostic>) {
    let (definition, mut diagnostics) = Definition::read(&request.definition);
    diagnostics.extend(rules::errors(&definition));
    diagnostics.extend(rules::request_errors(request, &definition));
    (definition, diagnostics)
}

export_runner!(Mmdebstrap);
