//! Why a job failed, from what the tool and its helpers print at the end.

use img_runner_sdk::{Cause, Explanation, Failure, explanation};

/// The packages that bring the tool's helpers.
const PACKAGES: [(&str, &str); 9] = [
    ("genext2fs", "genext2fs"),
    ("tune2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("mke2fs", "e2fsprogs"),
    ("mkdosfs", "dosfstools"),
    ("mcopy", "mtools"),
    ("mmd", "mtools"),
    ("mksquashfs", "squashfs-tools"),
    ("qemu-img", "qemu-utils"),
];

/// Why it failed, if the last lines tell.
pub fn explain(failure: &Failure) -> Option<Explanation> {
    if failure.step == "unpack" {
        return unpacking(failure);
    }
    failure.last_lines.iter().find_map(|line| known(line))
}

fn unpacking(failure: &Failure) -> Option<Explanation> {
    let full = failure.last_lines.iter().any(|line| line.contains("No space left on device"));
    if full {
        return Some(disk_full());
    }
    Some(
        explanation(Cause::Definition, "the input job's archive could not be unpacked")
            .with_suggestion("the lines above name the file; build the input job again"),
    )
}

fn disk_full() -> Explanation {
    explanation(Cause::Box, "the disk ran full")
        .with_suggestion("free space on the box, or make the images smaller")
}

fn known(line: &str) -> Option<Explanation> {
    if line.contains("No space left on device") {
        return Some(disk_full());
    }
    if let Some(tool) = line.strip_suffix(": not found").and_then(|rest| rest.rsplit(": ").next()) {
        let package = PACKAGES.iter().find(|row| row.0 == tool).map_or(tool, |row| row.1);
        return Some(
            explanation(Cause::Box, format!("the box has no `{tool}`"))
                .with_suggestion(format!("install {package} on the box")),
        );
    }
    if line.contains("couldn't allocate a block") || line.contains("couldn't allocate an inode") {
        return Some(definition("the file system is too small for its tree", "raise its `size`"));
    }
    if let Some(rest) = line.strip_prefix("mcopy: ").filter(|rest| rest.contains("Disk full")) {
        return Some(definition(
            &format!("the vfat image is too small: {rest}"),
            "raise its `size`",
        ));
    }
    if let Some((_, text)) = line.split_once(": no such option ") {
        return Some(definition(
            &format!("the tool knows no option {text}"),
            "see the line above for its place",
        ));
    }
    let text = line.strip_prefix("ERROR: ")?;
    error_line(text)
}

fn error_line(text: &str) -> Option<Explanation> {
    if text.contains("too small for") {
        return Some(definition(text, "raise the `size` of that partition, or leave it out"));
    }
    if text.contains("no size given") {
        return Some(definition(text, "give the image a `size`"));
    }
    if let Some((head, _)) = text.split_once(") failed: No such file or directory") {
        let name = head.rsplit('/').next().unwrap_or(head);
        return Some(definition(
            &format!("neither the definition nor the input job has a file `{name}`"),
            "define an image of that name, or choose an input job that has it",
        ));
    }
    None
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
                "the file system is too small for its tree",
            ),
            (
                "ERROR: file(nope.bin): stat(/build/input/nope.bin) failed: No such file or directory",
                Cause::Definition,
                "neither the definition nor the input job has a file `nope.bin`",
            ),
            (
                "genimage.cfg:1: no such option 'foo'",
                Cause::Definition,
                "the tool knows no option 'foo'",
            ),
            (
                "ERROR: hdimage(d.img): part x size (1048576) too small for a.ext4 (8388608)",
                Cause::Definition,
                "hdimage(d.img): part x size (1048576) too small for a.ext4 (8388608)",
            ),
            (
                "ERROR: ext4(d.img): no size given or must not be zero",
                Cause::Definition,
                "ext4(d.img): no size given or must not be zero",
            ),
            ("cp: error writing 'x': No space left on device", Cause::Box, "the disk ran full"),
        ];
        for (line, cause, message) in cases {
            let lines =
                format!("INFO: x\n{line}\nERROR: ext4(a.ext4): failed to generate a.ext4\n");
            let said = explain(&failure("build", 1, &lines)).unwrap();
            assert_eq!((said.cause, said.message.as_str()), (cause, message), "{line}");
        }
        assert_eq!(explain(&failure("build", 1, "ERROR: something new\n")), None);
        assert!(explain(&failure("unpack", 2, "tar: x\n")).is_some());
    }

    #[test]
    fn a_missing_helper_names_its_package() {
        let said = explain(&failure("build", 1, "/bin/sh: 1: mcopy: not found")).unwrap();
        assert_eq!(said.suggestion.as_deref(), Some("install mtools on the box"));
    }
}
