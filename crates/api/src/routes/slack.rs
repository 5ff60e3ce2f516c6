//! Connecting Slack, its channels, and one's own account there.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    UserId,
    slack::{SlackEnd, SlackLinkedBy, SlackOauthPurpose},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use store::{SlackInstallation, Via};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::Query,
    slack::{self, SCOPES, SlackOptions},
};

/// Channels in one answer.
const CHANNELS_MAX: u32 = 50;
/// How old what is known of a channel may be for a look-up by its id.
pub(crate) const CHANNEL_FRESH_FOR: TimeDelta = TimeDelta::minutes(5);

/// How the workspace stands with Slack.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlackStatus {
    /// Whether this server has an app to connect with.
    available: bool,
    connected: bool,
    /// The connected team, or the last one; null where there never was one.
    #[schema(required)]
    team: Option<SlackTeam>,
}

/// A Slack team.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlackTeam {
    /// `T...`.
    id: String,
    name: String,
    /// Who connected it.
    connected_by: UserId,
    connected_at: DateTime<Utc>,
    /// When it ended; null while it lives.
    #[schema(required)]
    ended_at: Option<DateTime<Utc>>,
    /// Why it ended: `uninstalled`, `tokens_revoked`, `disconnected`, `token_refused`, `replaced`; null while it lives.
    #[schema(required)]
    end_reason: Option<SlackEnd>,
    /// What the app was not granted and needs; connecting again asks for it.
    missing_scopes: Vec<String>,
    /// Channels that are known.
    channels: u32,
    /// Those that the app is in, where it can post.
    channels_joined: u32,
    /// When all channels were last listed; null before the first time.
    #[schema(required)]
    channels_listed_at: Option<DateTime<Utc>>,
}

/// Where to send the browser.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlackConsent {
    /// Slack's consent page. Good for ten minutes, once, in the session that asked.
    authorize_url: String,
}

/// What became of the app in Slack.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlackDisconnected {
    /// Whether Slack confirmed that the app's access is revoked. Otherwise remove the app in Slack as well.
    revoked: bool,
}

/// Which channels.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChannelQuery {
    /// Part of a name, or the id or link of one channel.
    #[param(max_length = 300)]
    q: Option<String>,
}

/// A channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KnownSlackChannel)]
#[expect(clippy::struct_excessive_bools, reason = "what there is to say of a channel")]
pub(crate) struct SlackChannel {
    /// `C...`.
    id: String,
    /// Without `#`.
    name: String,
    is_private: bool,
    /// Whether the app is in it. Where it is not, somebody has to invite it before anything can be posted.
    is_member: bool,
    is_archived: bool,
    /// Whether people of other organisations are in it.
    is_ext_shared: bool,
    /// When this was last looked at.
    refreshed_at: DateTime<Utc>,
}

/// Channels, best first; at most 50.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlackChannels {
    values: Vec<SlackChannel>,
}

/// Who one is in Slack.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlackAccount {
    /// Whether Slack is connected to the workspace at all.
    connected: bool,
    /// The team's name; null where it is not.
    #[schema(required)]
    team_name: Option<String>,
    /// One's id there, `U...`; null while one is not linked.
    #[schema(required)]
    slack_user_id: Option<String>,
    /// How that is known: `sign_in` or `email`.
    #[schema(required)]
    linked_by: Option<SlackLinkedBy>,
    #[schema(required)]
    linked_at: Option<DateTime<Utc>>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(slack_get, slack_disconnect))
        .routes(routes!(slack_install))
        .routes(routes!(slack_channel_list))
        .routes(routes!(slack_channel_refresh))
        .routes(routes!(slack_account_get, slack_account_unlink))
        .routes(routes!(slack_account_sign_in))
        .routes(routes!(slack_account_link_by_email))
}

/// How the workspace stands with Slack.
#[utoipa::path(get, path = "/slack", tag = "slack", responses((status = 200, body = SlackStatus)))]
pub(crate) async fn slack_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackStatus>> {
    let last = state.store.slack_installation_last(&caller.scope).await.or_refused("connection")?;
    let connected = last.as_ref().is_some_and(SlackInstallation::is_active);
    let (known, joined) = if connected {
        state.store.slack_channel_counts(&caller.scope).await.or_refused("connection")?
    } else {
        (0, 0)
    };
    let team = last.map(|last| SlackTeam {
        missing_scopes: missing_scopes(&last),
        id: last.team_id,
        name: last.team_name,
        connected_by: last.installed_by,
        connected_at: last.created_at,
        ended_at: last.ended_at,
        end_reason: last.end_reason,
        channels: known,
        channels_joined: joined,
        channels_listed_at: last.channels_listed_at,
    });
    Ok(axum::Json(SlackStatus { available: state.options.slack.is_some(), connected, team }))
}

fn missing_scopes(installation: &SlackInstallation) -> Vec<String> {
    let has = |scope: &str| installation.scopes.iter().any(|granted| granted == scope);
    SCOPES.iter().filter(|scope| !has(scope)).map(|scope| (*scope).to_owned()).collect()
}

/// Begin to connect Slack. A workspace is connected with one Slack team, and a team with one workspace. For admins, in the page.
#[utoipa::path(post, path = "/slack/install", tag = "slack", responses((status = 200, body = SlackConsent)))]
pub(crate) async fn slack_install(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackConsent>> {
    caller.require_admin()?;
    let SlackOptions { client, app, .. } = slack::options(&state)?;
    let secret = begin(&state, &caller, SlackOauthPurpose::Install).await?;
    let url = client.authorize_url(&app.client_id, SCOPES, &secret, &slack::redirect_uri(&state));
    Ok(axum::Json(SlackConsent { authorize_url: url.to_string() }))
}

/// Disconnect Slack: its tokens are wiped here and revoked there. For admins.
#[utoipa::path(delete, path = "/slack", tag = "slack", responses((status = 200, body = SlackDisconnected)))]
pub(crate) async fn slack_disconnect(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackDisconnected>> {
    caller.require_admin()?;
    // Its token is taken along: Slack tells of the revocation at once, and by then it must be known to be ours.
    let token = slack::token(&state, &caller.scope).await;
    let ended = state.store.slack_installation_end(&caller.scope, SlackEnd::Disconnected, None);
    if !ended.await.or_refused("connection")? {
        return Err(slack::not_connected());
    }
    let revoked = match (slack::options(&state), token) {
        (Ok(options), Ok(token)) => options.client.auth_revoke(&token.bot_token).await.is_ok(),
        _ => false,
    };
    Ok(axum::Json(SlackDisconnected { revoked }))
}

/// Channels by part of their name, from what is known; or one by its id or link, from Slack itself. A private channel is found
/// only where the app is in it. For those who may ask.
#[utoipa::path(get, path = "/slack/channels", tag = "slack", params(ChannelQuery),
    responses((status = 200, body = SlackChannels)))]
pub(crate) async fn slack_channel_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ChannelQuery>,
) -> Result<axum::Json<SlackChannels>> {
    caller.require_asking()?;
    let text = query.q.unwrap_or_default();
    if text.chars().count() > 300 {
        return Err(Error::field("q", "must have at most 300 characters"));
    }
    let found = if let Some(id) = channel_id(&text) {
        channel(&state, &caller, id, CHANNEL_FRESH_FOR).await?.into_iter().collect()
    } else {
        let found = state.store.slack_channel_search(&caller.scope, text.trim(), CHANNELS_MAX).await;
        found.or_refused("channel")?
    };
    let values = found.into_iter().map(SlackChannel::from).collect();
    Ok(axum::Json(SlackChannels { values }))
}

/// The id in an id or a link: `C0123ABCD`, `https://acme.slack.com/archives/C0123ABCD/p17`.
fn channel_id(text: &str) -> Option<&str> {
    let text = text.trim();
    let id = match text.split_once("/archives/") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        None => text,
    };
    let is_id = (5..=30).contains(&id.len())
        && id.starts_with(['C', 'G'])
        && id.bytes().any(|byte| byte.is_ascii_digit())
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_id.then_some(id)
}

/// One channel, as seen no longer than `fresh_for` ago or as Slack tells it; none that the app may not see.
pub(crate) async fn channel(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    fresh_for: TimeDelta,
) -> Result<Option<store::SlackChannel>> {
    let visible = |channel: &store::SlackChannel| channel.is_member || !channel.is_private;
    let known = state.store.slack_channel_get(&caller.scope, id).await.or_refused("channel")?;
    let now = state.store.now().await.or_refused("channel")?;
    if let Some(known) = known.filter(|known| now - known.refreshed_at < fresh_for) {
        return Ok(Some(known).filter(visible));
    }
    let token = slack::token(state, &caller.scope).await?;
    let SlackOptions { client, .. } = slack::options(state)?;
    let look = client.conversations_info(&token.bot_token, id);
    let seen = match slack::call(state, &caller.scope, slack::CONVERSATION_INFO, look).await? {
        Ok(seen) => seen,
        // One that the app may not see is to us as one that does not exist.
        Err(error) if error.class() == ::slack::Class::Destination => {
            state.store.slack_channel_forget(&caller.scope, id).await.or_refused("channel")?;
            return Ok(None);
        }
        Err(error) => return Err(slack::refused(&error)),
    };
    let channel = store::SlackChannel {
        id: seen.id,
        name: seen.name,
        is_private: seen.is_private,
        is_archived: seen.is_archived,
        is_member: seen.is_member,
        is_ext_shared: seen.is_ext_shared || seen.is_pending_ext_shared,
        has_guests: None,
        refreshed_at: now,
    };
    state
        .store
        .slack_channel_put(&caller.scope, std::slice::from_ref(&channel))
        .await
        .or_refused("channel")?;
    Ok(Some(channel).filter(visible))
}

/// Have all channels listed again soon, in the background. For admins.
#[utoipa::path(post, path = "/slack/channels/refresh", tag = "slack", responses((status = 202)))]
pub(crate) async fn slack_channel_refresh(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<StatusCode> {
    caller.require_admin()?;
    match state.store.slack_channels_refresh(&caller.scope).await {
        Err(store::Error::NotFound) => Err(slack::not_connected()),
        asked => asked.or_refused("connection").map(|()| StatusCode::ACCEPTED),
    }
}

/// Who one is in Slack.
#[utoipa::path(get, path = "/me/slack", tag = "slack", responses((status = 200, body = SlackAccount)))]
pub(crate) async fn slack_account_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackAccount>> {
    account(&state, &caller).await.map(axum::Json)
}

async fn account(state: &ApiState, caller: &Caller) -> Result<SlackAccount> {
    let installation = state.store.slack_installation_get(&caller.scope).await.or_refused("connection")?;
    let linked = state.store.slack_user_get(&caller.scope, caller.user_id).await.or_refused("user")?;
    Ok(SlackAccount {
        connected: installation.is_some(),
        team_name: installation.map(|installation| installation.team_name),
        linked_by: linked.as_ref().map(|linked| linked.linked_by),
        linked_at: linked.as_ref().map(|linked| linked.linked_at),
        slack_user_id: linked.map(|linked| linked.slack_user_id),
    })
}

/// Begin to sign in with Slack, to say who one is there. In the page.
#[utoipa::path(post, path = "/me/slack/sign-in", tag = "slack", responses((status = 200, body = SlackConsent)))]
pub(crate) async fn slack_account_sign_in(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackConsent>> {
    let SlackOptions { client, app, .. } = slack::options(&state)?;
    let installation = state.store.slack_installation_get(&caller.scope).await.or_refused("connection")?;
    let installation = installation.ok_or_else(slack::not_connected)?;
    let secret = begin(&state, &caller, SlackOauthPurpose::Link).await?;
    // What comes back is asked of Slack with the code, not read from a token that a browser carried: the nonce binds nothing more.
    let nonce = state.new_secret("");
    let url = client.openid_authorize_url(
        &app.client_id,
        Some(&installation.team_id),
        &secret,
        nonce.expose_secret(),
        &slack::redirect_uri(&state),
    );
    Ok(axum::Json(SlackConsent { authorize_url: url.to_string() }))
}

/// Link the Slack user whose confirmed address equals one's own.
#[utoipa::path(post, path = "/me/slack/link-by-email", tag = "slack", responses((status = 200, body = SlackAccount)))]
pub(crate) async fn slack_account_link_by_email(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackAccount>> {
    let token = slack::token(&state, &caller.scope).await?;
    let SlackOptions { client, .. } = slack::options(&state)?;
    let nobody = || Error::Conflict {
        reason: "slack_no_such_user",
        message: format!(
            "nobody in the Slack team has the confirmed address {}: sign in with Slack instead",
            caller.email
        ),
    };
    let look = client.users_lookup_by_email(&token.bot_token, &caller.email);
    let user = match slack::call(&state, &caller.scope, slack::USER_BY_EMAIL, look).await? {
        Ok(user) => user,
        Err(error) if error.class() == ::slack::Class::Destination => return Err(nobody()),
        Err(error) => return Err(slack::refused(&error)),
    };
    let is_theirs =
        user.profile.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(&caller.email))
            && user.is_email_confirmed != Some(false)
            && user.team_id.as_ref().is_none_or(|team| *team == token.team_id);
    if !is_theirs || user.deleted || user.is_bot || user.is_stranger {
        return Err(nobody());
    }
    let (member, by) = (caller.user_id, SlackLinkedBy::Email);
    let linked = state.store.slack_user_link(&caller.scope, member, &token.team_id, &user.id, by).await;
    linked.or_refused("connection with Slack")?;
    account(&state, &caller).await.map(axum::Json)
}

/// Unlink one's Slack user.
#[utoipa::path(delete, path = "/me/slack", tag = "slack", responses((status = 200, body = SlackAccount)))]
pub(crate) async fn slack_account_unlink(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<SlackAccount>> {
    state.store.slack_user_unlink(&caller.scope, caller.user_id).await.or_refused("user")?;
    account(&state, &caller).await.map(axum::Json)
}

/// Remembers that the caller sets out to Slack's page, from a browser. Answers the state that has to come back.
async fn begin(state: &ApiState, caller: &Caller, purpose: SlackOauthPurpose) -> Result<String> {
    let Via::Session(session_id) = caller.via else {
        return Err(Error::Forbidden("do this in the page: Slack sends the browser back to it"));
    };
    let secret = state.new_secret("");
    let begun =
        state.store.slack_oauth_begin(&caller.scope, session_id, caller.user_id, purpose, &secret).await;
    begun.or_refused("session")?;
    Ok(secret.expose_secret().to_owned())
}

impl From<store::SlackChannel> for SlackChannel {
    fn from(channel: store::SlackChannel) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            is_private: channel.is_private,
            is_member: channel.is_member,
            is_archived: channel.is_archived,
            is_ext_shared: channel.is_ext_shared,
            refreshed_at: channel.refreshed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::channel_id;

    #[test]
    fn a_channel_is_named_by_its_id_or_link() {
        for (text, id) in [
            (" C0123ABCD ", Some("C0123ABCD")),
            ("https://acme.slack.com/archives/C0123ABCD", Some("C0123ABCD")),
            ("https://acme.slack.com/archives/G0123ABCD/p1700000000?thread_ts=1", Some("G0123ABCD")),
            ("growth", None),
            ("CHANNEL", None),
            ("D0123ABCD", None),
            ("C0123abcd", None),
            ("GENERAL", None),
            ("https://acme.slack.com/archives/", None),
        ] {
            assert_eq!(channel_id(text), id, "{text}");
        }
    }
}
