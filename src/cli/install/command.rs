//! The two commands: plan, show, ask, carry out.

use super::{action::Action, carry, parts, place::Place, plan, removal};
use crate::cli::{CliError, args, terminal};
use std::path::PathBuf;

/// `img install`
pub fn install(args: &args::Install) -> Result<(), CliError> {
    let place = Place::new(args.prefix.as_deref());
    may_change(&place, args.dry_run, "install")?;
    let todo = plan::plan(&place, &own()?)?;
    if args.dry_run {
        return show(&todo);
    }
    carry_out(&todo, "install")?;
    if place.has_systemd() {
        terminal::note(
            "IMG is installed; `journalctl -u img` has the one-time code of the first sign-in",
        );
    }
    Ok(())
}

/// `img uninstall`
pub fn uninstall(args: &args::Uninstall) -> Result<(), CliError> {
    let place = Place::new(args.prefix.as_deref());
    may_change(&place, args.dry_run, "uninstall")?;
    let todo = removal::plan(&place, &own()?, args.purge)?;
    if args.dry_run {
        return show(&todo);
    }
    if args.purge && !args.yes {
        confirm(&place)?;
    }
    carry_out(&todo, "uninstall")
}

/// The running program's file.
fn own() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|e| CliError::failed("cannot find this program's own file", e))
}

fn may_change(place: &Place, dry_run: bool, verb: &str) -> Result<(), CliError> {
    if dry_run || !place.is_box() || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "`img {verb}` needs root: use sudo, or look first with --dry-run at what it would do"
    )))
}

fn confirm(place: &Place) -> Result<(), CliError> {
    let data = place.at(parts::DATA);
    let question = format!(
        "All jobs, images, logs and users in {} will be gone. Write yes to go on: ",
        data.display()
    );
    match terminal::answer(&question)?.as_deref() {
        Some("yes") => Ok(()),
        Some(_) => Err(CliError::Usage("nothing was changed".to_owned())),
        None => Err(CliError::Usage(format!(
            "--purge deletes all jobs, images, logs and users in {}: add --yes if you mean it",
            data.display()
        ))),
    }
}

fn show(todo: &[Action]) -> Result<(), CliError> {
    let line = |action: &Action| {
        let would = if action.acts() { "would " } else { "" };
        format!("{would}{action}\n")
    };
    terminal::print(todo.iter().map(line).collect::<String>().as_bytes())
}

/// Does one after the other. The first failure ends it: what was done stays, and doing it all again
/// goes on from there.
fn carry_out(todo: &[Action], verb: &str) -> Result<(), CliError> {
    for action in todo {
        terminal::print(format!("{action}\n").as_bytes())?;
        carry::carry_out(action).map_err(|error| {
            let again = format!(
                "what was done before stays as it is: put this right, and run `img {verb}` again"
            );
            CliError::Failed(anyhow::anyhow!("{error:#}; {again}"))
        })?;
    }
    Ok(())
}
