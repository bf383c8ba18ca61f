//! After the steps: what was made, what of it is kept, and its way into the job's `artifacts/`.

use super::{planner::Planner, protocol::StagedArtifact, workspace::Workspace};
use crate::{
    domain::{JobId, Role},
    files::{DataDir, Dir, EntryKind, FilesError, still_there, sync_together},
    plugin::{PluginError, api},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::Path,
};

/// Entries of the output that are listed at most.
const ENTRIES: usize = 100_000;
/// How deep the output is looked into.
const DEPTH: usize = 64;
/// The checksum file every job gets.
const SUMS: &str = "SHA256SUMS";
/// What each artifact is for, beside `request.json`.
const LIST: &str = "artifacts.json";
/// Artifacts are the service's; a group may be let in.
const MODE: u32 = 0o640;
const CHUNK: usize = 1 << 20;
/// Bytes a file name may have here, so that a number still fits.
const LONGEST_NAME: usize = 200;

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectError {
    /// The runner failed.
    #[error(transparent)]
    Runner(#[from] PluginError),
    /// The runner named something that cannot be kept.
    #[error("{0}")]
    Refused(String),
    /// The steps made no image; the sentence says what was missing.
    #[error("every step ended well, but there is no image: {0}")]
    NoImage(String),
    /// A file could not be kept.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Somebody stopped it meanwhile.
    #[error("stopped")]
    Stopped,
}

/// One line of `artifacts.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) name: String,
    #[serde(with = "role_word")]
    pub(super) role: Role,
    pub(super) label: String,
    size: u64,
    sha256: String,
}

mod role_word {
    use super::Role;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(role.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        let word = String::deserialize(from)?;
        let found = Role::ALL.into_iter().find(|role| role.as_str() == word);
        found.ok_or_else(|| D::Error::custom(format!("`{word}` is no role")))
    }
}

/// Asks the runner what is kept and moves it into the job's `artifacts/`.
pub(super) fn collect(
    data: &DataDir,
    job: JobId,
    workspace: &Workspace,
    planner: &dyn Planner,
    request: &api::Request,
    stopped: &mut dyn FnMut() -> bool,
) -> Result<Vec<StagedArtifact>, CollectError> {
    let files = list(&workspace.output)?;
    let kept = planner.collect(request, &files)?.map_err(CollectError::NoImage)?;
    // Everything is checked before the first file moves.
    let opened = kept.into_iter().map(|artifact| Kept::open(&workspace.output, artifact));
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    if !opened.iter().any(|kept| kept.role == Role::Image) {
        let sentence = "the runner named none of the files as the image";
        return Err(CollectError::NoImage(sentence.into()));
    }
    stage(data, job, &workspace.output, opened, stopped)
}

/// The files below `output`, by handle.
fn list(output: &Dir) -> Result<Vec<api::OutputFile>, FilesError> {
    let mut files = Vec::new();
    list_into(output, String::new(), 0, &mut files)?;
    Ok(files)
}

fn list_into(
    dir: &Dir,
    prefix: String,
    depth: usize,
    files: &mut Vec<api::OutputFile>,
) -> Result<(), FilesError> {
    for name in dir.names(ENTRIES.saturating_sub(files.len()))? {
        // A name that is no text cannot be told to a runner, nor offered for download.
        let Some(text) = name.to_str() else { continue };
        let Ok((found, size, _)) = dir.look(&name) else { continue };
        let path = format!("{prefix}{text}");
        if found == EntryKind::Dir && depth < DEPTH {
            list_into(&dir.open_dir(&name)?, format!("{path}/"), depth + 1, files)?;
        }
        let kind = match found {
            EntryKind::File => api::FileKind::Regular,
            EntryKind::Dir => api::FileKind::Directory,
            EntryKind::Symlink => api::FileKind::Symlink,
            EntryKind::Other => api::FileKind::Other,
        };
        files.push(api::OutputFile { path, size, kind });
    }
    Ok(())
}

/// A file that is to be kept, open.
struct Kept {
    path: String,
    role: Role,
    label: String,
    file: File,
}

impl Kept {
    fn open(output: &Dir, artifact: api::Artifact) -> Result<Self, CollectError> {
        let (file, _) = output.open_file(&artifact.path).map_err(|e| {
            CollectError::Refused(format!("the artifact `{}` cannot be kept: {e}", artifact.path))
        })?;
        let role = role_from_plugin(artifact.role);
        Ok(Self { path: artifact.path, role, label: artifact.label, file })
    }
}

fn role_from_plugin(role: api::Role) -> Role {
    match role {
        api::Role::Image => Role::Image,
        api::Role::Kernel => Role::Kernel,
        api::Role::Initrd => Role::Initrd,
        api::Role::Manifest => Role::Manifest,
        api::Role::Checksum => Role::Checksum,
        api::Role::Log => Role::Log,
        api::Role::Other => Role::Other,
    }
}

fn stage(
    data: &DataDir,
    job: JobId,
    output: &Dir,
    opened: Vec<Kept>,
    stopped: &mut dyn FnMut() -> bool,
) -> Result<Vec<StagedArtifact>, CollectError> {
    let artifacts = data.artifacts(job)?;
    let mut names = HashSet::from([SUMS.to_owned()]);
    let mut staged = Vec::new();
    let mut written = Vec::new();
    for kept in opened {
        let name = unique(&safe(&kept.path), &mut names);
        let artifact = move_one(output, &artifacts, kept, name, &mut written, stopped)?;
        staged.push(artifact);
    }
    staged.push(write_sums(&artifacts, &staged, &mut written)?);
    for (file, name) in &written {
        data.hand_over(file, name)?;
    }
    let (dir, list) = write_list(data, job, &staged)?;
    let path = |name: &str| format!("artifacts/{name}");
    let mut items: Vec<_> = written.iter().map(|(file, name)| (file.as_fd(), path(name))).collect();
    items.push((artifacts.as_fd(), path("")));
    items.push((list.as_fd(), LIST.into()));
    items.push((dir.as_fd(), job.dir_name()));
    sync_together(&items)?;
    Ok(staged)
}

fn io_error(what: &'static str, name: &str) -> impl FnOnce(io::Error) -> FilesError {
    let path = format!("artifacts/{name}");
    move |source| FilesError::Io { what, path, source }
}

fn move_one(
    output: &Dir,
    artifacts: &Dir,
    mut kept: Kept,
    name: String,
    written: &mut Vec<(File, String)>,
    stopped: &mut dyn FnMut() -> bool,
) -> Result<StagedArtifact, CollectError> {
    rename_into(output, &kept.path, artifacts, &name)?;
    same_file(artifacts, &name, &kept)?;
    kept.file
        .set_permissions(std::fs::Permissions::from_mode(MODE))
        .map_err(io_error("change the mode of", &name))?;
    let (sha256, size) = hash(&mut kept.file, stopped).map_err(|e| match e {
        Some(e) => CollectError::Files(io_error("read", &name)(e)),
        None => CollectError::Stopped,
    })?;
    written.push((kept.file, name.clone()));
    Ok(StagedArtifact { name, role: kept.role, label: kept.label, size, sha256 })
}

/// By handle of the directory that holds it: nothing on the way may be a link.
fn rename_into(output: &Dir, path: &str, artifacts: &Dir, name: &str) -> Result<(), CollectError> {
    let path = Path::new(path);
    let file = path.file_name().unwrap_or(OsStr::new(""));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = output.open_dir(parent.unwrap_or(Path::new(".")))?;
    Ok(parent.rename(file, artifacts, name)?)
}

/// What was moved must be what was checked.
fn same_file(artifacts: &Dir, name: &str, kept: &Kept) -> Result<(), CollectError> {
    use std::os::unix::fs::MetadataExt;
    let (moved, _) = artifacts.open_file(name)?;
    let number = |file: &File| file.metadata().map(|m| (m.dev(), m.ino()));
    let (moved, checked) = (number(&moved), number(&kept.file));
    if matches!((moved, checked), (Ok(a), Ok(b)) if a == b) {
        return Ok(());
    }
    artifacts.remove_file(name)?;
    Err(CollectError::Refused(format!(
        "the artifact `{}` was replaced while it was kept",
        kept.path
    )))
}

/// SHA-256 (hex) and the bytes read. `Err(None)`: stopped.
fn hash(
    file: &mut File,
    stopped: &mut dyn FnMut() -> bool,
) -> Result<(String, u64), Option<io::Error>> {
    let size = file.metadata().map_err(Some)?.len();
    // Small files need no large buffer.
    let mut chunk = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK) + 1)];
    let (mut hasher, mut total) = (Sha256::new(), 0);
    loop {
        if stopped() {
            return Err(None);
        }
        let read = match file.read(&mut chunk) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(Some)?,
        };
        if read == 0 {
            break;
        }
        hasher.update(chunk.get(..read).unwrap_or_default());
        total += read as u64;
    }
    Ok((data_encoding::HEXLOWER.encode(&hasher.finalize()), total))
}

fn write_sums(
    artifacts: &Dir,
    staged: &[StagedArtifact],
    written: &mut Vec<(File, String)>,
) -> Result<StagedArtifact, CollectError> {
    let text: String = staged.iter().map(|a| format!("{}  {}\n", a.sha256, a.name)).collect();
    let file = artifacts.write_new(SUMS, text.as_bytes(), MODE)?;
    written.push((file, SUMS.into()));
    Ok(StagedArtifact {
        name: SUMS.into(),
        role: Role::Checksum,
        label: "checksums".into(),
        size: text.len() as u64,
        sha256: data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes())),
    })
}

/// Gives the list, and the directory it lies in, to be synced.
fn write_list(
    data: &DataDir,
    job: JobId,
    staged: &[StagedArtifact],
) -> Result<(Dir, File), FilesError> {
    let listed: Vec<_> = staged
        .iter()
        .map(|a| Listed {
            name: a.name.clone(),
            role: a.role,
            label: a.label.clone(),
            size: a.size,
            sha256: a.sha256.clone(),
        })
        .collect();
    let bytes = serde_json::to_vec_pretty(&listed).map_err(|e| FilesError::Io {
        what: "write",
        path: LIST.into(),
        source: e.into(),
    })?;
    let dir = data.job_dir(job)?;
    dir.remove_file(LIST)?;
    let file = dir.write_new(LIST, &bytes, MODE)?;
    data.hand_over(&file, LIST)?;
    Ok((dir, file))
}

/// What each artifact of `job` is for.
pub(super) fn read_list(data: &DataDir, job: JobId) -> Result<Vec<Listed>, FilesError> {
    const LIMIT: u64 = 64 << 20;
    let (file, _) = data.job_dir(job)?.open_file(LIST)?;
    let fail = |source| FilesError::Io { what: "read", path: LIST.into(), source };
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(fail)?;
    serde_json::from_slice(&bytes).map_err(|e| fail(e.into()))
}

/// Takes back what was staged when the build does not count as done.
pub(super) fn discard(data: &DataDir, job: JobId) -> Vec<String> {
    let names = data.artifacts(job).and_then(|dir| Ok((dir.names(usize::MAX)?, dir)));
    let Ok((names, dir)) = names else { return Vec::new() };
    let remove = |name| still_there(&dir.path().join(&name), &dir.remove_tree(&name));
    names.into_iter().filter_map(remove).collect()
}

/// The last part of a path as a harmless file name.
fn safe(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '_' };
    let mut name: String = name.chars().map(plain).take(LONGEST_NAME).collect();
    if name.is_empty() || name.starts_with(['.', '-']) {
        name.insert(0, '_');
    }
    name
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, extension) = match name.split_once('.') {
        Some((stem, extension)) => (stem, format!(".{extension}")),
        None => (name, String::new()),
    };
    let mut candidate = name.to_owned();
    let mut number = 2u64;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{stem}-{number}{extension}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_and_never_the_same_twice() {
        let mut taken = HashSet::from([SUMS.to_owned()]);
        let mut name = |path: &str| unique(&safe(path), &mut taken);
        assert_eq!(name("a/image.raw.xz"), "image.raw.xz");
        assert_eq!(name("b/image.raw.xz"), "image-2.raw.xz");
        assert_eq!(name("SHA256SUMS"), "SHA256SUMS-2");
        assert_eq!(name("x/-rf"), "_-rf");
        assert_eq!(name(".hidden"), "_.hidden");
        assert_eq!(name("a b\u{202e}\n"), "a_b__");
        assert_eq!(name("dir/"), "_");
    }
}
