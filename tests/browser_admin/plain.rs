//! Everything, without scripts and with them: each model is added to, changed and deleted from, one by
//! one and many at once.

use super::{
    browser::Browser,
    common::{PASSWORD, is_root, until},
    fill, run, signed_in, some_jobs,
};
use thirtyfour::Key;

#[test]
fn everything_is_added_changed_and_deleted_without_scripts() {
    everything_comes_and_goes(false);
}

#[test]
fn everything_is_added_changed_and_deleted_with_scripts() {
    everything_comes_and_goes(true);
}

fn everything_comes_and_goes(javascript: bool) {
    let Some((service, b)) = signed_in(javascript) else { return };
    queues_come_and_go(&b);
    groups_come_and_go(&b);
    users_come_and_go(&b);
    sites_come_and_go(&b);
    what_the_runners_say_is_changed(&b);
    settings_are_changed(&b);
    sessions_and_tokens_end(&b);
    assert_eq!(b.path(), "/admin/tokens");
    drop(service);
}

/// Asks for the history of the thing whose form is shown, and sees a line of it.
fn history_says(b: &Browser, line: &str) {
    b.follow("History");
    b.see("h1", "History:");
    b.see(".history", line);
}

fn queues_come_and_go(b: &Browser) {
    b.go("/admin");
    b.click("a[href='/admin/queues/add']");
    b.see("h1", "Add queue");
    b.write("#f-name", "Not a name!");
    b.click("button[value=list]");
    b.see(".note.bad", "Not a name!");
    assert_eq!(b.value("#f-name"), "Not a name!", "what was typed is still there");
    fill(b, "#f-name", "nightly");
    fill(b, "#f-description", "Built every night");
    b.click("button[value=add]");
    b.see(".flash", "The queue nightly was added.");
    b.see("h1", "Add queue");
    b.write("#f-name", "tests");
    b.click("button[value=list]");
    b.see(".flash", "The queue tests was added.");

    b.follow("nightly");
    b.see("h1", "Change queue nightly");
    fill(b, "#f-slots", "7");
    b.click("button[value=stay]");
    b.see(".flash", "The queue nightly was saved.");
    assert_eq!(b.value("#f-slots"), "7");
    history_says(b, "slots: ");

    b.go("/admin/queues");
    b.write("#q", "night");
    b.click("form.find button");
    assert_eq!(b.count("tbody tr"), 1);
    run(b, "pause", &["nightly"]);
    b.see("h1", "Drain and pause: 1 queue");
    b.write("#f-argument", "disk swap");
    b.click("main form button.main");
    b.see(".flash", "Drain and pause: done for 1 queue.");
    b.see("tbody", "paused");
    b.click(".facets a[href*='open=paused']");
    b.follow("Clear all");

    b.go("/admin/queues");
    run(b, "delete", &["nightly", "tests"]);
    b.see("h1", "Delete 2 queues?");
    b.see("main", "Nothing depends on it.");
    b.click("main button.danger");
    b.see(".flash", "Delete selected queues: done for 2 queues.");
    assert_eq!(b.count("input[value=nightly]"), 0);
    b.go("/admin/queues/web/delete");
    b.see(".dependants", "first start");
    b.follow("No, keep");
    b.see("h1", "Change queue web");
}

fn groups_come_and_go(b: &Browser) {
    b.go("/admin/groups/add");
    b.write("#f-name", "Night shift");
    b.click("input[name=grants][value=submit]");
    b.click("button[value=stay]");
    b.see(".flash", "The group Night shift was added.");
    assert_eq!(b.count("input[name=grants]:checked"), 1);
    b.click("input[name=grants][value=pin]");
    b.click("button[value=list]");
    b.see(".flash", "The group Night shift was saved.");
    b.follow("Night shift");
    assert_eq!(b.count("input[name=grants]:checked"), 2);
    b.follow("Delete");
    b.see("h1", "Delete the group Night shift?");
    b.click("main button.danger");
    b.see(".flash", "The group Night shift was deleted.");
}

fn users_come_and_go(b: &Browser) {
    b.go("/admin/users/add");
    b.write("#f-name", "bo");
    b.write("#f-mail", "nowhere");
    b.click("button[value=list]");
    b.see("#f-mail-bad", "no mail address");
    fill(b, "#f-mail", "bo@example.org");
    b.click("button[value=list]");
    b.see(".note.good", "/setup/");
    b.see("h1", "Change user bo");
    b.click("#f-staff");
    b.click("input[name=groups][value=Viewers]");
    b.click("button[value=list]");
    b.see(".flash", "The user bo was saved.");
    run(b, "disable", &["bo"]);
    b.see(".flash", "Disable: done for 1 user.");
    run(b, "enable", &["bo"]);
    b.see(".flash", "Enable: done for 1 user.");
    run(b, "disable", &["imager"]);
    b.see(".note.bad", "this is you");
    b.follow("Back");
    run(b, "delete", &["bo"]);
    b.see("h1", "Delete the user bo?");
    b.click("main button.danger");
    b.see(".flash", "Delete selected users: done for 1 user.");
    b.go("/admin/users/imager/delete");
    b.see(".note.bad", "cannot be deleted");
    assert_eq!(b.count("main button.danger"), 0);
}

fn sites_come_and_go(b: &Browser) {
    b.go("/admin/sites/add");
    b.write("#f-domain", "images.example.org:80");
    b.write("#f-display_name", "Images");
    b.click("button[value=list]");
    b.see("#f-domain-bad", "no host name");
    fill(b, "#f-domain", "images.example.org");
    b.click("button[value=list]");
    b.see(".flash", "The site images.example.org was added.");
    b.follow("images.example.org");
    fill(b, "#f-display_name", "Other images");
    b.click("button[value=list]");
    b.see("tbody", "Other images");
    run(b, "delete", &["images.example.org"]);
    b.see("h1", "Delete the site images.example.org?");
    b.click("main button.danger");
    b.see(".flash", "Delete selected sites: done for 1 site.");
}

fn what_the_runners_say_is_changed(b: &Browser) {
    b.go("/admin/runners");
    run(b, "off", &["mic"]);
    b.see(".flash", "Switch off: done for 1 runner.");
    b.follow("mic");
    assert_eq!(b.count("#f-on:checked"), 0);
    b.click("#f-on");
    b.click("button[value=list]");
    b.see(".flash", "The runner mic was saved.");
    for (model, key) in [("types", "raw"), ("archs", "x86_64")] {
        b.go(&format!("/admin/{model}"));
        run(b, "hide", &[key]);
        b.see(".flash", "Hide: done for 1");
        b.go(&format!("/admin/{model}/{key}/change"));
        assert_eq!(b.count("#f-hidden:checked"), 1);
        b.click("#f-hidden");
        b.write("#f-label", "Called otherwise");
        b.click("button[value=list]");
        b.see(".flash", &format!("{key} was saved."));
        b.see("tbody", "Called otherwise");
    }
}

fn settings_are_changed(b: &Browser) {
    b.go("/admin/settings");
    b.click("tbody th a");
    b.see("h1", "Change setting");
    let (key, before) = (b.text("h1"), b.value("#f-value"));
    fill(b, "#f-value", "not a value at all");
    b.click("button[value=stay]");
    b.see("#f-value-bad", "not a value");
    fill(b, "#f-value", &before);
    b.click("button[value=stay]");
    b.see(".flash", "was saved.");
    assert_eq!(b.text("h1"), key);
    b.write("#f-value", Key::Control + "a");
    b.write("#f-value", Key::Delete);
    b.click("button[value=list]");
    b.see(".flash", "was saved.");
}

fn sessions_and_tokens_end(b: &Browser) {
    b.go("/account");
    b.write("#f-label", "nightly builds");
    b.click("#tokens form.card button.main");
    b.see(".note.good", "is made");
    b.forget();
    b.sign_in("imager", PASSWORD);
    b.go("/admin/sessions");
    assert_eq!(b.count("tbody tr"), 2, "the browser's own, and the one it forgot");
    b.click("tbody tr:nth-child(2) [name=id]");
    run(b, "delete", &[]);
    b.see("h1", "Delete the session");
    b.click("main button.danger");
    b.see(".flash", "End selected sessions: done for 1 session.");
    assert_eq!(b.count("tbody tr"), 1, "the one that was used last goes on");
    b.go("/admin/tokens");
    b.click("tbody [name=id]");
    run(b, "delete", &[]);
    b.see("h1", "Delete the API token");
    b.click("main button.danger");
    b.see(".flash", "Revoke selected tokens: done for 1 API token.");
    b.see("main", "There are no API tokens yet.");
}

#[test]
fn many_jobs_are_pinned_tagged_and_deleted_without_scripts() {
    many_jobs_are_acted_on(false);
}

#[test]
fn many_jobs_are_pinned_tagged_and_deleted_with_scripts() {
    many_jobs_are_acted_on(true);
}

fn many_jobs_are_acted_on(javascript: bool) {
    if !is_root("mic") {
        return;
    }
    let Some((service, b)) = signed_in(javascript) else { return };
    let jobs = some_jobs(&service, 3);
    b.go("/admin/jobs");
    assert_eq!(b.count("tbody tr"), 3);
    run(&b, "pin", &[&jobs[0].to_string()]);
    b.see(".flash", "Pin: done for 1 image job.");
    run(&b, "tag", &[&jobs[0].to_string(), &jobs[1].to_string()]);
    b.see("h1", "Add tag: 2 image jobs");
    b.write("#f-argument", "two words");
    b.click("main form button.main");
    b.see(".note.bad", "two words");
    fill(&b, "#f-argument", "release");
    b.click("main form button.main");
    b.see(".flash", "Add tag: done for 2 image jobs.");
    b.click(".facets a[href*='tag=release']");
    assert_eq!(b.count("tbody tr"), 2);

    b.click("[name=scope][value=all]");
    run(&b, "cancel", &[]);
    b.see("h1", "Cancel: 2 image jobs");
    b.click("main form button.main");
    b.see(".note.warn", "2 were left alone");
    b.click("[name=scope][value=all]");
    run(&b, "delete", &[]);
    b.see("h1", "Delete the files of 1 image job?");
    b.see(".note.warn", "1 job, ");
    b.see(".totals", "console");
    b.click("main button.danger");
    until("the receipt", || b.path().starts_with("/admin/disk/runs/").then_some(()));
    until("the end of the deletion", || {
        b.reload();
        (!b.page().contains("running")).then_some(())
    });
    b.go("/admin/jobs?files=no");
    assert_eq!(b.count("tbody tr"), 1);
    b.see("tbody", &jobs[1].to_string());
}
