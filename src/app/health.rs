//! How the box is: versions, store, disk, tools and runners; and a backup of the store.

use super::{App, AppError, BuilderLink, Chore, DiskState, HealthGroup, HealthView, RunnerHealth};
use crate::{
    domain::{Allowed, QueueState, StateKind, Timestamp, admission::Ballast},
    plugin::{Entry, Origin, Status},
    store::{AuditCursor, AuditFilter, StoreError},
};
use std::{io::Write as _, os::fd::OwnedFd};

/// A backup that is older wants attention where the schedule has one.
const OLD_BACKUP: std::time::Duration = std::time::Duration::from_secs(3 * 24 * 3600);
const DAY_MS: i64 = 24 * 3600 * 1000;
/// Failed sign-ins that are counted; with more it says so.
const COUNTED: usize = 200;
/// So many in a day want attention.
const MANY_FAILED: usize = 50;

/// What of the kernel confines builds.
fn kernel_facts() -> [(&'static str, String, bool); 2] {
    let there = |path: &str| std::path::Path::new(path).exists();
    let spaces = ["mnt", "pid", "ipc", "uts", "net", "user"];
    let have: Vec<_> =
        spaces.into_iter().filter(|ns| there(&format!("/proc/self/ns/{ns}"))).collect();
    let groups = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    let groups = match groups {
        Ok(text) if text.trim().is_empty() => "version 2, no controllers".to_owned(),
        Ok(text) => format!("version 2: {}", text.trim()),
        Err(_) if there("/sys/fs/cgroup") => "version 1, or a mixture".to_owned(),
        Err(_) => "none".to_owned(),
    };
    [("Namespaces", have.join(", "), have.is_empty()), ("Control groups", groups, false)]
}

/// Below this share of free space the disk needs attention.
const LOW_DISK: f64 = 0.1;

impl App {
    /// The health page's data. May run `--version` of tools: takes a moment the first time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn health(&self, proof: &Allowed, now: Timestamp) -> Result<HealthView, AppError> {
        debug_assert!(proof.verb().as_str().starts_with("view"), "a proof for looking");
        let app = self.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            app.catalog().probe();
            app.gather(now)
        });
        gathered.await.map_err(|e| AppError::internal("the box could not be looked at", e))?
    }

    fn gather(&self, now: Timestamp) -> Result<HealthView, AppError> {
        let groups = vec![
            self.versions(now),
            self.store_facts(now)?,
            self.disk_facts(),
            self.work(now)?,
            self.sign_ins(now)?,
        ];
        let runners: Vec<_> = self.catalog().snapshot().iter().map(runner_health).collect();
        let well = groups.iter().flat_map(|g| &g.facts).all(|(_, _, attention)| !attention)
            && runners.iter().any(|r| r.usable);
        Ok(HealthView { well, groups, runners })
    }

    fn versions(&self, now: Timestamp) -> HealthGroup {
        let system = rustix::system::uname();
        let system = format!(
            "{} {} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
            system.machine().to_string_lossy()
        );
        let up = now.since(self.settings().started);
        group(
            "Versions",
            [
                ("IMG", env!("CARGO_PKG_VERSION").to_owned(), false),
                ("System", system, false),
                ("Up for", duration(up), false),
            ],
        )
    }

    fn store_facts(&self, now: Timestamp) -> Result<HealthGroup, AppError> {
        let (format, bytes) = self.store().facts();
        let counts = self.store().counts()?;
        let damaged = self.store().quarantined();
        let damaged_text = match damaged {
            0 => "none".to_owned(),
            n => format!("{n} in quarantine: stop the service and run `img fsck`"),
        };
        let (last_backup, backup_wanted) = self.last_backup(now);
        Ok(group(
            "Store",
            [
                ("Format", format.to_string(), false),
                ("Size", size(bytes), false),
                ("Jobs", counts.total.to_string(), false),
                ("Damaged records", damaged_text, damaged > 0),
                ("Last backup", last_backup, backup_wanted),
            ],
        ))
    }

    /// When the store was last backed up, and whether that wants attention.
    fn last_backup(&self, now: Timestamp) -> (String, bool) {
        let off = self.timetable().get(&Chore::Backup).is_none_or(|text| text.trim().is_empty());
        match self.last_run(Chore::Backup) {
            Some(run) if run.well => {
                let age = now.since(Timestamp::from_millis(run.at));
                (format!("{} ago", duration(age)), age > OLD_BACKUP && !off)
            }
            Some(run) => (format!("failed: {}", run.outcome), true),
            None if off => ("none; the schedule has none either".into(), false),
            None => ("none yet; see the schedules".into(), false),
        }
    }

    /// Who tried to get in.
    fn sign_ins(&self, now: Timestamp) -> Result<HealthGroup, AppError> {
        let day = Timestamp::from_millis(now.as_millis().saturating_sub(DAY_MS));
        let failed = AuditFilter {
            action: Some("login.failed".into()),
            from: Some(day),
            ..AuditFilter::default()
        };
        let page = self.store().audit_page(&failed, AuditCursor::Newest, COUNTED)?;
        let count = match page.lines.len() {
            n if n < COUNTED => n.to_string(),
            n => format!("{n} or more"),
        };
        let last = page.lines.first().map_or_else(
            || "none".into(),
            |line| format!("{} from {}", line.record.object, line.record.peer),
        );
        let sessions = self.store().sessions()?.len().to_string();
        Ok(group(
            "Sign-ins",
            [
                ("Sessions", sessions, false),
                ("Failed in the last day", count, page.lines.len() >= MANY_FAILED),
                ("The last one that failed", last, false),
            ],
        ))
    }

    fn disk_facts(&self) -> HealthGroup {
        match self.data().space() {
            Ok(space) => {
                let low = (space.free as f64) < space.total as f64 * LOW_DISK;
                let disk = self.disk();
                group(
                    "Disk",
                    [
                        ("Data directory", self.data().root().display().to_string(), false),
                        ("Free", size(space.free), low),
                        ("In all", size(space.total), false),
                        ("New builds", new_builds(&disk), disk.holds()),
                        ("Ballast", ballast(&disk), matches!(disk.ballast, Ballast::Released(_))),
                    ],
                )
            }
            Err(error) => group("Disk", [("Data directory", error.to_string(), true)]),
        }
    }

    /// Where builds run; a builder that is away wants attention.
    fn builder_fact(&self, now: Timestamp) -> (&'static str, String, bool) {
        let text = match self.board().builder() {
            None => "inside the service".to_owned(),
            Some(BuilderLink { away: Some(why), socket, .. }) => {
                return ("Builder", format!("{socket}: away ({why})"), true);
            }
            Some(link) => {
                let since = link.since.map_or_else(String::new, |at| duration(now.since(at)));
                let last = link.error.map_or_else(String::new, |e| format!("; before that: {e}"));
                let BuilderLink { socket, program, .. } = link;
                format!("{socket}: img {program}, there for {since}{last}")
            }
        };
        ("Builder", text, false)
    }

    /// Which queues start nothing, and how far they have come with what builds: whoever is about to
    /// work on the box looks here. That nothing starts at all wants attention.
    fn queues_fact(&self) -> Result<(&'static str, String, bool), StoreError> {
        let (queues, (_, building)) = (self.store().queues()?, self.board().building());
        let (mut still, mut paused) = (0, Vec::new());
        for queue in &queues {
            match queue.state(building.get(&queue.name).copied().unwrap_or(0)) {
                QueueState::Open | QueueState::RecordsOnly => continue,
                QueueState::Draining { building } => still += building,
                QueueState::Paused => {}
            }
            paused.push(queue.name.as_str());
        }
        let all = paused.len() == queues.len();
        let which =
            if all { "all paused".to_owned() } else { format!("{} paused", paused.join(", ")) };
        let text = match (paused.is_empty(), still) {
            (true, _) => "none is paused".to_owned(),
            (false, 0) => format!("{which}, nothing of them builds"),
            (false, 1) => format!("{which}, draining: 1 job still builds"),
            (false, _) => format!("{which}, draining: {still} jobs still build"),
        };
        Ok(("Queues", text, all))
    }

    fn work(&self, now: Timestamp) -> Result<HealthGroup, AppError> {
        let counts = self.store().counts()?;
        let of = |state| counts.by_state.get(&state).copied().unwrap_or(0).to_string();
        let settings = self.settings();
        let mut facts = vec![
            ("Slots", self.live().slots.to_string(), false),
            ("Sandbox", settings.sandbox.ask(), false),
            self.builder_fact(now),
            self.queues_fact()?,
            ("Building", of(StateKind::Building), false),
            ("Waiting", of(StateKind::Queued), false),
        ];
        facts.extend(kernel_facts());
        let (left, freed): (Vec<_>, Vec<_>) =
            settings.swept.iter().partition(|said| said.starts_with(crate::files::NOT_FREED));
        let told = [("Found at the last start", freed, false), ("Not freed", left, true)];
        for (what, said, attention) in told.into_iter().filter(|(_, said, _)| !said.is_empty()) {
            facts.push((what, said.into_iter().cloned().collect::<Vec<_>>().join("; "), attention));
        }
        Ok(group("Builder", facts))
    }

    /// An export of the store, as a stream: nothing is kept on disk, so it works on a full one.
    /// The checksum at its end tells a whole backup from one that was cut.
    ///
    /// # Errors
    /// When no pipe or thread can be had.
    pub fn backup(&self, proof: &Allowed) -> Result<std::fs::File, AppError> {
        debug_assert_eq!(proof.verb(), crate::domain::Verb::Backup);
        let failed = "the backup cannot be started: try again";
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| AppError::internal(failed, e))?;
        let app = self.clone();
        std::thread::Builder::new()
            .name("backup".into())
            .spawn(move || app.write_backup(writer))
            .map_err(|e| AppError::internal(failed, e))?;
        Ok(reader.into())
    }

    fn write_backup(&self, writer: OwnedFd) {
        let mut out = std::io::BufWriter::with_capacity(64 * 1024, std::fs::File::from(writer));
        let written = self.store().export(&mut out).map_err(|e| e.to_string());
        match written.and_then(|n| out.flush().map(|()| n).map_err(|e| e.to_string())) {
            Ok(records) => tracing::info!(records, "a backup of the store was taken"),
            Err(error) => tracing::warn!(error, "a backup of the store was not finished"),
        }
    }
}

fn new_builds(disk: &DiskState) -> String {
    let until = size(disk.thresholds.resume_above());
    match &disk.lost {
        Some(reason) => format!("wait until the volume answers again ({reason})"),
        None if disk.holds() => format!("wait until {until} are free"),
        None => format!("start while {} are free", size(disk.thresholds.hold_below())),
    }
}

fn ballast(disk: &DiskState) -> String {
    let room = |limit: u64| size(limit.saturating_add(disk.ballast_size));
    match disk.ballast {
        Ballast::Off => "none is wanted".to_owned(),
        Ballast::There(held) => format!("{} held back for a full disk", size(held)),
        Ballast::Missing => {
            format!("not there: it is made when {} are free", room(disk.thresholds.hold_below()))
        }
        Ballast::Released(_) => format!(
            "given up because the disk was full: it is made again when {} are free",
            room(disk.thresholds.resume_above())
        ),
    }
}

fn group<'a>(title: &str, facts: impl IntoIterator<Item = (&'a str, String, bool)>) -> HealthGroup {
    let facts = facts.into_iter().map(|(name, value, bad)| (name.to_owned(), value, bad));
    HealthGroup { title: title.to_owned(), facts: facts.collect() }
}

fn size(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

fn duration(span: std::time::Duration) -> String {
    let minutes = span.as_secs() / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

fn runner_health(entry: &Entry) -> RunnerHealth {
    let info = entry.runner.as_ref().map(|r| r.info());
    let status = match &entry.status {
        Status::Enabled => "enabled".to_owned(),
        Status::WaitingForGrant(what) => format!("waiting for grant: {what}"),
        Status::Disabled(why) => format!("disabled: {why}"),
        Status::Failed(why) => format!("failed: {why}"),
    };
    RunnerHealth {
        id: entry.id.clone(),
        name: info.map(|i| i.name.clone()).unwrap_or_default(),
        version: info.map(|i| i.version.clone()).unwrap_or_default(),
        sha256: entry.sha256.clone(),
        origin: match &entry.origin {
            Origin::BuiltIn => "built in".to_owned(),
            Origin::File(name) => name.clone(),
        },
        status,
        usable: entry.usable().is_some(),
        programs: entry
            .programs
            .iter()
            .map(|p| {
                let path = p.path.as_ref().map(|p| p.display().to_string());
                (p.name.clone(), path, p.version.clone())
            })
            .collect(),
        pairs: info.map_or(0, |i| i.image_types.iter().map(|t| t.architectures.len()).sum()),
    }
}
