//! What readers think of answers.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{
    FeedbackId, ThreadId,
    feedback::{REASON_MAX, Rating},
    task::plain_prompt,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path, Query},
    page::{ForwardQuery, List},
    routes::threads::readable,
};

/// The caller's opinion of an answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Feedback {
    /// The turn whose answer it is about.
    turn_no: u32,
    rating: Rating,
    /// Why, in up to 1,000 characters; empty where none was given.
    reason: String,
}

/// An opinion of an answer, in place of the one that the caller had before.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FeedbackRequest {
    /// The turn whose answer it is about.
    turn_no: u32,
    /// Null takes the opinion back.
    rating: Option<Rating>,
    /// Why, in up to 1,000 characters.
    #[serde(default)]
    reason: String,
}

/// An opinion that was given on an answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceivedFeedback {
    id: FeedbackId,
    thread_id: ThreadId,
    turn_no: u32,
    rating: Rating,
    reason: String,
    /// The name of who gave it.
    by: String,
    /// The question. Null where the thread is not open to the caller and another than its creator gave the opinion.
    #[schema(required)]
    question: Option<String>,
    /// The answer's headline; null as `question` is.
    #[schema(required)]
    headline: Option<String>,
    /// Whether the caller may open the thread.
    may_open: bool,
    /// When it was given or last changed.
    updated_at: DateTime<Utc>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(feedback_get, feedback_replace)).routes(routes!(feedback_list))
}

/// The caller's opinions of the thread's answers. For whoever may read the thread.
#[utoipa::path(get, path = "/threads/{id}/feedback", tag = "threads", params(("id" = Uuid, Path)),
    responses((status = 200, body = List<Feedback>)))]
pub(crate) async fn feedback_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<axum::Json<List<Feedback>>> {
    readable(&state, &caller, id).await?;
    list_own(&state, &caller, id).await
}

/// Say what one thinks of an answer, or take it back: one opinion per person and answer. For whoever may read the thread.
#[utoipa::path(put, path = "/threads/{id}/feedback", tag = "threads", request_body = FeedbackRequest,
    params(("id" = Uuid, Path)), responses((status = 200, body = List<Feedback>)))]
pub(crate) async fn feedback_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
    Json(request): Json<FeedbackRequest>,
) -> Result<axum::Json<List<Feedback>>> {
    readable(&state, &caller, id).await?;
    let FeedbackRequest { turn_no, rating, reason } = request;
    if reason.chars().count() > REASON_MAX {
        return Err(Error::field("reason", format!("must have at most {REASON_MAX} characters")));
    }
    if i32::try_from(turn_no).is_err() {
        return Err(Error::NotFound("answer"));
    }
    let written = if let Some(rating) = rating {
        let feedback = store::Feedback { turn_no, rating, reason: reason.trim().to_owned() };
        state.store.feedback_put(&caller.scope, id, caller.user_id, &feedback).await
    } else {
        state.store.feedback_withdraw(&caller.scope, id, turn_no, caller.user_id).await
    };
    written.or_refused("answer")?;
    list_own(&state, &caller, id).await
}

/// The opinions on answers whose data the caller manages, latest first. Admins see also those on answers without data.
#[utoipa::path(get, path = "/feedback", tag = "threads", params(ForwardQuery),
    responses((status = 200, body = List<ReceivedFeedback>)))]
pub(crate) async fn feedback_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ForwardQuery>,
) -> Result<axum::Json<List<ReceivedFeedback>>> {
    let received = state
        .store
        .feedback_list(&caller.scope, caller.user_id, caller.role.is_admin(), &query.page()?)
        .await
        .or_refused("feedback")?;
    Ok(axum::Json(List::of(received, ReceivedFeedback::from)))
}

async fn list_own(state: &ApiState, caller: &Caller, id: ThreadId) -> Result<axum::Json<List<Feedback>>> {
    let own = state.store.feedback_list_own(&caller.scope, id, caller.user_id).await.or_refused("thread")?;
    Ok(axum::Json(List::whole(own.into_iter().map(Feedback::from).collect())))
}

impl From<store::Feedback> for Feedback {
    fn from(feedback: store::Feedback) -> Self {
        let store::Feedback { turn_no, rating, reason } = feedback;
        Self { turn_no, rating, reason }
    }
}

impl From<store::ReceivedFeedback> for ReceivedFeedback {
    fn from(received: store::ReceivedFeedback) -> Self {
        let (question, headline) = match received.subject {
            Some(subject) => (Some(plain_prompt(&subject.prompt)), Some(subject.headline)),
            None => (None, None),
        };
        Self {
            id: received.id,
            thread_id: received.thread_id,
            turn_no: received.feedback.turn_no,
            rating: received.feedback.rating,
            reason: received.feedback.reason,
            by: received.by,
            question,
            headline,
            may_open: received.may_open,
            updated_at: received.updated_at,
        }
    }
}
