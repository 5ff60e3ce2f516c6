//! `previous_threads`: earlier threads of the same task.

use chrono::{DateTime, Utc};
use domain::{
    ResultId, ThreadId,
    step::ToolCall,
    table::{Cell, Column},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, Outcome, Trouble, arguments};

pub(super) const DESCRIPTION: &str = "Earlier threads of this task, newest first: question, SQL, answer and the first rows \
of the shown results. Use it to repeat SQL that worked, and give a `result` of it to compare_results to say what changed since \
last time. Its numbers are old: a figure must come from a result of this turn, such as that comparison.";

/// How many threads back a run may look.
pub(crate) const THREADS_MAX: usize = 5;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// How many, 1 to 5; 5 when absent.
    limit: Option<usize>,
}

/// An earlier thread of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviousThread {
    /// The thread.
    pub(crate) thread_id: ThreadId,
    /// When it was asked.
    pub(crate) asked_at: DateTime<Utc>,
    /// What was asked.
    pub(crate) question: String,
    /// The statements that ran.
    pub(crate) sql: Vec<String>,
    /// The answer's headline, figures filled in.
    pub(crate) headline: String,
    /// The answer's body, figures filled in.
    pub(crate) body: String,
    /// The results that it showed.
    pub(crate) results: Vec<PreviousResult>,
}

/// A result that an earlier answer showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviousResult {
    /// Its id, by which compare_results takes it.
    pub(crate) result: ResultId,
    /// The statement behind it.
    pub(crate) sql: String,
    /// How many rows it has.
    pub(crate) row_count: u64,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Its first 20 rows.
    pub(crate) rows: Vec<Vec<Cell>>,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let Arguments { limit } = arguments(call)?;
    let limit = limit.unwrap_or(THREADS_MAX).clamp(1, THREADS_MAX);
    let threads = desk.journal.previous_threads(limit).await?;
    Ok(Outcome::told(json!({ "threads": threads })))
}
