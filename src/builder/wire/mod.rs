//! The messages of a builder as bytes, for a socket.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how many follow, little endian; 1 to [`CAP`] |
//! | 1 | kind |
//! | … | body: postcard of what `mirror` has, or what `message` says of the kind |
//!
//! Both sides begin with a hello, which carries the version in a place that never moves; a goodbye
//! is a plain text in every version. Whatever else comes ends the connection with a sentence.

mod frame;
mod message;
mod mirror;
#[cfg(test)]
mod tests;

pub use frame::{CAP, WireError, read};
pub use message::{FromBuilder, Ordered, ToBuilder};
