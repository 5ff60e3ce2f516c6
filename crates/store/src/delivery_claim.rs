//! How notifiers come by messages.
//!
//! Mail and Slack are claimed apart. Workspaces take turns: each claim starts behind the one that had the last turn.

use chrono::{DateTime, Utc};
use domain::{
    RunId, TaskId, ThreadId, UserId, WorkspaceId,
    delivery::{Channel, DeliveryKind, DeliveryState, Way},
};
use uuid::Uuid;

use crate::{
    Actor, DELIVERY_LIFETIME, DeliveryLease, Result, Scope, Store,
    error::{if_readable, word},
};

/// A delivery that this notifier holds now, with all that it needs to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// What it may touch.
    pub scope: Scope,
    /// The right to work on it.
    pub lease: DeliveryLease,
    /// What it is about.
    pub kind: DeliveryKind,
    /// Its way.
    pub channel: Channel,
    /// `Pending`; or `Unknown`, to be reconciled before anything is sent again.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// Whether that is so long ago that it is not tried any more: see [`Store::delivery_give_up`].
    pub is_too_late: bool,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// The run that it tells of.
    pub run_id: Option<RunId>,
    /// The thread with the answer.
    pub thread_id: Option<ThreadId>,
    /// The turn with the answer.
    pub turn_no: Option<u32>,
    /// Its recipient, for email and Slack's direct messages: as they are now.
    pub user: Option<DeliveryUser>,
    /// Its Slack channel.
    pub slack_channel_id: Option<String>,
    /// The message that a reply goes below.
    pub slack_thread_ts: Option<String>,
    /// Whom it goes to, as shown.
    pub label: String,
    /// Whether the first shown result goes along as CSV.
    pub attach_csv: bool,
    /// What a notice has to say beyond its kind: the error, the skipped date. No attempt changes it.
    pub details: Option<String>,
    /// For the unsubscribe link.
    pub unsubscribe_token: Uuid,
}

/// The person that a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryUser {
    /// Who.
    pub id: UserId,
    /// Their address now.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their zone.
    pub timezone: String,
    /// Whether they may not be told any more.
    pub is_deactivated: bool,
}

/// The workspaces that had the last turns: the next claims start behind them. May be lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeliveryTurns {
    mail: Uuid,
    slack: Uuid,
}

impl DeliveryTurns {
    const fn of(&mut self, way: Way) -> &mut Uuid {
        match way {
            Way::Mail => &mut self.mail,
            Way::Slack => &mut self.slack,
        }
    }
}

impl Store {
    /// Claims up to `limit` deliveries that go this way for `worker`, in rounds over the workspaces, of each those that waited
    /// longest first. One that cannot be read keeps its lease and is answered to nobody: it comes again once that has run out.
    pub async fn delivery_claim(&self, worker: &str, way: Way, limit: u32) -> Result<Vec<ClaimedDelivery>> {
        let mut tx = self.begin_across().await?;
        let last_turn = *self.delivery_turns().of(way);
        // Visits the workspaces where something is due one by one along the index, as many as can have a message of the claim.
        let rows = sqlx::query!(
            r#"WITH RECURSIVE visit (workspace_id, until, turn) AS (
                   SELECT $6::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid, 0::bigint
                   UNION ALL
                   SELECT coalesce(behind.workspace_id, again.workspace_id),
                       CASE WHEN behind.workspace_id IS NULL THEN $6 ELSE visit.until END, visit.turn + 1
                   FROM visit
                   LEFT JOIN LATERAL (
                       SELECT workspace_id FROM delivery
                       WHERE delivery_way(channel) = $5 AND state IN ('pending', 'unknown') AND lease_token IS NULL
                         AND available_at <= $1 AND workspace_id > visit.workspace_id AND workspace_id <= visit.until
                       ORDER BY workspace_id LIMIT 1
                   ) AS behind ON true
                   -- From the beginning again, once.
                   LEFT JOIN LATERAL (
                       SELECT workspace_id FROM delivery
                       WHERE delivery_way(channel) = $5 AND state IN ('pending', 'unknown') AND lease_token IS NULL
                         AND available_at <= $1 AND workspace_id <= $6
                         AND behind.workspace_id IS NULL AND visit.until <> $6
                       ORDER BY workspace_id LIMIT 1
                   ) AS again ON true
                   WHERE visit.turn < $2 AND coalesce(behind.workspace_id, again.workspace_id) IS NOT NULL
               ), ready AS (
                   SELECT visit.workspace_id, waiting.id, waiting.place, visit.turn
                   FROM visit
                   CROSS JOIN LATERAL (
                       -- Numbered after they are cut off: to number a backlog is to read all of it.
                       SELECT id, row_number() OVER (ORDER BY available_at) AS place FROM (
                           SELECT id, available_at FROM delivery
                           WHERE delivery.workspace_id = visit.workspace_id AND delivery_way(channel) = $5
                             AND state IN ('pending', 'unknown') AND lease_token IS NULL AND available_at <= $1
                           ORDER BY available_at LIMIT $2
                       ) AS oldest
                   ) AS waiting
                   WHERE visit.turn > 0
                   ORDER BY waiting.place, visit.turn LIMIT $2
               ), taken AS (
                   SELECT delivery.workspace_id, delivery.id, ready.place, ready.turn FROM delivery
                   JOIN ready ON ready.workspace_id = delivery.workspace_id AND ready.id = delivery.id
                   WHERE delivery.state IN ('pending', 'unknown') AND delivery.lease_token IS NULL
                   FOR UPDATE OF delivery SKIP LOCKED
               )
               UPDATE delivery SET lease_token = gen_random_uuid(), lease_until = $3, worker = $4
               FROM taken
               LEFT JOIN LATERAL (
                   SELECT app_user.id, app_user.email, app_user.name, app_user.timezone,
                       member.deactivated_at IS NOT NULL AS is_deactivated
                   FROM delivery AS addressed
                   JOIN member ON member.workspace_id = addressed.workspace_id AND member.user_id = addressed.user_id
                   JOIN app_user ON app_user.id = addressed.user_id
                   WHERE addressed.workspace_id = taken.workspace_id AND addressed.id = taken.id
               ) AS recipient ON true
               WHERE delivery.workspace_id = taken.workspace_id AND delivery.id = taken.id
               RETURNING delivery.workspace_id, delivery.id, delivery.kind, delivery.channel, delivery.state,
                   delivery.attempts, delivery.created_at, delivery.task_id, delivery.run_id, delivery.thread_id,
                   delivery.turn_no, delivery.slack_channel_id, delivery.slack_thread_ts, delivery.label, delivery.attach_csv,
                   delivery.details,
                   delivery.unsubscribe_token, delivery.lease_token AS "lease_token!", recipient.id AS "user_id?",
                   recipient.email AS "email?", recipient.name AS "name?", recipient.timezone AS "timezone?",
                   recipient.is_deactivated AS "is_deactivated?", taken.place AS "place!", taken.turn AS "turn!""#,
            tx.now,
            i64::from(limit),
            tx.now + self.delivery_lease,
            worker,
            way.as_str(),
            last_turn
        )
        .fetch_all(tx.db())
        .await?;
        let last = rows.iter().max_by_key(|row| (row.place, row.turn)).map(|row| row.workspace_id);
        let now = tx.now;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let read = (
                if_readable(word("delivery", "kind", row.id, &row.kind)),
                if_readable(word("delivery", "channel", row.id, &row.channel)),
                if_readable(word("delivery", "state", row.id, &row.state)),
            );
            let (Some(kind), Some(channel), Some(state)) = read else { continue };
            let workspace_id = WorkspaceId::from(row.workspace_id);
            let user = match (row.user_id, row.email, row.name, row.timezone, row.is_deactivated) {
                (Some(id), Some(email), Some(name), Some(timezone), Some(is_deactivated)) => {
                    Some(DeliveryUser { id: id.into(), email, name, timezone, is_deactivated })
                }
                _ => None,
            };
            claimed.push(ClaimedDelivery {
                scope: Scope::new(workspace_id, Actor::System),
                lease: DeliveryLease { workspace_id, delivery_id: row.id.into(), token: row.lease_token },
                kind,
                channel,
                state,
                attempts: row.attempts.unsigned_abs(),
                created_at: row.created_at,
                is_too_late: now >= row.created_at + DELIVERY_LIFETIME,
                task_id: row.task_id.map(TaskId::from),
                run_id: row.run_id.map(RunId::from),
                thread_id: row.thread_id.map(ThreadId::from),
                turn_no: row.turn_no.map(i32::unsigned_abs),
                user,
                slack_channel_id: row.slack_channel_id,
                slack_thread_ts: row.slack_thread_ts,
                label: row.label,
                attach_csv: row.attach_csv,
                details: row.details,
                unsubscribe_token: row.unsubscribe_token,
            });
        }
        tx.commit().await?;
        if let Some(last) = last {
            *self.delivery_turns().of(way) = last;
        }
        Ok(claimed)
    }
}
