//! Events on their way to their endpoints: claim, answer, retry, and switching off an endpoint that fails for days.
//!
//! At least once: an attempt is noted before any byte leaves, and one whose sender vanished is made again under the same id,
//! by which the receiver knows it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    WebhookEndpointId, WebhookMessageId, WorkspaceId,
    notice::{NoticeKind, webhook_words},
    webhook::{FAILING_AT_MOST, OffReason, WebhookEvent, WebhookState},
};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, Error, Result, Scope, Store, Tx, audit,
    error::{without_nul, word},
    notice::{self, Word},
    vault::Sealed,
    webhook,
};

/// Of one endpoint, so many events are under way at once: a slow one holds up nobody else.
const PER_ENDPOINT: i64 = 4;
/// Of all endpoints of a workspace, so many: however many of them are slow, they hold up no other workspace's.
const PER_WORKSPACE: i64 = 8;
/// Events are kept for so long after their end.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);
/// How much of an answer is kept, in characters.
const ANSWER_MAX: usize = 1_000;

/// The right to finish one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookLease {
    /// The event's workspace.
    pub workspace_id: WorkspaceId,
    /// The event.
    pub message_id: WebhookMessageId,
    /// Made anew with each claim.
    pub token: Uuid,
}

/// An event that this process sends now. Its attempt is noted.
#[derive(Clone, Debug)]
pub struct ClaimedWebhook {
    /// What it may touch.
    pub scope: Scope,
    /// The right to finish it.
    pub lease: WebhookLease,
    /// Where it goes.
    pub endpoint_id: WebhookEndpointId,
    /// Its address.
    pub url: String,
    /// The body.
    pub payload: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// When it was claimed: the time that is signed.
    pub claimed_at: DateTime<Utc>,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// What the endpoint answered; none where no answer came.
    pub status_code: Option<u16>,
    /// The answer's beginning, or why there was none.
    pub text: String,
    /// How long to wait before the next attempt, should this one have failed.
    pub wait: TimeDelta,
}

impl Store {
    /// Takes up to `limit` events, no more than a few of each endpoint and of each workspace, by turns of the workspaces, and
    /// notes their attempts.
    pub async fn webhook_claim(&self, limit: u32) -> Result<Vec<ClaimedWebhook>> {
        let mut tx = self.begin_across().await?;
        let now = tx.now;
        let rows = sqlx::query!(
            r#"WITH under_way AS MATERIALIZED (
                   SELECT workspace_id, endpoint_id, count(*) AS number FROM webhook_message
                   WHERE lease_token IS NOT NULL AND lease_until > $1 GROUP BY workspace_id, endpoint_id
               ), waiting AS (
                   SELECT message.workspace_id, message.id, message.available_at,
                       row_number() OVER (PARTITION BY message.workspace_id ORDER BY message.available_at, message.id)
                           + (SELECT coalesce(sum(number), 0) FROM under_way
                              WHERE under_way.workspace_id = message.workspace_id)::bigint AS place
                   FROM webhook_endpoint AS endpoint
                   LEFT JOIN under_way ON under_way.workspace_id = endpoint.workspace_id
                       AND under_way.endpoint_id = endpoint.id
                   CROSS JOIN LATERAL (
                       SELECT message.workspace_id, message.id, message.available_at FROM webhook_message AS message
                       WHERE message.workspace_id = endpoint.workspace_id AND message.endpoint_id = endpoint.id
                         AND message.state = 'pending' AND message.available_at <= $1
                       ORDER BY message.available_at LIMIT greatest($3 - coalesce(under_way.number, 0), 0)
                   ) AS message
                   WHERE endpoint.off_reason IS NULL
               ), ready AS (
                   -- Who has fewer under way comes first.
                   SELECT workspace_id, id FROM waiting WHERE place <= $5 ORDER BY place, available_at LIMIT $2
               ), taken AS (
                   SELECT message.workspace_id, message.id FROM webhook_message AS message
                   JOIN ready ON ready.workspace_id = message.workspace_id AND ready.id = message.id
                   WHERE message.state = 'pending' FOR UPDATE OF message SKIP LOCKED
               ), claimed AS (
                   UPDATE webhook_message AS message SET state = 'sending', attempts = attempts + 1,
                       lease_token = gen_random_uuid(), lease_until = $4
                   FROM taken WHERE message.workspace_id = taken.workspace_id AND message.id = taken.id
                   RETURNING message.workspace_id, message.id, message.endpoint_id, message.payload, message.attempts,
                       message.lease_token
               ), noted AS (
                   INSERT INTO webhook_attempt (workspace_id, message_id, attempt, started_at)
                   SELECT workspace_id, id, attempts, $1 FROM claimed
               )
               SELECT claimed.workspace_id, claimed.id, claimed.endpoint_id, claimed.payload, claimed.attempts,
                   claimed.lease_token AS "lease_token!", endpoint.url
               FROM claimed JOIN webhook_endpoint AS endpoint
                   ON endpoint.workspace_id = claimed.workspace_id AND endpoint.id = claimed.endpoint_id"#,
            now,
            i64::from(limit),
            PER_ENDPOINT,
            now + self.delivery_lease,
            PER_WORKSPACE
        )
        .fetch_all(tx.db())
        .await?;
        tx.commit().await?;
        let claimed = rows.into_iter().map(|row| {
            let workspace_id = WorkspaceId::from(row.workspace_id);
            ClaimedWebhook {
                scope: Scope::new(workspace_id, Actor::System),
                lease: WebhookLease { workspace_id, message_id: row.id.into(), token: row.lease_token },
                endpoint_id: row.endpoint_id.into(),
                url: row.url,
                payload: row.payload,
                attempt: row.attempts.unsigned_abs(),
                claimed_at: now,
            }
        });
        Ok(claimed.collect())
    }

    /// What an endpoint's messages are signed with now, the newest first.
    pub async fn webhook_secrets(
        &self,
        scope: &Scope,
        endpoint_id: WebhookEndpointId,
    ) -> Result<Vec<SecretString>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            "SELECT id, secret, secret_key_id FROM webhook_secret
             WHERE workspace_id = $1 AND endpoint_id = $2 AND (ends_at IS NULL OR ends_at > $3) ORDER BY id DESC",
            tx.workspace_id(),
            endpoint_id.as_uuid(),
            tx.now
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                let sealed = Sealed { key_id: row.secret_key_id, bytes: row.secret };
                Ok(self.vault.open(scope.workspace_id(), row.id, &sealed)?)
            })
            .collect()
    }

    /// Notes how an attempt went: an answer of 2xx ends it well, all else is tried again until its time is over. An endpoint
    /// that is gone (410), or answered nothing well for five days, is switched off, and the admins are told. `LeaseLost`.
    pub async fn webhook_finish(
        &self,
        scope: &Scope,
        lease: &WebhookLease,
        answer: &WebhookAnswer,
    ) -> Result<WebhookState> {
        let mut tx = self.begin(scope).await?;
        let message = sqlx::query!(
            "SELECT endpoint_id, event, attempts, tries_until FROM webhook_message
             WHERE workspace_id = $1 AND id = $2 AND lease_token = $3 FOR UPDATE",
            tx.workspace_id(),
            lease.message_id.as_uuid(),
            lease.token
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::LeaseLost)?;
        sqlx::query!(
            "UPDATE webhook_attempt SET finished_at = $4, status_code = $5, answer = $6
             WHERE workspace_id = $1 AND message_id = $2 AND attempt = $3",
            tx.workspace_id(),
            lease.message_id.as_uuid(),
            message.attempts,
            tx.now,
            answer.status_code.map(i32::from),
            without_nul(&answer.text.chars().take(ANSWER_MAX).collect::<String>())
        )
        .execute(tx.db())
        .await?;
        let event: WebhookEvent = word("webhook_message", "event", lease.message_id, &message.event)?;
        let endpoint_id = WebhookEndpointId::from(message.endpoint_id);
        let is_taken = answer.status_code.is_some_and(|code| (200..300).contains(&code));
        let is_on = if is_taken {
            note_success(&mut tx, endpoint_id).await?;
            true
        } else {
            note_failure(&mut tx, endpoint_id, event, answer.status_code).await?
        };
        let next_at = tx.now + answer.wait;
        let state = match (is_taken, is_on && next_at < message.tries_until) {
            (true, _) => WebhookState::Sent,
            (false, true) => WebhookState::Pending,
            (false, false) => WebhookState::Failed,
        };
        sqlx::query!(
            "UPDATE webhook_message SET state = $3, available_at = $4, lease_token = NULL, lease_until = NULL,
                 finished_at = CASE WHEN $3 IN ('sent', 'failed') THEN $5::timestamptz END
             WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            lease.message_id.as_uuid(),
            state.as_str(),
            next_at,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Takes up to `batch` events from senders that vanished: they are sent again, under the same id. Answers how many.
    pub async fn webhook_rescue(&self, batch: u32) -> Result<u64> {
        let done = sqlx::query!(
            "UPDATE webhook_message SET state = 'pending', lease_token = NULL, lease_until = NULL
             WHERE (workspace_id, id) IN (
                 SELECT workspace_id, id FROM webhook_message
                 WHERE lease_token IS NOT NULL AND lease_until <= instant($1)
                 ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED)",
            self.time.given(),
            i64::from(batch)
        )
        .execute(&self.worker)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets up to `batch` events that ended a month ago. Answers how many.
    pub async fn webhook_forget(&self, batch: u32) -> Result<u64> {
        let mut tx = self.begin_across().await?;
        let done = sqlx::query!(
            "DELETE FROM webhook_message WHERE (workspace_id, id) IN (
                 SELECT workspace_id, id FROM webhook_message WHERE finished_at < $1
                 ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            tx.now - KEPT_FOR,
            i64::from(batch)
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}

async fn note_success(tx: &mut Tx, id: WebhookEndpointId) -> Result<()> {
    sqlx::query!(
        "UPDATE webhook_endpoint SET failing_since = NULL
         WHERE workspace_id = $1 AND id = $2 AND failing_since IS NOT NULL",
        tx.workspace_id(),
        id.as_uuid()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Counts a failure against an endpoint. Answers whether it is still on. A test tells its admin what it has to say, and counts
/// for nothing.
async fn note_failure(
    tx: &mut Tx,
    id: WebhookEndpointId,
    event: WebhookEvent,
    status_code: Option<u16>,
) -> Result<bool> {
    let row = sqlx::query!(
        r#"UPDATE webhook_endpoint SET failing_since = CASE WHEN $4 THEN failing_since ELSE coalesce(failing_since, $3) END
           WHERE workspace_id = $1 AND id = $2
           RETURNING url, failing_since, off_reason IS NULL AS "is_on!""#,
        tx.workspace_id(),
        id.as_uuid(),
        tx.now,
        event == WebhookEvent::Test
    )
    .fetch_optional(tx.db())
    .await?;
    // Deleted, with the event, or switched off meanwhile.
    let Some(row) = row.filter(|row| row.is_on) else { return Ok(false) };
    if event == WebhookEvent::Test {
        return Ok(true);
    }
    let reason = if status_code == Some(410) {
        OffReason::Gone
    } else if row.failing_since.is_some_and(|since| tx.now - since >= FAILING_AT_MOST) {
        OffReason::Failing
    } else {
        return Ok(true);
    };
    sqlx::query!(
        "UPDATE webhook_endpoint SET off_reason = $3, off_at = $4 WHERE workspace_id = $1 AND id = $2",
        tx.workspace_id(),
        id.as_uuid(),
        reason.as_str(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    webhook::give_up_waiting(tx, id).await?;
    audit::record(tx, Actor::System, "webhook.off", id.as_uuid(), json!({ "reason": reason })).await?;
    tell_admins(tx, &row.url, reason).await?;
    Ok(false)
}

async fn tell_admins(tx: &mut Tx, url: &str, reason: OffReason) -> Result<()> {
    let admins = sqlx::query_scalar!(
        "SELECT user_id FROM member WHERE workspace_id = $1 AND role = 'admin' AND deactivated_at IS NULL ORDER BY user_id",
        tx.workspace_id()
    )
    .fetch_all(tx.db())
    .await?;
    // The path of a webhook's address is often its secret.
    let host = url.split('/').nth(2).unwrap_or_default();
    let words = webhook_words(host, reason == OffReason::Gone);
    for user_id in admins {
        let word = Word {
            kind: NoticeKind::WebhookOff,
            words: words.clone(),
            ..Word::to(tx.workspace_id(), user_id)
        };
        notice::tell(tx, &word).await?;
    }
    Ok(())
}
