//! Builds the runners into `plugins/dist`, and checks that what is committed there is what the
//! source gives: `cargo run --manifest-path plugins/Cargo.toml -p xtask -- build --check`.

mod dist;
mod guest;
mod toolchain;

use anyhow::{Context, Result, bail, ensure};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "usage: xtask build [--check] [--out DIR] [NAME…]
  builds the named crates (those whose components are committed when none is named)
  --check    build into a temporary folder and compare with what is committed
  --out DIR  write there instead of plugins/dist";

/// Runner crates: their components are committed and embedded in the appliance.
const RUNNERS: [&str; 3] = ["genimage", "mic", "mmdebstrap"];
/// Crates whose components only tests use.
const FIXTURES: [&str; 2] = ["hostile", "script"];
/// Where those go, from the workspace's folder.
const FIXTURE_FOLDER: &str = "../tests/fixtures/plugins";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    check: bool,
    out: Option<PathBuf>,
    names: Vec<String>,
}

fn parse(arguments: Vec<String>) -> Result<Order> {
    let mut words = arguments.into_iter();
    ensure!(words.next().as_deref() == Some("build"), "{USAGE}");
    let mut order = Order::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--check" => order.check = true,
            "--out" => order.out = Some(words.next().context("--out needs a folder")?.into()),
            option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            _ => order.names.push(word),
        }
    }
    ensure!(!(order.check && order.out.is_some()), "--check writes nothing: leave out --out");
    Ok(order)
}

fn run(arguments: Vec<String>) -> Result<()> {
    let order = parse(arguments)?;
    let workspace = workspace()?;
    let crates = chosen(&workspace, &order)?;
    let toolchain = toolchain::Toolchain::find()?;
    println!("compiler: {}", toolchain.name());
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    let mut differing = 0;
    for name in &crates {
        let component = guest::build(&workspace, &toolchain, name)?;
        let home = home(&workspace, &order, name);
        let file = home.join(format!("{name}.wasm"));
        println!("{name}: {} bytes, sha256 {}", component.len(), dist::sha256(&component));
        if !order.check {
            dist::write(&file, &component)?;
        } else if toolchain.is_reference() {
            differing += usize::from(!dist::same(&file, &component, temporary.path())?);
        }
    }
    finish(&workspace, &order, &toolchain, differing)
}

/// The sums, and the verdict of a check.
fn finish(
    workspace: &Path,
    order: &Order,
    toolchain: &toolchain::Toolchain,
    differing: usize,
) -> Result<()> {
    let folder = order.out.clone().unwrap_or_else(|| workspace.join("dist"));
    if !order.check {
        return dist::write_sums(&folder);
    }
    dist::check_sums(&folder)?;
    if !toolchain.is_reference() {
        println!(
            "the sources build, but bytes cannot be compared with this compiler: \
             the reference is {}",
            toolchain::REFERENCE
        );
    }
    ensure!(
        differing == 0,
        "{differing} of the committed components are not what the source gives: run `xtask build` and commit"
    );
    Ok(())
}

fn home(workspace: &Path, order: &Order, name: &str) -> PathBuf {
    match &order.out {
        Some(folder) => folder.clone(),
        None if FIXTURES.contains(&name) => workspace.join(FIXTURE_FOLDER),
        None => workspace.join("dist"),
    }
}

/// The crates to build: those named, or all whose components are committed.
fn chosen(workspace: &Path, order: &Order) -> Result<Vec<String>> {
    let there = |name: &str| workspace.join(name).join("Cargo.toml").is_file();
    let committed = RUNNERS.iter().chain(&FIXTURES).filter(|name| there(name));
    let committed: Vec<String> = committed.map(|name| (*name).to_owned()).collect();
    for name in &order.names {
        ensure!(
            is_crate_name(name) && there(name),
            "there is no crate `{name}` in {}",
            workspace.display()
        );
        ensure!(
            order.out.is_some() || committed.contains(name),
            "the component of `{name}` is not committed: say where it goes with --out"
        );
    }
    Ok(if order.names.is_empty() { committed } else { order.names.clone() })
}

fn is_crate_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The folder of the guests' workspace: the one above this crate.
fn workspace() -> Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("run this through `cargo run`")?;
    let folder = Path::new(&here).parent().context("the crate's folder has no parent")?;
    folder.canonicalize().with_context(|| format!("{}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(words: &[&str]) -> Result<Order> {
        parse(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn the_command_line_is_strict() {
        let asked = order(&["build", "mic", "--check"]).unwrap();
        assert_eq!(asked, Order { check: true, out: None, names: vec!["mic".into()] });
        for wrong in [&["bulid"][..], &["build", "--chekc"], &["build", "--out"], &[]] {
            assert!(order(wrong).is_err(), "{wrong:?}");
        }
        assert!(order(&["build", "--check", "--out", "x"]).is_err());
    }

    #[test]
    fn an_unknown_crate_is_refused_and_another_needs_a_place() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["mic", "mytool"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("Cargo.toml"), "").unwrap();
        }
        let chosen = |words: &[&str]| chosen(folder.path(), &order(words).unwrap());
        assert_eq!(chosen(&["build"]).unwrap(), ["mic"]);
        assert_eq!(chosen(&["build", "mytool", "--out", "x"]).unwrap(), ["mytool"]);
        assert!(chosen(&["build", "mytool"]).unwrap_err().to_string().contains("--out"));
        assert!(chosen(&["build", "kiwi"]).unwrap_err().to_string().contains("no crate `kiwi`"));
        assert!(chosen(&["build", "../mic"]).is_err());
    }
}
