//! How a workspace's tasks run: how late, how many at once, and whether for ever.

use axum::extract::State;
use domain::workspace::WorkspaceSettings;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiState, Result, auth::Caller, error::StoreResult, extract::Json};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(workspace_settings_get, workspace_settings_replace))
}

/// How the workspace's tasks run.
#[utoipa::path(get, path = "/workspace/settings", tag = "workspace",
    responses((status = 200, body = WorkspaceSettings)))]
pub(crate) async fn workspace_settings_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<WorkspaceSettings>> {
    let workspace = state.store.workspace_get(&caller.scope).await.or_refused("workspace")?;
    Ok(axum::Json(workspace.settings))
}

/// Say how the workspace's tasks run. It holds from the next look of a scheduler or worker on: what is under way goes on, what
/// was missed stays missed, and a task without an expiration needs one when it is next saved. For admins.
#[utoipa::path(put, path = "/workspace/settings", tag = "workspace", request_body = WorkspaceSettings,
    responses((status = 200, body = WorkspaceSettings)))]
pub(crate) async fn workspace_settings_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Json(settings): Json<WorkspaceSettings>,
) -> Result<axum::Json<WorkspaceSettings>> {
    caller.require_admin()?;
    state.store.workspace_settings_put(&caller.scope, &settings).await.or_refused("workspace")?;
    Ok(axum::Json(settings))
}
