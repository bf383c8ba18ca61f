//! A headless browser for the tests: its driver, started and ended here, and what a person does with
//! a page, each waiting as long as a person would.
#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::common::{PATIENCE, Service, skip, until};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use thirtyfour::{
    ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel,
    common::keys::TypingData, prelude::*,
};
use tokio::runtime::Runtime;

const DRIVER: &str = "/usr/bin/chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";
/// What makes the browser small, quiet and the same everywhere.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// Whether what has the focus says so, and nothing lies over it.
const SEEN: &str = "
    const e = document.activeElement;
    const { left, right, top, bottom } = e.getBoundingClientRect();
    const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return getComputedStyle(e).outlineStyle !== 'none' && e.contains(there);";

/// The driver's process and the profile of its browser.
struct Driver {
    child: Child,
    port: u16,
    profile: TempDir,
}

impl Driver {
    fn start() -> Self {
        let profile = tempfile::Builder::new().prefix("img-browser-").tempdir().unwrap();
        let mut child = Command::new(DRIVER)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = "was started successfully on port ";
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once(started)?;
            port.trim_end_matches('.').parse().ok()
        });
        std::thread::spawn(move || lines.map_while(Result::ok).count());
        Self { child, port: port.expect("the driver's port"), profile }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser that looks at one appliance.
pub struct Browser {
    runtime: Runtime,
    driver: WebDriver,
    process: Driver,
    site: String,
}

impl Browser {
    /// A new browser, or a word on why there is none.
    pub fn open(service: &Service, javascript: bool) -> Option<Self> {
        if let Some(missing) = [DRIVER, CHROMIUM].iter().find(|file| !Path::new(file).is_file()) {
            skip(&format!("`{missing}` is not there"));
            return None;
        }
        // The driver's client wants to know how it would encrypt, although it never does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let process = Driver::start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let at = format!("http://127.0.0.1:{}", process.port);
        let capabilities = capabilities(process.profile.path(), javascript);
        let driver = runtime.block_on(WebDriver::new(at, capabilities)).unwrap();
        Some(Self { runtime, driver, process, site: service.url("") })
    }

    /// Opens a page of the appliance.
    pub fn go(&self, path: &str) {
        self.runtime.block_on(self.driver.goto(format!("{}{path}", self.site))).unwrap();
    }

    /// Loads the page anew.
    pub fn reload(&self) {
        self.runtime.block_on(self.driver.refresh()).unwrap();
    }

    /// Path and query of the page that is shown.
    pub fn path(&self) -> String {
        let url = self.runtime.block_on(self.driver.current_url()).unwrap();
        url.as_str().strip_prefix(&self.site).unwrap_or(url.as_str()).to_owned()
    }

    /// Waits until the page has this path.
    pub fn wait_path(&self, path: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.path() != path {
            assert!(
                Instant::now() < deadline,
                "at {} instead of {path}:\n{}",
                self.path(),
                self.page()
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn elements(&self, css: &str) -> Vec<WebElement> {
        self.runtime.block_on(self.driver.find_all(By::Css(css))).unwrap()
    }

    fn element(&self, css: &str) -> WebElement {
        let found = self.wait(|| self.elements(css).into_iter().next());
        found.unwrap_or_else(|| panic!("no `{css}` at {}:\n{}", self.path(), self.page()))
    }

    fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = look();
            if found.is_some() || Instant::now() > deadline {
                return found;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// How many elements of the page fit.
    pub fn count(&self, css: &str) -> usize {
        self.elements(css).len()
    }

    /// Clicks on the first element that fits; what stays at the edge of the window does not cover it.
    pub fn click(&self, css: &str) {
        self.with(css, "clicking", async |element| {
            let script = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
            self.driver.execute(script, vec![element.to_json()?]).await?;
            element.click().await
        });
    }

    /// Does something to the first element that fits; again, if its page just made way for another.
    fn with(&self, css: &str, what: &str, act: impl AsyncFn(WebElement) -> WebDriverResult<()>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let element = self.element(css);
            let done = self.runtime.block_on(act(element));
            match done.map_err(|e| e.to_string()) {
                Ok(()) => return,
                Err(e) if e.contains("stale element") && Instant::now() < deadline => {}
                Err(e) => panic!("{what} `{css}` at {}: {e}", self.path()),
            }
        }
    }

    /// Clicks on the link with this text.
    pub fn follow(&self, text: &str) {
        let links = || self.runtime.block_on(self.driver.find(By::LinkText(text))).ok();
        let link = self.wait(links);
        let link = link.unwrap_or_else(|| panic!("no link `{text}`:\n{}", self.page()));
        self.runtime.block_on(link.click()).unwrap();
    }

    /// Types into the first element that fits; a path into a file field.
    pub fn write(&self, css: &str, text: impl Into<TypingData>) {
        let text: String = text.into().to_string();
        self.with(css, "typing into", async |element| element.send_keys(text.as_str()).await);
    }

    /// Presses keys wherever the focus is.
    pub fn press(&self, keys: impl Into<TypingData>) {
        let chain = self.driver.action_chain().send_keys(keys);
        self.runtime.block_on(chain.perform()).unwrap();
    }

    /// Presses Tab until `what` has the focus, which everybody can see.
    pub fn tab_to(&self, what: &str) {
        let mut passed = Vec::new();
        for _ in 0..90 {
            self.press(Key::Tab);
            let here = self.focused();
            if here == what {
                assert!(self.focus_is_seen(), "the focus on {what} can be seen");
                return;
            }
            passed.push(here);
        }
        panic!("Tab never came to `{what}`, but to {passed:?}");
    }

    /// Whether what has the focus says so, and nothing lies over it.
    pub fn focus_is_seen(&self) -> bool {
        self.script(SEEN) == json!(true)
    }

    /// Clicks on the first element that fits with Shift held down.
    pub fn click_with_shift(&self, css: &str) {
        let element = self.element(css);
        let chain = self.driver.action_chain().key_down(Key::Shift);
        let chain = chain.click_element(&element).key_up(Key::Shift);
        self.runtime.block_on(chain.perform()).unwrap();
    }

    /// Presses keys while another one is held down.
    pub fn press_with(&self, held: Key, keys: &str) {
        let chain = self.driver.action_chain().key_down(held.clone()).send_keys(keys).key_up(held);
        self.runtime.block_on(chain.perform()).unwrap();
    }

    /// Forgets who is signed in, as a browser of somebody else would not know.
    pub fn forget(&self) {
        self.runtime.block_on(self.driver.delete_all_cookies()).unwrap();
    }

    /// What the first element that fits shows; empty while there is none.
    pub fn text(&self, css: &str) -> String {
        let first = self.elements(css).into_iter().next();
        first.and_then(|e| self.runtime.block_on(e.text()).ok()).unwrap_or_default()
    }

    /// Waits until the first element that fits shows `text`.
    pub fn see(&self, css: &str, text: &str) {
        let seen = self.wait(|| self.text(css).contains(text).then_some(()));
        assert!(seen.is_some(), "`{css}` shows no `{text}` at {}:\n{}", self.path(), self.page());
    }

    /// The value of a field, as it is now.
    pub fn value(&self, css: &str) -> String {
        let element = self.element(css);
        self.runtime.block_on(element.prop("value")).unwrap().unwrap_or_default()
    }

    /// Everything the page says.
    pub fn page(&self) -> String {
        self.text("body")
    }

    /// The page's HTML.
    pub fn source(&self) -> String {
        self.runtime.block_on(self.driver.source()).unwrap()
    }

    /// Runs a script in the page.
    pub fn script(&self, script: &str) -> Value {
        let done = self.runtime.block_on(self.driver.execute(script, Vec::new()));
        done.unwrap_or_else(|e| panic!("{script}: {e}")).json().clone()
    }

    /// What has the focus: its id, else its value, its class or its text.
    pub fn focused(&self) -> String {
        let found = self.script(
            "const e = document.activeElement;
             return e.id || e.value || e.className || (e !== document.body && e.textContent)
               || e.tagName;",
        );
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until `what` has the focus.
    pub fn wait_focus(&self, what: &str) {
        let seen = self.wait(|| (self.focused() == what).then_some(()));
        assert!(
            seen.is_some(),
            "`{}` has the focus, not `{what}`, at {}",
            self.focused(),
            self.path()
        );
    }

    /// Runs a script that calls its last argument when it is ready.
    pub fn script_later(&self, script: &str, arguments: Vec<Value>) -> Value {
        let done = self.runtime.block_on(self.driver.execute_async(script, arguments));
        done.unwrap_or_else(|e| panic!("a script at {}: {e}", self.path())).json().clone()
    }

    /// The `Cookie` header the browser would send.
    pub fn cookies(&self) -> String {
        let all = self.runtime.block_on(self.driver.get_all_cookies()).unwrap();
        let all: Vec<_> = all.iter().map(|c| format!("{}={}", c.name, c.value)).collect();
        all.join("; ")
    }

    /// Takes a file as the browser would: name from the header, and bytes.
    pub fn download(&self, path: &str) -> (String, Vec<u8>) {
        let url = format!("{}{path}", self.site);
        let request = reqwest::Client::new().get(url).header("cookie", self.cookies());
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            let said = answer.headers().get("content-disposition").cloned();
            let said = said.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
            (said, answer.bytes().await.unwrap().to_vec())
        })
    }

    /// A command of the browser's own protocol.
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let session = self.driver.session_id();
        let url =
            format!("http://127.0.0.1:{}/session/{session}/goog/cdp/execute", self.process.port);
        let body = json!({ "cmd": command, "params": parameters });
        self.runtime.block_on(async {
            let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
            answer.error_for_status().unwrap().json::<Value>().await.unwrap()["value"].clone()
        })
    }

    /// Makes the window this wide and high.
    pub fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let frames = "const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));";
        self.script_later(frames, Vec::new());
    }

    /// A picture of the whole page at this width: in a window so high that nothing is left out.
    pub fn picture(&self, width: u32, file: &Path) {
        let high = self.script("return document.documentElement.scrollHeight").as_u64().unwrap();
        self.resize(width, u32::try_from(high).unwrap());
        let taken = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        let png = data_encoding::BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(file, png).unwrap();
    }

    /// What the browser complained of since the last time: errors of scripts, broken rules of the
    /// content security policy, files that could not be had. A page that answers with an error on
    /// purpose is named in `but`.
    pub fn complaints(&self, but: &[&str]) -> Vec<String> {
        let entries = self.runtime.block_on(self.driver.browser_log()).unwrap();
        let meant = |message: &str| {
            message.contains("the server responded with a status of 4")
                && but.iter().any(|path| message.starts_with(&format!("{}{path} ", self.site)))
        };
        let all = entries.into_iter().filter(|e| matches!(e.level.as_str(), "SEVERE" | "WARNING"));
        all.map(|e| e.message).filter(|message| !meant(message)).collect()
    }

    /// Signs in and waits for the next page.
    pub fn sign_in(&self, name: &str, password: &str) {
        self.go("/login");
        self.write("#f-name", name);
        self.write("#f-password", password);
        self.click("main button");
        until("the page after signing in", || (!self.path().starts_with("/login")).then_some(()));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.driver.clone().quit());
    }
}

fn capabilities(profile: &Path, javascript: bool) -> thirtyfour::ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(CHROMIUM).unwrap();
    for argument in ARGUMENTS {
        capabilities.add_arg(argument).unwrap();
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    if !javascript {
        let preferences = json!({ "profile.managed_default_content_settings.javascript": 2 });
        capabilities.add_experimental_option("prefs", preferences).unwrap();
    }
    capabilities
}

/// The accessibility checker, if it was fetched.
pub fn axe() -> Option<String> {
    let given = std::env::var_os("IMG_AXE").map(PathBuf::from);
    let cached = || {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
        Some(cache.join("img/axe/package/axe.min.js"))
    };
    let file = given.or_else(cached)?;
    let text = std::fs::read_to_string(&file);
    if text.is_err() {
        skip(&format!("`{}` is not there: tests/scripts/setup test fetches it", file.display()));
    }
    text.ok()
}
