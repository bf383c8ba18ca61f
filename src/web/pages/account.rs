//! One's own account.

use super::{
    PasswordPage, Theme,
    field::{Field, id, summary},
    frame::{About, Frame, Tab, csrf_field, icon, page},
    head::fact,
    human,
    logline::plain,
    signin::password_form,
};
use crate::{
    app::{AccountView, NewToken, Problem, SessionRecord, TokenRecord},
    domain::{User, Verb, Verbs},
};
use maud::{Markup, html};

/// What the account page shows besides the account.
#[derive(Clone, Debug)]
pub struct AccountPage<'a> {
    /// A token that was just made: the only time its secret is seen.
    pub new_token: Option<&'a NewToken>,
    /// What was wrong, by field `label`, `scope` or `days`.
    pub problems: &'a [Problem],
}

/// Days a token may live, as the form offers them; none is for ever.
const LIVES: [(&str, &str); 5] =
    [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("1", "1 day"), ("", "no end")];

/// One's own account. The token form posts `label`, any number of `scope` (verb words) and
/// `days` (empty: no end).
pub fn account(f: &Frame, v: &AccountView, p: &AccountPage) -> Markup {
    let mut about = About::new("Your account", Tab::Account);
    about.shape = "account";
    let token = f.session.map_or("", |s| &s.csrf);
    let verbs = f.session.map_or(Verbs::NONE, |s| s.actor.verbs);
    page(
        f,
        about,
        html! {
            (summary(p.problems, |problem| id(&problem.field)))
            @if let Some(new) = p.new_token { (fresh(new)) }
            div class="split" {
                section { h2 { "Profile" } (profile(&v.user, verbs)) h2 { "Colours" } (theme(f, token)) }
                section {
                    h2 { "Password" }
                    (password_form(f, &PasswordPage { problems: &[], ask_old: true, next: "/account" }))
                }
            }
            section { h2 { "Sessions" } (sessions(f, v, token)) }
            section id="tokens" {
                h2 { "API tokens" }
                (tokens(f, &v.tokens, token))
                (token_form(p, verbs, token))
            }
        },
    )
}

fn profile(user: &User, verbs: Verbs) -> Markup {
    html! {
        dl class="facts" {
            (fact("User", html! { (user.name) }))
            @if !user.full_name.is_empty() { (fact("Name", plain(&user.full_name))) }
            @if !user.mail.is_empty() { (fact("Mail", plain(&user.mail))) }
            (fact("Member since", human::time(user.created)))
            @if let Some(at) = user.last_login { (fact("Last login", human::time(at))) }
            @if !user.groups.is_empty() {
                (fact("Groups", html! {
                    ul class="words" { @for group in &user.groups { li { (group) } " " } }
                }))
            }
            (fact("May", html! {
                ul class="words" { @for verb in verbs.iter() { li { (verb.as_str()) } " " } }
            }))
        }
    }
}

fn theme(f: &Frame, token: &str) -> Markup {
    html! {
        form method="post" action="/account/theme" class="row" {
            (csrf_field(token))
            input type="hidden" name="next" value=(f.path);
            fieldset class="choice" {
                legend class="vh" { "Colours" }
                @for theme in Theme::ALL {
                    label {
                        input type="radio" name="theme" value=(theme.as_str()) checked[theme == f.theme];
                        " " (theme.label())
                    }
                }
            }
            button type="submit" { "Use" }
        }
    }
}

fn sessions(f: &Frame, v: &AccountView, token: &str) -> Markup {
    let own = f.session.map(|s| s.id_hash);
    html! {
        table class="stack" {
            thead {
                tr {
                    th scope="col" { "From" } th scope="col" { "Browser" } th scope="col" { "Last used" }
                    th scope="col" { "Since" } th scope="col" { "Action" }
                }
            }
            tbody {
                @for session in &v.sessions { (session_row(f, session, own == Some(session.id_hash), token)) }
            }
        }
        @if v.sessions.len() > 1 {
            form method="post" action="/account/sessions/end-others" {
                (csrf_field(token))
                button type="submit" { "End all other sessions" }
            }
        }
    }
}

fn session_row(f: &Frame, session: &SessionRecord, own: bool, token: &str) -> Markup {
    html! {
        tr {
            th scope="row" { (plain(&session.peer)) }
            td { (plain(&session.agent)) }
            td { (human::relative(session.last_used, f.now)) }
            td { (human::time(session.created)) }
            td {
                @if own { span class="meta" { "this one" } }
                @else {
                    form method="post" action="/account/sessions/end" {
                        (csrf_field(token))
                        input type="hidden" name="id"
                            value=(data_encoding::HEXLOWER.encode(&session.id_hash));
                        button class="small" type="submit" {
                            "End" span class="vh" { " the session from " (plain(&session.peer)) }
                        }
                    }
                }
            }
        }
    }
}

fn fresh(new: &NewToken) -> Markup {
    html! {
        div class="note good" role="status" tabindex="-1" data-flash {
            (icon("key"))
            div {
                p {
                    strong { "The token " (plain(&new.record.label)) " is made." }
                    " Copy it now: it is not shown again."
                }
                p { code class="secret" { (new.secret) } }
                p class="meta" { "Send it as " code { "Authorization: Bearer …" } }
            }
        }
    }
}

fn tokens(f: &Frame, tokens: &[TokenRecord], csrf: &str) -> Markup {
    html! {
        @if tokens.is_empty() {
            p class="empty" { "You have no tokens. Scripts sign in with one instead of a password." }
        } @else {
            table class="stack" {
                thead {
                    tr {
                        th scope="col" { "Label" } th scope="col" { "Begins with" } th scope="col" { "May" }
                        th scope="col" { "Ends" } th scope="col" { "Last used" } th scope="col" { "Action" }
                    }
                }
                tbody { @for token in tokens { (token_row(f, token, csrf)) } }
            }
        }
    }
}

fn token_row(f: &Frame, token: &TokenRecord, csrf: &str) -> Markup {
    html! {
        tr {
            th scope="row" { (plain(&token.label)) }
            td { code { (token.prefix) "…" } }
            td { ul class="words" { @for verb in token.scope.iter() { li { (verb.as_str()) } " " } } }
            td {
                @match token.expires {
                    Some(at) => (human::relative(at, f.now)),
                    None => "no end",
                }
            }
            td {
                @match token.last_used {
                    Some(at) => (human::relative(at, f.now)),
                    None => "never",
                }
            }
            td {
                form method="post" action="/account/tokens/revoke" {
                    (csrf_field(csrf))
                    input type="hidden" name="prefix" value=(token.prefix);
                    button class="small danger" type="submit" {
                        "Revoke" span class="vh" { " " (plain(&token.label)) }
                    }
                }
            }
        }
    }
}

fn token_form(p: &AccountPage, verbs: Verbs, csrf: &str) -> Markup {
    html! {
        form method="post" action="/account/tokens" class="card" {
            h3 { "Make a token" }
            (csrf_field(csrf))
            (label_field(p.problems))
            (scope_field(p.problems, verbs))
            (days_field(p.problems))
            div class="buttons" { button class="main" type="submit" { "Make the token" } }
        }
    }
}

fn label_field(problems: &[Problem]) -> Markup {
    let field = Field::new("label", "What it is for", problems);
    field.around(html! {
        input id=(field.id) name="label" type="text" required maxlength="80" autocomplete="off"
            placeholder="nightly builds"
            aria-describedby=[field.described()] aria-invalid=[field.invalid()];
    })
}

fn scope_field(problems: &[Problem], verbs: Verbs) -> Markup {
    let field = Field::new("scope", "What it may do", problems);
    let class = if field.invalid().is_some() { "checks bad" } else { "checks" };
    html! {
        fieldset class=(class) id=(field.id) tabindex="-1" {
            legend { (field.label) }
            @for verb in verbs.iter().filter(|v| v.is_for_tokens()) {
                label {
                    input type="checkbox" name="scope" value=(verb.as_str())
                        checked[matches!(verb, Verb::ViewJobs | Verb::Submit)];
                    " " (verb.as_str())
                }
            }
            (field.below())
        }
    }
}

fn days_field(problems: &[Problem]) -> Markup {
    let field = Field::new("days", "How long", problems);
    field.around(html! {
        select id=(field.id) name="days" aria-describedby=[field.described()] {
            @for (days, label) in LIVES { option value=(days) { (label) } }
        }
    })
}
