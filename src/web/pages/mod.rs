//! Every page and fragment, as pure functions from data to [`maud::Markup`]: no App, no async, no
//! clock and no store here. Whatever is shown is escaped by maud or by [`logline`].
#![warn(missing_docs)]

mod account;
pub mod admin;
pub mod assets;
mod badge;
mod cleanup;
mod definition;
mod disk;
mod error;
mod field;
mod files;
mod frame;
mod head;
mod health;
mod human;
mod inspect;
mod job;
mod keeping;
mod log;
pub mod logline;
mod options;
mod palette;
mod query;
mod queue;
mod row;
mod schedules;
mod signin;
mod start;
mod submit;

pub use account::{AccountPage, account};
pub use cleanup::{preview, receipt};
pub use definition::definition;
pub use disk::{disk, orphans_confirm};
pub use error::{ErrorPage, cancel_confirm, error};
pub use files::files;
pub use frame::{Flash, FlashKind, Frame, Theme};
pub use head::job_head;
pub use health::health;
pub use inspect::inspect_fragment;
pub use job::{JobPage, job};
pub use keeping::{KeepPage, delete_confirm, keep};
pub use log::{LogAsk, LogLines, LogPage, log};
pub use palette::palette;
pub use query::QueueQuery;
pub use queue::queue;
pub use row::queue_row;
pub(in crate::web) use schedules::chore_words;
pub use schedules::{SchedulePage, schedule, schedules};
pub use signin::{LoginPage, PasswordPage, SetupPage, login, set_password, set_up};
pub use start::start;
pub use submit::{Source, SubmitPage, submit};

#[cfg(test)]
mod tests;
