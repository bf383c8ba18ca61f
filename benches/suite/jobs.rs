//! How many jobs a second, what one costs, and how soon it runs.

use crate::{
    http::Client,
    report::{Report, quantile},
    service::{Service, on_disk, on_tmpfs, until},
    tool::now_ns,
};
use std::time::Instant;
use tempfile::TempDir;

const BOUNDARY: &str = "bench-boundary";

/// Submits a definition for the script runner; returns the job's number.
pub fn submit(client: &mut Client, definition: &str) -> u64 {
    let mut body = String::new();
    let fields = [
        ("name", "bench"),
        ("runner", "script"),
        ("image_type", "raw"),
        ("arch", "noarch"),
        ("queue", "api"),
    ];
    for (name, value) in fields {
        body += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body += &format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"definition\"; filename=\"bench.sh\"\r\nContent-Type: text/plain\r\n\r\n{definition}\r\n--{BOUNDARY}--\r\n"
    );
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let answer = client.post("/api/v1/jobs", &kind, body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_u64().unwrap()
}

fn done(client: &mut Client) -> u64 {
    let answer = client.get("/api/v1/jobs?state=done&limit=1");
    answer.json()["total"].as_u64().expect("a counter")
}

/// `jobs_per_s_*`, `server_cpu_ms_per_job`.
pub fn throughput(report: &mut Report) {
    if report.wants(&["jobs_per_s_tmpfs", "server_cpu_ms_per_job"]) {
        match on_tmpfs() {
            Some(dir) => {
                let (rate, cpu) = run(dir, 3_000);
                report.add(
                    "jobs_per_s_tmpfs",
                    rate,
                    "3,000 jobs, one step (cp), 6 slots, 8 clients",
                );
                report.add(
                    "server_cpu_ms_per_job",
                    cpu,
                    "user and system time of the server alone",
                );
            }
            None => eprintln!("no /dev/shm here: jobs_per_s_tmpfs is left out"),
        }
    }
    if report.wants(&["jobs_per_s_disk"]) {
        let (rate, _) = run(on_disk(), 1_500);
        report.add("jobs_per_s_disk", rate, "1,500 jobs, everything synced");
    }
}

fn run(dir: TempDir, count: u64) -> (f64, f64) {
    let service = Service::start(dir, "off");
    let mut client = service.token();
    submit(&mut client, "copy");
    until("the first job", || (done(&mut client) == 1).then_some(()));
    let (cpu, begun) = (service.cpu(), Instant::now());
    let identity = client.identity.clone();
    let port = service.port;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = Client::new(port, &identity);
            std::thread::spawn(move || {
                for _ in 0..count / 8 {
                    submit(&mut client, "copy");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|c| c.join().unwrap());
    let all = count / 8 * 8;
    until("the last job", || (done(&mut client) == all + 1).then_some(()));
    let rate = all as f64 / begun.elapsed().as_secs_f64();
    let cpu = (service.cpu() - cpu).as_secs_f64() * 1e3 / all as f64;
    service.end();
    (rate, cpu)
}

/// `submit_to_*`: one job at a time on an idle box.
pub fn latency(report: &mut Report) {
    let names = ["submit_to_running_p50_ms", "submit_to_running_p99_ms", "submit_to_done_p50_ms"];
    if !report.wants(&names) {
        return;
    }
    let service = Service::start(on_tmpfs().unwrap_or_else(on_disk), "off");
    let mut client = service.token();
    let (mut running, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        running.push(submit_to_running(&mut client).0);
        ended.push(submit_to_done(&mut client));
    }
    let note = "HTTP request sent → first instruction of the tool, sandbox off, store on tmpfs";
    report.add("submit_to_running_p50_ms", quantile(&mut running, 0.5), note);
    report.add("submit_to_running_p99_ms", quantile(&mut running, 0.99), note);
    report.add(
        "submit_to_done_p50_ms",
        quantile(&mut ended, 0.5),
        "submitted and polled by one client",
    );
    service.end();
}

/// `sandbox_start_ms`: the same with namespaces and a control group around the tool, in turn with
/// nothing around it, so that the difference is what the sandbox costs.
pub fn sandboxed(report: &mut Report) {
    if !report.wants(&["sandbox_start_ms"]) {
        return;
    }
    let start = |sandbox| Service::start(on_tmpfs().unwrap_or_else(on_disk), sandbox);
    let (bare, confined) = (start("off"), start("auto"));
    let (mut bare_client, mut client) = (bare.token(), confined.token());
    let (mut bare_pages, mut pages) = (bare.session(), confined.session());
    let (mut off, mut on, mut words) = (Vec::new(), Vec::new(), String::new());
    for round in 0..=200 {
        let (_, bare_log) = submit_to_running(&mut bare_client);
        let (_, log) = submit_to_running(&mut client);
        let number = round + 1;
        // The first build finds out what the box allows.
        if round > 0 {
            off.push(step_start(&mut bare_pages, number, &bare_log));
            on.push(step_start(&mut pages, number, &log));
        }
        let said = log.lines().find_map(|line| Some(line.split_once("sandbox: ")?.1));
        words = said.expect("what confines it").to_owned();
    }
    let value = quantile(&mut on, 0.5);
    let note = format!(
        "the step's line in the log → first instruction of the tool, 99 % {:.2} ms; sandbox off {:.2} ms; {words}",
        quantile(&mut on, 0.99),
        quantile(&mut off, 0.5),
    );
    report.add("sandbox_start_ms", value, note);
    bare.end();
    confined.end();
}

/// Milliseconds from the line that says what the step starts, whose moment is known to one, to the
/// tool's first instruction.
fn step_start(pages: &mut Client, job: u64, log: &str) -> f64 {
    let stamp = stamp(log);
    let page = pages.get(&format!("/jobs/{job}/log")).text();
    let line =
        page.split("<span id=\"L").find(|row| row.contains("definition.sh")).expect("the step");
    let (_, time) = line.split_once("data-t=\"").expect("its time");
    // Hours, minutes, seconds and milliseconds of the day in UTC.
    let parts = time[..12].split([':', '.']).map(|part| part.parse::<u128>().unwrap());
    let begun = parts.zip([3_600_000, 60_000, 1_000, 1]).map(|(part, weight)| part * weight);
    let (begun, day) = (begun.sum::<u128>() as f64, 86_400_000_000_000);
    (stamp % day) as f64 / 1e6 - begun
}

fn stamp(log: &str) -> u128 {
    log.lines().find_map(|l| l.trim().parse::<u128>().ok()).expect("a stamp")
}

/// Milliseconds from the request to the tool's first instruction, and the log.
fn submit_to_running(client: &mut Client) -> (f64, String) {
    let begun = now_ns();
    let id = submit(client, "stamp");
    let path = format!("/api/v1/jobs/{id}");
    let job = until("the end of a job", || {
        let job = client.get(&path).json();
        matches!(job["state"].as_str(), Some("done" | "failed")).then_some(job)
    });
    assert_eq!(job["state"], "done", "{job:#}");
    let log = client.get(&format!("/api/v1/jobs/{id}/log")).text();
    (stamp(&log).saturating_sub(begun) as f64 / 1e6, log)
}

/// Submits a trivial job and asks for its state without a pause until it is done.
fn submit_to_done(client: &mut Client) -> f64 {
    let begun = Instant::now();
    let id = submit(client, "copy");
    let path = format!("/api/v1/jobs/{id}");
    loop {
        if client.get(&path).json()["state"] == "done" {
            return begun.elapsed().as_secs_f64() * 1e3;
        }
    }
}
