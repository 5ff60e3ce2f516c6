//! Backtests: what a task would have sent on its last occurrences, and what that costs.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    BacktestId, RunId, TaskId, ThreadId,
    run::{RunReason, RunStatus},
    schedule::{OCCURRENCES_TESTED_MAX, Schedule},
};
use serde::{Deserialize, Serialize};
use store::{BacktestOccurrence, BacktestRun};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    page::List,
    routes::tasks::own,
};

/// How many of a task's last occurrences to try.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BacktestRequest {
    /// 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    count: usize,
}

/// A backtest that was started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartedBacktest {
    backtest_id: BacktestId,
}

/// A backtest, in brief.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backtest {
    id: BacktestId,
    created_at: DateTime<Utc>,
    /// Null while there is something to come.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// How many occurrences it has.
    count: u32,
}

/// What a task would have sent. The questions were asked as of then; the data is that of the day of the backtest.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BacktestReport {
    #[serde(flatten)]
    backtest: Backtest,
    /// Of how many occurrences so far a message would have been sent.
    messages: usize,
    /// What all runs have cost so far, in credits.
    credits: f64,
    /// The oldest first.
    occurrences: Vec<TestedOccurrence>,
}

/// What would have become of an occurrence.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedOccurrence {
    /// The local date that identifies it.
    date: NaiveDate,
    /// When its window opened, as of which the question is asked.
    opens_at: DateTime<Utc>,
    fate: TestedFate,
    /// Why it would have been sent or not, or why there is no answer. Null where there is nothing to say.
    #[schema(required)]
    why: Option<String>,
    /// The message. Null before there is an answer; also there where it would not have been sent.
    #[schema(required)]
    message: Option<TestedMessage>,
    #[schema(required)]
    run_id: Option<RunId>,
    /// The thread, with the whole answer: its steps, results and charts.
    #[schema(required)]
    thread_id: Option<ThreadId>,
    credits: f64,
}

/// What would have become of an occurrence.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TestedFate {
    /// It has not begun.
    ToCome,
    /// The agent works on it.
    Running,
    /// A message.
    Sent,
    /// Nothing: the task's condition did not hold.
    NoNews,
    /// No answer.
    Failed,
    /// It was stopped.
    Cancelled,
    /// The backtest ended before it.
    NotRun,
}

/// A message's text, figures filled in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedMessage {
    headline: String,
    /// In markdown.
    body: String,
    caveats: Vec<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(backtest_start))
        .routes(routes!(backtest_list))
        .routes(routes!(backtest_get))
}

/// Run a task as of its last occurrences, one after the other, without sending anything. What each costs is debited. One backtest
/// of a task at a time. For its creator. `POST /runs/{id}/cancel` of the run under way ends it.
#[utoipa::path(post, path = "/tasks/{id}/backtest", tag = "tasks", request_body = BacktestRequest,
    params(("id" = Uuid, Path)), responses((status = 202, body = StartedBacktest)))]
pub(crate) async fn backtest_start(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    Json(request): Json<BacktestRequest>,
) -> Result<(StatusCode, axum::Json<StartedBacktest>)> {
    let task = own(&state, &caller, id).await?;
    if !(1..=OCCURRENCES_TESTED_MAX).contains(&request.count) {
        let message = format!("must be 1 to {OCCURRENCES_TESTED_MAX}");
        return Err(Error::field("count", message));
    }
    state.limits.take_run(caller.user_id, state.now())?;
    let schedule = Schedule::parse(task.schedule, "schedule.")?;
    let now = state.store.now().await.or_refused("task")?;
    let mut windows: Vec<_> = schedule.windows_until(now).take(request.count).collect();
    windows.reverse();
    let backtest_id = state.store.backtest_start(&caller.scope, id, &windows).await.or_refused("task")?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedBacktest { backtest_id })))
}

/// The task's latest backtests, newest first. For its creator.
#[utoipa::path(get, path = "/tasks/{id}/backtests", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = List<Backtest>)))]
pub(crate) async fn backtest_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<axum::Json<List<Backtest>>> {
    own(&state, &caller, id).await?;
    let backtests = state.store.backtest_list(&caller.scope, id).await.or_refused("task")?;
    Ok(axum::Json(List::whole(backtests.into_iter().map(Backtest::from).collect())))
}

/// What a backtest has found so far. For the task's creator.
#[utoipa::path(get, path = "/tasks/{id}/backtests/{backtestId}", tag = "tasks",
    params(("id" = Uuid, Path), ("backtestId" = Uuid, Path)), responses((status = 200, body = BacktestReport)))]
pub(crate) async fn backtest_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, backtest_id)): Path<(TaskId, BacktestId)>,
) -> Result<axum::Json<BacktestReport>> {
    own(&state, &caller, id).await?;
    let found = state.store.backtest_get(&caller.scope, id, backtest_id).await.or_refused("backtest")?;
    let (backtest, occurrences) = found.ok_or(Error::NotFound("backtest"))?;
    let is_over = backtest.finished_at.is_some();
    let occurrences: Vec<_> =
        occurrences.into_iter().map(|occurrence| TestedOccurrence::of(occurrence, is_over)).collect();
    Ok(axum::Json(BacktestReport {
        backtest: backtest.into(),
        messages: occurrences.iter().filter(|occurrence| occurrence.fate == TestedFate::Sent).count(),
        credits: occurrences.iter().map(|occurrence| occurrence.credits).sum(),
        occurrences,
    }))
}

impl From<store::Backtest> for Backtest {
    fn from(backtest: store::Backtest) -> Self {
        let store::Backtest { id, created_at, finished_at, count } = backtest;
        Self { id, created_at, finished_at, count }
    }
}

impl TestedOccurrence {
    /// `is_over`: nothing more begins.
    fn of(occurrence: BacktestOccurrence, is_over: bool) -> Self {
        let BacktestOccurrence { window, run } = occurrence;
        let mut tested = Self {
            date: window.date,
            opens_at: window.opens_at,
            fate: if is_over { TestedFate::NotRun } else { TestedFate::ToCome },
            why: None,
            message: None,
            run_id: None,
            thread_id: None,
            credits: 0.0,
        };
        let Some(run) = run else { return tested };
        // What came of its condition is told by the answer, in words.
        let BacktestRun { id, thread_id, status, reason, message, check: _, answer, credits } = run;
        tested.fate = match status {
            RunStatus::Queued => TestedFate::ToCome,
            RunStatus::Waiting | RunStatus::Running => TestedFate::Running,
            RunStatus::Succeeded => TestedFate::Sent,
            RunStatus::NoNews => TestedFate::NoNews,
            RunStatus::Failed | RunStatus::Missed => TestedFate::Failed,
            RunStatus::Cancelled | RunStatus::Skipped => TestedFate::Cancelled,
        };
        tested.why = match &answer {
            Some(answer) => answer.why.clone(),
            None => message.or_else(|| reason.map(|reason: RunReason| reason.sentence().to_owned())),
        };
        tested.message = answer.map(|answer| TestedMessage {
            headline: answer.fill(&answer.headline),
            body: answer.fill(&answer.body),
            caveats: answer.caveats.iter().map(|caveat| answer.fill(caveat)).collect(),
        });
        tested.run_id = Some(id);
        tested.thread_id = Some(thread_id);
        tested.credits = credits;
        tested
    }
}
