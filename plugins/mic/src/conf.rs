//! The tool's configuration for one job: its own directories, so that jobs never meet.

use crate::options::Options;
use img_runner_sdk::Request;

/// `mic.conf`. A configuration elsewhere than in /etc loses the tool's plugins unless it names
/// their directory.
pub(crate) fn text(request: &Request, options: &Options) -> String {
    let paths = &request.paths;
    let mut lines = vec![
        "[common]".to_owned(),
        entry("distro_name", "IMG"),
        entry("plugin_dir", &options.plugin_dir),
        String::new(),
        "[create]".to_owned(),
        entry("tmpdir", &format!("{}/tmp", paths.work)),
        entry("cachedir", &paths.cache),
        entry("outdir", &paths.output),
        entry("bootstrapdir", &format!("{}/bootstrap", paths.work)),
        entry("pkgmgr", &options.pkgmgr),
    ];
    let optional = [
        ("proxy", &options.proxy),
        ("no_proxy", &options.no_proxy),
        ("ssl_verify", &options.ssl_verify),
    ];
    let given = optional.into_iter().filter_map(|(key, value)| Some(entry(key, value.as_deref()?)));
    lines.extend(given);
    lines.extend(["", "[convert]", "", "[chroot]"].map(str::to_owned));
    lines.push(String::new());
    lines.join("\n")
}

/// Per cent signs are the format's own.
fn entry(key: &str, value: &str) -> String {
    format!("{key} = {}", value.replace('%', "%%"))
}
