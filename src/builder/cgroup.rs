//! Control groups, version 2: one for each job, which holds its memory, processes and shares,
//! counts what it uses and ends whatever is in it.
//!
//! They are used where the service was given a group of its own (`Delegate=` in its unit), or is
//! at the top of what it sees, as in a container. A group with members can have no limits for the
//! groups below it, so this process moves into a group of its own first.

mod disk;

use crate::{
    domain::{Bounds, JobId, Used},
    files::DataDir,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The group this process itself is in, below the one it was given.
const OWN: &str = "img-self";
const SWAP: &str = "memory.swap.max";
/// What is asked for; each only where it is to be had.
const WANTED: [&str; 4] = ["memory", "pids", "cpu", "io"];
/// In how many microseconds a build may have its time of the processors: what the kernel uses by
/// itself.
const PERIOD: u32 = 100_000;
const NO_DISK: &str = "`io_max` cannot be held, because the data directory does not lie on one disk: \
                       set it to 0B in the settings and for the queue";
/// How long processes that were killed may take to leave their group.
const PATIENCE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(2);
/// How deep groups of tools are looked into.
const DEEP: usize = 16;

/// Where groups for jobs are made.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    place: Arc<Place>,
    held: Held,
}

/// What can be limited here.
#[derive(Clone, Debug, Default)]
struct Held {
    /// Those of [`WANTED`] that are.
    names: Vec<String>,
    /// The disk that builds lie on, if it is one.
    disk: Option<String>,
}

impl Held {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|held| held == name)
    }
}

/// The group that groups of jobs are in. It goes with the last who knows it, unless jobs are in it.
#[derive(Debug)]
struct Place(PathBuf);

impl Place {
    fn open(&self) -> io::Result<()> {
        make(&self.0)?;
        hold(&self.0);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever is in there is ended by the next start.
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The group of one job. Letting go of it ends what is in it.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    held: Held,
    /// Most bytes of memory seen, where the kernel does not keep that itself.
    seen: std::cell::Cell<u64>,
}

/// What the kernel has counted against the limits of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    /// Processes of it that the kernel killed for want of memory.
    pub(super) killed: u64,
    /// How often its own memory limit left no other way out.
    pub(super) over_memory: u64,
    /// How often it was refused a process.
    pub(super) over_tasks: u64,
}

impl Met {
    /// What came after `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            killed: self.killed.saturating_sub(before.killed),
            over_memory: self.over_memory.saturating_sub(before.over_memory),
            over_tasks: self.over_tasks.saturating_sub(before.over_tasks),
        }
    }
}

impl Groups {
    /// The place for the jobs of this data directory, made if need be. Moves this process where
    /// that is needed.
    ///
    /// # Errors
    /// Why there are none, in words that follow "no control groups: ".
    pub(super) fn find(data: &DataDir) -> Result<Self, String> {
        let mounts = read("/proc/self/mountinfo".as_ref())?;
        let (mounted, root) = unified(&mounts).ok_or("this system has none of version 2")?;
        let own = read("/proc/self/cgroup".as_ref())?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or("it is in none")?;
        let own = Path::new(own);
        let below = own.strip_prefix(&root).map_err(|_| "its own cannot be seen")?;
        let moved = below.ends_with(OWN);
        let below = if moved { below.parent().unwrap_or(below) } else { below };
        let base = mounted.join(below);
        let top = below.as_os_str().is_empty();
        if !top && !is_delegated(&base) {
            return Err("the service was given none of its own (`Delegate=` in its unit)".into());
        }
        // Only the very first group of a system has no events.
        if !moved && base.join("cgroup.events").exists() {
            let own = base.join(OWN);
            make(&own).map_err(|e| format!("{}: {e}", own.display()))?;
            write(&own.join("cgroup.procs"), &std::process::id().to_string())
                .map_err(|e| format!("this process cannot move: {e}"))?;
        }
        hold(&base);
        let place = Place(base.join(place_name(data)?));
        place.open().map_err(|e| format!("{}: {e}", place.0.display()))?;
        let held = read(&place.0.join("cgroup.subtree_control")).unwrap_or_default();
        let names = held.split_whitespace().filter(|name| WANTED.contains(name));
        let names = names.map(str::to_owned).collect();
        let held = Held { names, disk: disk::of(data.dir()) };
        Ok(Self { held, place: Arc::new(place) })
    }

    /// For people: what is held.
    pub(super) fn words(&self) -> String {
        if self.held.names.is_empty() {
            return "a control group without limits".into();
        }
        format!("a control group for {}", self.held.names.join(", "))
    }

    /// A fresh group for a job, with its limits.
    ///
    /// # Errors
    /// When it cannot be made or a limit cannot be set.
    pub(super) fn make(&self, job: JobId, bounds: &Bounds) -> Result<Group, String> {
        let group = self.fresh(&format!("job-{job}"))?;
        group.limit(bounds)?;
        Ok(group)
    }

    /// A fresh group for a job that is not known yet, without limits.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn make_next(&self) -> Result<Group, String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.fresh(&format!("next-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Takes the place away, unless jobs are in it.
    pub(super) fn leave(&self) {
        // Whoever is in there is ended by the next start.
        let _ = std::fs::remove_dir(&self.place.0);
    }

    fn fresh(&self, name: &str) -> Result<Group, String> {
        let path = self.place.0.join(name);
        let group = Group { path, held: self.held.clone(), seen: std::cell::Cell::new(0) };
        if group.path.is_dir() {
            group
                .end()
                .map_err(|e| format!("the group of an earlier build is still there: {e}"))?;
        }
        // Another builder of this process may have taken the place with it.
        let made = self.place.open().and_then(|()| make(&group.path));
        made.map_err(|e| format!("{}: {e}", group.path.display()))?;
        Ok(group)
    }

    /// Ends what groups of builds of a process that died still hold. One sentence for each that
    /// was found, and one for each that stays.
    pub(super) fn sweep(&self) -> (Vec<String>, Vec<String>) {
        let (mut found, mut residual) = (Vec::new(), Vec::new());
        for name in children(&self.place.0) {
            let path = self.place.0.join(&name);
            let group = Group { path, held: Held::default(), seen: std::cell::Cell::new(0) };
            found.push(format!("the control group {name} was left by a build that died"));
            residual.extend(group.end().err());
        }
        (found, residual)
    }
}

/// The files of a group and what is written into them.
///
/// # Errors
/// A sentence on a limit that there is nothing to hold by.
fn limits(bounds: &Bounds, held: &Held) -> Result<Vec<(&'static str, String)>, String> {
    let has = |name: &str| held.has(name);
    let mut all = Vec::new();
    if has("memory") && bounds.memory > 0 {
        all.push(("memory.max", bounds.memory.to_string()));
        // Else a build over its limit fills the swap of the box first. Not every box has one.
        all.push((SWAP, "0".into()));
    }
    if has("pids") && bounds.tasks > 0 {
        all.push(("pids.max", bounds.tasks.to_string()));
    }
    if has("cpu") {
        all.push(("cpu.weight", bounds.cpu_weight.to_string()));
        if bounds.cpu_max > 0 {
            let time = u64::from(bounds.cpu_max) * u64::from(PERIOD / 100);
            all.push(("cpu.max", format!("{time} {PERIOD}")));
        }
    }
    if has("io") {
        all.push(("io.weight", bounds.io_weight.to_string()));
        if bounds.io_max > 0 {
            let (disk, most) = (held.disk.as_ref().ok_or(NO_DISK)?, bounds.io_max);
            all.push(("io.max", format!("{disk} rbps={most} wbps={most}")));
        }
    }
    Ok(all)
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.path.is_dir()
            && let Err(stays) = self.end()
        {
            tracing::warn!("{stays}");
        }
    }
}

impl Group {
    /// Sets its limits. A weight that the kernel does not take is left out: it is no limit.
    ///
    /// # Errors
    /// Which limit cannot be set, and why.
    pub(super) fn limit(&self, bounds: &Bounds) -> Result<(), String> {
        for (file, value) in limits(bounds, &self.held)? {
            let Err(e) = write(&self.path.join(file), &value) else { continue };
            // Weights of disks need a scheduler that knows them, and not every kernel counts swap.
            let without =
                file.ends_with(".weight") || file == SWAP && e.kind() == io::ErrorKind::NotFound;
            if !without {
                return Err(format!("{file} cannot be set to {value}: {e}"));
            }
        }
        Ok(())
    }

    /// Puts a process into it, and with it whatever it will start.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn add(&self, process: u32) -> io::Result<()> {
        write(&self.path.join("cgroup.procs"), &process.to_string())
    }

    /// Kills everything in it, whatever it has become.
    pub(super) fn kill(&self) {
        // Older kernels have no such file: there the namespaces have to do.
        let _ = write(&self.path.join("cgroup.kill"), "1");
    }

    /// What has been used so far.
    pub(super) fn used(&self) -> Used {
        let text = |file: &str| read(&self.path.join(file)).unwrap_or_default();
        let number = |file: &str| text(file).trim().parse().unwrap_or(0);
        let now: u64 = number("memory.current");
        self.seen.set(self.seen.get().max(now).max(number("memory.peak")));
        Used {
            cpu: Duration::from_micros(value(&text("cpu.stat"), "usage_usec")),
            memory: self.seen.get(),
            written: written(&text("io.stat")),
        }
    }

    /// Which limits it has met. `None` where they are not held.
    pub(super) fn met(&self) -> Option<Met> {
        let text = |file: &str| read(&self.path.join(file)).unwrap_or_default();
        self.held.has("memory").then(|| {
            let memory = text("memory.events");
            Met {
                killed: value(&memory, "oom_kill"),
                over_memory: value(&memory, "oom"),
                over_tasks: value(&text("pids.events"), "max"),
            }
        })
    }

    /// Ends what is in it, and it.
    ///
    /// # Errors
    /// A sentence with the way out when it stays.
    pub(super) fn end(&self) -> Result<(), String> {
        let mut waited = Duration::ZERO;
        loop {
            self.kill();
            match remove(&self.path, DEEP) {
                Ok(()) => return Ok(()),
                Err(e) if waited < PATIENCE && e.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(TICK);
                    waited += TICK;
                }
                Err(e) => {
                    let path = self.path.display();
                    return Err(format!(
                        "the control group {path} cannot be removed ({e}): look who is in it with \
                         `cat {path}/cgroup.procs`, and remove it with `rmdir {path}`"
                    ));
                }
            }
        }
    }
}

/// Bytes written, without those to loop devices: they are written to what lies below once more.
fn written(text: &str) -> u64 {
    let disks = text.lines().filter(|line| !line.starts_with("7:"));
    let bytes =
        disks.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix("wbytes="));
    bytes.filter_map(|bytes| bytes.parse::<u64>().ok()).sum()
}

/// The number behind `word` on a line of its own; 0 where there is none.
fn value(text: &str, word: &str) -> u64 {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(name, _)| *name == word).and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0)
}

/// Where version 2 is mounted, and which group is there.
fn unified(mounts: &str) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, at) = (place.next()?, place.next()?);
        (kind.split(' ').next() == Some("cgroup2")).then(|| (at.into(), root.into()))
    })
}

/// systemd marks what it gives away.
fn is_delegated(base: &Path) -> bool {
    let mut value = [0; 8];
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let read = rustix::fs::getxattr(base, *name, &mut value);
        read.is_ok_and(|length| value.get(..length) == Some(b"1"))
    })
}

/// Two services on one box never share a place.
fn place_name(data: &DataDir) -> Result<String, String> {
    let stat = rustix::fs::fstat(data.dir()).map_err(|e| format!("the data directory: {e}"))?;
    Ok(format!("img-{:x}-{:x}", stat.st_dev, stat.st_ino))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    std::fs::File::options().write(true).open(path)?.write_all(text.as_bytes())
}

fn make(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Lets groups below `dir` have limits.
fn hold(dir: &Path) {
    for name in WANTED {
        // What is not to be had is missing from the list that is read back.
        let _ = write(&dir.join("cgroup.subtree_control"), &format!("+{name}"));
    }
}

fn children(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let dirs = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Groups a tool made in its own go first. Nothing but groups can be removed like this.
fn remove(path: &Path, deep: usize) -> io::Result<()> {
    match std::fs::remove_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy && deep > 0 => {
            for name in children(path) {
                remove(&path.join(name), deep - 1)?;
            }
            std::fs::remove_dir(path)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
