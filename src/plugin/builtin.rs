//! The runners that are part of this program.

use rust_embed::RustEmbed;
use std::borrow::Cow;

/// `plugins/dist`, as it was committed: the components and their checksums.
#[derive(RustEmbed)]
#[folder = "plugins/dist"]
#[allow_missing = true]
struct Components;

/// Name and bytes of each, ordered by name.
pub(super) fn components() -> Vec<(String, Cow<'static, [u8]>)> {
    let mut all: Vec<_> = Components::iter()
        .filter(|name| name.ends_with(".wasm"))
        .filter_map(|name| Components::get(&name).map(|file| (name.into_owned(), file.data)))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}
