//! Random texts and how they are kept.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

/// 256 random bits as 43 characters of URL-safe base64.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// SHA-256: enough for what has 256 random bits, and the same every time.
pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
