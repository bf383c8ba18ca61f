//! What the runner says of itself.

use img_runner_sdk::{DefinitionKind, ImageType, RunnerInfo, choice_field, program};

/// The kinds people can ask for: id, label, help.
pub const TYPES: [(&str, &str, &str); 8] = [
    ("hdimage", "disk image", "A partitioned disk; its file systems need their own tools."),
    ("ext2", "ext2 image", "Needs genext2fs on the box."),
    ("ext3", "ext3 image", "Needs genext2fs and e2fsprogs on the box."),
    ("ext4", "ext4 image", "Needs genext2fs and e2fsprogs on the box."),
    ("squashfs", "squashfs image", "Needs squashfs-tools on the box."),
    ("vfat", "vfat image", "Needs dosfstools and mtools on the box."),
    ("iso", "ISO 9660 image", "Needs genisoimage on the box."),
    ("qemu", "virtual disk", "A qcow2, vmdk or vdi; needs qemu-img on the box."),
];

/// The tool does not care; the record of a job does.
pub const ARCHITECTURES: [&str; 13] = [
    "noarch", "amd64", "x86_64", "i386", "i586", "i686", "arm64", "aarch64", "armhf", "armv7l",
    "armv7hl", "riscv64", "ppc64el",
];

/// What people call this kind of image.
pub fn type_label(kind: &str) -> &str {
    TYPES.iter().find(|row| row.0 == kind).map_or(kind, |row| row.1)
}

/// The answer to `describe`.
pub fn info() -> RunnerInfo {
    RunnerInfo {
        id: "genimage".into(),
        name: "genimage".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Disk and file system images from the tree another job built".into(),
        homepage: Some("https://github.com/pengutronix/genimage".into()),
        definition: DefinitionKind {
            label: "genimage.cfg".into(),
            extensions: vec!["cfg".into(), "config".into()],
            required: true,
            max_size: 256 << 10,
        },
        image_types: TYPES.iter().map(image_type).collect(),
        options: vec![choice_field(
            "loglevel",
            "Messages",
            "How much the tool says.",
            &[("1", "usual"), ("2", "more"), ("3", "everything")],
        )],
        programs: vec![
            program("genimage", "--version", "makes the images"),
            program("tar", "--version", "unpacks the input job's root file system"),
            program("mkdir", "--version", "makes the folders the tool expects"),
        ],
        privileges: Vec::new(),
    }
}

fn image_type(row: &(&str, &str, &str)) -> ImageType {
    ImageType {
        id: row.0.into(),
        label: row.1.into(),
        architectures: ARCHITECTURES.iter().map(|name| (*name).to_owned()).collect(),
        help: row.2.into(),
    }
}
