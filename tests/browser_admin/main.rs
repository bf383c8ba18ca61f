//! Administration in a browser: with scripts, without them, by keyboard alone; and its pages as the
//! accessibility checker sees them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "an assumption that fails is a test that fails, and the browser's driver is a program"
)]

#[path = "../support/audit.rs"]
mod audit;
#[path = "../support/browser.rs"]
mod browser;
#[path = "../common/mod.rs"]
mod common;
mod keyboard;
mod looks;
mod plain;
mod scripts;

use browser::Browser;
use common::{PASSWORD, Service};
use thirtyfour::Key;

/// An appliance with its first user signed in; `None` without a browser.
fn signed_in(javascript: bool) -> Option<(Service, Browser)> {
    let service = Service::start();
    service.set_first_password();
    let b = Browser::open(&service, javascript)?;
    b.sign_in("imager", PASSWORD);
    Some((service, b))
}

/// Puts a text into a field that may have one.
fn fill(b: &Browser, css: &str, text: &str) {
    b.write(css, Key::Control + "a");
    b.write(css, text);
}

/// Ticks rows of the list that is shown and runs an action for them.
fn run(b: &Browser, action: &str, rows: &[&str]) {
    for row in rows {
        b.click(&format!("input[name=id][aria-label='Tick {row}']"));
    }
    b.click(&format!("#action option[value={action}]"));
    b.click("form.list .bar button");
}

/// Number of rows that are ticked.
fn ticked(b: &Browser) -> usize {
    b.count("tbody [name=id]:checked")
}

/// So many jobs that have ended.
fn some_jobs(service: &Service, count: usize) -> Vec<u64> {
    let text = "# fake-mic: succeed\nlang en_US.UTF-8\ntimezone UTC\nrootpw --plaintext secret\n\
         part / --size 400 --fstype ext4 --ondisk=sda\nrepo --name=oss --baseurl=http://repo.example/oss\n\
         %packages\nbusybox\n%end\n";
    let file = service.write("succeed.ks", text);
    let submit = |_| service.submit(&file, "raw", "x86_64", &[]);
    let all: Vec<_> = (0..count).map(submit).collect();
    for id in &all {
        service.wait(*id);
    }
    all
}

#[test]
fn somebody_new_sets_a_password_of_their_own_through_the_link() {
    let Some((service, b)) = signed_in(true) else { return };
    b.go("/admin/users/add");
    b.write("#f-name", "bo");
    b.write("#f-full_name", "Bo Example");
    b.click("button[value=list]");
    b.see(".note.good code", "/setup/");
    let link = b.text(".note.good code");
    let path = link.strip_prefix(&service.url("")).expect("a link to this box").to_owned();
    b.click("input[name=groups][value=Submitters]");
    b.click("button[value=list]");
    b.see(".flash", "The user bo was saved.");

    b.forget();
    b.go(&path);
    b.see("h1", "Welcome");
    b.see("main", "This link is for bo.");
    b.write("#f-new", "short");
    b.write("#f-again", "short");
    b.click("main button");
    b.see("#f-new-bad", "at least 12");
    b.write("#f-new", "seven quiet lamps hum");
    b.write("#f-again", "seven quiet lamps hum");
    b.click("main button");
    b.see("h1", "Image building");
    b.see(".who", "bo");
    assert_eq!(b.count("a[href='/admin']"), 0, "bo is no staff");

    b.forget();
    b.go(&path);
    b.see("main", "Log in");
    assert_eq!(b.count("#f-new"), 0, "the link is used up");
    b.sign_in("bo", "seven quiet lamps hum");
    b.see(".who", "bo");
    assert_eq!(b.complaints(&[&path]), [""; 0]);
}
