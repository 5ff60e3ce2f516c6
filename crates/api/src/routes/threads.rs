//! Threads (part B): ask, look, read, follow up, list, cancel.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, TaskId, ThreadId, UserId, WorkspaceId,
    answer::Answer,
    invalid::Issues,
    task::{ContextKind, PROMPT_MAX, mentions, plain_prompt},
    thread::{self, ThreadSource},
};
use serde::{Deserialize, Serialize};
use store::{Conflict, Cursor, NewQuestion, ThreadFilter, ThreadRights, Via};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path, Query},
    page::{List, Pagination, Part, page},
};

/// The most messages of a page.
const MESSAGES_MAX: u32 = 50;

/// A question.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThreadRequest {
    /// 1 to 20,000 characters.
    prompt: String,
    attachments: Option<Attachments>,
}

/// What a question may use.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Attachments {
    data_connection_id: Option<ConnectionId>,
    table_ids: Option<Vec<String>>,
    semantic_dataset_ids: Option<Vec<String>>,
    semantic_view_ids: Option<Vec<String>>,
    project_ids: Option<Vec<String>>,
}

/// A thread that was begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewThread {
    thread_id: ThreadId,
    /// The thread's page.
    url: String,
    created_at: DateTime<Utc>,
    /// Always null: no project is made.
    #[schema(required)]
    project_id: Option<Uuid>,
}

/// A thread that goes on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContinuedThread {
    thread_id: ThreadId,
    /// The thread's page.
    url: String,
}

/// Whether a thread is being worked on.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ThreadStatus {
    Idle,
    Running,
    Error,
}

/// A thread with its latest answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as the API names them")]
pub(crate) struct Thread {
    thread_id: ThreadId,
    org_id: WorkspaceId,
    title: String,
    /// Its creator.
    user_id: UserId,
    /// Always `THREAD`.
    #[serde(rename = "type")]
    kind: String,
    /// `API`, `APP`, `TASK` or `SLACK`.
    source: String,
    created_at: DateTime<Utc>,
    /// Whether it used data of a sensitive connection, which never goes into Slack.
    sensitive: bool,
    url: String,
    credits_used: f64,
    status: ThreadStatus,
    /// Why the latest turn failed; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The latest answer; empty while there is none.
    response: Vec<ResponsePart>,
}

/// A part of an answer.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ResponsePart {
    /// Markdown.
    Text { text: String },
    /// A result or a chart.
    #[serde(rename_all = "camelCase")]
    Cell { id: Uuid, static_id: Uuid, label: String },
    /// A task.
    Task { title: String },
}

/// Messages of a thread, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Messages {
    content: Vec<MessagePart>,
    pagination: Pagination,
}

/// A prompt or an answer.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum MessagePart {
    /// Markdown.
    Text { text: String },
}

/// A page of messages.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageQuery {
    /// Cursor: newer ones.
    after: Option<String>,
    /// Cursor: older ones.
    before: Option<String>,
    /// 1 to 50, 25 by default.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<i64>,
}

/// A thread in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThreadSummary {
    pub(crate) thread_id: ThreadId,
    pub(crate) title: String,
    pub(crate) status: ThreadStatus,
    /// `API`, `APP` or `TASK`.
    pub(crate) source: String,
    #[schema(required)]
    pub(crate) task_id: Option<TaskId>,
    #[schema(required)]
    pub(crate) task_title: Option<String>,
    /// Of the latest answer, its figures filled in.
    #[schema(required)]
    pub(crate) headline: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) url: String,
    pub(crate) creator: Person,
}

/// A person by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) name: String,
}

/// How threads are filtered and paged.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ThreadListQuery {
    /// Only threads of this task.
    task_id: Option<TaskId>,
    /// Only threads whose title holds this text, regardless of case.
    q: Option<String>,
    /// Cursor: what comes after it.
    after: Option<String>,
    /// 1 to 100, 25 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(thread_list, thread_create))
        .routes(routes!(thread_get))
        .routes(routes!(message_list))
        .routes(routes!(thread_follow_up))
        .routes(routes!(thread_cancel))
}

/// The threads that the caller made or that are shared with them, latest first.
#[utoipa::path(get, path = "/threads", tag = "threads", params(ThreadListQuery),
    responses((status = 200, body = List<ThreadSummary>)))]
pub(crate) async fn thread_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ThreadListQuery>,
) -> Result<axum::Json<List<ThreadSummary>>> {
    let filter = ThreadFilter {
        readable_by: Some(caller.user_id),
        task_id: query.task_id,
        text: query.q.filter(|q| !q.is_empty()),
        ..ThreadFilter::default()
    };
    let page = page(query.limit, query.after.as_deref())?;
    let threads = state.store.thread_list(&caller.scope, &filter, &page).await.or_refused("thread")?;
    Ok(axum::Json(List::of(threads, |thread| ThreadSummary::of(&state, thread))))
}

/// Ask a question. The answer is worked out in the background.
#[utoipa::path(post, path = "/threads", tag = "threads", request_body = ThreadRequest,
    responses((status = 200, body = NewThread)))]
pub(crate) async fn thread_create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<ThreadRequest>,
) -> Result<Response> {
    caller.require_asking()?;
    let question = read_question(&caller, request)?;
    state.limits.take_run(caller.user_id, state.now())?;
    let started =
        state.store.thread_ask(&caller.scope, caller.user_id, &question).await.or_refused("thread")?;
    asked(&state, &caller, started.thread_id).await
}

/// The answer to a question, right after it was asked or later.
pub(crate) async fn asked(state: &ApiState, caller: &Caller, id: ThreadId) -> Result<Response> {
    let thread = state.store.thread_get(&caller.scope, id).await.or_refused("thread")?;
    let thread = thread.ok_or(Error::NotFound("thread"))?;
    let url = state.thread_url(id);
    let answer = NewThread { thread_id: id, url, created_at: thread.created_at, project_id: None };
    Ok(axum::Json(answer).into_response())
}

/// A thread with its latest answer.
#[utoipa::path(get, path = "/threads/{id}", tag = "threads", params(("id" = Uuid, Path)),
    responses((status = 200, body = Thread)))]
pub(crate) async fn thread_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<axum::Json<Thread>> {
    let (thread, _) = readable(&state, &caller, id).await?;
    let turns = state.store.turn_list(&caller.scope, id).await.or_refused("thread")?;
    let mut credits_used = 0.0;
    for run_id in turns.iter().filter_map(|turn| turn.run_id) {
        let run = state.store.run_get(&caller.scope, run_id).await.or_refused("run")?;
        credits_used += run.map_or(0.0, |run| run.usage.credits);
    }
    let is_failed = thread.status == thread::ThreadStatus::Error;
    let error = turns.last().filter(|_| is_failed).map(|turn| {
        let sentence = turn.reason.map(|reason| reason.sentence().to_owned());
        turn.message.clone().or(sentence).unwrap_or_default()
    });
    let answer = turns.iter().rev().find_map(|turn| turn.answer.as_ref());
    let mut response = answer.map(response_parts).unwrap_or_default();
    if let (Some(title), false) = (&thread.task_title, response.is_empty()) {
        response.push(ResponsePart::Task { title: title.clone() });
    }
    Ok(axum::Json(Thread {
        thread_id: id,
        org_id: caller.scope.workspace_id(),
        user_id: thread.creator_id,
        kind: "THREAD".to_owned(),
        source: source_word(thread.source).to_owned(),
        created_at: thread.created_at,
        sensitive: state.store.thread_is_sensitive(&caller.scope, id).await.or_refused("thread")?,
        url: state.thread_url(id),
        credits_used,
        status: thread.status.into(),
        title: thread.title,
        error,
        response,
    }))
}

/// A thread's prompts and answers, the latest page unless said otherwise.
#[utoipa::path(get, path = "/threads/{id}/messages", tag = "threads", params(("id" = Uuid, Path), MessageQuery),
    responses((status = 200, body = Messages)))]
pub(crate) async fn message_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
    Query(query): Query<MessageQuery>,
) -> Result<axum::Json<Messages>> {
    let part = Part::new(query.limit, MESSAGES_MAX, query.after.as_deref(), query.before.as_deref())?;
    readable(&state, &caller, id).await?;
    let turns = state.store.turn_list(&caller.scope, id).await.or_refused("thread")?;
    let mut texts = Vec::new();
    for turn in turns {
        texts.push((texts.len(), plain_prompt(&turn.prompt)));
        if let Some(answer) = &turn.answer {
            texts.push((texts.len(), answer_text(answer)));
        }
    }
    let list =
        part.latest().cut(texts, false, |(index, _)| Cursor { key: format!("{index:06}"), id: id.as_uuid() });
    let content = list.values.into_iter().map(|(_, text)| MessagePart::Text { text }).collect();
    Ok(axum::Json(Messages { content, pagination: list.pagination }))
}

/// Ask on in a thread that is idle. For its creator only.
#[utoipa::path(post, path = "/threads/{id}/followup", tag = "threads", request_body = ThreadRequest,
    params(("id" = Uuid, Path)), responses((status = 200, body = ContinuedThread)))]
pub(crate) async fn thread_follow_up(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
    Json(request): Json<ThreadRequest>,
) -> Result<axum::Json<ContinuedThread>> {
    own(&state, &caller, id).await?;
    caller.require_asking()?;
    let question = read_question(&caller, request)?;
    state.limits.take_run(caller.user_id, state.now())?;
    state.store.thread_followup(&caller.scope, id, &question).await.or_refused("thread")?;
    Ok(continued(&state, id))
}

/// The answer to a further question, right after it was asked or later.
pub(crate) fn continued(state: &ApiState, id: ThreadId) -> axum::Json<ContinuedThread> {
    axum::Json(ContinuedThread { thread_id: id, url: state.thread_url(id) })
}

/// Stop the thread's unfinished turn, if there is one.
#[utoipa::path(post, path = "/threads/{id}/cancel", tag = "threads", params(("id" = Uuid, Path)),
    responses((status = 200, body = ThreadSummary)))]
pub(crate) async fn thread_cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<axum::Json<ThreadSummary>> {
    own(&state, &caller, id).await?;
    match state.store.thread_cancel(&caller.scope, id).await {
        Err(store::Error::Conflict(Conflict::RunFinished)) => {}
        cancelled => cancelled.or_refused("thread")?,
    }
    let thread = own(&state, &caller, id).await?;
    Ok(axum::Json(ThreadSummary::of(&state, thread)))
}

/// A thread that the caller may read, and whether it is theirs. Any other is as good as none.
pub(crate) async fn readable(
    state: &ApiState,
    caller: &Caller,
    id: ThreadId,
) -> Result<(store::Thread, bool)> {
    let rights = state.store.thread_rights(&caller.scope, id, caller.user_id).await.or_refused("thread")?;
    if rights == ThreadRights::None {
        return Err(Error::NotFound("thread"));
    }
    let thread = state.store.thread_get(&caller.scope, id).await.or_refused("thread")?;
    Ok((thread.ok_or(Error::NotFound("thread"))?, rights == ThreadRights::Creator))
}

/// A thread of the caller's own; one that they may only read is refused as such.
pub(crate) async fn own(state: &ApiState, caller: &Caller, id: ThreadId) -> Result<store::Thread> {
    match readable(state, caller, id).await? {
        (thread, true) => Ok(thread),
        (_, false) => Err(Error::Forbidden("only the thread's creator may do this")),
    }
}

fn read_question(caller: &Caller, request: ThreadRequest) -> Result<NewQuestion> {
    let mut issues = Issues::default();
    let prompt = request.prompt.trim().to_owned();
    issues.require(!prompt.is_empty(), "prompt", "write a question");
    let is_short = prompt.chars().count() <= PROMPT_MAX;
    issues.require(is_short, "prompt", &format!("must have at most {PROMPT_MAX} characters"));
    let attachments = request.attachments.unwrap_or_default();
    let mut connection_ids: Vec<ConnectionId> = attachments.data_connection_id.into_iter().collect();
    for mention in mentions(&prompt) {
        match (mention.kind, mention.id) {
            (Some(ContextKind::Connection), Some(id)) => connection_ids.push(id.into()),
            _ => issues.add("prompt", format!("the mention `{}` leads to no connection", mention.label)),
        }
    }
    for (path, ids) in [
        ("attachments.tableIds", attachments.table_ids),
        ("attachments.semanticDatasetIds", attachments.semantic_dataset_ids),
        ("attachments.semanticViewIds", attachments.semantic_view_ids),
        ("attachments.projectIds", attachments.project_ids),
    ] {
        issues.require(
            ids.is_none_or(|ids| ids.is_empty()),
            path,
            "there is none of these in this workspace",
        );
    }
    issues.into_result()?;
    connection_ids.sort();
    connection_ids.dedup();
    let source = match caller.via {
        Via::Session(_) => ThreadSource::Page,
        Via::Token { .. } => ThreadSource::Api,
    };
    Ok(NewQuestion { prompt, connection_ids, timezone: caller.timezone.clone(), source })
}

/// An answer as markdown, its figures filled in.
fn answer_text(answer: &Answer) -> String {
    let mut paragraphs = vec![answer.fill(&answer.headline), answer.fill(&answer.body)];
    paragraphs.extend(answer.choices.iter().map(|choice| format!("- {choice}")));
    paragraphs.extend(answer.caveats.iter().map(|caveat| format!("- {}", answer.fill(caveat))));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n")
}

fn response_parts(answer: &Answer) -> Vec<ResponsePart> {
    let text = ResponsePart::Text { text: answer_text(answer) };
    let results = answer.results.iter().map(|result| {
        let id = result.id.as_uuid();
        ResponsePart::Cell { id, static_id: id, label: result.handle.clone() }
    });
    let charts = answer.charts.iter().map(|chart| {
        let id = chart.id.as_uuid();
        ResponsePart::Cell { id, static_id: id, label: chart.title.clone() }
    });
    std::iter::once(text).chain(results).chain(charts).collect()
}

const fn source_word(source: ThreadSource) -> &'static str {
    match source {
        ThreadSource::Page => "APP",
        ThreadSource::Api => "API",
        ThreadSource::Task | ThreadSource::Backtest => "TASK",
        ThreadSource::Slack => "SLACK",
    }
}

impl ThreadSummary {
    pub(crate) fn of(state: &ApiState, thread: store::Thread) -> Self {
        Self {
            thread_id: thread.id,
            title: thread.title,
            status: thread.status.into(),
            source: source_word(thread.source).to_owned(),
            task_id: thread.task_id,
            task_title: thread.task_title,
            headline: thread.headline,
            created_at: thread.created_at,
            updated_at: thread.updated_at,
            url: state.thread_url(thread.id),
            creator: Person { id: thread.creator_id, name: thread.creator_name },
        }
    }
}

impl From<thread::ThreadStatus> for ThreadStatus {
    fn from(status: thread::ThreadStatus) -> Self {
        match status {
            thread::ThreadStatus::Idle => Self::Idle,
            thread::ThreadStatus::Running => Self::Running,
            thread::ThreadStatus::Error => Self::Error,
        }
    }
}
