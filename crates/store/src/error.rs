//! What can go wrong, as a caller would choose by it.

use std::fmt;

use domain::{Invalid, run::RunReason};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing in this workspace.
    #[error("not found")]
    NotFound,
    /// It clashes with what is there.
    #[error("{0}")]
    Conflict(Conflict),
    /// A reference in the input leads nowhere.
    #[error("the input was refused")]
    Invalid(#[from] Invalid),
    /// The lease was given to someone else: stop at once and write nothing more.
    #[error("the lease is no longer held")]
    LeaseLost,
    /// The run shall stop before its next step, for this reason. Finish it with `run_stop`.
    #[error("the run was asked to stop: {}", .0.as_str())]
    RunStopped(RunReason),
    /// A row holds what no version of this program writes.
    #[error("column {table}.{column} of row {id} cannot be read")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A sealed secret cannot be opened.
    #[error("a stored secret cannot be opened")]
    Vault(#[from] crate::vault::Error),
    /// PostgreSQL refused or could not be reached.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// What it clashes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// A connection of that name exists.
    ConnectionNameTaken,
    /// A person of that address exists.
    EmailTaken,
    /// A group of that name exists.
    GroupNameTaken,
    /// A workspace of that slug exists.
    SlugTaken,
    /// The person is a member already.
    AlreadyMember,
    /// The thread works on its last turn.
    ThreadBusy,
    /// The row was changed since it was read.
    VersionMismatch,
    /// The task is cancelled, and stays so.
    TaskCancelled,
    /// The task has expired: extend it first.
    TaskExpired,
    /// The run has ended.
    RunFinished,
    /// The task's last backtest has not ended.
    BacktestUnderWay,
    /// The creator is deactivated.
    CreatorDeactivated,
    /// The delivery is on its way.
    DeliveryUnfinished,
    /// The delivery's message is being sent again, by a repeat of it or of the one that it repeats.
    DeliveryRepeatUnfinished,
    /// The delivery said how something stood, and it no longer stands so.
    DeliveryOutdated,
    /// What the delivery was about was deleted.
    DeliverySubjectGone,
    /// The request's idempotency key was given to a later request, which acts in its place.
    RequestReplaced,
    /// The webhook is switched off.
    WebhookOff,
    /// The event is still being sent.
    WebhookBusy,
    /// The Slack team is connected with another workspace.
    SlackTeamTaken,
    /// The workspace is connected with another Slack team.
    SlackOtherTeam,
    /// The Slack user is linked with another member.
    SlackUserTaken,
    /// A unique constraint that no caller tells apart.
    Duplicate,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionNameTaken => "a connection of this name exists already",
            Self::EmailTaken => "a user with this email address exists already",
            Self::GroupNameTaken => "a group of this name exists already",
            Self::SlugTaken => "a workspace of this slug exists already",
            Self::AlreadyMember => "the user is a member already",
            Self::ThreadBusy => "the thread is still working on its last question",
            Self::VersionMismatch => "it was changed in the meantime",
            Self::TaskCancelled => "the task was cancelled",
            Self::TaskExpired => "the task has expired",
            Self::RunFinished => "the run has ended",
            Self::BacktestUnderWay => "a backtest of this task is under way",
            Self::CreatorDeactivated => "the task's creator is deactivated",
            Self::DeliveryUnfinished => "the message is still on its way",
            Self::DeliveryRepeatUnfinished => {
                "it is being sent again already, and that message is still on its way"
            }
            Self::DeliveryOutdated => "what it says may no longer be so",
            Self::DeliverySubjectGone => "what it was about was deleted",
            Self::RequestReplaced => "a later request with the same Idempotency-Key acts in this one's place",
            Self::WebhookOff => "the webhook is switched off",
            Self::WebhookBusy => "the event is still being sent",
            Self::SlackTeamTaken => "this Slack team is connected with another workspace",
            Self::SlackOtherTeam => {
                "this workspace is connected with another Slack team: disconnect that one first"
            }
            Self::SlackUserTaken => "this Slack user is linked with another member",
            Self::Duplicate => "it exists already",
        })
    }
}

/// Classes and codes of PostgreSQL for what passes by itself: the connection broke, the server starts, stops or has no room, a
/// lock was waited for too long, or two transactions stood in each other's way.
const PASSING: [&str; 6] = ["08", "53", "57P0", "55P03", "40001", "40P01"];

/// Whether the connection is gone: it broke, or PostgreSQL ended it.
pub(crate) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P0")),
        _ => false,
    }
}

impl Error {
    /// Whether the database was busy or away, so that the same may succeed a moment later.
    pub fn is_passing(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| PASSING.iter().any(|passing| code.starts_with(passing)))
            }
            _ => false,
        }
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error().filter(|error| error.is_unique_violation()) else {
            return Self::Database(error);
        };
        Self::Conflict(match database.constraint() {
            Some("connection_name_unique") => Conflict::ConnectionNameTaken,
            Some("app_user_email_unique") => Conflict::EmailTaken,
            Some("member_group_name_unique") => Conflict::GroupNameTaken,
            Some("workspace_slug_unique") => Conflict::SlugTaken,
            Some("member_pk") => Conflict::AlreadyMember,
            Some("backtest_unfinished_unique") => Conflict::BacktestUnderWay,
            Some("slack_installation_team_unique") => Conflict::SlackTeamTaken,
            Some("slack_user_slack_id_unique") => Conflict::SlackUserTaken,
            _ => Conflict::Duplicate,
        })
    }
}

/// What every function of the store answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reads a stored word; an unknown one is an error that names its place.
pub(crate) fn word<T>(
    table: &'static str,
    column: &'static str,
    id: impl fmt::Display,
    word: &str,
) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    word.parse().map_err(|error: T::Err| Error::Unreadable {
        table,
        column,
        id: id.to_string(),
        source: Box::new(error),
    })
}

/// Reads a stored word that may be absent.
pub(crate) fn optional_word<T>(
    table: &'static str,
    column: &'static str,
    id: impl fmt::Display,
    text: Option<&str>,
) -> Result<Option<T>>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.map(|text| word(table, column, id, text)).transpose()
}

/// Reads stored JSON; one of another shape is an error that names its place.
pub(crate) fn json<T: serde::de::DeserializeOwned>(
    table: &'static str,
    column: &'static str,
    id: impl fmt::Display,
    value: serde_json::Value,
) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error::Unreadable {
        table,
        column,
        id: id.to_string(),
        source: Box::new(error),
    })
}

/// What was read; none where it cannot be, which the log is told. For a batch of many workspaces' rows, where one that cannot be
/// read (a newer version wrote it, before a roll-back) must not keep the others waiting for good.
pub(crate) fn if_readable<T>(read: Result<T>) -> Option<T> {
    read.inspect_err(|error| {
        let (table, column, id) = match error {
            Error::Unreadable { table, column, id, .. } => (Some(*table), Some(*column), Some(id.as_str())),
            _ => (None, None, None),
        };
        tracing::error!(
            table,
            column,
            id,
            error = error as &dyn std::error::Error,
            "a row cannot be read: it is put off, and the others go on"
        );
    })
    .ok()
}

/// JSON to store. Our own types serialise; a failure would be a defect of theirs.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).expect("domain types serialise to JSON: their keys are strings")
}

/// JSON for a column of type json, bound as text and cast: bound as JSON it would pass through jsonb, which refuses the
/// character NUL.
pub(crate) fn to_json_text<T: serde::Serialize>(value: &T) -> String {
    to_json(value).to_string()
}

/// A text for a column of type text, which cannot hold the character NUL.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// Demands that a write touched exactly one row.
pub(crate) fn one_row(done: &sqlx::postgres::PgQueryResult, otherwise: Error) -> Result<()> {
    if done.rows_affected() == 1 { Ok(()) } else { Err(otherwise) }
}
