//! Slack's signature of what it sends: `v0`, an HMAC-SHA256 over `v0:timestamp:body` with the app's signing secret.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// The header that carries the seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-slack-signature";

/// How far the time of a request may lie from ours, either way. An older one may be a replay.
pub const WINDOW: TimeDelta = TimeDelta::seconds(300);

/// Why a request is not taken for Slack's. For the log only: whoever sent it is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The time is not written as Slack writes it.
    #[error("the request's time is not a number of seconds")]
    Timestamp,
    /// The time is outside the window.
    #[error("the request's time is too far from ours")]
    Stale,
    /// The signature is not ours.
    #[error("the request's signature is wrong")]
    Signature,
}

/// Checks the raw bytes of a request's body, before anyone parses them. `now` is our time.
pub fn verify(
    signing_secret: &SecretString,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if timestamp.is_empty() || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Timestamp);
    }
    let seconds = timestamp.parse().map_err(|_| Refusal::Timestamp)?;
    let sent_at = DateTime::from_timestamp(seconds, 0).ok_or(Refusal::Timestamp)?;
    if now.signed_duration_since(sent_at).abs() > WINDOW {
        return Err(Refusal::Stale);
    }
    // The text is compared, not what it decodes to: a request has one valid signature, not one per case of its letters.
    let expected = sign(signing_secret, timestamp, body);
    if bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
        return Ok(());
    }
    Err(Refusal::Signature)
}

/// The signature of a body at a time in seconds since 1970.
pub fn sign(signing_secret: &SecretString, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(signing_secret.expose_secret().as_bytes())
        .expect("an HMAC takes a key of any length");
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMESTAMP: &str = "1531420618";
    /// The example in Slack's documentation of request signing.
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn secret() -> SecretString {
        SecretString::from("8f742231b10e8888abcd99yyyzzz85a5")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("an instant")
    }

    #[test]
    fn slacks_own_example_is_signed_and_accepted() {
        assert_eq!(sign(&secret(), TIMESTAMP, BODY), SIGNATURE);
        assert_eq!(verify(&secret(), TIMESTAMP, SIGNATURE, BODY, at(1_531_420_618)), Ok(()));
    }

    /// Without the window every one of these but the first two would be accepted for ever.
    #[test]
    fn the_window_is_five_minutes_either_way() {
        let check = |now| verify(&secret(), TIMESTAMP, SIGNATURE, BODY, at(now));
        assert_eq!(check(1_531_420_618 + 300), Ok(()));
        assert_eq!(check(1_531_420_618 - 300), Ok(()));
        assert_eq!(check(1_531_420_618 + 301), Err(Refusal::Stale));
        assert_eq!(check(1_531_420_618 - 301), Err(Refusal::Stale));
    }

    #[test]
    fn a_changed_part_is_refused() {
        let now = at(1_531_420_618);
        let mut body = BODY.to_vec();
        body.push(b'\n');
        assert_eq!(verify(&secret(), TIMESTAMP, SIGNATURE, &body, now), Err(Refusal::Signature));
        assert_eq!(verify(&secret(), "1531420619", SIGNATURE, BODY, now), Err(Refusal::Signature));
        assert_eq!(verify(&secret(), TIMESTAMP, &SIGNATURE[3..], BODY, now), Err(Refusal::Signature));
        let upper = SIGNATURE.replace("v0=a2", "v0=A2");
        assert_eq!(verify(&secret(), TIMESTAMP, &upper, BODY, now), Err(Refusal::Signature));
        assert_eq!(verify(&secret(), TIMESTAMP, "", BODY, now), Err(Refusal::Signature));
        for timestamp in ["", "+1531420618", " 1531420618", "1531420618.0", "99999999999999999999"] {
            assert_eq!(
                verify(&secret(), timestamp, SIGNATURE, BODY, now),
                Err(Refusal::Timestamp),
                "{timestamp:?}"
            );
        }
        let other = SecretString::from("another");
        assert_eq!(verify(&other, TIMESTAMP, SIGNATURE, BODY, now), Err(Refusal::Signature));
    }
}
