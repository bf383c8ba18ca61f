//! Every page with data that looks like life. With `IMG_GALLERY=DIR` the pages and their files are
//! written there, to be looked at.

use super::{
    every::every_page,
    html::{Tag, tags},
    sample::Sample,
};
use crate::web::pages::{Theme, assets};
use std::{collections::HashSet, fs, path::Path};

fn pages(theme: Theme) -> Vec<(&'static str, String)> {
    let sample = Sample { theme, ..Sample::default() };
    every_page(&sample).into_iter().map(|(name, page)| (name, page.into_string())).collect()
}

#[test]
fn the_gallery_can_be_written() {
    let Some(dir) = std::env::var_os("IMG_GALLERY") else { return };
    let dir = Path::new(&dir);
    fs::create_dir_all(dir.join("ui")).unwrap();
    for name in ["style.css", "app.js", "log.css", "log.js", "icons.svg", "favicon.svg"] {
        fs::write(dir.join("ui").join(name), assets::get(name).unwrap().bytes).unwrap();
    }
    for theme in Theme::ALL {
        for (name, page) in pages(theme) {
            fs::write(dir.join(format!("{name}-{}.html", theme.as_str())), page).unwrap();
        }
    }
}

/// Readable in a diff, and the same whatever the style sheet is.
fn stable(page: &str) -> String {
    let version = regex::Regex::new(r"\?v=[0-9a-f]{12}").unwrap();
    let page = version.replace_all(page, "?v=…");
    page.replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<")
}

#[test]
fn pages_stay_as_they_are() {
    for (name, page) in pages(Theme::Auto) {
        insta::with_settings!({ prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, stable(&page));
        });
    }
}

fn whole(name: &str) -> bool {
    !matches!(name, "inspect" | "palette")
}

#[test]
fn every_page_has_one_main_heading_and_its_landmarks() {
    for (name, page) in pages(Theme::Dark).into_iter().filter(|(name, _)| whole(name)) {
        let all = tags(&page);
        for once in ["h1", "main", "title"] {
            assert_eq!(all.iter().filter(|t| t.name == once).count(), 1, "{name}: {once}");
        }
        for class in ["top", "foot", "skip"] {
            assert!(all.iter().any(|t| t.get("class") == Some(class)), "{name}: {class}");
        }
        assert_eq!(all[0].get("lang"), Some("en"));
        assert_eq!(all[0].get("data-theme"), Some("dark"));
    }
}

#[test]
fn ids_are_unique_and_everything_that_refers_to_one_finds_it() {
    for (name, page) in pages(Theme::Auto) {
        let all = tags(&page);
        let ids: Vec<_> = all.iter().filter_map(|t| t.get("id")).collect();
        let known: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), known.len(), "{name}: an id is there twice");
        for tag in &all {
            for id in referred(tag) {
                assert!(known.contains(id), "{name}: {tag:?} refers to {id}");
            }
        }
    }
}

fn referred(tag: &Tag) -> Vec<&str> {
    let of = |name: &str| tag.get(name).unwrap_or_default().split(' ').filter(|id| !id.is_empty());
    let anchor = tag.get("href").and_then(|h| h.strip_prefix('#'));
    of("for").chain(of("aria-describedby")).chain(of("aria-labelledby")).chain(anchor).collect()
}

#[test]
fn every_control_has_a_name() {
    for (name, page) in pages(Theme::Auto) {
        let all = tags(&page);
        let labelled: HashSet<_> = all.iter().filter_map(|t| t.get("for")).collect();
        for tag in all.iter().filter(|t| matches!(t.name.as_str(), "input" | "select" | "textarea"))
        {
            let inside = matches!(tag.get("type"), Some("radio" | "checkbox" | "hidden"));
            let hidden = tag.get("aria-hidden").is_some();
            let named = tag.get("aria-label").is_some()
                || tag.get("id").is_some_and(|id| labelled.contains(id));
            assert!(inside || hidden || named, "{name}: {tag:?}");
        }
    }
}

#[test]
fn every_post_form_of_a_signed_in_person_has_the_token() {
    for (name, page) in pages(Theme::Auto) {
        for form in page.split("<form ").skip(1).filter(|f| f.starts_with("method=\"post\"")) {
            let form = form.split("</form>").next().unwrap();
            let signed_out = ["/login", "/setup/"].map(|to| format!("action=\"{to}"));
            let signed_out = signed_out.iter().any(|action| form.contains(action));
            let token = form.contains("name=\"csrf\" value=\"c5f3a1\"");
            assert!(token != signed_out, "{name}: {form:.80}");
        }
    }
}

#[test]
fn the_tabs_are_those_of_the_first_img() {
    let (_, page) = pages(Theme::Auto).into_iter().find(|(name, _)| *name == "start").unwrap();
    let at = |word: &str| page.find(&format!(">{word}</")).unwrap();
    let order = ["Admin", "Submit", "Queue", "Logout"].map(at);
    assert!(order.is_sorted());
    assert!(page.contains("Create an image"));
    assert!(page.contains("Look at the image creating job queue"));
}

#[test]
fn a_definition_comes_back_as_it_was_typed() {
    let (_, page) =
        pages(Theme::Auto).into_iter().find(|(name, _)| *name == "submit-problems").unwrap();
    assert!(page.contains("&lt;done&gt; &amp; dusted"));
    assert!(page.contains("href=\"#f-name\""));
    assert!(page.contains("href=\"#f-option-mic-release\""));
    assert!(page.contains("aria-describedby=\"f-name-bad\" aria-invalid=\"true\""));
}
