//! What the pages of the Admin tab have in common: the way between them.

use super::super::frame::{About, Crumb, Frame, Tab, page};
use crate::app::admin::Model;
use maud::{Markup, html};

/// A page of the Admin tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Section {
    Health,
    Disk,
    Schedules,
}

impl Section {
    const ALL: [Self; 3] = [Self::Health, Self::Disk, Self::Schedules];

    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Health => ("Health", "/admin/health"),
            Self::Disk => ("Disk", "/admin/disk"),
            Self::Schedules => ("Schedules", "/admin/schedules"),
        }
    }

    /// The way to a page below this one.
    fn crumb(self) -> Crumb {
        let (label, url) = self.place();
        (label.to_owned(), url.to_owned())
    }
}

/// A page of the Admin tab with the way to the others. `below`: it is not the section's own page.
pub(in super::super) fn admin(
    f: &Frame,
    title: &str,
    (section, below): (Section, bool),
    shape: &'static str,
    body: Markup,
) -> Markup {
    let mut crumbs = vec![("Admin".to_owned(), "/admin".to_owned())];
    crumbs.extend(below.then(|| section.crumb()));
    let mut about = About::new(title, Tab::Admin);
    about.crumbs = &crumbs;
    about.shape = shape;
    about.heading = Some(html! { (sections(section)) h1 { (title) } });
    page(f, about, body)
}

/// The way to a list, or to a page below it.
pub(super) fn crumbs_below(model: Option<&Model>) -> Vec<Crumb> {
    let mut crumbs = vec![("Admin".to_owned(), "/admin".to_owned())];
    crumbs.extend(model.map(|m| (m.many.to_owned(), format!("/admin/{}", m.id))));
    crumbs
}

fn sections(current: Section) -> Markup {
    html! {
        nav class="tabs sub" aria-label="Admin" {
            ul {
                @for section in Section::ALL {
                    @let (label, url) = section.place();
                    li { a href=(url) aria-current=[(section == current).then_some("page")] { (label) } }
                }
            }
        }
    }
}
