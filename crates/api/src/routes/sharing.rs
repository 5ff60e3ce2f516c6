//! With whom a thread is shared.

use axum::extract::State;
use domain::{GroupId, ThreadId, UserId, access::ConnectionAccess, invalid::Issues};
use serde::{Deserialize, Serialize};
use store::Subject;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    routes::threads::own,
};

/// The most users, and groups, that a thread is shared with by name.
const SUBJECTS_MAX: usize = 100;

/// With whom a thread is shared. To open it one needs `view_results` on every connection that it used as well.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sharing {
    /// With everybody in the workspace.
    workspace: bool,
    users: Vec<SharedUser>,
    groups: Vec<SharedGroup>,
}

/// A user with whom a thread is shared.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SharedUser {
    id: UserId,
    name: String,
    /// Whether their rights on the connections let them open it.
    can_open: bool,
}

/// A group with which a thread is shared.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SharedGroup {
    id: GroupId,
    name: String,
}

/// With whom a thread is to be shared, in place of those it is shared with now.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SharingRequest {
    #[serde(default)]
    workspace: bool,
    /// At most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    user_ids: Vec<UserId>,
    /// At most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    group_ids: Vec<GroupId>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(sharing_get, sharing_replace))
}

/// With whom the thread is shared. For its creator.
#[utoipa::path(get, path = "/threads/{id}/sharing", tag = "threads", params(("id" = Uuid, Path)),
    responses((status = 200, body = Sharing)))]
pub(crate) async fn sharing_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<axum::Json<Sharing>> {
    own(&state, &caller, id).await?;
    describe(&state, &caller, id).await.map(axum::Json)
}

/// Share the thread. For its creator.
#[utoipa::path(put, path = "/threads/{id}/sharing", tag = "threads", request_body = SharingRequest,
    params(("id" = Uuid, Path)), responses((status = 200, body = Sharing)))]
pub(crate) async fn sharing_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
    Json(request): Json<SharingRequest>,
) -> Result<axum::Json<Sharing>> {
    own(&state, &caller, id).await?;
    let mut issues = Issues::default();
    let most = format!("at most {SUBJECTS_MAX}");
    issues.require(request.user_ids.len() <= SUBJECTS_MAX, "userIds", &most);
    issues.require(request.group_ids.len() <= SUBJECTS_MAX, "groupIds", &most);
    issues.into_result()?;
    let (mut user_ids, mut group_ids) = (request.user_ids, request.group_ids);
    user_ids.sort();
    user_ids.dedup();
    group_ids.sort();
    group_ids.dedup();
    let users = user_ids.into_iter().map(Subject::User);
    let groups = group_ids.into_iter().map(Subject::Group);
    let workspace = request.workspace.then_some(Subject::Workspace);
    let subjects: Vec<_> = users.chain(groups).chain(workspace).collect();
    if !subjects.is_empty() {
        require_shared_credentials(&state, &caller, id).await?;
    }
    state.store.thread_share_put(&caller.scope, id, &subjects).await.or_refused("thread")?;
    describe(&state, &caller, id).await.map(axum::Json)
}

/// Refuses to share a thread that used a connection whose credentials are not shared.
async fn require_shared_credentials(state: &ApiState, caller: &Caller, id: ThreadId) -> Result<()> {
    let used = state.store.thread_connections_used(&caller.scope, id).await.or_refused("thread")?;
    let facts =
        state.store.audience_facts(&caller.scope, caller.user_id, &used, &[]).await.or_refused("thread")?;
    match facts.data.connections.iter().find(|used| !used.rule.shares_credentials) {
        None => Ok(()),
        Some(used) => Err(Error::Conflict {
            reason: "credentials_not_shared",
            message: format!(
                "the thread used {}, whose credentials are not shared, and so stays yours alone",
                used.name
            ),
        }),
    }
}

async fn describe(state: &ApiState, caller: &Caller, id: ThreadId) -> Result<Sharing> {
    let shares = state.store.thread_share_list(&caller.scope, id).await.or_refused("thread")?;
    let used = state.store.thread_connections_used(&caller.scope, id).await.or_refused("thread")?;
    let mut sharing = Sharing { workspace: false, users: Vec::new(), groups: Vec::new() };
    for share in shares {
        match share.subject {
            Subject::Workspace => sharing.workspace = true,
            Subject::Group(id) => sharing.groups.push(SharedGroup { id, name: share.label }),
            Subject::User(user_id) => {
                let needed = ConnectionAccess::ViewResults;
                let denied = state.store.connections_denied(&caller.scope, user_id, &used, needed).await;
                let can_open = denied.or_refused("user")?.is_empty();
                sharing.users.push(SharedUser { id: user_id, name: share.label, can_open });
            }
        }
    }
    Ok(sharing)
}
