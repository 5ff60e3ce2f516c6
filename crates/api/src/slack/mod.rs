//! Slack's side of the API: what Slack itself calls ([`inbound`]), the way back from its consent page ([`callback`]), the
//! channels that tasks name ([`channels`]), and what they and [`crate::routes::slack`] need.

pub(crate) mod callback;
pub(crate) mod channels;
pub(crate) mod inbound;

use chrono::TimeDelta;
use secrecy::SecretString;
use slack::{App, Client, Grant};
use store::{
    SLACK_ACCESS_METHOD, Scope, SlackNotRenewed, SlackRate, SlackToken, SlackTokenError, SlackTokenPair,
};

use crate::{ApiState, Error, Result, error::StoreResult};

/// What the app may do in a team, asked for at its installation. The manifest in docs/operating.md names the same.
pub(crate) const SCOPES: &[&str] = &[
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "users:read",
    "users:read.email",
];

/// The operator's Slack app, and where Slack is.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// Slack's Web API.
    pub client: Client,
    /// Our app there.
    pub app: App,
    /// What Slack signs its requests with.
    pub signing_secret: SecretString,
}

/// The app of this server.
pub(crate) fn options(state: &ApiState) -> Result<&SlackOptions> {
    state.options.slack.as_ref().ok_or_else(|| Error::Conflict {
        reason: "slack_not_set_up",
        message: "whoever runs this server has not set up a Slack app".to_owned(),
    })
}

/// Where Slack sends people back to.
pub(crate) fn redirect_uri(state: &ApiState) -> String {
    format!("{}/slack/oauth/callback", state.options.public_url)
}

/// A token of the workspace that is good for use.
pub(crate) async fn token(state: &ApiState, scope: &Scope) -> Result<SlackToken> {
    let SlackOptions { client, app, .. } = options(state)?;
    let renew = async |refresh: SecretString| match ::slack::renew(client, app, &refresh).await {
        Ok(grant) => Ok(pair(grant)),
        Err(error) => Err(SlackNotRenewed { hold: error.hold().map(|(_, wait)| wait), error }),
    };
    match state.store.slack_token_fresh(scope, None, renew).await {
        Ok(Some(token)) => Ok(token),
        Ok(None) => Err(not_connected()),
        Err(SlackTokenError::Store(error)) => Err(error).or_refused("connection with Slack"),
        Err(SlackTokenError::Renewal { error, .. }) => Err(refused(&error)),
        Err(SlackTokenError::Held(_)) => Err(busy()),
        Err(SlackTokenError::Slow) => Err(Error::Unavailable("Slack takes long to answer; try again".into())),
    }
}

/// What is called, and how often a workspace may: all that speak to Slack for it keep to that together.
pub(crate) type Method = (&'static str, SlackRate);

/// Slack's third tier.
pub(crate) const CONVERSATION_INFO: Method = ("conversations.info", SlackRate::per_minute(50));
/// How installations are had, and renewed. Slack publishes no figure; ours are few.
pub(crate) const ACCESS: Method = (SLACK_ACCESS_METHOD, SlackRate::per_minute(300));
/// How a sign-in is finished. Slack publishes no figure; ours are few.
pub(crate) const SIGN_IN: Method = ("openid.connect.token", SlackRate::per_minute(300));
/// Who signed in: Slack's fourth tier.
pub(crate) const SIGNED_IN_USER: Method = ("openid.connect.userInfo", SlackRate::per_minute(100));
/// Slack's third tier.
pub(crate) const USER_BY_EMAIL: Method = ("users.lookupByEmail", SlackRate::per_minute(50));
/// How long somebody at the page waits for the turn of a call.
pub(crate) const CALL_PATIENCE: TimeDelta = TimeDelta::seconds(3);

/// Makes a call when it is its turn, if that is soon. A method that Slack limits is called by nobody for a while.
pub(crate) async fn call<T>(
    state: &ApiState,
    scope: &Scope,
    method: Method,
    call: impl Future<Output = std::result::Result<T, slack::Error>>,
) -> Result<std::result::Result<T, slack::Error>> {
    turn(state, scope, method, CALL_PATIENCE).await?;
    let called = call.await;
    if let Err(error) = &called {
        hold_if_limited(state, scope, error).await?;
    }
    Ok(called)
}

/// Waits until it is the turn of a call, if that is within `patience`.
pub(crate) async fn turn(
    state: &ApiState,
    scope: &Scope,
    (method, rate): Method,
    patience: TimeDelta,
) -> Result<()> {
    let store = &state.store;
    match store.slack_call_take(scope, method, rate, patience).await.or_refused("call of Slack")? {
        Ok(wait) => {
            store.wait(wait).await;
            Ok(())
        }
        Err(_) => Err(busy()),
    }
}

/// Has nobody call the method of which Slack wants fewer calls, where that is what `error` says.
pub(crate) async fn hold_if_limited(state: &ApiState, scope: &Scope, error: &::slack::Error) -> Result<()> {
    let Some((method, wait)) = error.hold() else { return Ok(()) };
    state.store.slack_method_hold(scope, method, wait).await.or_refused("call of Slack")
}

fn busy() -> Error {
    Error::Unavailable("Slack is busy; try again".into())
}

/// A grant's tokens, as they are stored.
pub(crate) fn pair(grant: Grant) -> SlackTokenPair {
    SlackTokenPair {
        bot_token: grant.access_token,
        refresh_token: grant.refresh_token,
        expires_in: grant.expires_in.and_then(|life| TimeDelta::from_std(life).ok()),
    }
}

pub(crate) fn not_connected() -> Error {
    Error::Conflict {
        reason: "slack_not_connected",
        message: "Slack is not connected to this workspace".to_owned(),
    }
}

/// What a caller is told of a call that Slack did not do. Slack's word goes to the log.
pub(crate) fn refused(error: &slack::Error) -> Error {
    tracing::warn!(%error, "Slack did not do what it was asked");
    match error.class() {
        slack::Class::Installation => Error::Conflict {
            reason: "slack_refused",
            message: "Slack no longer lets Tidings in, or not for this: connect it again".to_owned(),
        },
        slack::Class::Retry { .. } | slack::Class::Unknown => {
            Error::Unavailable("Slack is busy or cannot be reached; try again".into())
        }
        slack::Class::Destination | slack::Class::Ours => {
            Error::Conflict { reason: "slack_refused", message: "Slack did not accept this".to_owned() }
        }
    }
}
