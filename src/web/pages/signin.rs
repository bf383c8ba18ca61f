//! Signing in, and setting a password.

use super::frame::{About, Frame, Tab, page};
use crate::app::Problem;
use maud::{Markup, html};

/// What the sign-in page shows.
#[derive(Clone, Debug)]
pub struct LoginPage<'a> {
    /// Where to go afterwards: path and query of this site.
    pub next: &'a str,
    /// The user name as typed.
    pub name: &'a str,
    /// Why nobody was signed in.
    pub problem: Option<&'a str>,
    /// Nobody has signed in yet: say how.
    pub first_login_hint: bool,
    /// Ask for the one-time code of a first sign-in from another machine.
    pub ask_code: bool,
}

/// The sign-in page: posts `name`, `password`, `next` and, if asked for, `code` to `/login`.
pub fn login(f: &Frame, _p: &LoginPage) -> Markup {
    page(f, About::new("Log in", Tab::None), html! {})
}

/// What the set-a-password page shows.
#[derive(Clone, Debug)]
pub struct PasswordPage<'a> {
    /// What was wrong, by field `old`, `new` or `again`.
    pub problems: &'a [Problem],
    /// Ask for the old password.
    pub ask_old: bool,
    /// Where to go afterwards.
    pub next: &'a str,
}

/// The set-a-password page: posts `old` (if asked), `new`, `again`, `next` to `/password`.
pub fn set_password(f: &Frame, _p: &PasswordPage) -> Markup {
    page(f, About::new("Set a password", Tab::None), html! {})
}
