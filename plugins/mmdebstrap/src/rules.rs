//! Whether a definition's values make sense, and which of them act on the box itself.

use crate::{
    archive::NAME_LIMIT,
    definition::{At, Definition, FileEntry, LinkEntry},
    describe::{ARCHITECTURES, AS_DEFINED, MODES, TYPES, VARIANTS},
};
use img_runner_sdk::{
    Diagnostic, Request, error, error_at, is_package_name, is_word, option, warning_at,
};

/// The package set a request asks for: its own field before the definition before the tool's.
pub fn variant<'a>(request: &'a Request, definition: &'a Definition) -> &'a str {
    chosen(request, "variant", &definition.variant, "important")
}

/// How root is had, chosen in the same order.
pub fn mode<'a>(request: &'a Request, definition: &'a Definition) -> &'a str {
    chosen(request, "mode", &definition.mode, "auto")
}

fn chosen<'a>(
    request: &'a Request,
    id: &str,
    defined: &'a Option<At<String>>,
    default: &'a str,
) -> &'a str {
    let given = option(request, id).filter(|value| *value != AS_DEFINED);
    given.or(defined.as_ref().map(|at| at.value.as_str())).unwrap_or(default)
}

/// What is wrong with the request around the definition.
pub fn request_errors(request: &Request, definition: &Definition) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut known = |what: &str, value: &str, valid: &[&str]| {
        if !valid.contains(&value) {
            found.push(error(unknown(what, value, valid)));
        }
    };
    known("image type", &request.image_type, &TYPES.map(|row| row.0));
    known("architecture", &request.architecture, &ARCHITECTURES);
    known("variant", variant(request, definition), &VARIANTS.map(|row| row.0));
    known("mode", mode(request, definition), &MODES.map(|row| row.0));
    let packages = request.packages.iter().filter(|name| !is_package(name));
    found.extend(packages.map(|name| error(bad_package(name))));
    let options = img_runner_sdk::list(request, "aptopts").filter(|line| !is_plain_aptopt(line));
    found.extend(options.map(|line| {
        error(format!("the option of apt `{}` is not one of the plain ones", line.escape_debug()))
            .with_hint(PLAIN_APTOPTS_HINT)
    }));
    found.extend(too_long(request, definition));
    found.extend(nothing_to_install(request, definition));
    found.extend(hooks_that_never_run(request, definition));
    found
}

/// Bytes of all values that become arguments; the kernel takes 128 KiB for one of them.
const ARGUMENT_BYTES: usize = 100 << 10;
/// Files, links and directories of one definition.
const ENTRIES: usize = 200;

fn too_long(request: &Request, definition: &Definition) -> Option<Diagnostic> {
    let lists = [
        &definition.mirrors,
        &definition.components,
        &definition.include,
        &definition.aptopts,
        &definition.dpkgopts,
        &definition.directories,
        &definition.extract_hooks,
        &definition.essential_hooks,
        &definition.customize_hooks,
    ];
    let values = lists.into_iter().flatten().map(|at| at.value.len());
    let packages = request.packages.iter().map(String::len);
    // A path may be named twice: as a directory to make and as the place to unpack.
    let files = definition.files.iter().map(|file| 2 * file.path.len());
    let links = definition.links.iter().map(|link| 2 * link.path.len());
    let bytes: usize = values.chain(packages).chain(files).chain(links).map(|n| n + 1).sum();
    let message =
        format!("the values have {bytes} bytes together: at most {ARGUMENT_BYTES} are allowed");
    (bytes > ARGUMENT_BYTES).then(|| error(message))
}

fn nothing_to_install(request: &Request, definition: &Definition) -> Option<Diagnostic> {
    let bare = matches!(variant(request, definition), "extract" | "custom");
    let none = definition.include.is_empty() && request.packages.is_empty();
    (bare && none).then(|| {
        error(format!(
            "the variant {} installs only named packages, and none is named",
            variant(request, definition)
        ))
        .with_hint("give them in `include`, such as include = [\"busybox-static\"]")
    })
}

fn hooks_that_never_run(request: &Request, definition: &Definition) -> Vec<Diagnostic> {
    let variant = variant(request, definition);
    let skipped: &[(&str, &[At<String>])] = match variant {
        "extract" => &[
            ("essential-hooks", &definition.essential_hooks),
            ("customize-hooks", &definition.customize_hooks),
        ],
        "custom" => &[("essential-hooks", &definition.essential_hooks)],
        _ => &[],
    };
    let first = |(key, hooks): &(&str, &[At<String>])| {
        let line = hooks.first()?.line;
        let message = format!("`{key}` do not run in the variant {variant}");
        Some(warning_at(line, message).with_hint("use `extract-hooks`"))
    };
    skipped.iter().filter_map(first).collect()
}

/// Everything wrong with the definition by itself.
pub fn errors(definition: &Definition) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if definition.suite.is_none() {
        let hint = "name a release: suite = \"bookworm\"";
        found.push(error_at(1, "the definition has no `suite`").with_hint(hint));
    }
    let mut each = |values: &mut dyn Iterator<Item = &At<String>>,
                    bad: &dyn Fn(&str) -> Option<String>| {
        for at in values {
            found.extend(bad(&at.value).map(|message| error_at(at.line, message)));
        }
    };
    let refuse = |ok: bool, message: String| (!ok).then_some(message);
    each(&mut definition.suite.iter(), &|v| refuse(is_word(v, ".-_/"), bad_word("suite", v)));
    each(&mut definition.components.iter(), &|v| {
        refuse(is_word(v, "-_./"), bad_word("component", v))
    });
    each(&mut definition.hostname.iter(), &|v| {
        refuse(is_word(v, "-.") && v.len() <= 64, bad_word("hostname", v))
    });
    each(&mut definition.variant.iter(), &|v| one_of("variant", v, &VARIANTS.map(|row| row.0)));
    each(&mut definition.mode.iter(), &|v| one_of("mode", v, &MODES.map(|row| row.0)));
    each(&mut definition.include.iter(), &|v| refuse(is_package(v), bad_package(v)));
    each(&mut definition.keyring.iter(), &bad_keyring);
    each(&mut definition.source_date_epoch.iter(), &bad_epoch);
    each(&mut definition.mirrors.iter(), &|v| mirror(v).err());
    each(&mut definition.aptopts.iter(), &|v| bad_line("option of apt", v));
    each(&mut definition.dpkgopts.iter(), &|v| bad_line("option of dpkg", v));
    each(&mut definition.directories.iter(), &|v| bad_image_path("directory", v, true));
    for (_, hooks) in hooks(definition) {
        each(&mut hooks.iter(), &|v| {
            refuse(!v.trim().is_empty() && !v.contains('\0'), "an empty hook".into())
        });
    }
    found.extend(definition.files.iter().filter_map(bad_file));
    found.extend(definition.links.iter().filter_map(bad_link));
    found.extend(collisions(definition));
    found
}

/// The hooks by their key.
pub fn hooks(definition: &Definition) -> [(&'static str, &[At<String>]); 3] {
    [
        ("extract-hooks", &definition.extract_hooks),
        ("essential-hooks", &definition.essential_hooks),
        ("customize-hooks", &definition.customize_hooks),
    ]
}

/// What acts on the box itself and so needs the "privileged definitions" permission.
pub fn privileged(definition: &Definition) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (key, commands) in hooks(definition) {
        let why = format!("`{key}` run on the box, outside of the image");
        found.extend(commands.iter().map(|at| warning_at(at.line, why.clone())));
    }
    for at in definition.mirrors.iter() {
        if let Ok(Mirror { privileged: Some(why), .. }) = mirror(&at.value) {
            found.push(warning_at(at.line, why));
        }
    }
    let aptopts = definition.aptopts.iter().filter(|at| !is_plain_aptopt(&at.value));
    found.extend(aptopts.map(|at| {
        warning_at(at.line, "this option of apt may run or read anything on the box")
            .with_hint(PLAIN_APTOPTS_HINT)
    }));
    let dpkgopts = definition.dpkgopts.iter().filter(|at| !is_plain_dpkgopt(&at.value));
    found.extend(dpkgopts.map(|at| {
        warning_at(at.line, "this option of dpkg may run or read anything on the box")
            .with_hint("only path-exclude= and path-include= need no permission")
    }));
    found.sort_by_key(|one| one.line);
    found
}

const PLAIN_APTOPTS: [&str; 8] = [
    "acquire::check-valid-until",
    "acquire::check-date",
    "acquire::languages",
    "acquire::retries",
    "acquire::http::timeout",
    "acquire::https::timeout",
    "apt::install-recommends",
    "apt::install-suggests",
];
const PLAIN_APTOPTS_HINT: &str = "plain ones are NAME \"VALUE\" with Acquire::Check-Valid-Until, Acquire::Check-Date, Acquire::Languages, Acquire::Retries, Acquire::http::Timeout, Acquire::https::Timeout, APT::Install-Recommends, APT::Install-Suggests";

/// Whether a line for apt can run nothing and read nothing.
pub fn is_plain_aptopt(line: &str) -> bool {
    let line = line.trim().trim_end_matches(';');
    let Some((name, value)) = line.split_once(' ') else { return false };
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || ".,_-".contains(c));
    PLAIN_APTOPTS.contains(&name.to_ascii_lowercase().as_str()) && inner.is_some_and(plain)
}

fn is_plain_dpkgopt(line: &str) -> bool {
    line.starts_with("path-exclude=/") || line.starts_with("path-include=/")
}

/// A mirror that can be handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Why it acts on the box, if it does.
    pub privileged: Option<String>,
    /// Whether it carries a password.
    pub secret: bool,
}

/// Reads a mirror: a URL, or a line of sources.list.
///
/// # Errors
/// Says what is wrong with it.
pub fn mirror(text: &str) -> Result<Mirror, String> {
    let shown = text.escape_debug();
    if text.chars().any(char::is_control) {
        return Err(format!("the mirror `{shown}` contains a control character"));
    }
    let is_line = text.starts_with("deb ") || text.starts_with("deb-src ");
    if !is_line && text.contains(char::is_whitespace) {
        return Err(format!(
            "the mirror `{shown}` is neither a URL nor a line that begins with `deb `"
        ));
    }
    let mut words = text.split_whitespace().skip(usize::from(is_line));
    let mut privileged = None;
    let mut url = words.next().unwrap_or_default();
    if url.starts_with('[') {
        let mut options = vec![url];
        while !options.last().is_some_and(|word| word.ends_with(']')) {
            options.push(words.next().ok_or(format!("the mirror `{shown}` has an open `[`"))?);
        }
        let joined = options.join(" ");
        let inner = joined.trim_matches(['[', ']']).split_whitespace();
        if inner.filter(|word| !word.starts_with("arch=")).count() > 0 {
            privileged = Some(format!("the source options `{joined}` change what is trusted"));
        }
        url = words.next().unwrap_or_default();
    }
    if is_line && words.next().is_none() {
        return Err(format!("the mirror `{shown}` names no suite"));
    }
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    match scheme {
        "http" | "https" if rest.starts_with("//") && rest.len() > 2 => {}
        "file" | "copy" if rest.starts_with('/') => {
            privileged = Some(format!("`{scheme}:` reads files of the box"));
        }
        _ => {
            return Err(format!("the mirror `{shown}` is no http:, https:, file: or copy: URL"));
        }
    }
    Ok(Mirror { privileged, secret: rest.split('/').nth(2).is_some_and(|host| host.contains('@')) })
}

fn is_package(name: &str) -> bool {
    is_package_name(name) && name.matches('/').count() <= 1 && !name.ends_with('/')
}

fn bad_package(name: &str) -> String {
    let shown = name.escape_debug();
    format!("`{shown}` is no package: give name, name=version, name/suite, name:arch or name-")
}

fn bad_word(what: &str, value: &str) -> String {
    format!(
        "the {what} `{}` is not letters, digits, `.`, `-` beginning with a letter or a digit",
        value.escape_debug()
    )
}

fn unknown(what: &str, value: &str, valid: &[&str]) -> String {
    format!("unknown {what} `{}`: use one of {}", value.escape_debug(), valid.join(", "))
}

fn one_of(what: &str, value: &str, valid: &[&str]) -> Option<String> {
    (!valid.contains(&value)).then(|| unknown(what, value, valid))
}

fn bad_line(what: &str, value: &str) -> Option<String> {
    let shown = value.escape_debug();
    if value.contains('\0') || value.contains('\n') {
        return Some(format!("the {what} `{shown}` is more than one line"));
    }
    let first = value.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    (!first).then(|| format!("the {what} `{shown}` does not begin with a letter or a digit"))
}

fn bad_keyring(name: &str) -> Option<String> {
    let ok = is_word(name, ".-_") && [".gpg", ".pgp", ".asc"].iter().any(|end| name.ends_with(end));
    (!ok).then(|| {
        let shown = name.escape_debug();
        format!("the keyring `{shown}` is no file name of /usr/share/keyrings ending in .gpg, .pgp or .asc")
    })
}

/// Why `text` is no time stamp.
pub fn bad_epoch(text: &str) -> Option<String> {
    let ok = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    (!ok).then(|| format!("the time stamp `{}` is not 1 to 10 digits", text.escape_debug()))
}

/// Places that the tool fills or empties by itself.
const TAKEN: [&str; 7] = ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/run", "/var/lock"];

fn bad_image_path(what: &str, path: &str, directory: bool) -> Option<String> {
    let shown = path.escape_debug();
    let Some(inner) = path.strip_prefix('/') else {
        return Some(format!("the {what} `{shown}` does not begin with `/`"));
    };
    let part_ok = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= NAME_LIMIT
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+@%=:,-".contains(c))
    };
    if !inner.split('/').all(part_ok) {
        return Some(format!(
            "the {what} `{shown}` has a part that is not 1 to {NAME_LIMIT} of letters, digits and ._+@%=:,-"
        ));
    }
    let taken = TAKEN.iter().find(|top| {
        path.strip_prefix(**top)
            .is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && !directory))
    })?;
    Some(format!("the {what} `{shown}` would not stay: {taken} is filled when the image boots"))
}

/// The permission bits of a file's `mode`; 0644 when there is none.
pub fn permission(file: &FileEntry) -> Option<u32> {
    let Some(text) = &file.mode else { return Some(0o644) };
    let octal = (3..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o7777)
}

fn bad_file(file: &FileEntry) -> Option<Diagnostic> {
    if let Some(message) = bad_image_path("file", &file.path, false) {
        return Some(error_at(file.line, message));
    }
    let shown = file.mode.as_deref().unwrap_or_default().escape_debug().to_string();
    let message = format!("the mode `{shown}` of {} is not octal, such as \"0755\"", file.path);
    permission(file).is_none().then(|| error_at(file.line, message))
}

fn bad_link(link: &LinkEntry) -> Option<Diagnostic> {
    if let Some(message) = bad_image_path("symlink", &link.path, false) {
        return Some(error_at(link.line, message));
    }
    let target = &link.target;
    let ok = (1..=NAME_LIMIT).contains(&target.len()) && !target.chars().any(char::is_control);
    let message = format!("the target of {} is not 1 to {NAME_LIMIT} plain characters", link.path);
    (!ok).then(|| error_at(link.line, message))
}

/// Paths given twice, and paths below something that is no directory.
fn collisions(definition: &Definition) -> Vec<Diagnostic> {
    let files = definition.files.iter().map(|file| (file.path.as_str(), file.line));
    let links = definition.links.iter().map(|link| (link.path.as_str(), link.line));
    let leaves: Vec<_> = files.chain(links).collect();
    let directories = definition.directories.iter().map(|at| (at.value.as_str(), at.line));
    let all: Vec<_> = leaves.iter().copied().chain(directories).collect();
    if let Some((_, line)) = all.get(ENTRIES) {
        let count = all.len();
        let message =
            format!("{count} files, links and directories: at most {ENTRIES} are allowed");
        return vec![error_at(*line, message)];
    }
    let mut found = Vec::new();
    for (index, (path, line)) in all.iter().enumerate() {
        if all.iter().take(index).any(|(earlier, _)| earlier == path) {
            found.push(error_at(*line, format!("{path} is given twice")));
        }
        let below = |leaf: &&(&str, u32)| {
            path.strip_prefix(leaf.0).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some((leaf, _)) = leaves.iter().find(below) {
            found.push(error_at(*line, format!("{path} lies below {leaf}, which is no directory")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Definition {
        let (definition, diagnostics) = Definition::read(text.as_bytes());
        assert_eq!(diagnostics, [], "{text}");
        definition
    }

    fn said(text: &str) -> Vec<String> {
        errors(&read(text)).into_iter().map(|one| one.message).collect()
    }

    #[test]
    fn a_value_outside_its_grammar_is_named() {
        let cases = [
            ("include = [\"-o\"]", "`-o` is no package"),
            ("include = [\"./x.deb\"]", "is no package"),
            ("include = [\"a/b/c.deb\"]", "is no package"),
            ("include = [\"?essential\"]", "is no package"),
            ("mirrors = [\"/etc/shadow\"]", "is no http:"),
            ("mirrors = [\"-\"]", "is no http:"),
            ("mirrors = [\"ssh://box/x\"]", "is no http:"),
            ("mirrors = [\"deb [arch=amd64 http://x y\"]", "has an open `[`"),
            ("mirrors = [\"deb http://x\"]", "names no suite"),
            ("variant = \"tiny\"", "unknown variant `tiny`: use one of extract"),
            ("mode = \"chrootless\"", "unknown mode"),
            ("keyring = \"../x.gpg\"", "is no file name of"),
            ("hostname = \"-x\"", "the hostname"),
            ("components = [\"ma in\"]", "the component"),
            ("source-date-epoch = -5", "is not 1 to 10 digits"),
            ("aptopts = [\"/etc/shadow\"]", "does not begin with a letter"),
            ("aptopts = [\"a\\nb\"]", "more than one line"),
            ("directories = [\"a\"]", "does not begin with `/`"),
            ("[[file]]\npath = \"/run/x\"\ncontent = \"\"", "would not stay: /run"),
            ("[[file]]\npath = \"/a/../b\"\ncontent = \"\"", "has a part"),
            ("[[file]]\npath = \"/a b\"\ncontent = \"\"", "has a part"),
            ("[[file]]\npath = \"/a\"\ncontent = \"\"\nmode = \"rwx\"", "is not octal"),
            ("[[symlink]]\npath = \"/a\"\ntarget = \"\"", "the target of /a"),
        ];
        for (line, wanted) in cases {
            let said = said(&format!("suite = \"sid\"\n{line}\n"));
            assert!(said.len() == 1 && said[0].contains(wanted), "{line}: {said:?}");
        }
        assert_eq!(said("include = []"), ["the definition has no `suite`"]);
    }

    #[test]
    fn a_file_cannot_be_sent_through_a_link_of_the_same_definition() {
        let text = "suite = \"sid\"\n[[symlink]]\npath = \"/a\"\ntarget = \"/etc\"\n\
                    [[file]]\npath = \"/a/passwd\"\ncontent = \"\"\n";
        assert_eq!(said(text), ["/a/passwd lies below /a, which is no directory"]);
        let twice =
            "suite = \"sid\"\ndirectories = [\"/a\"]\n[[file]]\npath = \"/a\"\ncontent = \"\"\n";
        assert_eq!(said(twice), ["/a is given twice"]);
    }

    #[test]
    fn what_acts_on_the_box_is_privileged_with_its_line() {
        let text = r#"suite = "sid"
customize-hooks = ["rm -rf /"]
extract-hooks = ["copy-in /etc/shadow /etc"]
mirrors = [
  "http://mirror.example/debian",
  "file:///srv/mirror",
  "deb [trusted=yes] http://evil/ sid main",
  "deb [arch=amd64] http://mirror.example/debian sid main",
]
aptopts = ['APT::Update::Pre-Invoke { "id" };', 'Acquire::Check-Valid-Until "false"']
dpkgopts = ["path-exclude=/usr/share/man/*", "pre-invoke=id"]
"#;
        let definition = read(text);
        assert_eq!(errors(&definition), []);
        let lines: Vec<_> = privileged(&definition).iter().map(|one| one.line.unwrap()).collect();
        assert_eq!(lines, [2, 3, 6, 7, 10, 11]);
    }

    #[test]
    fn only_options_that_can_run_nothing_are_plain() {
        for plain in ["Acquire::Languages \"none\"", "apt::install-recommends \"true\";"] {
            assert!(is_plain_aptopt(plain), "{plain}");
        }
        for other in [
            "Acquire::Languages { \"none\"; }",
            "Acquire::Languages \"none\"; APT::Update::Pre-Invoke \"id\"",
            "Acquire::http::Proxy \"http://x\"",
            "Dir::Bin::dpkg \"x\"",
            "Acquire::Languages",
        ] {
            assert!(!is_plain_aptopt(other), "{other}");
        }
    }

    #[test]
    fn a_mirror_with_a_password_is_secret() {
        assert!(mirror("https://u:p@host/debian").unwrap().secret);
        assert!(!mirror("https://host/a@b").unwrap().secret);
        assert!(mirror("deb https://u:p@host/debian sid main").unwrap().secret);
    }
}
