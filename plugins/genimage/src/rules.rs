//! What a definition must contain, and which of its values act on the box itself. genimage hands
//! its values to a shell, so a value outside a plain grammar can run anything.

use crate::{
    cfg::{Section, Setting},
    describe::{ARCHITECTURES, TYPES},
};
use img_runner_sdk::{
    Diagnostic, InputFile, Request, Role, error, error_at, is_word, warning, warning_at,
};

/// Every kind of image the tool knows (version 16).
const KINDS: [&str; 23] = [
    "android-sparse",
    "btrfs",
    "cpio",
    "cramfs",
    "erofs",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "file",
    "fip",
    "fit",
    "flash",
    "hdimage",
    "iso",
    "jffs2",
    "qemu",
    "rauc",
    "squashfs",
    "tar",
    "ubi",
    "ubifs",
    "vfat",
];
/// Kinds that are filled from the tree.
const FROM_TREE: [&str; 13] = [
    "btrfs", "cpio", "cramfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "iso", "jffs2", "squashfs",
    "tar", "ubifs",
];

/// One `image` section of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// The file it becomes.
    pub name: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Not kept: made only for another image.
    pub temporary: bool,
    /// Filled from the root file system.
    pub from_tree: bool,
    /// Where it begins.
    pub line: u32,
}

/// The images of a definition that have a name and a kind.
pub fn images(root: &Section) -> Vec<Image<'_>> {
    let image = |section: &'_ Section| section.kind == "image";
    root.sections.iter().filter(|section| image(section)).filter_map(one_image).collect()
}

fn one_image(section: &Section) -> Option<Image<'_>> {
    let kind = section.sections.iter().find(|inner| KINDS.contains(&inner.kind.as_str()))?;
    Some(Image {
        name: section.title.as_deref()?,
        kind: &kind.kind,
        temporary: section.is_on("temporary"),
        from_tree: FROM_TREE.contains(&kind.kind.as_str()) && !section.is_on("empty"),
        line: section.line,
    })
}

/// Everything wrong with the definition by itself.
pub fn errors(root: &Section) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for setting in &root.settings {
        found.push(match setting.key.as_str() {
            "include()" => {
                error_at(setting.line, "`include` cannot work: a job has one definition")
                    .with_hint("paste what it would include")
            }
            key => error_at(
                setting.line,
                format!("`{}` stands outside of a section", key.escape_debug()),
            ),
        });
    }
    for section in &root.sections {
        match section.kind.as_str() {
            "image" => found.extend(bad_image(section)),
            "flash" | "config" => {}
            other => found.push(
                error_at(section.line, format!("unknown section `{}`", other.escape_debug()))
                    .with_hint("the sections are image, flash and config"),
            ),
        }
    }
    if !root.sections.iter().any(|section| section.kind == "image") {
        found.push(
            error_at(1, "the definition has no image").with_hint("image disk.img { hdimage {} … }"),
        );
    }
    found.extend(twice(root));
    found
}

fn bad_image(section: &Section) -> Option<Diagnostic> {
    let line = section.line;
    let Some(name) = &section.title else {
        return Some(error_at(line, "this image has no name").with_hint("image NAME { … }"));
    };
    if !is_word(name, "._+-") || name.len() > 100 {
        let shown = name.escape_debug();
        return Some(error_at(
            line,
            format!("the image name `{shown}` is not 1 to 100 letters, digits, `.`, `_`, `+`, `-`"),
        ));
    }
    let inner = section.sections.iter().filter(|inner| inner.kind != "partition");
    let kinds: Vec<_> = inner.collect();
    if let Some(unknown) = kinds.iter().find(|inner| !KINDS.contains(&inner.kind.as_str())) {
        let shown = unknown.kind.escape_debug();
        let unknown = error_at(unknown.line, format!("unknown kind of image `{shown}`"));
        return Some(unknown.with_hint(format!("the kinds are {}", KINDS.join(", "))));
    }
    match kinds.as_slice() {
        [_] => None,
        [] => Some(
            error_at(line, format!("the image `{name}` has no kind"))
                .with_hint("add a section such as ext4 {}"),
        ),
        _ => Some(error_at(line, format!("the image `{name}` has more than one kind"))),
    }
}

/// Images of one definition.
const MOST_IMAGES: usize = 200;

fn twice(root: &Section) -> Vec<Diagnostic> {
    let images = images(root);
    if let Some(image) = images.get(MOST_IMAGES) {
        return vec![error_at(image.line, format!("more than {MOST_IMAGES} images"))];
    }
    let again = images.iter().enumerate().filter(|(index, image)| {
        images.iter().take(*index).any(|earlier| earlier.name == image.name)
    });
    again
        .map(|(_, image)| {
            error_at(image.line, format!("the image `{}` is defined twice", image.name))
        })
        .collect()
}

/// What is wrong with the request around the definition.
pub fn request_errors(request: &Request, root: &Section) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let types = TYPES.map(|row| row.0);
    if !types.contains(&request.image_type.as_str()) {
        let shown = request.image_type.escape_debug();
        found.push(error(format!("unknown image type `{shown}`: use one of {}", types.join(", "))));
    }
    if !ARCHITECTURES.contains(&request.architecture.as_str()) {
        let shown = request.architecture.escape_debug();
        found.push(error(format!(
            "unknown architecture `{shown}`: use one of {}",
            ARCHITECTURES.join(", ")
        )));
    }
    let images = images(root);
    let kept: Vec<_> = images.iter().filter(|image| !image.temporary).collect();
    if !kept.iter().any(|image| image.kind == request.image_type) && !images.is_empty() {
        let shown: Vec<_> =
            kept.iter().map(|image| format!("{} ({})", image.name, image.kind)).collect();
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        let message = format!("the definition keeps no image of the type {}", request.image_type);
        found.push(error(message).with_hint(format!("it keeps: {shown}")));
    }
    match trees(request).as_slice() {
        [] if images.iter().any(|image| image.from_tree) => found.push(
            warning("no input job brings a root file system: the file systems will be empty")
                .with_hint("name a finished job whose image is a tar archive as input"),
        ),
        [] | [_] => {}
        more => {
            found.push(error(format!("the input job has {} archives: one is needed", more.len())))
        }
    }
    found
}

/// The archives among the input job's images.
pub fn trees(request: &Request) -> Vec<&InputFile> {
    let tree = |input: &&InputFile| {
        let name = input.path.rsplit('/').next().unwrap_or_default();
        let archive = name.contains(".tar.") || name.ends_with(".tar") || name.ends_with(".tgz");
        input.role == Role::Image && archive
    };
    request.inputs.iter().filter(tree).collect()
}

/// What acts on the box itself and so needs the "privileged definitions" permission.
pub fn privileged(root: &Section) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    inside(root, &mut found);
    found.sort_by_key(|one| one.line);
    found
}

fn inside(section: &Section, found: &mut Vec<Diagnostic>) {
    if section.kind == "config" {
        found.push(warning_at(section.line, "`config` names programs and folders of the box"));
    }
    if section.kind == "rauc" {
        found.push(warning_at(section.line, "`rauc` signs with keys of the box"));
    }
    if section.kind == "image" && fills_vfat_from_tree(section) {
        found.push(
            warning_at(section.line, "a vfat image without files is filled through the tree's links, which may lead to the box's files")
                .with_hint("name its files, or set empty = true"),
        );
    }
    if let Some(title) = section.title.as_deref().filter(|title| !is_plain(title, "")) {
        found.push(shell(section.line, title));
    }
    found.extend(section.settings.iter().filter_map(acting));
    for inner in &section.sections {
        inside(inner, found);
    }
}

fn fills_vfat_from_tree(section: &Section) -> bool {
    let named = |vfat: &Section| {
        vfat.sections.iter().any(|inner| inner.kind == "file") || vfat.value("files").is_some()
    };
    !section.is_on("empty")
        && section.sections.iter().any(|inner| inner.kind == "vfat" && !named(inner))
}

/// Compressors a cpio image may be piped through.
const COMPRESSORS: [&str; 8] = ["none", "gzip", "bzip2", "xz", "zstd", "lz4", "lzop", "lzma"];

fn acting(setting: &Setting) -> Option<Diagnostic> {
    let line = setting.line;
    let plain =
        |why: &str| Some(warning_at(line, format!("`{}` {why}", setting.key.escape_debug())));
    let mut values = setting.values.iter().map(String::as_str);
    match setting.key.as_str() {
        "exec-pre" | "exec-post" => plain("runs a command on the box"),
        "extraargs" => plain("hands anything to a program and a shell of the box"),
        "srcpath" => plain("may read any folder of the box"),
        "mountpoint" if values.any(|value| value != "/") => {
            plain("moves a folder of the tree, which may be a link to the box")
        }
        "mountpoint" => None,
        "compress" => {
            values.find(|value| !COMPRESSORS.contains(value)).map(|value| shell(line, value))
        }
        key => {
            let extra = match key {
                "holes" => "();",
                "label" | "name" | "volume-id" => " ",
                _ => "",
            };
            values.find(|value| !is_plain(value, extra)).map(|value| shell(line, value))
        }
    }
}

fn shell(line: u32, value: &str) -> Diagnostic {
    let shown: String = value.chars().take(60).flat_map(char::escape_debug).collect();
    warning_at(line, format!("`{shown}` could be read as a path of the box or by its shell"))
        .with_hint(
            "plain values are relative, of letters, digits and ._+@:,/%^- and begin with no `-`",
        )
}

fn is_plain(value: &str, extra: &str) -> bool {
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || "._+@:,/%^-".contains(c) || extra.contains(c);
    !value.starts_with(['-', '/'])
        && !value.split('/').any(|part| part == "..")
        && value.chars().all(allowed)
}
