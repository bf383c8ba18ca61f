//! The only place that knows wasmtime.
#![warn(missing_docs)]

/// Every runner this box knows.
pub struct Catalog;
