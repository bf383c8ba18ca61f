//! The only place that speaks HTTP and HTML.

pub mod pages;
