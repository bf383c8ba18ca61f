//! One's own account.

use super::frame::{About, Frame, Tab, page};
use crate::app::{AccountView, NewToken, Problem};
use maud::{Markup, html};

/// What the account page shows besides the account.
#[derive(Clone, Debug)]
pub struct AccountPage<'a> {
    /// A token that was just made: the only time its secret is seen.
    pub new_token: Option<&'a NewToken>,
    /// What was wrong, by field `label`, `scope` or `days`.
    pub problems: &'a [Problem],
}

/// One's own account. The token form posts `label`, any number of `scope` (verb words) and
/// `days` (empty: for ever).
pub fn account(f: &Frame, _v: &AccountView, _p: &AccountPage) -> Markup {
    page(f, About::new("Your account", Tab::Account), html! {})
}
