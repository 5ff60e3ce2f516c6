//! Messages on their way: attempt and outcome. One row per recipient; leases as for runs. How notifiers come by them:
//! `delivery_claim.rs`.
//!
//! An attempt is committed before any byte leaves. Whoever dies after that leaves a row whose outcome nobody knows: it becomes
//! `unknown`, and is reconciled before anything is sent again.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    DeliveryId, RunId, TaskId, UserId, WorkspaceId,
    delivery::{Audience, Channel, DeliveryKind, DeliveryState},
};
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx,
    destination::{self, Ended},
    error::{one_row, optional_word, without_nul, word},
    page::{Page, Paged},
    webhook_event,
};

/// Nothing is tried this long after it was queued.
pub const DELIVERY_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// After so many attempts of which nobody knows whether they arrived a delivery has failed: a server that never answers, but may
/// take every message, is not sent more copies than this, nor asked more often whether it has them.
pub const UNKNOWN_ATTEMPTS_MAX: i64 = 12;

/// The reason of a message whose address the mail server knew to be none.
const ADDRESS_DEAD: &str = "address_dead";
/// The reason of a message that was not tried because its address was known to be none.
const ADDRESS_SUPPRESSED: &str = "address_suppressed";

/// The right to work on one delivery, until it is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryLease {
    /// The delivery's workspace.
    pub workspace_id: WorkspaceId,
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// Made anew with each claim.
    pub token: Uuid,
}

/// A delivery, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// What it is about.
    pub kind: DeliveryKind,
    /// Its way.
    pub channel: Channel,
    /// Its recipient.
    pub user_id: Option<UserId>,
    /// Its Slack channel.
    pub slack_channel_id: Option<String>,
    /// Whom it goes to, as shown.
    pub label: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why: a code.
    pub reason: Option<String>,
    /// The reason in words.
    pub message: Option<String>,
    /// How much of the message the recipient was found to be allowed; none before it was looked at.
    pub audience: Option<Audience>,
    /// Why that much.
    pub audience_reason: Option<String>,
    /// Why it goes by another way than its recipient prefers: a code.
    pub fallback: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When the provider took it.
    pub sent_at: Option<DateTime<Utc>>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The provider took it.
    Sent {
        /// What it calls it.
        provider_id: String,
    },
    /// To be tried again after a while, unless it is too old by then.
    Retry {
        /// How long to wait.
        after: TimeDelta,
        /// Why: a code.
        reason: String,
        /// The reason in words, without secrets.
        message: String,
    },
    /// Given up.
    Failed {
        /// Why: a code.
        reason: String,
        /// The reason in words, without secrets.
        message: String,
    },
    /// Nobody knows whether it arrived: to be reconciled after a while. The last of [`UNKNOWN_ATTEMPTS_MAX`] of these is a
    /// failure, as `outcome_unknown`.
    Unknown {
        /// How long to wait.
        after: TimeDelta,
        /// What happened, without secrets.
        message: String,
    },
    /// Not for the recipient's eyes.
    Withheld {
        /// Why: a code.
        reason: String,
    },
    /// Not wanted, or to a dead address.
    Suppressed {
        /// Why: a code.
        reason: String,
    },
}

impl DeliveryOutcome {
    /// The state that it leads to, a reason, words, and how long to wait.
    fn parts(&self) -> (DeliveryState, Option<&str>, Option<&str>, Option<TimeDelta>) {
        match self {
            Self::Sent { .. } => (DeliveryState::Sent, None, None, None),
            Self::Retry { after, reason, message } => {
                (DeliveryState::Pending, Some(reason), Some(message), Some(*after))
            }
            Self::Failed { reason, message } => (DeliveryState::Failed, Some(reason), Some(message), None),
            Self::Unknown { after, message } => {
                (DeliveryState::Unknown, Some("unknown"), Some(message), Some(*after))
            }
            Self::Withheld { reason } => (DeliveryState::Withheld, Some(reason), None, None),
            Self::Suppressed { reason } => (DeliveryState::Suppressed, Some(reason), None, None),
        }
    }
}

struct DeliveryRow {
    id: Uuid,
    kind: String,
    channel: String,
    user_id: Option<Uuid>,
    slack_channel_id: Option<String>,
    label: String,
    state: String,
    reason: Option<String>,
    message: Option<String>,
    audience: Option<String>,
    audience_reason: Option<String>,
    fallback: Option<String>,
    attempts: i32,
    provider_id: Option<String>,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = Error;

    fn try_from(row: DeliveryRow) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            kind: word("delivery", "kind", row.id, &row.kind)?,
            channel: word("delivery", "channel", row.id, &row.channel)?,
            user_id: row.user_id.map(UserId::from),
            slack_channel_id: row.slack_channel_id,
            label: row.label,
            state: word("delivery", "state", row.id, &row.state)?,
            reason: row.reason,
            message: row.message,
            audience: optional_word("delivery", "audience", row.id, row.audience.as_deref())?,
            audience_reason: row.audience_reason,
            fallback: row.fallback,
            attempts: row.attempts.unsigned_abs(),
            provider_id: row.provider_id,
            created_at: row.created_at,
            sent_at: row.sent_at,
        })
    }
}

impl Store {
    /// Notes what became of a delivery, and lets go of it. A retry that would come too late is a failure.
    pub async fn delivery_finish(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        outcome: &DeliveryOutcome,
    ) -> Result<DeliveryState> {
        let mut tx = self.begin(scope).await?;
        let state = finish(&mut tx, lease, outcome).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Renews a lease, for a send that takes long.
    pub async fn delivery_heartbeat(&self, scope: &Scope, lease: &DeliveryLease) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE delivery SET lease_until = $4 WHERE workspace_id = $1 AND id = $2 AND lease_token = $3",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            lease.token,
            tx.now + self.delivery_lease
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::LeaseLost)?;
        tx.commit().await
    }

    /// Takes up to `batch` deliveries from notifiers that let their lease pass. One that may have been sent becomes
    /// `unknown`, and so does its attempt, for good: when it ended nobody knows, and the next attempt says nothing of it.
    /// Answers how many.
    pub async fn delivery_rescue(&self, batch: u32) -> Result<u64> {
        let rescued = sqlx::query_scalar!(
            r#"WITH rescued AS (
                 UPDATE delivery SET lease_token = NULL, lease_until = NULL, worker = NULL,
                     state = CASE WHEN state = 'sending' THEN 'unknown' ELSE state END
                 WHERE (workspace_id, id) IN (
                     SELECT workspace_id, id FROM delivery
                     WHERE lease_token IS NOT NULL AND lease_until <= instant($1)
                     ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED)
                 RETURNING workspace_id, id, attempts
             ), noted AS (
                 UPDATE delivery_attempt SET outcome = 'unknown'
                 FROM rescued
                 WHERE delivery_attempt.workspace_id = rescued.workspace_id AND delivery_attempt.delivery_id = rescued.id
                   AND delivery_attempt.attempt = rescued.attempts AND delivery_attempt.outcome IS NULL
             )
             SELECT count(*) AS "rescued!" FROM rescued"#,
            self.time.given(),
            i64::from(batch)
        );
        Ok(rescued.fetch_one(&self.worker).await?.unsigned_abs())
    }

    /// Hands claimed deliveries back whose attempt has not begun. Ones that have begun are left alone.
    pub async fn delivery_release(&self, leases: &[DeliveryLease]) -> Result<u64> {
        let mut tx = self.begin_across().await?;
        let released = release(&mut tx, leases).await?;
        tx.commit().await?;
        Ok(released)
    }

    /// The messages of a run, notices about it included, by recipient.
    pub async fn delivery_list(&self, scope: &Scope, run_id: RunId) -> Result<Vec<Delivery>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT id, kind, channel, user_id, slack_channel_id, label, state, reason, message, audience, audience_reason,
                 fallback, attempts, provider_id, created_at, sent_at
             FROM delivery WHERE workspace_id = $1 AND run_id = $2 ORDER BY kind, label, id",
            tx.workspace_id(),
            run_id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter().map(Delivery::try_from).collect()
    }

    /// The messages about a task, newest first, notices that belong to no run included.
    pub async fn delivery_list_of_task(
        &self,
        scope: &Scope,
        task_id: TaskId,
        page: &Page,
    ) -> Result<Paged<Delivery>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT id, kind, channel, user_id, slack_channel_id, label, state, reason, message, audience, audience_reason,
                 fallback, attempts, provider_id, created_at, sent_at
             FROM delivery WHERE workspace_id = $1 AND task_id = $2 AND ($3::uuid IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
            tx.workspace_id(),
            task_id.as_uuid(),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let deliveries = rows.into_iter().map(Delivery::try_from).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(deliveries, |delivery| (String::new(), delivery.id.as_uuid())))
    }
}

/// Lets go of claimed deliveries whose attempt has not begun, as they were. Answers how many.
pub(crate) async fn release(tx: &mut Tx, leases: &[DeliveryLease]) -> Result<u64> {
    let workspace_ids: Vec<_> = leases.iter().map(|lease| lease.workspace_id.as_uuid()).collect();
    let ids: Vec<_> = leases.iter().map(|lease| lease.delivery_id.as_uuid()).collect();
    let tokens: Vec<_> = leases.iter().map(|lease| lease.token).collect();
    let done = sqlx::query!(
        "UPDATE delivery SET lease_token = NULL, lease_until = NULL, worker = NULL
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS held (workspace_id, id, token)
         WHERE delivery.workspace_id = held.workspace_id AND delivery.id = held.id
           AND delivery.lease_token = held.token AND delivery.state IN ('pending', 'unknown')",
        &workspace_ids,
        &ids,
        &tokens
    )
    .execute(tx.db())
    .await?;
    Ok(done.rows_affected())
}

/// Writes an outcome to a held delivery, and to its last attempt where that is under way. An attempt that was cut off before it
/// stays unknown.
pub(crate) async fn finish(
    tx: &mut Tx,
    lease: &DeliveryLease,
    outcome: &DeliveryOutcome,
) -> Result<DeliveryState> {
    let (mut state, mut reason, message, after) = outcome.parts();
    let held = sqlx::query!(
        r#"SELECT created_at, attempts, kind, channel, user_id, slack_channel_id, label, task_id, run_id,
               EXISTS (SELECT FROM destination WHERE destination.workspace_id = $1) AS "has_destinations!",
               EXISTS (SELECT FROM webhook_endpoint WHERE webhook_endpoint.workspace_id = $1) AS "has_webhooks!"
           FROM delivery WHERE workspace_id = $1 AND id = $2 AND lease_token = $3 FOR UPDATE OF delivery"#,
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        lease.token
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::LeaseLost)?;
    let available_at = after.map(|after| tx.now + after);
    let is_too_late = available_at.is_some_and(|again| again >= held.created_at + DELIVERY_LIFETIME);
    let is_unknown = state == DeliveryState::Unknown;
    if is_too_late || is_unknown && unknown_attempts(tx, lease).await? + 1 >= UNKNOWN_ATTEMPTS_MAX {
        state = DeliveryState::Failed;
        reason = if is_unknown { Some("outcome_unknown") } else { reason };
    }
    let is_final = !matches!(state, DeliveryState::Pending | DeliveryState::Sending | DeliveryState::Unknown);
    let provider_id = match outcome {
        DeliveryOutcome::Sent { provider_id } => Some(without_nul(provider_id)),
        _ => None,
    };
    let message = message.map(without_nul);
    sqlx::query!(
        "UPDATE delivery SET state = $3, reason = $4, message = $5, provider_id = coalesce($6, provider_id),
             available_at = coalesce($7, available_at), lease_token = NULL, lease_until = NULL, worker = NULL, sent_at = CASE WHEN $3 = 'sent' THEN $8::timestamptz END,
             finished_at = CASE WHEN $9 THEN $8::timestamptz END
         WHERE workspace_id = $1 AND id = $2",
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        state.as_str(),
        reason,
        message,
        provider_id,
        available_at,
        tx.now,
        is_final
    )
    .execute(tx.db())
    .await?;
    sqlx::query!(
        "UPDATE delivery_attempt SET finished_at = $4, outcome = $5, message = $6
         WHERE workspace_id = $1 AND delivery_id = $2 AND attempt = $3 AND outcome IS NULL",
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        held.attempts,
        tx.now,
        match outcome {
            DeliveryOutcome::Retry { .. } => "retry",
            DeliveryOutcome::Unknown { .. } => DeliveryState::Unknown.as_str(),
            _ => state.as_str(),
        },
        message
    )
    .execute(tx.db())
    .await?;
    let id = lease.delivery_id;
    let ended = Ended {
        kind: word("delivery", "kind", id, &held.kind)?,
        channel: word("delivery", "channel", id, &held.channel)?,
        user_id: held.user_id,
        slack_channel_id: held.slack_channel_id,
        label: held.label,
        task_id: held.task_id,
        run_id: held.run_id,
    };
    match state {
        DeliveryState::Sent if held.has_destinations => {
            let workspace_id = tx.workspace_id();
            destination::arrived(tx, &[workspace_id], &[id.as_uuid()]).await?;
        }
        DeliveryState::Failed => {
            destination::failed(tx, ended, reason.unwrap_or_default(), message.as_deref()).await?;
            if held.has_webhooks {
                webhook_event::delivery_failed(tx, id.as_uuid()).await?;
            }
        }
        DeliveryState::Suppressed if reason == Some(ADDRESS_DEAD) => {
            destination::failed(tx, ended, ADDRESS_DEAD, message.as_deref()).await?;
            if held.has_webhooks {
                webhook_event::delivery_failed(tx, id.as_uuid()).await?;
            }
        }
        DeliveryState::Suppressed if reason == Some(ADDRESS_SUPPRESSED) => {
            destination::held_back(tx, &ended).await?;
        }
        _ => {}
    }
    Ok(state)
}

/// How many attempts at a delivery ended without anybody's knowing whether it arrived. Those that were refused, or never came
/// to be sent, say nothing of that.
async fn unknown_attempts(tx: &mut Tx, lease: &DeliveryLease) -> Result<i64> {
    let attempts = sqlx::query_scalar!(
        r#"SELECT count(*) AS "attempts!" FROM delivery_attempt
           WHERE workspace_id = $1 AND delivery_id = $2 AND outcome = 'unknown'"#,
        tx.workspace_id(),
        lease.delivery_id.as_uuid()
    );
    Ok(attempts.fetch_one(tx.db()).await?)
}
