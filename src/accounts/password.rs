//! argon2id hashes in PHC format, at most one per core at a time.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash,
};
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// Memory in KiB, passes and lanes: OWASP's first choice for argon2id.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// How a password compares with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits.
    Ok,
    /// It fits, and the hash was made with older parameters: store a new one.
    OkRehash,
    /// It does not fit, or there is no hash.
    Wrong,
}

/// Hashing failed; not a wrong password.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be worked on: {0}")]
pub struct HashError(String);

/// Hashes and checks passwords off the async threads, at most one per core at a time: a flood of
/// sign-ins must not take all the memory.
#[derive(Clone, Debug)]
pub struct Hasher {
    slots: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { slots: Arc::new(Semaphore::new(cores)) }
    }
}

fn argon() -> Result<Argon2<'static>, HashError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn failed(error: impl std::fmt::Display) -> HashError {
    HashError(error.to_string())
}

/// What an unknown name is compared with, so that it takes as long as a known one.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

fn hash(password: &str) -> Result<String, HashError> {
    Ok(argon()?.hash_password(password.as_bytes()).map_err(failed)?.to_string())
}

fn verify(password: &str, stored: Option<&str>) -> Result<Verdict, HashError> {
    let known = stored.filter(|hash| !hash.is_empty());
    let parsed = PasswordHash::new(known.unwrap_or(&NOBODY)).map_err(failed)?;
    let fits = argon()?.verify_password(password.as_bytes(), &parsed).is_ok();
    if !fits || known.is_none() {
        return Ok(Verdict::Wrong);
    }
    let (memory, passes, lanes) = COST;
    let params = Params::try_from(&parsed).map_err(failed)?;
    let same = (params.m_cost(), params.t_cost(), params.p_cost()) == (memory, passes, lanes);
    Ok(if same { Verdict::Ok } else { Verdict::OkRehash })
}

impl Hasher {
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let _slot = self.slots.acquire().await.map_err(failed)?;
        tokio::task::spawn_blocking(work).await.map_err(failed)?
    }

    /// The PHC text of a new hash.
    ///
    /// # Errors
    /// When there is no memory or no randomness for it.
    pub async fn hash(&self, password: &str) -> Result<String, HashError> {
        let password = password.to_owned();
        self.run(move || hash(&password)).await
    }

    /// Compares a password with a stored hash; `None` takes as long and is always wrong.
    ///
    /// # Errors
    /// When there is no memory for it, or the stored text is no hash.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verdict, HashError> {
        let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
        self.run(move || verify(&password, stored.as_deref())).await
    }
}

/// [`Hasher::hash`] for threads without a runtime (the first start).
///
/// # Errors
/// As there.
pub fn hash_blocking(password: &str) -> Result<String, HashError> {
    hash(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let stored = hash("four green kettles").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verify("four green kettles", Some(&stored)).unwrap(), Verdict::Ok);
        assert_eq!(verify("four green kettle", Some(&stored)).unwrap(), Verdict::Wrong);
        assert_eq!(verify("nobody has this password", None).unwrap(), Verdict::Wrong);
        assert_eq!(verify("nobody has this password", Some("")).unwrap(), Verdict::Wrong);
        assert!(verify("x", Some("no hash")).is_err());
    }

    #[test]
    fn an_older_hash_fits_and_asks_for_a_new_one() {
        let weak = Params::new(8_192, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak);
        let stored = weak.hash_password(b"four green kettles").unwrap().to_string();
        assert_eq!(verify("four green kettles", Some(&stored)).unwrap(), Verdict::OkRehash);
    }
}
