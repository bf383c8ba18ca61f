//! From a checked request to the one command that carries it out.

use crate::{
    archive::{self, Entry, Kind},
    definition::{At, Definition},
    describe::TYPES,
    rules,
};
use img_runner_sdk::{
    Argument, BuildPlan, Diagnostic, File, Privilege, Request, arg, error, file, flag, list,
    option, secret_arg, step,
};
use std::collections::BTreeMap;

/// The name of the file a request's image is written to.
pub fn target_name(request: &Request) -> String {
    let ending = TYPES.iter().find(|row| row.0 == request.image_type).map_or("tar", |row| row.2);
    format!("{}.{ending}", request.name)
}

/// The plan of a request whose definition has been checked.
///
/// # Errors
/// What kept it from being planned.
pub fn plan(request: &Request, definition: &Definition) -> Result<BuildPlan, Diagnostic> {
    let suite = definition.suite.as_ref().ok_or_else(|| error("the definition has no `suite`"))?;
    let (files, overlay) = overlay(request, definition);
    let mut arguments = choices(request, definition);
    arguments.extend(overlay);
    arguments.extend(own_hooks(definition));
    arguments.push(arg("--"));
    arguments.push(arg(&suite.value));
    arguments.push(arg(format!("{}/{}", request.paths.output, target_name(request))));
    arguments.extend(mirrors(request, definition));
    let mut only = step("build", "mmdebstrap", arguments, &request.paths.work);
    only.environment = environment(request, definition);
    only.privileges = privileges(rules::mode(request, definition));
    Ok(BuildPlan { files, steps: vec![only], disk: disk(request, definition) })
}

fn privileges(mode: &str) -> Vec<Privilege> {
    let root = match mode {
        "root" => Privilege::Root,
        _ => Privilege::UserNamespaces,
    };
    vec![root, Privilege::Network]
}

fn choices(request: &Request, definition: &Definition) -> Vec<Argument> {
    let format = TYPES.iter().find(|row| row.0 == request.image_type).map_or("tar", |row| row.1);
    let mut arguments = vec![
        arg(format!("--variant={}", rules::variant(request, definition))),
        arg(format!("--mode={}", rules::mode(request, definition))),
        arg(format!("--format={format}")),
        arg(format!("--architectures={}", request.architecture)),
    ];
    let texts =
        |values: &[At<String>]| values.iter().map(|at| at.value.clone()).collect::<Vec<_>>();
    let mut joined = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            arguments.push(arg(format!("--{name}={}", values.join(","))));
        }
    };
    let mut packages = texts(&definition.include);
    packages.extend(request.packages.iter().cloned());
    joined("components", texts(&definition.components));
    joined("include", packages);
    let keyring = definition.keyring.iter();
    let recommends =
        flag(request, "recommends", false).then_some("APT::Install-Recommends \"true\"");
    arguments.extend(keyring.map(|at| arg(format!("--keyring=/usr/share/keyrings/{}", at.value))));
    let aptopts = definition.aptopts.iter().map(|at| at.value.as_str());
    let aptopts = aptopts.chain(list(request, "aptopts")).chain(recommends);
    arguments.extend(aptopts.map(|line| arg(format!("--aptopt={line}"))));
    let dpkgopts = definition.dpkgopts.iter();
    arguments.extend(dpkgopts.map(|at| arg(format!("--dpkgopt={}", at.value))));
    arguments.extend(flag(request, "verbose", false).then(|| arg("--verbose")));
    arguments
}

/// Makes directories inside the image, following the image's own links and never the box's: Perl
/// (the tool is written in it) changes its root first. The words are checked, so the tool may
/// hand the line to a shell.
const MAKE_DIRECTORIES: &str = r#"perl -e 'chroot(shift) && chdir("/") || die "chroot: $!\n"; umask 022; for (@ARGV) { my $d = ""; for (split "/") { next if $_ eq ""; $d .= "/$_"; -d $d || mkdir($d, 0755) || die "$d: $!\n" } }' "$1""#;

/// The definition's directories, files and links: one command makes the directories, then one
/// archive a directory is unpacked where the tool finds that directory inside the image.
fn overlay(request: &Request, definition: &Definition) -> (Vec<File>, Vec<Argument>) {
    let hook = match rules::variant(request, definition) {
        "extract" => "--extract-hook",
        _ => "--customize-hook",
    };
    let hostname = definition.hostname.as_ref().map(|at| format!("{}\n", at.value));
    let by_directory = entries(definition, hostname.as_deref());
    let directories = definition.directories.iter().map(|at| at.value.as_str());
    let wanted: Vec<_> = directories.chain(by_directory.keys().copied()).collect();
    if wanted.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let mut hooks = vec![arg(format!("{hook}={MAKE_DIRECTORIES} {}", wanted.join(" ")))];
    let mut files = Vec::new();
    let mtime = epoch(request, definition).and_then(|text| text.parse().ok()).unwrap_or(1);
    for (index, (directory, entries)) in by_directory.iter().enumerate() {
        let name = format!("files-{index}.tar");
        hooks.push(arg(format!("{hook}=tar-in {name} {directory}")));
        files.push(file(name, archive::tar(entries, mtime), false));
    }
    (files, hooks)
}

fn entries<'a>(
    definition: &'a Definition,
    hostname: Option<&'a str>,
) -> BTreeMap<&'a str, Vec<Entry<'a>>> {
    let mut by_directory: BTreeMap<&str, Vec<Entry<'_>>> = BTreeMap::new();
    let mut put = |path: &'a str, kind: Kind<'a>| {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = if directory.is_empty() { "/" } else { directory };
        by_directory.entry(directory).or_default().push(Entry { name, kind });
    };
    if let Some(content) = hostname {
        put("/etc/hostname", Kind::File { mode: 0o644, content: content.as_bytes() });
    }
    for file in &definition.files {
        let mode = rules::permission(file).unwrap_or(0o644);
        put(&file.path, Kind::File { mode, content: file.content.as_bytes() });
    }
    for link in &definition.links {
        put(&link.path, Kind::Link { target: &link.target });
    }
    by_directory
}

fn own_hooks(definition: &Definition) -> impl Iterator<Item = Argument> {
    let keyed = rules::hooks(definition).into_iter();
    keyed.flat_map(|(key, commands)| {
        let flag = key.trim_end_matches('s');
        commands.iter().map(move |at| arg(format!("--{flag}={}", at.value)))
    })
}

fn mirrors(request: &Request, definition: &Definition) -> Vec<Argument> {
    let own = definition.mirrors.iter().map(|at| at.value.as_str());
    let added = request.repositories.iter().map(|repository| repository.url.as_str());
    let shown = |text: &str| match rules::mirror(text) {
        Ok(mirror) if !mirror.secret => arg(text),
        _ => secret_arg(text),
    };
    own.chain(added).map(shown).collect()
}

fn epoch<'a>(request: &'a Request, definition: &'a Definition) -> Option<&'a str> {
    let defined = definition.source_date_epoch.as_ref().map(|at| at.value.as_str());
    option(request, "source-date-epoch").or(defined)
}

/// Scratch space goes to the build directory only as root: in a user namespace the tool's other
/// self could not reach it, and it uses the system's temporary directory then.
fn environment(request: &Request, definition: &Definition) -> Vec<(String, String)> {
    let mut environment = Vec::new();
    if rules::mode(request, definition) == "root" {
        environment.push(("TMPDIR".to_owned(), request.paths.work.clone()));
    }
    if let Some(epoch) = epoch(request, definition) {
        environment.push(("SOURCE_DATE_EPOCH".to_owned(), epoch.to_owned()));
    }
    environment
}

/// A coarse figure from real builds: the unpacked tree, the packages and the image together.
fn disk(request: &Request, definition: &Definition) -> Option<u64> {
    let mebibytes = match rules::variant(request, definition) {
        "extract" | "custom" => return None,
        "essential" | "apt" => 600,
        "required" | "minbase" => 700,
        "buildd" => 1500,
        _ => 1000,
    };
    Some(mebibytes << 20)
}
