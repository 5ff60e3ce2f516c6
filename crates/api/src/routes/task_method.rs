//! The query pinned for a task's headline.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{ConnectionId, ResultId, TaskId, ThreadId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    routes::tasks::own,
};

/// The query that a task's runs replay, if one is pinned.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskMethod {
    /// Null where the agent alone chooses.
    #[schema(required)]
    pinned: Option<PinnedMethod>,
}

/// A pinned query. Each run replays it with its period moved, and says when it comes to other rows than the agent's own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PinnedMethod {
    sql: String,
    connection_id: ConnectionId,
    /// The instant as of which it was asked; "last week" in it is reckoned from there.
    as_of: DateTime<Utc>,
    /// The thread that it was taken from.
    thread_id: ThreadId,
    pinned_at: DateTime<Utc>,
}

/// Which query to pin.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskMethodRequest {
    /// A result of one of the task's runs. Null unpins.
    result_id: Option<ResultId>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(task_method_get, task_method_replace))
}

/// The query pinned for the task. For its creator.
#[utoipa::path(get, path = "/tasks/{id}/method", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = TaskMethod)))]
pub(crate) async fn task_method_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<axum::Json<TaskMethod>> {
    own(&state, &caller, id).await?;
    describe(&state, &caller, id).await
}

/// Pin the query of a result for the task, or unpin it. For its creator.
#[utoipa::path(put, path = "/tasks/{id}/method", tag = "tasks", request_body = TaskMethodRequest,
    params(("id" = Uuid, Path)), responses((status = 200, body = TaskMethod)))]
pub(crate) async fn task_method_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    Json(request): Json<TaskMethodRequest>,
) -> Result<axum::Json<TaskMethod>> {
    own(&state, &caller, id).await?;
    match request.result_id {
        Some(result) => state.store.task_method_pin(&caller.scope, id, result).await.or_refused("result")?,
        None => state.store.task_method_unpin(&caller.scope, id).await.or_refused("task")?,
    }
    describe(&state, &caller, id).await
}

async fn describe(state: &ApiState, caller: &Caller, id: TaskId) -> Result<axum::Json<TaskMethod>> {
    let pinned = state.store.task_method_get(&caller.scope, id).await.or_refused("task")?;
    let pinned = pinned.map(|pinned| PinnedMethod {
        sql: pinned.sql,
        connection_id: pinned.connection_id,
        as_of: pinned.as_of,
        thread_id: pinned.thread_id,
        pinned_at: pinned.pinned_at,
    });
    Ok(axum::Json(TaskMethod { pinned }))
}
