//! From a crate to a component.

use crate::toolchain::{TARGET, Toolchain};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use wit_component::ComponentEncoder;

/// Compiles the crate `name` and makes it a component, validated.
///
/// # Errors
/// When it does not compile, or is no runner.
pub fn build(workspace: &Path, toolchain: &Toolchain, name: &str) -> Result<Vec<u8>> {
    let target = target_folder(workspace)?;
    let mut cargo = toolchain.cargo_build(workspace)?;
    cargo.args(["--package", name]).arg("--target-dir").arg(&target);
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo could not build {name}: {status}");
    let file = format!("{}.wasm", name.replace('-', "_"));
    let module = target.join(TARGET).join("guest").join(file);
    let bytes = std::fs::read(&module).with_context(|| format!("{}", module.display()))?;
    component(&bytes).with_context(|| format!("{name} is no component"))
}

fn component(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// A folder of its own below the usual one, so that guests and host tools do not wait for each
/// other's lock.
fn target_folder(workspace: &Path) -> Result<PathBuf> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(PathBuf::from(folder)).context("CARGO_TARGET_DIR")?,
        None => workspace.join("target"),
    };
    Ok(target.join("guests"))
}
