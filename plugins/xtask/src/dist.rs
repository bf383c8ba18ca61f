//! The committed components and their sums.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::{fmt::Write, fs, path::Path};

/// The file beside the components that names their hashes, as `sha256sum` reads it.
const SUMS: &str = "SHA256SUMS";

/// Hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes a component, making its folder.
///
/// # Errors
/// Names the file.
pub fn write(file: &Path, component: &[u8]) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    fs::write(file, component).with_context(|| format!("{}", file.display()))
}

/// Whether the committed file is `component`; says how they differ, and leaves the new one in
/// `folder` for a look.
///
/// # Errors
/// When a file cannot be read or written.
pub fn same(file: &Path, component: &[u8], folder: &Path) -> Result<bool> {
    let committed = if file.exists() {
        Some(fs::read(file).with_context(|| format!("{}", file.display()))?)
    } else {
        None
    };
    if committed.as_deref() == Some(component) {
        return Ok(true);
    }
    let name = file.file_name().unwrap_or_default();
    write(&folder.join(name), component)?;
    let was = committed.map_or("missing".to_owned(), |bytes| sha256(&bytes));
    println!("{}: committed {was}, the source gives {}", file.display(), sha256(component));
    Ok(false)
}

/// Writes the sums of every component in `folder`.
///
/// # Errors
/// When the folder cannot be read or the file not written.
pub fn write_sums(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    write(&folder.join(SUMS), sums(folder)?.as_bytes())
}

/// Compares the sums with the components beside them.
///
/// # Errors
/// When they differ.
pub fn check_sums(folder: &Path) -> Result<()> {
    let file = folder.join(SUMS);
    let committed = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    let found = sums(folder)?;
    ensure!(committed == found, "{} is not about the files beside it: {found}", file.display());
    Ok(())
}

fn sums(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut lines = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".wasm") {
            let bytes = fs::read(&path).with_context(|| format!("{}", path.display()))?;
            lines.push((name, sha256(&bytes)));
        }
    }
    lines.sort();
    Ok(lines.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_what_sha256sum_reads() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("b.wasm"), b"").unwrap();
        write(&folder.path().join("a.wasm"), b"abc").unwrap();
        write_sums(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(SUMS)).unwrap();
        assert_eq!(
            text,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.wasm\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b.wasm\n"
        );
        check_sums(folder.path()).unwrap();
        write(&folder.path().join("a.wasm"), b"abd").unwrap();
        assert!(check_sums(folder.path()).is_err());
    }

    #[test]
    fn one_changed_byte_is_a_difference() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.wasm");
        let other = folder.path().join("other");
        assert!(!same(&file, b"abc", &other).unwrap());
        write(&file, b"abc").unwrap();
        assert!(same(&file, b"abc", &other).unwrap());
        assert!(!same(&file, b"abd", &other).unwrap());
        assert_eq!(fs::read(other.join("x.wasm")).unwrap(), b"abd");
    }
}
