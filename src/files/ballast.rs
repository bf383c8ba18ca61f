//! The ballast: a file that only takes room, so that there is some to give up when the volume is
//! full.

use super::{DataDir, FilesError, dir::allocated, error::failed};
use rustix::{
    fs::{AtFlags, FallocateFlags, ftruncate, statat},
    io::Errno,
};
use std::{fs::File, io::Write as _, os::fd::AsFd as _};

const NAME: &str = "ballast";
/// Bytes written at once where the file system cannot set room aside.
const PIECE: usize = 1 << 20;

impl DataDir {
    /// Bytes the ballast really takes; `None` if there is none of exactly `size` bytes. One that
    /// was not finished, or is of another size, counts as none.
    pub fn ballast(&self, size: u64) -> Option<u64> {
        let stat = statat(self.dir(), NAME, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let held = allocated(&stat);
        let whole = u64::try_from(stat.st_size).ok() == Some(size);
        // Some file systems count a little less than was written.
        (whole && held >= size - size / 8).then_some(held)
    }

    /// Makes a ballast of `size` bytes, really allocated, in place of any other. Between two
    /// pieces it asks whether to `go_on`. False if it was told not to; nothing is left then.
    ///
    /// # Errors
    /// When there is no room for it; nothing is left then either.
    pub fn make_ballast(&self, size: u64, go_on: impl Fn() -> bool) -> Result<bool, FilesError> {
        self.release_ballast()?;
        let file = self.dir().create_file(NAME, 0o600)?;
        let made = take_room(&file, size, go_on);
        match made {
            Ok(true) => self.dir().sync().map(|()| true),
            Ok(false) => self.release_ballast().map(|()| false),
            Err(e) => {
                // What could not be removed is tried again with the next one.
                let _ = self.release_ballast();
                Err(failed("fill", self.dir().shown(NAME))(e))
            }
        }
    }

    /// Gives the ballast's room back. Not being there is success.
    ///
    /// # Errors
    /// When it can be neither removed nor emptied.
    pub fn release_ballast(&self) -> Result<(), FilesError> {
        match self.dir().remove_file(NAME) {
            // A file system that writes even to remove may first need the room.
            Err(e) if e.is_full() => self.empty_ballast(),
            other => other,
        }
    }

    fn empty_ballast(&self) -> Result<(), FilesError> {
        let file = self.dir().open_to_empty(NAME)?;
        ftruncate(&file, 0).map_err(failed("empty", self.dir().shown(NAME)))?;
        self.dir().remove_file(NAME)
    }
}

fn take_room(file: &File, size: u64, go_on: impl Fn() -> bool) -> std::io::Result<bool> {
    match rustix::fs::fallocate(file.as_fd(), FallocateFlags::empty(), 0, size) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_room(file, size, go_on),
        Err(e) => Err(e.into()),
    }
}

/// Takes room by writing. False if it was told to stop.
fn write_room(mut file: &File, size: u64, go_on: impl Fn() -> bool) -> std::io::Result<bool> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut piece = vec![0; PIECE];
    let mut left = size;
    while left > 0 {
        if !go_on() {
            return Ok(false);
        }
        noise.fill(&mut piece);
        let take = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        file.write_all(piece.get(..take).unwrap_or_default())?;
        left = left.saturating_sub(take as u64);
    }
    file.sync_all()?;
    Ok(true)
}

/// Bytes that no file system can make smaller.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, piece: &mut [u8]) {
        for word in piece.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(self.0.to_le_bytes().get(..word.len()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    const SIZE: u64 = 3 << 20;

    fn data() -> (tempfile::TempDir, DataDir) {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        (tmp, data)
    }

    #[test]
    fn it_takes_real_room_and_gives_it_back() {
        let (tmp, data) = data();
        assert_eq!(data.ballast(SIZE), None);
        assert!(data.make_ballast(SIZE, || true).unwrap());
        let found = std::fs::metadata(tmp.path().join(NAME)).unwrap();
        assert_eq!(found.len(), SIZE);
        assert!(found.blocks() * 512 >= SIZE, "only {} blocks", found.blocks());
        assert!(data.ballast(SIZE).is_some_and(|held| held >= SIZE));
        assert_eq!(data.ballast(SIZE + 1), None, "one of another size is none");
        data.release_ballast().unwrap();
        data.release_ballast().unwrap();
        assert!(!tmp.path().join(NAME).exists());
    }

    #[test]
    fn one_that_was_not_finished_counts_as_none_and_is_made_anew() {
        let (tmp, data) = data();
        let file = std::fs::File::create(tmp.path().join(NAME)).unwrap();
        file.set_len(SIZE).unwrap();
        assert_eq!(data.ballast(SIZE), None, "a hole takes no room");
        assert!(data.make_ballast(SIZE, || true).unwrap());
        assert!(data.ballast(SIZE).is_some());
    }

    #[test]
    fn where_room_cannot_be_set_aside_it_is_written() {
        let (tmp, data) = data();
        let file = data.dir().create_file(NAME, 0o600).unwrap();
        assert!(write_room(&file, SIZE + 5, || true).unwrap());
        assert!(data.ballast(SIZE + 5).is_some());
        let bytes = std::fs::read(tmp.path().join(NAME)).unwrap();
        let different: std::collections::HashSet<_> = bytes.chunks(4096).collect();
        assert_eq!(different.len(), bytes.len().div_ceil(4096), "pieces repeat");
    }

    #[test]
    fn one_that_is_told_to_stop_leaves_nothing() {
        let (tmp, data) = data();
        let file = data.dir().create_file(NAME, 0o600).unwrap();
        assert!(!write_room(&file, SIZE, || false).unwrap());
        data.release_ballast().unwrap();
        assert!(!tmp.path().join(NAME).exists());
    }

    #[test]
    fn without_room_nothing_is_left_and_the_path_is_named() {
        let (tmp, data) = data();
        // No file system has that much.
        let said = data.make_ballast(1 << 55, || true).unwrap_err().to_string();
        assert!(said.contains("ballast"), "{said}");
        assert!(!tmp.path().join(NAME).exists());
    }

    #[test]
    fn a_link_in_its_place_is_removed_not_followed() {
        let (tmp, data) = data();
        let victim = tmp.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, tmp.path().join(NAME)).unwrap();
        assert_eq!(data.ballast(8), None);
        assert!(data.make_ballast(SIZE, || true).unwrap());
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}
