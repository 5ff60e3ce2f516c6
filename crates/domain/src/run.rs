//! Runs: one execution of a turn by the agent, and how it ended.

use serde::{Deserialize, Serialize};

use crate::words;

words! {
    /// What started a run.
    RunTrigger("run trigger") {
        /// An occurrence of the task's schedule.
        Schedule = "schedule",
        /// "Run now".
        Manual = "manual",
        /// "Send a test to me only".
        Test = "test",
        /// A failed run asked for again.
        Retry = "retry",
        /// A question typed into a thread. Such a run has no task.
        Thread = "thread",
        /// An occurrence in the past, tried out: nothing is sent, and later runs do not build on it.
        Backtest = "backtest",
    }
}

words! {
    /// Where a run stands. `queued`, `waiting` and `running` are unfinished; the rest are final.
    RunStatus("run status") {
        /// To be claimed by the next free worker.
        Queued = "queued",
        /// To be claimed again at a set time: after a failure that a retry may mend, for credits, or for fresh data.
        Waiting = "waiting",
        /// Leased by a worker.
        Running = "running",
        /// An answer exists.
        Succeeded = "succeeded",
        /// The task's condition did not hold: nothing is sent.
        NoNews = "no_news",
        /// No answer; the reason says why.
        Failed = "failed",
        /// Never started, on purpose: `paused`, `rescheduled`, `still_running`, `stale_data`.
        Skipped = "skipped",
        /// Its window passed while no scheduler was there.
        Missed = "missed",
        /// Stopped by a person.
        Cancelled = "cancelled",
    }
}

impl RunStatus {
    /// Whether nothing more will happen to the run.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Waiting | Self::Running)
    }
}

words! {
    /// Why a run failed, waits, was skipped or was missed.
    RunReason("run reason") {
        /// The creator's session with a data source has ended.
        ReauthenticationRequired = "reauthentication_required",
        /// The workspace has no credits left.
        BlockedByCredits = "blocked_by_credits",
        /// A cap on what a month may cost is reached: the workspace's, the creator's or the task's.
        CapReached = "cap_reached",
        /// The creator may no longer query a connection of the task.
        AccessLost = "access_lost",
        /// A connection of the task was deleted.
        ConnectionDeleted = "connection_deleted",
        /// A data source could not be reached.
        ConnectionFailed = "connection_failed",
        /// As many queries as a data source's limit allows were under way, and none ended in time.
        ConnectionBusy = "connection_busy",
        /// The prompt or its context cannot be run as it stands.
        InvalidContext = "invalid_context",
        /// The model's provider could not be reached, or refused.
        ModelUnavailable = "model_unavailable",
        /// A limit of the turn was reached before there was an answer.
        LimitReached = "limit_reached",
        /// The window closed before the run succeeded.
        Deadline = "deadline",
        /// The previous run of the task was not finished.
        StillRunning = "still_running",
        /// The task was paused.
        Paused = "paused",
        /// The task's schedule was changed inside the window, before the task's own time in it.
        Rescheduled = "rescheduled",
        /// The task had expired.
        Expired = "expired",
        /// The creator was deactivated.
        CreatorDeactivated = "creator_deactivated",
        /// No scheduler was running while the window was open.
        Downtime = "downtime",
        /// A newer occurrence of the task was due as well.
        Superseded = "superseded",
        /// The freshness check did not pass in time.
        StaleData = "stale_data",
        /// A person stopped it.
        CancelledByUser = "cancelled_by_user",
        /// The task was deleted.
        TaskDeleted = "task_deleted",
        /// The answer exists and did not reach everybody.
        DeliveryFailed = "delivery_failed",
        /// A defect of ours; the log has the details under the run's id.
        Internal = "internal",
    }
}

impl RunReason {
    /// The reason as a sentence for the task's creator, where nothing more is known.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ReauthenticationRequired => "A data source asks you to sign in again.",
            Self::BlockedByCredits => "The workspace has no credits left.",
            Self::CapReached => "A cap on credits is reached.",
            Self::AccessLost => "You may no longer query one of the task's connections.",
            Self::ConnectionDeleted => "One of the task's connections was deleted.",
            Self::ConnectionFailed => "A data source could not be reached.",
            Self::ConnectionBusy => "A data source was busy with other queries.",
            Self::InvalidContext => "The prompt or its context cannot be run as it stands.",
            Self::ModelUnavailable => "The model could not be reached.",
            Self::LimitReached => "A limit was reached before there was an answer.",
            Self::Deadline => "The delivery window closed before the run succeeded.",
            Self::StillRunning => "The previous run of the task was still under way.",
            Self::Paused => "The task was paused.",
            Self::Rescheduled => "The task's schedule was changed before it started.",
            Self::Expired => "The task had expired.",
            Self::CreatorDeactivated => "The task's creator was deactivated.",
            Self::Downtime => "Tidings was not running while the window was open.",
            Self::Superseded => "A newer occurrence of the task was due as well.",
            Self::StaleData => "The data was not fresh in time.",
            Self::CancelledByUser => "It was cancelled.",
            Self::TaskDeleted => "The task was deleted.",
            Self::DeliveryFailed => "The answer exists, but did not reach everybody.",
            Self::Internal => "Something went wrong on our side.",
        }
    }

    /// What to do about it, where there is anything.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ReauthenticationRequired => "Connect it again on the page “Data”.",
            Self::BlockedByCredits => {
                "Its window closed without any. An admin can grant some; it runs again as planned."
            }
            Self::CapReached => "It runs again next month, or once the cap is raised.",
            Self::AccessLost => "Ask whoever manages it, or remove it from the task.",
            Self::ConnectionDeleted => "Choose another one in the task.",
            Self::ConnectionFailed => "Test it on the page “Data”.",
            Self::ConnectionBusy => "Whoever manages it can let more queries run at once.",
            Self::InvalidContext => "Look at both in the editor and save the task again.",
            Self::LimitReached => "Ask for less in one task.",
            Self::DeliveryFailed => "The task's page shows whom it did not reach, and why.",
            Self::ModelUnavailable | Self::Downtime | Self::StaleData | Self::Internal => {
                "There is nothing to do unless this goes on."
            }
            Self::Deadline | Self::StillRunning | Self::Rescheduled | Self::Superseded => {
                "It runs again as planned."
            }
            Self::Paused
            | Self::Expired
            | Self::CreatorDeactivated
            | Self::CancelledByUser
            | Self::TaskDeleted => "",
        }
    }

    /// Whether trying again inside the window may help.
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::ConnectionFailed
                | Self::ConnectionBusy
                | Self::ModelUnavailable
                | Self::BlockedByCredits
                | Self::Internal
        )
    }
}

/// How long to wait before attempt `attempt + 1`, given that attempt `attempt` (from 1) failed: 30 s, 2 min, 8 min, then
/// 15 min each.
pub const fn retry_delay(attempt: u32) -> chrono::Duration {
    match attempt {
        0 | 1 => chrono::Duration::seconds(30),
        2 => chrono::Duration::minutes(2),
        3 => chrono::Duration::minutes(8),
        _ => chrono::Duration::minutes(15),
    }
}

/// What a run or a turn used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens sent to the model.
    pub tokens_in: u64,
    /// Tokens received from it.
    pub tokens_out: u64,
    /// What it cost the workspace.
    pub credits: f64,
    /// Queries run.
    pub queries: u32,
    /// Rows those returned.
    pub rows: u64,
}
