//! Finding and ending processes that a build left behind. Never by a name or a command line: by
//! where a process is rooted, and by the mark in its environment. Mounts and loop devices are
//! freed by [`files`](crate::files::DataDir::free).

use crate::files::{Freed, still_running};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use std::{
    collections::HashMap,
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    time::{Duration, Instant},
};

/// The variable that marks every process of a build; its value is the build's directory.
pub(super) const MARK: &str = "IMG_BUILD_DIR";
/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an environment that are looked at.
const ENVIRONMENT: usize = 1 << 20;

/// The newest process number, to look later only at what came after it.
pub(super) fn newest_process() -> Option<i32> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next_back()?.parse().ok()
}

/// Process numbers that may belong to a build.
pub(super) enum Candidates {
    /// Every process there is.
    All,
    /// Those that began after this one.
    Since(i32),
}

impl Candidates {
    fn numbers(&self) -> Vec<i32> {
        /// More than this are found faster by listing `/proc`.
        const FEW: i32 = 256;
        if let (Self::Since(from), Some(to)) = (self, newest_process())
            && let Some(count) = to.checked_sub(*from)
            && (0..=FEW).contains(&count)
        {
            return (*from + 1..=to).collect();
        }
        every_process()
    }
}

fn every_process() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Every process with its parent.
pub(super) fn parents() -> HashMap<i32, i32> {
    let parent = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, so the fields are counted from its end.
        let fields = stat.rsplit_once(')')?.1;
        let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    };
    every_process().into_iter().filter_map(parent).collect()
}

/// Kills processes that belong to builds below `below`.
pub(super) fn end_processes(below: &Path, candidates: &Candidates, freed: &mut Freed) {
    let deadline = Instant::now() + PATIENCE;
    let mut candidates = candidates.numbers();
    // A process may start another one while it is looked at: until nobody is found.
    for round in 0..50 {
        let found: Vec<_> = candidates.iter().filter_map(|pid| belongs(*pid, below)).collect();
        if found.is_empty() {
            return;
        }
        for (pid, handle) in &found {
            if round == 0 {
                freed.found.push(format!("process {pid} was still running and was killed"));
            }
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
        let stuck: Vec<_> =
            found.iter().filter(|(_, handle)| !wait_until_gone(handle, deadline)).collect();
        if !stuck.is_empty() {
            freed.residual.extend(stuck.iter().map(|(pid, _)| still_running(*pid)));
            return;
        }
        candidates = every_process();
    }
}

/// A handle on the process, if it belongs to a build below `below`.
fn belongs(number: i32, below: &Path) -> Option<(i32, OwnedFd)> {
    let pid = Pid::from_raw(number)?;
    if is_own(number) || !Process::open(number)?.belongs(below) {
        return None;
    }
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The number may have been used again before the handle was open.
    Process::open(number)?.belongs(below).then_some((number, handle))
}

fn is_own(number: i32) -> bool {
    u32::try_from(number) == Ok(std::process::id())
}

/// A process's directory in `/proc`: found once, asked several times. Most numbers that are
/// looked at have no process any more.
struct Process(OwnedFd);

impl Process {
    fn open(number: i32) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(format!("/proc/{number}"), flags, Mode::empty()).ok().map(Self)
    }

    fn belongs(&self, below: &Path) -> bool {
        self.is_rooted(below) || self.is_marked(below)
    }

    fn is_rooted(&self, below: &Path) -> bool {
        let mut buffer = Vec::with_capacity(256);
        ["cwd", "root", "exe"].iter().any(|link| {
            buffer.clear();
            let Ok(to) = rustix::fs::readlinkat(&self.0, *link, std::mem::take(&mut buffer)) else {
                return false;
            };
            buffer = to.into_bytes();
            !buffer.is_empty() && Path::new(OsStr::from_bytes(&buffer)).starts_with(below)
        })
    }

    fn is_marked(&self, below: &Path) -> bool {
        use std::io::Read;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.0, "environ", flags, Mode::empty()) else {
            return false;
        };
        let mut environment = Vec::new();
        let file = std::fs::File::from(file);
        if file.take(ENVIRONMENT as u64).read_to_end(&mut environment).is_err() {
            return false;
        }
        let mark = format!("{MARK}=");
        environment
            .split(|byte| *byte == 0)
            .filter_map(|variable| variable.strip_prefix(mark.as_bytes()))
            .any(|value| Path::new(OsStr::from_bytes(value)).starts_with(below))
    }
}

fn wait_until_gone(handle: &OwnedFd, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(left) = Timespec::try_from(left) else { return false };
    poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&left)) == Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_a_parent_in_the_table() {
        let parents = parents();
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(parents.contains_key(&me));
    }

    #[test]
    fn a_foreign_process_is_never_taken_for_one_of_a_build() {
        let mut freed = Freed::default();
        end_processes(Path::new("/no/such/build"), &Candidates::All, &mut freed);
        assert!(freed.found.is_empty() && freed.residual.is_empty());
    }
}
