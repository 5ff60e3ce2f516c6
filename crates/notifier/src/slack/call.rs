//! Calls of the Web API in one workspace: at the pace that Slack allows, with a token that is good.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use slack::{ChannelMembers, Class, Client, Error, MemberCache};
use store::{Scope, SlackRate, SlackToken, Store};
use tokio::sync::Mutex;

use super::{Slack, outcome::Stop, token};

/// The longest that a call waits for its turn here; for a longer wait the delivery is put back.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);
/// How long nothing is called where Slack limits us and does not say for how long.
const UNNAMED_WAIT: TimeDelta = TimeDelta::seconds(30);

/// What the reading of a channel's members calls besides, for people who are not known yet.
const ABOUT_PEOPLE: [&str; 2] = ["users.info", "users.list"];

/// What is called, and how often a workspace may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) rate: SlackRate,
}

/// Slack's second tier.
const TIER_2: SlackRate = SlackRate::per_minute(20);
/// Slack's third tier.
const TIER_3: SlackRate = SlackRate::per_minute(50);
/// Slack's fourth tier.
const TIER_4: SlackRate = SlackRate::per_minute(100);

impl Method {
    /// Slack allows hundreds a minute; ours are no more than our messages.
    pub(super) const PERMALINK: Self = Self { name: "chat.getPermalink", rate: SlackRate::per_minute(300) };
    pub(crate) const INFO: Self = Self { name: "conversations.info", rate: TIER_3 };
    pub(super) const MEMBERS: Self = Self { name: "conversations.members", rate: TIER_4 };
    pub(crate) const LIST: Self = Self { name: "conversations.list", rate: TIER_2 };
    pub(crate) const EPHEMERAL: Self = Self { name: "chat.postEphemeral", rate: TIER_4 };
    pub(super) const OPEN: Self = Self { name: "conversations.open", rate: TIER_3 };
    /// Some apps may call it once a minute: Slack says so when it is called too early, and that is kept to.
    pub(super) const HISTORY: Self = Self { name: "conversations.history", rate: TIER_3 };
    pub(super) const REPLIES: Self = Self { name: "conversations.replies", rate: TIER_3 };
    pub(super) const UPLOAD_URL: Self = Self { name: "files.getUploadURLExternal", rate: TIER_4 };
    pub(super) const UPLOAD_DONE: Self = Self { name: "files.completeUploadExternal", rate: TIER_4 };
    pub(super) const FILE_INFO: Self = Self { name: "files.info", rate: TIER_4 };
    pub(crate) const REACTION_ADD: Self = Self { name: "reactions.add", rate: TIER_3 };
    pub(crate) const REACTION_REMOVE: Self = Self { name: "reactions.remove", rate: TIER_2 };
}

/// A workspace's line to Slack.
pub(super) struct Line<'a> {
    pub(super) store: &'a Store,
    pub(super) slack: &'a Slack,
    pub(super) scope: &'a Scope,
    token: Mutex<SlackToken>,
    /// The Slack workspace at its other end.
    pub(super) team_id: String,
}

impl<'a> Line<'a> {
    /// A line with a token that is good now.
    pub(super) async fn open(store: &'a Store, slack: &'a Slack, scope: &'a Scope) -> Result<Self, Stop> {
        let token = token::token(store, slack, scope).await?;
        let team_id = token.team_id.clone();
        Ok(Self { store, slack, scope, token: Mutex::new(token), team_id })
    }

    /// Makes a call when it is its turn.
    pub(super) async fn call<T, F: Future<Output = Result<T, Error>>>(
        &self,
        method: Method,
        call: impl Fn(Client, SecretString) -> F,
    ) -> Result<T, Stop> {
        self.turn(method).await?;
        let result = self.with_token(call).await;
        if let Err(Stop::Slack(error)) = &result {
            hold_if_limited(self.store, self.scope, error).await?;
        }
        result
    }

    /// Reads who is in a channel, which is several calls of several methods, when it is the turn of each.
    pub(super) async fn read_members(
        &self,
        members: &MemberCache,
        channel: &str,
    ) -> Result<Arc<ChannelMembers>, Stop> {
        let now = self.store.now().await?;
        let team_id = self.team_id.as_str();
        if let Some(kept) = members.kept_of(team_id, channel, now) {
            return Ok(kept);
        }
        if let Some(wait) = self.store.slack_methods_held(self.scope, &ABOUT_PEOPLE).await? {
            return Err(Stop::Later(wait));
        }
        self.turn(Method::INFO).await?;
        self.call(Method::MEMBERS, |client, token| async move {
            members.read(&client, &token, team_id, channel, now).await
        })
        .await
    }

    /// Waits for the turn of a call, if it is near.
    async fn turn(&self, method: Method) -> Result<(), Stop> {
        match self.store.slack_call_take(self.scope, method.name, method.rate, PATIENCE).await? {
            Err(wait) => Err(Stop::Later(wait)),
            Ok(wait) => {
                self.store.wait(wait).await;
                Ok(())
            }
        }
    }

    /// Makes a call at once, and once more with another token where Slack refuses the one at hand: a refusal means that nothing
    /// happened.
    pub(super) async fn with_token<T, F: Future<Output = Result<T, Error>>>(
        &self,
        call: impl Fn(Client, SecretString) -> F,
    ) -> Result<T, Stop> {
        let mut token = self.token.lock().await;
        let error = match call(self.slack.client.clone(), token.bot_token.clone()).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if error.class() != Class::Installation || !is_about_the_token(&error) {
            return Err(Stop::Slack(error));
        }
        *token = token::renewed(self.store, self.slack, self.scope, &token).await?;
        call(self.slack.client.clone(), token.bot_token.clone()).await.map_err(Stop::Slack)
    }
}

/// Has nobody call the method of which Slack wants fewer calls, where that is what `error` says: a call that is made of several
/// may be limited at any of them.
pub(crate) async fn hold_if_limited(store: &Store, scope: &Scope, error: &Error) -> store::Result<()> {
    match error {
        Error::RateLimited { method, retry_after } => {
            store.slack_method_hold(scope, method, limited_for(*retry_after)).await
        }
        _ => Ok(()),
    }
}

/// How long Slack wants us to wait.
pub(crate) fn limited_for(retry_after: Option<std::time::Duration>) -> TimeDelta {
    retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or(UNNAMED_WAIT)
}

/// Whether another token may be taken where this one is refused; what lacks a permission lacks it with any token.
fn is_about_the_token(error: &Error) -> bool {
    matches!(
        error.code(),
        Some("invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired")
    )
}
