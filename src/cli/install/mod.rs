//! `img install` and `img uninstall`: what a box needs besides the program. What there is to do is
//! planned from what lies there, shown line by line, and then carried out; `--dry-run` stops after
//! showing.

mod action;
mod carry;
mod command;
mod look;
mod parts;
mod place;
mod plan;
mod programs;
mod removal;
mod settings;

pub use command::{install, uninstall};
