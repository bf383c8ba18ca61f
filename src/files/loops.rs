//! Loop devices that hold a file below a directory.
//!
//! The path that the kernel shows is no proof: a tool opened the file in a mount namespace of its
//! own, and once that is gone the path counts from the root of a mount that is nowhere any more. So
//! the file's number is compared too.
#![expect(unsafe_code, reason = "two ioctls have no safe wrapper; see their SAFETY")]

use super::{Dir, Freed, mounts::below_its_mount, way_out::still_held};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, FileType, Mode, OFlags, Stat},
    ioctl::{Getter, NoArg, Opcode},
};
use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// Of linux/loop.h.
const LOOP_CLR_FD: Opcode = 0x4C01;
const LOOP_GET_STATUS64: Opcode = 0x4C05;
/// `struct loop_info64`; it begins with the device and the number of the file.
type LoopInfo = [u64; 29];
/// How deep a tree is looked into.
const DEEPEST: usize = 128;

/// A loop device that holds a file.
struct Loop {
    device: PathBuf,
    /// The file's path as the kernel shows it.
    shown: PathBuf,
    /// The file has no name any more.
    deleted: bool,
}

/// Detaches loop devices whose file lies below `below`.
pub(super) fn detach_loops(below: &Path, freed: &mut Freed) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for Loop { device, shown, .. } in loops_below(below) {
        let detached = open(&device).and_then(detach);
        freed.found.push(format!("{} still held {}", device.display(), shown.display()));
        if let Err(e) = detached {
            freed.residual.push(still_held(&device, &shown, &e));
        }
    }
}

fn open(device: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(device, flags, Mode::empty())?)
}

/// Takes the file away from a loop device; a device in use lets go of it when it is closed.
fn detach(device: OwnedFd) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument, so there is no memory to get wrong.
    Ok(unsafe { rustix::ioctl::ioctl(device, NoArg::<LOOP_CLR_FD>::new()) }?)
}

/// Device and number of the file that a loop device holds.
fn file_of(device: impl AsFd) -> io::Result<(u64, u64)> {
    // SAFETY: LOOP_GET_STATUS64 writes one loop_info64, which is as long as LoopInfo and holds
    // nothing but integers.
    let [dev, ino, ..] =
        unsafe { rustix::ioctl::ioctl(device, Getter::<LOOP_GET_STATUS64, LoopInfo>::new())? };
    Ok((dev, ino))
}

fn loops_below(below: &Path) -> Vec<Loop> {
    let (mut ours, others): (Vec<_>, Vec<_>) =
        loops().into_iter().partition(|held| held.shown.starts_with(below));
    if !others.is_empty()
        && let Ok(dir) = Dir::open_root(below)
        && let Ok(about) = rustix::fs::fstat(&dir)
    {
        ours.extend(hidden(below, &dir, about.st_dev, others));
    }
    ours
}

/// Every loop device that holds a file.
fn loops() -> Vec<Loop> {
    let Ok(entries) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    let look = |name: OsString| {
        name.as_bytes().strip_prefix(b"loop")?;
        let text =
            std::fs::read(Path::new("/sys/block").join(&name).join("loop/backing_file")).ok()?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let kept = text.strip_suffix(b" (deleted)");
        let shown = PathBuf::from(OsStr::from_bytes(kept.unwrap_or(text)));
        Some(Loop { device: Path::new("/dev").join(name), shown, deleted: kept.is_some() })
    };
    entries.flatten().filter_map(|entry| look(entry.file_name())).collect()
}

/// Those of `loops` whose file lies in `dir`, which is `below` on the file system `dev`, although
/// their path says something else.
fn hidden(below: &Path, dir: &Dir, dev: u64, loops: Vec<Loop>) -> Vec<Loop> {
    let suspects: Vec<_> = loops
        .into_iter()
        .filter_map(|held| {
            let file = open(&held.device).and_then(file_of).ok()?;
            (file.0 == dev && !is_at(&held.shown, file)).then_some((held, file.1))
        })
        .collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    let mut found = HashSet::new();
    let wanted = suspects.iter().map(|(_, ino)| *ino).collect();
    search(dir, dev, &wanted, &mut found, 0);
    // Without a name it is found nowhere, and only the path is left to go by.
    let place = below_its_mount(below);
    let ours = |held: &Loop, ino| {
        let shown_below = || place.as_ref().is_some_and(|place| held.shown.starts_with(place));
        found.contains(&ino) || held.deleted && shown_below()
    };
    suspects.into_iter().filter(|(held, ino)| ours(held, *ino)).map(|(held, _)| held).collect()
}

/// True if the file is where its path says, and so is nobody else's.
fn is_at(shown: &Path, (dev, ino): (u64, u64)) -> bool {
    shown.symlink_metadata().is_ok_and(|about| (about.dev(), about.ino()) == (dev, ino))
}

/// Which of `wanted` are numbers of regular files in `dir`.
fn search(dir: &Dir, dev: u64, wanted: &HashSet<u64>, found: &mut HashSet<u64>, depth: usize) {
    // What cannot be read holds nothing that can be found.
    let _ = dir.each_name(|name| {
        let Ok(about) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return true;
        };
        match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile if is_wanted(&about, dev, wanted) => {
                found.insert(about.st_ino);
            }
            FileType::Directory if depth < DEEPEST => {
                if let Ok(deeper) = dir.open_dir(name) {
                    search(&deeper, dev, wanted, found, depth + 1);
                }
            }
            _ => {}
        }
        found.len() < wanted.len()
    });
}

fn is_wanted(about: &Stat, dev: u64, wanted: &HashSet<u64>) -> bool {
    about.st_dev == dev && wanted.contains(&about.st_ino)
}
