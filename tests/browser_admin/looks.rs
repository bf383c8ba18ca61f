//! Every page of administration as the accessibility checker sees it.

use super::{
    audit::Audit,
    common::{Service, until},
    fill, run, signed_in, some_jobs,
};
use serde_json::json;
use thirtyfour::Key;

#[test]
fn every_page_of_administration_is_accessible_in_both_themes() {
    let Some((service, b)) = signed_in(true) else { return };
    let Some(mut audit) = Audit::of(&b) else { return };
    let jobs = rustix::process::geteuid().is_root();
    if jobs {
        some_jobs(&service, 3);
    }
    for (path, name) in [
        ("/admin", "admin"),
        ("/admin/jobs", "admin-jobs"),
        ("/admin/jobs?o=secrets&state=failed&q=none&date=2026", "admin-jobs-remarks"),
        ("/admin/queues?open=open", "admin-queues"),
        ("/admin/audit", "admin-audit"),
        ("/admin/queues/web/change", "admin-queue"),
        ("/admin/users/imager/change", "admin-user"),
        ("/admin/audit/1/change", "admin-audit-line"),
        ("/admin/queues/web/history", "admin-history"),
        ("/admin/queues/web/delete", "admin-delete"),
        ("/admin/users/imager/delete", "admin-delete-blocked"),
    ] {
        audit.at(path, name);
    }
    for model in
        ["runners", "types", "archs", "groups", "users", "sessions", "tokens", "sites", "settings"]
    {
        audit.glance(&format!("/admin/{model}"), &format!("admin-{model}"));
    }
    for model in ["queues", "groups", "users", "sites"] {
        audit.glance(&format!("/admin/{model}/add"), &format!("admin-{model}-add"));
    }
    pages_that_answer(&mut audit);
    if jobs {
        the_deletion_of_jobs(&mut audit);
    }
    the_palette(&mut audit);
    the_link_page(&mut audit, &service);
    audit.end();
    let meant = [
        "/admin/jobs?o=secrets&state=failed&q=none&date=2026",
        "/admin/queues/web/change",
        "/setup",
    ];
    let complaints = b.complaints(&meant);
    let others = complaints.iter().filter(|c| !c.contains("/setup/"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
}

/// Pages that only come as the answer to something: wrong values, a conflict, a question.
fn pages_that_answer(audit: &mut Audit) {
    let b = audit.b;
    b.go("/admin/queues/web/change");
    fill(b, "#f-slots", "3");
    b.script("document.querySelector('#f-total_timeout').value = 'soon'");
    b.click("button[value=stay]");
    b.see("#f-total_timeout-bad", "soon");
    audit.page("admin-queue-problems");

    b.go("/admin/queues/web/change");
    let saved = b.script_later(
        "const done = arguments[arguments.length - 1];
         const form = document.querySelector('form[data-guard]');
         const typed = new URLSearchParams(new FormData(form));
         typed.set('slots', '9');
         fetch(form.action, { method: 'POST', body: typed }).then((r) => done(r.ok));",
        Vec::new(),
    );
    assert_eq!(saved, json!(true));
    fill(b, "#f-slots", "3");
    b.click("button[value=stay]");
    b.see(".note.bad", "Somebody else has changed this");
    b.see(".conflict", "9");
    audit.page("admin-queue-conflict");

    b.go("/admin/queues");
    run(b, "pause", &["web"]);
    b.see("h1", "Drain and pause: 1 queue");
    audit.page("admin-ask");
}

fn the_deletion_of_jobs(audit: &mut Audit) {
    let b = audit.b;
    b.go("/admin/jobs");
    b.click("[name=scope][value=all]");
    run(b, "delete", &[]);
    b.see("h1", "Delete the files of 3 image jobs?");
    audit.page("admin-delete-jobs");
}

fn the_palette(audit: &mut Audit) {
    let b = audit.b;
    b.go("/admin");
    b.press_with(Key::Control, "k");
    until("the palette", || (b.count(".palette[open] input:focus") == 1).then_some(()));
    b.press("4");
    audit.page("admin-palette");
}

fn the_link_page(audit: &mut Audit, service: &Service) {
    let b = audit.b;
    b.go("/admin/users/add");
    b.write("#f-name", "bo");
    b.click("button[value=list]");
    b.see(".note.good code", "/setup/");
    audit.page("admin-user-link");
    let link = b.text(".note.good code");
    b.forget();
    audit.at(link.strip_prefix(&service.url("")).unwrap(), "setup");
    b.write("#f-new", "short");
    b.write("#f-again", "short");
    b.click("main button");
    b.see("#f-new-bad", "at least 12");
    audit.page("setup-problems");
}
