//! What surrounds every page: head, skip link, header with the tabs, flash message, footer.

use super::{assets, human};
use crate::{
    app::SessionView,
    domain::{Timestamp, Verb},
};
use maud::{DOCTYPE, Markup, html};

/// What every page needs besides its own data.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The site's display name.
    pub site: &'a str,
    /// Path and query of this page: where "after that" forms come back to.
    pub path: &'a str,
    /// The colours that were chosen.
    pub theme: Theme,
    /// Who looks; `None` before signing in.
    pub session: Option<&'a SessionView>,
    /// Server time.
    pub now: Timestamp,
    /// Reference that the log knows, too.
    pub request_id: &'a str,
    /// What the last change brought about.
    pub flash: Option<Flash>,
}

/// Which colours a page is shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the browser likes it.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// Every theme, in the order pages offer them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// The theme's word, as the cookie and the form have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Auto => "As the browser",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }
}

/// A message about the last change, shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// Whether it worked.
    pub kind: FlashKind,
    /// One sentence.
    pub text: String,
}

/// Whether a change worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashKind {
    /// It did.
    Done,
    /// It did not.
    Problem,
}

/// The tab a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Admin,
    Submit,
    Queue,
    Account,
    None,
}

/// One step of the way to a page: label and address.
pub(super) type Crumb = (String, String);

/// What a page says of itself.
pub(super) struct About<'a> {
    pub(super) title: &'a str,
    pub(super) tab: Tab,
    pub(super) crumbs: &'a [Crumb],
    /// Drawn instead of the plain title where a heading needs more than text.
    pub(super) heading: Option<Markup>,
    /// The right-hand column.
    pub(super) aside: Option<Markup>,
    /// A class of `main`, for pages with a shape of their own.
    pub(super) shape: &'static str,
    /// A log is shown, which has a script and a style of its own.
    pub(super) log: bool,
}

impl<'a> About<'a> {
    pub(super) fn new(title: &'a str, tab: Tab) -> Self {
        Self { title, tab, crumbs: &[], heading: None, aside: None, shape: "", log: false }
    }
}

/// A whole page.
pub(super) fn page(f: &Frame, about: About, body: Markup) -> Markup {
    let theme = (f.theme != Theme::Auto).then_some(f.theme.as_str());
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme] {
            (head(f, &about))
            body {
                a class="skip" href="#main" { "Skip to the content" }
                (header(f, about.tab))
                div class="page" {
                    (crumbs(about.crumbs))
                    div class={ "columns " (about.shape) } {
                        main id="main" tabindex="-1" {
                            @if let Some(flash) = &f.flash { (flash_message(flash)) }
                            @match about.heading {
                                Some(heading) => (heading),
                                None => h1 { (about.title) },
                            }
                            (body)
                        }
                        @if let Some(aside) = about.aside { (aside) }
                    }
                }
                (footer(f))
            }
        }
    }
}

fn head(f: &Frame, about: &About) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (about.title) " · " (f.site) }
            link rel="icon" type="image/svg+xml" href=(assets::url("favicon.svg"));
            link rel="stylesheet" href=(assets::url("style.css"));
            script src=(assets::url("app.js")) defer {}
            @if about.log {
                link rel="stylesheet" href=(assets::url("log.css"));
                script src=(assets::url("log.js")) defer {}
            }
        }
    }
}

fn header(f: &Frame, tab: Tab) -> Markup {
    html! {
        header class="top" {
            a class="brand" href="/" { (logo()) span { (f.site) } }
            @if let Some(session) = f.session.filter(|s| !s.only_set_password) {
                nav class="tabs" aria-label="Main" { (tabs(session, tab)) }
            } @else if let Some(session) = f.session {
                nav class="tabs" aria-label="Main" { ul { li { (logout(session)) } } }
            }
        }
    }
}

fn tabs(session: &SessionView, tab: Tab) -> Markup {
    let verbs = session.actor.verbs;
    let admin = session.actor.staff;
    let current = |here: Tab| (tab == here).then_some("page");
    html! {
        ul {
            @if admin { li { a href="/admin" aria-current=[current(Tab::Admin)] { "Admin" } } }
            @if verbs.has(Verb::Submit) {
                li { a href="/submit" aria-current=[current(Tab::Submit)] { "Submit" } }
            }
            @if verbs.has(Verb::ViewJobs) {
                li { a href="/queue" aria-current=[current(Tab::Queue)] { "Queue" } }
            }
            li class="who" {
                a href="/account" aria-current=[current(Tab::Account)] title="Your account" {
                    (icon("user")) span { (session.actor.user) }
                }
            }
            li { (logout(session)) }
        }
    }
}

fn logout(session: &SessionView) -> Markup {
    html! {
        form method="post" action="/logout" {
            (csrf(session))
            button class="tab" type="submit" { "Logout" }
        }
    }
}

fn crumbs(crumbs: &[Crumb]) -> Markup {
    html! {
        @if !crumbs.is_empty() {
            nav class="crumbs" aria-label="Breadcrumbs" {
                ol { @for (label, url) in crumbs { li { a href=(url) { (label) } } } }
            }
        }
    }
}

fn flash_message(flash: &Flash) -> Markup {
    let (role, class, shape) = match flash.kind {
        FlashKind::Done => ("status", "flash good", "done"),
        FlashKind::Problem => ("alert", "flash bad", "alert"),
    };
    html! {
        div class=(class) role=(role) tabindex="-1" data-flash { (icon(shape)) p { (flash.text) } }
    }
}

fn footer(f: &Frame) -> Markup {
    html! {
        footer class="foot" {
            span { "IMG " (env!("CARGO_PKG_VERSION")) }
            span { "Server time " (human::time_with_id(f.now, "server-time")) " UTC" }
            span { "Request " code { (f.request_id) } }
        }
    }
}

/// The hidden field without which no form of a signed-in person is carried out.
pub(super) fn csrf(session: &SessionView) -> Markup {
    csrf_field(&session.csrf)
}

/// As [`csrf`], where only the token is at hand.
pub(super) fn csrf_field(token: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(token); }
}

/// A drawing of the sprite; the text beside it says the same.
pub(super) fn icon(name: &str) -> Markup {
    html! {
        svg class="i" aria-hidden="true" focusable="false" {
            use href={ (assets::url("icons.svg")) "#" (name) } {}
        }
    }
}

fn logo() -> Markup {
    html! {
        svg class="logo" viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            path d="M12 2 21 7v10l-9 5-9-5V7z" {}
            path class="in" d="M12 12 21 7M12 12 3 7M12 12v10" {}
        }
    }
}
