//! Why there is no answer, for people, for models and for the code that retries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a connection, a catalog or a query gave nothing. Every text may be shown to the one who asked: none holds a
/// password, and none a path or row that they could not have seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Error {
    /// The guard does not let the statement through.
    #[error("refused: {reason}")]
    Refused {
        /// What is not allowed, naming the construct.
        reason: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The engine says that the statement is wrong.
    #[error("{message}")]
    Sql {
        /// What the engine said.
        message: String,
        /// Where in the statement, in characters from 1.
        position: Option<u32>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The connection's details are wrong, or name what is not allowed.
    #[error("{path} {message}")]
    InvalidSpec {
        /// The field, such as `connectionDetails.files.path`.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such table.
    #[error("there is no table {table}")]
    UnknownTable {
        /// The name that was asked for.
        table: String,
        /// Names that are near.
        hint: Option<String>,
    },
    /// There is no such column, or it does not hold what is needed of it.
    #[error("the column {column} of {table} {problem}")]
    UnfitColumn {
        /// The table, as the catalog names it.
        table: String,
        /// The name that was asked for.
        column: String,
        /// `is not there`, `holds no dates or timestamps`.
        problem: String,
        /// Names that would do.
        hint: Option<String>,
    },
    /// The server did not take the credentials.
    #[error("the database does not let this user in: {message}")]
    Authentication {
        /// What the server said.
        message: String,
    },
    /// The server cannot be reached, or the connection was lost.
    #[error("the database cannot be reached: {message}")]
    Unreachable {
        /// What happened.
        message: String,
    },
    /// The query ran into its time limit.
    #[error("the query took longer than {} s", limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The one who asked no longer wants the answer.
    #[error("the query was cancelled")]
    Cancelled,
    /// The statement, or a single row of its result, is over the limit.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// The query needs more memory or disk than it may have.
    #[error("the query needs more {resource} than it may have")]
    OutOfResources {
        /// `memory` or `disk`.
        resource: String,
    },
    /// The engine's process could not be started, or died.
    #[error("the engine's process failed: {message}")]
    Worker {
        /// What happened.
        message: String,
    },
}

/// The word for a kind of [`Error`], in tool answers and logs.
pub type ErrorCode = &'static str;

impl Error {
    /// A word for a program.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { .. } => "refused",
            Self::Sql { .. } => "sql_error",
            Self::InvalidSpec { .. } => "invalid_connection",
            Self::UnknownTable { .. } => "unknown_table",
            Self::UnfitColumn { .. } => "unfit_column",
            Self::Authentication { .. } => "authentication_failed",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Cancelled => "cancelled",
            Self::TooLarge { .. } => "too_large",
            Self::OutOfResources { .. } => "out_of_resources",
            Self::Worker { .. } => "engine_failed",
        }
    }

    /// What the asker, often a model, can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => Some(
                hint.clone()
                    .unwrap_or_else(|| "Write one read-only SELECT over the connection's tables.".to_owned()),
            ),
            Self::Sql { hint, .. } | Self::UnknownTable { hint, .. } | Self::UnfitColumn { hint, .. } => {
                hint.clone()
            }
            Self::Timeout { .. } => Some("Aggregate or filter more, so that less is read.".to_owned()),
            Self::TooLarge { .. } => Some("Select fewer or shorter columns.".to_owned()),
            Self::OutOfResources { .. } => Some(
                "Aggregate or filter before joining and sorting, so that less is held at once.".to_owned(),
            ),
            Self::InvalidSpec { .. } | Self::Authentication { .. } => {
                Some("Someone who manages the connection must mend its settings.".to_owned())
            }
            Self::Unreachable { .. } | Self::Cancelled | Self::Worker { .. } => None,
        }
    }

    /// Whether the same request may succeed later without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Worker { .. })
    }

    pub(crate) fn invalid_spec(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidSpec { path: path.into(), message: message.into() }
    }

    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), hint: None }
    }

    pub(crate) fn refused_with_hint(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), hint: Some(hint.into()) }
    }
}
