//! Secrets that we must give back (passwords of data sources): sealed with AES-256-GCM.
//!
//! A sealed secret is a 12 byte nonce, the ciphertext and its tag, bound to the workspace and row that it belongs to: copied
//! to another row it does not open. The key's id is stored beside it, so that keys can be replaced one after another.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::WorkspaceId;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

/// Seals and opens secrets. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    /// The first one seals; all of them open.
    keys: Arc<Vec<(String, LessSafeKey)>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("keys", &self.keys.iter().map(|(id, _)| id).collect::<Vec<_>>())
            .finish()
    }
}

/// A secret as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which key sealed it.
    pub key_id: String,
    /// Nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of the key file is not `id:base64 of 32 bytes`.
    #[error("line {line} of the key file is not `id:key` with a key of 32 bytes in base64")]
    MalformedKey {
        /// Which line, from 1.
        line: usize,
    },
    /// There is no key to seal with.
    #[error("the key file holds no key")]
    NoKey,
    /// The key that sealed it is not among ours.
    #[error("it was sealed with the key `{key_id}`, which is not in the key file")]
    UnknownKey {
        /// The missing key.
        key_id: String,
    },
    /// It was changed, moved to another row, or sealed with another key of the same id.
    #[error("it does not open with the key `{key_id}`")]
    Forged {
        /// The key that was tried.
        key_id: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system has no random bytes")]
    NoRandomness,
}

impl Vault {
    /// Reads a key file: one `id:base64` a line, the sealing key first; blank lines and lines from `#` are skipped.
    pub fn parse(key_file: &SecretString) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for (index, line) in key_file.expose_secret().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let malformed = || Error::MalformedKey { line: index + 1 };
            let (id, encoded) = line.split_once(':').ok_or_else(malformed)?;
            let bytes = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| malformed())?;
            keys.push((id.trim().to_owned(), LessSafeKey::new(key)));
        }
        if keys.is_empty() {
            return Err(Error::NoKey);
        }
        Ok(Self { keys: Arc::new(keys) })
    }

    /// The text of a new key file with one key.
    pub fn generate_key_file() -> Result<SecretString, Error> {
        let random = SystemRandom::new();
        let (mut key, mut id) = ([0; 32], [0; 4]);
        random.fill(&mut key).map_err(|_| Error::NoRandomness)?;
        random.fill(&mut id).map_err(|_| Error::NoRandomness)?;
        let text = format!(
            "# Seals the passwords of data sources. Without it they cannot be read: keep a copy.\n{}:{}\n",
            hex::encode(id),
            STANDARD.encode(key)
        );
        Ok(SecretString::from(text))
    }

    /// Seals a secret for one row.
    pub fn seal(&self, workspace_id: WorkspaceId, row: Uuid, secret: &SecretString) -> Result<Sealed, Error> {
        let (key_id, key) = self.keys.first().ok_or(Error::NoKey)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Error::NoRandomness)?;
        let mut sealed = secret.expose_secret().as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound_to(workspace_id, row)),
            &mut sealed,
        )
        .map_err(|_| Error::Forged { key_id: key_id.clone() })?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Ok(Sealed { key_id: key_id.clone(), bytes })
    }

    /// Opens a secret of one row.
    pub fn open(&self, workspace_id: WorkspaceId, row: Uuid, sealed: &Sealed) -> Result<SecretString, Error> {
        let key_id = &sealed.key_id;
        let (_, key) = self
            .keys
            .iter()
            .find(|(id, _)| id == key_id)
            .ok_or_else(|| Error::UnknownKey { key_id: key_id.clone() })?;
        let forged = || Error::Forged { key_id: key_id.clone() };
        let (nonce, ciphertext) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or_else(forged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| forged())?;
        let mut ciphertext = ciphertext.to_vec();
        let opened = key
            .open_in_place(nonce, Aad::from(bound_to(workspace_id, row)), &mut ciphertext)
            .map_err(|_| forged())?;
        String::from_utf8(opened.to_vec()).map(SecretString::from).map_err(|_| forged())
    }
}

fn bound_to(workspace_id: WorkspaceId, row: Uuid) -> [u8; 32] {
    let mut bound = [0; 32];
    bound[..16].copy_from_slice(workspace_id.as_uuid().as_bytes());
    bound[16..].copy_from_slice(row.as_bytes());
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::parse(&Vault::generate_key_file().expect("randomness")).expect("a key file")
    }

    fn ids() -> (WorkspaceId, Uuid) {
        (WorkspaceId::from(Uuid::from_u128(1)), Uuid::from_u128(2))
    }

    #[test]
    fn a_secret_opens_in_its_own_row_only() {
        let (vault, (workspace, row)) = (vault(), ids());
        let sealed = vault.seal(workspace, row, &SecretString::from("hunter2")).expect("sealed");
        assert!(!sealed.bytes.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(vault.open(workspace, row, &sealed).expect("opened").expose_secret(), "hunter2");
        let elsewhere = vault.open(workspace, Uuid::from_u128(3), &sealed);
        assert!(matches!(elsewhere, Err(Error::Forged { .. })));
        let changed = Sealed { bytes: sealed.bytes.iter().map(|byte| byte ^ 1).collect(), ..sealed };
        assert!(matches!(vault.open(workspace, row, &changed), Err(Error::Forged { .. })));
    }

    #[test]
    fn an_older_key_still_opens_after_a_newer_one_is_put_first() {
        let (workspace, row) = ids();
        let old = Vault::generate_key_file().expect("randomness");
        let new = Vault::generate_key_file().expect("randomness");
        let sealed = Vault::parse(&old)
            .and_then(|vault| vault.seal(workspace, row, &SecretString::from("pw")))
            .expect("sealed");
        let both = SecretString::from(format!("{}{}", new.expose_secret(), old.expose_secret()));
        let both = Vault::parse(&both).expect("two keys");
        assert_eq!(both.open(workspace, row, &sealed).expect("opened").expose_secret(), "pw");
        let only_new = Vault::parse(&new).expect("one key");
        assert!(matches!(only_new.open(workspace, row, &sealed), Err(Error::UnknownKey { .. })));
    }

    #[test]
    fn a_key_file_that_is_none_is_refused_with_its_line() {
        let malformed = Vault::parse(&SecretString::from("# note\nabc:not base64\n"));
        assert!(matches!(malformed, Err(Error::MalformedKey { line: 2 })));
        assert!(matches!(Vault::parse(&SecretString::from("\n# empty\n")), Err(Error::NoKey)));
    }
}
