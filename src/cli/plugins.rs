//! `img plugin list` and `img plugin check`.

use super::{CliError, args::Global, args::PluginCheck, show, terminal};
use crate::{
    domain::{Arch, ImageTypeId, JobId, JobName},
    files::Layout,
    plugin::{self, Ask, Runner, api, check_component},
    web::api::types::PluginsJson,
};
use bytes::Bytes;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// `img plugin list`
pub async fn list(global: &Global) -> Result<(), CliError> {
    let list: PluginsJson = global.client()?.get("/api/v1/plugins").await?;
    match global.json {
        true => show::json(&list),
        false => terminal::print(show::plugins(&list.plugins).as_bytes()),
    }
}

/// `img plugin check`: loads the component here, with nothing granted to it but answers.
pub fn check(global: &Global, args: &PluginCheck) -> Result<(), CliError> {
    let bytes = read(&args.file)?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let runner = check_component(&name, &bytes).map_err(|e| CliError::Failed(e.into()))?;
    let plan = match &args.definition {
        Some(path) => Some(plan(&runner, path, args)?),
        None => None,
    };
    if global.json {
        return show::json(&json(&runner, plan.as_ref()));
    }
    let mut text = describe(&runner);
    if let Some(plan) = &plan {
        text.push_str(&planned(plan));
    }
    terminal::print(text.as_bytes())
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|e| CliError::Usage(format!("cannot read {}: {e}", path.display())))
}

fn describe(runner: &Runner) -> String {
    let info = runner.info();
    let mut text = format!(
        "runner {} {}: {}\nsha256 {}\ndefinition: {} ({})\n",
        info.id,
        info.version,
        show::clean(&info.name),
        runner.sha256(),
        show::clean(&info.definition.label),
        info.definition.extensions.join(", "),
    );
    for image_type in &info.image_types {
        let _ =
            writeln!(text, "image type {}: {}", image_type.id, image_type.architectures.join(", "));
    }
    for program in &info.programs {
        let _ =
            writeln!(text, "program {}: {}", show::clean(&program.name), show::clean(&program.why));
    }
    text
}

/// The plan of a definition, in a build directory that is never made.
fn plan(runner: &Runner, path: &Path, args: &PluginCheck) -> Result<api::BuildPlan, CliError> {
    let request = request(runner, path, args)?;
    let failed = |e: plugin::PluginError| CliError::Failed(e.into());
    let found = runner.check(&request).map_err(failed)?;
    let (bad, remarks): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|d| d.severity == api::Severity::Error);
    for remark in &remarks {
        terminal::note(&diagnostic(remark));
    }
    let refused = |found: &[api::Diagnostic]| {
        let lines: Vec<_> = found.iter().map(diagnostic).collect();
        CliError::Failed(anyhow::anyhow!(lines.join("\n")))
    };
    if !bad.is_empty() {
        return Err(refused(&bad));
    }
    runner.plan(&request).map_err(failed)?.map_err(|found| refused(&found))
}

fn request(runner: &Runner, path: &Path, args: &PluginCheck) -> Result<api::Request, CliError> {
    let bad = |e: &dyn std::fmt::Display| CliError::Usage(e.to_string());
    let image_type = args.image_type.as_deref().unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ask = Ask {
        name: JobName::new(&stem).or_else(|_| JobName::new("check")).map_err(|e| bad(&e))?,
        definition: Bytes::from(read(path)?),
        image_type: ImageTypeId::new(image_type).map_err(|e| bad(&e))?,
        arch: Arch::new(args.arch.as_deref().unwrap_or_default()).map_err(|e| bad(&e))?,
        packages: Vec::new(),
        options: Vec::new(),
        secrets: Vec::new(),
        input_job: None,
    };
    let layout = Layout::new(&PathBuf::from("/var/lib/img"), JobId::FIRST, &runner.info().id);
    Ok(plugin::plugin_request(JobId::FIRST, &ask, Vec::new(), &layout))
}

fn diagnostic(found: &api::Diagnostic) -> String {
    let place = found.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let hint = found.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{place}{}{hint}", show::clean(&found.message))
}

fn planned(plan: &api::BuildPlan) -> String {
    let mut text = String::new();
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "step {}: {}", number + 1, show::clean(&step.name));
        let _ = writeln!(text, "  {}", show::clean(&plugin::shown_command(step)));
    }
    for file in &plan.files {
        let _ = writeln!(
            text,
            "file {}: {}",
            show::clean(&file.path),
            show::size(file.contents.len() as u64)
        );
    }
    text
}

fn json(runner: &Runner, plan: Option<&api::BuildPlan>) -> serde_json::Value {
    let info = runner.info();
    let steps = |plan: &api::BuildPlan| -> Vec<_> {
        let step = |step: &api::Step| {
            serde_json::json!({
                "name": step.name,
                "command": plugin::shown_command(step),
            })
        };
        plan.steps.iter().map(step).collect()
    };
    serde_json::json!({
        "id": info.id,
        "name": info.name,
        "version": info.version,
        "sha256": runner.sha256(),
        "extensions": info.definition.extensions,
        "image_types": info.image_types.iter().map(|t| serde_json::json!({
            "id": t.id,
            "archs": t.architectures,
        })).collect::<Vec<_>>(),
        "programs": info.programs.iter().map(|p| p.name.clone()).collect::<Vec<_>>(),
        "steps": plan.map(steps),
    })
}
