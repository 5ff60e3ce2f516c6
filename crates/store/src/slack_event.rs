//! Slack's inbox: what came in, by its id, until it has been worked on. Leases as for runs.
//!
//! The events of one conversation are worked on one at a time, in the order of their `ts`, whatever order they came in and
//! however many workers there are. A fresh event of a conversation rests for a moment, so that one that was overtaken can come.
//! Workspaces take turns: in one of them hundreds may speak to us at once, and Slack takes notes to them at a pace of its own.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{WorkspaceId, slack::SlackEventKind};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Actor, Error, Result, Scope, Store,
    error::{one_row, word},
};

/// How long an event of a conversation rests for an earlier one that was overtaken on its way.
pub const SLACK_EVENT_REST: TimeDelta = TimeDelta::milliseconds(500);
/// How long a claim holds an event.
pub const SLACK_EVENT_LEASE: TimeDelta = TimeDelta::seconds(90);
/// How long the id of what was done is remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(3);

/// Something that came from Slack.
#[derive(Clone, Debug)]
pub struct NewSlackEvent<'a> {
    /// The team that it is about.
    pub team_id: &'a str,
    /// Unique for what happened, the same however often it is told.
    pub event_id: &'a str,
    /// What it is.
    pub kind: SlackEventKind,
    /// As it came: JSON.
    pub payload: &'a str,
    /// The conversation that it belongs to and its place there; `None` for what needs no order.
    pub order: Option<SlackOrder<'a>>,
}

/// An event's place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlackOrder<'a> {
    /// Names the conversation: a channel, and the message that began it.
    pub key: &'a str,
    /// The message's `ts`: seconds and a fraction, in digits.
    pub ts: &'a str,
}

/// What became of something that came from Slack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlackEventPut {
    /// It waits in the inbox.
    Stored,
    /// It came before, or is of a team that is connected with no workspace.
    Ignored,
}

/// The right to work on one event, until it is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackEventLease {
    /// The event's workspace.
    pub workspace_id: WorkspaceId,
    /// The event.
    pub event_id: String,
    /// Made anew with each claim.
    pub token: Uuid,
}

/// An event that this worker holds now.
#[derive(Clone, Debug)]
pub struct ClaimedSlackEvent {
    /// What it may touch.
    pub scope: Scope,
    /// The right to work on it.
    pub lease: SlackEventLease,
    /// What it is.
    pub kind: SlackEventKind,
    /// As it came.
    pub payload: Value,
    /// How often work on it failed.
    pub attempts: u32,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// The workspaces that had the last turns in the inbox: the next claims start behind them. May be lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlackEventTurns {
    asked: Uuid,
    ended: Uuid,
}

impl SlackEventTurns {
    /// What shows a turn's end is claimed apart from what somebody waits for.
    fn of(&mut self, kinds: &[SlackEventKind]) -> &mut Uuid {
        if kinds.contains(&SlackEventKind::TurnEnded) { &mut self.ended } else { &mut self.asked }
    }
}

impl Store {
    /// Puts something into the inbox, once.
    pub async fn slack_event_put(&self, event: &NewSlackEvent<'_>) -> Result<SlackEventPut> {
        let done = sqlx::query!(
            "INSERT INTO slack_event (workspace_id, event_id, kind, payload, order_key, order_ts, state, available_at,
                 received_at)
             SELECT workspace_id, $2, $3, $4::text::json, $5::text, $6::text::numeric, 'pending',
                 instant($7) + make_interval(secs => CASE WHEN $5::text IS NULL THEN 0 ELSE $8::float8 END), instant($7)
             FROM slack_installation WHERE team_id = $1 AND state = 'active'
             ON CONFLICT DO NOTHING",
            event.team_id,
            event.event_id,
            event.kind.as_str(),
            event.payload,
            event.order.map(|order| order.key),
            event.order.map(|order| order.ts),
            self.time.given(),
            SLACK_EVENT_REST.as_seconds_f64()
        )
        .execute(&self.worker)
        .await?;
        Ok(if done.rows_affected() == 1 { SlackEventPut::Stored } else { SlackEventPut::Ignored })
    }

    /// Claims up to `limit` events of these kinds for `worker`, in rounds over the workspaces: of each those that waited longest
    /// first, and of a conversation only the earliest. A claim starts behind the workspace that had the last turn.
    pub async fn slack_event_claim(
        &self,
        worker: &str,
        kinds: &[SlackEventKind],
        limit: u32,
    ) -> Result<Vec<ClaimedSlackEvent>> {
        let words: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
        let mut tx = self.begin_across().await?;
        let last_turn = *self.slack_event_turns().of(kinds);
        // Visits the workspaces where something waits one by one along the index.
        let rows = sqlx::query!(
            r#"WITH RECURSIVE visit (workspace_id) AS (
                   (SELECT workspace_id FROM slack_event WHERE state = 'pending' ORDER BY workspace_id LIMIT 1)
                   UNION ALL
                   SELECT behind.workspace_id FROM visit
                   CROSS JOIN LATERAL (
                       SELECT workspace_id FROM slack_event
                       WHERE state = 'pending' AND workspace_id > visit.workspace_id
                       ORDER BY workspace_id LIMIT 1
                   ) AS behind
               ), ready AS (
                   SELECT visit.workspace_id, waiting.event_id, waiting.place
                   FROM visit
                   CROSS JOIN LATERAL (
                       -- Numbered after they are cut off: to number a backlog is to read all of it.
                       SELECT event_id, row_number() OVER (ORDER BY available_at) AS place FROM (
                           SELECT event_id, available_at FROM slack_event AS waiting
                           WHERE waiting.workspace_id = visit.workspace_id AND state = 'pending' AND available_at <= $1
                             AND (lease_token IS NULL OR lease_until <= $1) AND kind = ANY ($5)
                             AND NOT EXISTS (
                                 SELECT FROM slack_event AS other
                                 WHERE other.workspace_id = waiting.workspace_id AND other.order_key = waiting.order_key
                                   AND other.state = 'pending' AND other.event_id <> waiting.event_id
                                   AND ((other.order_ts, other.event_id) < (waiting.order_ts, waiting.event_id)
                                     OR other.lease_until > $1))
                           ORDER BY available_at LIMIT $2
                       ) AS oldest
                   ) AS waiting
                   ORDER BY waiting.place, visit.workspace_id <= $6, visit.workspace_id LIMIT $2
               ), taken AS (
                   SELECT slack_event.workspace_id, slack_event.event_id, ready.place FROM slack_event
                   JOIN ready ON ready.workspace_id = slack_event.workspace_id AND ready.event_id = slack_event.event_id
                   WHERE slack_event.state = 'pending' AND slack_event.available_at <= $1
                     AND (slack_event.lease_token IS NULL OR slack_event.lease_until <= $1)
                   FOR UPDATE OF slack_event SKIP LOCKED
               )
               UPDATE slack_event SET lease_token = gen_random_uuid(), lease_until = $3, worker = $4
               FROM taken
               WHERE slack_event.workspace_id = taken.workspace_id AND slack_event.event_id = taken.event_id
               RETURNING slack_event.workspace_id, slack_event.event_id, slack_event.kind,
                   slack_event.payload AS "payload!", slack_event.attempts, slack_event.received_at,
                   slack_event.lease_token AS "lease_token!", taken.place AS "place!""#,
            tx.now,
            i64::from(limit),
            tx.now + SLACK_EVENT_LEASE,
            worker,
            &words,
            last_turn
        )
        .fetch_all(tx.db())
        .await?;
        let last = rows
            .iter()
            .max_by_key(|row| (row.place, row.workspace_id <= last_turn, row.workspace_id))
            .map(|row| row.workspace_id);
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let workspace_id = WorkspaceId::from(row.workspace_id);
            claimed.push(ClaimedSlackEvent {
                scope: Scope::new(workspace_id, Actor::System),
                kind: word("slack_event", "kind", &row.event_id, &row.kind)?,
                lease: SlackEventLease { workspace_id, event_id: row.event_id, token: row.lease_token },
                payload: row.payload,
                attempts: row.attempts.unsigned_abs(),
                received_at: row.received_at,
            });
        }
        tx.commit().await?;
        if let Some(last) = last {
            *self.slack_event_turns().of(kinds) = last;
        }
        Ok(claimed)
    }

    /// Notes that an event is dealt with, and by what; its text goes.
    pub async fn slack_event_done(
        &self,
        scope: &Scope,
        lease: &SlackEventLease,
        outcome: &str,
    ) -> Result<()> {
        self.slack_event_finish(scope, lease, "done", outcome).await
    }

    /// Gives an event up for good.
    pub async fn slack_event_fail(&self, scope: &Scope, lease: &SlackEventLease, reason: &str) -> Result<()> {
        self.slack_event_finish(scope, lease, "failed", reason).await
    }

    async fn slack_event_finish(
        &self,
        scope: &Scope,
        lease: &SlackEventLease,
        state: &str,
        outcome: &str,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE slack_event SET state = $4, outcome = $5, payload = NULL, finished_at = $6, lease_token = NULL,
                 lease_until = NULL, worker = NULL
             WHERE workspace_id = $1 AND event_id = $2 AND lease_token = $3",
            tx.workspace_id(),
            lease.event_id,
            lease.token,
            state,
            outcome,
            tx.now
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::LeaseLost)?;
        tx.commit().await
    }

    /// Puts an event back for a while; what comes after it in its conversation waits for it. `is_failure` counts as a failed
    /// attempt: having to wait for something is none.
    pub async fn slack_event_again(
        &self,
        scope: &Scope,
        lease: &SlackEventLease,
        after: TimeDelta,
        is_failure: bool,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE slack_event SET available_at = $4, attempts = attempts + CASE WHEN $5 THEN 1 ELSE 0 END,
                 lease_token = NULL, lease_until = NULL, worker = NULL
             WHERE workspace_id = $1 AND event_id = $2 AND lease_token = $3",
            tx.workspace_id(),
            lease.event_id,
            lease.token,
            tx.now + after,
            is_failure
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::LeaseLost)?;
        tx.commit().await
    }

    /// Forgets the ids of what was dealt with long ago: Slack does not repeat it any more. Answers how many.
    pub async fn slack_event_purge(&self) -> Result<u64> {
        let done = sqlx::query!(
            "DELETE FROM slack_event WHERE finished_at < instant($1) - make_interval(secs => $2)",
            self.time.given(),
            REMEMBERED.as_seconds_f64()
        );
        Ok(done.execute(&self.worker).await?.rows_affected())
    }
}
