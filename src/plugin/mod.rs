//! The only place that knows wasmtime.
#![warn(missing_docs)]

mod builtin;
mod cache;
mod catalog;
mod check;
mod clock;
mod engine;
mod entry;
mod error;
mod folder;
mod grants;
mod limits;
mod load;
mod observer;
mod probe;
mod request;
mod runner;
mod warden;
mod watch;

pub use catalog::Catalog;
pub use entry::{CatalogConfig, Entry, FoundProgram, Grant, Origin, Status};
pub use error::{PluginError, Unavailable};
pub use grants::privilege_word;
pub use limits::Limits;
pub use load::check_component;
pub use observer::Observer;
pub use request::{Ask, input_files, plugin_request, role_to_plugin, shown_command};
pub use runner::Runner;
pub use watch::Watch;

/// The types of the contract (`plugins/wit/runner.wit`), as wasmtime generates them.
#[expect(missing_docs, reason = "documented in runner.wit")]
pub mod bindings {
    wasmtime::component::bindgen!({
        path: "plugins/wit",
        world: "runner",
        additional_derives: [PartialEq],
    });
}

/// The plain data runners and the host exchange.
pub use bindings::img::runner::types as api;
