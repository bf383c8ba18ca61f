//! The only place that speaks HTTP and HTML.

mod access;
pub mod api;
pub mod arrival;
pub mod body;
pub mod cookies;
pub mod download;
pub mod error;
pub mod flash;
pub mod form;
pub mod pages;
pub mod reply;
pub mod router;
pub mod stream;
pub mod table;
pub mod visit;

pub use error::WebError;
pub use form::Form;
pub use reply::{Reply, Response};
pub use router::Screens;
pub use visit::{Visit, Who};
