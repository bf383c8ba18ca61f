//! Claims that hold for every page: looks, escaping, sizes.

mod budgets;
mod gallery;
mod hostile;
mod html;
mod kept;
mod sample;
