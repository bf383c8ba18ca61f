//! The image tool of the measurements: this program under the name `bash`. It starts in a fraction
//! of a millisecond, so what is measured is the appliance.

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Nanoseconds since the epoch.
pub fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

/// Does the tool's work if this program was called as the tool.
pub fn acts() -> bool {
    let name = std::env::args().next().unwrap_or_default();
    if Path::new(&name).file_name().is_none_or(|n| n != "bash") {
        return false;
    }
    let begun = now_ns();
    let text = std::fs::read_to_string("definition.sh").unwrap_or_default();
    let mut words = text.split_whitespace();
    let mut number = |default: u64| words.next().and_then(|w| w.parse().ok()).unwrap_or(default);
    match text.split_whitespace().next() {
        Some("stamp") => println!("{begun}"),
        Some("lines") => {
            number(0);
            lines(number(100), Duration::from_micros(number(5_000)));
        }
        Some("flood") => {
            number(0);
            // Time for the watcher to be there, and the moment at which it begins.
            std::thread::sleep(Duration::from_millis(300));
            println!("{}", now_ns());
            flood(number(1) << 20);
            // Then it goes on slowly, so that the job is still being built.
            lines(number(0) * 100, Duration::from_millis(10));
        }
        Some("pace") => {
            number(0);
            pace(number(5_000_000), number(10));
        }
        _ => {}
    }
    let (output, name) = (std::env::var("OUTPUT").unwrap(), std::env::var("NAME").unwrap());
    std::fs::write(Path::new(&output).join(format!("{name}.raw")), "image\n").unwrap();
    true
}

fn lines(count: u64, gap: Duration) {
    let mut out = std::io::stdout().lock();
    // Time for the watcher to be there.
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..count {
        out.write_all(format!("{}\n", now_ns()).as_bytes()).unwrap();
        out.flush().unwrap();
        std::thread::sleep(gap);
    }
}

/// Lines of 100 bytes as tools print them, in writes of 64 KiB.
fn flood(bytes: u64) {
    let mut chunk = Vec::new();
    let mut n = 0u32;
    while chunk.len() < 64 * 1024 {
        n += 1;
        let line =
            format!("Installing: package-{n:06}-1.0 from repository main of the distribution");
        chunk.extend_from_slice(format!("{line:<99}\n").as_bytes());
    }
    let mut out = std::io::stdout().lock();
    let mut left = bytes;
    while left > 0 {
        out.write_all(&chunk).unwrap();
        left = left.saturating_sub(chunk.len() as u64);
    }
}

/// Begins the line that says when it and those behind it were printed.
pub const STAMP: &str = "@stamp ";

/// So many bytes a second, for so many seconds: a hundred times a second a stamp and lines of 100
/// bytes behind it.
fn pace(bytes: u64, seconds: u64) {
    let line =
        format!("{:<99}\n", "Installing: package-1.0 from repository main of the distribution");
    let lines = line.repeat(usize::try_from(bytes / 100 / line.len() as u64).unwrap());
    let mut out = std::io::stdout().lock();
    // Time for the watchers to be there.
    std::thread::sleep(Duration::from_secs(3));
    let begun = std::time::Instant::now();
    for tick in 0..seconds * 100 {
        let due = Duration::from_millis(tick * 10);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        out.write_all(format!("{STAMP}{}\n{lines}", now_ns()).as_bytes()).unwrap();
        out.flush().unwrap();
    }
}
