//! What `wit-bindgen` makes of `plugins/wit/runner.wit`.
#![allow(unsafe_code, missing_docs, clippy::all, clippy::restriction)]

wit_bindgen::generate!({
    path: "../wit",
    world: "runner",
    pub_export_macro: true,
    default_bindings_module: "img_runner_sdk::bindings",
    additional_derives: [PartialEq, Eq],
});
