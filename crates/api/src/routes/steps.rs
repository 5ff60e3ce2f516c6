//! A thread as the page shows it: turns, steps, results and charts. Live: `events.rs`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{
    ChartId, ConnectionId, ResultId, RunId, ThreadId,
    answer::Answer,
    run::RunReason,
    step::StepBody,
    table::{Column, Truncation},
    thread::TurnStatus,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result,
    auth::Caller,
    error::StoreResult,
    extract::Path,
    routes::threads::{ThreadSummary, readable},
};

/// Everything in a thread except the rows of its results.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThreadSteps {
    thread: OpenThread,
    turns: Vec<Turn>,
    steps: Vec<Step>,
    results: Vec<ResultSummary>,
    charts: Vec<ChartSummary>,
}

/// The thread, and whether the caller made it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OpenThread {
    #[serde(flatten)]
    summary: ThreadSummary,
    /// Only its creator may prompt, cancel and share.
    is_mine: bool,
}

/// A prompt and what came of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as the API names them")]
pub(crate) struct Turn {
    turn_no: u32,
    /// As written, with mentions.
    prompt: String,
    status: TurnStatus,
    #[schema(required)]
    reason: Option<RunReason>,
    /// The reason as a sentence.
    #[schema(required)]
    message: Option<String>,
    #[schema(required)]
    answer: Option<Answer>,
    #[schema(required)]
    run_id: Option<RunId>,
    /// The instant as of which the question is asked.
    as_of: DateTime<Utc>,
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// The turn's end in the thread's sequence of events.
    #[schema(required)]
    finished_seq: Option<u64>,
}

/// What the agent did, in order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    /// Its place in the thread's sequence of events.
    seq: u64,
    turn_no: u32,
    at: DateTime<Utc>,
    elapsed_ms: u32,
    body: StepBody,
}

/// A query and the shape of what it returned.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultSummary {
    id: ResultId,
    /// `r1`, `r2`, ... through the whole thread.
    handle: String,
    turn_no: u32,
    connection_id: ConnectionId,
    connection_name: String,
    sql: String,
    columns: Vec<Column>,
    row_count: u64,
    #[schema(required)]
    truncated: Option<Truncation>,
    elapsed_ms: u32,
    ran_at: DateTime<Utc>,
}

/// A chart over a result.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChartSummary {
    id: ChartId,
    /// `c1`, `c2`, ... through the whole thread.
    handle: String,
    turn_no: u32,
    result_id: ResultId,
    title: String,
    /// What it shows, in words.
    alt: String,
    /// In CSS pixels.
    width: u32,
    /// In CSS pixels.
    height: u32,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(step_list))
}

/// A thread's turns, steps, results and charts.
#[utoipa::path(get, path = "/threads/{id}/steps", tag = "threads", params(("id" = Uuid, Path)),
    responses((status = 200, body = ThreadSteps)))]
pub(crate) async fn step_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<axum::Json<ThreadSteps>> {
    let (thread, is_mine) = readable(&state, &caller, id).await?;
    // In this order: whoever goes on from the highest number in here with live events misses nothing.
    let turns = state.store.turn_list(&caller.scope, id).await.or_refused("thread")?;
    let steps = state.store.step_list(&caller.scope, id, 0).await.or_refused("thread")?;
    let results = state.store.result_list(&caller.scope, id).await.or_refused("thread")?;
    let charts = state.store.chart_list(&caller.scope, id).await.or_refused("thread")?;
    Ok(axum::Json(ThreadSteps {
        thread: OpenThread { summary: ThreadSummary::of(&state, thread), is_mine },
        turns: turns.into_iter().map(Turn::from).collect(),
        steps: steps.into_iter().map(Step::from).collect(),
        results: results.into_iter().map(ResultSummary::from).collect(),
        charts: charts.into_iter().map(ChartSummary::from).collect(),
    }))
}

impl From<store::Turn> for Turn {
    fn from(turn: store::Turn) -> Self {
        Self {
            turn_no: turn.turn_no,
            prompt: turn.prompt,
            status: turn.status,
            message: turn.message.or_else(|| turn.reason.map(|reason| reason.sentence().to_owned())),
            reason: turn.reason,
            answer: turn.answer,
            run_id: turn.run_id,
            as_of: turn.as_of,
            started_at: turn.started_at,
            finished_at: turn.finished_at,
            finished_seq: turn.finished_seq,
        }
    }
}

impl From<store::Step> for Step {
    fn from(step: store::Step) -> Self {
        Self {
            seq: step.seq,
            turn_no: step.turn_no,
            at: step.at,
            elapsed_ms: step.elapsed_ms,
            body: step.body,
        }
    }
}

impl From<store::StoredResult> for ResultSummary {
    fn from(result: store::StoredResult) -> Self {
        Self {
            id: result.id,
            handle: result.handle,
            turn_no: result.turn_no,
            connection_id: result.connection_id,
            connection_name: result.connection_name,
            sql: result.sql,
            columns: result.columns,
            row_count: result.row_count,
            truncated: result.truncated,
            elapsed_ms: result.elapsed_ms,
            ran_at: result.ran_at,
        }
    }
}

impl From<store::StoredChart> for ChartSummary {
    fn from(chart: store::StoredChart) -> Self {
        Self {
            id: chart.id,
            handle: chart.handle,
            turn_no: chart.turn_no,
            result_id: chart.result_id,
            title: chart.title,
            alt: chart.alt,
            width: chart.width,
            height: chart.height,
        }
    }
}
