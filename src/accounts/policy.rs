//! Which passwords are good enough.

/// Characters a password has at least.
const MIN: usize = 12;
/// Characters a password has at most: argon2 reads every one of them.
const MAX: usize = 1024;

/// What people choose when a long password is asked for. Compared without case, and also with
/// digits and signs taken off the end.
const COMMON: &[&str] = &[
    "administrator",
    "adminadminadmin",
    "changemechangeme",
    "changemeplease",
    "correcthorse",
    "correcthorsebatterystaple",
    "imagebuilder",
    "imagerimager",
    "imagerimagerimager",
    "iloveyouiloveyou",
    "letmeinletmein",
    "letmeinplease",
    "passwordpassword",
    "passw0rdpassw0rd",
    "passwordpasswordpassword",
    "qwertyqwerty",
    "qwertyuiop",
    "qwertyuiopasdf",
    "qwertyuiopasdfghjkl",
    "secretsecret",
    "supersecretpassword",
    "thisismypassword",
    "trustno1trustno1",
    "welcomewelcome",
    "mypasswordispassword",
    "notthepassword",
    "asdfghjkl",
    "asdfghjklqwerty",
    "zxcvbnm",
    "zxcvbnmasdfghjkl",
    "1qaz2wsx3edc",
    "1q2w3e4r5t6y",
    "1234567890ab",
    "abcdefghijkl",
    "abcdefghijklmnop",
    "abcd",
    "password",
    "passwort",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "letmein",
    "welcome",
    "qwerty",
    "monkey",
    "dragon",
    "iloveyou",
    "superman",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "admin",
    "root",
    "changeme",
    "default",
    "secret",
    "imager",
];

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too short.
    #[error("the password has {0} characters: use at least {MIN}")]
    Short(usize),
    /// Too long.
    #[error("the password has {0} characters: use at most {MAX}")]
    Long(usize),
    /// Something everybody tries.
    #[error("this password is one of the first anybody would try: choose another")]
    Common,
    /// Made of the user's name.
    #[error("the password is made of the user name: choose another")]
    Name,
    /// One or two characters over and over.
    #[error("the password repeats itself: choose another")]
    Repeats,
}

/// Checks a new password of `user`.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_policy(password: &str, user: &str) -> Result<(), PolicyError> {
    let length = password.chars().count();
    if length < MIN {
        return Err(PolicyError::Short(length));
    }
    if length > MAX {
        return Err(PolicyError::Long(length));
    }
    let lower = password.to_lowercase();
    let bare = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    if COMMON.iter().any(|c| *c == lower || *c == bare) || is_run(&lower) {
        return Err(PolicyError::Common);
    }
    let user = user.to_lowercase();
    if user.chars().count() >= 3 && lower.replace(&user, "").chars().count() < 6 {
        return Err(PolicyError::Name);
    }
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 4 { Err(PolicyError::Repeats) } else { Ok(()) }
}

/// True for texts like `123456789012` or `abcdefghijkl`: each character follows the one before.
fn is_run(text: &str) -> bool {
    let digit = |c: char| c.to_digit(36);
    text.chars().zip(text.chars().skip(1)).all(|(a, b)| match (digit(a), digit(b)) {
        (Some(9), Some(0)) => true,
        (Some(a), Some(b)) => b == a + 1 || a == b + 1,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_is_refused() {
        for bad in [
            "passwordpassword",
            "PasswordPassword1!",
            "123456789012",
            "abcdefghijklm",
            "administrator",
            "Password1234!!",
            "letmein12345678",
        ] {
            assert_eq!(check_policy(bad, "ann"), Err(PolicyError::Common), "{bad}");
        }
        assert_eq!(check_policy("imager", "imager"), Err(PolicyError::Short(6)));
        assert_eq!(check_policy("kimberly2024", "kimberly"), Err(PolicyError::Name));
        assert_eq!(check_policy("aaaaaaaaaaaaaab", "ann"), Err(PolicyError::Repeats));
        assert_eq!(check_policy(&"xy9-".repeat(300), "ann"), Err(PolicyError::Long(1200)));
    }

    #[test]
    fn a_sentence_is_a_good_password() {
        assert_eq!(check_policy("four green kettles sing", "ann"), Ok(()));
        assert_eq!(check_policy("Ünïcode-Straße-42", "ann"), Ok(()));
    }
}
