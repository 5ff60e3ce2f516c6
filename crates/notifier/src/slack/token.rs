//! The right to act in a workspace's Slack team, renewed where it runs out or is refused.

use chrono::TimeDelta;
use domain::slack::SlackEnd;
use secrecy::{ExposeSecret as _, SecretString};
use slack::Grant;
use store::{Scope, SlackToken, SlackTokenError, SlackTokenPair, Store};

use super::{Slack, outcome::Stop};

/// The workspace's token, renewed if it is about to run out.
pub(super) async fn token(store: &Store, slack: &Slack, scope: &Scope) -> Result<SlackToken, Stop> {
    fresh(store, slack, scope, None).await?.ok_or(Stop::Disconnected)
}

/// Another token in place of `refused`, which Slack no longer takes. Where there is none to be had, Slack is at its end for the
/// workspace: its admins are told, and nothing more is tried.
pub(super) async fn renewed(
    store: &Store,
    slack: &Slack,
    scope: &Scope,
    refused: &SlackToken,
) -> Result<SlackToken, Stop> {
    let seen = &refused.bot_token;
    match fresh(store, slack, scope, Some(seen)).await? {
        Some(token) if token.bot_token.expose_secret() != seen.expose_secret() => Ok(token),
        Some(_) => end(store, scope).await,
        None => Err(Stop::Disconnected),
    }
}

async fn fresh(
    store: &Store,
    slack: &Slack,
    scope: &Scope,
    refused: Option<&SecretString>,
) -> Result<Option<SlackToken>, Stop> {
    let renew = |refresh_token: SecretString| async move {
        slack.client.oauth_v2_refresh(&slack.app, &refresh_token).await.map(pair)
    };
    match store.slack_token_fresh(scope, refused, renew).await {
        Ok(token) => Ok(token),
        Err(SlackTokenError::Store(error)) => Err(error.into()),
        Err(SlackTokenError::Slow) => Err(Stop::Later(TimeDelta::seconds(30))),
        Err(SlackTokenError::Renewal(error)) => match error.class() {
            slack::Class::Installation => end(store, scope).await,
            _ => Err(Stop::Slack(error)),
        },
    }
}

async fn end<T>(store: &Store, scope: &Scope) -> Result<T, Stop> {
    store.slack_installation_end(scope, SlackEnd::TokenRefused, None).await?;
    tracing::warn!(workspace_id = %scope.workspace_id(), "Slack refuses our token: the workspace is disconnected from it");
    Err(Stop::Disconnected)
}

fn pair(grant: Grant) -> SlackTokenPair {
    SlackTokenPair {
        bot_token: grant.access_token,
        refresh_token: grant.refresh_token,
        expires_in: grant.expires_in.and_then(|life| TimeDelta::from_std(life).ok()),
    }
}
