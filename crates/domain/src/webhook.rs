//! Webhooks: what a workspace's own addresses are told, and when they are told it again.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use crate::{
    DeliveryId, RunId, TaskId, ThreadId, UserId, WorkspaceId,
    delivery::{Channel, DeliveryKind},
    run::{RunReason, RunStatus, RunTrigger},
    words,
};

/// An event is tried for so long.
pub const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// An endpoint that answered nothing well for so long is sent nothing more.
pub const FAILING_AT_MOST: TimeDelta = TimeDelta::days(5);

words! {
    /// What an endpoint may ask to be told.
    WebhookEvent("webhook event") {
        /// A task's run ended with an answer, whether it was sent or there was no news.
        RunFinished = "run.finished",
        /// A task's run ended without an answer.
        RunFailed = "run.failed",
        /// An occurrence of a task was skipped on purpose: it was paused, its last run was unfinished, its data not fresh.
        RunSkipped = "run.skipped",
        /// An occurrence of a task never started: nobody was there while its window was open, or a newer one was due.
        RunMissed = "run.missed",
        /// A message was given up.
        DeliveryFailed = "delivery.failed",
        /// A task was paused.
        TaskPaused = "task.paused",
        /// A task expired.
        TaskExpired = "task.expired",
        /// An admin asked for a test.
        Test = "test",
    }
}

words! {
    /// Where an event for one endpoint stands.
    WebhookState("webhook state") {
        /// To be sent at its time.
        Pending = "pending",
        /// An attempt is under way.
        Sending = "sending",
        /// The endpoint answered 2xx.
        Sent = "sent",
        /// Given up.
        Failed = "failed",
    }
}

words! {
    /// Why an endpoint is sent nothing.
    OffReason("reason of a webhook that is off") {
        /// An admin switched it off.
        ByAdmin = "by_admin",
        /// It failed for five days.
        Failing = "failing",
        /// It answered 410.
        Gone = "gone",
    }
}

/// An event, as its body tells it. It names things by id and holds no title, prompt, figure or address: whoever may see those
/// finds them by the id.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookBody<Data> {
    /// What happened.
    #[serde(rename = "type")]
    pub event: WebhookEvent,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// To what.
    pub data: Data,
}

/// A run that ended, or that will never start.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "camelCase"))]
#[serde(rename_all = "camelCase")]
pub struct WebhookRun {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The run.
    pub run_id: RunId,
    /// Its task.
    pub task_id: TaskId,
    /// The thread that it made.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub thread_id: Option<ThreadId>,
    /// What started it.
    pub trigger: RunTrigger,
    /// How it ended.
    pub status: RunStatus,
    /// Why it failed, was skipped or was missed.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<RunReason>,
    /// The local day that it ran for, by the task's time zone.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub occurrence: Option<NaiveDate>,
    /// When it started; null for one that never did.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "camelCase"))]
#[serde(rename_all = "camelCase")]
pub struct WebhookDelivery {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The message.
    pub delivery_id: DeliveryId,
    /// What it was about.
    pub kind: DeliveryKind,
    /// By what way it went.
    pub channel: Channel,
    /// The member that it was for; null for a Slack channel.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_id: Option<UserId>,
    /// The Slack channel that it was for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub slack_channel_id: Option<String>,
    /// Its task.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub task_id: Option<TaskId>,
    /// The run that it told of.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub run_id: Option<RunId>,
    /// Why: a code.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// A task that fires no more.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "camelCase"))]
#[serde(rename_all = "camelCase")]
pub struct WebhookTask {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The task.
    pub task_id: TaskId,
    /// Whose it is.
    pub creator_id: UserId,
}

/// A test that an admin asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "camelCase"))]
#[serde(rename_all = "camelCase")]
pub struct WebhookTest {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Who asked.
    pub user_id: UserId,
}
