//! Passwords, sessions, tokens and throttling, without HTTP and without the store.
#![warn(missing_docs)]

pub mod code;
mod password;
mod policy;
mod secret;
pub mod session;
mod throttle;
pub mod token;

pub use password::{HashError, Hasher, Verdict, hash_blocking};
pub use policy::{PolicyError, check_policy};
pub use throttle::Throttle;
