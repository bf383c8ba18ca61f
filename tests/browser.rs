//! What people do in a browser, from the first login to the image in their hands: with scripts,
//! without them, by keyboard alone; and every page as the accessibility checker sees it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "an assumption that fails is a test that fails, and the browser's driver is a program"
)]

#[path = "support/audit.rs"]
mod audit;
#[path = "support/browser.rs"]
mod browser;
#[path = "support/builder.rs"]
mod builder;
mod common;

use audit::Audit;
use browser::Browser;
use common::{PASSWORD, Service, is_root, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use thirtyfour::Key;

/// Bytes of the pretended image.
const IMAGE: usize = 1 << 20;

/// A kickstart that makes the pretended mic behave as `how` says.
fn kickstart(how: &str) -> String {
    format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\nrootpw --plaintext secret-of-root\n\
         part / --size 400 --fstype ext4 --ondisk=sda\nrepo --name=oss --baseurl=http://repo.example/oss\n\
         %packages\nbusybox\n%end\n"
    )
}

fn file(service: &Service, how: &str) -> PathBuf {
    service.write(&format!("{how}.ks"), &kickstart(how))
}

/// Fills in a new submit form as far as every journey needs it.
fn choose_raw(b: &Browser) {
    b.click("#f-image_type option[data-runner=mic][value=raw]");
    b.write("#f-arch", "x86_64");
}

fn upload(b: &Browser, file: &Path) {
    b.go("/submit");
    b.write("#f-file", file.to_str().unwrap());
}

/// The number of the job whose page is shown.
fn job_shown(b: &Browser) -> u64 {
    b.see("h1 .no", "Job ");
    b.path().strip_prefix("/jobs/").unwrap().parse().unwrap()
}

/// From the new box to a password of one's own.
fn first_login(b: &Browser) {
    b.go("/");
    assert!(b.path().starts_with("/login"), "{}", b.path());
    b.see("main", "This box is new.");
    b.write("#f-name", "imager");
    b.write("#f-password", "imager");
    b.click("main button");
    b.see("h1", "Set a password");
    b.go("/queue");
    b.see("h1", "Set a password");

    b.write("#f-new", "short");
    b.write("#f-again", "short");
    b.click("main button");
    b.see("#f-new-bad", "at least 12");
    b.write("#f-new", PASSWORD);
    b.write("#f-again", PASSWORD);
    b.click("main button");
    until("a page beyond", || (!b.path().starts_with("/password")).then_some(()));
    b.go("/");
    b.see("h1", "Image building");
    assert_eq!(b.path(), "/");
}

fn files_are_there(b: &Browser, id: u64) {
    b.go(&format!("/jobs/{id}/files"));
    // SHA-256 of 1 MiB of zeros.
    let sum = "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58";
    b.see("table.files", sum);
    let (said, bytes) = b.download(&format!("/jobs/{id}/image"));
    assert!(said.contains("slow-sda.raw"), "{said}");
    assert_eq!(bytes, vec![0; IMAGE]);
}

/// Of two images of one recipe the older one would go: it is kept longer, pinned, let go of and
/// deleted by hand; then a cleanup runs.
fn the_disk_is_looked_after(b: &Browser, older: u64) {
    b.follow("Admin");
    b.see("h1", "Administration");
    b.follow("Disk and cleanup");
    b.see("h1", "Disk");
    b.click(&format!("a[href='/jobs/{older}/keep?next=/admin/disk']"));
    b.see("h1", &format!("Keep job {older} longer"));
    b.click("input[name=until][value=date]");
    b.click("main form button.main");
    b.see("#f-until-bad", "no day was chosen");
    b.click("main fieldset label:nth-of-type(3) input");
    b.click("main form button.main");
    b.wait_path("/admin/disk");
    b.see(".flash", "are kept longer");
    b.click(&format!("form[action='/jobs/{older}/pin'] button"));
    b.see(".flash", "are pinned");
    assert_eq!(b.count(&format!("form[action='/jobs/{older}/pin']")), 0, "it no longer goes next");

    b.go(&format!("/jobs/{older}"));
    b.see("#head", "pinned by imager");
    b.click(&format!("form[action='/jobs/{older}/unpin'] button"));
    b.see(".flash", "no longer pinned");
    b.see("#head", "images until");
    b.follow("Delete");
    b.see("h1", &format!("Delete the files of job {older}?"));
    b.see("table.files", "slow-sda.raw");
    b.click("main button.danger");
    b.see(".flash", "are deleted");
    b.see("#results", "Files deleted on");
    assert_eq!(b.count("#actions a.main, table.files"), 0, "nothing leads to what is gone");
    b.follow("Queue");
    b.see(&format!("#job-{older} td:last-child"), "deleted");

    b.go("/admin/disk");
    b.follow("Preview");
    b.see("h1", "What a cleanup would do now");
    b.click("form[action='/admin/disk/run'] button");
    b.see(".flash", "A cleanup was started");
    let receipt = "th a[href^='/admin/disk/runs/']";
    until("the receipt", || {
        b.reload();
        (b.count(receipt) > 0).then_some(())
    });
    b.click(receipt);
    b.see("h1", "Cleanup ");
    b.see("main", "imager");
    a_timetable_is_changed(b);
}

fn a_timetable_is_changed(b: &Browser) {
    b.follow("Schedules");
    b.see("#backup", "0 0 2 * * *");
    b.click("#backup a.btn");
    b.see("h1", "When: Backup");
    b.script("document.querySelector('#f-text').value = ''");
    b.write("#f-text", "hourly");
    b.click("button[value=save]");
    b.see("#f-text-bad", "is no timetable");
    assert_eq!(b.value("#f-text"), "hourly");
    b.write("#f-text", Key::Control + "a");
    b.write("#f-text", "0 0 * * * *");
    b.click("button[value=check]");
    b.see(".note.good", "The next times:");
    b.click("button[value=save]");
    b.see(".flash", "the new times count");
    b.see("#backup", "0 0 * * * *");
}

fn log_out(b: &Browser) {
    b.click(".tabs form button");
    b.see("h1", "Log in");
    b.go("/queue");
    b.see("h1", "Log in");
}

#[test]
fn from_the_first_login_to_the_image() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let Some(b) = Browser::open(&service, true) else { return };
    first_login(&b);

    upload(&b, &file(&service, "slow"));
    b.see("[data-inspected]", "Read by mic");
    choose_raw(&b);
    b.click("button[value=check]");
    b.see("#check-title", "The check passed");
    b.see(".check .commands", "mic");
    assert_eq!(
        service.json(&["jobs"])["jobs"].as_array().map(Vec::len),
        Some(0),
        "nothing is queued"
    );

    b.click("button[value=submit]");
    let id = job_shown(&b);
    b.see(".flash", "is in the queue");
    b.script("window.untouched = true");
    let lines = || b.count("[data-lines] .line");
    until("the first lines", || (lines() > 2).then_some(()));
    let before = lines();
    until("more lines", || (lines() > before + 2).then_some(()));
    b.see("#head .badge", "DONE");
    b.see("#actions a.main", "Image");
    b.see("#results table.files", "slow-sda.raw");
    assert_eq!(
        b.script("return window.untouched"),
        json!(true),
        "all without loading the page anew"
    );
    files_are_there(&b, id);

    b.follow("Queue");
    let columns = b.script(
        "return [...document.querySelectorAll('table.queue thead th')].map(t => t.textContent)",
    );
    let wanted = ["ID / queue", "Submitted", "Length", "User", "Arch", "Type", "Status", "Results"];
    assert_eq!(columns, json!(wanted));
    b.script("window.untouched = true");
    let second = service.submit(&file(&service, "slow"), "raw", "x86_64", &[]);
    let status = format!("#job-{second} .badge");
    b.see(&status, "BUILDING");
    b.see(&status, "DONE");
    assert_eq!(b.script("return window.untouched"), json!(true));
    assert_eq!(b.count("table.queue tbody tr"), 2);
    the_disk_is_looked_after(&b, id);
    log_out(&b);
    let meant = ["/password", "/jobs/1/keep", "/admin/schedules/backup"];
    assert_eq!(b.complaints(&meant), [""; 0]);
}

#[test]
fn an_empty_queue_fills_while_somebody_looks() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    service.set_first_password();
    let Some(b) = Browser::open(&service, true) else { return };
    b.sign_in("imager", PASSWORD);
    b.go("/queue");
    b.see("main", "The queue is empty.");
    let id = service.submit(&file(&service, "succeed"), "raw", "x86_64", &[]);
    b.see(&format!("#job-{id} .badge"), "DONE");
    assert!(!b.page().contains("The queue is empty."));
    assert_eq!(b.complaints(&[]), [""; 0]);
}

#[test]
fn everything_works_without_scripts() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let Some(b) = Browser::open(&service, false) else { return };
    first_login(&b);

    upload(&b, &file(&service, "slow"));
    choose_raw(&b);
    b.click("button[value=check]");
    b.see("#check-title", "The check passed");
    b.click("button[value=submit]");
    let id = job_shown(&b);
    until("the end of the job", || {
        b.reload();
        b.text("#head .badge").contains("DONE").then_some(())
    });
    b.see(".lines", "Installing: demo-package-8");
    files_are_there(&b, id);
    let second = service.submit(&file(&service, "slow"), "raw", "x86_64", &[]);
    service.wait(second);
    the_disk_is_looked_after(&b, id);

    a_mistake_keeps_what_was_typed(&b);
    b.click("button[value=submit]");
    let id = job_shown(&b);
    until("the job to build", || {
        b.reload();
        b.text(".lines").contains("hanging now").then_some(())
    });
    b.follow("Cancel");
    b.see("h1", &format!("Cancel job {id}?"));
    b.click("main button.danger");
    b.wait_path(&format!("/jobs/{id}"));
    until("the cancelling", || {
        b.reload();
        b.text("#head .badge").contains("CANCELLED").then_some(())
    });
    b.follow("Queue");
    assert_eq!(b.count("table.queue thead th"), 8);
    assert_eq!(b.count("table.queue tbody tr"), 3);
    b.click("#q-status option[value=cancelled]");
    b.click("aside form button");
    assert_eq!(b.count("table.queue tbody tr"), 1);
    log_out(&b);
}

/// Pastes a definition with a mistake, is told the line, and mends it.
fn a_mistake_keeps_what_was_typed(b: &Browser) {
    b.go("/submit");
    b.click("input[name=source][value=paste]");
    let text = kickstart("hang");
    b.write("#f-definition", format!("{text}frobnicate --all\n"));
    b.click("#f-runner option[value=mic]");
    b.click("button[value=inspect]");
    b.see("[data-inspected]", "Read by mic");
    b.write("#f-name", "by-hand");
    b.write("#f-packages", "vim\n-nano");
    choose_raw(b);
    b.click("button[value=submit]");
    b.see(".note.bad", "frobnicate");
    b.see(".note.bad", "line 10");
    assert!(
        b.value("#f-definition").ends_with("frobnicate --all\n"),
        "{}",
        b.value("#f-definition")
    );
    assert_eq!(b.value("#f-name"), "by-hand");
    assert_eq!(b.value("#f-packages"), "vim\n-nano");
    assert_eq!(b.value("#f-image_type"), "raw");
    assert_eq!(b.value("#f-arch"), "x86_64");
    let line = "frobnicate --all\n".len();
    b.write("#f-definition", Key::Control + "\u{e010}");
    b.write("#f-definition", "\u{e003}".repeat(line));
}

#[test]
fn the_keyboard_alone_is_enough() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    service.set_first_password();
    let Some(b) = Browser::open(&service, true) else { return };
    b.go("/login?next=/submit");
    assert_eq!(b.focused(), "f-name", "the cursor waits in the first field");
    b.press("imager" + Key::Tab);
    b.press(PASSWORD + Key::Enter);
    b.see("h1", "Create an image");

    b.press(Key::Tab);
    assert_eq!(b.focused(), "skip");
    b.press(Key::Enter);
    b.wait_focus("main");
    b.tab_to("upload");
    b.press(Key::Right);
    assert_eq!(b.focused(), "paste");
    b.tab_to("f-definition");
    b.press(kickstart("succeed"));
    b.tab_to("f-runner");
    b.press("MIC2");
    b.tab_to("f-name");
    b.press("by-hand");
    b.tab_to("f-image_type");
    b.see("[data-inspected]", "Read by mic");
    let label = b.script("return document.querySelector('#f-image_type option[value=raw]').label");
    b.press(label.as_str().unwrap());
    assert_eq!(b.value("#f-image_type"), "raw");
    b.tab_to("f-arch");
    b.press("x86_64");
    assert_eq!(b.value("#f-arch"), "x86_64");
    b.tab_to("submit");
    b.press(Key::Enter);
    let id = job_shown(&b);
    b.see("#head .badge", "DONE");
    assert_eq!(service.job(id)["image_type"], "raw");
    assert_eq!(b.complaints(&[]), [""; 0]);
}

#[test]
fn the_queue_page_says_when_the_builder_goes_and_when_it_is_back() {
    let (service, mut builder) = builder::apart("");
    service.set_first_password();
    let Some(b) = Browser::open(&service, true) else { return };
    b.sign_in("imager", PASSWORD);
    b.go("/queue");
    b.see("[data-news]", "The builder does not answer");
    b.script("window.same = true");
    let quiet = || until("nothing to say", || b.text("[data-news]").is_empty().then_some(()));
    builder.spawn();
    quiet();
    builder.kill();
    b.see("[data-news]", "The builder does not answer");
    builder.spawn();
    quiet();
    assert_eq!(b.script("return window.same"), json!(true), "the page was not loaded again");
    assert_eq!(b.complaints(&[]), [""; 0]);
}

#[test]
fn every_page_is_accessible_in_both_themes() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let Some(b) = Browser::open(&service, true) else { return };
    let Some(mut audit) = Audit::of(&b) else { return };
    pages_before(&mut audit);
    pages_of_the_form(&mut audit, &service);
    pages_of_jobs(&mut audit, &service);
    for (path, name) in
        [("/account", "account"), ("/admin/health", "health"), ("/nothing/here", "not-found")]
    {
        audit.at(path, name);
    }
    a_new_token(&mut audit);
    audit.end();
    let meant = [
        "/login",
        "/password",
        "/submit",
        "/nothing/here",
        "/account/tokens",
        "/jobs/1/keep",
        "/admin/schedules/backup",
        "/admin/disk/runs/4711",
    ];
    assert_eq!(b.complaints(&meant), [""; 0]);
}

fn pages_before(audit: &mut Audit) {
    let b = audit.b;
    audit.at("/login", "login");
    b.write("#f-name", "imager");
    b.write("#f-password", "wrong");
    b.click("main button");
    b.see(".note.bad", "password");
    audit.page("login-refused");
    b.sign_in("imager", "imager");
    audit.page("password");
    b.write("#f-new", "short");
    b.write("#f-again", "shorter");
    b.click("main button");
    b.see(".note.bad", "differ");
    audit.page("password-errors");
    b.write("#f-new", PASSWORD);
    b.write("#f-again", PASSWORD);
    b.click("main button");
    until("the start page", || (!b.path().starts_with("/password")).then_some(()));
    audit.at("/", "start-new");
    audit.at("/queue", "queue-empty");
}

fn pages_of_the_form(audit: &mut Audit, service: &Service) {
    let b = audit.b;
    audit.at("/submit", "submit");
    let wrong = service.write("wrong.ks", &format!("{}frobnicate --all\n", kickstart("succeed")));
    upload(b, &wrong);
    b.see("[data-inspected]", "frobnicate");
    audit.page("submit-inspected");
    choose_raw(b);
    b.write("#f-name", "not a name / at all");
    b.click("button[value=submit]");
    b.see(".note.bad", "not work yet");
    audit.page("submit-errors");
    b.click(".note.bad a");
    until("the focus on a field", || b.focused().starts_with("f-").then_some(()));
    assert_eq!(b.value("#f-name"), "not a name / at all");
    upload(b, &file(service, "succeed"));
    b.see("[data-inspected]", "Read by");
    choose_raw(b);
    b.click("button[value=check]");
    b.see("#check-title", "The check passed");
    audit.page("check");
}

fn pages_of_jobs(audit: &mut Audit, service: &Service) {
    let b = audit.b;
    let submit = |how: &str| service.submit(&file(service, how), "raw", "x86_64", &[]);
    let done = submit("succeed");
    service.wait(done);
    // A second one, so that the first goes by its rule.
    service.wait(submit("succeed"));
    let failed = submit("no-package");
    service.wait(failed);
    let building = [submit("hang"), submit("hang")];
    for id in building {
        until("the hanging", || service.log(id).contains("hanging now").then_some(()));
    }
    let queued = submit("succeed");
    let id = building[0];
    for (path, name) in [
        ("/".to_owned(), "start"),
        ("/queue".into(), "queue"),
        ("/queue?status=failed&mine=1".into(), "queue-filtered"),
        (format!("/jobs/{done}"), "job-done"),
        (format!("/jobs/{failed}"), "job-failed"),
        (format!("/jobs/{id}"), "job-building"),
        (format!("/jobs/{queued}"), "job-queued"),
        (format!("/jobs/{id}/cancel"), "cancel"),
        (format!("/jobs/{done}/log"), "log"),
        (format!("/jobs/{done}/files"), "files"),
        (format!("/jobs/{done}/definition?line=5"), "definition"),
    ] {
        audit.at(&path, name);
    }
    let job = service.job(failed);
    let line = job["failure"]["line"].as_u64().unwrap_or(2);
    b.go(&format!("/jobs/{failed}/log?line={line}"));
    assert_eq!(b.count(&format!("#L{line}.mark")), 1, "the line that was asked for is stressed");
    audit.page("log-of-a-failure");
    pages_of_retention(audit, service, done);
}

fn pages_of_retention(audit: &mut Audit, service: &Service, id: u64) {
    let b = audit.b;
    service.json(&["cleanup"]);
    for (path, name) in [
        ("/admin/disk", "disk"),
        ("/admin/disk/preview", "preview"),
        ("/admin/disk/runs/1", "receipt"),
        ("/admin/disk/runs/4711", "receipt-unknown"),
        ("/admin/schedules", "schedules"),
        ("/admin/schedules/backup", "schedule"),
    ] {
        audit.at(path, name);
    }
    b.write("#f-text", "hourly");
    b.click("button[value=save]");
    b.see("#f-text-bad", "is no timetable");
    audit.page("schedule-errors");
    audit.at(&format!("/jobs/{id}/keep"), "keep");
    b.click("input[name=until][value=date]");
    b.click("main form button.main");
    b.see("#f-until-bad", "no day was chosen");
    audit.page("keep-errors");
    audit.at(&format!("/jobs/{id}/delete"), "delete");
    b.click("main button.danger");
    b.see(".flash", "are deleted");
    audit.page("job-deleted");
    audit.at("/queue?status=done", "queue-deleted");
}

fn a_new_token(audit: &mut Audit) {
    let b = audit.b;
    b.go("/account");
    b.write("#f-label", "nightly builds");
    b.click("#tokens form.card button.main");
    b.see(".note.good", "is made");
    audit.page("account-token");
}

#[test]
fn the_theme_that_was_chosen_stays() {
    let service = Service::start();
    service.set_first_password();
    let Some(b) = Browser::open(&service, true) else { return };
    b.sign_in("imager", PASSWORD);
    let ground = |b: &Browser| -> Value {
        b.script("return getComputedStyle(document.body).backgroundColor")
    };
    b.go("/account");
    let before = ground(&b);
    b.click("input[name=theme][value=dark]");
    b.click("form[action='/account/theme'] button");
    until("the dark page", || (b.count("html[data-theme=dark]") == 1).then_some(()));
    b.go("/");
    assert_eq!(b.count("html[data-theme=dark]"), 1);
    assert_ne!(ground(&b), before);
    let (_, icon) = b.download("/ui/favicon.svg");
    assert!(icon.starts_with(b"<svg"));
    assert!(b.source().contains("/ui/favicon.svg"));
    assert_eq!(b.complaints(&[]), [""; 0]);
}
