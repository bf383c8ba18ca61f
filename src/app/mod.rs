//! What can be asked of the appliance. Every call takes who asks and `now`; every rule is
//! `domain`'s, every byte is the store's or a file's.
#![warn(missing_docs)]

mod errors;
mod facade;
mod views;

pub use errors::*;
pub use facade::*;
pub use views::*;
