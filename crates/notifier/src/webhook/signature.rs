//! Signatures as Standard Webhooks says: HMAC-SHA256 over id, time and body, one for each secret in use.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

/// A stored secret that is none.
#[derive(Debug, thiserror::Error)]
#[error("the secret is not `whsec_` and base64")]
pub struct MalformedSecret;

/// The header `webhook-signature` of a message: the newest secret's signature first.
pub fn sign(
    secrets: &[SecretString],
    id: &str,
    timestamp: DateTime<Utc>,
    body: &str,
) -> Result<String, MalformedSecret> {
    let signed = format!("{id}.{}.{body}", timestamp.timestamp());
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let encoded = secret.expose_secret().strip_prefix("whsec_").ok_or(MalformedSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), signed.as_bytes());
        signatures.push(format!("v1,{}", STANDARD.encode(tag)));
    }
    Ok(signatures.join(" "))
}
