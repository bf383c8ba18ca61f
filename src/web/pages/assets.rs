//! The files of `ui/`, embedded as they are, with addresses that change when they do.

use rust_embed::RustEmbed;
use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

#[derive(RustEmbed)]
#[folder = "ui/"]
struct Ui;

/// Characters of the hash in an address: enough to tell versions of one file apart.
const SHOWN: usize = 12;

static URLS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    Ui::iter()
        .filter_map(|name| {
            let hash = get(&name)?.hash;
            let shown: String = hash.chars().take(SHOWN).collect();
            Some((name.to_string(), format!("/ui/{name}?v={shown}")))
        })
        .collect()
});

/// An embedded file.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// For `Content-Type`.
    pub mime: &'static str,
    /// SHA-256 in hex: an `ETag`, and the start of it is in the address.
    pub hash: String,
}

/// The address of an embedded file, with its version; `/ui/` alone if there is no such file.
pub fn url(name: &str) -> &'static str {
    URLS.get(name).map_or("/ui/", String::as_str)
}

/// An embedded file by its name, such as `style.css`.
pub fn get(name: &str) -> Option<Asset> {
    let file = Ui::get(name)?;
    let hash = data_encoding::HEXLOWER.encode(&file.metadata.sha256_hash());
    Some(Asset { bytes: file.data, mime: mime(name), hash })
}

fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
