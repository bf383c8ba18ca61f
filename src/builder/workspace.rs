//! The directories of one build and what lies in them at the start.

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
}

impl Workspace {
    /// Makes fresh directories. One that is already there is another build's, or a dead one's.
    pub(super) fn make(data: &DataDir, id: JobId, runner: &RunnerId) -> Result<Self, FilesError> {
        let root = data.build().make_dir(id.dir_name(), 0o700)?;
        let (work, output) = (root.make_dir("work", 0o755)?, root.make_dir("output", 0o755)?);
        // Shared by whatever user a tool changes to, like any directory for temporary files.
        root.make_dir("tmp", 0o700)?.set_mode(0o1777)?;
        data.cache().ensure_dir(runner.as_str())?;
        Ok(Self { layout: Layout::new(data.root(), id, runner.as_str()), root, work, output })
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
        base.ensure_path(path.parent().unwrap_or(Path::new("")))
            .and_then(|dir| dir.write_new(name, &file.contents, mode))
            .map(drop)
            .map_err(|e| format!("cannot write the plan's file: {e}"))
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

/// Frees everything below `build/<id>` of the data directory and removes it. The bytes it held.
pub(super) fn clear(data: &DataDir, name: &str, freed: &mut Freed) -> u64 {
    let path = data.root().join("build").join(name);
    free_below(&path, freed);
    let removed: Removed = data.build().remove_tree(name);
    freed.residual.extend(still_there(&path, &removed));
    removed.bytes
}
