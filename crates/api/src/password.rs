//! Passwords: argon2id, off the async threads, in the same time whether or not there is such a user.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rand::{CryptoRng, RngExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// Passwords checked at once: each takes 19 MiB and a core for some 30 ms.
const CHECKED_AT_ONCE: usize = 4;

/// A hash of nobody's password, with the parameters that [`hash`] uses.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiBub2JvZHk$JfIjQ+tFZTyRFbY0W7iD4IJZJYVQ9bK7zbwL4m0gYQE";

/// The hash of a new password, in PHC form. Takes some 30 ms of a core.
pub fn hash(password: &SecretString, random: &mut impl CryptoRng) -> anyhow::Result<SecretString> {
    let salt: [u8; 16] = random.random();
    let hash = Argon2::default()
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map_err(|error| anyhow::anyhow!("the password could not be hashed: {error}"))?;
    Ok(SecretString::from(hash.to_string()))
}

/// Checks passwords, a few at a time.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(CHECKED_AT_ONCE)) }
    }

    /// Whether `password` is the one behind `hash`. Without a hash the answer is no, and takes as long.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<SecretString>,
    ) -> anyhow::Result<bool> {
        let _permit = self.permits.acquire().await?;
        let is_right = tokio::task::spawn_blocking(move || {
            let is_known = hash.is_some();
            let hash = hash.as_ref().map_or(NOBODYS_HASH, |hash| hash.expose_secret());
            let hash = PasswordHash::new(hash)
                .map_err(|error| anyhow::anyhow!("a stored hash is unreadable: {error}"))?;
            let is_right =
                Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok();
            anyhow::Ok(is_right && is_known)
        });
        is_right.await?
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let right = SecretString::from("correct horse".to_owned());
        let stored = hash(&right, &mut StdRng::seed_from_u64(1)).expect("a hash");
        assert!(stored.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let passwords = Passwords::new();
        assert!(passwords.verify(right.clone(), Some(stored.clone())).await.expect("a verdict"));
        assert!(!passwords.verify("wrong".to_owned().into(), Some(stored)).await.expect("a verdict"));
        assert!(!passwords.verify(right, None).await.expect("a verdict"));
    }

    #[test]
    fn nobodys_hash_costs_what_a_users_does() {
        let stored = hash(&"x".to_owned().into(), &mut StdRng::seed_from_u64(1)).expect("a hash");
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(NOBODYS_HASH), cost(stored.expose_secret()));
        PasswordHash::new(NOBODYS_HASH).expect("a readable hash");
    }
}
