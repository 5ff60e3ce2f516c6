//! The next token of an installation whose tokens end after twelve hours.
//!
//! By Slack's word a refresh token is for one use, and is revoked "after a short grace period" once it was used; the token that
//! was good before stays good until its own end, unless two newer ones were given out. So an answer that was lost is asked for
//! again at once: later, nobody is told the new pair any more.

use std::time::Duration;

use secrecy::SecretString;

use crate::{App, Class, Client, Error, Grant};

/// How long each of the two calls may take at most. Slack's own answers come within a second or three.
const RENEWAL_CALL_TIMEOUT: Duration = Duration::from_secs(6);

/// Exchanges a refresh token for the next pair, and once more where nobody knows whether that was done.
pub async fn renew(client: &Client, app: &App, refresh_token: &SecretString) -> Result<Grant, Error> {
    let call_timeout = client.call_timeout.min(RENEWAL_CALL_TIMEOUT);
    let client = client.clone().with_call_timeout(call_timeout);
    let renewed = client.oauth_v2_refresh(app, refresh_token).await;
    match renewed {
        Err(error) if error.class() == Class::Unknown => client.oauth_v2_refresh(app, refresh_token).await,
        known => known,
    }
}
