//! Who may do what with a connection.

use axum::extract::State;
use domain::{ConnectionId, GroupId, UserId, access::ConnectionAccess};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    page::List,
    routes::connections::managed,
};

/// The most grants of one connection.
const GRANTS_MAX: usize = 500;

/// What someone may do with a connection.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Grant {
    subject: Subject,
    access: ConnectionAccess,
}

/// A user, a group, or the whole workspace: one of the first three is set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subject {
    #[schema(required)]
    user_id: Option<UserId>,
    #[schema(required)]
    group_id: Option<GroupId>,
    workspace: bool,
    /// A name for people.
    label: String,
}

/// All grants of a connection, to replace the present ones.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrantsRequest {
    /// At most 500.
    #[schema(max_items = 500)]
    values: Vec<GrantRequest>,
}

/// What someone is to be allowed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrantRequest {
    subject: SubjectRequest,
    access: ConnectionAccess,
}

/// A user, a group, or the whole workspace: exactly one of the three.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct SubjectRequest {
    pub(crate) user_id: Option<UserId>,
    pub(crate) group_id: Option<GroupId>,
    pub(crate) workspace: bool,
    /// Ignored; accepted so that what was read can be sent back.
    #[serde(rename = "label")]
    _label: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(grant_list, grant_replace))
}

/// Who may do what with a connection. For those who manage it.
#[utoipa::path(get, path = "/data-connections/{id}/grants", tag = "data", params(("id" = Uuid, Path)),
    responses((status = 200, body = List<Grant>)))]
pub(crate) async fn grant_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<List<Grant>>> {
    managed(&state, &caller, id).await?;
    let grants = state.store.grant_list(&caller.scope, id).await.or_refused("connection")?;
    Ok(axum::Json(List::whole(grants.into_iter().map(Grant::from).collect())))
}

/// Replace the grants of a connection.
#[utoipa::path(put, path = "/data-connections/{id}/grants", tag = "data", request_body = GrantsRequest,
    params(("id" = Uuid, Path)), responses((status = 200, body = List<Grant>)))]
pub(crate) async fn grant_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Json(request): Json<GrantsRequest>,
) -> Result<axum::Json<List<Grant>>> {
    managed(&state, &caller, id).await?;
    if request.values.len() > GRANTS_MAX {
        return Err(Error::field("values", format!("at most {GRANTS_MAX} grants")));
    }
    let mut grants: Vec<store::Grant> = Vec::with_capacity(request.values.len());
    for (index, grant) in request.values.into_iter().enumerate() {
        let path = format!("values[{index}].subject");
        let subject = read_subject(&grant.subject, &path)?;
        if grants.iter().any(|other| other.subject == subject) {
            return Err(Error::field(path, "is named twice"));
        }
        grants.push(store::Grant { subject, label: String::new(), access: grant.access });
    }
    state.store.grant_put(&caller.scope, id, &grants).await.or_refused("connection")?;
    let grants = state.store.grant_list(&caller.scope, id).await.or_refused("connection")?;
    Ok(axum::Json(List::whole(grants.into_iter().map(Grant::from).collect())))
}

fn read_subject(subject: &SubjectRequest, path: &str) -> Result<store::Subject> {
    match (subject.user_id, subject.group_id, subject.workspace) {
        (Some(user), None, false) => Ok(store::Subject::User(user)),
        (None, Some(group), false) => Ok(store::Subject::Group(group)),
        (None, None, true) => Ok(store::Subject::Workspace),
        _ => Err(Error::field(path, "give one of `userId`, `groupId` and `workspace: true`")),
    }
}

impl From<store::Grant> for Grant {
    fn from(grant: store::Grant) -> Self {
        let (user_id, group_id) = match grant.subject {
            store::Subject::User(user) => (Some(user), None),
            store::Subject::Group(group) => (None, Some(group)),
            store::Subject::Workspace => (None, None),
        };
        let workspace = grant.subject == store::Subject::Workspace;
        Self { subject: Subject { user_id, group_id, workspace, label: grant.label }, access: grant.access }
    }
}
