//! How fast a workspace speaks to Slack: limits that all notifiers keep together, because they lie in rows.
//!
//! A lane is a conversation or a method. A conversation is held by one delivery at a time, and rests for a second after each
//! message. A delivery that finds its conversation busy is promised an instant and put back until then, so that a backlog
//! occupies nobody: each of its rows is looked at once to be given its place, and once to be sent.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    DeliveryLease, Error, Result, Scope, Store, Tx,
    delivery_put_back::{Late, put_back},
    error::one_row,
};

/// Between two messages in one channel.
pub const SLACK_CHANNEL_REST: TimeDelta = TimeDelta::seconds(1);

/// Between two messages of one workspace in the long run: Slack speaks of several hundred a minute.
const MESSAGE_REST: TimeDelta = TimeDelta::milliseconds(300);
/// How far messages of a workspace may run ahead of that.
const MESSAGE_BURST: TimeDelta = TimeDelta::seconds(6);
/// The method that all messages of a workspace share.
const POST_METHOD: &str = "chat.postMessage";

/// The method by which the app's access to a team is had and renewed.
pub const SLACK_ACCESS_METHOD: &str = "oauth.v2.access";

/// A promised instant holds for as long as this; whoever comes later than that goes to the end of the line.
const PROMISE: TimeDelta = TimeDelta::seconds(2);

/// When whoever finds a channel held looks again.
const LOOK_AGAIN: TimeDelta = TimeDelta::milliseconds(200);

/// For how long a look at a channel is trusted.
const CHANNEL_CHECK_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// How often a method may be called: so many a minute, of which a part at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlackRate {
    rest: TimeDelta,
    burst: TimeDelta,
}

impl SlackRate {
    /// A rate that never exceeds `per_minute` calls in any minute: a fifth of them may come at once, and the rest evenly.
    pub const fn per_minute(per_minute: u32) -> Self {
        let at_once = if per_minute < 5 { 1 } else { per_minute / 5 };
        // The last of those that come at once begins the row of those that come evenly.
        let evenly = per_minute - at_once + 1;
        let rest = (60_000 + evenly as i64 - 1) / evenly as i64;
        Self {
            rest: TimeDelta::milliseconds(rest),
            burst: TimeDelta::milliseconds(rest * (at_once as i64 - 1)),
        }
    }
}

/// Whether a delivery may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlackLaneTake {
    /// It holds its channel.
    Held {
        /// What was found about the channel within the last minute.
        checked: Option<SlackChannelCheck>,
    },
    /// It was put back until its turn comes, or has failed because that would be too late: its lease is gone.
    PutOff,
}

/// What a look at a channel found: that messages may be posted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlackChannelCheck {
    /// Whether people of another organisation are in it.
    pub is_shared: bool,
}

struct LaneRow {
    free_at: DateTime<Utc>,
    line_ends_at: DateTime<Utc>,
    holder: Option<Uuid>,
    held_until: DateTime<Utc>,
    checked_at: Option<DateTime<Utc>>,
    is_shared: bool,
}

impl Store {
    /// Takes a conversation's lane for a delivery, or puts the delivery back until its turn.
    pub async fn slack_lane_take(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        lane: &str,
    ) -> Result<SlackLaneTake> {
        let mut tx = self.begin(scope).await?;
        let now = tx.now;
        let method_lane = lane_of_messages();
        let own_row = lock_lane(&mut tx, lane).await?;
        let method_row = lock_lane(&mut tx, &method_lane).await?;
        let delivery = sqlx::query!(
            "SELECT slack_turn_at FROM delivery
             WHERE workspace_id = $1 AND id = $2 AND lease_token = $3 FOR UPDATE",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            lease.token
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::LeaseLost)?;
        let is_promised = delivery.slack_turn_at.is_some_and(|turn| turn <= now && now < turn + PROMISE);
        let is_held = own_row.held_until > now && own_row.holder != Some(lease.token);
        // Less than a second is worth waiting for: what is begun meanwhile takes that long.
        let is_free = !is_held && own_row.free_at <= now + SLACK_CHANNEL_REST && method_row.free_at <= now;
        let is_first = own_row.line_ends_at <= now && method_row.line_ends_at <= now + MESSAGE_BURST;
        if is_free && (is_promised || is_first) {
            hold_lane(&mut tx, lane, lease, self.delivery_lease).await?;
            if !is_promised {
                lengthen_line(&mut tx, lane, now + SLACK_CHANNEL_REST).await?;
                let ends_at = method_row.line_ends_at.max(now) + MESSAGE_REST;
                lengthen_line(&mut tx, &method_lane, ends_at).await?;
            }
            tx.commit().await?;
            let is_recent = own_row.checked_at.is_some_and(|at| now < at + CHANNEL_CHECK_LIFETIME);
            let checked = is_recent.then_some(SlackChannelCheck { is_shared: own_row.is_shared });
            return Ok(SlackLaneTake::Held { checked });
        }
        if let Some(turn) = delivery.slack_turn_at.filter(|_| is_promised && method_row.free_at <= now) {
            // Whoever holds the channel is about to let go: the promise stands while it lasts.
            put_off(&mut tx, lease, now + LOOK_AGAIN, turn).await?;
            tx.commit().await?;
            return Ok(SlackLaneTake::PutOff);
        }
        let ends = [own_row.free_at, own_row.line_ends_at, method_row.free_at];
        let ends_at = ends.into_iter().max().unwrap_or(now);
        let turn = ends_at.max(method_row.line_ends_at - MESSAGE_BURST).max(now + LOOK_AGAIN);
        lengthen_line(&mut tx, lane, turn + SLACK_CHANNEL_REST).await?;
        let method_line = method_row.line_ends_at.max(turn - MESSAGE_BURST).max(now) + MESSAGE_REST;
        lengthen_line(&mut tx, &method_lane, method_line).await?;
        put_off(&mut tx, lease, turn, turn).await?;
        tx.commit().await?;
        Ok(SlackLaneTake::PutOff)
    }

    /// Lets go of a conversation's lane, which rests then.
    pub async fn slack_lane_leave(&self, scope: &Scope, lease: &DeliveryLease, lane: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "UPDATE slack_lane SET holder = NULL, held_until = $4, free_at = greatest(free_at, $5)
             WHERE workspace_id = $1 AND lane = $2 AND holder = $3",
            tx.workspace_id(),
            lane,
            lease.token,
            tx.now,
            tx.now + SLACK_CHANNEL_REST
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Puts a held delivery back until `after` has passed, without an attempt: something else must be waited for.
    pub async fn slack_put_off(&self, scope: &Scope, lease: &DeliveryLease, after: TimeDelta) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let until = tx.now + after;
        put_off(&mut tx, lease, until, until).await?;
        tx.commit().await
    }

    /// As [`Store::slack_put_off`], until the app's access may be renewed.
    pub async fn slack_await_token(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        after: TimeDelta,
    ) -> Result<()> {
        let late = Late {
            reason: "slack_not_renewed",
            message: "For a day Slack did not renew the app's access.",
            unknown: "Slack could not be asked for a day whether it has the message.",
        };
        let mut tx = self.begin(scope).await?;
        let until = tx.now + after;
        put_back(&mut tx, lease, until, Some(until), &late).await?;
        tx.commit().await
    }

    /// Notes that messages may be posted in a channel now, or that they may not.
    pub async fn slack_channel_checked(
        &self,
        scope: &Scope,
        lane: &str,
        found: Option<SlackChannelCheck>,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "UPDATE slack_lane SET checked_at = CASE WHEN $3 THEN $4::timestamptz END, is_shared = $5
             WHERE workspace_id = $1 AND lane = $2",
            tx.workspace_id(),
            lane,
            found.is_some(),
            tx.now,
            found.is_some_and(|found| found.is_shared)
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Takes the next place among the calls of a method, unless it is further away than `patience`. Answers how long to wait
    /// before the call, if it may be made; or, as the error, when to come again.
    pub async fn slack_call_take(
        &self,
        scope: &Scope,
        method: &str,
        rate: SlackRate,
        patience: TimeDelta,
    ) -> Result<Result<TimeDelta, TimeDelta>> {
        let mut tx = self.begin(scope).await?;
        let now = tx.now;
        let lane = lane_of_method(method);
        let row = lock_lane(&mut tx, &lane).await?;
        let wait = (row.line_ends_at - rate.burst).max(row.free_at).max(now) - now;
        if wait > patience {
            return Ok(Err(wait));
        }
        lengthen_line(&mut tx, &lane, row.line_ends_at.max(row.free_at).max(now) + rate.rest).await?;
        tx.commit().await?;
        Ok(Ok(wait))
    }

    /// Slack wants no call of a method for a while: nobody makes one.
    pub async fn slack_method_hold(&self, scope: &Scope, method: &str, wait: TimeDelta) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        hold_method(&mut tx, method, wait).await?;
        tx.commit().await
    }
}

/// Nobody calls a method before `wait` has passed.
pub(crate) async fn hold_method(tx: &mut Tx, method: &str, wait: TimeDelta) -> Result<()> {
    let lane = lane_of_method(method);
    lock_lane(tx, &lane).await?;
    hold_until(tx, &lane, wait).await
}

/// For how long Slack wants no call of a method yet; `None` where it may be called.
pub(crate) async fn method_held(tx: &mut Tx, method: &str) -> Result<Option<TimeDelta>> {
    let free_at = sqlx::query_scalar!(
        "SELECT free_at FROM slack_lane WHERE workspace_id = $1 AND lane = $2",
        tx.workspace_id(),
        lane_of_method(method)
    )
    .fetch_optional(tx.db())
    .await?;
    Ok(free_at.map(|free_at| free_at - tx.now).filter(|wait| *wait > TimeDelta::zero()))
}

/// Nothing is sent in a lane before `wait` has passed.
pub(crate) async fn hold_until(tx: &mut Tx, lane: &str, wait: TimeDelta) -> Result<()> {
    let done = sqlx::query!(
        "UPDATE slack_lane SET free_at = greatest(free_at, $3) WHERE workspace_id = $1 AND lane = $2",
        tx.workspace_id(),
        lane,
        tx.now + wait
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Error::NotFound)
}

/// Holds a conversation's lane for as long as a delivery's lease.
pub(crate) async fn hold_lane(
    tx: &mut Tx,
    lane: &str,
    lease: &DeliveryLease,
    length: TimeDelta,
) -> Result<()> {
    sqlx::query!(
        "UPDATE slack_lane SET holder = $3, held_until = $4 WHERE workspace_id = $1 AND lane = $2",
        tx.workspace_id(),
        lane,
        lease.token,
        tx.now + length
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// When the two lanes of a message are free, as far as spacing and Slack's own words go; both rows stay locked.
pub(crate) async fn lock_message_lanes(tx: &mut Tx, lane: &str) -> Result<MessageLanes> {
    let own_row = lock_lane(tx, lane).await?;
    let method_row = lock_lane(tx, &lane_of_messages()).await?;
    Ok(MessageLanes {
        free_at: own_row.free_at.max(method_row.free_at),
        holder: own_row.holder.filter(|_| own_row.held_until > tx.now),
    })
}

/// The lanes that a message goes through.
pub(crate) struct MessageLanes {
    /// Nothing may be posted before.
    pub(crate) free_at: DateTime<Utc>,
    /// Who has the conversation.
    pub(crate) holder: Option<Uuid>,
}

/// The lane of messages, whichever conversation they go to.
pub(crate) fn lane_of_messages() -> String {
    lane_of_method(POST_METHOD)
}

fn lane_of_method(method: &str) -> String {
    format!("method {method}")
}

async fn lock_lane(tx: &mut Tx, lane: &str) -> Result<LaneRow> {
    sqlx::query!(
        "INSERT INTO slack_lane (workspace_id, lane, free_at, line_ends_at, held_until) VALUES ($1, $2, $3, $3, $3)
         ON CONFLICT DO NOTHING",
        tx.workspace_id(),
        lane,
        tx.now
    )
    .execute(tx.db())
    .await?;
    let row = sqlx::query_as!(
        LaneRow,
        "SELECT free_at, line_ends_at, holder, held_until, checked_at, is_shared FROM slack_lane
         WHERE workspace_id = $1 AND lane = $2 FOR UPDATE",
        tx.workspace_id(),
        lane
    );
    Ok(row.fetch_one(tx.db()).await?)
}

async fn lengthen_line(tx: &mut Tx, lane: &str, ends_at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "UPDATE slack_lane SET line_ends_at = greatest(line_ends_at, $3) WHERE workspace_id = $1 AND lane = $2",
        tx.workspace_id(),
        lane,
        ends_at
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Lets go of a delivery until `available_at`, on or after its turn.
async fn put_off(
    tx: &mut Tx,
    lease: &DeliveryLease,
    available_at: DateTime<Utc>,
    turn: DateTime<Utc>,
) -> Result<()> {
    let late = Late {
        reason: "slack_backlog",
        message: "Its turn in Slack would have come more than a day late.",
        unknown: "Slack could not be asked for a day whether it has the message.",
    };
    put_back(tx, lease, available_at, Some(turn), &late).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_never_exceeds_its_calls_in_any_minute() {
        for per_minute in [1_u32, 2, 20, 50, 100] {
            let rate = SlackRate::per_minute(per_minute);
            // As many calls as may be made from a full stop on, each as early as it may.
            let (mut line_ends, mut calls) = (0_i64, 0);
            loop {
                let at = (line_ends - rate.burst.num_milliseconds()).max(0);
                if at >= 60_000 {
                    break;
                }
                calls += 1;
                line_ends = line_ends.max(at) + rate.rest.num_milliseconds();
            }
            assert!(calls <= per_minute, "{calls} calls of {per_minute}");
            assert!(calls * 10 >= per_minute * 9, "{calls} calls of {per_minute}");
        }
    }
}
