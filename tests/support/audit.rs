//! Every page as the accessibility checker sees it, and whether everything has room.
#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::browser::{Browser, axe};
use serde_json::Value;
use std::path::PathBuf;

/// Pixels a window of the audit is high.
const HEIGHT: u32 = 900;

/// Looks at every page in both colours and two widths.
pub struct Audit<'a> {
    /// The browser that looks.
    pub b: &'a Browser,
    axe: String,
    pictures: Option<PathBuf>,
    found: Vec<String>,
    looks: usize,
}

/// Asks the checker for what is wrong, in few words.
const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(
      (r) => done([r.passes.length, r.violations.flatMap((v) => v.nodes.map((n) =>
        `${v.id}: ${n.target.join(' ')}: ${n.failureSummary.replace(/\\s+/g, ' ')}`))]),
      (e) => done([0, [String(e)]]));";

impl<'a> Audit<'a> {
    /// Nothing looked at yet; `None` without the checker.
    pub fn of(b: &'a Browser) -> Option<Self> {
        let pictures = std::env::var_os("IMG_SCREENSHOTS").map(PathBuf::from);
        if let Some(folder) = &pictures {
            std::fs::create_dir_all(folder).unwrap();
        }
        Some(Self { b, axe: axe()?, pictures, found: Vec::new(), looks: 0 })
    }

    /// Says what was looked at; fails with everything that was found.
    pub fn end(self) {
        println!("{} looks", self.looks);
        assert_eq!(self.found, [""; 0]);
    }

    /// The page that is shown now; `name` is what its pictures are called.
    pub fn page(&mut self, name: &str) {
        self.b.script(&self.axe);
        for theme in ["light", "dark"] {
            self.b.script(&format!("document.documentElement.dataset.theme = '{theme}'"));
            for (width, word) in [(1280, "wide"), (360, "narrow")] {
                self.b.resize(width, HEIGHT);
                self.look(width, &format!("{name}-{theme}-{word}"));
            }
        }
        for width in [1150, 1000, 860, 800, 320] {
            self.b.resize(width, HEIGHT);
            self.room(&format!("{name} at {width} px"));
        }
        self.b.resize(1280, HEIGHT);
    }

    /// Opens a page that is made like one that was looked at closely, and looks at it once, in the
    /// colours of the browser.
    pub fn glance(&mut self, path: &str, name: &str) {
        self.b.go(path);
        self.b.script(&self.axe);
        self.look(1280, name);
        self.b.resize(320, HEIGHT);
        self.room(&format!("{name} at 320 px"));
        self.b.resize(1280, HEIGHT);
    }

    fn look(&mut self, width: u32, name: &str) {
        self.looks += 1;
        let said = self.b.script_later(CHECK, Vec::new());
        assert!(said[0].as_u64() > Some(10), "{name}: hardly a rule was looked at: {said}");
        let said = said[1].as_array().unwrap();
        self.found.extend(said.iter().map(|v| format!("{name}: {}", v.as_str().unwrap_or("?"))));
        self.room(name);
        if width >= 1280 {
            self.no_scrolling(name);
        }
        if let Some(folder) = &self.pictures {
            self.b.picture(width, &folder.join(format!("{name}.png")));
        }
    }

    /// Nothing may need more room than there is, but for what scrolls by itself.
    fn room(&mut self, name: &str) {
        let wider = self.b.script(
            "const e = document.documentElement;
             const most = document.querySelector('main').getBoundingClientRect().right + 1;
             const out = (t) => t.getBoundingClientRect().right > most;
             if (e.scrollWidth > e.clientWidth) return 'the page: ' + e.scrollWidth;
             return [...document.querySelectorAll('main *')].find(
               (t) => out(t) && !t.closest('pre, .vh, thead, .scroll > *'))?.outerHTML.slice(0, 90) ?? null;",
        );
        if wider != Value::Null {
            self.found.push(format!("{name}: wider than its place: {wider}"));
        }
    }

    /// In a wide window no table has to be moved sideways.
    fn no_scrolling(&mut self, name: &str) {
        let moved = self.b.script(
            "const wider = (t) => t.scrollWidth > t.clientWidth;
             return [...document.querySelectorAll('main .scroll')].find(wider)?.ariaLabel ?? null;",
        );
        if moved != Value::Null {
            self.found.push(format!("{name}: scrolls sideways: {moved}"));
        }
    }

    /// Opens a page and looks at it.
    pub fn at(&mut self, path: &str, name: &str) {
        self.b.go(path);
        self.page(name);
    }
}
