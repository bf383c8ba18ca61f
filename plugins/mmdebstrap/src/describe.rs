//! What the runner says of itself: image types, architectures, fields, programs.

use img_runner_sdk::{
    DefinitionKind, Field, ImageType, Privilege, RunnerInfo, boolean_field, choice_field, program,
    text_field, text_list_field,
};

/// Package sets the tool knows, each with what it holds.
pub const VARIANTS: [(&str, &str); 9] = [
    ("extract", "extract: only the named packages, unpacked"),
    ("custom", "custom: only the named packages, installed"),
    ("essential", "essential: what dpkg calls essential"),
    ("apt", "apt: essential and apt"),
    ("required", "required: priority required"),
    ("minbase", "minbase: the same as required"),
    ("buildd", "buildd: required and build-essential"),
    ("important", "important: priority important, as debootstrap does"),
    ("standard", "standard: priority standard"),
];

/// How root inside the image is had.
pub const MODES: [(&str, &str); 3] = [
    ("auto", "auto: root when the builder is root, else a user namespace"),
    ("root", "root: as root, scratch space in the build directory"),
    ("unshare", "unshare: namespaces of its own; as a plain user needs subordinate ids"),
];

/// The choice that leaves a value to the definition.
pub const AS_DEFINED: &str = "definition";

/// Image type, the tool's format, the file's ending, label, help.
pub const TYPES: [(&str, &str, &str, &str, &str); 6] = [
    ("tar", "tar", "tar", "tar archive", "The root file system, owners and device nodes kept."),
    ("tar.gz", "tar", "tar.gz", "tar archive, gzip", "Compressed with gzip."),
    ("tar.xz", "tar", "tar.xz", "tar archive, xz", "Compressed with xz: small and slow."),
    (
        "tar.zst",
        "tar",
        "tar.zst",
        "tar archive, zstd",
        "Compressed with zstd; needs zstd on the box.",
    ),
    (
        "squashfs",
        "squashfs",
        "squashfs",
        "squashfs image",
        "Read-only and compressed with xz; needs tar2sqfs (squashfs-tools-ng) on the box.",
    ),
    (
        "ext2",
        "ext2",
        "ext2",
        "ext2 image",
        "A file system about 90 % full; needs genext2fs on the box.",
    ),
];

/// Debian's names of its release architectures.
pub const ARCHITECTURES: [&str; 9] =
    ["amd64", "arm64", "armhf", "armel", "i386", "mips64el", "ppc64el", "riscv64", "s390x"];

/// What people call this image type.
pub fn type_label(id: &str) -> &'static str {
    TYPES.iter().find(|row| row.0 == id).map_or("image", |row| row.3)
}

/// The answer to `describe`.
pub fn info() -> RunnerInfo {
    RunnerInfo {
        id: "mmdebstrap".into(),
        name: "mmdebstrap".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Debian root file systems, straight from the archive".into(),
        homepage: Some("https://gitlab.mister-muffin.de/josch/mmdebstrap".into()),
        definition: DefinitionKind {
            label: "mmdebstrap definition".into(),
            extensions: vec!["toml".into()],
            required: true,
            max_size: 256 << 10,
        },
        image_types: TYPES.iter().map(image_type).collect(),
        options: options(),
        programs: vec![program("mmdebstrap", "--version", "makes the root file system")],
        privileges: vec![Privilege::Root, Privilege::Network, Privilege::UserNamespaces],
    }
}

fn image_type(row: &(&str, &str, &str, &str, &str)) -> ImageType {
    ImageType {
        id: row.0.into(),
        label: row.3.into(),
        architectures: ARCHITECTURES.iter().map(|name| (*name).to_owned()).collect(),
        help: row.4.into(),
    }
}

fn options() -> Vec<Field> {
    let or_defined = |known: &[(&'static str, &'static str)]| {
        let mut choices = vec![(AS_DEFINED, "as the definition says")];
        choices.extend_from_slice(known);
        choices
    };
    vec![
        choice_field(
            "variant",
            "Package set",
            "What is installed besides the named packages.",
            &or_defined(&VARIANTS),
        ),
        choice_field("mode", "Mode", "How root inside the image is had.", &or_defined(&MODES)),
        boolean_field(
            "recommends",
            "Recommended packages",
            "Also install what the packages recommend.",
            false,
        ),
        text_list_field(
            "aptopts",
            "Options of apt",
            "One a line, such as: Acquire::Check-Valid-Until \"false\"",
            Some(APTOPT_PATTERN),
            200,
        ),
        text_field(
            "source-date-epoch",
            "Time stamp of the image",
            "Seconds since 1970: no file is newer, and the same request gives the same bytes.",
            Some("[0-9]{1,10}"),
            10,
        ),
        boolean_field("verbose", "Verbose", "Show what apt and dpkg print.", false),
    ]
}

/// The options of apt that can run nothing and read nothing (`rules::is_plain_aptopt` holds the same).
const APTOPT_PATTERN: &str = r#"(?i)(Acquire::(Check-Valid-Until|Check-Date|Languages|Retries|http::Timeout|https::Timeout)|APT::Install-(Recommends|Suggests)) "[A-Za-z0-9.,_-]{1,40}";?"#;
