//! Tasks: saved questions. A task is its creator's alone.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, Invalid, RunId, TaskId, ThreadId,
    condition::Condition,
    credit_cap::CreditCaps,
    freshness::FreshnessGate,
    run::RunStatus,
    schedule::{Schedule, ScheduleSpec},
    task::{self, Context, ContextKind, Notification, TaskSpec, TaskStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Cursor, Page, TaskFilter};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    etag::{IfMatch, etag},
    extract::{Given, Json, Path, Query},
    page::{LIMIT_MAX, List, Part, page},
    routes::people::SortDirection,
    slack,
};

/// How many rows are read at once where all are needed.
const ROWS_AT_ONCE: u32 = 1_000;

/// A saved question. Its ETag is its `version`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    id: TaskId,
    title: String,
    /// The question. A mention is written `@[label](connection:ID)`.
    prompt: String,
    context: Context,
    schedule: ScheduleSpec,
    /// `Every Monday, 09:00 to 11:00, Europe/Berlin`.
    schedule_in_words: String,
    notification: Notification,
    /// When its answer is sent. Null: always.
    #[schema(required)]
    condition: Option<Condition>,
    /// The condition as it goes on after "Only when": `revenue is below 500`.
    #[schema(required)]
    condition_in_words: Option<String>,
    /// Whether its scheduled runs wait for fresh data. Null: they do not.
    #[schema(required)]
    freshness: Option<FreshnessGate>,
    /// The most that its runs may cost.
    caps: CreditCaps,
    /// Null: never.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    status: TaskStatus,
    /// Why it is not active.
    #[schema(required)]
    status_reason: Option<String>,
    /// When its next delivery window opens.
    #[schema(required)]
    next_run_at: Option<DateTime<Utc>>,
    #[schema(required)]
    last_run: Option<LastRun>,
    #[schema(required)]
    latest_thread_id: Option<ThreadId>,
    /// What the context or the prompt mentions and is no longer there.
    missing_context: Vec<MissingContext>,
    version: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// How a task's latest run stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastRun {
    id: RunId,
    status: RunStatus,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    #[schema(required)]
    thread_id: Option<ThreadId>,
}

/// Something that a task refers to and that was deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MissingContext {
    kind: ContextKind,
    #[schema(value_type = Uuid)]
    id: ConnectionId,
    /// What it was called.
    label: String,
}

/// A task to be saved.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskRequest {
    /// 1 to 150 characters, one line.
    title: String,
    /// The question: 1 to 20,000 characters. Mentions join `context`.
    prompt: String,
    #[serde(default)]
    context: Context,
    schedule: ScheduleSpec,
    #[serde(default)]
    notification: Notification,
    /// When its answer is sent. Absent or null: always.
    #[serde(default)]
    condition: Option<Condition>,
    /// Whether its scheduled runs wait for fresh data. Absent or null: they do not.
    #[serde(default)]
    freshness: Option<FreshnessGate>,
    /// The most that its runs may cost. Absent: no caps of its own.
    #[serde(default)]
    caps: CreditCaps,
    /// When it stops firing. Absent: six months ahead. Null: never, where the workspace allows it.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Given<DateTime<Utc>>,
}

/// Changes to a task. What is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskPatch {
    title: Option<String>,
    prompt: Option<String>,
    context: Option<Context>,
    schedule: Option<ScheduleSpec>,
    notification: Option<Notification>,
    /// Null: its answer is always sent.
    #[serde(default)]
    #[schema(value_type = Option<Condition>)]
    condition: Given<Condition>,
    /// Null: its runs wait for nothing.
    #[serde(default)]
    #[schema(value_type = Option<FreshnessGate>)]
    freshness: Given<FreshnessGate>,
    /// Both caps: what is absent in them is no cap.
    caps: Option<CreditCaps>,
    /// Null: never.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Given<DateTime<Utc>>,
}

/// A later expiration.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExtendRequest {
    /// When the task stops firing. Null: never, where the workspace allows it.
    #[schema(required)]
    #[serde(deserialize_with = "crate::extract::nullable")]
    expires_at: Option<DateTime<Utc>>,
}

/// How to run a task now.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RunRequest {
    /// Deliver to the caller only.
    test_to_me: bool,
}

/// A run that was queued.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartedRun {
    run_id: RunId,
    thread_id: ThreadId,
}

/// How tasks are filtered, sorted and paged.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskListQuery {
    /// Only tasks of this status.
    status: Option<TaskStatus>,
    /// Only tasks whose title or prompt holds this text, regardless of case.
    q: Option<String>,
    /// `createdAt`, newest first, unless said otherwise.
    #[param(inline)]
    sort_by: Option<TaskSort>,
    /// The sort's natural direction unless said otherwise.
    #[param(inline)]
    sort_direction: Option<SortDirection>,
    /// Cursor: what comes after it.
    after: Option<String>,
    /// Cursor: what comes before it.
    before: Option<String>,
    /// 1 to 100, 25 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// By what tasks are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TaskSort {
    NextRunAt,
    Title,
    CreatedAt,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(task_list, task_create))
        .routes(routes!(task_get, task_update, task_delete))
        .routes(routes!(task_pause))
        .routes(routes!(task_resume))
        .routes(routes!(task_extend))
        .routes(routes!(task_duplicate))
        .routes(routes!(task_run))
}

/// The caller's tasks.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(TaskListQuery),
    responses((status = 200, body = List<Task>)))]
pub(crate) async fn task_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<TaskListQuery>,
) -> Result<axum::Json<List<Task>>> {
    let filter = TaskFilter {
        creator_id: Some(caller.user_id),
        status: query.status,
        text: query.q.filter(|q| !q.is_empty()),
    };
    let sort = query.sort_by.unwrap_or(TaskSort::CreatedAt);
    let is_natural = match query.sort_direction {
        None => true,
        Some(SortDirection::Asc) => sort != TaskSort::CreatedAt,
        Some(SortDirection::Desc) => sort == TaskSort::CreatedAt,
    };
    if is_natural && query.before.is_none() {
        let page = page(query.limit, query.after.as_deref())?;
        let tasks =
            state.store.task_list(&caller.scope, &filter, sort.into(), &page).await.or_refused("task")?;
        return Ok(axum::Json(List::of(tasks, Task::of)));
    }
    // Against its natural direction a list is read as a whole: a person's tasks are few.
    let part = Part::new(query.limit, LIMIT_MAX, query.after.as_deref(), query.before.as_deref())?;
    let mut tasks = Vec::new();
    let mut page = Page::first(ROWS_AT_ONCE);
    loop {
        let found =
            state.store.task_list(&caller.scope, &filter, sort.into(), &page).await.or_refused("task")?;
        tasks.extend(found.values);
        let Some(next) = found.next else { break };
        page = Page::after(ROWS_AT_ONCE, Some(next));
    }
    let is_descending = is_natural == (sort == TaskSort::CreatedAt);
    let list = part.cut(tasks, is_descending, |task| Cursor {
        key: match sort {
            TaskSort::CreatedAt => String::new(),
            TaskSort::Title => task.title.to_lowercase(),
            TaskSort::NextRunAt => task.next.map_or_else(|| "~".to_owned(), |next| next.due_at.to_rfc3339()),
        },
        id: task.id.as_uuid(),
    });
    Ok(axum::Json(list.map(Task::of)))
}

/// Save a task. It fires from the next window that opens after this moment.
#[utoipa::path(post, path = "/tasks", tag = "tasks", request_body = TaskRequest,
    responses((status = 201, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<TaskRequest>,
) -> Result<impl IntoResponse> {
    caller.require_asking()?;
    let now = state.store.now().await.or_refused("task")?;
    let mut spec = TaskSpec {
        title: request.title,
        prompt: request.prompt,
        context: request.context,
        schedule: request.schedule,
        notification: request.notification,
        condition: request.condition,
        freshness: request.freshness,
        caps: request.caps,
        expires_at: request.expires_at.or_else(|| Some(task::default_expiration(now))),
    };
    let schedule = check(&state, &caller, &mut spec, now).await?;
    let made =
        state.store.task_create(&caller.scope, caller.user_id, &spec, &schedule).await.or_refused("task")?;
    Ok(answer_created(made))
}

fn answer_created(task: store::Task) -> Response {
    (StatusCode::CREATED, etag(task.version), axum::Json(Task::of(task))).into_response()
}

/// The answer to the creation of a task, some time after it.
pub(crate) async fn created(state: &ApiState, caller: &Caller, id: TaskId) -> Result<Response> {
    own(state, caller, id).await.map(answer_created)
}

/// The answer to the duplication of a task, some time after the copy was made.
pub(crate) async fn duplicated(state: &ApiState, caller: &Caller, id: TaskId) -> Result<Response> {
    own(state, caller, id).await.map(answer_duplicated)
}

fn answer_duplicated(copy: store::Task) -> Response {
    (etag(copy.version), axum::Json(Task::of(copy))).into_response()
}

/// The answer to the start of a run, some time after it; `details` are those of the audit log.
pub(crate) async fn started(state: &ApiState, caller: &Caller, details: &Value) -> Result<Response> {
    let run_id: RunId = RunId::deserialize(&details["runId"]).map_err(Error::internal)?;
    let run = state.store.run_get(&caller.scope, run_id).await.or_refused("run")?;
    let thread_id = run.and_then(|run| run.thread_id).ok_or(Error::NotFound("run"))?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id, thread_id })).into_response())
}

/// One task.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<impl IntoResponse> {
    let task = own(&state, &caller, id).await?;
    Ok((etag(task.version), axum::Json(Task::of(task))))
}

/// Change a task. With `If-Match`, only if nobody changed it meanwhile.
#[utoipa::path(patch, path = "/tasks/{id}", tag = "tasks", request_body = Option<TaskPatch>,
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    responses((status = 200, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    IfMatch(expected): IfMatch,
    Json(patch): Json<TaskPatch>,
) -> Result<impl IntoResponse> {
    let before = own(&state, &caller, id).await?;
    if expected.is_some_and(|expected| expected != before.version) {
        return Err(Error::PreconditionFailed);
    }
    let now = state.store.now().await.or_refused("task")?;
    let mut spec = before.spec();
    spec.title = patch.title.unwrap_or(spec.title);
    spec.prompt = patch.prompt.unwrap_or(spec.prompt);
    spec.context = patch.context.unwrap_or(spec.context);
    spec.schedule = patch.schedule.unwrap_or(spec.schedule);
    spec.notification = patch.notification.unwrap_or(spec.notification);
    spec.condition = patch.condition.or_else(|| spec.condition);
    spec.freshness = patch.freshness.or_else(|| spec.freshness);
    spec.caps = patch.caps.unwrap_or(spec.caps);
    spec.expires_at = patch.expires_at.or_else(|| spec.expires_at);
    let schedule = check(&state, &caller, &mut spec, now).await?;
    // The version that was read: two changes at once do not mix.
    let version = Some(before.version);
    let changed =
        state.store.task_update(&caller.scope, id, &spec, &schedule, version).await.or_refused("task")?;
    Ok((etag(changed.version), axum::Json(Task::of(changed))))
}

/// Delete a task. Its threads stay.
#[utoipa::path(delete, path = "/tasks/{id}", tag = "tasks",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Deleted.")))]
pub(crate) async fn task_delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode> {
    let task = own(&state, &caller, id).await?;
    if expected.is_some_and(|expected| expected != task.version) {
        return Err(Error::PreconditionFailed);
    }
    state.store.task_delete(&caller.scope, id).await.or_refused("task")?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop firing until resumed. A run that has started goes on.
#[utoipa::path(post, path = "/tasks/{id}/pause", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<impl IntoResponse> {
    own(&state, &caller, id).await?;
    let task = state.store.task_pause(&caller.scope, id).await.or_refused("task")?;
    Ok((etag(task.version), axum::Json(Task::of(task))))
}

/// Fire again, from the next window on. Nothing is backfilled.
#[utoipa::path(post, path = "/tasks/{id}/resume", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<impl IntoResponse> {
    own(&state, &caller, id).await?;
    let task = state.store.task_resume(&caller.scope, id).await.or_refused("task")?;
    Ok((etag(task.version), axum::Json(Task::of(task))))
}

/// Move the expiration. An expired task is active again.
#[utoipa::path(post, path = "/tasks/{id}/extend", tag = "tasks", request_body = ExtendRequest,
    params(("id" = Uuid, Path)), responses((status = 200, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_extend(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    Json(request): Json<ExtendRequest>,
) -> Result<impl IntoResponse> {
    own(&state, &caller, id).await?;
    if request.expires_at.is_none() && !may_never_expire(&state, &caller).await? {
        return Err(Error::field("expiresAt", "this workspace does not allow tasks that never expire"));
    }
    let task = state.store.task_extend(&caller.scope, id, request.expires_at).await.or_refused("task")?;
    Ok((etag(task.version), axum::Json(Task::of(task))))
}

/// A paused copy of a task.
#[utoipa::path(post, path = "/tasks/{id}/duplicate", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Task, headers(("ETag" = String)))))]
pub(crate) async fn task_duplicate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<impl IntoResponse> {
    caller.require_asking()?;
    let original = own(&state, &caller, id).await?;
    let now = state.store.now().await.or_refused("task")?;
    let mut spec = original.spec();
    spec.title = format!("Copy of {}", spec.title).chars().take(task::TITLE_MAX).collect();
    // The original's has come, or it has none from a time when the workspace allowed that.
    let may_keep_expiration = match spec.expires_at {
        Some(expires_at) => expires_at > now,
        None => may_never_expire(&state, &caller).await?,
    };
    if !may_keep_expiration {
        spec.expires_at = Some(task::default_expiration(now));
    }
    let schedule = check(&state, &caller, &mut spec, now).await?;
    let copy = state.store.task_create_paused(&caller.scope, caller.user_id, &spec, &schedule).await;
    copy.or_refused("task").map(answer_duplicated)
}

/// Run a task now. Its schedule is untouched.
#[utoipa::path(post, path = "/tasks/{id}/run", tag = "tasks", request_body = Option<RunRequest>,
    params(("id" = Uuid, Path)), responses((status = 202, body = StartedRun)))]
pub(crate) async fn task_run(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    Json(request): Json<RunRequest>,
) -> Result<(StatusCode, axum::Json<StartedRun>)> {
    own(&state, &caller, id).await?;
    state.limits.take_run(caller.user_id, state.now())?;
    let test_to = request.test_to_me.then_some(caller.user_id);
    let run = state.store.task_run(&caller.scope, id, test_to).await.or_refused("task")?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id: run.run_id, thread_id: run.thread_id })))
}

/// The caller's own task. Another's is as good as none, for admins too.
pub(crate) async fn own(state: &ApiState, caller: &Caller, id: TaskId) -> Result<store::Task> {
    let task = state.store.task_get(&caller.scope, id).await.or_refused("task")?;
    task.filter(|task| task.creator_id == caller.user_id).ok_or(Error::NotFound("task"))
}

async fn may_never_expire(state: &ApiState, caller: &Caller) -> Result<bool> {
    let workspace = state.store.workspace_get(&caller.scope).await.or_refused("workspace")?;
    Ok(workspace.settings.may_never_expire)
}

/// Checks all of a task that its rows do not: its fields, and its Slack channels as they are now.
async fn check(
    state: &ApiState,
    caller: &Caller,
    spec: &mut TaskSpec,
    now: DateTime<Utc>,
) -> Result<Schedule> {
    let checked = spec.check(now, may_never_expire(state, caller).await?);
    let wrong = slack::channels::check(state, caller, &mut spec.notification.slack_channels).await?;
    match checked {
        Ok(schedule) if wrong.is_empty() => Ok(schedule),
        Ok(_) => Err(Invalid { issues: wrong }.into()),
        Err(mut invalid) => {
            invalid.issues.extend(wrong);
            Err(invalid.into())
        }
    }
}

impl From<TaskSort> for store::TaskSort {
    fn from(sort: TaskSort) -> Self {
        match sort {
            TaskSort::NextRunAt => Self::NextRunAt,
            TaskSort::Title => Self::Title,
            TaskSort::CreatedAt => Self::CreatedAt,
        }
    }
}

impl Task {
    fn of(task: store::Task) -> Self {
        let in_words = Schedule::parse(task.schedule.clone(), "").map(|schedule| schedule.in_words());
        Self {
            id: task.id,
            title: task.title,
            prompt: task.prompt,
            context: task.context,
            // A stored schedule was checked when it was saved; zones do not vanish.
            schedule_in_words: in_words.unwrap_or_default(),
            schedule: task.schedule,
            notification: task.notification,
            condition_in_words: task.condition.as_ref().map(Condition::in_words),
            condition: task.condition,
            freshness: task.freshness,
            caps: task.caps,
            expires_at: task.expires_at,
            status: task.status,
            status_reason: task.status_reason,
            next_run_at: task.next.map(|next| next.window.opens_at),
            last_run: task.last_run.map(|run| LastRun {
                id: run.id,
                status: run.status,
                finished_at: run.finished_at,
                thread_id: run.thread_id,
            }),
            latest_thread_id: task.latest_thread_id,
            missing_context: task
                .missing_connections
                .into_iter()
                .map(|missing| MissingContext {
                    kind: ContextKind::Connection,
                    id: missing.id,
                    label: missing.label,
                })
                .collect(),
            version: task.version,
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}
