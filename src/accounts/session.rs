//! A session's cookie value and what is derived from it.

use super::secret;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Characters of a cookie value: 256 bits in base64.
const LENGTH: usize = 43;

/// A new cookie value: 256 random bits.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<String, getrandom::Error> {
    secret::random()
}

/// What is stored of a cookie value; `None` when the text cannot be one.
pub fn hash(cookie: &str) -> Option<[u8; 32]> {
    let fits = cookie.len() == LENGTH && BASE64URL_NOPAD.decode(cookie.as_bytes()).is_ok();
    fits.then(|| secret::hash(cookie))
}

/// The CSRF token of the session: it can be worked out from the cookie, and not the other way.
pub fn csrf(cookie: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"img csrf v1\0");
    hasher.update(cookie.as_bytes());
    BASE64URL_NOPAD.encode(&hasher.finalize())
}

/// Compares a CSRF token without telling by time where it differs.
pub fn csrf_matches(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_random_and_only_its_hash_is_known() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), LENGTH);
        assert_ne!(hash(&a), hash(&b));
        for broken in ["", "x", &a[1..], &format!("{}!", &a[1..]), &"é".repeat(21)] {
            assert_eq!(hash(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_csrf_token_belongs_to_its_session() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert!(csrf_matches(&csrf(&a), &csrf(&a)));
        assert!(!csrf_matches(&csrf(&a), &csrf(&b)));
        assert!(!csrf_matches(&csrf(&a), ""));
    }
}
