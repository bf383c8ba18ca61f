//! What the box itself knows about a failure: whether the kernel killed for want of memory, and
//! how much room the builds' volume had when the tool complained. A tool can only guess at these.

use crate::files::Dir;
use memchr::memmem::Finder;
use std::{path::PathBuf, sync::LazyLock};

/// What the C library says of a full device, in the language that tools are given.
pub(super) const FULL: &str = "No space left on device";
static COMPLAINT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(FULL));

/// With less than this nothing can be built, whatever the tool says.
const NOTHING: u64 = 4 << 20;
/// With less than this, a tool that complains of a full device means this volume: what it was
/// writing may be gone again, and what it wrote at once may have been large.
const LITTLE: u64 = 64 << 20;
/// Fewer free inodes than this are none.
const INODES: u64 = 16;

/// Room on the volume of the builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes a tool may still write.
    pub(super) free: u64,
    /// Files it may still make; `None` where the file system does not count them.
    pub(super) inodes: Option<u64>,
}

impl Room {
    /// Of the volume that holds `dir`; `None` when it does not answer.
    pub(super) fn of(dir: &Dir) -> Option<Self> {
        let found = rustix::fs::fstatvfs(dir).ok()?;
        // What a file system holds back, it holds back for root.
        let root = rustix::process::geteuid().is_root();
        let (blocks, inodes) =
            if root { (found.f_bfree, found.f_ffree) } else { (found.f_bavail, found.f_favail) };
        let free = blocks.saturating_mul(found.f_frsize);
        Some(Self { free, inodes: (found.f_files > 0).then_some(inodes) })
    }

    fn lacks_files(self) -> bool {
        self.inodes.is_some_and(|inodes| inodes < INODES)
    }

    /// What is wanting, in a sentence, if something is. `complained`: a tool said so too.
    pub(super) fn lack(self, complained: bool) -> Option<String> {
        if self.lacks_files() {
            return Some("the disk is full: it has room for no more files".into());
        }
        let little = if complained { LITTLE } else { NOTHING };
        let mebibytes = self.free >> 20;
        (self.free < little)
            .then(|| format!("the disk is full: {mebibytes} MiB were left for this build"))
    }
}

/// The least room there was at a moment when a tool complained of a full device.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    least: Option<Room>,
}

impl Complaints {
    /// Looks whether a piece of output complains, and asks the volume at once if it does: many a
    /// tool tidies up before it ends.
    pub(super) fn look(&mut self, piece: &[u8], dir: &Dir) {
        if COMPLAINT.find(piece).is_none() {
            return;
        }
        let least = |room: Room| self.least.is_none_or(|before| room.free < before.free);
        if let Some(room) = Room::of(dir).filter(|room| least(*room)) {
            self.least = Some(room);
        }
    }

    /// The least room there was.
    pub(super) fn least(&self) -> Option<Room> {
        self.least
    }
}

/// How often the kernel has killed for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kills {
    /// In the control group of the service, where every build runs.
    Group(u64),
    /// On the whole box; somebody else may have been meant.
    Box(u64),
    /// The kernel does not tell.
    Unknown,
}

/// What a later count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// The build had more than it may, and a process of it was killed.
    OverLimit,
    /// A build, or something else of the service, was killed.
    Ran,
    /// Somebody on the box was killed.
    RanSomewhere,
    /// Nobody was.
    Held,
    /// The kernel does not tell.
    Unknown,
}

impl Kills {
    /// The count now.
    pub(super) fn now() -> Self {
        let count = |file: &std::path::Path, word: &str| {
            counter(&std::fs::read_to_string(file).ok()?, word)
        };
        static GROUP: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
            group_files(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
        });
        let group = GROUP.iter().find_map(|file| count(file, "oom_kill"));
        match (group, || count("/proc/vmstat".as_ref(), "oom_kill")) {
            (Some(kills), _) => Self::Group(kills),
            (None, of_box) => of_box().map_or(Self::Unknown, Self::Box),
        }
    }

    /// What has happened since.
    pub(super) fn until(self, later: Self) -> Memory {
        match (self, later) {
            (Self::Group(before), Self::Group(after)) if after > before => Memory::Ran,
            (Self::Box(before), Self::Box(after)) if after > before => Memory::RanSomewhere,
            (Self::Group(_), Self::Group(_)) | (Self::Box(_), Self::Box(_)) => Memory::Held,
            (Self::Group(_) | Self::Box(_) | Self::Unknown, _) => Memory::Unknown,
        }
    }
}

/// Files that count for the control group in `/proc/self/cgroup`, version 2 first.
fn group_files(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        if controllers.is_empty() {
            files.insert(0, PathBuf::from(format!("/sys/fs/cgroup{path}/memory.events")));
        } else if controllers.split(',').any(|name| name == "memory") {
            files.push(PathBuf::from(format!("/sys/fs/cgroup/memory{path}/memory.oom_control")));
        }
    }
    files
}

/// The number behind `word` on a line of its own.
fn counter(text: &str, word: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == word)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::DataDir;

    #[test]
    fn the_counts_are_found_for_both_versions_of_control_groups() {
        let files = group_files("12:cpu,memory:/a/b\n3:pids:/x\n0::/system.slice/img.service\n");
        let texts: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        assert_eq!(
            texts,
            [
                "/sys/fs/cgroup/system.slice/img.service/memory.events",
                "/sys/fs/cgroup/memory/a/b/memory.oom_control"
            ]
        );
        assert_eq!(counter("low 0\noom 4\noom_kill 3\noom_group_kill 1\n", "oom_kill"), Some(3));
        assert_eq!(counter("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", "oom_kill"), Some(7));
        assert_eq!(counter("oom_kill x\n", "oom_kill"), None);
    }

    #[test]
    fn only_a_count_that_grew_says_that_memory_ran_out() {
        assert_eq!(Kills::Group(1).until(Kills::Group(2)), Memory::Ran);
        assert_eq!(Kills::Box(1).until(Kills::Box(2)), Memory::RanSomewhere);
        assert_eq!(Kills::Group(2).until(Kills::Group(2)), Memory::Held);
        assert_eq!(Kills::Unknown.until(Kills::Group(2)), Memory::Unknown);
        assert_eq!(Kills::Group(0).until(Kills::Box(9)), Memory::Unknown);
    }

    #[test]
    fn little_room_is_none_only_when_the_tool_says_so_too() {
        let room = |free| Room { free, inodes: Some(1_000) };
        assert_eq!(room(20 << 20).lack(false), None);
        assert!(room(20 << 20).lack(true).is_some_and(|said| said.contains("20 MiB")));
        assert!(room(1 << 20).lack(false).is_some());
        assert_eq!(room(1 << 30).lack(true), None);
        let no_files = Room { free: 1 << 30, inodes: Some(0) };
        assert!(no_files.lack(false).is_some_and(|said| said.contains("files")));
        assert_eq!(Room { free: 1 << 30, inodes: None }.lack(false), None);
    }

    #[test]
    fn the_volume_is_asked_when_the_tool_complains() {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let mut complaints = Complaints::default();
        complaints.look(b"all is well\n", data.build());
        assert_eq!(complaints.least(), None);
        complaints.look(b"cp: x: No space left on device\n", data.build());
        assert!(complaints.least().is_some());
    }
}
