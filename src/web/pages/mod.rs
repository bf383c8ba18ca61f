//! Every page and fragment, as pure functions from data to [`maud::Markup`]: no App, no async, no
//! clock and no store here. Whatever is shown is escaped by maud or by [`logline`].
#![warn(missing_docs)]

mod account;
pub mod assets;
mod badge;
mod definition;
mod error;
mod field;
mod files;
mod frame;
mod head;
mod health;
mod human;
mod inspect;
mod job;
mod log;
pub mod logline;
mod options;
mod query;
mod queue;
mod row;
mod signin;
mod start;
mod submit;

pub use account::{AccountPage, account};
pub use definition::definition;
pub use error::{ErrorPage, cancel_confirm, error};
pub use files::files;
pub use frame::{Flash, FlashKind, Frame, Theme};
pub use head::job_head;
pub use health::health;
pub use inspect::inspect_fragment;
pub use job::{JobPage, LogTail, job};
pub use log::{LogPage, log};
pub use query::QueueQuery;
pub use queue::queue;
pub use row::queue_row;
pub use signin::{LoginPage, PasswordPage, login, set_password};
pub use start::start;
pub use submit::{Source, SubmitPage, submit};

#[cfg(test)]
mod tests;
