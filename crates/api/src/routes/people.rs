//! Users (part B). Groups: `groups.rs`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{GroupId, UserId, WorkspaceId, access::Role};
use serde::{Deserialize, Serialize};
use store::{Cursor, MemberFilter, Page, Via};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Path, Query},
    page::{List, Part},
};

/// The most users or groups of a page.
pub(crate) const LIMIT_MAX: u32 = 500;
/// How many rows are read at once where all are needed.
pub(crate) const ROWS_AT_ONCE: u32 = 1_000;

/// A member of the workspace.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    id: UserId,
    name: String,
    email: String,
    role: Role,
    #[schema(required)]
    last_login_date: Option<DateTime<Utc>>,
}

/// The caller, as published clients know it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CurrentUser {
    #[serde(flatten)]
    user: User,
    org: Org,
    /// The token that was used; absent for the page's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<TokenExpiry>,
}

/// The workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Org {
    id: WorkspaceId,
}

/// When the token in use ends.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenExpiry {
    #[schema(required)]
    exp: Option<DateTime<Utc>>,
}

/// A member who was let out.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeactivatedUser {
    user: User,
}

/// How users are filtered, sorted and paged.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct UserListQuery {
    /// Cursor: what comes after it.
    after: Option<String>,
    /// Cursor: what comes before it.
    before: Option<String>,
    /// 1 to 500, 25 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// By name unless said otherwise.
    #[param(inline)]
    sort_by: Option<UserSort>,
    /// Ascending unless said otherwise.
    #[param(inline)]
    sort_direction: Option<SortDirection>,
    /// Only the members of this group.
    group_id: Option<GroupId>,
    /// Only these users: ids separated by commas.
    user_ids: Option<String>,
}

/// By what users are sorted.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum UserSort {
    Name,
    Email,
}

/// Which way.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SortDirection {
    Asc,
    Desc,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(user_get_current))
        .routes(routes!(user_list))
        .routes(routes!(user_deactivate))
        .routes(routes!(workspace_user_list))
}

/// The caller.
#[utoipa::path(get, path = "/users/me", tag = "people", responses((status = 200, body = CurrentUser)))]
pub(crate) async fn user_get_current(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<CurrentUser>> {
    let member = state.store.member_get(&caller.scope, caller.user_id).await.or_refused("user")?;
    let token = match &caller.via {
        Via::Session(_) => None,
        Via::Token { expires_at, .. } => Some(TokenExpiry { exp: *expires_at }),
    };
    Ok(axum::Json(CurrentUser {
        user: User::from(member.ok_or(Error::NotFound("user"))?),
        org: Org { id: caller.scope.workspace_id() },
        token,
    }))
}

/// The workspace's active members.
#[utoipa::path(get, path = "/users", tag = "people", params(UserListQuery),
    responses((status = 200, body = List<User>)))]
pub(crate) async fn user_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<UserListQuery>,
) -> Result<axum::Json<List<User>>> {
    let part = Part::new(query.limit, LIMIT_MAX, query.after.as_deref(), query.before.as_deref())?;
    let ids = query.user_ids.as_deref().map(read_ids).transpose()?;
    let filter = MemberFilter { group_id: query.group_id, ids, with_deactivated: false };
    let users = all_users(&state, &caller, &filter).await?;
    let is_descending = matches!(query.sort_direction, Some(SortDirection::Desc));
    Ok(axum::Json(part.cut(users, is_descending, |user| Cursor {
        key: match query.sort_by {
            Some(UserSort::Email) => user.email.clone(),
            None | Some(UserSort::Name) => user.name.to_lowercase(),
        },
        id: user.id.as_uuid(),
    })))
}

/// Let a member in no more: their sessions and tokens end at once, and their tasks are cancelled for good. For admins.
#[utoipa::path(post, path = "/users/{id}/deactivate", tag = "people", params(("id" = Uuid, Path)),
    responses((status = 200, body = DeactivatedUser)))]
pub(crate) async fn user_deactivate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<UserId>,
) -> Result<axum::Json<DeactivatedUser>> {
    let member = state.store.member_get(&caller.scope, id).await.or_refused("user")?;
    let member = member.ok_or(Error::NotFound("user"))?;
    caller.require_admin()?;
    if id == caller.user_id {
        let message = "another admin has to do this: nobody deactivates themselves".to_owned();
        return Err(Error::Conflict { reason: "self", message });
    }
    state.store.member_deactivate(&caller.scope, id).await.or_refused("user")?;
    Ok(axum::Json(DeactivatedUser { user: User::from(member) }))
}

/// All active members, as a bare array.
#[utoipa::path(get, path = "/workspace/users", tag = "people", responses((status = 200, body = Vec<User>)))]
pub(crate) async fn workspace_user_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<Vec<User>>> {
    all_users(&state, &caller, &MemberFilter::default()).await.map(axum::Json)
}

async fn all_users(state: &ApiState, caller: &Caller, filter: &MemberFilter) -> Result<Vec<User>> {
    let mut users = Vec::new();
    let mut page = Page::first(ROWS_AT_ONCE);
    loop {
        let members = state.store.member_list(&caller.scope, filter, &page).await.or_refused("user")?;
        users.extend(members.values.into_iter().map(User::from));
        let Some(next) = members.next else { return Ok(users) };
        page = Page::after(ROWS_AT_ONCE, Some(next));
    }
}

fn read_ids(text: &str) -> Result<Vec<UserId>> {
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| id.parse().map_err(|_| Error::field("userIds", format!("`{id}` is not an id")))).collect()
}

impl From<store::Member> for User {
    fn from(member: store::Member) -> Self {
        Self {
            id: member.id,
            name: member.name,
            email: member.email,
            role: member.role,
            last_login_date: member.last_seen_at,
        }
    }
}
