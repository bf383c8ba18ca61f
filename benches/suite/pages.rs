//! Pages: the queue with many jobs, signing in.

use crate::{
    http::Client,
    report::{Report, quantile},
    seed::seed,
    service::{Service, on_disk, on_tmpfs, sign_in},
};
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// `login_ms`.
pub fn login(report: &mut Report) {
    if !report.wants(&["login_ms"]) {
        return;
    }
    let service = Service::start(on_tmpfs().unwrap_or_else(on_disk), "off");
    drop(service.session());
    let mut client = Client::new(service.port, "");
    let mut times: Vec<_> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            sign_in(&mut client);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    report.add("login_ms", quantile(&mut times, 0.5), "POST /login; argon2id 19 MiB, 2 passes");
    service.end();
}

/// `queue_page_*`.
pub fn queue(report: &mut Report) {
    if report.wants(&["queue_page_ms_10k", "queue_page_rps"]) {
        let service = seeded(10_000);
        let client = service.session();
        let median = page_ms(&service, &client.identity);
        report.add("queue_page_ms_10k", median, "GET /queue as its client sees it");
        let (rate, note) = page_rps(&service, &client.identity);
        report.add("queue_page_rps", rate, note);
        service.end();
    }
    if report.wants(&["queue_page_ms_1m"]) {
        let service = seeded(1_000_000);
        let client = service.session();
        let median = page_ms(&service, &client.identity);
        report.add("queue_page_ms_1m", median, "GET /queue as its client sees it");
        service.end();
    }
}

/// A service with so many jobs that have ended.
pub fn seeded(jobs: u64) -> Service {
    // The store makes itself at the first start; the jobs are put in while it is stopped.
    let service = Service::start(on_disk(), "off");
    let data = service.data();
    let dir = service.end();
    seed(&data.join("db"), jobs);
    Service::start(dir, "off")
}

fn page_ms(service: &Service, identity: &str) -> f64 {
    let mut client = Client::new(service.port, identity);
    let mut times: Vec<_> = (0..400)
        .map(|_| {
            let begun = Instant::now();
            let answer = client.get("/queue");
            let took = begun.elapsed().as_secs_f64() * 1e3;
            assert_eq!(answer.status, 200);
            took
        })
        .collect();
    quantile(&mut times, 0.5)
}

/// By wrk where it is installed, else by four clients of our own.
fn page_rps(service: &Service, identity: &str) -> (f64, String) {
    let header = identity.trim_end();
    let url = format!("http://127.0.0.1:{}/queue", service.port);
    let wrk = Command::new("wrk").args(["-t1", "-c16", "-d5s", "-H", header, &url]).output();
    if let Ok(output) = wrk {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("Non-2xx"), "{text}");
        let line = text.lines().find(|l| l.starts_with("Requests/sec:")).expect("wrk's figure");
        return (
            line.rsplit(' ').next().unwrap().parse().unwrap(),
            "wrk, 16 connections, 5 s".into(),
        );
    }
    let until = Instant::now() + Duration::from_secs(5);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::new(service.port, identity);
            std::thread::spawn(move || {
                let mut n = 0u64;
                while Instant::now() < until {
                    assert_eq!(client.get("/queue").status, 200);
                    n += 1;
                }
                n
            })
        })
        .collect();
    let sum: u64 = clients.into_iter().map(|c| c.join().unwrap()).sum();
    (sum as f64 / 5.0, "4 clients of this suite, 5 s (wrk is not installed)".into())
}
