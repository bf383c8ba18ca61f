//! Which disk a file system lies on: the kernel limits whole disks only.

use std::{
    os::{fd::AsFd, unix::fs::MetadataExt as _},
    path::Path,
};

/// The disk that the file behind `file` lies on, as `io.max` wants it (`8:0`). `None` where there is
/// no single one, as for memory, networks and stacks of file systems.
pub(super) fn of(file: impl AsFd) -> Option<String> {
    let device = rustix::fs::fstat(file).ok()?.st_dev;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let device = (rustix::fs::major(device), rustix::fs::minor(device));
    // Some file systems, such as btrfs, number themselves: they say what they were mounted from.
    let (major, minor) = if device.0 == 0 { mounted_from(&mounts, device)? } else { device };
    whole("/sys/dev/block".as_ref(), major, minor)
}

/// A partition's disk, and any other disk itself.
fn whole(disks: &Path, major: u32, minor: u32) -> Option<String> {
    let disk = disks.join(format!("{major}:{minor}"));
    // The name is a link into the tree of devices, where a partition lies in its disk.
    let disk = if disk.join("partition").exists() { disk.join("..") } else { disk };
    let number = std::fs::read_to_string(disk.join("dev")).ok()?;
    Some(number.trim().to_owned())
}

fn mounted_from(mounts: &str, (major, minor): (u32, u32)) -> Option<(u32, u32)> {
    let device = format!("{major}:{minor}");
    let source = mounts.lines().find_map(|line| {
        let (place, from) = line.split_once(" - ")?;
        (place.split(' ').nth(2) == Some(&device)).then(|| from.split(' ').nth(1)).flatten()
    })?;
    let device = std::fs::metadata(source).ok()?.rdev();
    (device > 0).then(|| (rustix::fs::major(device), rustix::fs::minor(device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_limited_on_its_disk() {
        let tmp = tempfile::tempdir().unwrap();
        let tree = tmp.path().join("devices/sda");
        std::fs::create_dir_all(tree.join("sda2")).unwrap();
        let put = |file: &str, text: &str| std::fs::write(tree.join(file), text).unwrap();
        put("dev", "8:0\n");
        put("sda2/dev", "8:2\n");
        put("sda2/partition", "2\n");
        for (number, place) in [("8:0", "devices/sda"), ("8:2", "devices/sda/sda2")] {
            std::os::unix::fs::symlink(place, tmp.path().join(number)).unwrap();
        }
        assert_eq!(whole(tmp.path(), 8, 2).as_deref(), Some("8:0"));
        assert_eq!(whole(tmp.path(), 8, 0).as_deref(), Some("8:0"));
        assert_eq!(whole(tmp.path(), 9, 0), None, "a disk that is not there");
    }

    #[test]
    fn a_file_system_that_numbers_itself_is_asked_where_it_came_from() {
        let mounts = "29 1 0:31 / /srv rw - btrfs /dev/null rw\n\
                      30 1 0:32 / /tmp rw - tmpfs tmpfs rw\ncut - \n";
        assert_eq!(mounted_from(mounts, (0, 31)), Some((1, 3)), "what the name stands for");
        assert_eq!(mounted_from(mounts, (0, 32)), None, "memory lies on no disk");
        assert_eq!(mounted_from(mounts, (0, 33)), None);
    }
}
