//! Sizes that pages and their files keep to.

use super::{
    admin::known,
    admin_acts::all_jobs,
    admin_pages::jobs_of,
    sample::{NOW, Sample},
};
use crate::{
    app::{
        QueueView, SessionView,
        admin::{ListQuery, SIZES},
    },
    domain::{JobId, JobName},
    web::pages::{
        Frame, QueueQuery, Theme,
        admin::{AdminListPage, list},
        assets, queue, queue_row,
    },
};

fn bytes(name: &str) -> usize {
    assets::get(name).unwrap().bytes.len()
}

#[test]
fn style_and_script_are_small() {
    assert!(bytes("style.css") <= 24 * 1024, "style.css has {}", bytes("style.css"));
    assert!(bytes("app.js") <= 20 * 1024, "app.js has {}", bytes("app.js"));
    // Only where a log is shown.
    assert!(bytes("log.css") <= 4 * 1024, "log.css has {}", bytes("log.css"));
    assert!(bytes("log.js") <= 8_700, "log.js has {}", bytes("log.js"));
    assert!(bytes("icons.svg") <= 4 * 1024);
}

#[test]
fn files_have_an_address_that_changes_with_them() {
    for name in ["style.css", "app.js", "log.css", "log.js", "icons.svg", "favicon.svg"] {
        let asset = assets::get(name).unwrap();
        assert_eq!(assets::url(name), format!("/ui/{name}?v={}", &asset.hash[..12]));
    }
    assert!(assets::get("../Cargo.toml").is_none());
    assert!(assets::get("").is_none());
}

fn frame<'a>(session: &'a SessionView, path: &'a str) -> Frame<'a> {
    Frame {
        site: "IMG",
        path,
        theme: Theme::Auto,
        session: Some(session),
        now: NOW,
        request_id: "01JDK3Q8",
        flash: None,
    }
}

fn hundred_rows() -> String {
    let s = Sample::default();
    let kinds = [s.queued(), s.building(), s.done(), s.failed(), s.cancelled()];
    let mut rows = Vec::new();
    for (n, view) in (0u64..100).zip(kinds.iter().cycle()) {
        let mut view = view.clone();
        view.job.id = JobId::new(1_000_000 + n).unwrap();
        view.job.name = JobName::new("handset-community-edition").unwrap();
        rows.push(view);
    }
    let session = s.session();
    let f = frame(&session, "/queue?size=100");
    let view = QueueView { rows, ..s.queue() };
    queue(&f, &view, &QueueQuery { size: 100, ..QueueQuery::default() }).into_string()
}

#[test]
fn a_hundred_rows_are_at_most_sixty_kilobytes() {
    let page = hundred_rows();
    assert_eq!(page.matches("<tr id=\"job-").count(), 100);
    assert!(page.len() <= 60_000, "{} bytes", page.len());
}

#[test]
fn a_row_sent_alone_is_the_row_of_the_page() {
    let s = Sample::default();
    let row = queue_row(&s.building(), NOW, &s.session().csrf).into_string();
    assert!(!row.contains('\n'), "an event is one line");
    assert!(row.starts_with("<tr id=\"job-42\"") && row.ends_with("</tr>"));
}

#[test]
fn a_list_of_a_hundred_jobs_is_at_most_sixty_kilobytes() {
    let (s, model) = (Sample::default(), known("jobs"));
    let query = ListQuery { limit: SIZES[2], ..ListQuery::of(model) };
    let found = s.list_page(model, jobs_of(&s, 100));
    let session = s.session();
    let asked = AdminListPage { model, query: &query, list: &found, remarks: &[], result: None };
    let page = list(&frame(&session, "/admin/jobs?size=100"), &asked).into_string();
    assert_eq!(page.matches("name=\"id\"").count(), 100);
    assert!(page.len() <= 60_000, "{} bytes", page.len());
}

#[test]
fn asking_before_a_hundred_thousand_jobs_takes_at_most_thirty_kilobytes() {
    let s = Sample::default();
    let session = s.session();
    let page = all_jobs(&s, &frame(&session, "/admin/jobs/action"), &s.deletion(50)).into_string();
    assert_eq!(page.matches("<li><a href=\"/jobs/").count(), 50);
    assert_eq!(page.matches("<th scope=\"row\">").count(), 40);
    assert!(page.len() <= 30_000, "{} bytes", page.len());
}
