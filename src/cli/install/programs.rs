//! systemd's programs: where they are, and starting them with fixed words.

use super::action::Action;
use anyhow::{Context as _, bail};
use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where a system keeps them.
const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// The action that starts `name`, if the box has it.
pub(super) fn action(name: &str, words: &[&str]) -> Option<Action> {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Some(Action::Run { program: find(name)?, words })
}

fn find(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        let meta = path.metadata();
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    PLACES.iter().map(|place| Path::new(place).join(name)).find(is_program)
}

/// Starts `program` and waits for it.
///
/// # Errors
/// With the last line it printed, if it fails.
#[expect(clippy::disallowed_methods, reason = "systemd's own programs, by full path, no shell")]
pub(super) fn run(program: &Path, words: &[String]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .env("PATH", PLACES.join(":"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .context("it cannot be started")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    bail!("{}: {}", output.status, crate::cli::show::clean(last.unwrap_or("it did not say why")))
}
