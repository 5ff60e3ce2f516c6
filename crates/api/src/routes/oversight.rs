//! The workspace's tasks as its admins see them: that they exist, how they stand, what they cost.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{TaskId, run::RunStatus, task::TaskStatus};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result,
    auth::Caller,
    error::StoreResult,
    extract::Query,
    page::{ForwardQuery, List},
    routes::threads::Person,
};

/// A task without its title and its prompt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskOversight {
    id: TaskId,
    creator: Person,
    status: TaskStatus,
    /// Why it is not active.
    #[schema(required)]
    status_reason: Option<String>,
    /// When its next delivery window opens.
    #[schema(required)]
    next_run_at: Option<DateTime<Utc>>,
    /// How its latest run stands.
    #[schema(required)]
    last_run_status: Option<RunStatus>,
    #[schema(required)]
    last_run_finished_at: Option<DateTime<Utc>>,
    /// How often it ran.
    runs: u64,
    /// What all its runs cost.
    credits: f64,
    created_at: DateTime<Utc>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(task_oversight_list))
}

/// All tasks of the workspace, newest first, without what they are about. For admins.
#[utoipa::path(get, path = "/workspace/tasks", tag = "tasks", params(ForwardQuery),
    responses((status = 200, body = List<TaskOversight>)))]
pub(crate) async fn task_oversight_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ForwardQuery>,
) -> Result<axum::Json<List<TaskOversight>>> {
    caller.require_admin()?;
    let tasks = state.store.task_oversight_list(&caller.scope, &query.page()?).await.or_refused("task")?;
    Ok(axum::Json(List::of(tasks, TaskOversight::from)))
}

impl From<store::TaskOversight> for TaskOversight {
    fn from(task: store::TaskOversight) -> Self {
        Self {
            id: task.id,
            creator: Person { id: task.creator_id, name: task.creator_name },
            status: task.status,
            status_reason: task.status_reason,
            next_run_at: task.next_opens_at,
            last_run_status: task.last_run_status,
            last_run_finished_at: task.last_run_finished_at,
            runs: task.runs,
            credits: task.credits,
            created_at: task.created_at,
        }
    }
}
