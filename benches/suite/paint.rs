//! What a person waits for in a real browser.

use crate::{
    jobs::submit,
    report::{Report, quantile},
    service::{Service, on_disk, until},
};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use thirtyfour::{ChromiumLikeCapabilities as _, Cookie, DesiredCapabilities, WebDriver};

const DRIVER: &str = "/usr/bin/chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1280,900",
];
/// Loads of a page, the first of which warms the browser.
const LOADS: usize = 12;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(500);
/// Of the page that is shown: milliseconds from the navigation to its first paint with content,
/// null before it, and how many rows it has.
const PAINTED: &str = "
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return [paint ? paint.startTime : null, document.querySelectorAll('[data-lines] .line').length]";

/// Where somebody comes from who opens a log: a page of the appliance at which nothing happens.
const BEFORE: &str = "/account";

/// `log_paint_ms`: the log of a job that is being built and has printed 200,000 lines and more,
/// opened from another page. In a new tab the browser starts a process first; that is in the note.
pub fn log(report: &mut Report) {
    if !report.wants(&["log_paint_ms"]) {
        return;
    }
    if let Some(missing) = [DRIVER, CHROMIUM].iter().find(|file| !Path::new(file).is_file()) {
        eprintln!("{missing} is not there: log_paint_ms is left out");
        return;
    }
    let service = Service::start(on_disk(), "off");
    let session = service.session();
    let mut client = service.token();
    let id = submit(&mut client, "flood 20 90");
    let log = service.data().join(format!("jobs/{id:08}/log"));
    until("the lines", || {
        std::fs::metadata(&log).is_ok_and(|log| log.len() > 20 << 20).then_some(())
    });
    let load = |from: From, path: &str| loads(service.port, &session.identity, from, path);
    let path = format!("/jobs/{id}/log");
    let (mut paints, rows) = load(From::Page, &path);
    let (mut new, _) = load(From::Nothing, &path);
    let job = client.get(&format!("/api/v1/jobs/{id}")).json();
    assert_eq!(job["state"], "building", "the loads took longer than the job");
    let (mut least, _) = load(From::Page, "/queue");
    let (mut least_new, _) = load(From::Nothing, "/queue");
    let note = format!(
        "first paint with content in Chromium from another page, {LOADS} loads, slowest {:.0} ms, at \
         most {rows} rows; a page with one row {:.0} ms; in a new process of the browser {:.0} and {:.0} ms",
        quantile(&mut paints, 1.0),
        quantile(&mut least, 0.5),
        quantile(&mut new, 0.5),
        quantile(&mut least_new, 0.5),
    );
    report.add("log_paint_ms", quantile(&mut paints, 0.5), note);
    service.end();
}

/// What is shown before the page that is measured.
#[derive(Clone, Copy)]
enum From {
    /// [`BEFORE`].
    Page,
    /// Nothing of the appliance, so that the browser starts a process for it.
    Nothing,
}

/// The driver's process.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens `path` so often: the paints, and the most rows that a page had.
fn loads(port: u16, identity: &str, from: From, path: &str) -> (Vec<f64>, u64) {
    let mut command = Command::new(DRIVER);
    let command = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = Driver(command.spawn().unwrap());
    let lines = BufReader::new(driver.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let driven = lines.into_iter().find_map(|line| {
        let (_, port) = line.split_once("was started successfully on port ")?;
        port.trim_end_matches('.').parse::<u16>().ok()
    });
    let profile = tempfile::tempdir().unwrap();
    let mut wanted = DesiredCapabilities::chrome();
    wanted.set_binary(CHROMIUM).unwrap();
    ARGUMENTS.iter().for_each(|argument| wanted.add_arg(argument).unwrap());
    wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
    let (_, cookie) = identity.trim().split_once(": ").unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    // The driver's client wants to know how it would encrypt, although it never does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let work = async {
        let at = format!("http://127.0.0.1:{}", driven.expect("the driver's port"));
        let browser = WebDriver::new(at, wanted).await?;
        let site = format!("http://127.0.0.1:{port}");
        browser.goto(format!("{site}/login")).await?;
        browser.add_cookie(Cookie::new(name, value)).await?;
        let (mut paints, mut most) = (Vec::new(), 0);
        for _ in 0..=LOADS {
            let before = match from {
                From::Page => format!("{site}{BEFORE}"),
                From::Nothing => "about:blank".to_owned(),
            };
            browser.goto(before).await?;
            // It has its own work to end.
            tokio::time::sleep(PAUSE).await;
            browser.goto(format!("{site}{path}")).await?;
            let (paint, rows) = loop {
                let found = browser.execute(PAINTED, Vec::new()).await?;
                if let (Some(paint), Some(rows)) =
                    (found.json()[0].as_f64(), found.json()[1].as_u64())
                {
                    break (paint, rows);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            paints.push(paint);
            most = most.max(rows);
        }
        browser.quit().await?;
        paints.remove(0);
        Ok::<_, thirtyfour::error::WebDriverError>((paints, most))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work).unwrap()
}
