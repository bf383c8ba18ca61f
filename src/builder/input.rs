//! The artifacts of a finished job as the input of another one.
//!
//! Inside a mount namespace the artifacts are mounted read-only. Elsewhere they are copied
//! (copy-on-write where the file system can): a hard link would let a tool change the original.

use super::collect;
use crate::{
    domain::JobId,
    files::{DataDir, Dir, FilesError, Layout},
    plugin::{api, role_to_plugin},
};
use std::{io::Read as _, path::PathBuf};

/// The files as the plan sees them.
pub(super) fn list(
    data: &DataDir,
    job: JobId,
    layout: &Layout,
) -> Result<Vec<api::InputFile>, String> {
    let gone = |e: FilesError| format!("the artifacts of job {job} cannot be used as input: {e}");
    let known = collect::read_list(data, job).map_err(gone)?;
    let artifacts = data.job_dir(job).and_then(|dir| dir.open_dir("artifacts")).map_err(gone)?;
    known
        .into_iter()
        .map(|artifact| {
            let (_, size) = artifacts.open_file(&artifact.name).map_err(gone)?;
            Ok(api::InputFile {
                path: layout.input.join(&artifact.name).to_string_lossy().into_owned(),
                role: role_to_plugin(artifact.role),
                label: artifact.label,
                size,
            })
        })
        .collect()
}

/// Bytes that are copied between two looks at whether the build is to end.
const PIECE: u64 = 64 << 20;

/// Makes `input/`: empty for a mount, or with copies, until the build is to end.
pub(super) fn provide(
    data: &DataDir,
    job: JobId,
    root: &Dir,
    mounted: bool,
    ended: &mut dyn FnMut() -> bool,
) -> Result<(), String> {
    let fail = |e: FilesError| format!("the artifacts of job {job} cannot be used as input: {e}");
    let input = root.make_dir("input", 0o755).map_err(fail)?;
    if mounted {
        return Ok(());
    }
    let artifacts = data.job_dir(job).and_then(|dir| dir.open_dir("artifacts")).map_err(fail)?;
    for name in artifacts.names(usize::MAX).map_err(fail)? {
        let (mut from, _) = artifacts.open_file(&name).map_err(fail)?;
        let mut to = input.create_file(&name, 0o444).map_err(fail)?;
        loop {
            if ended() {
                return Ok(());
            }
            let copied = std::io::copy(&mut (&mut from).take(PIECE), &mut to)
                .map_err(|e| format!("cannot copy {} as input: {e}", name.display()))?;
            if copied < PIECE {
                break;
            }
        }
    }
    Ok(())
}

/// What to mount where.
pub(super) fn mounts(data: &DataDir, job: JobId, layout: &Layout) -> Vec<(PathBuf, PathBuf)> {
    let from = data.root().join("jobs").join(job.dir_name()).join("artifacts");
    vec![(from, layout.input.clone())]
}
