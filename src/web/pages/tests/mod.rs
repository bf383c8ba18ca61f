//! Claims that hold for every page: looks, escaping, sizes.

mod admin;
mod admin_acts;
mod admin_pages;
mod budgets;
mod every;
mod gallery;
mod hostile;
mod html;
mod kept;
mod people;
mod sample;
mod submitting;
