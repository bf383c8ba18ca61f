//! Where one build's directories lie.

use crate::domain::JobId;
use std::path::{Path, PathBuf};

/// The directories of one build, below the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `build/<id>`.
    pub root: PathBuf,
    /// `build/<id>/work`: where steps start and the plan's files lie.
    pub work: PathBuf,
    /// `build/<id>/output`: what `collect` is shown.
    pub output: PathBuf,
    /// `build/<id>/input`: the input job's artifacts, read-only.
    pub input: PathBuf,
    /// `cache/<runner>`.
    pub cache: PathBuf,
}

impl Layout {
    /// The directories of job `id` under the data directory `root`.
    pub fn new(root: &Path, id: JobId, runner: &str) -> Self {
        let build = root.join("build").join(id.dir_name());
        Self {
            work: build.join("work"),
            output: build.join("output"),
            input: build.join("input"),
            cache: root.join("cache").join(runner),
            root: build,
        }
    }
}
