//! Logs before and after they are compressed: every answer stays the same, byte for byte.

use super::appliance::{Ask, Person, Running};
use flate2::read::GzDecoder;
use img::{
    config::Config,
    domain::{JobId, StateKind},
};
use std::{
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

const JOB: JobId = JobId::FIRST;

/// Something to come from the disk; what there is to wait for takes milliseconds.
pub async fn until(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An appliance with one job that has ended, without an image.
async fn with_job() -> (Running, Person) {
    with_job_on(|_| {}).await
}

async fn with_job_on(change: impl FnOnce(&mut Config)) -> (Running, Person) {
    let running = Running::with_runner(change).await;
    let ann = running.user("ann", Some("Submitters")).await;
    let person = running.session(&ann, false).await;
    let fields = [
        ("source", "upload"),
        ("name", "my-core"),
        ("runner", "hostile"),
        ("image_type", "raw"),
        ("arch", "x86_64"),
        ("queue", "web"),
        ("option.size", "7"),
        ("action", "submit"),
    ];
    let file = Some(("core.word", "hello world\n".as_bytes()));
    let form = Ask::new("POST", "/submit", &person).multipart(&person.csrf(), &fields, file);
    assert_eq!(running.ask(form).await.status, 303);
    let app = running.appliance.app().clone();
    let ended = |app: &img::app::App| {
        let kind = app.store().job(JOB).unwrap().unwrap().state.kind();
        !matches!(kind, StateKind::Queued | StateKind::Building)
    };
    until("end of the job", || ended(&app)).await;
    (running, person)
}

/// An appliance with one job that has ended, whose log is `text`.
async fn with_log(text: &[u8]) -> (Running, Person) {
    let (running, person) = with_job().await;
    let app = running.appliance.app().clone();
    // What it printed makes way for more.
    let job = app.data().job_dir(JOB).unwrap();
    job.remove_file("log").unwrap();
    job.remove_file("log.idx").unwrap();
    app.data().append_log(JOB).unwrap().append(text, 1_000).unwrap();
    (running, person)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_its_line_on_the_page_in_the_table_and_over_the_api() {
    let tools = tempfile::tempdir().unwrap();
    let tool = tools.path().join("echo");
    std::fs::write(&tool, "#!/bin/sh\nprintf 'fine\\nerror: the lab is closed\\n'\nexit 3\n")
        .unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (running, ann) = with_job_on(|config| {
        config.build.path.insert(0, tools.path().to_owned());
    })
    .await;
    let name = img::domain::UserName::new("ann").unwrap();
    let token = running.token(&name, &[img::domain::Verb::ViewJobs]).await;
    let job = running.get("/api/v1/jobs/1", &token).await;
    let job: serde_json::Value = serde_json::from_str(&job.body).unwrap();
    let failure = &job["failure"];
    let sentence = failure["message"].as_str().unwrap();
    let suggestion = failure["suggestion"].as_str().unwrap();
    let line = failure["line"].as_u64().unwrap();
    let page = running.get("/jobs/1", &ann).await.body;
    assert!(page.contains(sentence) && page.contains(suggestion), "{failure}");
    let link = format!("/jobs/1/log?line={line}");
    assert!(page.contains(&format!("href=\"{link}#L{line}\"")), "{failure}");
    let table = running.get("/queue", &ann).await.body;
    assert!(table.contains(sentence.get(..40).unwrap_or(sentence)), "{sentence}\n{table}");
    // The marked line is the one that the sentence speaks of.
    let log = running.get(&link, &ann).await.body;
    let marked = log.split("class=\"line mark\"").nth(1).unwrap();
    let marked = marked.split("</span>").next().unwrap();
    let said = sentence.rsplit(": ").next().unwrap();
    assert!(marked.contains(&format!("{said}\n")), "{sentence}: {marked}");
}

fn lines() -> Vec<u8> {
    let line = |n: u64| {
        let word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("\x1b[3{}m{n:>6}\x1b[0m unpacking <part> {word:016x} ä\n", n % 8).into_bytes()
    };
    (0..16_000).flat_map(line).collect()
}

async fn compress(running: &Running) {
    let app = running.appliance.app();
    app.compress_old_logs();
    let gone = || app.data().job_dir(JOB).unwrap().open_file("log").is_err();
    until("compressed log", gone).await;
    app.data().job_dir(JOB).unwrap().open_file("log.gz").unwrap();
}

/// Status, the headers that say what the body is, and the body.
async fn answer(running: &Running, ask: Ask) -> (u16, Vec<Option<String>>, Vec<u8>) {
    let (head, body) = running.bytes(ask).await;
    let names =
        ["etag", "content-length", "content-range", "content-type", "accept-ranges", "vary"];
    let headers = names.map(|name| head.header(name).map(str::to_owned)).to_vec();
    (head.status, headers, body)
}

/// What a page shows of a log; around it are times, and how much it takes compressed.
fn shown(page: &[u8]) -> &[u8] {
    let find = |what: &[u8], from: usize| {
        page[from..].windows(what.len()).position(|w| w == what).map(|at| from + at)
    };
    let begin = find(b"data-bar", 0).expect("a log on the page");
    &page[begin..find(b"</section>", begin).expect("its end")]
}

fn with(path: &str, person: &Person, name: &str, value: &str) -> Ask {
    let mut ask = Ask::get(path, person);
    ask.headers.push((name.into(), value.into()));
    ask
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_the_same_before_and_after_compression() {
    let text = lines();
    let (running, ann) = with_log(&text).await;
    let len = text.len();
    let raw = "/jobs/1/log.txt";
    let name = img::domain::UserName::new("ann").unwrap();
    let token = running.token(&name, &[img::domain::Verb::ViewJobs]).await;
    let mut asks = vec![
        Ask::get(raw, &ann),
        Ask::new("HEAD", raw, &ann),
        Ask::get("/api/v1/jobs/1/log", &token),
        Ask::get("/jobs/1/log.txt?follow=1", &ann),
        Ask::get("/api/v1/jobs/1/log?from=262143&follow=1", &token),
        with(raw, &ann, "If-None-Match", &format!("\"log-1-{len}\"")),
        with("/jobs/1/events", &ann, "Last-Event-ID", "300000"),
    ];
    for from in [0, 1, 262_143, 262_144, 600_000, len - 1, len, len + 1] {
        asks.push(Ask::get(&format!("{raw}?from={from}"), &ann));
    }
    for range in ["0-0", "0-", "262143-262145", "100000-699999", "-1", "-300000", "99999999-"] {
        asks.push(with(raw, &ann, "Range", &format!("bytes={range}")));
    }
    let pages = [
        "",
        "from=1",
        "from=7777",
        "from=15999",
        "before=7777",
        "before=1",
        "before=99999",
        "line=1",
        "line=9000",
        "line=99999",
        "q=part",
        "q=PART&case=1",
        "q=unpacking&after=9000",
        "q=+9%5B&line=9000",
        "q=3f&line=9000",
    ];
    let mut before = Vec::new();
    for ask in &asks {
        before.push(answer(&running, ask.clone()).await);
    }
    let mut pages_before = Vec::new();
    for page in pages {
        let page = answer(&running, Ask::get(&format!("/jobs/1/log?{page}"), &ann)).await;
        assert_eq!(page.0, 200);
        pages_before.push(shown(&page.2).to_vec());
    }
    assert!(before[0].2 == text, "the log itself");
    compress(&running).await;
    for (ask, before) in asks.iter().zip(&before) {
        let after = answer(&running, ask.clone()).await;
        let what = format!("{} {:?}", ask.path, ask.headers);
        assert!(matches!(after.0, 200 | 206 | 304 | 416), "{what}: {}", after.0);
        assert_eq!((after.0, &after.1), (before.0, &before.1), "{what}");
        if ask.path == "/jobs/1/events" {
            // The events around the log's have times in them.
            let log = |body: &[u8]| {
                let body = String::from_utf8_lossy(body).into_owned();
                let is_log = |event: &&str| event.contains("event: log");
                body.split("\n\n").filter(is_log).map(str::to_owned).collect::<Vec<_>>()
            };
            assert!(log(&after.2) == log(&before.2) && !log(&after.2).is_empty(), "{what}");
        } else {
            assert!(after.2 == before.2, "{what}: another body");
        }
    }
    for (page, before) in pages.iter().zip(&pages_before) {
        let after = answer(&running, Ask::get(&format!("/jobs/1/log?{page}"), &ann)).await;
        assert!(shown(&after.2) == before, "{page}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_gzip_gets_a_compressed_log_as_it_lies() {
    let text = lines();
    let (running, ann) = with_log(&text).await;
    let ask = || with("/jobs/1/log.txt", &ann, "Accept-Encoding", "gzip, br");
    let (plain, body) = running.bytes(ask()).await;
    assert!(plain.header("content-encoding").is_none() && body == text, "not compressed yet");
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    compress(&running).await;
    let (packed, body) = running.bytes(ask()).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    assert_eq!(packed.header("content-length"), Some(body.len().to_string().as_str()));
    assert!(body.len() < text.len() / 2);
    let mut unpacked = Vec::new();
    // Reads one member only, as browsers do.
    GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == text);
    let tag = packed.header("etag").unwrap();
    assert_ne!(Some(tag), plain.header("etag"));

    let mut again = ask();
    again.headers.push(("If-None-Match".into(), tag.to_owned()));
    assert_eq!(running.bytes(again).await.0.status, 304);
    let mut other = ask();
    other.headers.push(("If-None-Match".into(), plain.header("etag").unwrap().to_owned()));
    assert_eq!(running.bytes(other).await.0.status, 200);
    let mut head = ask();
    head.method = "HEAD".into();
    let (head, nothing) = running.bytes(head).await;
    assert_eq!(head.header("content-length"), packed.header("content-length"));
    assert!(nothing.is_empty());

    let mut part = ask();
    part.headers.push(("Range".into(), "bytes=5-9".into()));
    let (part, body) = running.bytes(part).await;
    assert_eq!((part.status, part.header("content-encoding")), (206, None));
    assert_eq!(body, &text[5..10]);
    for path in ["/jobs/1/log.txt?from=7", "/jobs/1/log.txt?follow=1"] {
        let (flowing, _) = running.bytes(with(path, &ann, "Accept-Encoding", "gzip")).await;
        assert_eq!(flowing.header("content-encoding"), None, "{path}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_shows_what_can_be_read_and_says_what_cannot() {
    let text = lines();
    let (running, ann) = with_log(&text).await;
    compress(&running).await;
    let path = running.appliance.app().data().root().join("jobs/00000001/log.gz");
    let mut gz = std::fs::read(&path).unwrap();
    // In the second of three members.
    let middle = gz.len() / 2;
    gz[middle] ^= 0xff;
    std::fs::write(&path, gz).unwrap();
    let said = "log.gz is damaged: bytes 262144 to 524288 of the log cannot be read";
    for (page, damaged) in [("from=1", false), ("line=7000", true), ("from=15500", false)] {
        let page = running.get(&format!("/jobs/1/log?{page}"), &ann).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(page.body.contains(said), damaged, "{}", page.body);
    }
    let (head, body) = running.bytes(Ask::get("/jobs/1/log.txt", &ann)).await;
    assert_eq!(head.header("content-length"), Some(text.len().to_string().as_str()));
    assert!(body == text[..262_144], "the transfer breaks where the log does");
    let part = with("/jobs/1/log.txt", &ann, "Range", "bytes=600000-");
    assert!(running.bytes(part).await.1 == text[600_000..]);
    let events = Ask::get("/jobs/1/events?from=0", &ann);
    let events = String::from_utf8(running.bytes(events).await.1).unwrap();
    assert!(events.contains(said) && events.ends_with("event: end\ndata: \n\n"), "{events}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_says_what_there_is_and_what_it_cannot_look_for() {
    let text = lines();
    let (running, ann) = with_log(&text).await;
    let ask = |query: &str| Ask::get(&format!("/jobs/1/log?{query}"), &ann);
    for compressed in [false, true] {
        if compressed {
            compress(&running).await;
        }
        let list = running.ask(ask("q=UNPACKING+%3Cpart%3E")).await.body;
        assert!(
            list.contains(
                "16\u{202f}000 lines contain “UNPACKING &lt;part&gt;”; below are 1 to 100."
            )
        );
        assert!(list.contains("16\u{202f}000 lines · "), "{list}");
        assert_eq!(list.matches("<mark>unpacking &lt;part&gt;</mark>").count(), 100);
        assert!(
            list.contains("href=\"/jobs/1/log?q=UNPACKING%20%3Cpart%3E&amp;after=100\""),
            "{list}"
        );
        let exact = running.ask(ask("q=UNPACKING&case=1")).await.body;
        assert!(exact.contains("0 lines contain “UNPACKING”."), "{exact}");
        // Line 9,000 holds the number before it.
        let one = running.ask(ask("q=8999+unpacking&line=9000")).await.body;
        assert!(one.contains("1 line contains “8999 unpacking”; this is number 1."), "{one}");
        assert!(one.contains("id=\"L9000\" class=\"line mark\""));
    }
    for (query, sentence) in [
        ("q=", "Type the text to search for."),
        (&*format!("q={}", "x".repeat(201)), "The text has 201 characters"),
        ("q=a%0Ab", "more than one line"),
    ] {
        let refused = running.ask(ask(query)).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.body.contains(sentence), "{}", refused.body);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_error_is_an_address() {
    let (running, ann) = with_log(b"fine\n\x1b[31merror: no\nerror: again\n").await;
    let found = running.get("/jobs/1/log?error=first", &ann).await;
    assert_eq!((found.status, found.location()), (303, "/jobs/1/log?line=2#L2"));
    running.end().await;
    let (running, ann) = with_log(b"fine\n0 errors\n").await;
    let none = running.get("/jobs/1/log?error=first", &ann).await;
    assert!(none.body.contains("No line is marked as an error."), "{}", none.body);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_log_can_be_taken_along_as_a_file() {
    let text = lines();
    let (running, ann) = with_log(&text).await;
    let early = running.get("/jobs/1/log.gz", &ann).await;
    assert_eq!(early.status, 404);
    assert!(early.body.contains("is not compressed") && early.body.contains("/jobs/1/log.txt"));
    assert!(!running.get("/jobs/1/log", &ann).await.body.contains("log.gz"));
    compress(&running).await;
    let (head, body) = running.bytes(Ask::get("/jobs/1/log.gz", &ann)).await;
    assert_eq!((head.status, head.header("content-encoding")), (200, None));
    assert_eq!(head.header("content-type"), Some("application/gzip"));
    assert!(head.header("content-disposition").unwrap().contains("job-1.log.gz"));
    let mut unpacked = Vec::new();
    GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == text);
    for range in ["0-9", "1000-70000", "-20"] {
        let part = with("/jobs/1/log.gz", &ann, "Range", &format!("bytes={range}"));
        let (head, part) = running.bytes(part).await;
        assert_eq!(head.status, 206);
        assert!(body.windows(part.len()).any(|window| window == part), "{range}");
    }
    let page = running.get("/jobs/1/log", &ann).await.body;
    assert!(
        page.contains("href=\"/jobs/1/log.gz\"") && page.contains(&grouped(body.len())),
        "{page}"
    );
    running.end().await;
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let (thousands, rest) = digits.split_at(digits.len() - 3);
    format!("title=\"{thousands}\u{202f}{rest} bytes\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_when_each_line_was_printed() {
    let (running, ann) = with_log(b"one\n").await;
    // What is appended later has another time.
    let app = running.appliance.app();
    app.data().append_log(JOB).unwrap().append(b"two <\n\nfour\n", 2_000).unwrap();
    let (_, events) = running.bytes(Ask::get("/jobs/1/events", &ann)).await;
    let events = String::from_utf8(events).unwrap();
    let log = "event: log\nid: 16\ndata: 1 1:1000 2:2000\ndata: one\ndata: two &lt;\ndata: \ndata: four\n\n";
    assert!(events.contains(log), "{events}");
    let page = running.get("/jobs/1/log", &ann).await.body;
    assert!(page.contains("id=\"L4\" class=\"line\" data-t=\"00:00:02.000\""), "{page}");
    running.end().await;
}
