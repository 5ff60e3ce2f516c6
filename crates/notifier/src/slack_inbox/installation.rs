//! The app's own fate in a team, and the team's channels as they are known.

use chrono::{DateTime, TimeDelta, Utc};
use domain::slack::SlackEnd;
use secrecy::ExposeSecret as _;
use slack::{Channel, Class, event::Event};
use store::{Scope, SlackChannel, SlackToken};

use super::{CALL_PATIENCE, Error, SlackInbox, Step};
use crate::slack::call::Method;

/// The most pages of channels that are read: 100,000 channels.
const PAGES_MAX: usize = 500;
/// How long a page of the list may wait for its turn: nobody waits for it.
const LIST_PATIENCE: TimeDelta = TimeDelta::minutes(5);

impl SlackInbox {
    /// Something about the app or a channel changed. `at` is when, in seconds since 1970.
    pub(super) async fn changed(&self, scope: &Scope, event: &Event, at: i64) -> Result<Step, Error> {
        match event {
            Event::AppUninstalled => self.ended(scope, SlackEnd::Uninstalled, at).await,
            Event::TokensRevoked { tokens } => {
                // Those of people who signed in come and go.
                if tokens.bot.is_empty() {
                    return Ok(Step::Done("others_tokens"));
                }
                self.ended(scope, SlackEnd::TokensRevoked, at).await
            }
            Event::ChannelDeleted { channel } => {
                self.store.slack_channel_forget(scope, channel).await?;
                Ok(Step::Done("channel_forgotten"))
            }
            Event::ChannelArchive { channel }
            | Event::GroupArchive { channel }
            | Event::ChannelUnarchive { channel } => self.look_at(scope, channel).await,
            Event::ChannelRename { channel } => self.look_at(scope, &channel.id).await,
            Event::MemberJoinedChannel(membership) | Event::MemberLeftChannel(membership) => {
                let Some(token) = self.store.slack_token(scope).await? else {
                    return Ok(Step::Done("not_connected"));
                };
                if membership.user != token.bot_user_id {
                    return Ok(Step::Done("other_member"));
                }
                self.look_at(scope, &membership.channel).await
            }
            Event::Message(_) | Event::AppMention(_) | Event::Other => Ok(Step::Done("other")),
        }
    }

    async fn ended(&self, scope: &Scope, reason: SlackEnd, at: i64) -> Result<Step, Error> {
        // It is told in whole seconds: what was connected in that second may be what it is about.
        let happened_at = DateTime::<Utc>::from_timestamp(at, 0).map(|at| at + TimeDelta::seconds(1));
        let ended = self.store.slack_installation_end(scope, reason, happened_at).await?;
        Ok(Step::Done(if ended { reason.as_str() } else { "ended_before" }))
    }

    /// Looks at one channel again.
    async fn look_at(&self, scope: &Scope, channel: &str) -> Result<Step, Error> {
        let Some(token) = self.token(scope, None).await? else { return Ok(Step::Done("not_connected")) };
        let look = self.client.conversations_info(&token.bot_token, channel);
        match self.call(scope, Method::INFO, CALL_PATIENCE, look).await {
            Ok(seen) => {
                let now = self.store.now().await?;
                self.store.slack_channel_put(scope, &[known(seen, now)]).await?;
                Ok(Step::Done("channel_seen"))
            }
            Err(Error::Slack(error)) if error.class() == Class::Destination => {
                self.store.slack_channel_forget(scope, channel).await?;
                Ok(Step::Done("channel_forgotten"))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the lists of channels that are due, one workspace after the other.
    pub(super) async fn list_channels_due(&self) {
        loop {
            let (scope, began_at) = match self.store.slack_channels_claim().await {
                Ok(Some(claimed)) => claimed,
                Ok(None) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "lists of Slack's channels could not be looked for");
                    return;
                }
            };
            let workspace_id = scope.workspace_id();
            match self.list_channels(&scope, began_at).await {
                Ok(channels) => tracing::info!(%workspace_id, channels, "listed Slack's channels"),
                Err(error) => self.listing_failed(&scope, began_at, &error).await,
            }
        }
    }

    async fn listing_failed(&self, scope: &Scope, began_at: DateTime<Utc>, error: &Error) {
        let workspace_id = scope.workspace_id();
        tracing::warn!(%workspace_id, error = error as &dyn std::error::Error, "Slack's channels were not listed");
        let Error::Slack(refusal) = error else { return };
        if refusal.ends_access() {
            self.leave_refused(scope, began_at).await;
        }
    }

    /// As [`SlackInbox::renew_refused`], where nothing waits for what comes of it.
    pub(super) async fn leave_refused(&self, scope: &Scope, good_at: DateTime<Utc>) {
        if let Err(error) = self.renew_refused(scope, good_at).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a token that Slack refuses was neither renewed nor given up");
        }
    }

    /// Slack refuses a token that was good at `good_at`, and will refuse it to the next who uses it. Answers whether there is or
    /// may be another: one that was renewed too often is revoked before its time. Where there is none its installation is over;
    /// one that was made since has a token of its own.
    pub(super) async fn renew_refused(&self, scope: &Scope, good_at: DateTime<Utc>) -> store::Result<bool> {
        let Some(refused) = self.store.slack_token(scope).await? else { return Ok(false) };
        match self.token(scope, Some(&refused.bot_token)).await {
            Ok(Some(token)) if token.bot_token.expose_secret() != refused.bot_token.expose_secret() => {
                return Ok(true);
            }
            Err(Error::Store(error)) => return Err(error),
            Err(Error::NotRenewed(_) | Error::Slow) => return Ok(true),
            Ok(_) | Err(_) => {}
        }
        self.store.slack_installation_end(scope, SlackEnd::TokenRefused, Some(good_at)).await?;
        Ok(false)
    }

    async fn list_channels(&self, scope: &Scope, began_at: DateTime<Utc>) -> Result<usize, Error> {
        let Some(token) = self.token(scope, None).await? else { return Ok(0) };
        let mut cursor = None;
        let mut count = 0;
        for _ in 0..PAGES_MAX {
            let page = self.page_of_channels(scope, &token, cursor.as_deref()).await?;
            let now = self.store.now().await?;
            let channels: Vec<_> = page.items.into_iter().map(|seen| known(seen, now)).collect();
            count += channels.len();
            self.store.slack_channel_put(scope, &channels).await?;
            let Some(next) = page.next_cursor else { break };
            cursor = Some(next);
        }
        self.store.slack_channels_listed(scope, began_at).await?;
        Ok(count)
    }

    /// One page, as late as Slack wants it.
    async fn page_of_channels(
        &self,
        scope: &Scope,
        token: &SlackToken,
        cursor: Option<&str>,
    ) -> Result<slack::Page<Channel>, Error> {
        loop {
            let page = self.client.conversations_list(&token.bot_token, cursor);
            match self.call(scope, Method::LIST, LIST_PATIENCE, page).await {
                // It is held for as long as Slack said, and called then.
                Err(Error::Slack(slack::Error::RateLimited { .. })) => {}
                page => return page,
            }
        }
    }
}

fn known(seen: Channel, now: DateTime<Utc>) -> SlackChannel {
    SlackChannel {
        id: seen.id,
        name: seen.name,
        is_private: seen.is_private,
        is_archived: seen.is_archived,
        is_member: seen.is_member,
        is_ext_shared: seen.is_ext_shared || seen.is_pending_ext_shared,
        has_guests: None,
        refreshed_at: now,
    }
}
