//! The command line: `img serve`, and everything else as a client of it. Commands that only read
//! or ask go through the API, on the local socket unless a server is named; those that need the
//! store itself (`restore`, `fsck`, `audit`, and some others when no server runs) open it directly.
#![warn(missing_docs)]

mod args;
mod audit;
mod backup;
mod cleanup;
mod client;
mod connect;
mod direct;
mod download;
mod errors;
mod install;
mod jobs;
mod keep;
mod log;
mod plugins;
mod run;
mod show;
mod submit;
mod terminal;
mod user;

pub use args::Cli;
pub use errors::CliError;
pub use run::main;
