//! The log: how soon a line is seen, how much goes through, what it costs in memory.

use crate::{
    http::Client,
    jobs::submit,
    report::{Report, quantile},
    service::{Service, on_disk, on_tmpfs, until},
    tool::{STAMP, now_ns},
};
use std::{
    io::Read as _,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// `log_line_*`: a line is printed with its own time, a viewer of the job's events reads it.
pub fn line_latency(report: &mut Report) {
    if !report.wants(&["log_line_p50_ms", "log_line_p99_ms"]) {
        return;
    }
    let service = Service::start(on_tmpfs().unwrap_or_else(on_disk), "off");
    let session = service.session();
    let mut client = service.token();
    let id = submit(&mut client, "lines 1000 3000");
    let viewer = Client::new(service.port, &session.identity);
    let mut stream = viewer.open(&format!("/jobs/{id}/events"));
    let mut delays = Vec::new();
    let (mut rest, mut end) = (String::new(), String::new());
    let mut chunk = [0u8; 64 * 1024];
    loop {
        let n = stream.read(&mut chunk).unwrap();
        let seen = now_ns();
        let text = String::from_utf8_lossy(&chunk[..n]);
        rest += &text;
        delays.extend(stamps(&mut rest).map(|stamp| seen.saturating_sub(stamp) as f64 / 1e6));
        end += &text;
        if n == 0 || end.contains("event: end") {
            break;
        }
        // The word itself may come in two pieces.
        end = end.chars().rev().take(16).collect::<Vec<_>>().into_iter().rev().collect();
    }
    assert!(delays.len() >= 900, "only {} of 1,000 lines were seen", delays.len());
    let note = format!("{} lines, one every 3 ms; sandbox off", delays.len());
    report.add("log_line_p50_ms", quantile(&mut delays, 0.5), note.clone());
    report.add("log_line_p99_ms", quantile(&mut delays, 0.99), note);
    service.end();
}

/// Takes the finished 19-digit numbers out of `text`; keeps its end, which may hold half a one.
fn stamps(text: &mut String) -> impl Iterator<Item = u128> + use<> {
    let mut found = Vec::new();
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            if digits.len() == 19 {
                found.extend(digits.parse::<u128>());
            }
            digits.clear();
        }
    }
    let keep: String = text.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
    let keep = if digits.is_empty() {
        keep.rsplit(|c: char| c.is_ascii_digit()).next().unwrap_or_default().to_owned()
    } else {
        digits
    };
    *text = keep;
    found.into_iter()
}

/// `log_mb_per_s`, `log_rss_growth_mb`: 1 GB of lines with one live viewer.
pub fn flood(report: &mut Report) {
    if !report.wants(&["log_mb_per_s", "log_rss_growth_mb"]) {
        return;
    }
    let service = Service::start(on_disk(), "off");
    let session = service.session();
    let mut client = service.token();
    // One small job first: what is loaded once is not growth.
    let first = submit(&mut client, "flood 4");
    wait(&mut client, first);
    let before = service.rss();
    let id = submit(&mut client, "flood 1000");
    let viewer = Client::new(service.port, &session.identity);
    let mut stream = viewer.open(&format!("/jobs/{id}/log.txt?follow=1"));
    let (seen, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, ended) = (Arc::clone(&seen), Arc::clone(&over));
    let viewer = std::thread::spawn(move || {
        let mut chunk = vec![0u8; 256 * 1024];
        while let Ok(n) = stream.read(&mut chunk) {
            if n == 0 || ended.load(Ordering::Relaxed) {
                break;
            }
            counted.fetch_add(n as u64, Ordering::Relaxed);
        }
    });
    let path = format!("/api/v1/jobs/{id}");
    let mut most = before;
    until("the end of the flood", || {
        most = most.max(service.rss());
        let state = client.get(&path).json()["state"].as_str().unwrap().to_owned();
        (state != "building" && state != "queued").then_some(())
    });
    let ended = now_ns();
    let head = client.get(&format!("/api/v1/jobs/{id}/log")).text();
    let begun = head.lines().find_map(|line| line.trim().parse::<u128>().ok()).expect("a stamp");
    let seconds = ended.saturating_sub(begun) as f64 / 1e9;
    over.store(true, Ordering::Relaxed);
    service.end();
    viewer.join().unwrap();
    let note = format!(
        "1,000 MiB of 100-byte lines; the viewer saw {} MiB",
        seen.load(Ordering::Relaxed) >> 20
    );
    report.add("log_mb_per_s", 1_048.576 / seconds, note);
    report.add(
        "log_rss_growth_mb",
        most.saturating_sub(before) as f64 / 1e6,
        "most during the flood",
    );
}

/// People who watch one log.
const VIEWERS: usize = 200;

/// `log_followers_lag_ms`: from the moment a line is printed to the moment the last of 200 viewers
/// has it, while 5 MB are printed every second. The viewers share this box's processors.
pub fn followers(report: &mut Report) {
    if !report.wants(&["log_followers_lag_ms"]) {
        return;
    }
    let service = Service::start(on_disk(), "off");
    let session = service.session();
    let mut client = service.token();
    let id = submit(&mut client, "pace 5000000 10");
    until("the job", || {
        let state = client.get(&format!("/api/v1/jobs/{id}")).json()["state"].clone();
        (state == "building").then_some(())
    });
    let viewers: Vec<_> = (0..VIEWERS)
        .map(|_| {
            let viewer = Client::new(service.port, &session.identity);
            let stream = viewer.open(&format!("/jobs/{id}/events"));
            std::thread::spawn(move || view(stream))
        })
        .collect();
    let log = service.data().join(format!("jobs/{id:08}/log"));
    let (mut settled, mut most) = (0, 0);
    let path = format!("/api/v1/jobs/{id}");
    until("the end of the job", || {
        let rss = service.rss();
        // What a connection costs is not growth.
        if settled == 0 && std::fs::metadata(&log).is_ok_and(|log| log.len() > 10_000_000) {
            settled = rss;
        }
        most = most.max(rss);
        (client.get(&path).json()["state"] == "done").then_some(())
    });
    let mut lags: Vec<_> = viewers.into_iter().map(|viewer| viewer.join().unwrap()).collect();
    service.end();
    let bytes: u64 = lags.iter().map(|(_, bytes)| bytes).sum();
    let mut all: Vec<f64> = lags.iter_mut().flat_map(|(lags, _)| std::mem::take(lags)).collect();
    let note = format!(
        "the slowest of {VIEWERS} viewers; median {:.1} ms, 99 % {:.1} ms; {} MB sent; the service's memory grew by {:.1} MB",
        quantile(&mut all, 0.5),
        quantile(&mut all, 0.99),
        bytes / 1_000_000,
        most.saturating_sub(settled) as f64 / 1e6,
    );
    report.add("log_followers_lag_ms", quantile(&mut all, 1.0), note);
}

/// Reads the events of a job to their end: how old each piece was when it came, and how many bytes
/// there were.
fn view(mut stream: TcpStream) -> (Vec<f64>, u64) {
    let (mut lags, mut bytes, mut chunk) = (Vec::new(), 0, vec![0u8; 256 * 1024]);
    let mut end = Vec::new();
    while let Ok(n) = stream.read(&mut chunk) {
        let now = now_ns();
        bytes += n as u64;
        if let Some(at) = memchr::memmem::find(&chunk[..n], STAMP.as_bytes()) {
            let digits = chunk[at + STAMP.len()..n].iter().take_while(|b| b.is_ascii_digit());
            let stamp: String = digits.map(|b| char::from(*b)).collect();
            // Not one that is cut off.
            if stamp.len() == 19 {
                lags.push(now.saturating_sub(stamp.parse().unwrap()) as f64 / 1e6);
            }
        }
        end.extend_from_slice(&chunk[n.saturating_sub(64)..n]);
        if n == 0 || memchr::memmem::find(&end, b"event: end").is_some() {
            break;
        }
        end.drain(..end.len().saturating_sub(64));
    }
    (lags, bytes)
}

fn wait(client: &mut Client, id: u64) {
    until("a job", || {
        (client.get(&format!("/api/v1/jobs/{id}")).json()["state"] == "done").then_some(())
    });
}
