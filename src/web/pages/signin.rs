//! Signing in, and setting a password.

use super::{
    field::{Field, id, summary},
    frame::{About, Frame, Tab, csrf, icon, page},
};
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
pub fn login(f: &Frame, p: &LoginPage) -> Markup {
    let mut about = About::new("Log in", Tab::None);
    about.shape = "narrow";
    page(
        f,
        about,
        html! {
            @if let Some(problem) = p.problem {
                div class="note bad" role="alert" tabindex="-1" data-flash { (icon("alert")) p { (problem) } }
            }
            @if p.first_login_hint { (first_login()) }
            form method="post" action="/login" class="card" {
                input type="hidden" name="next" value=(p.next);
                (name_field(p))
                (password_field("password", "Password", &[], "current-password"))
                @if p.ask_code { (code_field()) }
                div class="buttons" { button class="main" type="submit" { "Log in" } }
            }
        },
    )
}

fn first_login() -> Markup {
    html! {
        div class="note info" {
            (icon("info"))
            div {
                p { strong { "This box is new." } }
                p {
                    "Log in as " code { "imager" } " with the password " code { "imager" }
                    ". The next page asks for a password of your own; nothing else answers before."
                }
            }
        }
    }
}

fn name_field(p: &LoginPage) -> Markup {
    let field = Field::new("name", "User name", &[]);
    field.around(html! {
        input id=(field.id) name="name" value=(p.name) type="text" autocomplete="username"
            autocapitalize="none" spellcheck="false" maxlength="64" required
            autofocus[p.name.is_empty()];
    })
}

fn code_field() -> Markup {
    let field = Field::new("code", "One-time code", &[]).hint(html! {
        "The first sign-in comes from another machine: the code stands in the log of the service "
        "on the box."
    });
    field.around(html! {
        input id=(field.id) name="code" type="text" autocomplete="one-time-code" spellcheck="false"
            maxlength="64" aria-describedby=[field.described()];
    })
}

fn password_field(name: &str, label: &str, problems: &[Problem], complete: &str) -> Markup {
    let mut field = Field::new(name, label, problems);
    if name == "new" {
        field = field.hint(html! {
            "At least 12 characters. A few words that do not belong together are easy to keep in "
            "mind; pasting is fine."
        });
    }
    field.around(html! {
        input id=(field.id) name=(name) type="password" autocomplete=(complete) required
            maxlength="1024" aria-describedby=[field.described()] aria-invalid=[field.invalid()];
    })
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
pub fn set_password(f: &Frame, p: &PasswordPage) -> Markup {
    let mut about = About::new("Set a password", Tab::Account);
    about.shape = "narrow";
    page(
        f,
        about,
        html! {
            @if !p.ask_old {
                p class="lead" { "Choose a password of your own. Nothing else answers before it is set." }
            }
            (summary(p.problems, |problem| id(&problem.field)))
            (password_form(f, p))
        },
    )
}

/// The form alone: also part of the account page.
pub(super) fn password_form(f: &Frame, p: &PasswordPage) -> Markup {
    html! {
        form method="post" action="/password" class="card" {
            @if let Some(session) = f.session {
                (csrf(session))
                // Password managers need to know whose it is.
                input class="vh" type="text" name="user" value=(session.actor.user)
                    autocomplete="username" readonly tabindex="-1" aria-hidden="true";
            }
            input type="hidden" name="next" value=(p.next);
            @if p.ask_old {
                (password_field("old", "Present password", p.problems, "current-password"))
            }
            (password_field("new", "New password", p.problems, "new-password"))
            (password_field("again", "New password again", p.problems, "new-password"))
            div class="buttons" { button class="main" type="submit" { "Set the password" } }
        }
    }
}

/// What the page behind a set-up link shows.
#[derive(Clone, Debug)]
pub struct SetupPage<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// Its address.
    pub url: &'a str,
    /// What was wrong, by field `new` or `again`.
    pub problems: &'a [Problem],
}

/// The page behind a set-up link: posts `new` and `again` to its own address.
pub fn set_up(f: &Frame, p: &SetupPage) -> Markup {
    let mut about = About::new("Welcome", Tab::None);
    about.shape = "narrow";
    page(
        f,
        about,
        html! {
            p class="lead" {
                "This link is for " strong { (p.user) } ". Choose a password; afterwards the link is used up."
            }
            (summary(p.problems, |problem| id(&problem.field)))
            form method="post" action=(p.url) class="card" {
                // Password managers need to know whose it is.
                input class="vh" type="text" name="user" value=(p.user)
                    autocomplete="username" readonly tabindex="-1" aria-hidden="true";
                (password_field("new", "New password", p.problems, "new-password"))
                (password_field("again", "New password again", p.problems, "new-password"))
                div class="buttons" { button class="main" type="submit" { "Set the password" } }
            }
        },
    )
}
