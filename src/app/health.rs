//! How the box is: versions, store, disk, tools and runners; and a backup of the store.

use super::{App, AppError, DiskState, HealthGroup, HealthView, RunnerHealth};
use crate::{
    domain::{Allowed, StateKind, Timestamp, admission::Ballast},
    plugin::{Entry, Origin, Status},
};
use std::{io::Write as _, os::fd::OwnedFd};

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
        let groups = vec![self.versions(now), self.store_facts()?, self.disk_facts(), self.work()?];
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

    fn store_facts(&self) -> Result<HealthGroup, AppError> {
        let (format, bytes) = self.store().facts();
        let counts = self.store().counts()?;
        let damaged = self.store().quarantined();
        let damaged_text = match damaged {
            0 => "none".to_owned(),
            n => format!("{n} in quarantine: stop the service and run `img fsck`"),
        };
        Ok(group(
            "Store",
            [
                ("Format", format.to_string(), false),
                ("Size", size(bytes), false),
                ("Jobs", counts.total.to_string(), false),
                ("Damaged records", damaged_text, damaged > 0),
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

    fn work(&self) -> Result<HealthGroup, AppError> {
        let counts = self.store().counts()?;
        let of = |state| counts.by_state.get(&state).copied().unwrap_or(0).to_string();
        let settings = self.settings();
        let mut facts = vec![
            ("Slots", self.live().slots.to_string(), false),
            ("Sandbox", settings.sandbox.clone(), false),
            ("Building", of(StateKind::Building), false),
            ("Waiting", of(StateKind::Queued), false),
        ];
        let swept = settings.swept.join("; ");
        if !swept.is_empty() {
            facts.push(("Found and freed at the last start", swept, false));
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
