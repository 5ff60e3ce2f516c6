//! One delivery: what can be shown of it afterwards, and sending it again.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::{
    DeliveryId, RunId, TaskId, ThreadId, UserId,
    answer::Answer,
    audience::AudienceRecord,
    delivery::{Audience, Channel, DeliveryState},
};
use serde::Serialize;
use serde_json::Value;
use store::{ProvenAttempt, ProvenDecision};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result, auth::Caller, error::StoreResult, extract::Path, routes::runs::Recipient,
};

/// Why somebody else does not have a message sent again.
const NOT_THE_CREATOR: &str = "only the task's creator may have it sent again";

/// What can be shown of a delivery: what was sent to whom by which way, when, by whose rights, and how it ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryProof {
    id: DeliveryId,
    /// `answer`, or what word to the creator it is: `failure`, `recovery`, ...
    kind: String,
    channel: Channel,
    recipient: Recipient,
    state: DeliveryState,
    /// Why it failed, was withheld or suppressed, or why a part of it was left out: a code.
    #[schema(required)]
    reason: Option<String>,
    /// The reason as a sentence.
    #[schema(required)]
    message: Option<String>,
    /// The provider's id of the message: a Message-ID, or the timestamp that Slack knows it by.
    #[schema(required)]
    provider_id: Option<String>,
    /// Where the message stands in Slack; null for a mail, and where Slack has not said.
    #[schema(required)]
    slack_permalink: Option<String>,
    #[schema(required)]
    task_id: Option<TaskId>,
    /// The task's title; null for those who may not read what it is about.
    #[schema(required)]
    task_title: Option<String>,
    #[schema(required)]
    run_id: Option<RunId>,
    #[schema(required)]
    thread_id: Option<ThreadId>,
    created_at: DateTime<Utc>,
    #[schema(required)]
    sent_at: Option<DateTime<Utc>>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// Each attempt, oldest first, with what was decided for it.
    attempts: Vec<DeliveryAttempt>,
    /// How many of the answer's figures were found in its results; null where there is no answer.
    #[schema(required)]
    figures: Option<CheckedFigures>,
    /// The mail exactly as it was sent, in the Outbox; null where it is not kept or not for the caller.
    #[schema(required)]
    mail_id: Option<DeliveryId>,
    /// What was posted to Slack; null where it is not kept or not for the caller.
    #[schema(required, value_type = Option<Object>)]
    slack_message: Option<Value>,
    /// Whether the caller may read what it said. An admin who is not the creator may not.
    may_read: bool,
    /// Whether the caller may have it sent again now.
    may_send_again: bool,
    /// Why not: `the message is still on its way`; null where they may.
    #[schema(required)]
    send_again_refusal: Option<String>,
    /// The delivery that it repeats at somebody's request.
    #[schema(required)]
    repeats: Option<Repeats>,
    /// The deliveries that repeat it, oldest first.
    #[schema(value_type = Vec<Uuid>)]
    repeated_by: Vec<DeliveryId>,
}

/// What is repeated, and at whose request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Repeats {
    #[schema(value_type = Uuid)]
    delivery_id: DeliveryId,
    requested_by: UserId,
    requested_by_name: String,
}

/// One attempt to deliver.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryAttempt {
    /// From 1.
    attempt: u32,
    /// When bytes could leave; null where it ended before that.
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// Null while it is under way, and where nobody knows when it ended.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// `sent`, `retry`, `failed`, `unknown`, `withheld`, `suppressed`; null while it is under way.
    #[schema(required)]
    outcome: Option<String>,
    /// In the provider's words.
    #[schema(required)]
    message: Option<String>,
    /// What was decided for it about its recipient.
    #[schema(required)]
    decision: Option<AudienceDecision>,
}

/// How much a recipient was found to be allowed, and by what.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AudienceDecision {
    decided_at: DateTime<Utc>,
    audience: Audience,
    /// Why: a sentence.
    reason: String,
    /// The rights and policies that it rested on; null where none were in question.
    #[schema(required)]
    record: Option<AudienceRecord>,
    /// SHA-256 of the bytes that were handed over, in hexadecimal; null where none were made.
    #[schema(required)]
    content_sha256: Option<String>,
    #[schema(required)]
    content_bytes: Option<u32>,
}

/// The figures of an answer, by whether they were found in its results.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckedFigures {
    checked: usize,
    unchecked: usize,
    /// Each figure as shown; empty for those who may not read the answer.
    shown: Vec<CheckedFigure>,
}

/// A figure of an answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckedFigure {
    /// `f1`, `f2`, ...
    id: String,
    /// As shown: `58,665`.
    text: String,
    /// Whether it was found in the results.
    is_checked: bool,
}

/// A delivery that was queued.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueuedDelivery {
    #[schema(value_type = Uuid)]
    delivery_id: DeliveryId,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(delivery_get)).routes(routes!(delivery_send_again))
}

/// All that is known of one delivery. For its creator; without what it said, for admins.
#[utoipa::path(get, path = "/deliveries/{id}", tag = "runs", params(("id" = Uuid, Path)),
    responses((status = 200, body = DeliveryProof)))]
pub(crate) async fn delivery_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<DeliveryId>,
) -> Result<axum::Json<DeliveryProof>> {
    let proof = visible(&state, &caller, id).await?;
    let may_read = proof.creator_id == Some(caller.user_id);
    let answer = answer(&state, &caller, &proof).await?;
    let refusal = match proof.repeat_refusal {
        _ if !may_read => Some(NOT_THE_CREATOR.to_owned()),
        refusal => refusal.map(|refusal| refusal.to_string()),
    };
    Ok(axum::Json(DeliveryProof {
        id: proof.id,
        kind: proof.kind.as_str().to_owned(),
        channel: proof.channel,
        recipient: Recipient {
            user_id: proof.user_id,
            slack_channel_id: proof.slack_channel_id,
            label: proof.label,
        },
        state: proof.state,
        reason: proof.reason,
        message: proof.message,
        provider_id: proof.provider_id,
        slack_permalink: proof.slack_permalink,
        task_id: proof.task_id,
        task_title: proof.task_title.filter(|_| may_read),
        run_id: proof.run_id,
        thread_id: proof.thread_id,
        created_at: proof.created_at,
        sent_at: proof.sent_at,
        finished_at: proof.finished_at,
        attempts: proof.attempts.into_iter().map(DeliveryAttempt::from).collect(),
        figures: answer.map(|answer| CheckedFigures::of(answer, may_read)),
        mail_id: (may_read && proof.is_in_outbox).then_some(id),
        slack_message: proof.content.filter(|_| may_read),
        may_read,
        may_send_again: refusal.is_none(),
        send_again_refusal: refusal,
        repeats: proof.repeats.map(|(delivery_id, asker)| Repeats {
            delivery_id,
            requested_by: asker.id,
            requested_by_name: asker.name,
        }),
        repeated_by: proof.repeated_by,
    }))
}

/// Send a delivery's message once more to the same recipient, as a new delivery: their rights are looked at anew. Answers, notes and
/// notices alike; not while it is on its way, nor what is no longer so. For its task's creator.
#[utoipa::path(post, path = "/deliveries/{id}/send-again", tag = "runs", params(("id" = Uuid, Path)),
    responses((status = 202, body = QueuedDelivery)))]
pub(crate) async fn delivery_send_again(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<DeliveryId>,
) -> Result<(StatusCode, axum::Json<QueuedDelivery>)> {
    let proof = visible(&state, &caller, id).await?;
    if proof.creator_id != Some(caller.user_id) {
        return Err(Error::Forbidden(NOT_THE_CREATOR));
    }
    state.limits.take_run(caller.user_id, state.now())?;
    let again =
        state.store.delivery_send_again(&caller.scope, id, caller.user_id).await.or_refused("delivery")?;
    Ok(queued(again))
}

/// The answer to a delivery's being sent again.
pub(crate) fn queued(delivery_id: DeliveryId) -> (StatusCode, axum::Json<QueuedDelivery>) {
    (StatusCode::ACCEPTED, axum::Json(QueuedDelivery { delivery_id }))
}

/// A delivery about the caller's own; any of the workspace for admins.
async fn visible(state: &ApiState, caller: &Caller, id: DeliveryId) -> Result<store::DeliveryProof> {
    let proof = state.store.delivery_proof(&caller.scope, id).await.or_refused("delivery")?;
    proof
        .filter(|proof| proof.creator_id == Some(caller.user_id) || caller.role.is_admin())
        .ok_or(Error::NotFound("delivery"))
}

/// The answer that was delivered.
async fn answer(state: &ApiState, caller: &Caller, proof: &store::DeliveryProof) -> Result<Option<Answer>> {
    let Some((thread_id, turn_no)) = proof.thread_id.zip(proof.turn_no) else { return Ok(None) };
    let turns = state.store.turn_list(&caller.scope, thread_id).await.or_refused("thread")?;
    Ok(turns.into_iter().find(|turn| turn.turn_no == turn_no).and_then(|turn| turn.answer))
}

impl CheckedFigures {
    fn of(answer: Answer, may_read: bool) -> Self {
        let checked = answer.figures.iter().filter(|figure| figure.checked).count();
        let unchecked = answer.figures.len() - checked;
        let shown = answer.figures.into_iter().filter(|_| may_read).map(|figure| CheckedFigure {
            id: figure.id,
            text: figure.text,
            is_checked: figure.checked,
        });
        Self { checked, unchecked, shown: shown.collect() }
    }
}

impl From<ProvenAttempt> for DeliveryAttempt {
    fn from(attempt: ProvenAttempt) -> Self {
        Self {
            attempt: attempt.attempt,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            outcome: attempt.outcome,
            message: attempt.message,
            decision: attempt.decision.map(AudienceDecision::from),
        }
    }
}

impl From<ProvenDecision> for AudienceDecision {
    fn from(decision: ProvenDecision) -> Self {
        let (sha256, bytes) = decision.content.unzip();
        Self {
            decided_at: decision.decided_at,
            audience: decision.audience,
            reason: decision.reason,
            record: decision.record,
            content_sha256: sha256.map(hex::encode),
            content_bytes: bytes,
        }
    }
}
