//! The only place that knows wasmtime.
#![warn(missing_docs)]

mod catalog;
mod request;

pub use catalog::*;
pub use request::{Ask, input_files, plugin_request, role_to_plugin, shown_command};

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
