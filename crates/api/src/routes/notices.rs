//! Notices: word to a person about their tasks, whatever way it also went out by.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::{NoticeId, RunId, TaskId, notice::NoticeKind};
use serde::{Deserialize, Serialize};
use store::PageNotice;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Query},
    page::{ForwardQuery, List},
};

/// Word to the caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notice {
    id: NoticeId,
    kind: NoticeKind,
    #[schema(required)]
    task_id: Option<TaskId>,
    #[schema(required)]
    run_id: Option<RunId>,
    /// What happened.
    headline: String,
    /// What to do about it.
    advice: String,
    /// What went wrong, in the words of whoever noticed.
    #[schema(required)]
    details: Option<String>,
    created_at: DateTime<Utc>,
    #[schema(required)]
    read_at: Option<DateTime<Utc>>,
}

/// How far the caller has read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NoticesRead {
    /// The newest notice that was read; all older ones were, too.
    up_to: NoticeId,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(notice_list)).routes(routes!(notice_read))
}

/// The caller's notices, newest first.
#[utoipa::path(get, path = "/notices", tag = "me", params(ForwardQuery),
    responses((status = 200, body = List<Notice>)))]
pub(crate) async fn notice_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ForwardQuery>,
) -> Result<axum::Json<List<Notice>>> {
    let notices = state.store.notice_list(&caller.scope, caller.user_id, &query.page()?).await;
    Ok(axum::Json(List::of(notices.or_refused("notice")?, Notice::from)))
}

/// Note that the caller has read their notices.
#[utoipa::path(post, path = "/notices/read", tag = "me", request_body = NoticesRead,
    responses((status = 204, description = "Noted.")))]
pub(crate) async fn notice_read(
    State(state): State<ApiState>,
    caller: Caller,
    Json(read): Json<NoticesRead>,
) -> Result<StatusCode> {
    state.store.notice_read(&caller.scope, caller.user_id, read.up_to).await.or_refused("notice")?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<PageNotice> for Notice {
    fn from(notice: PageNotice) -> Self {
        Self {
            id: notice.id,
            kind: notice.kind,
            task_id: notice.task_id,
            run_id: notice.run_id,
            headline: notice.headline,
            advice: notice.advice,
            details: notice.details,
            created_at: notice.created_at,
            read_at: notice.read_at,
        }
    }
}
