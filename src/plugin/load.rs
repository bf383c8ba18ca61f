//! From bytes to a runner that can be called, or to one sentence why not.

use super::{
    PluginError, Runner, api,
    bindings::RunnerPre,
    cache::Cache,
    check,
    engine::Host,
    folder::MAX_COMPONENT,
    grants::Granted,
    limits::{Limits, State, one_line},
    warden::{Call, failure},
};
use sha2::{Digest as _, Sha256};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use wasmtime::component::Component;

/// The contract's version, as it stands in the names of its interfaces.
const CONTRACT: &str = "img:runner@0.1.0";
const IMPORTS: [&str; 2] = ["img:runner/host@0.1.", "img:runner/types@0.1."];

/// Loads a component that is not installed, to look at it and try it. It gets an engine of its own
/// and **every program and privilege it declares counts as granted**: use it to show plans, never
/// to carry them out. `name` stands in errors until the runner's own id is known.
///
/// # Errors
/// See [`PluginError`]: what is wrong with the file, or what the runner did.
pub fn check_component(name: &str, bytes: &[u8]) -> Result<Runner, PluginError> {
    load(&Host::new(Limits::default())?, None, name, bytes, Granted::all)
}

/// SHA-256 as lower-case hex digits.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Loads `bytes`, compiled or from the cache, asks it to describe itself and checks the answer.
pub(super) fn load(
    host: &Arc<Host>,
    cache: Option<&Cache>,
    name: &str,
    bytes: &[u8],
    grant: impl FnOnce(&api::RunnerInfo) -> Granted,
) -> Result<Runner, PluginError> {
    let refuse =
        |reason| PluginError::Runner { runner: name.to_owned(), version: String::new(), reason };
    let sha256 = sha256_hex(bytes);
    let component = component(host, cache, bytes, &sha256).map_err(refuse)?;
    let pre = link(host, &component).map_err(refuse)?;
    let info = describe(host, &pre, name).map_err(refuse)?;
    let granted = grant(&info);
    Ok(Runner::new(host.clone(), pre, info, sha256, granted))
}

fn component(
    host: &Host,
    cache: Option<&Cache>,
    bytes: &[u8],
    sha256: &str,
) -> Result<Component, String> {
    if let Some(component) = cache.and_then(|cache| cache.get(host, sha256)) {
        return Ok(component);
    }
    kind(bytes)?;
    let component = compile(host, bytes)?;
    if let Some(cache) = cache {
        cache.put(sha256, &component);
    }
    Ok(component)
}

/// What the first eight bytes say the file is.
fn kind(bytes: &[u8]) -> Result<(), String> {
    let max = MAX_COMPONENT >> 20;
    match bytes {
        _ if bytes.len() as u64 > MAX_COMPONENT => Err(format!("it is larger than {max} MiB")),
        [] => Err("the file is empty".into()),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            Err("it is a core module, no component: encode it with wit-component".into())
        }
        [0, b'a', b's', b'm', ..] => {
            Err("it is WebAssembly of another version, no component as wasmtime 48 knows it".into())
        }
        _ => Err("it is no WebAssembly: the first bytes are not \\0asm".into()),
    }
}

fn compile(host: &Host, bytes: &[u8]) -> Result<Component, String> {
    // A file from a stranger goes through a parser and a compiler: should one of them panic, it is
    // this file that is unusable, not the service.
    let compiled = catch_unwind(AssertUnwindSafe(|| Component::from_binary(&host.engine, bytes)));
    match compiled {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(e)) => {
            let why = one_line(&format!("{}", e.root_cause()), 300);
            Err(format!("it is no valid component: {why}"))
        }
        Err(_) => Err("it is no valid component: the compiler gave up on it".into()),
    }
}

fn link(host: &Host, component: &Component) -> Result<RunnerPre<State>, String> {
    let ty = component.component_type();
    if let Some((name, _)) = ty.imports(&host.engine).find(|(name, _)| !allowed(name)) {
        return Err(refused_import(name));
    }
    let misfit = |e: wasmtime::Error| {
        let why = one_line(&format!("{e:#}"), 300);
        format!("it does not fit {CONTRACT}: {why}: build it against plugins/wit/runner.wit")
    };
    let pre = host.linker.instantiate_pre(component).map_err(misfit)?;
    RunnerPre::new(pre).map_err(misfit)
}

fn allowed(import: &str) -> bool {
    IMPORTS.iter().any(|start| import.starts_with(start))
}

fn refused_import(name: &str) -> String {
    let name = one_line(name, 200);
    if name.starts_with("wasi:") {
        return format!(
            "it imports `{name}`: runners get no WASI, build it for wasm32-unknown-unknown"
        );
    }
    if name.starts_with("img:runner/") {
        return format!("it is built for `{name}`: this program speaks {CONTRACT}");
    }
    format!("it imports `{name}`: a runner may import nothing but `img:runner/host@0.1.0`")
}

fn describe(host: &Host, pre: &RunnerPre<State>, name: &str) -> Result<api::RunnerInfo, String> {
    let deadline = host.limits.load;
    let mut store = host.store(&name.into(), deadline, Call::Describe.answer());
    let answer = pre
        .instantiate(&mut store)
        .and_then(|guest| guest.img_runner_build().call_describe(&mut store));
    let info = answer.map_err(|e| failure(Call::Describe, &e, store.data(), deadline))?;
    check::description(&info)?;
    Ok(info)
}
