//! Why a turn ended without an answer.

use std::time::Duration;

use domain::run::RunReason;

/// Why a turn ended without an answer, as whoever runs it chooses by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It cannot be answered, now or at all: the reason says which.
    #[error("{message}")]
    Failed {
        /// The word for it.
        reason: RunReason,
        /// The sentence for it, fit for the one who asked.
        message: String,
        /// When trying again may help, where somebody said so.
        retry_after: Option<Duration>,
    },
    /// Someone stopped it.
    #[error("the run was stopped: {}", .0.as_str())]
    Stopped(RunReason),
    /// The process is going down; the turn goes on elsewhere from its last step.
    #[error("the worker is shutting down")]
    HandedBack,
    /// The turn is someone else's now. Nothing more may be written.
    #[error("the lease is no longer held")]
    LeaseLost,
    /// Our own database failed.
    #[error("the turn could not be recorded")]
    Store(#[source] store::Error),
}

impl Failure {
    pub(crate) fn new(reason: RunReason, message: impl Into<String>) -> Self {
        Self::Failed { reason, message: message.into(), retry_after: None }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::LeaseLost => Self::LeaseLost,
            store::Error::RunStopped(reason) => Self::Stopped(reason),
            other => Self::Store(other),
        }
    }
}
