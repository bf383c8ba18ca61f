//! The performance suite: `make bench`. Each part measures the release binary from outside, several
//! times, and reports medians; where a bare tool is the measure, both run in turn.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench may stop with a message, reads the clock and starts programs"
)]

mod admin;
mod cleanup;
mod http;
mod jobs;
mod logs;
mod pages;
mod paint;
mod plugins;
mod real;
mod report;
mod seed;
mod service;
mod start;
mod tool;

use report::Report;

fn main() {
    if tool::acts() {
        return;
    }
    let only = std::env::var("IMG_BENCH_ONLY").unwrap_or_default();
    let mut report = Report::new(only);
    start::size_and_start(&mut report);
    plugins::run(&mut report);
    pages::login(&mut report);
    jobs::throughput(&mut report);
    jobs::latency(&mut report);
    jobs::sandboxed(&mut report);
    logs::line_latency(&mut report);
    logs::flood(&mut report);
    logs::followers(&mut report);
    paint::log(&mut report);
    pages::queue(&mut report);
    admin::pages(&mut report);
    start::with_many_jobs(&mut report);
    cleanup::planning(&mut report);
    cleanup::removal(&mut report);
    real::overhead(&mut report);
    report.finish();
}
