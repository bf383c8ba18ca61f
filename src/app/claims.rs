//! Who uses a job's files at this moment. A deletion and a use exclude each other: whoever comes
//! first wins, and the other is told.

use crate::domain::{JobId, retention::Busy};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Default)]
struct Inner {
    downloads: HashMap<JobId, usize>,
    /// Jobs whose files are input of a request that is being accepted.
    inputs: HashMap<JobId, usize>,
    deleting: HashSet<JobId>,
}

/// The claims on all jobs' files.
#[derive(Clone, Default)]
pub struct Claims(Arc<Mutex<Inner>>);

/// Lets go of a job's files when dropped.
#[derive(Debug)]
pub struct Claim {
    claims: Claims,
    job: JobId,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Download,
    Input,
    Deletion,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claims")
    }
}

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is one insert or remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn using(&self, job: JobId, kind: Kind) -> Option<Claim> {
        let mut inner = self.lock();
        if inner.deleting.contains(&job) {
            return None;
        }
        let uses = match kind {
            Kind::Download => &mut inner.downloads,
            Kind::Input | Kind::Deletion => &mut inner.inputs,
        };
        *uses.entry(job).or_insert(0) += 1;
        drop(inner);
        Some(Claim { claims: self.clone(), job, kind })
    }

    /// A file of `job` is being taken; `None` while it is being deleted.
    pub fn download(&self, job: JobId) -> Option<Claim> {
        self.using(job, Kind::Download)
    }

    /// A request that is being accepted takes the files of `job` as its input; `None` while they
    /// are being deleted.
    pub fn input(&self, job: JobId) -> Option<Claim> {
        self.using(job, Kind::Input)
    }

    /// The files of `job` are being deleted; fails with who uses them.
    ///
    /// # Errors
    /// Who uses them. A second deletion of the same job counts as a use too.
    pub fn deletion(&self, job: JobId) -> Result<Claim, Busy> {
        let mut inner = self.lock();
        if inner.downloads.contains_key(&job) {
            return Err(Busy::Download);
        }
        if inner.inputs.contains_key(&job) || !inner.deleting.insert(job) {
            return Err(Busy::Changing);
        }
        drop(inner);
        Ok(Claim { claims: self.clone(), job, kind: Kind::Deletion })
    }

    /// True while files of `job` are being taken.
    pub fn is_downloading(&self, job: JobId) -> bool {
        self.lock().downloads.contains_key(&job)
    }

    /// True while files of `job` are being deleted.
    pub fn is_deleting(&self, job: JobId) -> bool {
        self.lock().deleting.contains(&job)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut inner = self.claims.lock();
        let uses = match self.kind {
            Kind::Download => &mut inner.downloads,
            Kind::Input => &mut inner.inputs,
            Kind::Deletion => {
                inner.deleting.remove(&self.job);
                return;
            }
        };
        if let Some(count) = uses.get_mut(&self.job) {
            *count -= 1;
            if *count == 0 {
                uses.remove(&self.job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_and_a_use_exclude_each_other() {
        let (claims, job) = (Claims::default(), JobId::FIRST);
        let first = claims.download(job).unwrap();
        let second = claims.download(job).unwrap();
        assert_eq!(claims.deletion(job).unwrap_err(), Busy::Download);
        drop(first);
        assert!(claims.deletion(job).is_err());
        drop(second);
        let deletion = claims.deletion(job).unwrap();
        assert!(claims.download(job).is_none() && claims.input(job).is_none());
        assert!(claims.deletion(job).is_err(), "two deletions of one job");
        drop(deletion);
        let input = claims.input(job).unwrap();
        assert!(claims.deletion(job).is_err());
        drop(input);
        assert!(claims.deletion(job).is_ok());
    }
}
