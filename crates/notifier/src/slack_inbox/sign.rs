//! Signs on messages: reactions that show how what was asked goes.
//!
//! A sign is a courtesy. Slack takes few of them a minute from a workspace, and may be slow to take one. So nobody waits for a
//! sign: that a question is worked on is shown beside the work, at once or not at all; how it ended is shown when there is
//! room, and not long after.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ThreadId, delivery::DeliveryState, thread::TurnStatus};
use serde::Deserialize;
use slack::Class;
use store::{Scope, SlackToken};

use super::{Error, SlackInbox, Step};
use crate::slack::call::Method;

/// On a message while we work on what it asks.
const WORKING: &str = "eyes";
/// On a message that was answered.
const ANSWERED: &str = "white_check_mark";
/// On a message whose question failed.
const FAILED: &str = "warning";
/// How long Slack may take to show that we work: later, the answer may be there already.
const WORKING_PATIENCE: Duration = Duration::from_secs(5);
/// How soon it is looked again whether an answer was posted. The longer it takes, the less often it is looked.
const FIRST_LOOK: TimeDelta = TimeDelta::seconds(1);
/// How often at least.
const LAST_LOOK: TimeDelta = TimeDelta::minutes(1);
/// A sign for which there was no room for so long after the end of its turn is left out.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// A message that may show that we work on what it asks.
pub(super) struct Sign {
    pub(super) scope: Scope,
    /// Good a moment ago.
    pub(super) token: SlackToken,
    /// When that was.
    pub(super) good_at: DateTime<Utc>,
    pub(super) channel_id: String,
    pub(super) message_ts: String,
}

/// Word that a turn which was asked in Slack has ended.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndedTurn {
    thread_id: ThreadId,
    turn_no: u32,
}

/// What came of a call that has to keep to a pace.
enum Paced {
    Made,
    /// There is no room for it before so long.
    NoRoom(TimeDelta),
}

impl SlackInbox {
    /// Shows that we work on what a message asks, if there is room for that now.
    pub(super) async fn show_working(&self, sign: Sign) {
        let shown = tokio::time::timeout(WORKING_PATIENCE, self.add(&sign, WORKING)).await;
        let error = match shown {
            Ok(Ok(Paced::Made)) => return,
            Ok(Ok(Paced::NoRoom(_))) | Err(_) => {
                tracing::debug!("there was no room for a sign");
                return;
            }
            Ok(Err(error)) => error,
        };
        tracing::info!(error = &error as &dyn std::error::Error, "a sign was left out");
        let Error::Slack(refusal) = error else { return };
        if refusal.ends_access() {
            self.leave_refused(&sign.scope, sign.good_at).await;
        }
    }

    /// A turn has ended: once what it says is posted, the message that asked shows it. `told_at` is when the turn ended.
    pub(super) async fn turn_ended(
        &self,
        scope: &Scope,
        ended: &EndedTurn,
        told_at: DateTime<Utc>,
    ) -> Result<Step, Error> {
        let turn = self.store.slack_turn_get(scope, ended.thread_id, ended.turn_no).await?;
        let Some(turn) = turn.filter(|turn| !turn.is_under_way()) else {
            return Ok(Step::Done("no_turn"));
        };
        let now = self.store.now().await?;
        let age = now - told_at;
        let again = (age / 2).clamp(FIRST_LOOK, LAST_LOOK);
        let is_posted = match turn.reply_state {
            Some(DeliveryState::Pending | DeliveryState::Sending | DeliveryState::Unknown) => {
                return Ok(Step::Wait(again));
            }
            Some(DeliveryState::Sent) => true,
            Some(DeliveryState::Failed | DeliveryState::Withheld | DeliveryState::Suppressed) | None => false,
        };
        let Some(token) = self.token(scope, None).await? else { return Ok(Step::Done("not_connected")) };
        let mark = if is_posted && turn.status == TurnStatus::Answered { ANSWERED } else { FAILED };
        let sign = Sign {
            scope: *scope,
            token,
            good_at: now,
            channel_id: turn.place.channel_id,
            message_ts: turn.message_ts,
        };
        match self.show_end(&sign, mark).await {
            Ok(Paced::Made) => Ok(Step::Done(mark)),
            Ok(Paced::NoRoom(_)) if age > LIFETIME => Ok(Step::Done("no_room_for_sign")),
            Ok(Paced::NoRoom(wait)) => Ok(Step::Wait(wait.max(again))),
            Err(error) => self.end_not_shown(&sign, error).await,
        }
    }

    async fn show_end(&self, sign: &Sign, mark: &str) -> Result<Paced, Error> {
        if let Paced::NoRoom(wait) = self.remove(sign, WORKING).await? {
            return Ok(Paced::NoRoom(wait));
        }
        self.add(sign, mark).await
    }

    /// A sign that cannot be set is not worth more: the message may be gone, or the app out of the channel.
    async fn end_not_shown(&self, sign: &Sign, error: Error) -> Result<Step, Error> {
        let Error::Slack(refusal) = &error else { return Err(error) };
        match refusal.class() {
            Class::Destination | Class::Ours => {
                tracing::info!(code = refusal.code(), "a sign could not be set");
                Ok(Step::Done("no_sign"))
            }
            Class::Installation if refusal.code() == Some("token_expired") => {
                self.token(&sign.scope, Some(&sign.token.bot_token)).await?;
                Err(error)
            }
            Class::Retry { .. } | Class::Unknown | Class::Installation => Err(error),
        }
    }

    async fn add(&self, sign: &Sign, mark: &str) -> Result<Paced, Error> {
        let (token, channel, ts) = (&sign.token.bot_token, &sign.channel_id, &sign.message_ts);
        let call = self.client.reactions_add(token, channel, ts, mark);
        self.paced(&sign.scope, Method::REACTION_ADD, call).await
    }

    async fn remove(&self, sign: &Sign, mark: &str) -> Result<Paced, Error> {
        let (token, channel, ts) = (&sign.token.bot_token, &sign.channel_id, &sign.message_ts);
        let call = self.client.reactions_remove(token, channel, ts, mark);
        self.paced(&sign.scope, Method::REACTION_REMOVE, call).await
    }

    /// Makes a call if it need not wait for others of its workspace.
    async fn paced(
        &self,
        scope: &Scope,
        method: Method,
        call: impl Future<Output = Result<(), slack::Error>>,
    ) -> Result<Paced, Error> {
        match self.call(scope, method, TimeDelta::zero(), call).await {
            Ok(()) => Ok(Paced::Made),
            Err(Error::Busy(wait)) => Ok(Paced::NoRoom(wait)),
            Err(Error::Slack(error)) => match error.hold() {
                Some((_, wait)) => Ok(Paced::NoRoom(wait)),
                None => Err(error.into()),
            },
            Err(error) => Err(error),
        }
    }
}
