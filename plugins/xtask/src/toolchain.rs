//! Which compiler builds the guests. Bytes are only the same with the same compiler, so there is
//! one reference, Debian's package `rustc-web` with `rust-web-src`: it can be had again in years,
//! and it builds the standard library for WebAssembly from source.

use anyhow::{Context, Result, bail};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The line by which the reference compiler knows itself.
pub const REFERENCE: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)";
const REFERENCE_COMPILER: &str = "/usr/bin/rustc";
/// The target of every guest.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler that can build guests.
#[derive(Debug)]
pub enum Toolchain {
    /// The reference; the standard library is built along.
    Reference {
        /// The linker of the host's toolchain.
        linker: PathBuf,
    },
    /// The host's toolchain, which has the target installed.
    Installed {
        /// The line by which it knows itself.
        version: String,
    },
}

impl Toolchain {
    /// The reference when it is here, else the host's toolchain.
    ///
    /// # Errors
    /// When neither can build guests, with what to install.
    pub fn find() -> Result<Self> {
        if let Some(reference) = reference()? {
            return Ok(reference);
        }
        let targets = said("rustup", &["target", "list", "--installed"]).unwrap_or_default();
        if targets.lines().any(|line| line == TARGET) {
            return Ok(Self::Installed { version: said("rustc", &["--version"])? });
        }
        bail!(
            "no compiler for {TARGET}: run `rustup target add {TARGET}`, \
             or install the reference, Debian's rustc-web and rust-web-src"
        )
    }

    /// The compiler's own line.
    pub fn name(&self) -> &str {
        match self {
            Self::Reference { .. } => REFERENCE,
            Self::Installed { version } => version,
        }
    }

    /// Whether its bytes can be compared with the committed ones.
    pub fn is_reference(&self) -> bool {
        matches!(self, Self::Reference { .. })
    }

    /// A `cargo build` for guests; the caller adds what to build and where.
    pub fn cargo_build(&self, workspace: &Path) -> Result<Command> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.current_dir(workspace).arg("build").args(["--locked", "--profile", "guest"]);
        cargo.args(["--target", TARGET]);
        // What the outer cargo and the user's shell set must not change the bytes.
        for name in ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "LD_LIBRARY_PATH"] {
            cargo.env_remove(name);
        }
        cargo.env("CARGO_INCREMENTAL", "0");
        cargo.env("CARGO_ENCODED_RUSTFLAGS", Self::flags(workspace)?);
        if let Self::Reference { linker } = self {
            cargo.args(["-Z", "build-std=std,panic_abort"]);
            cargo.env("RUSTC", REFERENCE_COMPILER).env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        Ok(cargo)
    }

    /// Paths of this machine are replaced, so that they cannot tell one folder from another. The
    /// standard library's source lies where its package puts it, on every machine.
    fn flags(workspace: &Path) -> Result<OsString> {
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let cargo_home = cargo_home.context("no CARGO_HOME and no home folder")?;
        let remaps = [(workspace, "/plugins"), (cargo_home.as_path(), "/cargo")];
        let mut flags = OsString::new();
        for (index, (from, to)) in remaps.into_iter().enumerate() {
            flags.push(if index == 0 {
                "--remap-path-prefix="
            } else {
                "\x1f--remap-path-prefix="
            });
            flags.push(from);
            flags.push(format!("={to}"));
        }
        Ok(flags)
    }
}

fn reference() -> Result<Option<Toolchain>> {
    let version = said(REFERENCE_COMPILER, &["--version"]).unwrap_or_default();
    if version != REFERENCE {
        return Ok(None);
    }
    let sysroot = PathBuf::from(said(REFERENCE_COMPILER, &["--print", "sysroot"])?);
    if !sysroot.join("lib/rustlib/src/rust/library/std").is_dir() {
        return Ok(None);
    }
    Ok(Some(Toolchain::Reference { linker: linker()? }))
}

fn linker() -> Result<PathBuf> {
    let sysroot = PathBuf::from(said("rustc", &["--print", "sysroot"])?);
    let host = said("rustc", &["--print", "host-tuple"])?;
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if !linker.is_file() {
        bail!("the host's toolchain has no {}", linker.display());
    }
    Ok(linker)
}

/// What a program printed, without the last line's end.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("LD_LIBRARY_PATH");
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
