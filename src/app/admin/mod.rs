//! Administration as data: a model says what its columns, filters, fields, actions, permissions
//! and dependants are; lists, forms, confirmations, history and the checks of permissions follow
//! from it.
//!
//! | file | subject |
//! |---|---|
//! | `model` | the words a model is described with |
//! | `value` | what stands in a cell, and how it reads |
//! | `models/` | the models themselves |
//! | `list` | pages of a model: filters, search, order, places |
//! | `form` | from what was typed to values, and back |
//! | `change` | saving and deleting: one form is one transaction |
//! | `act` | what can be done to many at once |
//! | `trail` | the history of one thing, and what somebody did last |

mod act;
mod change;
mod form;
mod list;
mod model;
mod models;
mod trail;
mod value;

pub(super) use act::Results;
pub use act::{ActRefused, Acted, Chosen, Scope, Selection};
pub use change::{Dependant, Difference, SaveRefused, Saving, Stale, Writing};
pub use form::{Typed, form_texts, opening};
pub use list::{Dates, Facet, FacetValue, ListCursor, ListPage, ListQuery, SIZES};
pub use model::*;
pub(super) use models::may_manage;
pub use models::{MODELS, model};
pub use trail::TrailRow;
pub use value::{Object, Value};
