//! Secrets that we hand out (sessions, tokens, links): made here, and stored as hashes only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// A new secret: `prefix` and 43 URL-safe characters (32 random bytes).
pub fn generate(prefix: &str, random: &mut impl rand::CryptoRng) -> SecretString {
    let mut bytes = [0; 32];
    random.fill_bytes(&mut bytes);
    SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is stored of a secret.
pub(crate) fn hash(secret: &SecretString) -> Vec<u8> {
    Sha256::digest(secret.expose_secret().as_bytes()).to_vec()
}
