//! The quiet list: tasks whose messages one does not want, whoever's they are.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::TaskId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiState, Error, Result, auth::Caller, error::StoreResult, extract::Path, page::List};

/// A task whose messages the caller does not want.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuietTask {
    id: TaskId,
    /// As its messages were titled.
    title: String,
    /// Until when; null where it is for good.
    #[schema(required)]
    until: Option<DateTime<Utc>>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(quiet_task_list)).routes(routes!(quiet_task_add, quiet_task_remove))
}

/// Tasks whose messages one does not want.
#[utoipa::path(get, path = "/me/quiet-tasks", tag = "me", responses((status = 200, body = List<QuietTask>)))]
pub(crate) async fn quiet_task_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<List<QuietTask>>> {
    let tasks = state.store.quiet_task_list(&caller.scope, caller.user_id).await.or_refused("task")?;
    let tasks = tasks.into_iter().map(|task| QuietTask { id: task.id, title: task.title, until: task.until });
    Ok(axum::Json(List::whole(tasks.collect())))
}

/// Want no more messages of a task: one's own, or one that one got messages of.
#[utoipa::path(put, path = "/me/quiet-tasks/{id}", tag = "me", params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is quiet.")))]
pub(crate) async fn quiet_task_add(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<StatusCode> {
    state.store.quiet_task_add(&caller.scope, caller.user_id, id).await.or_refused("task")?;
    Ok(StatusCode::NO_CONTENT)
}

/// Want a task's messages again.
#[utoipa::path(delete, path = "/me/quiet-tasks/{id}", tag = "me", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Its messages come again.")))]
pub(crate) async fn quiet_task_remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<StatusCode> {
    let was_quiet =
        state.store.quiet_task_remove(&caller.scope, caller.user_id, id).await.or_refused("task")?;
    if was_quiet { Ok(StatusCode::NO_CONTENT) } else { Err(Error::NotFound("task")) }
}
