//! Every runner this box knows, and what each may do.

use super::{
    CatalogConfig, Entry, FoundProgram, Grant, Limits, Origin, PluginError, Runner, Status,
    Unavailable, Watch, builtin,
    cache::Cache,
    engine::Host,
    folder::{self, Found, Stamp},
    grants::{self, Granted},
    load, probe, watch,
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

const SWITCHED_OFF: &str = "switched off by an administrator";

/// Every runner this box knows. Share it in an `Arc`; it changes under its own lock.
pub struct Catalog {
    config: CatalogConfig,
    host: Arc<Host>,
    cache: Option<Cache>,
    known: Mutex<Known>,
    /// Ids of runners that an administrator has switched off.
    off: RwLock<BTreeSet<String>>,
    shown: RwLock<Arc<Vec<Entry>>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What was found, before the rules say what of it may be used.
#[derive(Default)]
struct Known {
    built_in: Vec<Loaded>,
    files: BTreeMap<String, (Option<Stamp>, Loaded)>,
    /// By program and probe arguments.
    versions: BTreeMap<(PathBuf, Vec<String>), String>,
}

/// A component that was read, and what came of it.
#[derive(Clone)]
struct Loaded {
    name: String,
    sha256: String,
    runner: Result<Arc<Runner>, String>,
}

impl Loaded {
    fn failed(name: &str, sha256: String, why: String) -> Self {
        Self { name: name.to_owned(), sha256, runner: Err(why) }
    }

    fn id(&self) -> Option<&str> {
        self.runner.as_ref().ok().map(|runner| runner.info().id.as_str())
    }
}

impl Catalog {
    /// Loads the built-in runners and those of the plugin directory. A runner that does not load
    /// becomes an entry with [`Status::Failed`], never an error.
    ///
    /// # Errors
    /// Only when the engine itself cannot be made.
    pub fn open(config: CatalogConfig) -> Result<Self, PluginError> {
        Self::open_with(config, Limits::default(), builtin::components())
    }

    /// As [`open`](Self::open), with limits and built-in components (name, bytes) of the caller's
    /// choice: for tests and measurements.
    ///
    /// # Errors
    /// Only when the engine itself cannot be made.
    #[doc(hidden)]
    pub fn open_with(
        config: CatalogConfig,
        limits: Limits,
        built_in: Vec<(String, Cow<'static, [u8]>)>,
    ) -> Result<Self, PluginError> {
        let host = Host::new(limits)?;
        let cache = Cache::open(&config.cache_dir, &host);
        let (known, off, shown) = (Mutex::default(), RwLock::default(), RwLock::default());
        let catalog = Self { config, host, cache, known, off, shown };
        let load =
            |(name, bytes): &(String, Cow<'_, [u8]>)| catalog.load(name, bytes, &Origin::BuiltIn);
        catalog.lock().built_in = built_in.iter().map(load).collect();
        catalog.rescan();
        catalog.tidy();
        Ok(catalog)
    }

    /// As it is now, ordered by id.
    pub fn snapshot(&self) -> Arc<Vec<Entry>> {
        if self.host.take_change() {
            match self.known.try_lock() {
                Ok(known) => drop(self.show(&known)),
                // A rescan is under way and will show it; whoever asks does not wait for it.
                Err(_) => self.host.note_change(),
            }
        }
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The usable runner of this id.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn runner(&self, id: &str) -> Result<Arc<Runner>, Unavailable> {
        let entries = self.snapshot();
        let mut named = entries.iter().filter(|entry| entry.id == id);
        let first = named.clone().next();
        match named.find_map(Entry::usable) {
            Some(runner) => Ok(runner.clone()),
            None => Err(Unavailable { id: id.to_owned(), reason: why_not(first, &entries) }),
        }
    }

    /// The runner of this id for a build that has begun, if it is still the component with this
    /// SHA-256 (hex). One that was switched off since ([`set_off`](Self::set_off)) is given: that
    /// keeps builds from beginning, and stops none.
    ///
    /// # Errors
    /// Says why there is none, or that it is another version by now.
    pub fn exact(&self, id: &str, sha256: &str) -> Result<Arc<Runner>, Unavailable> {
        let runner = self.runner(id).or_else(|why| self.switched_off(id).ok_or(why))?;
        if runner.sha256() == sha256 {
            return Ok(runner);
        }
        let version = &runner.info().version;
        let reason = format!("is now another version ({version}): submit the job again");
        Err(Unavailable { id: id.to_owned(), reason })
    }

    /// The runner of this id that only an administrator's switch keeps from being used.
    fn switched_off(&self, id: &str) -> Option<Arc<Runner>> {
        let entries = self.snapshot();
        let entry = entries.iter().find(|entry| {
            entry.id == id && entry.status == Status::Disabled(SWITCHED_OFF.to_owned())
        })?;
        let runner = entry.runner.as_ref()?;
        let grant = self.config.grants.get(id);
        let else_fine = grants::status(runner.info(), &entry.origin, grant, runner.granted())
            == Status::Enabled
            && runner.disabled().is_none();
        else_fine.then(|| Arc::clone(runner))
    }

    /// Looks at the plugin directory again; true if anything changed.
    pub fn rescan(&self) -> bool {
        let mut known = self.lock();
        let mut before = std::mem::take(&mut known.files);
        for found in folder::components(&self.config.plugin_dir) {
            let (name, stamp) = (found.name.clone(), found.stamp);
            let loaded = match before.remove(&name) {
                // What could not be read is tried again.
                Some((old, loaded)) if old == stamp && !loaded.sha256.is_empty() => loaded,
                old => self.read(found, old.map(|(_, loaded)| loaded)),
            };
            known.files.insert(name, (stamp, loaded));
        }
        self.show(&known)
    }

    /// Looks for the declared programs again and asks those found for their versions (blocking).
    pub fn probe(&self) {
        let mut wanted = BTreeSet::new();
        for runner in self.snapshot().iter().filter_map(|entry| entry.runner.as_ref()) {
            let granted = &runner.granted().programs;
            for program in runner.info().programs.iter().filter(|p| granted.contains(&p.name)) {
                let path = probe::find(&self.config.path, &program.name);
                wanted.extend(path.map(|path| (path, program.probe.clone())));
            }
        }
        let ask = |(path, arguments): (PathBuf, Vec<String>)| {
            let version = probe::version(&path, &arguments, &self.config.path)?;
            Some(((path, arguments), version))
        };
        let versions = wanted.into_iter().filter_map(ask).collect();
        let mut known = self.lock();
        known.versions = versions;
        self.show(&known);
    }

    /// Switches a runner on again that failed three times in a row. True if there was one.
    pub fn revive(&self, id: &str) -> bool {
        let known = self.lock();
        let all = known.built_in.iter().chain(known.files.values().map(|(_, loaded)| loaded));
        let of_id = all.filter(|loaded| loaded.id() == Some(id)).cloned().collect::<Vec<_>>();
        let mut runners = of_id.iter().filter_map(|loaded| loaded.runner.as_ref().ok());
        runners.any(|runner| runner.revive()) && self.show(&known)
    }

    /// Runners that may not be used, by id, whatever config.toml allows. One that is taken off the
    /// list also forgets its failures. Builds that go on keep the runner they have.
    ///
    /// Never waits: what a rescan has under way shows it when it is done.
    pub fn set_off(&self, ids: BTreeSet<String>) {
        let on: Vec<_> = {
            let mut off = self.off.write().unwrap_or_else(PoisonError::into_inner);
            let on = off.difference(&ids).cloned().collect();
            *off = ids;
            on
        };
        let entries = self.snapshot();
        let runners = entries.iter().filter(|entry| on.contains(&entry.id));
        runners.filter_map(|entry| entry.runner.as_ref()).for_each(|runner| {
            runner.revive();
        });
        self.host.note_change();
    }

    /// The runners that [`set_off`](Self::set_off) named last.
    pub fn off(&self) -> BTreeSet<String> {
        self.off.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches the plugin directory: rescans when a file appears, changes or goes, then calls
    /// `changed` from the watching thread. Polls slowly as a net.
    ///
    /// # Errors
    /// When the system cannot watch; polling goes on.
    pub fn watch(
        self: &Arc<Self>,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Watch, PluginError> {
        watch::start(self, &self.config.plugin_dir, Box::new(changed))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a file that is new or was touched; what has the same bytes stays the same runner.
    fn read(&self, found: Found, before: Option<Loaded>) -> Loaded {
        let name = found.name.clone();
        let bytes = match found.read() {
            Ok(bytes) => bytes,
            Err(why) => return Loaded::failed(&name, String::new(), why),
        };
        let sha256 = load::sha256_hex(&bytes);
        match before {
            Some(loaded) if loaded.sha256 == sha256 => loaded,
            _ => self.load(&name, &bytes, &Origin::File(name.clone())),
        }
    }

    fn load(&self, name: &str, bytes: &[u8], origin: &Origin) -> Loaded {
        let grant = |info: &super::api::RunnerInfo| {
            Granted::of(info, origin, self.config.grants.get(&info.id))
        };
        match load::load(&self.host, self.cache.as_ref(), name, bytes, grant) {
            Ok(runner) => Loaded {
                name: name.to_owned(),
                sha256: runner.sha256().to_owned(),
                runner: Ok(Arc::new(runner)),
            },
            Err(e) => {
                tracing::warn!("{e}");
                Loaded::failed(name, load::sha256_hex(bytes), e.reason().to_owned())
            }
        }
    }

    /// Applies the rules and shows the result; true if it differs from before.
    fn show(&self, known: &Known) -> bool {
        let (config, versions, off) = (&self.config, &known.versions, &self.off());
        let entries = Rules { config, versions, off }.entries(known);
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let same = shown.len() == entries.len()
            && shown.iter().zip(&entries).all(|(old, new)| old.same(new));
        *shown = Arc::new(entries);
        !same
    }

    fn tidy(&self) {
        let Some(cache) = &self.cache else { return };
        let known = self.lock();
        let all = known.built_in.iter().chain(known.files.values().map(|(_, loaded)| loaded));
        cache.keep_only(&all.map(|loaded| loaded.sha256.clone()).collect());
    }
}

fn why_not(entry: Option<&Entry>, all: &[Entry]) -> String {
    match entry.map(|entry| &entry.status) {
        None => {
            let usable = all.iter().filter(|entry| entry.usable().is_some());
            let ids: Vec<_> = usable.map(|entry| entry.id.as_str()).collect();
            match ids.as_slice() {
                [] => "is not known: no runner is enabled on this box".into(),
                ids => format!("is not known: use {}", ids.join(", ")),
            }
        }
        Some(Status::Disabled(why)) => format!("is disabled: {why}"),
        Some(Status::WaitingForGrant(what)) => format!("waits for a grant: it {what}"),
        Some(Status::Failed(why)) => format!("could not be loaded: {why}"),
        // `usable` is what decides; an entry that is enabled has its runner.
        Some(Status::Enabled) => "is not loaded".into(),
    }
}

/// From what was found to what is shown.
struct Rules<'a> {
    config: &'a CatalogConfig,
    versions: &'a BTreeMap<(PathBuf, Vec<String>), String>,
    off: &'a BTreeSet<String>,
}

impl Rules<'_> {
    fn entries(&self, known: &Known) -> Vec<Entry> {
        let built_in: BTreeSet<_> = known.built_in.iter().filter_map(Loaded::id).collect();
        let mut taken = BTreeMap::new();
        let mut entries = Vec::new();
        for (name, (_, loaded)) in &known.files {
            let origin = Origin::File(name.clone());
            let clash = loaded.id().and_then(|id| self.clash(id, &built_in, &taken));
            if clash.is_none()
                && let Some(id) = loaded.id()
            {
                taken.insert(id, name.as_str());
            }
            entries.push(self.entry(loaded, origin, clash));
        }
        let replaced = |loaded: &&Loaded| loaded.id().is_none_or(|id| !taken.contains_key(id));
        let left = known.built_in.iter().filter(replaced);
        entries.extend(left.map(|loaded| self.entry(loaded, Origin::BuiltIn, None)));
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        entries
    }

    /// Why a file may not have the id it says it has.
    fn clash(
        &self,
        id: &str,
        built_in: &BTreeSet<&str>,
        taken: &BTreeMap<&str, &str>,
    ) -> Option<String> {
        if let Some(first) = taken.get(id) {
            return Some(format!("the file {first} has the id `{id}` too and counts: remove one"));
        }
        let replace = self.grant(id).is_some_and(|grant| grant.replace);
        (built_in.contains(id) && !replace).then(|| {
            format!(
                "`{id}` is a built-in runner: give the file another id, or set replace = true \
                 under [runners.{id}] in config.toml"
            )
        })
    }

    fn grant(&self, id: &str) -> Option<&Grant> {
        self.config.grants.get(id)
    }

    fn entry(&self, loaded: &Loaded, origin: Origin, clash: Option<String>) -> Entry {
        let sha256 = loaded.sha256.clone();
        match &loaded.runner {
            Err(why) => {
                let (id, status) = (loaded.name.clone(), Status::Failed(why.clone()));
                let (programs, errors) = (Vec::new(), vec![why.clone()]);
                Entry { id, origin, sha256, status, programs, errors, runner: None }
            }
            Ok(runner) => {
                let id = runner.info().id.clone();
                let status = match clash {
                    Some(why) => Status::Failed(why),
                    None => self.status(runner, &origin),
                };
                let (programs, errors) = (self.programs(runner), runner.errors());
                let runner = Some(runner.clone());
                Entry { id, origin, sha256, status, programs, errors, runner }
            }
        }
    }

    fn status(&self, runner: &Runner, origin: &Origin) -> Status {
        let id = &runner.info().id;
        match grants::status(runner.info(), origin, self.grant(id), runner.granted()) {
            Status::Disabled(why) => Status::Disabled(why),
            _ if self.off.contains(id) => Status::Disabled(SWITCHED_OFF.to_owned()),
            Status::Enabled => runner.disabled().map_or(Status::Enabled, Status::Disabled),
            other => other,
        }
    }

    fn programs(&self, runner: &Runner) -> Vec<FoundProgram> {
        let found = |program: &super::api::Program| {
            let path = probe::find(&self.config.path, &program.name);
            let asked = path.clone().map(|path| (path, program.probe.clone()));
            FoundProgram {
                name: program.name.clone(),
                why: program.why.clone(),
                granted: runner.granted().programs.contains(&program.name),
                version: asked.and_then(|asked| self.versions.get(&asked).cloned()),
                path,
            }
        };
        runner.info().programs.iter().map(found).collect()
    }
}
