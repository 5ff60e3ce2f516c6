//! Webhooks, for admins: endpoints, their secrets, and what became of the events sent to them.

use std::net::IpAddr;

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    WebhookEndpointId, WebhookMessageId,
    invalid::Issues,
    webhook::{OffReason, WebhookEvent, WebhookState},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{NewWebhook, WebhookChange};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path, Query},
    outbound,
    page::{ForwardQuery, List},
};

/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 200;
/// How long the old secret is used beside a new one unless said otherwise, in hours.
const OVERLAP_HOURS: i64 = 24;
/// The longest such time: a week.
const OVERLAP_HOURS_MAX: i64 = 168;

/// An address that events are sent to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    id: WebhookEndpointId,
    url: String,
    description: String,
    events: Vec<WebhookEvent>,
    /// Whether events are sent to it.
    on: bool,
    /// Why none are.
    #[schema(required)]
    off_reason: Option<OffReason>,
    #[schema(required)]
    off_at: Option<DateTime<Utc>>,
    /// The first attempt that failed since one went well. Five days after it the webhook is switched off.
    #[schema(required)]
    failing_since: Option<DateTime<Utc>>,
    /// Until then messages are signed with the secret of before as well.
    #[schema(required)]
    old_secret_ends_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A webhook with its new secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// `whsec_` and base64, as libraries for Standard Webhooks take it.
    secret: String,
}

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebhookRequest {
    /// An https address that is reached from the open internet, of at most 2,000 characters.
    #[schema(example = "https://hooks.example.com/tidings")]
    url: String,
    /// What it is for, in up to 200 characters.
    description: Option<String>,
    /// At least one.
    events: Vec<WebhookEvent>,
}

/// Changes to a webhook. What is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebhookPatch {
    url: Option<String>,
    description: Option<String>,
    events: Option<Vec<WebhookEvent>>,
    /// Switched off, what waits to be sent is given up.
    on: Option<bool>,
}

/// How to change over to a new secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebhookRotation {
    /// How long messages are signed with the old secret as well: 0 to 168 hours, 24 by default.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<i64>,
}

/// A test under way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookTestStarted {
    /// Its place in the list of messages, and its `webhook-id`.
    message_id: WebhookMessageId,
}

/// An event for one webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookMessage {
    /// The `webhook-id` of every attempt.
    id: WebhookMessageId,
    event: WebhookEvent,
    state: WebhookState,
    created_at: DateTime<Utc>,
    /// When it is tried next, while it is.
    #[schema(required)]
    next_at: Option<DateTime<Utc>>,
    /// The body that is sent.
    #[schema(value_type = Object)]
    body: Value,
    /// Oldest first.
    attempts: Vec<WebhookAttempt>,
}

/// One attempt to send an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookAttempt {
    attempt: u32,
    started_at: DateTime<Utc>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// Null where no answer came.
    #[schema(required)]
    status_code: Option<u16>,
    /// The answer's beginning, or why there was none.
    #[schema(required)]
    answer: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(webhook_list, webhook_create))
        .routes(routes!(webhook_get, webhook_update, webhook_delete))
        .routes(routes!(webhook_rotate))
        .routes(routes!(webhook_test))
        .routes(routes!(webhook_message_list))
        .routes(routes!(webhook_resend))
}

/// The workspace's webhooks. For admins.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses((status = 200, body = List<Webhook>)))]
pub(crate) async fn webhook_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<List<Webhook>>> {
    caller.require_admin()?;
    let webhooks = state.store.webhook_list(&caller.scope).await.or_refused("webhook")?;
    Ok(axum::Json(List::whole(webhooks.into_iter().map(Webhook::from).collect())))
}

/// Make a webhook. Its secret is in the answer, and nowhere else afterwards. For admins.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = WebhookRequest,
    responses((status = 201, body = WebhookWithSecret)))]
pub(crate) async fn webhook_create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<WebhookRequest>,
) -> Result<(StatusCode, axum::Json<WebhookWithSecret>)> {
    caller.require_admin()?;
    let description = request.description.as_deref().unwrap_or_default().trim().to_owned();
    let mut issues = Issues::default();
    check_url(&mut issues, &request.url, &state.options.webhook_addresses);
    check_description(&mut issues, &description);
    check_events(&mut issues, &request.events);
    issues.into_result()?;
    let secret = state.new_webhook_secret();
    let webhook = NewWebhook { url: request.url, description, events: request.events };
    let made = state.store.webhook_create(&caller.scope, caller.user_id, &webhook, &secret).await;
    Ok((StatusCode::CREATED, axum::Json(with_secret(made.or_refused("webhook")?, &secret))))
}

/// One webhook. For admins.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Webhook)))]
pub(crate) async fn webhook_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<WebhookEndpointId>,
) -> Result<axum::Json<Webhook>> {
    caller.require_admin()?;
    let found = state.store.webhook_get(&caller.scope, id).await.or_refused("webhook")?;
    found.map(|webhook| axum::Json(webhook.into())).ok_or(Error::NotFound("webhook"))
}

/// Change a webhook, or switch it on or off. For admins.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    request_body = WebhookPatch, responses((status = 200, body = Webhook)))]
pub(crate) async fn webhook_update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<WebhookEndpointId>,
    Json(patch): Json<WebhookPatch>,
) -> Result<axum::Json<Webhook>> {
    caller.require_admin()?;
    let mut issues = Issues::default();
    if let Some(url) = &patch.url {
        check_url(&mut issues, url, &state.options.webhook_addresses);
    }
    let description = patch.description.as_deref().map(str::trim).map(str::to_owned);
    if let Some(description) = &description {
        check_description(&mut issues, description);
    }
    if let Some(events) = &patch.events {
        check_events(&mut issues, events);
    }
    issues.into_result()?;
    let change = WebhookChange { url: patch.url, description, events: patch.events, is_on: patch.on };
    let webhook = state.store.webhook_update(&caller.scope, id, &change).await.or_refused("webhook")?;
    Ok(axum::Json(webhook.into()))
}

/// Delete a webhook and the record of what was sent to it. For admins.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Deleted.")))]
pub(crate) async fn webhook_delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<WebhookEndpointId>,
) -> Result<StatusCode> {
    caller.require_admin()?;
    state.store.webhook_delete(&caller.scope, id).await.or_refused("webhook")?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change over to a new secret. Meanwhile messages carry a signature by each. For admins.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", tag = "webhooks", params(("id" = Uuid, Path)),
    request_body = WebhookRotation, responses((status = 200, body = WebhookWithSecret)))]
pub(crate) async fn webhook_rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<WebhookEndpointId>,
    Json(rotation): Json<WebhookRotation>,
) -> Result<axum::Json<WebhookWithSecret>> {
    caller.require_admin()?;
    let hours = rotation.overlap_hours.unwrap_or(OVERLAP_HOURS);
    if !(0..=OVERLAP_HOURS_MAX).contains(&hours) {
        return Err(Error::field("overlapHours", format!("must be a number from 0 to {OVERLAP_HOURS_MAX}")));
    }
    let secret = state.new_webhook_secret();
    let rotated = state.store.webhook_rotate(&caller.scope, id, &secret, TimeDelta::hours(hours)).await;
    Ok(axum::Json(with_secret(rotated.or_refused("webhook")?, &secret)))
}

/// Send a test event, once. For admins.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 202, body = WebhookTestStarted)))]
pub(crate) async fn webhook_test(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<WebhookEndpointId>,
) -> Result<(StatusCode, axum::Json<WebhookTestStarted>)> {
    caller.require_admin()?;
    let message_id =
        state.store.webhook_test(&caller.scope, id, caller.user_id).await.or_refused("webhook")?;
    Ok((StatusCode::ACCEPTED, axum::Json(WebhookTestStarted { message_id })))
}

/// What was sent to a webhook in the last 30 days, or is to be, newest first, with every attempt. For admins.
#[utoipa::path(get, path = "/webhooks/{id}/messages", tag = "webhooks", params(("id" = Uuid, Path), ForwardQuery),
    responses((status = 200, body = List<WebhookMessage>)))]
pub(crate) async fn webhook_message_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<WebhookEndpointId>,
    Query(query): Query<ForwardQuery>,
) -> Result<axum::Json<List<WebhookMessage>>> {
    caller.require_admin()?;
    let page = query.page()?;
    let found = state.store.webhook_get(&caller.scope, id).await.or_refused("webhook")?;
    found.ok_or(Error::NotFound("webhook"))?;
    let messages = state.store.webhook_message_list(&caller.scope, id, &page).await.or_refused("webhook")?;
    Ok(axum::Json(List::of(messages, WebhookMessage::from)))
}

/// Send an event again, under the same id. For admins.
#[utoipa::path(post, path = "/webhooks/{id}/messages/{messageId}/resend", tag = "webhooks",
    params(("id" = Uuid, Path), ("messageId" = Uuid, Path)),
    responses((status = 204, description = "It is on its way again.")))]
pub(crate) async fn webhook_resend(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, message_id)): Path<(WebhookEndpointId, WebhookMessageId)>,
) -> Result<StatusCode> {
    caller.require_admin()?;
    state.store.webhook_resend(&caller.scope, id, message_id).await.or_refused("message")?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_url(issues: &mut Issues, url: &str, allowed: &[IpAddr]) {
    outbound::check_url(issues, "url", url, "https://hooks.example.com/tidings", allowed);
}

fn check_description(issues: &mut Issues, description: &str) {
    let is_line =
        description.chars().count() <= DESCRIPTION_MAX && !description.chars().any(char::is_control);
    issues.require(
        is_line,
        "description",
        &format!("must be one line of at most {DESCRIPTION_MAX} characters"),
    );
}

fn check_events(issues: &mut Issues, events: &[WebhookEvent]) {
    let mut seen = Vec::new();
    for event in events {
        let is_new = !seen.contains(event);
        seen.push(*event);
        issues.require(
            is_new && *event != WebhookEvent::Test,
            "events",
            "must be different ones, and not `test`, which is sent when an admin asks for it",
        );
    }
    issues.require(!events.is_empty(), "events", "must name at least one event");
}

fn with_secret(webhook: store::Webhook, secret: &SecretString) -> WebhookWithSecret {
    WebhookWithSecret { webhook: webhook.into(), secret: secret.expose_secret().to_owned() }
}

impl From<store::Webhook> for Webhook {
    fn from(webhook: store::Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            description: webhook.description,
            events: webhook.events,
            on: webhook.off_reason.is_none(),
            off_reason: webhook.off_reason,
            off_at: webhook.off_at,
            failing_since: webhook.failing_since,
            old_secret_ends_at: webhook.old_secret_ends_at,
            created_at: webhook.created_at,
        }
    }
}

impl From<store::WebhookMessage> for WebhookMessage {
    fn from(message: store::WebhookMessage) -> Self {
        let attempts = message.attempts.into_iter().map(|attempt| WebhookAttempt {
            attempt: attempt.attempt,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            status_code: attempt.status_code,
            answer: attempt.answer,
        });
        Self {
            id: message.id,
            event: message.event,
            state: message.state,
            created_at: message.created_at,
            next_at: message.next_at,
            body: serde_json::from_str(&message.payload).unwrap_or_default(),
            attempts: attempts.collect(),
        }
    }
}
