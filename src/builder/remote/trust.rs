//! What a builder says is compared with what was known and with what lies on disk.

use super::super::protocol::{Finished, Outcome, Standing};
use crate::{
    domain::{Cause, Failure, JobId, Role},
    files::DataDir,
};
use std::path::Path;

/// A log goes on where it was.
pub(super) fn in_order(expected: u64, offset: u64) -> Result<(), String> {
    match offset.cmp(&expected) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(format!("let the log jump back from byte {expected} to byte {offset}"))
        }
        std::cmp::Ordering::Greater => {
            Err(format!("left out the log from byte {expected} to byte {offset}"))
        }
    }
}

/// After an absence a log may be longer, never shorter.
pub(super) fn not_shorter(known: u64, told: u64) -> Result<(), String> {
    if told >= known { Ok(()) } else { in_order(known, told) }
}

/// Compares a standing with what lies on disk.
pub(super) fn look(data: &DataDir, standing: &Standing) -> Result<(), String> {
    let log = data.open_log(standing.job).ok().flatten();
    let length = log.and_then(|log| log.len().ok()).unwrap_or(0);
    if standing.log.0 > length {
        let told = standing.log.0;
        return Err(format!("told of {told} bytes of log, and {length} are on disk"));
    }
    match &standing.finished {
        Some(finished) => end(data, standing.job, finished),
        None => Ok(()),
    }
}

/// Compares an end with what lies on disk.
pub(super) fn end(data: &DataDir, job: JobId, finished: &Finished) -> Result<(), String> {
    let artifacts = &finished.artifacts;
    let mut names = std::collections::HashSet::new();
    for artifact in artifacts {
        let shown = artifact.name.escape_debug();
        if !names.insert(&artifact.name) {
            return Err(format!("named the file `{shown}` twice"));
        }
        // Plain names only, regular files only.
        let (_, size) = data
            .open_artifact(job, &artifact.name)
            .map_err(|e| format!("named the file `{shown}`, which is not to be had: {e}"))?;
        if size != artifact.size {
            let told = artifact.size;
            return Err(format!("said that `{shown}` has {told} bytes, and it has {size}"));
        }
    }
    match finished.outcome {
        Outcome::Done if !artifacts.iter().any(|a| a.role == Role::Image) => {
            Err("told of a build that is done without an image".to_owned())
        }
        Outcome::Done => Ok(()),
        Outcome::Failed(_) | Outcome::Stopped(_) if !artifacts.is_empty() => {
            Err("named files of a build that is not done".to_owned())
        }
        Outcome::Failed(_) | Outcome::Stopped(_) => Ok(()),
    }
}

/// The end of a job whose builder said what cannot be.
pub(super) fn caught(socket: &Path, lie: &str) -> Finished {
    let message = format!(
        "the builder at {} {lie}: what it says of this job does not count any more",
        socket.display()
    );
    let suggestion = Some("look into the builder's journal, then retry".to_owned());
    let failure = Failure { cause: Cause::Box, message, suggestion, line: None };
    Finished::plain(Outcome::Failed(failure))
}

/// The end of a job whose builder does not come back.
pub(super) fn not_back(socket: &Path) -> Finished {
    let message = format!("the builder at {} has not come back", socket.display());
    let suggestion = Some("start it again, then submit this again".to_owned());
    let failure = Failure { cause: Cause::Interrupted, message, suggestion, line: None };
    Finished::plain(Outcome::Failed(failure))
}

/// The end of a job that the builder refuses.
pub(super) fn refused(socket: &Path, why: &str) -> Finished {
    let message = format!("the builder at {} refuses this job: {why}", socket.display());
    Finished::plain(Outcome::failed(Cause::Box, message))
}
