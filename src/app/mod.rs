//! What can be asked of the appliance. Every call takes who asks and `now`; every rule is
//! `domain`'s, every byte is the store's or a file's.
#![warn(missing_docs)]

pub mod admin;
#[cfg(test)]
pub(crate) mod bare;
mod batch;
mod batch_preview;
mod board;
mod bulk;
mod claims;
mod cleanup;
mod compress;
mod deletion;
mod disk;
mod errand;
mod errors;
mod first_start;
mod gauge;
mod health;
mod inventory;
mod jobs;
mod keep;
mod kinds;
mod live;
mod marks;
mod orphans;
mod people;
pub(crate) mod request_file;
mod retry;
mod run;
mod setup;
mod state;
mod submit;
mod switches;
mod timetable;
mod upkeep;
mod views;

// Pages and handlers name these as part of what they are given; the store itself stays below.
pub use crate::files::{LogFile, LogIndex};
pub use crate::store::{
    AuditRecord, Counts, Cursor, Gone, JobFilter, Mishap, Receipt, SessionRecord, ShelfRecord,
    TokenRecord,
};
pub use batch::RunProgress;
pub use batch_preview::DeletionPreview;
pub use board::*;
pub use bulk::{BulkAction, BulkDone};
pub use claims::{Claim, Claims};
pub use disk::{DiskSettings, DiskState};
pub use errand::{Chore, Errand};
pub use errors::*;
pub use first_start::QueueLimits;
pub use gauge::{DiskView, NextRow, Taker};
pub use kinds::{Kind, Known, TypeNote, TypeNotes};
pub use live::{LiveSettings, SETTINGS, SettingKind, SettingSpec, SettingView};
pub use orphans::Orphans;
pub use people::{FIRST_CODE, FIRST_USER};
pub use run::SKIPPED;
pub use state::*;
pub use switches::{OFF, runner_key};
pub use timetable::*;
pub use views::*;
