//! A log of two hundred thousand lines in a browser: read from its end, from any line and by
//! searching, while it grows and afterwards, with scripts and without.
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
mod common;

use audit::Audit;
use browser::Browser;
use common::{PASSWORD, Service, is_root, until};
use serde_json::json;
use thirtyfour::Key;

/// A page has fewer rows than this, whatever happens.
const BOUND: u64 = 5_000;

/// A job whose tool prints a log that is long.
struct Long {
    service: Service,
    id: u64,
    /// Lines before the tool's own.
    before: u64,
}

/// A service with one job, whose tool does what `how` says.
fn handed_in(how: &str) -> (Service, u64) {
    let service = Service::start();
    service.set_first_password();
    let text = format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\nrootpw --plaintext secret-of-root\n\
         part / --size 400 --fstype ext4 --ondisk=sda\n\
         repo --name=oss --baseurl=http://repo.example/oss\n%packages\nbusybox\n%end\n"
    );
    let file = service.write("job.ks", &text);
    let id = service.submit(&file, "raw", "x86_64", &[]);
    (service, id)
}

impl Long {
    fn start(how: &str) -> Self {
        let (service, id) = handed_in(how);
        let log = until("the long log", || {
            let log = service.log(id);
            log.contains("line 200000 of").then_some(log)
        });
        let before = log.lines().position(|line| line.starts_with("line 000002 ")).unwrap() - 1;
        Self { service, id, before: before as u64 }
    }

    fn path(&self, rest: &str) -> String {
        format!("/jobs/{}/log{rest}", self.id)
    }

    /// The number in the log of the tool's line `n`.
    fn line(&self, n: u64) -> u64 {
        self.before + n
    }
}

fn number(b: &Browser, script: &str) -> u64 {
    b.script(script).as_u64().unwrap_or_else(|| panic!("{script}: no number"))
}

fn rows(b: &Browser) -> u64 {
    number(b, "return document.querySelectorAll('[data-lines] .line').length")
}

fn first(b: &Browser) -> u64 {
    number(b, "return Number(document.querySelector('[data-lines] .line').id.slice(1))")
}

fn last(b: &Browser) -> u64 {
    number(
        b,
        "return Number([...document.querySelectorAll('[data-lines] .line')].pop().id.slice(1))",
    )
}

/// Notes from now on how many rows there were at most.
fn watch(b: &Browser) {
    b.script(
        "const lines = document.querySelector('[data-lines]');
         const look = () => { window.most = Math.max(window.most ?? 0, lines.querySelectorAll('.line').length) };
         new MutationObserver(look).observe(lines, { childList: true, subtree: true });
         look();",
    );
}

fn most(b: &Browser) -> u64 {
    number(b, "return window.most")
}

fn scroll(b: &Browser, to: &str) {
    b.script(&format!(
        "const lines = document.querySelector('[data-lines]'); lines.scrollTop = {to};"
    ));
}

/// Whether this line can be seen now.
fn in_view(b: &Browser, line: u64) -> bool {
    seen(b, &format!("document.getElementById('L{line}')"))
}

/// Whether the last line on the page can be seen now.
fn end_in_view(b: &Browser) -> bool {
    seen(b, "[...lines.querySelectorAll('.line')].pop()")
}

fn seen(b: &Browser, row: &str) -> bool {
    b.script(&format!(
        "const lines = document.querySelector('[data-lines]');
         const row = {row}?.getBoundingClientRect();
         const all = lines.getBoundingClientRect();
         return !!row && row.top >= all.top - 1 && row.bottom <= all.bottom + 1;"
    )) == json!(true)
}

/// Waits until this line is shown, and stressed.
fn lands_on(b: &Browser, line: u64) {
    until(&format!("line {line}, at {}", b.path()), || {
        (in_view(b, line) && b.count(&format!("#L{line}.mark")) == 1).then_some(())
    });
    assert_eq!(b.count(".line.mark"), 1, "only that one is stressed");
}

fn focus_lines(b: &Browser) {
    b.script("document.querySelector('[data-lines]').focus()");
}

#[test]
fn every_line_of_a_long_log_is_reached_and_few_rows_are_on_the_page() {
    if !is_root("mic") {
        return;
    }
    let long = Long::start("long-log");
    long.service.wait(long.id);
    let Some(b) = Browser::open(&long.service, true) else { return };
    b.sign_in("imager", PASSWORD);
    b.go(&long.path(""));
    let end = last(&b);
    assert!(end >= long.line(200_002) && rows(&b) == 2_000, "the end comes first");
    until("the end in view", || in_view(&b, end).then_some(()));
    println!(
        "first paint of {end} lines: {} ms",
        b.script("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    );
    watch(&b);
    reading_upward_and_down_again(&b);
    links_lead_to_lines(&b, &long, end);
    searching_the_whole(&b, &long);
    what_would_hide_is_shown(&b, &long);
    let rows_of_the_job_page = || {
        b.go(&format!("/jobs/{}#L{}", long.id, long.line(777)));
        watch(&b);
        lands_on(&b, long.line(777));
        b.click("#head a[data-jump]");
        until("the failure", || b.text(".line.mark").contains("no-such-pkg").then_some(()));
        most(&b)
    };
    assert!(rows_of_the_job_page() < BOUND);
    assert_eq!(b.complaints(&[]), [""; 0]);
}

fn reading_upward_and_down_again(b: &Browser) {
    let end = last(b);
    for _ in 0..6 {
        let (top, shown) = (first(b), last(b));
        scroll(b, "200");
        until("earlier lines", || (first(b) < top).then_some(()));
        assert!(in_view(b, top) || in_view(b, top + 20), "what is read stays where it is");
        assert!(rows(b) <= 3_000 && last(b) <= shown);
    }
    assert!(last(b) < end, "rows that are far away are gone");
    let upper = first(b);
    until("the end", || {
        scroll(b, "lines.scrollHeight");
        (last(b) == end).then_some(())
    });
    assert!(first(b) > upper && most(b) < BOUND);
    b.see("[data-span]", "of 200");
}

fn links_lead_to_lines(b: &Browser, long: &Long, end: u64) {
    b.go(&long.path(&format!("#L{}", long.line(123_400))));
    lands_on(b, long.line(123_400));
    watch(b);
    b.script(&format!("location.hash = '#L{}'", long.line(5_432)));
    lands_on(b, long.line(5_432));
    b.click(&format!("#L{} > a", long.line(5_430)));
    lands_on(b, long.line(5_430));
    b.follow("First error");
    lands_on(b, long.line(123_456));
    assert!(b.text(".line.mark").contains("ERROR: the first one"));
    assert!(b.path().ends_with(&format!("?line={0}#L{0}", long.line(123_456))), "{}", b.path());
    b.click(".tools a[data-jump]");
    until("the failure", || b.text(".line.mark").contains("no-such-pkg").then_some(()));
    b.script("history.back()");
    lands_on(b, long.line(123_456));
    watch(b);
    focus_lines(b);
    b.press(Key::Home + "");
    until("the first line", || in_view(b, 1).then_some(()));
    b.press(Key::End + "");
    until("the last line", || in_view(b, end).then_some(()));
    b.follow("Start");
    until("the first line", || in_view(b, 1).then_some(()));
    b.follow("End");
    until("the last line", || in_view(b, end).then_some(()));
    b.write(".tools [name=line]", "98765" + Key::Enter);
    lands_on(b, 98_765);
    assert!(b.script("return window.most").is_null(), "a form loads a page");
}

fn searching_the_whole(b: &Browser, long: &Long) {
    b.write("[name=q]", "LINE 150000 of" + Key::Enter);
    b.see("[data-bar]", "1 line contains");
    b.click(".lines .line a");
    lands_on(b, long.line(150_000));
    b.script("document.querySelector('[name=q]').value = ''");
    b.write("[name=q]", "log that is long" + Key::Enter);
    b.see("[data-bar]", "199\u{202f}997 lines contain");
    assert_eq!(b.count(".lines mark"), 100);
    b.follow("Further ones");
    b.see(".lines", "line 000102 of");
    b.click(".lines .line a");
    lands_on(b, long.line(102));
    watch(b);
    b.click("[data-jump=next]");
    lands_on(b, long.line(103));
    assert_eq!(b.focused(), "↓ Next", "from one to the next with the same key");
    b.click("[data-jump=previous]");
    lands_on(b, long.line(102));
    assert!(most(b) < BOUND);
}

fn what_would_hide_is_shown(b: &Browser, long: &Long) {
    let odd = long.line(100_000);
    b.go(&long.path(&format!("#L{odd}")));
    lands_on(b, odd);
    b.see(&format!("#L{odd}"), "abc U+202Eevil ␇ <b>&amp;");
    assert_eq!(b.text(&format!("#L{odd} .f1.bd")), "b");
    let time = || {
        b.script(&format!(
            "return getComputedStyle(document.getElementById('L{odd}'), '::before').content"
        ))
    };
    let wraps = || {
        b.script("return getComputedStyle(document.querySelector('[data-lines]')).whiteSpaceCollapse + getComputedStyle(document.querySelector('[data-lines]')).textWrapMode")
    };
    assert_eq!((time(), wraps()), (json!("none"), json!("preservewrap")));
    b.click("[data-keep=times]");
    b.click("[data-keep=wrap]");
    b.reload();
    lands_on(b, odd);
    let told = time().as_str().unwrap().to_owned();
    assert!(told.len() >= 14 && told.matches(':').count() == 2, "{told}");
    assert_eq!(wraps(), json!("preservenowrap"), "both are remembered");
}

#[test]
fn a_long_log_is_read_and_searched_without_scripts() {
    if !is_root("mic") {
        return;
    }
    let long = Long::start("long-log");
    long.service.wait(long.id);
    let Some(b) = Browser::open(&long.service, false) else { return };
    b.sign_in("imager", PASSWORD);
    b.go(&format!("/jobs/{}", long.id));
    b.click(".side a[href$='/log']");
    assert_eq!(b.count(".lines .line"), 2_000);
    b.see("[data-lines]", "no-such-pkg");
    b.follow("← Earlier");
    assert_eq!(b.count(".lines .line"), 1_000);
    b.follow("Later →");
    b.see("[data-lines]", "line 199000 of");
    b.follow("Start");
    assert_eq!(b.count("#L1"), 1);
    b.write(".tools [name=line]", "123400" + Key::Enter);
    assert_eq!(b.count("#L123400.mark"), 1);
    b.follow("First error");
    b.see(".line.mark", "ERROR: the first one");
    b.write("[name=q]", "evil" + Key::Enter);
    b.see("[data-bar]", "1 line contains “evil”.");
    b.click(".lines .line a");
    b.see(".line.mark", "U+202Eevil");
    b.write("[name=q]", Key::Control + "a");
    b.write("[name=q]", "FAILURE of nothing" + Key::Enter);
    b.see("[data-bar]", "0 lines contain");
    b.go(&long.path("?q="));
    b.see("[data-bar]", "Type the text to search for.");
    assert_eq!(b.count("[data-follow]"), 0);
}

#[test]
fn a_log_that_grows_is_followed_until_somebody_scrolls_up_and_again_from_its_end() {
    if !is_root("mic") {
        return;
    }
    let long = Long::start("chatter");
    let Some(b) = Browser::open(&long.service, true) else { return };
    b.sign_in("imager", PASSWORD);
    for page in [long.path(""), format!("/jobs/{}", long.id)] {
        b.go(&page);
        watch(&b);
        following_and_not(&b);
        let far = long.line(123_456);
        b.script(&format!("location.hash = '#L{far}'"));
        lands_on(&b, far);
        follows(&b, false);
        b.click("[data-follow]");
        follows(&b, true);
        grows(&b);
        assert!(most(&b) < BOUND);
    }
    long.service.cli(&["cancel", &long.id.to_string()]);
    b.see("#head .badge", "CANCELLED");
    until("no more to follow", || (b.count("[data-follow]:not([hidden])") == 0).then_some(()));
    until("the end of growth", || (!b.text("#log-facts").contains("so far")).then_some(()));
    assert_eq!(b.complaints(&[]), [""; 0]);
}

fn follows(b: &Browser, yes: bool) {
    let pressed = format!("[data-follow][aria-pressed={yes}]");
    until(&pressed, || (b.count(&pressed) == 1).then_some(()));
}

/// The last line is another one soon, and can be seen.
fn grows(b: &Browser) {
    let before = last(b);
    until("newer lines", || (last(b) > before).then_some(()));
    until("the newest in view", || end_in_view(b).then_some(()));
}

fn following_and_not(b: &Browser) {
    follows(b, true);
    grows(b);
    // More lines than a page keeps.
    let begun = last(b);
    until("thousands of lines", || (last(b) > begun + 4_000).then_some(()));
    assert!(rows(b) <= 3_000 && first(b) > begun - 3_000);
    scroll(b, "lines.scrollTop - 3000");
    follows(b, false);
    let (end, total) = (last(b), b.text("[data-span]"));
    let facts = b.text("#log-facts");
    let read = number(
        b,
        "const all = document.querySelector('[data-lines]').getBoundingClientRect();
         const rows = [...document.querySelectorAll('[data-lines] .line')];
         const inside = (row) => row.getBoundingClientRect().top >= all.top;
         return Number(rows.find(inside).id.slice(1));",
    );
    until("more that was printed", || (b.text("[data-span]") != total).then_some(()));
    until("how much there is", || (b.text("#log-facts") != facts).then_some(()));
    assert!(b.text("#log-facts").contains(" lines so far"), "{}", b.text("#log-facts"));
    assert!(in_view(b, read) && last(b) == end, "what is read stays where it is");
    focus_lines(b);
    b.press(Key::End + "");
    follows(b, true);
    grows(b);
    b.press(Key::Up + "");
    follows(b, false);
    scroll(b, "lines.scrollHeight");
    assert!(most(b) < BOUND);
}

#[test]
fn the_pages_of_a_log_are_accessible_in_both_themes() {
    if !is_root("mic") {
        return;
    }
    // A short one: the audit asks for the place of everything, and rows out of sight have none yet.
    let (service, id) = handed_in("post-fails");
    service.wait(id);
    let Some(b) = Browser::open(&service, true) else { return };
    b.sign_in("imager", PASSWORD);
    let Some(mut audit) = Audit::of(&b) else { return };
    for (rest, name) in [
        ("", "log"),
        ("?q=failing", "log-found"),
        ("?q=", "log-refused"),
        ("?q=nothing+like+this", "log-not-found"),
    ] {
        audit.at(&format!("/jobs/{id}/log{rest}"), name);
    }
    audit.end();
    assert_eq!(b.complaints(&["/jobs/1/log?q="]), [""; 0]);
}
