//! The image types, and what each of them means for the plan and its files.

/// One image type.
#[derive(Debug)]
pub(crate) struct Type {
    /// As it is submitted: "raw".
    pub id: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    /// The tool's own name for it.
    pub subcommand: &'static str,
    /// Whether only PCs can start it.
    pub x86_only: bool,
    /// Ends of the names of its files, a compression left out.
    pub endings: &'static [&'static str],
}

/// Intel and compatible.
pub(crate) const X86: [&str; 3] = ["i586", "i686", "x86_64"];
/// All architectures the tool knows repositories of.
pub(crate) const ARCHITECTURES: [&str; 8] =
    ["i586", "i686", "x86_64", "armv7l", "armv7hl", "armv7nhl", "armv7tnhl", "aarch64"];
/// What the tool and scripts compress images to.
pub(crate) const COMPRESSIONS: [&str; 5] = [".gz", ".bz2", ".lzo", ".xz", ".zst"];
/// What the tool packs images into.
pub(crate) const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tar.bz2", ".tgz", ".tbz", ".zip"];

const PLAIN: Type =
    Type { id: "", label: "", help: "", subcommand: "", x86_only: false, endings: &[] };

/// Every type, in the order they are offered.
pub(crate) const TYPES: [Type; 10] = [
    Type {
        id: "fs",
        label: "Root file system",
        help: "The files of the system, packed into one archive.",
        subcommand: "fs",
        endings: &ARCHIVES,
        ..PLAIN
    },
    Type {
        id: "livecd",
        label: "Live CD",
        help: "An ISO image that starts from a CD, a DVD or a USB stick.",
        subcommand: "livecd",
        x86_only: true,
        endings: &[".iso"],
    },
    Type {
        id: "liveusb",
        label: "Live USB",
        help: "An image for a USB stick, with room for changes.",
        subcommand: "liveusb",
        x86_only: true,
        endings: &[".usbimg"],
    },
    Type {
        id: "loop",
        label: "Partition images",
        help: "One file system image for each partition of the definition.",
        subcommand: "loop",
        endings: &[".img"],
        ..PLAIN
    },
    Type {
        id: "raw",
        label: "Disk image",
        help: "One image for each disk of the definition, with its partition table. Every \
               partition needs --ondisk and --fstype.",
        subcommand: "raw",
        endings: &[".raw", ".bin"],
        ..PLAIN
    },
    Type {
        id: "vmdk",
        label: "VMware disk",
        help: "A disk for VMware. Older versions of the tool have it, newer ones do not.",
        subcommand: "vmdk",
        endings: &[".vmdk"],
        ..PLAIN
    },
    Type {
        id: "vdi",
        label: "VirtualBox disk",
        help: "A disk for VirtualBox. Older versions of the tool have it, newer ones do not.",
        subcommand: "vdi",
        endings: &[".vdi"],
        ..PLAIN
    },
    Type {
        id: "nand",
        label: "NAND flash",
        help: "An image for flash memory. Older versions of the tool have it, newer ones do not.",
        subcommand: "nand",
        endings: &[".nand", ".ubi", ".ubifs", ".jffs2", ".bin", ".img"],
        ..PLAIN
    },
    Type {
        id: "mrstnand",
        label: "Moorestown NAND flash",
        help: "An image for Moorestown's flash memory. Older versions of the tool have it, newer \
               ones do not.",
        subcommand: "mrstnand",
        endings: &[".nand", ".mrstnand", ".ubi", ".ubifs", ".bin", ".img"],
        ..PLAIN
    },
    Type {
        id: "qcow2",
        label: "QEMU disk",
        help: "A disk for QEMU and KVM for each partition. Some versions of the tool have it \
               (as `qcow`).",
        subcommand: "qcow",
        endings: &[".qcow2", ".qcow", ".img"],
        ..PLAIN
    },
];

impl Type {
    /// The architectures it can be built for.
    pub fn architectures(&self) -> &'static [&'static str] {
        if self.x86_only { &X86 } else { &ARCHITECTURES }
    }

    /// Whether a file of this name is an image of this type.
    pub fn is_image(&self, name: &str) -> bool {
        let ends = |name: &str| self.endings.iter().any(|ending| name.ends_with(ending));
        ends(name) || uncompressed(name).is_some_and(ends)
    }

    /// Whether it is built on loop devices.
    pub fn needs_loop_devices(&self) -> bool {
        self.id != "fs"
    }

    /// Whether the partitions become parts of disks.
    pub fn has_disks(&self) -> bool {
        matches!(self.id, "raw" | "vmdk" | "vdi")
    }
}

/// The name without the end that says how it is compressed.
pub(crate) fn uncompressed(name: &str) -> Option<&str> {
    COMPRESSIONS.iter().find_map(|ending| name.strip_suffix(ending))
}

/// The type of this id.
pub(crate) fn of(id: &str) -> Option<&'static Type> {
    TYPES.iter().find(|one| one.id == id)
}

/// The type that a magic line means: an id, or the tool's own name.
pub(crate) fn named(format: &str) -> Option<&'static Type> {
    of(format).or_else(|| TYPES.iter().find(|one| one.subcommand == format))
}
