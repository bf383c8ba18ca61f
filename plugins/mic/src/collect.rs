//! Which files are the image, and what the others are.

use crate::types::{self, ARCHIVES, Type};
use img_runner_sdk::{Artifact, FileKind, OutputFile, Request, Role, artifact, option};

/// The answer to `collect`.
pub(crate) fn collect(request: &Request, files: &[OutputFile]) -> Result<Vec<Artifact>, String> {
    let Some(kind) = types::of(&request.image_type) else {
        return Err(format!("there is no image type `{}`", request.image_type));
    };
    let kept: Vec<_> = files.iter().filter(|file| is_kept(file)).collect();
    let sorted = |is_image: &dyn Fn(&str) -> bool| -> Vec<Artifact> {
        kept.iter().map(|file| one(request, file, is_image)).collect()
    };
    let exact = sorted(&|name| is_image(request, kind, name));
    if has_image(&exact) {
        return Ok(exact);
    }
    // A `%pack` script may have packed or renamed the images: then any image or archive is it.
    let loose = sorted(&is_like_an_image);
    if has_image(&loose) {
        return Ok(loose);
    }
    Err(no_image(request, kind, files))
}

fn has_image(artifacts: &[Artifact]) -> bool {
    artifacts.iter().any(|one| one.role == Role::Image)
}

/// Regular files right below the output directory: what lies deeper belongs to a root file system.
fn is_kept(file: &OutputFile) -> bool {
    file.kind == FileKind::Regular && file.size > 0 && !file.path.contains('/')
}

fn is_image(request: &Request, kind: &Type, name: &str) -> bool {
    let packed = option(request, "pack_to").map(|name| name.replace("@NAME@", &request.name));
    // With an archive asked for, the archive is the image, and nothing else is.
    match packed.as_deref() {
        Some(packed) => name == packed,
        None => kind.is_image(name) || (kind.id != "fs" && is_own_archive(request, name)),
    }
}

fn is_own_archive(request: &Request, name: &str) -> bool {
    let rest = name.strip_prefix(request.name.as_str());
    rest.is_some_and(|rest| ARCHIVES.contains(&rest))
}

fn is_like_an_image(name: &str) -> bool {
    const OTHERS: [&str; 5] = [".7z", ".tar.xz", ".tar.zst", ".sparse", ".squashfs"];
    types::TYPES.iter().any(|kind| kind.is_image(name))
        || OTHERS.iter().any(|ending| name.ends_with(ending))
}

fn one(request: &Request, file: &OutputFile, is_image: &dyn Fn(&str) -> bool) -> Artifact {
    let name = file.path.as_str();
    let own = name.strip_prefix(request.name.as_str()).unwrap_or(name);
    let (role, label) = companion(own)
        .or_else(|| is_image(name).then(|| (Role::Image, image_label(request, name))))
        .unwrap_or_else(|| (Role::Other, "other file".into()));
    artifact(name, role, label)
}

/// The name of a partition or disk image says which it is.
fn image_label(request: &Request, name: &str) -> String {
    let base = types::uncompressed(name).unwrap_or(name);
    let (stem, _) = base.rsplit_once('.').unwrap_or((base, ""));
    let disk = stem.strip_prefix(request.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
    match (request.image_type.as_str(), disk) {
        ("raw", Some(disk)) => format!("disk {disk}"),
        ("loop" | "qcow2", _) if base.ends_with(".img") => format!("partition {stem}"),
        _ => "image".into(),
    }
}

/// What a file beside the image is, by its name without the job's.
fn companion(own: &str) -> Option<(Role, String)> {
    const ENDINGS: [(&str, Role, &str); 11] = [
        (".packages", Role::Manifest, "installed packages"),
        (".urls", Role::Manifest, "addresses of the packages"),
        (".files", Role::Manifest, "files of the packages"),
        (".license", Role::Manifest, "licences of the packages"),
        (".vcs", Role::Manifest, "sources of the packages"),
        (".log", Role::Log, "mic's own log"),
        (".ks", Role::Other, "definition as it was built"),
        (".xml", Role::Other, "disks and mount points"),
        (".bmap", Role::Other, "block map"),
        (".md5sum", Role::Checksum, "MD5 checksum"),
        (".sha256", Role::Checksum, "SHA-256 checksum"),
    ];
    let ending = ENDINGS.iter().find(|(ending, ..)| own.ends_with(ending));
    let known = ending.map(|(_, role, label)| (*role, (*label).to_owned()));
    known.or_else(|| kernel(own)).or_else(|| {
        let sums = ["md5sums", "sha256sums", "SHA256SUMS", "MD5SUMS", "MANIFEST"];
        sums.contains(&own).then(|| (Role::Checksum, "checksums".into()))
    })
}

/// `NAME-vmlinuz-…`, `NAME-initrd-…`, `NAME-uImage`, `NAME-uInitrd`.
fn kernel(own: &str) -> Option<(Role, String)> {
    let own = own.strip_prefix('-').unwrap_or(own);
    let starts = |starts: &[&str]| starts.iter().any(|start| own.starts_with(start));
    if starts(&["initrd", "initramfs", "uInitrd", "uRamdisk"]) {
        return Some((Role::Initrd, "initrd".into()));
    }
    if starts(&["vmlinuz", "vmlinux", "uImage", "bzImage", "zImage"]) {
        return Some((Role::Kernel, "kernel".into()));
    }
    None
}

fn no_image(request: &Request, kind: &Type, files: &[OutputFile]) -> String {
    let directory =
        |file: &&OutputFile| file.kind == FileKind::Directory && file.path == request.name;
    if let Some(directory) = files.iter().find(directory) {
        return format!(
            "mic left the directory `{}/`, and only files are kept: set `pack_to` to {}.tar.gz",
            directory.path, request.name
        );
    }
    let top = files.iter().filter(|file| !file.path.contains('/'));
    let names: Vec<_> = top.map(|file| file.path.as_str()).collect();
    let shown: Vec<_> = names.iter().take(8).map(|name| name.escape_debug().to_string()).collect();
    let found = match (names.len(), shown.join(", ")) {
        (0, _) => "nothing".into(),
        (count, shown) if count > 8 => format!("{shown} and {} more", count.saturating_sub(8)),
        (_, shown) => shown,
    };
    format!("mic made no {} image: it left {found}; look for the first error in the log", kind.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::testing;

    fn collected(kind: &str, names: &[&str]) -> Result<Vec<Artifact>, String> {
        let files: Vec<_> = names.iter().map(|name| testing::output(name, 10)).collect();
        collect(&testing::request("", kind, "i686"), &files)
    }

    fn images(kind: &str, names: &[&str]) -> Vec<String> {
        let images = collected(kind, names).unwrap().into_iter().filter(|a| a.role == Role::Image);
        images.map(|one| format!("{}: {}", one.path, one.label)).collect()
    }

    #[test]
    fn each_type_finds_its_images() {
        let beside = ["lab.ks", "lab.xml", "lab.log", "lab.packages"];
        let cases: [(&str, &[&str], &[&str]); 11] = [
            ("fs", &["lab.tar.gz"], &["lab.tar.gz: image"]),
            (
                "loop",
                &["root.img", "home.img"],
                &["root.img: partition root", "home.img: partition home"],
            ),
            ("loop", &["root.img.gz"], &["root.img.gz: partition root"]),
            ("raw", &["lab-sda.raw"], &["lab-sda.raw: disk sda"]),
            ("raw", &["lab-sda.raw.bz2"], &["lab-sda.raw.bz2: disk sda"]),
            ("livecd", &["lab.iso"], &["lab.iso: image"]),
            ("liveusb", &["lab.usbimg"], &["lab.usbimg: image"]),
            ("vmdk", &["lab-sda.vmdk"], &["lab-sda.vmdk: image"]),
            ("vdi", &["lab.vdi"], &["lab.vdi: image"]),
            ("qcow2", &["root.img"], &["root.img: partition root"]),
            ("nand", &["lab.ubi"], &["lab.ubi: image"]),
        ];
        for (kind, made, expected) in cases {
            let names: Vec<_> = made.iter().chain(&beside).copied().collect();
            assert_eq!(images(kind, &names), expected, "{kind}");
        }
    }

    #[test]
    fn what_lies_beside_the_image_has_its_role() {
        let names = [
            "root.img",
            "lab.packages",
            "lab.urls",
            "lab.files",
            "lab.license",
            "lab.log",
            "lab.ks",
            "lab-vmlinuz-6.1",
            "lab-initrd-6.1.img",
            "lab-uImage",
            "md5sums",
            "labos-release",
        ];
        let roles: Vec<_> = collected("loop", &names).unwrap().iter().map(|one| one.role).collect();
        use Role::{Checksum, Image, Initrd, Kernel, Log, Manifest, Other};
        let expected = [
            Image, Manifest, Manifest, Manifest, Manifest, Log, Other, Kernel, Initrd, Kernel,
            Checksum, Other,
        ];
        assert_eq!(roles, expected);
    }

    #[test]
    fn with_an_archive_the_archive_is_the_image() {
        let request = testing::request("", "raw", "i686");
        let request = testing::with_option(request, "pack_to", "@NAME@-1.zip");
        let files = [testing::output("lab-1.zip", 9), testing::output("lab.xml", 9)];
        let found = collect(&request, &files).unwrap();
        assert_eq!((found[0].path.as_str(), found[0].role), ("lab-1.zip", Role::Image));
    }

    #[test]
    fn what_a_pack_script_made_of_the_images_is_kept() {
        assert_eq!(images("loop", &["device-1.0.zip", "lab.ks"]), ["device-1.0.zip: image"]);
        assert_eq!(images("raw", &["system.img", "lab.ks"]), ["system.img: image"]);
    }

    #[test]
    fn no_image_is_an_error_that_names_what_there_is() {
        let error = collected("raw", &["lab.ks", "lab.packages"]).unwrap_err();
        assert!(
            error.starts_with("mic made no raw image: it left lab.ks, lab.packages"),
            "{error}"
        );
        assert!(collected("raw", &[]).unwrap_err().contains("it left nothing"));
        let many: Vec<_> = (0..20).map(|n| format!("f{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(collected("raw", &many).unwrap_err().contains("and 12 more"));
        assert!(
            collect(&testing::request("", "raw", "i686"), &[testing::output("lab-sda.raw", 0)])
                .is_err()
        );
    }

    #[test]
    fn a_directory_is_refused_with_the_way_out() {
        let mut files = vec![testing::output("lab/etc/passwd", 9), testing::output("lab.ks", 9)];
        let directory = OutputFile { path: "lab".into(), size: 0, kind: FileKind::Directory };
        files.push(directory);
        let error = collect(&testing::request("", "fs", "i686"), &files).unwrap_err();
        assert!(error.contains("`pack_to`") && error.contains("lab.tar.gz"), "{error}");
    }
}
