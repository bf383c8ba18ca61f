//! The directories of one build and what lies in them at the start.

use super::sandbox::Mask;
use crate::{
    domain::{JobId, RunnerId},
    files::{DataDir, Dir, FilesError, Freed, Layout, Removed, free_below, still_there},
    plugin::api,
};
use std::path::{Component, Path, PathBuf};

/// `build/<id>/`, open.
pub(super) struct Workspace {
    pub(super) layout: Layout,
    pub(super) root: Dir,
    pub(super) work: Dir,
    pub(super) output: Dir,
    /// Who a rootless tool is on the box.
    owner: Option<u32>,
}

/// Ends the names of caches of rootless builds: what they write no root reads.
const ROOTLESS: &str = ".rootless";

impl Workspace {
    /// Makes fresh directories, for a rootless build with the id that it has on the box. One that
    /// is already there is another build's, or a dead one's.
    pub(super) fn make(
        data: &DataDir,
        id: JobId,
        runner: &RunnerId,
        owner: Option<u32>,
    ) -> Result<Self, FilesError> {
        let root = data.build().make_dir(id.dir_name(), 0o700)?;
        let (work, output) = (root.make_dir("work", 0o755)?, root.make_dir("output", 0o755)?);
        // Shared by whatever user a tool changes to, like any directory for temporary files.
        root.make_dir("tmp", 0o700)?.set_mode(0o1777)?;
        let cache = match owner {
            None => data.cache().ensure_dir(runner.as_str())?,
            Some(_) => data.cache().ensure_dir(format!("{runner}{ROOTLESS}"))?,
        };
        if let Some(owner) = owner {
            [&root, &work, &output, &cache].into_iter().try_for_each(|dir| dir.give(owner))?;
        }
        Ok(Self {
            layout: Layout::new(data.root(), id, runner.as_str()),
            root,
            work,
            output,
            owner,
        })
    }

    /// What a tool in a user namespace sees of the data directory.
    pub(super) fn mask(&self, data: &DataDir) -> Mask {
        let Layout { root, cache, .. } = &self.layout;
        let mut own = cache.clone().into_os_string();
        if self.owner.is_some() {
            own.push(ROOTLESS);
        }
        let keep = vec![(root.clone(), root.clone()), (own.into(), cache.clone())];
        Mask { place: shut_from(data.root()), keep }
    }

    /// `build/<id>/tmp`.
    pub(super) fn tmp(&self) -> PathBuf {
        self.layout.root.join("tmp")
    }

    /// Writes the plan's files below `work/` (or `output/`, when the path says so).
    pub(super) fn write(&self, files: &[api::File]) -> Result<(), String> {
        files.iter().try_for_each(|file| self.write_one(file))
    }

    fn write_one(&self, file: &api::File) -> Result<(), String> {
        let (base, path) = self.place(Path::new(&file.path))?;
        let refused =
            || format!("the plan's file `{}` has no name inside the build directory", file.path);
        let name = path.file_name().ok_or_else(refused)?;
        let mode = if file.executable { 0o755 } else { 0o644 };
        self.ensure(base, path.parent().unwrap_or(Path::new("")))
            .and_then(|dir| {
                let written = dir.write_new(name, &file.contents, mode)?;
                self.owner.map_or(Ok(()), |owner| crate::files::give(&written, owner, &file.path))
            })
            .map_err(|e| format!("cannot write the plan's file: {e}"))
    }

    /// The directory at this path, made if need be.
    fn ensure(&self, base: &Dir, path: &Path) -> Result<Dir, FilesError> {
        let mut dir = base.open_dir(".")?;
        for part in path.components() {
            dir = dir.ensure_path(part.as_ref())?;
            if let Some(owner) = self.owner {
                dir.give(owner)?;
            }
        }
        Ok(dir)
    }

    fn place<'a>(&self, path: &'a Path) -> Result<(&Dir, &'a Path), String> {
        let parts = [(&self.work, &self.layout.work), (&self.output, &self.layout.output)];
        let found = match parts.iter().find(|(_, at)| path.starts_with(at)) {
            Some((dir, at)) => path.strip_prefix(at).ok().map(|rest| (*dir, rest)),
            None => Some((&self.work, path)),
        };
        found
            .filter(|(_, rest)| {
                rest.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
            })
            .ok_or_else(|| {
                format!("the plan's file `{}` lies outside the build directory", path.display())
            })
    }

    /// Where a step starts.
    pub(super) fn directory(&self, step: &api::Step) -> Result<PathBuf, String> {
        let path = self.layout.work.join(&step.directory);
        let up = path.components().any(|part| part == Component::ParentDir);
        let inside = path.starts_with(&self.layout.root) || path.starts_with(&self.layout.cache);
        if inside && !up {
            return Ok(path);
        }
        Err(format!(
            "step `{}` starts in `{}`, outside the build directory",
            step.name, step.directory
        ))
    }
}

/// The first directory on the way to `root` that nobody but its owner can pass, else `root`.
fn shut_from(root: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let shut = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 == 0)
    };
    let mut way: Vec<_> = root.ancestors().collect();
    way.reverse();
    way.into_iter().find(|path| shut(path)).unwrap_or(root).to_owned()
}

/// Frees everything below `build/<id>` of the data directory and removes it. The bytes it held.
pub(super) fn clear(data: &DataDir, name: &str, freed: &mut Freed) -> u64 {
    let path = data.root().join("build").join(name);
    free_below(&path, freed);
    let removed: Removed = data.build().remove_tree(name);
    freed.residual.extend(still_there(&path, &removed));
    removed.bytes
}
