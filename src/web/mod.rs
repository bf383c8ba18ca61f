//! The only place that speaks HTTP and HTML.

mod access;
mod account;
pub mod api;
pub mod arrival;
mod assets;
pub mod body;
pub mod cookies;
pub mod download;
pub mod error;
pub mod flash;
pub mod form;
mod gate;
mod health;
mod io;
mod job;
mod lines;
mod listen;
mod login;
pub mod pages;
mod queue;
pub mod reply;
pub mod router;
mod serve;
mod start;
pub mod stream;
mod submit;
pub mod table;
mod tls;
pub mod visit;

pub use error::WebError;
pub use form::Form;
pub use reply::{Reply, Response};
pub use router::Screens;
pub use serve::{Server, Site};
pub use visit::{Visit, Who};
