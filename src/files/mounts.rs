//! Mounts and loop devices below a directory: nothing is deleted while they are there.
#![expect(unsafe_code, reason = "one ioctl has no safe wrapper; see its SAFETY")]

use super::way_out::{still_held, still_mounted};
use rustix::{
    fd::AsFd,
    fs::{Mode, OFlags},
    ioctl::{NoArg, Opcode},
    mount::{UnmountFlags, unmount},
};
use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// LOOP_CLR_FD of linux/loop.h.
const LOOP_CLR_FD: Opcode = 0x4C01;

/// What was found, and what of it could not be freed; one sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// What was there.
    pub found: Vec<String>,
    /// What is still there, with the command that frees it.
    pub residual: Vec<String>,
}

/// Unmounts everything mounted below `below` and detaches loop devices whose file lies there.
pub fn free_below(below: &Path, freed: &mut Freed) {
    unmount_below(below, freed);
    detach_loops(below, freed);
}

/// Takes the file away from a loop device; a device in use lets go of it when it is closed.
fn detach_loop(device: impl AsFd) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument, so there is no memory to get wrong.
    Ok(unsafe { rustix::ioctl::ioctl(device, NoArg::<LOOP_CLR_FD>::new()) }?)
}

/// Unmounts everything below `below`, the last first.
fn unmount_below(below: &Path, freed: &mut Freed) {
    // A lazy detach can bring hidden mounts to light: a few rounds.
    for _ in 0..8 {
        let mounts = mounts_below(below);
        if mounts.is_empty() {
            return;
        }
        for place in mounts.iter().rev() {
            let soft = unmount(place, UnmountFlags::NOFOLLOW);
            let done = soft
                .or_else(|_| unmount(place, UnmountFlags::NOFOLLOW.union(UnmountFlags::DETACH)));
            if done.is_ok() {
                freed.found.push(format!("{} was still mounted", place.display()));
            }
        }
    }
    freed.residual.extend(mounts_below(below).iter().map(|place| still_mounted(place)));
}

/// Mount points below `below`, in the order in which they were mounted.
fn mounts_below(below: &Path) -> Vec<PathBuf> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let place = |line: &[u8]| {
        let field = line.split(|byte| *byte == b' ').nth(4)?;
        let place = PathBuf::from(OsStr::from_bytes(&unescaped(field)));
        (place.starts_with(below) && place != below).then_some(place)
    };
    text.split(|byte| *byte == b'\n').filter_map(place).collect()
}

/// Undoes `\040` and the like.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    out
}

/// Detaches loop devices whose file lies below `below`.
fn detach_loops(below: &Path, freed: &mut Freed) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for (device, file) in loops_below(below) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let detached = rustix::fs::open(&device, flags, Mode::empty())
            .map_err(std::io::Error::from)
            .and_then(detach_loop);
        freed.found.push(format!("{} still held {}", device.display(), file.display()));
        if let Err(e) = detached {
            freed.residual.push(still_held(&device, &file, &e));
        }
    }
}

fn loops_below(below: &Path) -> Vec<(PathBuf, PathBuf)> {
    let Ok(entries) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    let look = |name: std::ffi::OsString| {
        name.as_bytes().strip_prefix(b"loop")?;
        let text =
            std::fs::read(Path::new("/sys/block").join(&name).join("loop/backing_file")).ok()?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let text = text.strip_suffix(b" (deleted)").unwrap_or(text);
        let file = PathBuf::from(OsStr::from_bytes(text));
        file.starts_with(below).then(|| (Path::new("/dev").join(name), file))
    };
    entries.flatten().filter_map(|entry| look(entry.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_mount_points_are_read() {
        assert_eq!(unescaped(br"/a\040b\134c\x"), br"/a b\c\x");
    }
}
