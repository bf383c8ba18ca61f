//! A small ext4 of a test's own, mounted over a loop device.
#![allow(dead_code, reason = "every test crate uses its own part")]

use crate::common::{is_root, said, skip};
use std::{fs::File, path::PathBuf, process::Command};
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;

/// A small file system; unmounted, and its loop device given back, with the test.
pub struct SmallVolume {
    pub dir: TempDir,
}

impl SmallVolume {
    /// `mib` MiB; `None`, with a word on why, where that is not possible.
    pub fn make(mib: u64) -> Option<Self> {
        if !is_root("mounting a small volume") {
            return None;
        }
        let dir = tempfile::Builder::new().prefix("img-volume-").tempdir().unwrap();
        let volume = Self { dir };
        let image = volume.dir.path().join("image");
        File::create(&image).unwrap().set_len(mib * MIB).unwrap();
        std::fs::create_dir(volume.path()).unwrap();
        let made =
            run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image)).and_then(|()| {
                run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(volume.path()))
            });
        match made {
            Ok(()) => Some(volume),
            Err(why) => {
                skip(&format!("a small volume cannot be mounted here: {why}"));
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    /// Bytes that can still be written.
    pub fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(self.path()).unwrap();
        found.f_bavail * found.f_frsize
    }

    /// Takes room until only `left` bytes are free.
    pub fn fill(&self, left: u64) {
        let file = File::create(self.filler()).unwrap();
        let bytes = self.free().saturating_sub(left).max(1);
        // With nothing to be left, the last blocks go one by one.
        let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes);
        if left == 0 {
            use std::io::{Seek as _, Write as _};
            let mut file = file;
            file.seek(std::io::SeekFrom::End(0)).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
        }
    }

    /// Takes what has become free since.
    pub fn fill_more(&self) {
        use std::io::Write as _;
        let mut file = File::options().append(true).open(self.filler()).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    /// From now on every write fails, as after a fault of the disk.
    pub fn abort(&self) {
        run(Command::new("mount").args(["-o", "remount,abort"]).arg(self.path())).unwrap();
    }

    /// Mounts it anew; nobody may have a file of it open.
    pub fn mount_again(&self) {
        run(Command::new("umount").arg(self.path())).unwrap();
        let image = self.dir.path().join("image");
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(self.path())).unwrap();
    }

    /// Gives the room back.
    pub fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    pub fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg(self.path()));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}
