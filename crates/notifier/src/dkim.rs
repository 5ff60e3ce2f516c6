//! DKIM (RFC 6376, RFC 8463): a signature by the sender's domain over what a mail says and who sent it, so that receivers know
//! that it was not made or changed by others. `relaxed/relaxed`, with RSA or Ed25519, by `ring`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use secrecy::{ExposeSecret as _, SecretString};

/// What is signed of the head, where it is there. RFC 8058 wants both fields of the unsubscribe link among it.
const SIGNED: [&str; 13] = [
    "From",
    "Reply-To",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
];
/// Of these none can be added without breaking the signature: they are signed once more than they are there.
const ONCE_ONLY: [&str; 6] = ["From", "Reply-To", "To", "Subject", "Date", "Message-ID"];

/// Why a key is none. Never holds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM block with a private key in it.
    #[error(
        "it is no private key in PEM (`-----BEGIN PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`)"
    )]
    Pem,
    /// Another kind of key, or an RSA key of less than 2,048 bits.
    #[error("it is neither an RSA key of 2048 bits or more nor an Ed25519 key")]
    Kind,
    /// The domain or the selector holds other characters than letters, digits, dots, dashes and underscores.
    #[error("domain and selector are names such as `example.com` and `tidings`")]
    Name,
}

/// A domain's key, and under which name its public half is in the DNS: `SELECTOR._domainkey.DOMAIN`.
pub struct DkimKey {
    domain: String,
    selector: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimKey")
            .field("domain", &self.domain)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

impl DkimKey {
    /// Reads a private key in PEM, PKCS #8 or PKCS #1.
    pub fn parse(domain: &str, selector: &str, pem: &SecretString) -> Result<Self, KeyError> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        if !is_name(domain) || !is_name(selector) {
            return Err(KeyError::Name);
        }
        let pair = match pem_block(pem.expose_secret()) {
            Some(("PRIVATE KEY", der)) => match RsaKeyPair::from_pkcs8(&der) {
                Ok(pair) => Pair::Rsa(pair),
                Err(_) => Pair::Ed25519(
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::Kind)?,
                ),
            },
            Some(("RSA PRIVATE KEY", der)) => {
                Pair::Rsa(RsaKeyPair::from_der(&der).map_err(|_| KeyError::Kind)?)
            }
            _ => return Err(KeyError::Pem),
        };
        Ok(Self { domain: domain.to_owned(), selector: selector.to_owned(), pair })
    }

    /// The header field that signs `mail` (lines ending in CRLF) as of `signed_at`, to be put before it. The same mail has the
    /// same signature.
    pub(crate) fn header(&self, mail: &[u8], signed_at: DateTime<Utc>) -> String {
        let (head, body) = halves(mail);
        let fields = fields(head);
        let mut names = Vec::new();
        let mut signed = String::new();
        for name in SIGNED {
            let Some(field) = fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)) else {
                if ONCE_ONLY.contains(&name) {
                    names.push(name);
                }
                continue;
            };
            signed.push_str(&relaxed_field(&field.0, &field.1));
            signed.push_str("\r\n");
            names.push(name);
            if ONCE_ONLY.contains(&name) {
                names.push(name);
            }
        }
        let algorithm = match &self.pair {
            Pair::Rsa(_) => "rsa-sha256",
            Pair::Ed25519(_) => "ed25519-sha256",
        };
        let unsigned = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={}; s={};\r\n t={}; h={};\r\n bh={};\r\n b=",
            self.domain,
            self.selector,
            signed_at.timestamp(),
            names.join(":\r\n "),
            STANDARD.encode(digest(&SHA256, &relaxed_body(body))),
        );
        signed.push_str(&relaxed_field("DKIM-Signature", &unsigned));
        let signature = STANDARD.encode(self.sign(signed.as_bytes()));
        let lines: Vec<&str> =
            signature.as_bytes().chunks(72).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("DKIM-Signature: {unsigned}{}\r\n", lines.join("\r\n "))
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                // Randomness only hides the key from whoever times this: the signature is the same each time.
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .expect("the buffer is as long as the key");
                signature
            }
            // RFC 8463 signs the digest, not the text.
            Pair::Ed25519(pair) => pair.sign(digest(&SHA256, text).as_ref()).as_ref().to_vec(),
        }
    }
}

/// The label and the bytes of the first PEM block.
fn pem_block(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// Head, its last line's CRLF included, and body.
fn halves(mail: &[u8]) -> (&[u8], &[u8]) {
    match mail.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => (&mail[..at + 2], &mail[at + 4..]),
        None => (mail, &[]),
    }
}

/// The fields of a head: name, and value as it is written, folds and all.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let head = String::from_utf8_lossy(head);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split_terminator("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

/// `name:value` with the name in lower case, unfolded, and single spaces (RFC 6376, 3.4.2).
fn relaxed_field(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}", name.trim_end().to_ascii_lowercase(), words.join(" "))
}

/// The body with single spaces, none at the ends of lines, and no empty lines at its end (RFC 6376, 3.4.4).
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    let mut is_after_space = false;
    for &byte in body {
        match byte {
            b' ' | b'\t' => is_after_space = true,
            b'\r' | b'\n' => {
                is_after_space = false;
                relaxed.push(byte);
            }
            _ => {
                if is_after_space {
                    relaxed.push(b' ');
                }
                is_after_space = false;
                relaxed.push(byte);
            }
        }
    }
    while relaxed.ends_with(b"\r\n") {
        relaxed.truncate(relaxed.len() - 2);
    }
    if !relaxed.is_empty() {
        relaxed.extend_from_slice(b"\r\n");
    }
    relaxed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_relaxed_as_it_says() {
        assert_eq!(relaxed_field("A", " X"), "a:X");
        assert_eq!(relaxed_field("B ", " Y\t\r\n\tZ  "), "b:Y Z");
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b"\r\n\r\n"), b"");
        assert_eq!(relaxed_body(b"no end"), b"no end\r\n");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let parse = |domain: &str, text: &str| {
            DkimKey::parse(domain, "s", &SecretString::from(text.to_owned())).expect_err("no key")
        };
        assert_eq!(parse("example.com", "canary"), KeyError::Pem);
        assert_eq!(
            parse("example.com", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----"),
            KeyError::Kind
        );
        assert_eq!(parse("example.com; d=evil.example", "canary"), KeyError::Name);
    }
}
