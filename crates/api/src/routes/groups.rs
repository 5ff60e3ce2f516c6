//! Groups and who is in them (part B), for admins to change.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::{GroupId, UserId};
use serde::{Deserialize, Serialize};
use store::{Cursor, Page};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path, Query},
    page::{List, Part},
    routes::people::{LIMIT_MAX, ROWS_AT_ONCE},
};

/// The longest name, in characters.
const NAME_MAX: usize = 200;
/// The most members that one request adds or removes.
const MEMBERS_MAX: usize = 500;

/// A named set of members.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    id: GroupId,
    name: String,
    created_at: DateTime<Utc>,
    /// How many members it has.
    member_count: usize,
}

/// A group to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct GroupRequest {
    /// 1 to 200 characters, unique in the workspace regardless of case.
    name: String,
    members: Option<GroupUsers>,
}

/// Some users.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct GroupUsers {
    /// At most 500.
    #[schema(max_items = 500)]
    users: Option<Vec<GroupUser>>,
}

/// A user by id.
#[derive(Deserialize, ToSchema)]
pub(crate) struct GroupUser {
    id: UserId,
}

/// Changes to a group. What is absent stays.
#[derive(Deserialize, ToSchema)]
pub(crate) struct GroupPatch {
    name: Option<String>,
    members: Option<GroupMembersPatch>,
}

/// Who joins and who leaves.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct GroupMembersPatch {
    add: Option<GroupUsers>,
    remove: Option<GroupUsers>,
}

/// How groups are paged.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupListQuery {
    /// Cursor: what comes after it.
    after: Option<String>,
    /// Cursor: what comes before it.
    before: Option<String>,
    /// 1 to 500, 25 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(group_list, group_create))
        .routes(routes!(group_get, group_update, group_delete))
        .routes(routes!(workspace_group_list))
}

/// The workspace's groups, by name.
#[utoipa::path(get, path = "/groups", tag = "people", params(GroupListQuery),
    responses((status = 200, body = List<Group>)))]
pub(crate) async fn group_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<GroupListQuery>,
) -> Result<axum::Json<List<Group>>> {
    let part = Part::new(query.limit, LIMIT_MAX, query.after.as_deref(), query.before.as_deref())?;
    let groups = all(&state, &caller).await?;
    let list =
        part.cut(groups, false, |group| Cursor { key: group.name.to_lowercase(), id: group.id.as_uuid() });
    Ok(axum::Json(list))
}

/// Make a group. For admins.
#[utoipa::path(post, path = "/groups", tag = "people", request_body = GroupRequest,
    responses((status = 201, body = Group)))]
pub(crate) async fn group_create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<GroupRequest>,
) -> Result<Response> {
    caller.require_admin()?;
    let name = check_name(&request.name)?;
    let members = read_members(request.members, "members.users")?;
    let id = state.store.group_create(&caller.scope, &name, &members).await.or_refused("group")?;
    created(&state, &caller, id).await
}

/// The answer to the creation of a group, right after it or later.
pub(crate) async fn created(state: &ApiState, caller: &Caller, id: GroupId) -> Result<Response> {
    let group = find(state, caller, id).await?;
    Ok((StatusCode::CREATED, axum::Json(group)).into_response())
}

/// One group.
#[utoipa::path(get, path = "/groups/{id}", tag = "people", params(("id" = Uuid, Path)),
    responses((status = 200, body = Group)))]
pub(crate) async fn group_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<GroupId>,
) -> Result<axum::Json<Group>> {
    find(&state, &caller, id).await.map(axum::Json)
}

/// Rename a group, add members and remove some. For admins.
#[utoipa::path(patch, path = "/groups/{id}", tag = "people", request_body = Option<GroupPatch>,
    params(("id" = Uuid, Path)), responses((status = 200, body = Group)))]
pub(crate) async fn group_update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<GroupId>,
    Json(patch): Json<GroupPatch>,
) -> Result<axum::Json<Group>> {
    find(&state, &caller, id).await?;
    caller.require_admin()?;
    let name = patch.name.as_deref().map(check_name).transpose()?;
    let members = patch.members.unwrap_or_default();
    let add = read_members(members.add, "members.add.users")?;
    let remove = read_members(members.remove, "members.remove.users")?;
    state.store.group_update(&caller.scope, id, name.as_deref(), &add, &remove).await.or_refused("group")?;
    find(&state, &caller, id).await.map(axum::Json)
}

/// Delete a group, and with it what was granted to it. For admins.
#[utoipa::path(delete, path = "/groups/{id}", tag = "people", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Deleted.")))]
pub(crate) async fn group_delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<GroupId>,
) -> Result<StatusCode> {
    find(&state, &caller, id).await?;
    caller.require_admin()?;
    state.store.group_delete(&caller.scope, id).await.or_refused("group")?;
    Ok(StatusCode::NO_CONTENT)
}

/// All groups, as a bare array.
#[utoipa::path(get, path = "/workspace/groups", tag = "people", responses((status = 200, body = Vec<Group>)))]
pub(crate) async fn workspace_group_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<Vec<Group>>> {
    all(&state, &caller).await.map(axum::Json)
}

async fn find(state: &ApiState, caller: &Caller, id: GroupId) -> Result<Group> {
    let group = state.store.group_get(&caller.scope, id).await.or_refused("group")?;
    group.map(Group::from).ok_or(Error::NotFound("group"))
}

async fn all(state: &ApiState, caller: &Caller) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let mut page = Page::first(ROWS_AT_ONCE);
    loop {
        let found = state.store.group_list(&caller.scope, &page).await.or_refused("group")?;
        groups.extend(found.values.into_iter().map(Group::from));
        let Some(next) = found.next else { return Ok(groups) };
        page = Page::after(ROWS_AT_ONCE, Some(next));
    }
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    let is_fine = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if is_fine {
        return Ok(name.to_owned());
    }
    Err(Error::field("name", format!("must be one line of 1 to {NAME_MAX} characters")))
}

fn read_members(users: Option<GroupUsers>, path: &str) -> Result<Vec<UserId>> {
    let users = users.and_then(|users| users.users).unwrap_or_default();
    if users.len() > MEMBERS_MAX {
        return Err(Error::field(path, format!("at most {MEMBERS_MAX} users")));
    }
    Ok(users.into_iter().map(|user| user.id).collect())
}

impl From<store::Group> for Group {
    fn from(group: store::Group) -> Self {
        Self {
            id: group.id,
            name: group.name,
            created_at: group.created_at,
            member_count: group.member_ids.len(),
        }
    }
}
