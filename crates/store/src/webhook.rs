//! Webhooks as admins keep them: endpoints, their secrets, and what became of the events sent to them.
//!
//! Events are written by `webhook_event` and sent by way of `webhook_queue`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Invalid, UserId, WebhookEndpointId, WebhookMessageId, WebhookSecretId,
    webhook::{OffReason, WebhookEvent, WebhookState},
};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, Scope, Store, Tx, audit,
    error::{one_row, optional_word, word},
    page::{Page, Paged},
    webhook_event,
};

/// The most endpoints of a workspace.
pub const WEBHOOKS_MAX: u32 = 20;
/// Secrets begin with this.
const SECRET_PREFIX: &str = "whsec_";

/// An address that events are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Where to.
    pub url: String,
    /// What it is for, in a person's words.
    pub description: String,
    /// What it is told.
    pub events: Vec<WebhookEvent>,
    /// Why nothing is sent to it.
    pub off_reason: Option<OffReason>,
    /// Since when.
    pub off_at: Option<DateTime<Utc>>,
    /// The first attempt that failed since one went well.
    pub failing_since: Option<DateTime<Utc>>,
    /// When the secret before the newest one ends, while it is still used.
    pub old_secret_ends_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An endpoint to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Where to.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it is told.
    pub events: Vec<WebhookEvent>,
}

/// A change of an endpoint; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where to.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it is told.
    pub events: Option<Vec<WebhookEvent>>,
    /// Whether anything is sent to it.
    pub is_on: Option<bool>,
}

/// An event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMessage {
    /// Its id: the `webhook-id` of every attempt.
    pub id: WebhookMessageId,
    /// What happened.
    pub event: WebhookEvent,
    /// The body.
    pub payload: String,
    /// Where it stands.
    pub state: WebhookState,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it is tried next, while it is.
    pub next_at: Option<DateTime<Utc>>,
    /// How it was tried, oldest first.
    pub attempts: Vec<WebhookAttempt>,
}

/// One attempt to send an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; none while it is under way, or where its sender vanished.
    pub finished_at: Option<DateTime<Utc>>,
    /// What the endpoint answered; none where no answer came.
    pub status_code: Option<u16>,
    /// The answer's beginning, or why there was none.
    pub answer: Option<String>,
}

/// A new secret as Standard Webhooks writes it: `whsec_` and 32 random bytes in base64.
pub fn webhook_secret(random: &mut impl rand::CryptoRng) -> SecretString {
    let mut bytes = [0; 32];
    random.fill_bytes(&mut bytes);
    SecretString::from(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)))
}

struct WebhookRow {
    id: Uuid,
    url: String,
    description: String,
    events: Vec<String>,
    off_reason: Option<String>,
    off_at: Option<DateTime<Utc>>,
    failing_since: Option<DateTime<Utc>>,
    old_secret_ends_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = Error;

    fn try_from(row: WebhookRow) -> Result<Self> {
        let events = row.events.iter().map(|event| word("webhook_endpoint", "events", row.id, event));
        Ok(Self {
            id: row.id.into(),
            url: row.url,
            description: row.description,
            events: events.collect::<Result<_>>()?,
            off_reason: optional_word("webhook_endpoint", "off_reason", row.id, row.off_reason.as_deref())?,
            off_at: row.off_at,
            failing_since: row.failing_since,
            old_secret_ends_at: row.old_secret_ends_at,
            created_at: row.created_at,
        })
    }
}

impl Store {
    /// The endpoints of a workspace, oldest first. There are at most [`WEBHOOKS_MAX`].
    pub async fn webhook_list(&self, scope: &Scope) -> Result<Vec<Webhook>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, None).await
    }

    /// One endpoint.
    pub async fn webhook_get(&self, scope: &Scope, id: WebhookEndpointId) -> Result<Option<Webhook>> {
        let mut tx = self.begin(scope).await?;
        Ok(find(&mut tx, Some(id)).await?.pop())
    }

    /// Makes an endpoint that signs with `secret`. `Invalid` where the workspace has as many as it may.
    pub async fn webhook_create(
        &self,
        scope: &Scope,
        creator_id: UserId,
        webhook: &NewWebhook,
        secret: &SecretString,
    ) -> Result<Webhook> {
        let mut tx = self.begin(scope).await?;
        // One at a time, so that two at once do not both find room for one.
        sqlx::query!("SELECT id FROM workspace WHERE id = $1 FOR UPDATE", tx.workspace_id())
            .fetch_one(tx.db())
            .await?;
        if find(&mut tx, None).await?.len() >= WEBHOOKS_MAX as usize {
            let text = format!("would be one too many: a workspace has at most {WEBHOOKS_MAX} webhooks");
            return Err(Invalid::new("url", text).into());
        }
        let id = WebhookEndpointId::new(tx.now);
        sqlx::query!(
            "INSERT INTO webhook_endpoint (workspace_id, id, url, description, events, created_by, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
            tx.workspace_id(),
            id.as_uuid(),
            webhook.url,
            webhook.description,
            &words_of(&webhook.events),
            creator_id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        self.add_secret(&mut tx, scope, id, secret).await?;
        let details = json!({ "url": webhook.url, "events": webhook.events });
        audit::record(&mut tx, scope.actor(), "webhook.create", id.as_uuid(), details).await?;
        finish(tx, id).await
    }

    /// Changes an endpoint. Switched on again, it has not failed yet. Switched off, what waits for it is given up.
    pub async fn webhook_update(
        &self,
        scope: &Scope,
        id: WebhookEndpointId,
        change: &WebhookChange,
    ) -> Result<Webhook> {
        let mut tx = self.begin(scope).await?;
        let events = change.events.as_deref().map(words_of);
        let done = sqlx::query!(
            "UPDATE webhook_endpoint SET url = coalesce($3, url), description = coalesce($4, description),
                 events = coalesce($5, events), updated_at = $7,
                 off_reason = CASE WHEN $6 THEN NULL WHEN NOT $6 THEN coalesce(off_reason, 'by_admin') ELSE off_reason END,
                 off_at = CASE WHEN $6 THEN NULL WHEN NOT $6 THEN coalesce(off_at, $7) ELSE off_at END,
                 failing_since = CASE WHEN $6 AND off_reason IS NOT NULL THEN NULL ELSE failing_since END
             WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid(),
            change.url,
            change.description,
            events.as_deref(),
            change.is_on,
            tx.now
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        if change.is_on == Some(false) {
            give_up_waiting(&mut tx, id).await?;
        }
        let details = json!({ "url": change.url, "events": change.events, "on": change.is_on });
        audit::record(&mut tx, scope.actor(), "webhook.update", id.as_uuid(), details).await?;
        finish(tx, id).await
    }

    /// Deletes an endpoint and all that was sent to it.
    pub async fn webhook_delete(&self, scope: &Scope, id: WebhookEndpointId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "DELETE FROM webhook_endpoint WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "webhook.delete", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    /// Signs with `secret` from now on, and for `overlap` with the secret of before as well. Ones before that end at once.
    pub async fn webhook_rotate(
        &self,
        scope: &Scope,
        id: WebhookEndpointId,
        secret: &SecretString,
        overlap: TimeDelta,
    ) -> Result<Webhook> {
        let mut tx = self.begin(scope).await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM webhook_endpoint WHERE workspace_id = $1 AND id = $2 FOR UPDATE",
            tx.workspace_id(),
            id.as_uuid()
        );
        found.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        sqlx::query!(
            "DELETE FROM webhook_secret WHERE workspace_id = $1 AND endpoint_id = $2 AND ends_at IS NOT NULL",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "UPDATE webhook_secret SET ends_at = $3 WHERE workspace_id = $1 AND endpoint_id = $2",
            tx.workspace_id(),
            id.as_uuid(),
            tx.now + overlap
        )
        .execute(tx.db())
        .await?;
        self.add_secret(&mut tx, scope, id, secret).await?;
        let details = json!({ "overlapHours": overlap.num_hours() });
        audit::record(&mut tx, scope.actor(), "webhook.rotate", id.as_uuid(), details).await?;
        finish(tx, id).await
    }

    /// Sends a test event, once. `Conflict::WebhookOff`.
    pub async fn webhook_test(
        &self,
        scope: &Scope,
        id: WebhookEndpointId,
        user_id: UserId,
    ) -> Result<WebhookMessageId> {
        let mut tx = self.begin(scope).await?;
        demand_on(&mut tx, id).await?;
        let message_id = webhook_event::test(&mut tx, id, user_id).await?;
        audit::record(&mut tx, scope.actor(), "webhook.test", id.as_uuid(), json!({})).await?;
        tx.commit().await?;
        Ok(message_id)
    }

    /// What was sent to an endpoint, or is to be, newest first.
    pub async fn webhook_message_list(
        &self,
        scope: &Scope,
        endpoint_id: WebhookEndpointId,
        page: &Page,
    ) -> Result<Paged<WebhookMessage>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            "SELECT id, event, payload, state, created_at, available_at FROM webhook_message
             WHERE workspace_id = $1 AND endpoint_id = $2 AND ($3::uuid IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
            tx.workspace_id(),
            endpoint_id.as_uuid(),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let attempts = sqlx::query!(
            "SELECT message_id, attempt, started_at, finished_at, status_code, answer FROM webhook_attempt
             WHERE workspace_id = $1 AND message_id = ANY ($2) ORDER BY message_id, attempt",
            tx.workspace_id(),
            &ids
        )
        .fetch_all(tx.db())
        .await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            let state: WebhookState = word("webhook_message", "state", row.id, &row.state)?;
            let of_message = attempts.iter().filter(|attempt| attempt.message_id == row.id);
            messages.push(WebhookMessage {
                id: row.id.into(),
                event: word("webhook_message", "event", row.id, &row.event)?,
                payload: row.payload,
                state,
                created_at: row.created_at,
                next_at: (state == WebhookState::Pending).then_some(row.available_at),
                attempts: of_message
                    .map(|row| WebhookAttempt {
                        attempt: row.attempt.unsigned_abs(),
                        started_at: row.started_at,
                        finished_at: row.finished_at,
                        status_code: row.status_code.and_then(|code| code.try_into().ok()),
                        answer: row.answer.clone(),
                    })
                    .collect(),
            });
        }
        Ok(page.cut(messages, |message| (String::new(), message.id.as_uuid())))
    }

    /// Sends an event again, under its id, with the retries of a new one. `Conflict::WebhookOff`; `Conflict::WebhookBusy`
    /// while it is still being tried.
    pub async fn webhook_resend(
        &self,
        scope: &Scope,
        endpoint_id: WebhookEndpointId,
        id: WebhookMessageId,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        demand_on(&mut tx, endpoint_id).await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM webhook_message WHERE workspace_id = $1 AND endpoint_id = $2 AND id = $3",
            tx.workspace_id(),
            endpoint_id.as_uuid(),
            id.as_uuid()
        );
        found.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        let done = sqlx::query!(
            "UPDATE webhook_message SET state = 'pending', available_at = $3, tries_until = $4, finished_at = NULL
             WHERE workspace_id = $1 AND id = $2 AND state IN ('sent', 'failed')",
            tx.workspace_id(),
            id.as_uuid(),
            tx.now,
            tx.now + domain::webhook::LIFETIME
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Conflict::WebhookBusy.into())?;
        audit::record(&mut tx, scope.actor(), "webhook.resend", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    async fn add_secret(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        endpoint_id: WebhookEndpointId,
        secret: &SecretString,
    ) -> Result<()> {
        let id = WebhookSecretId::new(tx.now);
        let sealed = self.vault.seal(scope.workspace_id(), id.as_uuid(), secret)?;
        sqlx::query!(
            "INSERT INTO webhook_secret (workspace_id, id, endpoint_id, secret, secret_key_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            tx.workspace_id(),
            id.as_uuid(),
            endpoint_id.as_uuid(),
            sealed.bytes,
            sealed.key_id,
            tx.now
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}

/// Gives up what waits to be sent to an endpoint.
pub(crate) async fn give_up_waiting(tx: &mut Tx, id: WebhookEndpointId) -> Result<()> {
    sqlx::query!(
        "UPDATE webhook_message SET state = 'failed', finished_at = $3
         WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending'",
        tx.workspace_id(),
        id.as_uuid(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

async fn find(tx: &mut Tx, id: Option<WebhookEndpointId>) -> Result<Vec<Webhook>> {
    let rows = sqlx::query_as!(
        WebhookRow,
        "SELECT endpoint.id, url, description, events, off_reason, off_at, failing_since, endpoint.created_at,
             (SELECT max(ends_at) FROM webhook_secret
              WHERE webhook_secret.workspace_id = $1 AND endpoint_id = endpoint.id AND ends_at > $3) AS old_secret_ends_at
         FROM webhook_endpoint AS endpoint
         WHERE endpoint.workspace_id = $1 AND ($2::uuid IS NULL OR endpoint.id = $2)
         ORDER BY endpoint.id",
        tx.workspace_id(),
        id.map(WebhookEndpointId::as_uuid),
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    rows.into_iter().map(Webhook::try_from).collect()
}

async fn finish(mut tx: Tx, id: WebhookEndpointId) -> Result<Webhook> {
    let webhook = find(&mut tx, Some(id)).await?.pop().ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(webhook)
}

async fn demand_on(tx: &mut Tx, id: WebhookEndpointId) -> Result<()> {
    let is_on = sqlx::query_scalar!(
        r#"SELECT off_reason IS NULL AS "is_on!" FROM webhook_endpoint WHERE workspace_id = $1 AND id = $2 FOR SHARE"#,
        tx.workspace_id(),
        id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)?;
    if is_on { Ok(()) } else { Err(Conflict::WebhookOff.into()) }
}

fn words_of(events: &[WebhookEvent]) -> Vec<String> {
    events.iter().map(|event| event.as_str().to_owned()).collect()
}
