//! Files to keep: artifacts, logs and definitions, whole or in part.

mod body;
mod conditions;
mod names;
mod range;
mod routes;
mod send;

pub use routes::{file, image, log, routes};
