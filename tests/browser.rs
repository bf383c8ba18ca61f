//! A person's way through the pages in a real Chromium: the first sign-in, a kickstart handed in,
//! the log that grows, the image taken, the way out; the same without JavaScript; and what axe has
//! to say about every page in both themes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;

use common::{PASSWORD, Service, is_root, skip};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities as _, prelude::*};

const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";

/// A browser of its own; ends with the test.
struct Browser {
    page: WebDriver,
    driver: Child,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// `None` where Chromium is not installed.
    async fn start(javascript: bool) -> Option<Self> {
        if !Path::new(CHROMIUM).exists() || !Path::new(DRIVER).exists() {
            skip("Chromium and its driver are not installed");
            return None;
        }
        // The driver's client insists on one, although it only ever speaks plain HTTP here; a
        // second test finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new(DRIVER)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        let data = format!("--user-data-dir={}", profile.path().display());
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1280,1000",
            &data,
        ] {
            wanted.add_arg(argument).unwrap();
        }
        if !javascript {
            let off =
                serde_json::json!({ "profile.managed_default_content_settings.javascript": 2 });
            wanted.add_experimental_option("prefs", off).unwrap();
        }
        let url = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(60);
        let page = loop {
            match WebDriver::new(&url, wanted.clone()).await {
                Ok(page) => break page,
                Err(error) => assert!(Instant::now() < deadline, "no browser: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        Some(Self { page, driver, _profile: profile })
    }

    async fn go(&self, service: &Service, path: &str) {
        self.page.goto(service.url(path)).await.unwrap();
    }

    async fn find(&self, css: &str) -> WebElement {
        match self.page.find(By::Css(css)).await {
            Ok(found) => found,
            Err(error) => {
                panic!("no `{css}` on {}: {error}\n{}", self.path().await, self.text().await)
            }
        }
    }

    async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses the option with this value, or this text, of the select of this name.
    async fn choose(&self, name: &str, value: &str) {
        let option = format!(
            "//select[@name='{name}']//option[@value='{value}' or normalize-space()='{value}']"
        );
        self.page.find(By::XPath(option)).await.unwrap().click().await.unwrap();
    }

    async fn path(&self) -> String {
        self.page.current_url().await.unwrap().path().to_owned()
    }

    /// Waits until the address is `good`: a click returns before the next page is there.
    async fn arrive(&self, what: &str, good: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let path = self.path().await;
            if good(&path) {
                return path;
            }
            assert!(
                Instant::now() < deadline,
                "never came to {what}: {path}: {}",
                self.text().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn text(&self) -> String {
        self.page.find(By::Css("body")).await.unwrap().text().await.unwrap_or_default()
    }

    /// Waits until the page's text is `good`, without loading it again.
    async fn see(&self, what: &str, good: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let text = self.text().await;
            if good(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "never saw {what}: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a part of the page is there and contains `word`.
    async fn see_in(&self, css: &str, word: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let part = self.page.find(By::Css(css)).await;
            let text = match part {
                Ok(part) => part.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if text.contains(word) {
                return;
            }
            assert!(Instant::now() < deadline, "never saw {word} in {css}: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The same as [`see`](Self::see), loading the page again each time, as somebody without JavaScript would.
    async fn reload_until(&self, what: &str, good: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            self.page.refresh().await.unwrap();
            let text = self.text().await;
            if good(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "never saw {what}: {text}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Signs in for the first time and sets the tests' password.
    async fn first_sign_in(&self, service: &Service) {
        self.go(service, "/").await;
        assert_eq!(self.path().await, "/login");
        self.fill("[name=name]", "imager").await;
        self.fill("[name=password]", "imager").await;
        self.click("main form button[type=submit]").await;
        self.arrive("the set-a-password page", |p| p == "/password").await;
        self.go(service, "/queue").await;
        assert_eq!(self.path().await, "/password", "nothing else opens before a password is set");
        self.set_password("short").await;
        self.see("what is wrong with it", |t| t.contains("at least 12")).await;
        self.set_password(PASSWORD).await;
        self.arrive("the start page", |p| p == "/").await;
    }

    async fn set_password(&self, password: &str) {
        self.fill("[name=new]", password).await;
        self.fill("[name=again]", password).await;
        self.click("main form button[type=submit]").await;
    }

    async fn screenshot(&self, name: &str) {
        if let Some(dir) = std::env::var_os("IMG_SCREENSHOTS") {
            std::fs::create_dir_all(&dir).unwrap();
            self.page.screenshot(&PathBuf::from(dir).join(format!("{name}.png"))).await.unwrap();
        }
    }

    /// Asserts that the browser complained about nothing (CSP reports, script errors).
    async fn quiet(&self) {
        let script = "return window.__imgErrors === undefined ? [] : window.__imgErrors";
        let errors = self.page.execute(script, vec![]).await.unwrap();
        assert_eq!(errors.json(), &serde_json::json!([]));
    }
}

fn kickstart(service: &Service, how: &str) -> PathBuf {
    service.write(&format!("{how}.ks"), &kickstart_text(how))
}

fn kickstart_text(how: &str) -> String {
    format!(
        "# fake-mic: {how}\nlang en_US.UTF-8\ntimezone UTC\n\
         repo --name=oss --baseurl=http://repo.example/oss\n\
         part / --size 400 --fstype ext4 --ondisk=sda\n%packages\nbusybox\n%end\n"
    )
}

/// Takes a file with the browser's cookie.
async fn download(browser: &Browser, service: &Service, path: &str) -> (u16, Vec<u8>) {
    let cookies = browser.page.get_all_cookies().await.unwrap();
    let cookies: Vec<_> = cookies.iter().map(|c| format!("{}={}", c.name, c.value)).collect();
    let output = Command::new("curl")
        .args(["-s", "-w", "%{stderr}%{http_code}", "-b", &cookies.join("; "), &service.url(path)])
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stderr).trim().parse().unwrap_or(0), output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_submits_watches_takes_the_image_and_leaves() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let Some(browser) = Browser::start(true).await else { return };
    browser.first_sign_in(&service).await;
    browser.go(&service, "/").await;
    let start = browser.text().await;
    assert!(start.contains("Create an image"), "{start}");
    assert!(start.contains("Look at the image creating job queue"), "{start}");

    browser.go(&service, "/submit").await;
    let file = kickstart(&service, "slow");
    browser.find("[name=file]").await.send_keys(file.to_str().unwrap()).await.unwrap();
    browser.choose("image_type", "raw").await;
    browser.choose("arch", "x86_64").await;
    browser.click("button[value=check]").await;
    let said = browser.see("the plan", |t| t.contains("mic create")).await;
    assert!(said.contains("slow.ks"), "{said}");
    browser.click("button[value=submit]").await;
    let job = browser.arrive("the job's page", |p| p.starts_with("/jobs/")).await;

    browser.see("the first line", |t| t.contains("demo-package-1")).await;
    browser
        .see("a later line, without loading the page again", |t| t.contains("demo-package-8"))
        .await;
    browser.see("the end", |t| t.contains("DONE")).await;
    browser.quiet().await;

    browser.go(&service, &format!("{job}/files")).await;
    let files = browser.text().await;
    assert!(files.contains("SHA256SUMS"), "{files}");
    let (status, image) = download(&browser, &service, &format!("{job}/image")).await;
    assert_eq!((status, image.len()), (200, 1_048_576));

    browser.go(&service, "/queue").await;
    let table = browser.find("table thead").await.text().await.unwrap().to_lowercase();
    for column in ["id / queue", "submitted", "length", "user", "arch", "type", "status", "results"]
    {
        assert!(table.contains(column), "{column} is no column of: {table}");
    }
    let other = service.submit(&kickstart(&service, "succeed"), "raw", "x86_64", &[]);
    browser.see_in(&format!("#job-{other}"), "DONE").await;

    browser.click("header form[action=\"/logout\"] button").await;
    browser.arrive("the sign-in page", |p| p == "/login").await;
    browser.go(&service, "/queue").await;
    assert_eq!(browser.path().await, "/login", "signed out is signed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_without_javascript() {
    if !is_root("mic") {
        return;
    }
    let service = Service::start();
    let Some(browser) = Browser::start(false).await else { return };
    browser.first_sign_in(&service).await;

    // Paste; an error first: what was typed is still there.
    browser.go(&service, "/submit").await;
    browser.click("[name=source][value=paste]").await;
    let bad = format!("{}prat / --size 1\n", kickstart_text("slow"));
    browser.fill("textarea[name=definition]", &bad).await;
    browser.fill("[name=name]", "by-hand").await;
    browser.choose("runner", "mic").await;
    browser.choose("image_type", "raw").await;
    browser.choose("arch", "x86_64").await;
    browser.click("button[value=submit]").await;
    browser.see("the unknown command", |t| t.contains("prat") && t.contains('9')).await;
    let kept =
        browser.find("textarea[name=definition]").await.prop("value").await.unwrap().unwrap();
    assert!(kept.contains("prat / --size 1"), "{kept}");
    let name = browser.find("[name=name]").await.prop("value").await.unwrap().unwrap();
    assert_eq!(name, "by-hand");

    browser.fill("textarea[name=definition]", &kickstart_text("slow")).await;
    browser.click("button[value=submit]").await;
    let job = browser.arrive("the job's page", |p| p.starts_with("/jobs/")).await;
    browser.reload_until("the first line", |t| t.contains("demo-package-1")).await;
    browser.reload_until("the end", |t| t.contains("DONE")).await;
    browser.go(&service, &format!("{job}/log")).await;
    assert!(browser.text().await.contains("demo-package-8"));
    browser.go(&service, &format!("{job}/files")).await;
    assert!(browser.text().await.contains("SHA256SUMS"));
    let (status, image) = download(&browser, &service, &format!("{job}/image")).await;
    assert_eq!((status, image.len()), (200, 1_048_576));

    // Upload, and a cancel that asks first.
    browser.go(&service, "/submit").await;
    let file = kickstart(&service, "hang");
    browser.find("[name=file]").await.send_keys(file.to_str().unwrap()).await.unwrap();
    browser.choose("image_type", "raw").await;
    browser.choose("arch", "x86_64").await;
    browser.click("button[value=submit]").await;
    let job = browser.arrive("the job's page", |p| p.starts_with("/jobs/")).await;
    browser.reload_until("the hanging", |t| t.contains("hanging now")).await;
    browser.go(&service, &format!("{job}/cancel")).await;
    browser.click("main form button[type=submit]").await;
    browser.arrive("the job's page", |p| p == job).await;
    browser.reload_until("the end", |t| t.contains("CANCELLED")).await;

    browser.click("header form[action=\"/logout\"] button").await;
    browser.arrive("the sign-in page", |p| p == "/login").await;
}

/// axe's script, where it was fetched.
fn axe() -> Option<String> {
    let named = std::env::var_os("IMG_AXE").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cache")));
    let kept = cache.map(|c| c.join("img/axe/package/axe.min.js"));
    let found = named.or(kept).and_then(|path| std::fs::read_to_string(path).ok());
    if found.is_none() {
        eprintln!("SKIPPED: axe-core is not there (npm fetches it where there is npm)");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_any_page_in_either_theme() {
    if !is_root("mic") {
        return;
    }
    let Some(axe) = axe() else { return };
    let service = Service::start();
    let Some(browser) = Browser::start(true).await else { return };
    browser.go(&service, "/login").await;
    violations(&browser, &axe, "login-auto").await;
    browser.first_sign_in(&service).await;
    let job = service.submit(&kickstart(&service, "succeed"), "raw", "x86_64", &[]);
    service.wait(job);
    let failed = service.submit(&kickstart(&service, "no-package"), "raw", "x86_64", &[]);
    service.wait(failed);
    let building = service.submit(&kickstart(&service, "hang"), "raw", "x86_64", &[]);
    common::until("the hanging", || service.log(building).contains("hanging now").then_some(()));
    let pages = [
        ("start", "/".to_owned()),
        ("submit", "/submit".to_owned()),
        ("queue", "/queue".to_owned()),
        ("job", format!("/jobs/{job}")),
        ("job-failed", format!("/jobs/{failed}")),
        ("job-building", format!("/jobs/{building}")),
        ("log", format!("/jobs/{job}/log")),
        ("files", format!("/jobs/{job}/files")),
        ("definition", format!("/jobs/{job}/definition")),
        ("cancel", format!("/jobs/{building}/cancel")),
        ("account", "/account".to_owned()),
        ("password", "/password".to_owned()),
        ("health", "/admin/health".to_owned()),
        ("missing", "/jobs/9999".to_owned()),
    ];
    for theme in ["light", "dark"] {
        browser.go(&service, "/account").await;
        browser.page.execute(
            "const f = document.querySelector('form[action=\"/account/theme\"]'); f.theme.value = arguments[0]; f.submit();",
            vec![serde_json::json!(theme)],
        ).await.unwrap();
        browser.see("the account page", |t| !t.is_empty()).await;
        for (name, path) in &pages {
            browser.go(&service, path).await;
            violations(&browser, &axe, &format!("{name}-{theme}")).await;
        }
    }
    browser.page.set_window_rect(0, 0, 360, 800).await.unwrap();
    for (name, path) in &pages {
        browser.go(&service, path).await;
        let wide = browser
            .page
            .execute("return document.documentElement.scrollWidth - window.innerWidth", vec![])
            .await
            .unwrap();
        let wide = wide.json().as_i64().unwrap();
        browser.screenshot(&format!("{name}-narrow")).await;
        assert!(wide <= 0, "{name} is {wide} px wider than a narrow screen");
    }
    assert!(service.cli(&["cancel", &building.to_string()]).status.success());
}

async fn violations(browser: &Browser, axe: &str, name: &str) {
    browser.screenshot(name).await;
    browser.page.execute(axe, vec![]).await.unwrap();
    let found = browser
        .page
        .execute_async(
            "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => \
             v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', '))), e => done([String(e)]));",
            vec![],
        )
        .await
        .unwrap();
    assert_eq!(found.json(), &serde_json::json!([]), "{name}");
}
