//! The right to act in a workspace's Slack team, renewed where it runs out or is refused.

use chrono::{DateTime, TimeDelta, Utc};
use domain::slack::SlackEnd;
use secrecy::{ExposeSecret as _, SecretString};
use slack::{App, Client};
use store::{
    SLACK_ACCESS_METHOD, Scope, SlackNotRenewed, SlackToken, SlackTokenError, SlackTokenPair, Store,
};

use super::{Slack, outcome::Stop};

/// When a delivery is looked at again whose workspace was connected anew meanwhile, or whose token took too long.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(30);

/// The workspace's token, renewed if it is about to run out.
pub(super) async fn token(store: &Store, slack: &Slack, scope: &Scope) -> Result<SlackToken, Stop> {
    fresh(store, slack, scope, None).await
}

/// Another token in place of `refused`, which Slack no longer takes. Where there is none to be had, Slack is at its end for the
/// workspace: its admins are told, and nothing more is tried.
pub(super) async fn renewed(
    store: &Store,
    slack: &Slack,
    scope: &Scope,
    refused: &SlackToken,
) -> Result<SlackToken, Stop> {
    let token = fresh(store, slack, scope, Some(&refused.bot_token)).await?;
    if token.bot_token.expose_secret() == refused.bot_token.expose_secret() {
        return Err(end(store, scope, refused.read_at).await);
    }
    Ok(token)
}

/// Asks Slack for the pair that comes after a refresh token. The operator is told where it is our app that Slack does not know.
pub(crate) async fn next_pair(
    client: &Client,
    app: &App,
    refresh_token: SecretString,
) -> Result<SlackTokenPair, SlackNotRenewed<slack::Error>> {
    let grant = slack::renew(client, app, &refresh_token).await.map_err(|error| {
        if error.is_about_our_app() {
            metrics::counter!("tidings_slack_refusals_total", "what" => "app").increment(1);
            tracing::error!(%error, "Slack refuses our app's id or secret: no token can be renewed");
        }
        SlackNotRenewed { hold: error.hold().map(|(_, wait)| wait), error }
    })?;
    Ok(SlackTokenPair {
        bot_token: grant.access_token,
        refresh_token: grant.refresh_token,
        expires_in: grant.expires_in.and_then(|life| TimeDelta::from_std(life).ok()),
    })
}

/// What Slack said to whoever wanted to renew a token before: that nobody is to try for another `wait`.
pub(crate) fn still_limited(wait: TimeDelta) -> slack::Error {
    slack::Error::RateLimited { method: SLACK_ACCESS_METHOD, retry_after: wait.to_std().ok() }
}

async fn fresh(
    store: &Store,
    slack: &Slack,
    scope: &Scope,
    refused: Option<&SecretString>,
) -> Result<SlackToken, Stop> {
    let renew = |refresh_token| next_pair(&slack.client, &slack.app, refresh_token);
    match store.slack_token_fresh(scope, refused, renew).await {
        Ok(Some(token)) => Ok(token),
        Ok(None) => Err(Stop::Disconnected),
        Err(SlackTokenError::Store(error)) => Err(error.into()),
        Err(SlackTokenError::Held(wait)) => Err(Stop::NotRenewed(still_limited(wait))),
        Err(SlackTokenError::Slow) => Err(Stop::Later(LOOK_AGAIN)),
        Err(SlackTokenError::Renewal { error, read_at }) if error.ends_access() => {
            tracing::warn!(%error, "Slack does not renew our token");
            Err(end(store, scope, read_at).await)
        }
        Err(SlackTokenError::Renewal { error, .. }) => Err(Stop::NotRenewed(error)),
    }
}

/// Ends the connection whose token was read at `read_at`, and says what that means for a delivery: one that was made later has
/// a token of its own.
async fn end(store: &Store, scope: &Scope, read_at: DateTime<Utc>) -> Stop {
    let ended = store.slack_installation_end(scope, SlackEnd::TokenRefused, Some(read_at)).await;
    let is_connected = match ended {
        Ok(true) => false,
        Ok(false) => match store.slack_token(scope).await {
            Ok(token) => token.is_some(),
            Err(error) => return error.into(),
        },
        Err(error) => return error.into(),
    };
    if is_connected {
        return Stop::Later(LOOK_AGAIN);
    }
    tracing::warn!(workspace_id = %scope.workspace_id(), "Slack refuses our token: the workspace is disconnected from it");
    Stop::Disconnected
}

#[cfg(test)]
mod tests {
    use store::NewSlackInstallation;
    use testkit::World;

    use super::*;

    /// Fails where the end is not bound to when the token was read: the new connection is ended with the old one's word.
    #[tokio::test]
    async fn a_connection_made_since_the_token_was_read_is_left_alone() {
        let world = World::new().await;
        let store = world.store();
        let connect = async |token: &str| {
            let installation = NewSlackInstallation {
                team_id: "T1".into(),
                team_name: "Northwind".into(),
                enterprise_id: None,
                app_id: "A1".into(),
                bot_user_id: "UBOT".into(),
                scopes: vec!["chat:write".into()],
                tokens: SlackTokenPair {
                    bot_token: SecretString::from(token),
                    refresh_token: None,
                    expires_in: None,
                },
                installed_by: world.user,
            };
            store.slack_installation_put(&world.scope, &installation).await.expect("an installation");
        };
        connect("xoxb-1").await;
        let refused = store.slack_token(&world.scope).await.expect("a read").expect("a token");
        world.step(TimeDelta::seconds(1));
        connect("xoxb-2").await;
        let stop = end(store, &world.scope, refused.read_at).await;
        assert!(matches!(stop, Stop::Later(_)), "{stop:?}");
        let current = store.slack_token(&world.scope).await.expect("a read").expect("it lives");
        assert_eq!(current.bot_token.expose_secret(), "xoxb-2");
        let stop = end(store, &world.scope, current.read_at).await;
        assert!(matches!(stop, Stop::Disconnected), "{stop:?}");
        assert!(store.slack_token(&world.scope).await.expect("a read").is_none());
    }
}
