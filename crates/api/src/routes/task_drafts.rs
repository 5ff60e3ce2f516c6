//! Tasks that were drafted in a thread's conversation, for its creator to review and save.

use axum::extract::State;
use domain::{ThreadId, step::StepBody, task_draft::TaskDraft};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result, auth::Caller, error::StoreResult, extract::Path, page::List, routes::threads::own,
};

/// The tool whose output is a draft.
const TOOL: &str = "create_task_draft";

/// A draft, and the turn that it was made in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DraftOfTurn {
    turn_no: u32,
    draft: TaskDraft,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(task_draft_list))
}

/// The tasks drafted in the thread, the last of each turn, in order. For its creator. Nothing of a draft is saved: it becomes a
/// task by being sent to `/tasks`.
#[utoipa::path(get, path = "/threads/{id}/task-drafts", tag = "threads", params(("id" = Uuid, Path)),
    responses((status = 200, body = List<DraftOfTurn>)))]
pub(crate) async fn task_draft_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<axum::Json<List<DraftOfTurn>>> {
    own(&state, &caller, id).await?;
    let steps = state.store.step_list(&caller.scope, id, 0).await.or_refused("thread")?;
    let mut drafts: Vec<DraftOfTurn> = Vec::new();
    for step in steps {
        let StepBody::Tool { name, output, is_error: false, .. } = step.body else { continue };
        let draft = output.get("draft").filter(|_| name == TOOL).cloned();
        // One that an older version wrote in another shape is none.
        let Some(draft) = draft.and_then(|draft| serde_json::from_value(draft).ok()) else { continue };
        drafts.retain(|known| known.turn_no != step.turn_no);
        drafts.push(DraftOfTurn { turn_no: step.turn_no, draft });
    }
    Ok(axum::Json(List::whole(drafts)))
}
