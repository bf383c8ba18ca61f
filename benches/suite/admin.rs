//! The Admin tab with 100,000 jobs: lists, searches, forms, and what asks before all are deleted.

use crate::{
    http::{Answer, Client},
    pages::seeded,
    report::{Report, quantile},
};
use std::time::Instant;

const JOBS: u64 = 100_000;
/// Times each page is asked for.
const TIMES: usize = 60;
/// Times it is asked whether all are to be deleted.
const ASKED: usize = 15;
const FORM: &str = "/admin/queues/web/change";
const FIGURES: [&str; 8] = [
    "admin_list_ms",
    "admin_search_ms",
    "admin_filter_ms",
    "admin_page500_ms",
    "admin_form_ms",
    "admin_delete_all_ms",
    "admin_delete_all_kb",
    "admin_rss_growth_mb",
];

/// `admin_*`.
pub fn pages(report: &mut Report) {
    if !report.wants(&FIGURES) {
        return;
    }
    let service = seeded(JOBS);
    let mut client = service.session();
    // The first list waits for the table to be in memory; that is said beside the figure.
    let begun = Instant::now();
    assert_eq!(client.get("/admin/jobs").status, 200);
    let first = begun.elapsed().as_secs_f64() * 1e3;
    // Everything once, so that what is only kept in memory from then on is there.
    for path in
        ["/admin/jobs?q=image-77", "/admin/jobs?queue=api&owner=cy", "/admin/jobs?o=name", FORM]
    {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    for _ in 0..ASKED {
        ask_delete_all(&mut client);
    }
    let before = service.rss();
    let mut time = |path: &str| median(&mut client, path);
    report.add(
        "admin_list_ms",
        time("/admin/jobs"),
        format!("100,000 jobs; the first one {first:.0} ms"),
    );
    let search = time("/admin/jobs?q=image-77").max(time("/admin/jobs?q=nothing-has-this-name"));
    report.add(
        "admin_search_ms",
        search,
        "the slower of a text that many have and one that none has",
    );
    let filter = time("/admin/jobs?queue=api&owner=cy");
    report.add("admin_filter_ms", filter, "two filters, all their counts");
    let sorted = time("/admin/jobs?o=name");
    let far = "/admin/jobs?after=75000&size=50";
    let late = time(far).max(time("/admin/jobs?o=name&after=75000&at=image-250"));
    report.add(
        "admin_page500_ms",
        late,
        format!("by number and by name; page 1 by name {sorted:.1} ms"),
    );
    report.add("admin_form_ms", time(FORM), "the form of a queue");
    let (mut took, mut bytes) = (Vec::new(), 0);
    for _ in 0..ASKED {
        let (ms, size) = ask_delete_all(&mut client);
        took.push(ms);
        bytes = size;
    }
    report.add(
        "admin_delete_all_ms",
        quantile(&mut took, 0.5),
        "the page that asks for all 100,000",
    );
    report.add("admin_delete_all_kb", bytes as f64 / 1e3, "its size");
    let growth = service.rss().saturating_sub(before) as f64 / 1e6;
    report.add("admin_rss_growth_mb", growth, "the server after all of these again, against once");
    service.end();
}

/// Asks whether all are to be deleted; milliseconds of the answer and its bytes.
fn ask_delete_all(client: &mut Client) -> (f64, usize) {
    let page = client.get("/admin/jobs");
    let (print, csrf) = (hidden(&page, "print"), hidden(&page, "csrf"));
    let fields = [
        ("csrf", csrf.as_str()),
        ("action", "delete"),
        ("scope", "all"),
        ("list", ""),
        ("print", &print),
    ];
    let begun = Instant::now();
    let asked = client.form("/admin/jobs/action", &fields);
    let took = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(asked.status, 200, "{}", asked.text());
    assert!(asked.text().contains("Yes, delete"), "{}", asked.text());
    (took, asked.text().len())
}

fn median(client: &mut Client, path: &str) -> f64 {
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            let answer = client.get(path);
            let took = begun.elapsed().as_secs_f64() * 1e3;
            assert_eq!(answer.status, 200, "{path}");
            took
        })
        .collect();
    quantile(&mut times, 0.5)
}

/// The value of a hidden field.
fn hidden(page: &Answer, name: &str) -> String {
    let text = page.text();
    let mark = format!("name=\"{name}\" value=\"");
    let at = text.find(&mark).unwrap_or_else(|| panic!("no field {name}")) + mark.len();
    text[at..].split('"').next().unwrap().to_owned()
}
