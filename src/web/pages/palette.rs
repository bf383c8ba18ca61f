//! The palette: one field from which every page is a few letters away.

use super::logline::plain;
use maud::{Markup, html};

/// Where jobs are; only who may go there is offered to look for one.
const JOBS: &str = "/queue";
/// What the number of a job looks like.
const NUMBER: &str = "^[1-9][0-9]{0,17}$";
/// Any text at all.
const ANYTHING: &str = ".";

/// The fragment a script fetches once and opens with Ctrl+K: a dialog with a field and the links
/// (label, address, group), in their order. A number leads to the job as well, if the links have
/// `/queue`, and any text to a search there. The script hides what does not fit what is typed.
pub fn palette(links: &[(String, String, &'static str)]) -> Markup {
    let jobs = links.iter().any(|(_, url, _)| url == JOBS);
    html! {
        dialog class="palette" closedby="any" aria-label="Go to a page" {
            input type="text" aria-label="Page, job number or search text" autofocus maxlength="100"
                placeholder="Page, job number or search text" autocomplete="off" autocapitalize="none"
                spellcheck="false" enterkeyhint="go";
            p class="vh" role="status" {}
            ul {
                @if jobs { (typed(NUMBER, "/jobs/", "Job ", "by number")) }
                @for (label, url, group) in links {
                    li { a href=(url) { (plain(label)) " " small { (group) } } }
                }
                @if jobs { (typed(ANYTHING, "/queue?q=", "Search jobs for ", "queue")) }
            }
        }
    }
}

/// A link that is made of what is typed, as soon as that fits `pattern`.
fn typed(pattern: &str, to: &str, label: &str, group: &str) -> Markup {
    html! {
        li hidden data-typed=(pattern) data-to=(to) {
            a href=(JOBS) { (label) b {} " " small { (group) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(label: &str, url: &str, group: &'static str) -> (String, String, &'static str) {
        (label.to_owned(), url.to_owned(), group)
    }

    #[test]
    fn links_are_escaped_and_keep_their_order() {
        let links = [link("A <b>", "/a?x=1&y=2", "Auth"), link("Disk", "/admin/disk", "System")];
        let html = palette(&links).into_string();
        let first = r#"<li><a href="/a?x=1&amp;y=2">A &lt;b&gt; <small>Auth</small></a></li>"#;
        let second = r#"<li><a href="/admin/disk">Disk <small>System</small></a></li>"#;
        assert!(html.contains(&format!("{first}{second}")), "{html}");
    }

    #[test]
    fn jobs_are_offered_only_to_those_who_may_see_them() {
        let without = palette(&[link("Disk", "/admin/disk", "System")]).into_string();
        assert!(!without.contains("/jobs/") && !without.contains("/queue"), "{without}");
        let with = palette(&[link("Queue", "/queue", "Jobs")]).into_string();
        let at = |text: &str| with.find(text).unwrap();
        assert!(at(r#"data-to="/jobs/""#) < at("Queue <small>"), "a number comes first");
        assert!(at("Queue <small>") < at(r#"data-to="/queue?q=""#), "a search comes last");
    }

    #[test]
    fn only_what_can_be_the_number_of_a_job_looks_like_one() {
        let number = regex::Regex::new(NUMBER).unwrap();
        for good in ["1", "42", "999999999999999999"] {
            assert!(
                number.is_match(good) && good.parse::<crate::domain::JobId>().is_ok(),
                "{good}"
            );
        }
        for bad in ["", "0", "007", "-1", "4 2", "9999999999999999999999"] {
            assert!(!number.is_match(bad), "{bad}");
        }
    }
}
