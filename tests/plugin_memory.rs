//! What hostile runners leave behind in this process. A test binary of its own: others would
//! disturb the measurement.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an assumption that fails is a test that fails"
)]

#[path = "support/hostile.rs"]
#[allow(dead_code, reason = "this binary uses a part of it")]
mod hostile;

use hostile::{TestBox, request};

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

#[test]
fn hostile_runners_leave_no_more_than_64_mib_behind() {
    let catalog = TestBox::new().built_in("h.wasm", hostile::component()).open();
    let runner = catalog.runner("hostile").unwrap();
    let before = resident();
    for _ in 0..3 {
        for word in ["memory", "small-memory", "huge", "many", "alias", "recursion", "flood"] {
            let _ = runner.inspect(word.as_bytes());
        }
        let _ = runner.plan(&request("big-file"));
        let _ = runner.observer(&request("feed-memory")).and_then(|mut o| o.feed(&[]));
        assert!(runner.inspect(b"good").is_ok());
    }
    let grown = resident().saturating_sub(before);
    assert!(grown <= 64 << 20, "{} MiB stayed", grown >> 20);
}
