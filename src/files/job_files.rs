//! What belongs to one job: `jobs/<id>/{definition, request.json, log, log.idx, artifacts/}`;
//! `log` becomes `log.gz` after the job's end.

use super::{
    DataDir, Dir, FilesError, Freed, LogWriter, Removed, error::failed, free_below, sync_together,
};
use crate::domain::JobId;
use std::{
    fs::File,
    io::Read,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
};

const DEFINITION: &str = "definition";
const REQUEST: &str = "request.json";
const ARTIFACTS: &str = "artifacts";
pub(super) const LOG: &str = "log";
pub(super) const INDEX: &str = "log.idx";
pub(super) const LOG_GZ: &str = "log.gz";
/// A `log.gz` that is being written.
pub(super) const LOG_NEW: &str = "log.gz.new";
/// Files of a job are the service's; a group may be let in by the administrator.
pub(super) const MODE: u32 = 0o640;

impl DataDir {
    /// Makes `jobs/<id>/` with the definition and `request.json`, all on disk when it returns.
    ///
    /// # Errors
    /// When a write fails; what was made is removed again.
    pub fn create_job(
        &self,
        id: JobId,
        definition: &[u8],
        request_json: &[u8],
    ) -> Result<(), FilesError> {
        let dir = self.jobs().make_dir(id.dir_name(), 0o700)?;
        fill(self.jobs(), &dir, definition, request_json).inspect_err(|_| {
            // The error that matters is the first one; the rest is swept at the next start.
            self.jobs().remove_tree(id.dir_name());
        })
    }

    /// `jobs/<id>/`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn job_dir(&self, id: JobId) -> Result<Dir, FilesError> {
        self.jobs().open_dir(id.dir_name())
    }

    /// `jobs/<id>/artifacts/`, made if need be.
    ///
    /// # Errors
    /// When the job's directory is not there.
    pub fn artifacts(&self, id: JobId) -> Result<Dir, FilesError> {
        let dir = self.job_dir(id)?.ensure_dir(ARTIFACTS)?;
        self.hand_over(&dir, &dir.shown(""))?;
        Ok(dir)
    }

    /// The jobs that have a directory, and the names there that are no job's.
    ///
    /// # Errors
    /// When `jobs/` cannot be read.
    pub fn job_ids(&self) -> Result<(Vec<JobId>, Vec<String>), FilesError> {
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        for name in self.jobs().names(usize::MAX)? {
            let name = name.to_string_lossy().into_owned();
            match name.parse::<JobId>() {
                Ok(id) if id.dir_name() == name => ids.push(id),
                Ok(_) | Err(_) => others.push(name),
            }
        }
        ids.sort_unstable();
        Ok((ids, others))
    }

    /// Removes `jobs/<id>/` and everything in it, by handle. Not being there is success.
    ///
    /// # Errors
    /// The first entry that could not be removed; the others are gone.
    pub fn remove_job(&self, id: JobId) -> Result<(), FilesError> {
        self.trash_job(id)?.into_result().map(drop)
    }

    /// Like [`remove_job`](Self::remove_job), with what it freed. The directory first moves into
    /// `trash/`, so that its URLs die at once and a kill in between leaves nothing half-visible.
    ///
    /// # Errors
    /// When it cannot be moved; then nothing was touched.
    pub fn trash_job(&self, id: JobId) -> Result<Removed, FilesError> {
        let gone = self.discard_job(id)?;
        Ok(gone.map_or_else(Removed::default, |name| self.trash().remove_tree(name)))
    }

    /// Moves `jobs/<id>/` into `trash/`; its name there, or `None` if it is not there. Whatever
    /// stands in its place – a link, a file – moves as it is and is not followed.
    ///
    /// # Errors
    /// When it cannot be moved; then nothing was touched.
    pub fn discard_job(&self, id: JobId) -> Result<Option<String>, FilesError> {
        self.discard(self.jobs(), &id.dir_name(), id)
    }

    /// Moves `jobs/<id>/artifacts/` into `trash/`; its name there, or `None` if it is not there.
    ///
    /// # Errors
    /// When it cannot be moved, or a link stands where the job's directory was.
    pub fn discard_artifacts(&self, id: JobId) -> Result<Option<String>, FilesError> {
        match self.job_dir(id) {
            Ok(dir) => self.discard(&dir, ARTIFACTS, id),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn discard(&self, dir: &Dir, name: &str, id: JobId) -> Result<Option<String>, FilesError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let gone = format!("{}-{}-{number}", id.dir_name(), std::process::id());
        match dir.rename(name, self.trash(), &gone) {
            Ok(()) => Ok(Some(gone)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Frees what is mounted below `jobs/<id>/` and the loop devices that hold files of it.
    pub fn free_job(&self, id: JobId) -> Freed {
        let mut freed = Freed::default();
        free_below(&self.root().join("jobs").join(id.dir_name()), &mut freed);
        freed
    }

    /// Whether `jobs/<id>/artifacts/` is there.
    ///
    /// # Errors
    /// When it is not, or cannot be looked at.
    pub fn has_artifacts(&self, id: JobId) -> Result<(), FilesError> {
        self.job_dir(id)?.open_dir(ARTIFACTS).map(drop)
    }

    /// Allocated bytes of `jobs/<id>/artifacts/`; 0 when it is not there.
    pub fn artifacts_usage(&self, id: JobId) -> u64 {
        let dir = self.job_dir(id).and_then(|dir| dir.open_dir(ARTIFACTS));
        dir.map_or(0, |dir| {
            if dir.names(1).is_ok_and(|n| n.is_empty()) { 0 } else { dir.usage(usize::MAX).0 }
        })
    }

    /// Jobs whose directory holds neither a log nor artifacts: they never began to build.
    ///
    /// # Errors
    /// When `jobs/` cannot be listed.
    pub fn fresh_jobs(&self) -> Result<Vec<JobId>, FilesError> {
        let (ids, _) = self.job_ids()?;
        Ok(ids.into_iter().filter(|id| self.is_fresh(*id)).collect())
    }

    /// What cannot be looked at counts as begun: only what is certain may be removed.
    fn is_fresh(&self, id: JobId) -> bool {
        let there = |name: &str| match self.job_dir(id).and_then(|dir| dir.look(name.as_ref())) {
            Ok(_) => true,
            Err(error) => !error.is_not_found(),
        };
        if there(LOG) || there(LOG_GZ) {
            return false;
        }
        match self.artifacts(id).and_then(|dir| dir.names(1)) {
            Ok(names) => names.is_empty(),
            Err(error) => error.is_not_found(),
        }
    }

    /// The definition as it was handed in.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than `limit` bytes.
    pub fn read_definition(&self, id: JobId, limit: u64) -> Result<Vec<u8>, FilesError> {
        let dir = self.job_dir(id)?;
        let (file, size) = dir.open_file(DEFINITION)?;
        let path = || dir.shown(DEFINITION);
        if size > limit {
            return Err(FilesError::TooLarge { path: path(), size, limit });
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(failed("read", path()))?;
        Ok(bytes)
    }

    /// The artifact `name` of job `id`, open for reading, with its size.
    ///
    /// # Errors
    /// When there is none, or it is no regular file.
    pub fn open_artifact(&self, id: JobId, name: &str) -> Result<(File, u64), FilesError> {
        let dir = self.job_dir(id)?.open_dir(ARTIFACTS)?;
        // One plain name: whatever else a caller passes on has no file.
        if name.is_empty() || name.contains(['/', '\0']) || matches!(name, "." | "..") {
            let shown = dir.shown(name.escape_debug().to_string());
            return Err(failed("open", shown)(std::io::Error::from(std::io::ErrorKind::NotFound)));
        }
        dir.open_file(name)
    }

    /// A writer at the end of the log of job `id`, made if need be.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append_log(&self, id: JobId) -> Result<LogWriter, FilesError> {
        let writer = LogWriter::open(&self.job_dir(id)?, MODE)?;
        writer.files().try_for_each(|(file, name)| self.hand_over(file, &name))?;
        Ok(writer)
    }
}

pub(super) fn absent<T>(found: Result<T, FilesError>) -> Result<Option<T>, FilesError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e),
    }
}

fn fill(jobs: &Dir, dir: &Dir, definition: &[u8], request_json: &[u8]) -> Result<(), FilesError> {
    dir.make_dir(ARTIFACTS, 0o700)?;
    let definition = dir.write_new(DEFINITION, definition, MODE)?;
    let request = dir.write_new(REQUEST, request_json, MODE)?;
    sync_together(&[
        (definition.as_fd(), dir.shown(DEFINITION)),
        (request.as_fd(), dir.shown(REQUEST)),
        (dir.as_fd(), dir.shown("")),
        (jobs.as_fd(), jobs.shown("")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn data() -> (tempfile::TempDir, DataDir, JobId) {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let id = JobId::new(7).unwrap();
        data.create_job(id, b"part /\n", b"{}").unwrap();
        (tmp, data, id)
    }

    #[test]
    fn a_job_reads_back_and_is_gone_after_removal() {
        let (tmp, data, id) = data();
        assert_eq!(data.read_definition(id, 100).unwrap(), b"part /\n");
        assert_eq!(data.job_ids().unwrap().0, [id]);
        assert!(data.job_usage(id) > 0);
        data.remove_job(id).unwrap();
        data.remove_job(id).unwrap();
        assert!(!tmp.path().join("jobs/00000007").exists());
        assert_eq!(data.trash().names(9).unwrap().len(), 0);
        assert!(data.open_log(id).unwrap().is_none());
    }

    #[test]
    fn a_number_is_never_used_twice() {
        let (_tmp, data, id) = data();
        assert!(data.create_job(id, b"other", b"{}").is_err());
        assert_eq!(data.read_definition(id, 100).unwrap(), b"part /\n", "the first is untouched");
    }

    #[test]
    fn a_definition_over_the_limit_is_not_read() {
        let (_tmp, data, id) = data();
        let said = data.read_definition(id, 3).unwrap_err().to_string();
        assert!(said.contains("7 bytes") && said.contains('3'), "{said}");
    }

    #[test]
    fn artifacts_are_opened_by_plain_name_and_only_if_regular() {
        let (tmp, data, id) = data();
        let dir = tmp.path().join("jobs/00000007/artifacts");
        std::fs::write(dir.join("image.raw"), b"12345").unwrap();
        symlink("/etc/passwd", dir.join("link")).unwrap();
        std::fs::create_dir(dir.join("sub")).unwrap();
        std::fs::write(dir.join("sub/inner"), b"x").unwrap();
        assert_eq!(data.open_artifact(id, "image.raw").unwrap().1, 5);
        for bad in [
            "link",
            "sub",
            "sub/inner",
            "../definition",
            "..",
            ".",
            "",
            "a\0b",
            "/etc/passwd",
            "no",
        ] {
            assert!(data.open_artifact(id, bad).is_err(), "{bad:?} was opened");
        }
        let said = data.open_artifact(id, "link").unwrap_err().to_string();
        assert!(said.contains("symbolic link"), "{said}");
    }

    #[test]
    fn a_pipe_in_place_of_an_artifact_is_refused_without_waiting() {
        let (tmp, data, id) = data();
        let path = tmp.path().join("jobs/00000007/artifacts/fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        assert!(data.open_artifact(id, "fifo").is_err());
    }
}
