//! Starting, idle memory, the size of things.

use crate::{
    report::{Report, quantile},
    seed::seed,
    service::{Service, binary, command, on_disk, root},
};
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// `binary_mb`, `assets_gz_kb`, `start_ms`, `idle_rss_mb`.
pub fn size_and_start(report: &mut Report) {
    if report.wants(&["binary_mb"]) {
        let size = std::fs::metadata(binary()).unwrap().len();
        report.add("binary_mb", size as f64 / 1e6, "static, x86_64");
    }
    if report.wants(&["assets_gz_kb"]) {
        let files = ["ui/style.css", "ui/app.js", "ui/log.css", "ui/log.js"];
        let size: usize = files.iter().map(|f| gzipped(&root(f))).sum();
        report.add("assets_gz_kb", size as f64 / 1e3, "all styles and scripts");
    }
    if report.wants(&["start_ms", "idle_rss_mb"]) {
        let service = Service::start(on_disk(), "off");
        std::thread::sleep(Duration::from_secs(2));
        let rss = service.rss() as f64 / 1e6;
        report.add("idle_rss_mb", rss, "two seconds after a first start");
        let dir = service.end();
        let mut times: Vec<_> = (0..11).map(|_| start_ms(dir.path())).collect();
        report.add(
            "start_ms",
            quantile(&mut times, 0.5),
            "process start → first 200, compiled runners cached",
        );
    }
}

/// `start_ms_100k`.
pub fn with_many_jobs(report: &mut Report) {
    if !report.wants(&["start_ms_100k"]) {
        return;
    }
    let service = Service::start(on_disk(), "off");
    let data = service.data();
    let dir = service.end();
    seed(&data.join("db"), 100_000);
    let mut times: Vec<_> = (0..7).map(|_| start_ms(dir.path())).collect();
    report.add("start_ms_100k", quantile(&mut times, 0.5), "with 100,000 finished jobs");
}

/// Starts the program and asks until it answers; returns milliseconds.
fn start_ms(dir: &Path) -> f64 {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut program = command(dir, port);
    program.stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = program.spawn().unwrap();
    while !answers(port) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the service does not answer");
        std::thread::sleep(Duration::from_micros(300));
    }
    let took = begun.elapsed().as_secs_f64() * 1e3;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
    took
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request =
        format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn gzipped(path: &Path) -> usize {
    Command::new("gzip").arg("-9c").arg(path).output().unwrap().stdout.len()
}
