//! The keyboard alone.

use super::{
    browser::Browser,
    common::{PASSWORD, Service},
    signed_in,
};
use thirtyfour::Key;

#[test]
fn a_queue_comes_is_paused_and_goes_by_keyboard_alone() {
    let service = Service::start();
    service.set_first_password();
    let Some(b) = Browser::open(&service, true) else { return };
    b.go("/login?next=/admin/queues");
    b.press("imager" + Key::Tab);
    b.press(PASSWORD + Key::Enter);
    b.see("h1", "Queues");
    b.tab_to("btn main");
    b.press(Key::Enter);
    b.see("h1", "Add queue");
    b.tab_to("f-name");
    b.press("nightly");
    b.tab_to("list");
    b.press(Key::Enter);
    b.see(".flash", "The queue nightly was added.");

    b.tab_to("action");
    b.press("Drain");
    b.tab_to("nightly");
    b.press(" ");
    b.see("[data-ticked]", "1 of 4 ticked");
    b.press(Key::Enter);
    b.see("h1", "Drain and pause: 1 queue");
    b.tab_to("f-argument");
    b.press("disk swap" + Key::Enter);
    b.see(".flash", "Drain and pause: done for 1 queue.");

    // The box of a row has the same name as the link beside it.
    b.tab_to("nightly");
    b.tab_to("nightly");
    b.press(Key::Enter);
    b.see("h1", "Change queue nightly");
    assert_eq!(b.value("#f-paused"), "disk swap");
    b.tab_to("btn danger");
    b.press(Key::Enter);
    b.see("h1", "Delete the queue nightly?");
    b.tab_to("danger");
    b.press(Key::Enter);
    b.see(".flash", "The queue nightly was deleted.");
    assert_eq!(b.complaints(&[]), [""; 0]);
}

#[test]
fn nothing_ever_covers_what_has_the_focus() {
    let Some((_service, b)) = signed_in(true) else { return };
    b.go("/admin/users/imager/change");
    let mut seen = 0;
    loop {
        b.press(Key::Tab);
        let here = b.focused();
        if here == "BODY" || here == "skip" && seen > 1 {
            break;
        }
        assert!(b.focus_is_seen(), "the focus on {here} can be seen");
        seen += 1;
        assert!(seen < 200, "Tab comes to an end");
    }
    assert!(seen > 60, "the whole form was passed: {seen}");
}
