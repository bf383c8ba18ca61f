//! Why a job failed, from what the tool and its helpers print at the end.

use img_runner_sdk::{Cause, Explanation, Failure, explanation};

/// The packages that bring the tool's helpers.
const PACKAGES: [(&str, &str); 17] = [
    ("genext2fs", "genext2fs"),
    ("tune2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("mke2fs", "e2fsprogs"),
    ("mkdosfs", "dosfstools"),
    ("mcopy", "mtools"),
    ("mmd", "mtools"),
    ("mksquashfs", "squashfs-tools"),
    ("qemu-img", "qemu-utils"),
    ("genisoimage", "genisoimage"),
    ("cpio", "cpio"),
    ("mkfs.jffs2", "mtd-utils"),
    ("mkfs.ubifs", "mtd-utils"),
    ("ubinize", "mtd-utils"),
    ("mkfs.f2fs", "f2fs-tools"),
    ("mkcramfs", "cramfsswap"),
    ("xz", "xz-utils"),
];

/// Errors that only say that a helper has failed: what it said stands above.
const FOLLOWING: [&str; 3] = ["failed to generate ", "could not setup ", "failed to write image"];

/// Why it failed, if the last lines tell.
pub fn explain(failure: &Failure) -> Option<Explanation> {
    let lines = &failure.last_lines;
    if failure.step == "unpack" {
        return Some(unpacking(lines));
    }
    let first = |ask: &dyn Fn(usize, &str) -> Option<Explanation>| {
        lines.iter().enumerate().find_map(|(at, line)| Some(ask(at, line)?.at(at)))
    };
    first(&|at, line| helper(line, lines.get(at..).unwrap_or_default()))
        .or_else(|| first(&|_, line| own(line)))
        .or_else(|| command(lines))
}

fn unpacking(lines: &[String]) -> Explanation {
    if let Some(at) = lines.iter().position(|line| line.contains("No space left on device")) {
        return disk_full().at(at);
    }
    let said = explanation(Cause::Definition, "the input job's archive could not be unpacked")
        .with_suggestion("the log names the file; build the input job again");
    match lines.iter().position(|line| line.starts_with("tar: ")) {
        Some(at) => said.at(at),
        None => said,
    }
}

fn disk_full() -> Explanation {
    explanation(Cause::Box, "the disk ran full")
        .with_suggestion("free space on the box, or make the images smaller")
}

/// What a program that the tool starts says; `rest` begins with its line.
fn helper(line: &str, rest: &[String]) -> Option<Explanation> {
    if line.contains("No space left on device") || line.contains("): short write (") {
        return Some(disk_full());
    }
    if let Some(tool) = line.strip_suffix(": not found").and_then(|rest| rest.rsplit(": ").next()) {
        let package = PACKAGES.iter().find(|row| row.0 == tool).map_or(tool, |row| row.1);
        return Some(
            explanation(Cause::Box, format!("the box has no `{tool}`"))
                .with_suggestion(format!("install {package} on the box")),
        );
    }
    if line.contains("couldn't allocate a block") {
        let said = format!("{} is too small for its tree", failing(rest, "the file system"));
        return Some(definition(&said, "raise its `size`"));
    }
    if line.contains("couldn't allocate an inode") {
        let said = format!("{} has too few inodes for its tree", failing(rest, "the file system"));
        return Some(definition(&said, "raise its `size`, or its number of inodes"));
    }
    if line == "Disk full" || (line.starts_with("mcopy: ") && line.contains("Disk full")) {
        let said = format!("{} is too small for its files", failing(rest, "the vfat image"));
        return Some(definition(&said, "raise its `size`"));
    }
    let name = line.strip_prefix("mksquashfs: Compressor \"")?.split('"').next()?;
    let said = format!("{}: no compressor `{name}` here", failing(rest, "the squashfs image"));
    Some(definition(&said, "name one of those that the log lists below"))
}

/// The image that is being made, from the error behind; `other` when none is named.
fn failing(rest: &[String], other: &str) -> String {
    let named = rest.iter().find_map(|line| {
        let (kind, name, text) = image(line.strip_prefix("ERROR: ")?)?;
        text.starts_with("failed to generate ").then(|| format!("the {kind} image `{name}`"))
    });
    named.unwrap_or_else(|| other.to_owned())
}

/// `KIND(NAME): TEXT`
fn image(text: &str) -> Option<(&str, &str, &str)> {
    let (head, text) = text.split_once("): ")?;
    let (kind, name) = head.split_once('(')?;
    (!kind.contains(' ')).then_some((kind, name, text))
}

/// What the tool itself says.
fn own(line: &str) -> Option<Explanation> {
    if let Some((number, text)) = place(line) {
        let text = text.replace('\'', "`");
        let said = format!("line {number} of the definition: {text}");
        return Some(definition(&said, "correct the line; see genimage's manual for its options"));
    }
    let text = line.strip_prefix("ERROR: ")?;
    if let Some(size) = text.strip_prefix("Invalid size suffix '") {
        let size = size.trim_end_matches('\'').rsplit('\'').next().unwrap_or(size);
        let said = format!("`{size}` is no size");
        return Some(definition(&said, "write a number with k, M or G behind it"));
    }
    let (kind, name, text) = image(text)?;
    if kind == "file" {
        return text.ends_with("failed: No such file or directory").then(|| missing(name));
    }
    if FOLLOWING.iter().any(|start| text.starts_with(start)) {
        return None;
    }
    let said = format!("the {kind} image `{name}`: {text}");
    Some(definition(&said, way_out(text)))
}

fn missing(name: &str) -> Explanation {
    definition(
        &format!("neither the definition nor the input job has a file `{name}`"),
        "define an image of that name, or choose an input job that has it",
    )
}

fn way_out(text: &str) -> &'static str {
    if text.contains("too small for") {
        "raise the `size` of that partition, or leave it out"
    } else if text.contains("exceed device size") {
        "raise the image's `size`, or leave it out"
    } else if text.contains("no size given") {
        "give the image a `size`"
    } else if text.contains("no image type given") {
        "name a type inside of it: `ext4 { }`, `hdimage { }` …"
    } else if text.contains("overlaps") {
        "correct the `offset` or the `size` of one of them"
    } else {
        "correct that image in the definition"
    }
}

/// `genimage.cfg:3: TEXT`
pub(crate) fn place(line: &str) -> Option<(u32, &str)> {
    let (number, text) = line.strip_prefix("genimage.cfg:")?.split_once(": ")?;
    Some((number.parse().ok()?, text))
}

/// Nobody said why: the command that was running when an image failed.
fn command(lines: &[String]) -> Option<Explanation> {
    let failed = |line: &str| {
        let (kind, name, text) = image(line.strip_prefix("ERROR: ")?)?;
        text.starts_with("failed to generate ").then(|| (kind.to_owned(), name.to_owned()))
    };
    let (end, (kind, name)) =
        lines.iter().enumerate().find_map(|(at, line)| Some((at, failed(line)?)))?;
    let before = lines.iter().enumerate().take(end);
    let (at, command) = before.rev().find_map(|(at, line)| {
        let (_, _, text) = image(line.strip_prefix("INFO: ")?)?;
        let command = text.strip_prefix("cmd: \"")?;
        let command = command.rsplit_once("\" (stderr)").map_or(command, |(command, _)| command);
        (!command.starts_with("rm -f ")).then_some((at, command))
    })?;
    let program = command.split_whitespace().next().unwrap_or(command);
    let said = format!("the {kind} image `{name}` was not made: `{program}` failed");
    Some(definition(&said, "the log shows the whole command and what it said").at(at))
}

fn definition(message: &str, suggestion: &str) -> Explanation {
    explanation(Cause::Definition, message).with_suggestion(suggestion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::testing::failure;

    #[test]
    fn usual_failures_are_explained() {
        let cases = [
            ("/bin/sh: 1: genext2fs: not found", Cause::Box, "the box has no `genext2fs`"),
            (
                "genext2fs: couldn't allocate a block (no free space)",
                Cause::Definition,
                "the ext4 image `a.ext4` is too small for its tree",
            ),
            ("Disk full", Cause::Definition, "the ext4 image `a.ext4` is too small for its files"),
            (
                "ERROR: file(nope.bin): stat(/build/input/nope.bin) failed: No such file or directory",
                Cause::Definition,
                "neither the definition nor the input job has a file `nope.bin`",
            ),
            (
                "genimage.cfg:1: no such option 'foo'",
                Cause::Definition,
                "line 1 of the definition: no such option `foo`",
            ),
            (
                "ERROR: hdimage(d.img): part x size (1048576) too small for a.ext4 (8388608)",
                Cause::Definition,
                "the hdimage image `d.img`: part x size (1048576) too small for a.ext4 (8388608)",
            ),
            (
                "ERROR: ext4(d.img): no size given or must not be zero",
                Cause::Definition,
                "the ext4 image `d.img`: no size given or must not be zero",
            ),
            ("ERROR: Invalid size suffix 'abc' in '4abc'", Cause::Definition, "`4abc` is no size"),
            ("cp: error writing 'x': No space left on device", Cause::Box, "the disk ran full"),
            ("ERROR: hdimage(d.img): short write (1 vs 4096)", Cause::Box, "the disk ran full"),
        ];
        for (line, cause, message) in cases {
            let lines =
                format!("INFO: x\n{line}\nERROR: ext4(a.ext4): failed to generate a.ext4\n");
            let said = explain(&failure("build", 1, &lines)).unwrap();
            assert_eq!((said.cause, said.message.as_str()), (cause, message), "{line}");
            assert_eq!(said.line, Some(2), "{line}");
            assert!(said.suggestion.is_some(), "{line}");
        }
        assert_eq!(explain(&failure("build", 1, "ERROR: something new\n")), None);
        assert!(explain(&failure("unpack", 2, "tar: x\n")).is_some());
    }

    #[test]
    fn a_command_that_fails_without_a_word_is_named() {
        let lines = "INFO: ext4(a.ext4): cmd: \"./prepare now\" (stderr):\n\
                     INFO: ext4(a.ext4): cmd: \"rm -f \"/o/a.ext4\"\" (stderr):\n\
                     ERROR: ext4(a.ext4): failed to generate a.ext4\n";
        let said = explain(&failure("build", 1, lines)).unwrap();
        assert_eq!(said.message, "the ext4 image `a.ext4` was not made: `./prepare` failed");
        assert_eq!(said.line, Some(1));
    }

    #[test]
    fn a_missing_helper_names_its_package() {
        let said = explain(&failure("build", 1, "/bin/sh: 1: mcopy: not found")).unwrap();
        assert_eq!(said.suggestion.as_deref(), Some("install mtools on the box"));
    }
}
