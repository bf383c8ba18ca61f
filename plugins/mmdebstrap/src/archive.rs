//! Writes the small tar archives that carry the definition's files into the image: owner, mode and
//! links are exact, whoever builds. One archive holds the entries of one directory, so that it can
//! be unpacked in a directory which the tool has found inside the image; no path in an archive can
//! lead through a link to the outside.

/// One entry: a name without `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name in the directory.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A regular file.
    File {
        /// Its permission bits.
        mode: u32,
        /// What is in it.
        content: &'a [u8],
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        target: &'a str,
    },
}

/// Bytes a name or a link's target may have in this format.
pub const NAME_LIMIT: usize = 100;
const BLOCK: usize = 512;

/// The archive (POSIX ustar, owner root). Names and targets are at most [`NAME_LIMIT`] bytes.
pub fn tar(entries: &[Entry<'_>], mtime: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let content = match entry.kind {
            Kind::File { content, .. } => content,
            Kind::Link { .. } => &[],
        };
        bytes.extend_from_slice(&header(entry, content.len(), mtime));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn header(entry: &Entry<'_>, size: usize, mtime: u64) -> Vec<u8> {
    let (mode, flag, target) = match entry.kind {
        Kind::File { mode, .. } => (mode, "0", ""),
        Kind::Link { target } => (0o777, "2", target),
    };
    let mut fields = String::new();
    let field = |text: &str, width: usize| format!("{text:\0<width$}");
    let octal = |value: u64, width: usize| format!("{value:0width$o}\0", width = width - 1);
    fields += &octal(u64::from(mode), 8);
    fields += &(octal(0, 8) + &octal(0, 8));
    fields += &(octal(size as u64, 12) + &octal(mtime, 12));
    let after = flag.to_owned()
        + &field_bytes(target)
        + "ustar\0"
        + "00"
        + &field("root", 32)
        + &field("root", 32);
    let head = [field_bytes(entry.name), fields].concat();
    let plain = head.len() + after.len();
    let rest = "\0".repeat(BLOCK.saturating_sub(plain + 8));
    // The checksum is taken with its own field full of blanks.
    let blank = [head.as_str(), "        ", &after, &rest].concat();
    let sum: u32 = blank.bytes().map(u32::from).sum();
    [head.as_str(), &format!("{sum:06o}\0 "), &after, &rest].concat().into_bytes()
}

/// A text padded with NULs to the limit in bytes; what is longer is cut at a character.
fn field_bytes(text: &str) -> String {
    let mut end = text.len().min(NAME_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut padded = text.get(..end).unwrap_or_default().to_owned();
    padded.extend(std::iter::repeat_n('\0', NAME_LIMIT - end));
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn tar_itself_reads_the_archive() {
        let content = "#!/bin/sh\n".repeat(100);
        let entries = [
            Entry { name: "init", kind: Kind::File { mode: 0o755, content: content.as_bytes() } },
            Entry { name: "ünd", kind: Kind::Link { target: "/usr/share/zoneinfo/UTC" } },
            Entry { name: "empty", kind: Kind::File { mode: 0o600, content: b"" } },
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, tar(&entries, 86400)).unwrap();
        let list = Command::new("tar")
            .args(["--numeric-owner", "--utc", "-tvf"])
            .arg(&path)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = String::from_utf8(list.stdout).unwrap().lines().map(words).collect();
        assert_eq!(String::from_utf8_lossy(&list.stderr), "");
        assert_eq!(
            lines,
            [
                "-rwxr-xr-x 0/0 1000 1970-01-02 00:00 init",
                "lrwxrwxrwx 0/0 0 1970-01-02 00:00 ünd -> /usr/share/zoneinfo/UTC",
                "-rw------- 0/0 0 1970-01-02 00:00 empty"
            ]
        );
    }

    #[test]
    fn every_block_is_whole() {
        let long = "é".repeat(80);
        let entries = [Entry { name: &long, kind: Kind::File { mode: 0o644, content: &[7; 513] } }];
        assert_eq!(tar(&entries, 0).len() % BLOCK, 0);
        assert_eq!(tar(&[], 0).len(), 2 * BLOCK);
    }
}
