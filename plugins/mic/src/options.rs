//! The tool's options as fields of the form, and as values of a request.

use crate::types::{ARCHIVES, Type};
use img_runner_sdk::{
    Diagnostic, Field, FieldKind, InputFile, Request, TextField, boolean_field, choice_field,
    error, flag, is_word, list, option, text_field, text_list_field, warning,
};

const RECORD: &str = "name,url,content,license";
const RECORDABLE: [&str; 5] = ["name", "url", "content", "license", "vcs"];
/// An fs directory is no file: it is packed unless another name is given.
const FS_ARCHIVE: &str = "@NAME@.tar.gz";

/// The fields of the form.
pub(crate) fn fields() -> Vec<Field> {
    let mut fields = packing_fields();
    fields.extend(content_fields());
    fields.extend(running_fields());
    fields
}

fn packing_fields() -> Vec<Field> {
    vec![
        text_field(
            "pack_to",
            "Pack into (--pack-to)",
            "Packs the image files into this archive; @NAME@ stands for the job's name. Ends: \
             .tar, .tar.gz, .tar.bz2, .tgz, .tbz, .zip. Left empty, a root file system is packed \
             into @NAME@.tar.gz and other images are kept as they are.",
            Some("[A-Za-z0-9@][A-Za-z0-9@._+-]*"),
            120,
        ),
        choice_field(
            "compress_image",
            "Compress images (--compress-image)",
            "Compresses each partition or disk image. For loop and raw.",
            &[("", "no"), ("gz", "gzip"), ("bz2", "bzip2"), ("lzo", "lzo (not every version)")],
        ),
        boolean_field(
            "shrink",
            "Shrink (--shrink)",
            "Makes partition images as small as their content. For loop.",
            false,
        ),
        boolean_field(
            "generate_bmap",
            "Block map (--generate-bmap)",
            "Writes a map of the used blocks for quick flashing. For raw, in versions of the tool \
             that have it.",
            false,
        ),
        boolean_field(
            "copy_kernel",
            "Copy the kernel (--copy-kernel)",
            "Keeps the kernel and initrd of the image as files of their own.",
            false,
        ),
    ]
}

fn content_fields() -> Vec<Field> {
    let mut record = text_field(
        "record_pkgs",
        "Record packages (--record-pkgs)",
        "Which lists of installed packages are kept, joined by commas: name, url, content, \
         license, vcs (not every version). `none` keeps none.",
        Some("none|(name|url|content|license|vcs)(,(name|url|content|license|vcs))*"),
        60,
    );
    if let FieldKind::Text(TextField { default, .. }) = &mut record.kind {
        *default = RECORD.into();
    }
    vec![
        text_list_field(
            "tokenmap",
            "Token values (--tokenmap)",
            "One NAME:value a line: @NAME@ in the definition becomes the value before the tool \
             reads it. @ARCH@ is the chosen architecture unless it is given here.",
            Some("[A-Za-z_][A-Za-z0-9_]*:[^,:@]+"),
            200,
        ),
        record,
        boolean_field(
            "include_src",
            "Source packages (--include-src)",
            "Puts the source packages of everything installed into the image. For fs.",
            false,
        ),
        boolean_field(
            "local_pkgs_path",
            "Packages of the input job (--local-pkgs-path)",
            "Installs from the .rpm files of the job that is named as input, before the \
             repositories.",
            false,
        ),
        boolean_field(
            "strict_mode",
            "Strict (--strict-mode)",
            "Gives up when the installation of a package has errors, in versions of the tool \
             that have it.",
            false,
        ),
    ]
}

fn running_fields() -> Vec<Field> {
    vec![
        choice_field(
            "pkgmgr",
            "Package manager (--pkgmgr)",
            "What resolves and installs the packages; it has to be installed on the box.",
            &[("zypp", "zypp"), ("yum", "yum"), ("auto", "auto (not every version)")],
        ),
        choice_field(
            "runtime",
            "Runtime (--runtime)",
            "Where the tool runs itself: on the box, or in a system it sets up first.",
            &[("", "as the tool is set"), ("native", "native"), ("bootstrap", "bootstrap")],
        ),
        text_field(
            "proxy",
            "Proxy",
            "Address of a proxy for downloads: http://proxy.example.com:8080/",
            Some("(https?|ftp|socks)://[^ \\t'\"#]+"),
            200,
        ),
        text_field(
            "no_proxy",
            "No proxy for",
            "Hosts that are asked directly, joined by commas: localhost,.example.com",
            Some("[A-Za-z0-9.:*_-]+(,[A-Za-z0-9.:*_-]+)*"),
            400,
        ),
        choice_field(
            "ssl_verify",
            "Check certificates",
            "Whether repositories need a valid TLS certificate.",
            &[("", "as the tool is set"), ("yes", "yes"), ("no", "no")],
        ),
        choice_field(
            "plugin_dir",
            "Plugin directory",
            "Where the tool's own plugins lie on the box.",
            &[
                ("/usr/lib/mic/plugins", "/usr/lib/mic/plugins"),
                ("/usr/lib64/mic/plugins", "/usr/lib64/mic/plugins"),
                ("/usr/local/lib/mic/plugins", "/usr/local/lib/mic/plugins"),
            ],
        ),
    ]
}

/// A request's options, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// With @NAME@ as it was given.
    pub pack_to: Option<String>,
    pub compress_image: Option<String>,
    pub shrink: bool,
    pub generate_bmap: bool,
    pub copy_kernel: bool,
    /// `None` keeps no lists.
    pub record_pkgs: Option<String>,
    pub include_src: bool,
    /// The directory of the input job's packages.
    pub local_pkgs: Option<String>,
    pub strict_mode: bool,
    pub pkgmgr: String,
    pub runtime: Option<String>,
    pub proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub ssl_verify: Option<String>,
    pub plugin_dir: String,
}

/// What was asked for, and what is wrong with it.
pub(crate) fn read(request: &Request, kind: &Type) -> (Options, Vec<Diagnostic>) {
    let mut wrong = Vec::new();
    let given = |id: &str| option(request, id).map(str::to_owned);
    let options = Options {
        pack_to: pack_to(request, kind, &mut wrong),
        compress_image: choice(request, "compress_image", &["gz", "bz2", "lzo"], &mut wrong),
        shrink: flag(request, "shrink", false),
        generate_bmap: flag(request, "generate_bmap", false),
        copy_kernel: flag(request, "copy_kernel", false),
        record_pkgs: record_pkgs(request, &mut wrong),
        include_src: flag(request, "include_src", false),
        local_pkgs: local_pkgs(request, &mut wrong),
        strict_mode: flag(request, "strict_mode", false),
        pkgmgr: choice(request, "pkgmgr", &["zypp", "yum", "auto"], &mut wrong)
            .unwrap_or_else(|| "zypp".into()),
        runtime: choice(request, "runtime", &["native", "bootstrap"], &mut wrong),
        proxy: given("proxy").filter(|value| is_conf_value("proxy", value, true, &mut wrong)),
        no_proxy: given("no_proxy")
            .filter(|value| is_conf_value("no_proxy", value, false, &mut wrong)),
        ssl_verify: choice(request, "ssl_verify", &["yes", "no"], &mut wrong),
        plugin_dir: choice(request, "plugin_dir", &PLUGIN_DIRS, &mut wrong)
            .unwrap_or_else(|| "/usr/lib/mic/plugins".into()),
    };
    fits(&options, kind, &mut wrong);
    (options, wrong)
}

const PLUGIN_DIRS: [&str; 3] =
    ["/usr/lib/mic/plugins", "/usr/lib64/mic/plugins", "/usr/local/lib/mic/plugins"];

/// The entries of `tokenmap`, as they were given.
pub(crate) fn tokenmap(request: &Request) -> impl Iterator<Item = &str> {
    list(request, "tokenmap")
}

fn choice(
    request: &Request,
    id: &str,
    choices: &[&str],
    wrong: &mut Vec<Diagnostic>,
) -> Option<String> {
    let value = option(request, id)?;
    if choices.contains(&value) {
        return Some(value.to_owned());
    }
    let shown = value.escape_debug();
    wrong.push(error(format!("`{id}` is `{shown}`: use {}", choices.join(", "))));
    None
}

fn pack_to(request: &Request, kind: &Type, wrong: &mut Vec<Diagnostic>) -> Option<String> {
    let Some(value) = option(request, "pack_to") else {
        return (kind.id == "fs").then(|| FS_ARCHIVE.to_owned());
    };
    let shown = value.escape_debug();
    // `@NAME@` at the beginning is the tool's own: in `--pack-to=@NAME@.tar` it opens no argument.
    if !is_word(&value.replace("@NAME@", "name"), "._+-") || value.contains("..") {
        let message = format!("`pack_to` is `{shown}`: use a file name such as @NAME@.tar.gz");
        wrong.push(error(message));
        return None;
    }
    if !ARCHIVES.iter().any(|ending| value.ends_with(ending)) {
        let message = format!("`pack_to` is `{shown}`: it has to end in {}", ARCHIVES.join(", "));
        wrong.push(error(message));
        return None;
    }
    if kind.id == "fs" && value.ends_with(".zip") {
        wrong.push(error("`pack_to`: a root file system cannot be packed into .zip: use .tar.gz"));
        return None;
    }
    Some(value.to_owned())
}

fn record_pkgs(request: &Request, wrong: &mut Vec<Diagnostic>) -> Option<String> {
    let value = option(request, "record_pkgs").unwrap_or(RECORD);
    if value == "none" {
        return None;
    }
    if let Some(bad) = value.split(',').find(|part| !RECORDABLE.contains(part)) {
        let (bad, all) = (bad.escape_debug(), RECORDABLE.join(", "));
        wrong.push(error(format!("`record_pkgs` names `{bad}`: use none or some of {all}")));
        return None;
    }
    Some(value.to_owned())
}

fn local_pkgs(request: &Request, wrong: &mut Vec<Diagnostic>) -> Option<String> {
    if !flag(request, "local_pkgs_path", false) {
        return None;
    }
    let is_package = |input: &&InputFile| input.path.ends_with(".rpm");
    let mut directories: Vec<_> = request
        .inputs
        .iter()
        .filter(is_package)
        .filter_map(|input| input.path.rsplit_once('/').map(|(directory, _)| directory))
        .collect();
    directories.sort_unstable();
    directories.dedup();
    match directories.as_slice() {
        [] => {
            let hint = "name a finished job with packages as input, or untick it";
            let message = "`local_pkgs_path` is on, but the input job has no .rpm files";
            wrong.push(error(message).with_hint(hint));
            None
        }
        [directory] => Some((*directory).to_owned()),
        [first, ..] => {
            wrong.push(warning(format!("packages lie in several folders: only {first} is used")));
            Some((*first).to_owned())
        }
    }
}

/// Whether a value can stand in the tool's configuration, one a line.
fn is_conf_value(id: &str, value: &str, url: bool, wrong: &mut Vec<Diagnostic>) -> bool {
    let shown = value.escape_debug();
    let clean = !value.chars().any(|c| c.is_control() || c.is_whitespace() || "'\"#;".contains(c));
    let scheme = ["http://", "https://", "ftp://", "socks://"];
    if !clean || (url && !scheme.iter().any(|scheme| value.starts_with(scheme))) {
        wrong.push(error(format!("`{id}` is `{shown}`: use an address such as {URL_EXAMPLE}")));
        return false;
    }
    if url && value.contains('@') {
        let hint = "let the administrator set the proxy for all jobs";
        wrong.push(warning("the proxy's password is readable in the plan").with_hint(hint));
    }
    true
}

const URL_EXAMPLE: &str = "http://proxy.example.com:8080/";

/// Options that a type does not have.
fn fits(options: &Options, kind: &Type, wrong: &mut Vec<Diagnostic>) {
    let cases = [
        ("compress_image", options.compress_image.is_some(), ["loop", "raw"].as_slice()),
        ("shrink", options.shrink, &["loop"]),
        ("generate_bmap", options.generate_bmap, &["raw"]),
        ("include_src", options.include_src, &["fs"]),
    ];
    for (id, on, types) in cases {
        if on && !types.contains(&kind.id) {
            let (types, chosen) = (types.join(" and "), kind.id);
            let message = format!("`{id}` is for {types} only, not for {chosen}");
            wrong.push(error(message).with_hint("switch it off, or choose another image type"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types;
    use img_runner_sdk::{Role, failed, testing};

    fn read_with(kind: &str, id: &str, value: &str) -> (Options, Vec<Diagnostic>) {
        let request = testing::with_option(testing::request("", kind, "i686"), id, value);
        read(&request, types::of(kind).unwrap())
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        let request = testing::request("", "fs", "i686");
        let (options, wrong) = read(&request, types::of("fs").unwrap());
        assert!(wrong.is_empty());
        assert_eq!(options.pack_to.as_deref(), Some("@NAME@.tar.gz"));
        assert_eq!(options.record_pkgs.as_deref(), Some("name,url,content,license"));
        assert_eq!(read(&request, types::of("raw").unwrap()).0.pack_to, None);
    }

    #[test]
    fn an_archive_name_cannot_be_an_option_or_leave_the_directory() {
        for bad in ["-x.tar", "@list.tar", "../x.tar", "/x.tar", "a b.tar", "x.exe", "@NAME@"] {
            let (options, wrong) = read_with("raw", "pack_to", bad);
            assert!(failed(&wrong) && options.pack_to.is_none(), "{bad}");
        }
        assert!(failed(&read_with("fs", "pack_to", "x.zip").1));
        assert_eq!(read_with("raw", "pack_to", "lab-1.0.zip").1, []);
    }

    #[test]
    fn what_a_type_does_not_have_is_refused() {
        assert!(failed(&read_with("fs", "shrink", "true").1));
        assert!(failed(&read_with("livecd", "compress_image", "gz").1));
        assert!(!failed(&read_with("loop", "compress_image", "gz").1));
        assert!(failed(&read_with("raw", "compress_image", "rar").1));
    }

    #[test]
    fn no_value_can_add_a_line_to_the_configuration() {
        for bad in ["http://a\nplugin_dir = /tmp", "proxy", "http://a b", "file:///etc"] {
            let (options, wrong) = read_with("fs", "proxy", bad);
            assert!(failed(&wrong) && options.proxy.is_none(), "{bad}");
        }
        assert!(failed(&read_with("fs", "plugin_dir", "/tmp").1));
    }

    #[test]
    fn local_packages_come_from_the_input_job_only() {
        let request = testing::request("", "fs", "i686");
        let mut request = testing::with_option(request, "local_pkgs_path", "true");
        let kind = types::of("fs").unwrap();
        assert!(failed(&read(&request, kind).1));
        let path = "/build/input/app-1.0.rpm".to_owned();
        let input = InputFile { path, role: Role::Other, label: String::new(), size: 1 };
        request.inputs.push(input);
        assert_eq!(read(&request, kind).0.local_pkgs.as_deref(), Some("/build/input"));
    }
}
