//! Mounts and loop devices below a directory: nothing is deleted while they are there.

use super::{loops::detach_loops, way_out::still_mounted};
use rustix::mount::{UnmountFlags, unmount};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

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
    let places = mount_points().into_iter();
    places.filter(|place| place.starts_with(below) && place != below).collect()
}

/// What the path of a file below `below` begins with once the mount it was opened through is gone:
/// it counts from that mount's root. `None` if nothing is left of it.
pub(super) fn below_its_mount(below: &Path) -> Option<PathBuf> {
    let places = mount_points().into_iter().filter(|place| below.starts_with(place));
    let place = places.max_by_key(|place| place.components().count())?;
    let left = below.strip_prefix(place).ok().filter(|left| !left.as_os_str().is_empty())?;
    Some(Path::new("/").join(left))
}

/// Where something is mounted, as this process sees it, in the order in which it was.
fn mount_points() -> Vec<PathBuf> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let place = |line: &[u8]| {
        let field = line.split(|byte| *byte == b' ').nth(4)?;
        Some(PathBuf::from(OsStr::from_bytes(&unescaped(field))))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_mount_points_are_read() {
        assert_eq!(unescaped(br"/a\040b\134c\x"), br"/a b\c\x");
    }
}
