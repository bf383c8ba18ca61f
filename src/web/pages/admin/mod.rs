//! The Admin tab, drawn from the models: no page here knows what a queue or a user is.

mod address;
mod ask;
mod cell;
mod form;
mod history;
mod index;
mod list;
mod sections;

pub use address::{list_url, object_url, read_query};
pub use ask::{ActPage, DeletePage, ask_act, ask_delete, ask_delete_jobs};
pub use form::{FormPage, form};
pub use history::{HistoryPage, history};
pub(in crate::web) use index::all_places;
pub use index::{IndexPage, index};
pub use list::{AdminListPage, list};
pub(super) use sections::{Section, admin};
