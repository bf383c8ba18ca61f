//! The one-time code of a first sign-in from another machine.

use super::secret;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use subtle::ConstantTimeEq as _;

/// A code to type: four groups of four letters and digits, 80 bits.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 10];
    getrandom::fill(&mut bytes)?;
    let text = BASE32_NOPAD.encode(&bytes);
    let groups: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    Ok(groups.join("-"))
}

/// What is stored of a code.
pub fn hash(code: &str) -> String {
    HEXLOWER.encode(&secret::hash(&plain(code)))
}

/// True if `code` is the one whose hash was stored; blanks, dashes and case do not matter.
pub fn matches(code: &str, stored: &str) -> bool {
    hash(code).as_bytes().ct_eq(stored.as_bytes()).into()
}

fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_typed_carelessly() {
        let code = generate().unwrap();
        assert_eq!(code.len(), 19);
        let stored = hash(&code);
        assert!(matches(&code, &stored));
        assert!(matches(&code.to_lowercase().replace('-', " "), &stored));
        assert!(!matches("", &stored));
        assert!(!matches(&generate().unwrap(), &stored));
    }
}
