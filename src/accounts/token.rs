//! API tokens: `img_` and 256 random bits.

use super::secret;

const MARK: &str = "img_";
/// Characters shown in lists: enough to tell tokens apart, useless to guess one.
const SHOWN: usize = 12;

/// A new token.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<String, getrandom::Error> {
    Ok(format!("{MARK}{}", secret::random()?))
}

/// What is stored of a token.
pub fn hash(token: &str) -> [u8; 32] {
    secret::hash(token)
}

/// Its first characters, to recognise it by.
pub fn prefix(token: &str) -> String {
    token.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_is_and_its_prefix_is_short() {
        let token = generate().unwrap();
        assert!(token.starts_with("img_") && token.len() == 47);
        assert_eq!(prefix(&token).len(), SHOWN);
        assert_ne!(hash(&token), hash(&generate().unwrap()));
    }
}
