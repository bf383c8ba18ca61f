//! A small file beside sled's that says how far the store had come.
//!
//! Where a byte of sled's log is wrong, sled takes the log to end there and opens without a word:
//! everything after it is gone. Every commit has a number; the last one that the disk confirmed
//! is noted here, after the confirmation and without a sync of its own. So the store is never
//! behind the mark, unless something was lost.

use super::codec;
use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

/// The file's name in the store's directory.
const NAME: &str = "mark";

/// How far the store had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Number of the last commit on disk.
    pub(super) commits: u64,
    /// The first job number that was never reserved.
    pub(super) next_job: u64,
}

impl Mark {
    fn encode(self) -> Vec<u8> {
        let bytes = [self.commits.to_be_bytes(), self.next_job.to_be_bytes()].concat();
        codec::add_checksum(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (commits, next_job) = codec::check(bytes).ok()?.split_at_checked(8)?;
        let number = super::keys::number;
        Some(Self { commits: number(commits)?, next_job: number(next_job)? })
    }
}

/// The file.
pub(super) struct MarkFile(File);

impl MarkFile {
    /// Opens the file; what it says is `None` when there is none or it was torn by a power loss.
    pub(super) fn open(dir: &Path) -> std::io::Result<(Self, Option<Mark>)> {
        let path = dir.join(NAME);
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = [0; 20];
        let said = file.read_exact_at(&mut bytes, 0).ok().and_then(|()| Mark::decode(&bytes));
        Ok((Self(file), said))
    }

    /// Notes how far the store has come. Failing loses only the warning about a later loss.
    pub(super) fn note(&self, mark: Mark) {
        if let Err(error) = self.0.write_all_at(&mark.encode(), 0) {
            tracing::warn!(%error, "the store's mark cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_a_torn_one_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, said) = MarkFile::open(dir.path()).unwrap();
        assert_eq!(said, None);
        let mark = Mark { commits: 7, next_job: 129 };
        file.note(mark);
        assert_eq!(MarkFile::open(dir.path()).unwrap().1, Some(mark));
        std::fs::write(dir.path().join(NAME), [0; 20]).unwrap();
        assert_eq!(MarkFile::open(dir.path()).unwrap().1, None);
    }
}
