//! The misbehaving runner of `plugins/hostile`, patched to taste, and a catalog to put it into.

use img::plugin::{Catalog, CatalogConfig, Grant, Limits, api};
use std::{borrow::Cow, collections::BTreeMap, path::Path};
use tempfile::TempDir;

const COMPONENT: &[u8] = include_bytes!("../fixtures/plugins/hostile.wasm");

/// The component as it was built: id `hostile`, version 1.0.0.
pub fn component() -> Vec<u8> {
    COMPONENT.to_vec()
}

/// The component with a marker (`MODE`, `ID`, `VERSION`) set.
pub fn with(marker: &str, value: &str) -> Vec<u8> {
    set(component(), marker, value)
}

/// As [`with`], on top of another.
pub fn set(mut bytes: Vec<u8>, marker: &str, value: &str) -> Vec<u8> {
    let name = format!("HOSTILE-{marker}=");
    let at = find(&bytes, name.as_bytes()).expect("the marker is in the component") + name.len();
    let field = match marker {
        "MODE" | "ID" => 32,
        _ => 16,
    };
    let old = bytes[at..at + field].iter().take_while(|b| **b != b' ').count();
    assert!(value.len() <= field);
    let padded = format!("{value:<old$}");
    bytes[at..at + padded.len()].copy_from_slice(padded.as_bytes());
    bytes
}

/// The component with every `from` replaced by `to`, which has the same length.
pub fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component();
    while let Some(at) = find(&bytes, from.as_bytes()) {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// A plugin directory, a cache and grants.
pub struct TestBox {
    dir: TempDir,
    pub config: CatalogConfig,
    built_in: Vec<(String, Cow<'static, [u8]>)>,
    cold: bool,
}

impl TestBox {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = CatalogConfig {
            plugin_dir: dir.path().join("plugins"),
            cache_dir: dir.path().join("cwasm"),
            path: vec!["/usr/bin".into(), "/bin".into()],
            grants: BTreeMap::new(),
        };
        std::fs::create_dir(&config.plugin_dir).unwrap();
        Self { dir, config, built_in: Vec::new(), cold: false }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A section `[runners.<id>]` that names these programs and privileges.
    pub fn grant(mut self, id: &str, programs: &[&str], privileges: &[&str]) -> Self {
        let words = |list: &[&str]| Some(list.iter().map(|word| (*word).to_owned()).collect());
        let (programs, privileges) = (words(programs), words(privileges));
        let grant = Grant { enabled: true, programs, privileges, replace: false };
        self.config.grants.insert(id.to_owned(), grant);
        self
    }

    pub fn grant_all(self, id: &str) -> Self {
        self.grant(id, &["echo", "printf", "cat"], &["network"])
    }

    pub fn built_in(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.built_in.push((name.to_owned(), Cow::Owned(bytes)));
        self
    }

    /// Puts a file into the plugin directory as one would: written beside, then renamed.
    pub fn drop_in(&self, name: &str, bytes: &[u8]) {
        let beside = self.config.plugin_dir.join(format!(".{name}"));
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, self.config.plugin_dir.join(name)).unwrap();
    }

    /// Begins with an empty cache.
    pub fn cold(mut self) -> Self {
        self.cold = true;
        self
    }

    /// A catalog of it. An unoptimised compiler takes seconds for a component, so what one test
    /// had compiled is lent to the next, this run or a later one.
    pub fn open(&self) -> Catalog {
        let open =
            || Catalog::open_with(self.config.clone(), Limits::default(), self.built_in.clone());
        if self.cold {
            return open().unwrap();
        }
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cwasm");
        copy_all(&shared, &self.config.cache_dir);
        let catalog = open().unwrap();
        copy_all(&self.config.cache_dir, &shared);
        catalog
    }
}

/// Copies the compiled components that are missing.
fn copy_all(from: &Path, to: &Path) {
    let private = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .recursive(true)
        .create(to);
    private.unwrap();
    for file in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let (name, target) = (file.file_name(), to.join(file.file_name()));
        if target.exists() || !name.to_string_lossy().ends_with(".cwasm") {
            continue;
        }
        // Another test may copy the same file at this moment.
        let beside = to.join(format!("{}-{}", std::process::id(), name.to_string_lossy()));
        std::fs::copy(file.path(), &beside).unwrap();
        std::fs::rename(&beside, &target).unwrap();
    }
}

/// A request whose definition is `word`.
pub fn request(word: &str) -> api::Request {
    api::Request {
        job: 7,
        name: "demo".into(),
        definition: word.into(),
        image_type: "raw".into(),
        architecture: "x86_64".into(),
        packages: Vec::new(),
        repositories: Vec::new(),
        tokens: Vec::new(),
        options: Vec::new(),
        inputs: Vec::new(),
        paths: api::Paths {
            work: "/b/00000007/work".into(),
            output: "/b/00000007/output".into(),
            cache: "/c/hostile".into(),
        },
    }
}

/// Files as they lie in an output directory.
pub fn files() -> Vec<api::OutputFile> {
    let file = |path: &str, kind| api::OutputFile { path: path.into(), size: 10, kind };
    vec![file("a.img", api::FileKind::Regular), file("link", api::FileKind::Symlink)]
}
