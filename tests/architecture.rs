//! Who may use whom. ARCHITECTURE.md has the table in words; here it is held.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

use std::{fs, path::Path};

/// Module of `src/` and the modules of ours it may name. Absent: may use none.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("store", &["domain"]),
    ("files", &["domain"]),
    ("accounts", &["domain"]),
    ("plugin", &["domain", "files"]),
    ("builder", &["domain", "files", "plugin"]),
    ("app", &["domain", "store", "files", "accounts", "plugin"]),
    ("scheduler", &["app", "builder", "domain", "store", "plugin"]),
    ("web", &["app", "domain", "config", "accounts"]),
];

/// Modules that may use all.
const FREE: &[&str] = &["cli", "server", "main", "lib"];

/// A crate and the only modules that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    ("wasmtime", &["plugin"]),
    ("argon2", &["accounts"]),
    ("warp", &["web"]),
    ("hyper", &["web"]),
    ("maud", &["web"]),
    ("multer", &["web"]),
    ("tokio_cron_scheduler", &["scheduler"]),
    ("clap", &["cli"]),
    ("reqwest", &["cli"]),
    ("indicatif", &["cli"]),
];

/// Words `domain` must never contain: it has no IO, no clock and no framework.
const NOT_IN_DOMAIN: &[&str] =
    &["std::fs", "std::net", "std::process", "SystemTime", "Instant::now", "tokio", "serde"];

struct Source {
    module: String,
    path: String,
    code: String,
}

/// Every file of `src/` without comments and without its unit tests.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), "", &mut found);
    assert!(found.len() > 30, "only {} files found", found.len());
    found
}

fn collect(dir: &Path, module: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" {
            continue;
        }
        let module = if module.is_empty() { name.as_str() } else { module };
        if path.is_dir() {
            collect(&path, module, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("\n#[cfg(test)]\n").next().unwrap().to_owned();
            let code = text.lines().map(|l| l.split("//").next().unwrap());
            found.push(Source {
                module: module.to_owned(),
                path: path.display().to_string(),
                code: code.collect::<Vec<_>>().join("\n"),
            });
        }
    }
}

/// True if `word` stands in `code` as a whole path segment.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before) && !part(after)
    })
}

fn modules_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    let flat: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    for (at, _) in flat.match_indices("crate::") {
        let rest = &flat[at + "crate::".len()..];
        let first = |s: &str| {
            s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        match rest.strip_prefix('{') {
            None => used.push(first(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            used.push(first(&group[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used
}

#[test]
fn a_module_uses_only_the_modules_it_may() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| !FREE.contains(&s.module.as_str())) {
        let rule = MAY_USE.iter().find(|(m, _)| *m == source.module);
        let Some((_, may)) = rule else {
            broken.push(format!("{}: `{}` has no row in the table", source.path, source.module));
            continue;
        };
        for used in modules_used(&source.code) {
            let known = MAY_USE.iter().any(|(m, _)| *m == used) || FREE.contains(&used.as_str());
            if known && used != source.module && !may.contains(&used.as_str()) {
                broken.push(format!("{} uses crate::{used}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_framework_is_known_in_one_place_only() {
    let mut broken = Vec::new();
    for source in sources() {
        for (name, places) in ONLY_IN {
            let word = format!("{name}::");
            let used = source.code.contains(&word) && names(&source.code, name);
            if used && !places.contains(&source.module.as_str()) {
                broken.push(format!("{} names {name}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_domain_has_no_io_no_clock_and_no_framework() {
    for source in sources().iter().filter(|s| s.module == "domain") {
        for word in NOT_IN_DOMAIN {
            assert!(!source.code.contains(word), "{} contains {word}", source.path);
        }
    }
}

#[test]
fn the_check_sees_through_grouped_imports() {
    let code =
        "use crate::{\n    app::{App, Wish},\n    store::Store,\n};\nlet x = crate::web::y();";
    assert_eq!(modules_used(code), ["app", "store", "web"]);
}
