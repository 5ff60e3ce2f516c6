//! Places that messages do not reach, and trying them again.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::{DestinationId, TaskId, UserId, delivery::Channel, destination};
use serde::{Deserialize, Serialize};
use store::DestinationsOf;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Path, Query},
    page::List,
};

/// A place that messages do not reach.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Destination {
    id: DestinationId,
    channel: Channel,
    /// The member that it belongs to; null for a Slack channel.
    #[schema(required)]
    user_id: Option<UserId>,
    /// As shown.
    label: String,
    /// Messages given up in a row.
    failures: u32,
    /// Why the last one was: a code.
    reason: String,
    /// The reason in words.
    sentence: String,
    /// What to do about it.
    advice: String,
    /// What was answered.
    #[schema(required)]
    message: Option<String>,
    /// Since when none arrived.
    failing_since: DateTime<Utc>,
    /// Since when nothing is sent to it; null while it is tried.
    #[schema(required)]
    paused_at: Option<DateTime<Utc>>,
}

/// Which places.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationQuery {
    /// Those that this task of the caller's names.
    #[param(value_type = Option<String>, format = Uuid)]
    task_id: Option<TaskId>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(destination_list)).routes(routes!(destination_resume))
}

/// Places that messages do not reach: one's own, and those of one's tasks; all of the workspace for admins.
#[utoipa::path(get, path = "/destinations", tag = "destinations", params(DestinationQuery),
    responses((status = 200, body = List<Destination>)))]
pub(crate) async fn destination_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<DestinationQuery>,
) -> Result<axum::Json<List<Destination>>> {
    let of = match query.task_id {
        Some(task_id) => {
            let task = state.store.task_get(&caller.scope, task_id).await.or_refused("task")?;
            task.filter(|task| task.creator_id == caller.user_id)
                .ok_or_else(|| Error::field("taskId", "is no task of yours"))?;
            DestinationsOf::Task(task_id)
        }
        None => whose(&caller),
    };
    let found = state.store.destination_list(&caller.scope, of).await.or_refused("task")?;
    Ok(axum::Json(List::whole(found.into_iter().map(Destination::from).collect())))
}

/// Try a place again: what is sent to it from now on is tried. For whom it belongs to or concerns, and admins.
#[utoipa::path(post, path = "/destinations/{id}/resume", tag = "destinations", params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is tried again.")))]
pub(crate) async fn destination_resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<DestinationId>,
) -> Result<StatusCode> {
    const WHAT: &str = "destination";
    let seen = state.store.destination_list(&caller.scope, whose(&caller)).await.or_refused(WHAT)?;
    if !seen.iter().any(|destination| destination.id == id) {
        return Err(Error::NotFound(WHAT));
    }
    state.store.destination_resume(&caller.scope, id).await.or_refused(WHAT)?;
    Ok(StatusCode::NO_CONTENT)
}

fn whose(caller: &Caller) -> DestinationsOf {
    if caller.role.is_admin() { DestinationsOf::Workspace } else { DestinationsOf::Member(caller.user_id) }
}

impl From<store::Destination> for Destination {
    fn from(place: store::Destination) -> Self {
        let (sentence, advice) = destination::words(&place.reason);
        Self {
            id: place.id,
            channel: place.channel,
            user_id: place.user_id,
            label: place.label,
            failures: place.failures,
            sentence: sentence.to_owned(),
            advice: advice.to_owned(),
            reason: place.reason,
            message: place.message,
            failing_since: place.failing_since,
            paused_at: place.paused_at,
        }
    }
}
