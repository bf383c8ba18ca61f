//! The runner for genimage: disk and file system images from the tree another job built.
//!
//! The definition is a genimage.cfg, handed on as it is. genimage itself calls other programs
//! through a shell with the definition's values; whatever could mean more than it says there is
//! named as privileged.

mod cfg;
mod describe;
mod explain;
mod observe;
mod plan;
mod rules;

use img_runner_sdk::{
    Artifact, BuildPlan, Diagnostic, Explanation, Failure, Inspection, OutputFile, Request, Role,
    Runner, RunnerInfo, export_runner, failed, named_artifacts,
};

/// genimage behind the contract.
#[derive(Debug)]
pub struct Genimage;

impl Runner for Genimage {
    type Observer = observe::Reader;

    fn describe() -> RunnerInfo {
        describe::info()
    }

    fn inspect(definition: &[u8]) -> Inspection {
        let (root, mut diagnostics) = cfg::read(definition);
        diagnostics.extend(rules::errors(&root));
        let images = rules::images(&root);
        // The last image kept is what the others are made for.
        let main = images.iter().rev().find(|image| !image.temporary);
        let offered = main.filter(|image| describe::TYPES.iter().any(|row| row.0 == image.kind));
        Inspection {
            name: None,
            image_type: offered.map(|image| image.kind.to_owned()),
            architecture: None,
            privileged: rules::privileged(&root),
            diagnostics,
        }
    }

    fn check(request: &Request) -> Vec<Diagnostic> {
        let (root, mut diagnostics) = cfg::read(&request.definition);
        diagnostics.extend(rules::errors(&root));
        diagnostics.extend(rules::request_errors(request, &root));
        diagnostics
    }

    fn plan(request: &Request) -> Result<BuildPlan, Vec<Diagnostic>> {
        let diagnostics = Self::check(request);
        if failed(&diagnostics) { Err(diagnostics) } else { Ok(plan::plan(request)) }
    }

    fn observe(request: &Request) -> Self::Observer {
        observe::Reader::new(request)
    }

    fn explain(_request: &Request, failure: &Failure) -> Option<Explanation> {
        explain::explain(failure)
    }

    fn collect(request: &Request, files: &[OutputFile]) -> Result<Vec<Artifact>, String> {
        let (root, _) = cfg::read(&request.definition);
        let images = rules::images(&root);
        let kept = named_artifacts(files, |path| {
            let image = images.iter().find(|image| image.name == path)?;
            let asked = image.kind == request.image_type;
            let role = if asked { Role::Image } else { Role::Other };
            Some((role, describe::type_label(image.kind).to_owned()))
        });
        if kept.iter().any(|artifact| artifact.role == Role::Image) {
            return Ok(kept);
        }
        Err(format!("genimage left no image of the type {}", request.image_type))
    }
}

export_runner!(Genimage);
