//! Occurrences of a task, its runs and their deliveries.

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    DeliveryId, RunId, TaskId, ThreadId, UserId,
    check::Check,
    delivery::{Audience, Channel, DeliveryState},
    run::{RunReason, RunStatus, RunTrigger, Usage},
    schedule::{Schedule, Window},
};
use serde::Serialize;
use store::Conflict;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Path, Query},
    page::{ForwardQuery, List},
    routes::tasks,
};

/// How many occurrences that are to come are listed.
const UPCOMING: usize = 5;

/// One firing of a task's schedule, past or to come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Occurrence {
    /// The local date that identifies it.
    date: NaiveDate,
    opens_at: DateTime<Utc>,
    closes_at: DateTime<Utc>,
    fate: Fate,
    /// Why it failed, waits, was skipped or missed.
    #[schema(required)]
    reason: Option<RunReason>,
    /// The reason as a sentence.
    #[schema(required)]
    message: Option<String>,
    /// Whether it ran after its window had closed.
    late: bool,
    #[schema(required)]
    run_id: Option<RunId>,
    #[schema(required)]
    thread_id: Option<ThreadId>,
    /// What came of the task's condition; null where it has none, or was not evaluated yet.
    #[schema(required)]
    check: Option<Check>,
    deliveries: DeliveryCounts,
}

/// What became of an occurrence: `upcoming`, or its run's status.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Upcoming,
    Queued,
    Waiting,
    Running,
    Succeeded,
    NoNews,
    Failed,
    Skipped,
    Missed,
    Cancelled,
}

/// How many deliveries are in which state.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryCounts {
    /// Those being sent, and those whose outcome is unknown, too.
    pending: u32,
    sent: u32,
    /// Given up, or not tried since it could not arrive (a dead address, a paused place). What was sent again and arrived is left
    /// out.
    failed: u32,
    withheld: u32,
    /// Not wanted.
    suppressed: u32,
}

/// One execution of a turn by the agent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    id: RunId,
    /// Null for a question in a thread.
    #[schema(required)]
    task_id: Option<TaskId>,
    trigger: RunTrigger,
    /// Null unless a schedule started it.
    #[schema(required)]
    occurrence: Option<Window>,
    status: RunStatus,
    #[schema(required)]
    reason: Option<RunReason>,
    /// The reason as a sentence.
    #[schema(required)]
    message: Option<String>,
    late: bool,
    /// From 1; 0 before the first.
    attempt: u32,
    #[schema(required)]
    thread_id: Option<ThreadId>,
    created_at: DateTime<Utc>,
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    usage: Usage,
    /// What came of the task's condition; null where it has none, or was not evaluated yet.
    #[schema(required)]
    check: Option<Check>,
    deliveries: Vec<Delivery>,
}

/// One message to one recipient or channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: DeliveryId,
    /// `answer`, or what word to the creator it is: `failure`, `recovery`, ...
    kind: String,
    channel: Channel,
    recipient: Recipient,
    state: DeliveryState,
    /// Why it failed, was withheld or suppressed, or why a part of it was left out: a code.
    #[schema(required)]
    reason: Option<String>,
    /// The reason as a sentence.
    #[schema(required)]
    message: Option<String>,
    attempts: u32,
    /// The provider's id of the message, such as a Message-ID.
    #[schema(required)]
    provider_id: Option<String>,
    /// Null before it is decided, which is when it is sent.
    #[schema(required)]
    audience: Option<Audience>,
    /// Why that much.
    #[schema(required)]
    audience_reason: Option<String>,
    /// Why it goes by another way than its recipient prefers: `slack_not_linked`, `slack_not_connected`.
    #[schema(required)]
    fallback: Option<String>,
    #[schema(required)]
    sent_at: Option<DateTime<Utc>>,
}

/// To whom.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recipient {
    #[schema(required)]
    pub(crate) user_id: Option<UserId>,
    #[schema(required)]
    pub(crate) slack_channel_id: Option<String>,
    /// A name for people.
    pub(crate) label: String,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(occurrence_list))
        .routes(routes!(run_get))
        .routes(routes!(run_cancel))
        .routes(routes!(delivery_list))
}

/// A task's occurrences, newest first, led on the first page by up to five that are to come.
#[utoipa::path(get, path = "/tasks/{id}/occurrences", tag = "tasks",
    params(("id" = Uuid, Path), ForwardQuery), responses((status = 200, body = List<Occurrence>)))]
pub(crate) async fn occurrence_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TaskId>,
    Query(query): Query<ForwardQuery>,
) -> Result<axum::Json<List<Occurrence>>> {
    let task = tasks::own(&state, &caller, id).await?;
    let page = query.page()?;
    let runs = state.store.run_list(&caller.scope, id, &page).await.or_refused("task")?;
    let mut list = List::of(runs, Occurrence::of_run);
    if page.after.is_none() {
        let mut upcoming = upcoming(&task)?;
        // A run of the occurrence that comes next may exist already: it then speaks for it.
        upcoming.retain(|window| list.values.iter().flatten().all(|past| past.date != window.date));
        list.values.splice(0..0, upcoming.into_iter().rev().map(|window| Some(Occurrence::upcoming(window))));
    }
    let values = list.values.into_iter().flatten().collect();
    Ok(axum::Json(List { values, pagination: list.pagination }))
}

/// One run.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", params(("id" = Uuid, Path)),
    responses((status = 200, body = Run)))]
pub(crate) async fn run_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<RunId>,
) -> Result<axum::Json<Run>> {
    let run = visible(&state, &caller, id).await?;
    describe(&state, &caller, run).await.map(axum::Json)
}

/// Stop a run. It sends nothing. A run that has ended stays as it ended.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", params(("id" = Uuid, Path)),
    responses((status = 200, body = Run)))]
pub(crate) async fn run_cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<RunId>,
) -> Result<axum::Json<Run>> {
    visible(&state, &caller, id).await?;
    match state.store.run_cancel(&caller.scope, id).await {
        Err(store::Error::Conflict(Conflict::RunFinished)) => {}
        cancelled => cancelled.or_refused("run")?,
    }
    let run = visible(&state, &caller, id).await?;
    describe(&state, &caller, run).await.map(axum::Json)
}

/// A run's messages.
#[utoipa::path(get, path = "/runs/{id}/deliveries", tag = "runs", params(("id" = Uuid, Path)),
    responses((status = 200, body = List<Delivery>)))]
pub(crate) async fn delivery_list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<RunId>,
) -> Result<axum::Json<List<Delivery>>> {
    visible(&state, &caller, id).await?;
    let deliveries = state.store.delivery_list(&caller.scope, id).await.or_refused("run")?;
    Ok(axum::Json(List::whole(deliveries.into_iter().map(Delivery::from).collect())))
}

/// A run of the caller's; any run of the workspace for admins, who see state and cost and no prompt in it.
async fn visible(state: &ApiState, caller: &Caller, id: RunId) -> Result<store::Run> {
    let run = state.store.run_get(&caller.scope, id).await.or_refused("run")?;
    run.filter(|run| run.creator_id == caller.user_id || caller.role.is_admin()).ok_or(Error::NotFound("run"))
}

async fn describe(state: &ApiState, caller: &Caller, run: store::Run) -> Result<Run> {
    let deliveries = state.store.delivery_list(&caller.scope, run.id).await.or_refused("run")?;
    Ok(Run {
        id: run.id,
        task_id: run.task_id,
        trigger: run.trigger,
        occurrence: run.occurrence,
        status: run.status,
        message: run.message.or_else(|| run.reason.map(|reason| reason.sentence().to_owned())),
        reason: run.reason,
        late: run.late,
        attempt: run.attempt,
        thread_id: run.thread_id,
        created_at: run.created_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        usage: run.usage,
        // It tells of the data, which an admin who reads of the run may not see.
        check: run.check.filter(|_| run.creator_id == caller.user_id),
        deliveries: deliveries.into_iter().map(Delivery::from).collect(),
    })
}

/// The next occurrences of a task that fires, soonest first.
fn upcoming(task: &store::Task) -> Result<Vec<Window>> {
    let Some(next) = task.next else { return Ok(Vec::new()) };
    let schedule = Schedule::parse(task.schedule.clone(), "schedule.").map_err(Error::internal)?;
    let following = schedule.windows_after(next.window.opens_at);
    Ok(std::iter::once(next.window)
        .chain(following)
        .take_while(|window| task.expires_at.is_none_or(|expires_at| window.opens_at < expires_at))
        .take(UPCOMING)
        .collect())
}

impl Occurrence {
    fn upcoming(window: Window) -> Self {
        Self {
            date: window.date,
            opens_at: window.opens_at,
            closes_at: window.closes_at,
            fate: Fate::Upcoming,
            reason: None,
            message: None,
            late: false,
            run_id: None,
            thread_id: None,
            check: None,
            deliveries: DeliveryCounts::default(),
        }
    }

    fn of_run(run: store::Run) -> Option<Self> {
        let window = run.occurrence?;
        Some(Self {
            date: window.date,
            opens_at: window.opens_at,
            closes_at: window.closes_at,
            fate: run.status.into(),
            message: run.message.or_else(|| run.reason.map(|reason| reason.sentence().to_owned())),
            reason: run.reason,
            late: run.late,
            run_id: Some(run.id),
            thread_id: run.thread_id,
            check: run.check,
            deliveries: run.deliveries.into(),
        })
    }
}

impl From<store::Delivery> for Delivery {
    fn from(delivery: store::Delivery) -> Self {
        Self {
            id: delivery.id,
            kind: delivery.kind.as_str().to_owned(),
            channel: delivery.channel,
            recipient: Recipient {
                user_id: delivery.user_id,
                slack_channel_id: delivery.slack_channel_id,
                label: delivery.label,
            },
            state: delivery.state,
            reason: delivery.reason,
            message: delivery.message,
            attempts: delivery.attempts,
            provider_id: delivery.provider_id,
            audience: delivery.audience,
            audience_reason: delivery.audience_reason,
            fallback: delivery.fallback,
            sent_at: delivery.sent_at,
        }
    }
}

impl From<RunStatus> for Fate {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Queued => Self::Queued,
            RunStatus::Waiting => Self::Waiting,
            RunStatus::Running => Self::Running,
            RunStatus::Succeeded => Self::Succeeded,
            RunStatus::NoNews => Self::NoNews,
            RunStatus::Failed => Self::Failed,
            RunStatus::Skipped => Self::Skipped,
            RunStatus::Missed => Self::Missed,
            RunStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<store::DeliveryCounts> for DeliveryCounts {
    fn from(counts: store::DeliveryCounts) -> Self {
        Self {
            pending: counts.pending,
            sent: counts.sent,
            failed: counts.failed,
            withheld: counts.withheld,
            suppressed: counts.suppressed,
        }
    }
}
