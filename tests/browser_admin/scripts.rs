//! What scripts add: ranges of ticks, a word before something is lost, the palette.

use super::{browser::Browser, common::until, fill, run, signed_in, ticked};
use serde_json::json;
use thirtyfour::Key;

#[test]
fn rows_are_ticked_one_by_one_in_a_range_and_all_at_once() {
    let Some((_service, b)) = signed_in(true) else { return };
    b.go("/admin/groups");
    let rows = b.count("tbody tr");
    assert!(rows >= 4, "{rows} groups");
    let row = |n: usize| format!("tbody tr:nth-child({n}) [name=id]");
    b.see("[data-ticked]", &format!("0 of {rows} ticked"));
    b.click(&row(1));
    b.click_with_shift(&row(3));
    assert_eq!(ticked(&b), 3);
    b.see("[data-ticked]", &format!("3 of {rows} ticked"));
    assert_eq!(b.count("[data-all]:indeterminate"), 1);
    b.click_with_shift(&row(2));
    assert_eq!(ticked(&b), 1, "a range is let go of as it was ticked");

    b.click("[data-all]");
    assert_eq!(ticked(&b), rows);
    b.click("[data-all]");
    assert_eq!(ticked(&b), 0);
    b.click("[name=scope][value=all]");
    b.click(&row(2));
    assert_eq!(b.count("[name=scope][value=ticked]:checked"), 1, "who ticks means the ticked rows");

    run(&b, "delete", &[]);
    b.see("h1", "Delete the group");
    b.follow("No, keep");
    b.see("h1", "Groups");
    run(&b, "delete", &[]);
    b.see(".flash.bad", "Nothing was ticked");
    assert_eq!(b.complaints(&[]), [""; 0]);
}

#[test]
fn what_was_typed_is_not_left_behind_unasked() {
    let Some((_service, b)) = signed_in(true) else { return };
    let asks = || {
        b.script(
            "const leaving = new Event('beforeunload', { cancelable: true });
             dispatchEvent(leaving);
             return leaving.defaultPrevented;",
        )
    };
    b.go("/admin/queues/web/change");
    assert_eq!(asks(), json!(false), "nothing was typed yet");
    fill(&b, "#f-description", "For people");
    assert_eq!(asks(), json!(true));
    b.click("button[value=stay]");
    b.see(".flash", "The queue web was saved.");
    assert_eq!(b.value("#f-description"), "For people");
    assert_eq!(asks(), json!(false), "what was sent is not lost");
    assert_eq!(b.complaints(&[]), [""; 0]);
}

#[test]
fn the_palette_leads_everywhere_by_keyboard() {
    let Some((_service, b)) = signed_in(true) else { return };
    let open = |b: &Browser| {
        b.press_with(Key::Control, "k");
        until("the palette", || (b.count(".palette[open] input:focus") == 1).then_some(()));
    };
    let shown = |b: &Browser| {
        let links = b.script(
            "return [...document.querySelectorAll('.palette li:not([hidden]) a')]
               .map((a) => a.firstChild.textContent + (a.querySelector('b')?.textContent ?? ''))",
        );
        links.as_array().unwrap().iter().map(|l| l.as_str().unwrap().trim().to_owned()).collect()
    };
    b.go("/admin/queues");
    b.tab_to("q");
    open(&b);
    b.press("add que");
    let found: Vec<String> = shown(&b);
    assert_eq!(found, ["Add queue", "Search jobs for add que"]);
    b.press(Key::Escape);
    until("the palette's end", || (b.count(".palette[open]") == 0).then_some(()));
    b.wait_focus("q");

    open(&b);
    b.press("admin");
    b.press(Key::Down + Key::Down);
    let second = b.focused();
    b.press(Key::Up);
    assert_ne!(b.focused(), second, "arrows go from one to the next");
    b.press(Key::Escape);
    open(&b);
    b.press("schedules" + Key::Enter);
    b.wait_path("/admin/schedules");

    open(&b);
    b.press("4711");
    let found: Vec<String> = shown(&b);
    assert_eq!(found, ["Job 4711", "Search jobs for 4711"]);
    b.press(Key::Enter);
    b.wait_path("/jobs/4711");
    b.go("/queue");
    open(&b);
    b.press("handset ce");
    b.press(Key::Down + Key::Enter);
    b.wait_path("/queue?q=handset%20ce");
    assert_eq!(b.complaints(&["/jobs/4711"]), [""; 0]);
}
