//! Questions whose SQL was found right. The agent looks there before it plans.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, ResultId, ThreadId, VerifiedQuestionId,
    access::ConnectionAccess,
    question::{self, QUESTION_MAX},
    task::plain_prompt,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    page::List,
    routes::{connections::managed, threads::readable},
};

/// A question whose SQL was found right.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedQuestion {
    id: VerifiedQuestionId,
    question: String,
    /// As it ran. Its "last week" is reckoned from `asOf`; where the question asks for it again, its dates are moved along.
    sql: String,
    connection_id: ConnectionId,
    connection_name: String,
    as_of: DateTime<Utc>,
    /// The name of who verified it.
    verified_by: String,
    verified_at: DateTime<Utc>,
    /// Whether the caller may take the verification back.
    may_remove: bool,
}

/// A question and the SQL of one of the results of its answer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VerifiedQuestionRequest {
    /// The thread that the result is of.
    thread_id: ThreadId,
    /// The result whose SQL answers the question.
    result_id: ResultId,
    /// The question, in up to 2,000 characters; that of the result's turn when absent. Questions of the same words are one.
    question: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(verified_question_list, verified_question_put))
        .routes(routes!(verified_question_delete))
}

/// The verified questions on connections that the caller may query, latest first.
#[utoipa::path(get, path = "/verified-questions", tag = "data",
    responses((status = 200, body = List<VerifiedQuestion>)))]
pub(crate) async fn verified_question_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<List<VerifiedQuestion>>> {
    let found = state.store.verified_question_list(&caller.scope, caller.user_id, None).await;
    let found = found.or_refused("verified question")?;
    Ok(axum::Json(List::whole(found.into_iter().map(VerifiedQuestion::from).collect())))
}

/// Mark a question and the SQL of a result as verified, in place of what was verified for it before. For those who may read the
/// thread and manage the connection.
#[utoipa::path(put, path = "/verified-questions", tag = "data", request_body = VerifiedQuestionRequest,
    responses((status = 200, body = VerifiedQuestion)))]
pub(crate) async fn verified_question_put(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<VerifiedQuestionRequest>,
) -> Result<axum::Json<VerifiedQuestion>> {
    let VerifiedQuestionRequest { thread_id, result_id, question } = request;
    let unknown = |error| match error {
        Error::NotFound(thing) => Error::field("threadId", format!("there is no such {thing}")),
        other => other,
    };
    readable(&state, &caller, thread_id).await.map_err(unknown)?;
    let result = state.store.result_get(&caller.scope, result_id).await.or_refused("result")?;
    let result = result
        .filter(|result| result.thread_id == thread_id)
        .ok_or_else(|| Error::field("resultId", "the thread has no such result"))?;
    managed(&state, &caller, result.connection_id).await?;
    let question = match question {
        Some(question) => question,
        None => asked(&state, &caller, &result).await?,
    };
    let question = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if question::key(&question).is_empty() {
        return Err(Error::field("question", "write the question that the SQL answers"));
    }
    if question.chars().count() > QUESTION_MAX {
        return Err(Error::field("question", format!("must have at most {QUESTION_MAX} characters")));
    }
    let put = state.store.verified_question_put(&caller.scope, caller.user_id, result_id, &question).await;
    let id = put.or_refused("result")?;
    Ok(axum::Json(queryable(&state, &caller, id).await?.into()))
}

/// Take a verification back. For those who manage the connection.
#[utoipa::path(delete, path = "/verified-questions/{id}", tag = "data", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Taken back.")))]
pub(crate) async fn verified_question_delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<VerifiedQuestionId>,
) -> Result<StatusCode> {
    let verified = queryable(&state, &caller, id).await?;
    managed(&state, &caller, verified.connection_id).await?;
    state.store.verified_question_delete(&caller.scope, id).await.or_refused("verified question")?;
    Ok(StatusCode::NO_CONTENT)
}

/// A verified question of a connection that the caller may query. Any other is as good as none.
async fn queryable(
    state: &ApiState,
    caller: &Caller,
    id: VerifiedQuestionId,
) -> Result<store::VerifiedQuestion> {
    let found = state.store.verified_question_get(&caller.scope, caller.user_id, id).await;
    found.or_refused("verified question")?.ok_or(Error::NotFound("verified question"))
}

/// The question of a result's turn.
async fn asked(state: &ApiState, caller: &Caller, result: &store::StoredResult) -> Result<String> {
    let turns = state.store.turn_list(&caller.scope, result.thread_id).await.or_refused("thread")?;
    let turn = turns.into_iter().find(|turn| turn.turn_no == result.turn_no);
    turn.map(|turn| plain_prompt(&turn.prompt)).ok_or(Error::NotFound("result"))
}

impl From<store::VerifiedQuestion> for VerifiedQuestion {
    fn from(verified: store::VerifiedQuestion) -> Self {
        Self {
            id: verified.id,
            question: verified.question,
            sql: verified.sql,
            connection_id: verified.connection_id,
            connection_name: verified.connection_name,
            as_of: verified.as_of,
            verified_by: verified.verified_by,
            verified_at: verified.verified_at,
            may_remove: verified.access >= ConnectionAccess::Manage,
        }
    }
}
