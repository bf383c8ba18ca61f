//! IMG, the image-building appliance. ARCHITECTURE.md is the map; the walls between the modules
//! below are held by `tests/architecture.rs`.

pub mod accounts;
pub mod app;
pub mod builder;
pub mod cli;
pub mod config;
pub mod domain;
pub mod files;
pub mod plugin;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod web;
