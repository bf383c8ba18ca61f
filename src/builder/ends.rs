//! Ends that no server has acknowledged yet, on disk: `builder/<id>` in the data directory. A
//! builder that stops, or dies, between the end of a build and the word that it is written down
//! loses nothing.

use super::{
    clock,
    protocol::{Finished, Standing},
    wire::{FromBuilder, WireError},
};
use crate::{
    domain::JobId,
    files::{DataDir, Dir, FilesError},
};
use std::io::Read as _;

const PLACE: &str = "builder";
/// What is longer was not written here.
const LONGEST: u64 = 2 << 20;

fn place(data: &DataDir) -> Result<Dir, FilesError> {
    data.dir().ensure_dir(PLACE)
}

/// Keeps the end of a job. Not synced: after a loss of power the job counts as interrupted.
///
/// # Errors
/// When it cannot be written.
pub(super) fn keep(data: &DataDir, standing: &Standing) -> Result<(), FilesError> {
    let unfit = |e: WireError| FilesError::Io {
        what: "write",
        path: format!("{PLACE}/{}", standing.job.dir_name()),
        source: std::io::Error::other(e),
    };
    let mut bytes = Vec::new();
    FromBuilder::Standing(Box::new(standing.clone())).encode(&mut bytes).map_err(unfit)?;
    let (dir, name) = (place(data)?, standing.job.dir_name());
    let new = format!("{name}.new");
    // Left by a builder that died while it wrote.
    dir.remove_file(&new)?;
    dir.write_new(&new, &bytes, 0o600)?;
    dir.remove_file(&name)?;
    dir.rename(&new, &dir, &name)
}

/// Keeps that builds died, where not all could be freed that they left: so it is told of the job.
pub(super) fn keep_left(data: &DataDir, left: Vec<(JobId, Vec<String>)>) {
    let kept = all(data);
    for (job, residual) in left {
        let mut standing = match kept.iter().find(|standing| standing.job == job) {
            Some(known) => known.clone(),
            None => Standing { log: log(data, job), ..Standing::new(job, clock::now()) },
        };
        let finished = standing.finished.get_or_insert_with(Finished::interrupted);
        finished.residual.extend(residual);
        if let Err(error) = keep(data, &standing) {
            tracing::warn!(job.id = job.get(), %error, "what it left is not told of it");
        }
    }
}

/// Bytes and lines of the log of a job.
fn log(data: &DataDir, job: JobId) -> (u64, u64) {
    let bytes = data.open_log(job).ok().flatten().and_then(|log| log.len().ok());
    let lines = data.open_log_index(job).ok().flatten().and_then(|index| index.lines().ok());
    (bytes.unwrap_or(0), lines.unwrap_or(0))
}

/// The end of a job is written down elsewhere.
pub(super) fn forget(data: &DataDir, job: JobId) {
    let forgotten = place(data).and_then(|dir| dir.remove_file(job.dir_name()));
    if let Err(error) = forgotten {
        tracing::warn!(job.id = job.get(), %error, "an end stays known that was acknowledged");
    }
}

/// Every end that was kept. What does not read is removed.
pub(super) fn all(data: &DataDir) -> Vec<Standing> {
    let names = place(data).and_then(|dir| Ok((dir.names(usize::MAX)?, dir)));
    let (names, dir) = match names {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "what ended before is not known");
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    for name in names {
        let name = name.to_string_lossy().into_owned();
        match read(&dir, &name).filter(|standing| standing.job.dir_name() == name) {
            Some(standing) => all.push(standing),
            None => {
                tracing::warn!("{PLACE}/{name} is no end of a build: it is removed");
                dir.remove_tree(&name);
            }
        }
    }
    all
}

fn read(dir: &Dir, name: &str) -> Option<Standing> {
    let (file, size) = dir.open_file(name).ok()?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let (head, body) = bytes.split_first_chunk::<4>()?;
    let (kind, body) = body.split_first()?;
    let whole = u32::from_le_bytes(*head) as usize == body.len() + 1 && size <= LONGEST;
    match FromBuilder::decode(*kind, body.to_vec()) {
        Ok(FromBuilder::Standing(standing)) if whole && standing.finished.is_some() => {
            Some(*standing)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        builder::protocol::{Finished, Outcome},
        domain::Timestamp,
    };

    #[test]
    fn an_end_is_there_until_it_is_acknowledged_and_damage_is_no_end() {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let ended = |number| Standing {
            log: (7, 1),
            finished: Some(Finished::plain(Outcome::Done)),
            ..Standing::new(JobId::new(number).unwrap(), Timestamp::default())
        };
        for number in [3, 4, 5] {
            keep(&data, &ended(number)).unwrap();
        }
        keep(&data, &ended(3)).unwrap();
        forget(&data, JobId::new(4).unwrap());
        let place = tmp.path().join("builder");
        let whole = std::fs::read(place.join("00000005")).unwrap();
        std::fs::write(place.join("00000005"), &whole[..whole.len() - 1]).unwrap();
        std::fs::copy(place.join("00000003"), place.join("00000006")).unwrap();
        std::fs::write(place.join("00000007.new"), "half").unwrap();
        std::fs::create_dir(place.join("00000008")).unwrap();
        assert_eq!(all(&data), [ended(3)]);
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1, "nothing else stays");
        // No byte of it breaks the reader.
        let whole = std::fs::read(place.join("00000003")).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            std::fs::write(place.join("00000003"), &damaged).unwrap();
            assert!(all(&data).len() <= 1);
        }
    }
}
