//! Threads: where they and their turns stand.

use crate::words;

words! {
    /// Where a thread stands.
    ThreadStatus("thread status") {
        /// Its last turn has an answer, or was cancelled.
        Idle = "idle",
        /// It works on its last turn, or will.
        Running = "running",
        /// Its last turn failed.
        Error = "error",
    }
}

words! {
    /// Where a thread comes from.
    ThreadSource("thread source") {
        /// A question typed into the page.
        Page = "page",
        /// A question asked through the API.
        Api = "api",
        /// A task.
        Task = "task",
        /// A mention of the app in a Slack channel, or a direct message to it.
        Slack = "slack",
        /// A task, tried out as of an occurrence in the past.
        Backtest = "backtest",
    }
}

words! {
    /// Where a turn stands.
    TurnStatus("turn status") {
        /// To be started.
        Queued = "queued",
        /// Under way, or waiting to be tried again.
        Running = "running",
        /// It has its answer.
        Answered = "answered",
        /// It has none; the reason says why.
        Failed = "failed",
        /// It was stopped.
        Cancelled = "cancelled",
    }
}
