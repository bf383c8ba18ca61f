//! What could not be freed, one sentence each, with the command that frees it. Names in these
//! commands may have been chosen by a tool that means harm: whoever copies one into a root shell
//! runs what stands there and nothing else.

use super::Removed;
use std::{fmt::Display, os::unix::ffi::OsStrExt, path::Path};

/// Begins a remark about what could not be freed, among remarks about what was.
pub const NOT_FREED: &str = "not freed: ";

/// A path as one word of a shell, on one line and in printable ASCII.
fn word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_=+./:,@%".contains(b);
    if !bytes.is_empty() && bytes.iter().all(plain) && !bytes.starts_with(b"-") {
        return bytes.iter().copied().map(char::from).collect();
    }
    // What stands between backticks is shown as the command: one in a name would end it.
    let harmless = |b: &u8| b.is_ascii_graphic() && !b"'`\\".contains(b) || *b == b' ';
    if bytes.iter().all(harmless) {
        let inner: String = bytes.iter().copied().map(char::from).collect();
        return format!("'{inner}'");
    }
    let escape = |b: &u8| {
        if harmless(b) { char::from(*b).to_string() } else { format!("\\{b:03o}") }
    };
    format!("$'{}'", bytes.iter().map(escape).collect::<String>())
}

/// A mount that stays.
pub(super) fn still_mounted(place: &Path) -> String {
    let place = word(place);
    format!("{place} is still mounted: run `umount {place}` as root")
}

/// A loop device that keeps its file.
pub(super) fn still_held(device: &Path, file: &Path, error: &impl Display) -> String {
    let (device, file) = (word(device), word(file));
    format!("{device} still holds {file} ({error}): run `losetup -d {device}` as root")
}

/// A process that a kill does not end.
pub fn still_running(pid: i32) -> String {
    format!(
        "process {pid} does not end, even when killed: it waits for a device; run `kill -9 {pid}` as root \
         when that answers again, or `systemctl reboot` when the box can be spared"
    )
}

/// A tree of which something is left, if something is.
pub fn still_there(tree: &Path, removed: &Removed) -> Option<String> {
    let first = removed.errors.first()?;
    let refused = rustix::io::Errno::PERM.raw_os_error();
    let shut = |e: &super::FilesError| e.io().and_then(|e| e.raw_os_error()) == Some(refused);
    let tree = word(tree);
    // Only that keeps root from removing a file.
    let open = if removed.errors.iter().any(shut) {
        format!("chattr -R -ia {tree}; ")
    } else {
        String::new()
    };
    let more = match removed.failed {
        0 | 1 => String::new(),
        more => format!(", and {} more", more - 1),
    };
    // The command is what stands between the first two backticks.
    let first = first.to_string().replace('`', "'");
    Some(format!(
        "{tree} is still there ({first}{more}): run `{open}rm -rf --one-file-system {tree}` as root"
    ))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a shell tells what it makes of a word")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{ffi::OsStr, path::PathBuf, process::Command};

    /// The command between the first backticks.
    fn command(sentence: &str) -> &str {
        sentence.split('`').nth(1).unwrap()
    }

    /// What a shell gives to a program as its arguments.
    fn arguments(command: &str) -> Vec<u8> {
        let show = format!(
            "umount() {{ printf '%s\\0' \"$@\"; }}; losetup() {{ umount \"$@\"; }}; {command}"
        );
        let output = Command::new("bash").args(["--norc", "-c", &show]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
        output.stdout
    }

    #[test]
    fn an_ordinary_path_stands_as_it_is() {
        let place = Path::new("/var/lib/img/build/00000042/work/m");
        assert_eq!(
            still_mounted(place),
            "/var/lib/img/build/00000042/work/m is still mounted: \
             run `umount /var/lib/img/build/00000042/work/m` as root"
        );
        let device = Path::new("/dev/loop3");
        let said = still_held(device, &place.join("my disk"), &"busy");
        assert!(
            said.contains("holds '/var/lib/img/build/00000042/work/m/my disk' (busy)"),
            "{said}"
        );
        assert_eq!(command(&said), "losetup -d /dev/loop3");
        assert_eq!(command(&still_running(17)), "kill -9 17");
    }

    #[test]
    fn what_is_left_of_a_tree_is_told_once_with_how_much() {
        let failed = |kind: rustix::io::Errno| super::super::FilesError::Io {
            what: "remove",
            path: "build/00000042/work/`f`".into(),
            source: kind.into(),
        };
        let tree = Path::new("/d/build/00000042");
        assert_eq!(still_there(tree, &Removed::default()), None);
        let mut removed = Removed { failed: 3, ..Removed::default() };
        removed.errors.push(failed(rustix::io::Errno::BUSY));
        let said = still_there(tree, &removed).unwrap();
        assert!(
            said.contains("cannot remove build/00000042/work/'f': ")
                && said.contains(", and 2 more)")
        );
        assert_eq!(command(&said), "rm -rf --one-file-system /d/build/00000042");
        removed.errors.push(failed(rustix::io::Errno::PERM));
        let said = still_there(tree, &removed).unwrap();
        assert!(command(&said).starts_with("chattr -R -ia /d/build/00000042; rm -rf"), "{said}");
    }

    #[test]
    fn a_name_that_means_harm_stays_one_word_on_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made");
        for name in [
            "; touch MADE",
            "$(touch MADE)",
            "`touch MADE`",
            "' ; touch MADE ; '",
            "a\nb; touch MADE",
            "\u{202e}gnp.exe",
            "-f",
            "\\'; touch MADE; #",
        ] {
            let name = name.replace("MADE", made.to_str().unwrap());
            let said = still_mounted(Path::new(&name));
            assert!(said.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{said:?}");
            assert_eq!(said.matches('`').count(), 2, "{said:?}");
            assert_eq!(arguments(command(&said)), [name.as_bytes(), b"\0"].concat());
            assert!(!made.exists(), "{said}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_shell_reads_every_name_as_it_is(name in proptest::collection::vec(1u8.., 1..40)) {
            let path = PathBuf::from(OsStr::from_bytes(&name));
            let said = still_mounted(&path);
            prop_assert_eq!(arguments(command(&said)), [&*name, b"\0"].concat());
        }
    }
}
