//! `compare_results`: two results by key, and what differs as a result of its own.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use domain::{ResultId, provenance::COMPARED, run::RunReason, step::ToolCall};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Desk, Outcome, Told, Trouble, arguments, run_sql::describe};
use crate::{
    comparison::{self, Comparison, Problem},
    failure::Failure,
    journal::{KnownResult, NewResult},
};

pub(super) const DESCRIPTION: &str = "Compare two results row by row, by key: what was added, what is gone, what changed \
and by how much. Either may be a result that previous_threads told of, so that you can say what changed since last time: \
hold the old result against today's, and against its own SQL run again to see what has been restated. Answers a result \
(r1, r2, ...) with `outcome`, the key, and x_before, x_after, x_change, x_pct_change of each compared column.";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The older result: a handle such as r1, or the `result` of a result in previous_threads.
    before: String,
    /// The newer result: the same.
    after: String,
    /// The columns that tell rows apart, in both results. Empty where each has a single row.
    #[serde(default)]
    key: Vec<String>,
    /// The columns to compare; all others that both have when left out.
    #[serde(default)]
    columns: Vec<String>,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let Arguments { before, after, key, columns } = arguments(call)?;
    let older = find(desk, &before).await?;
    let newer = find(desk, &after).await?;
    if older.connection_id != newer.connection_id {
        // Who may see a result is decided by its connection: rows of two would be shown to those who may see one.
        return Err(Told::new(
            "different_connections",
            "the two results come from different connections",
            "Compare results of one connection.",
        )
        .into());
    }
    // Not by handle: an earlier thread has an r1 of its own.
    let before = desk.journal.table(&older).await?;
    let after = desk.journal.table(&newer).await?;
    let (limits, by) = (desk.query_limits, key.clone());
    // Results of the largest size take a while, in which other turns go on.
    let compared = tokio::task::spawn_blocking(move || {
        comparison::compare(&before, &after, &by, &columns, limits).map_err(|problem| told(&problem))
    });
    let Comparison { table, counts } = compared
        .await
        .map_err(|_| Failure::new(RunReason::Internal, "The comparison of two results broke off."))??;
    let stored = if let Some(stored) = desk.journal.result_of_call(&call.id).await? {
        stored
    } else {
        let new = NewResult {
            connection_id: newer.connection_id,
            sql: provenance(&older, &newer, &key),
            table: Arc::new(table.clone()),
            elapsed: Duration::ZERO,
        };
        desk.journal.store_result(&call.id, &new).await?
    };
    let mut output = describe(&stored, &table);
    output["counts"] = json!(counts);
    if table.truncated.is_some() {
        output["note"] =
            json!("A compared result was cut at its limit: rows may seem added or gone that are not.");
    }
    desk.tables.keep(&stored.handle, Arc::new(table));
    Ok(Outcome { result: Some(stored), ..Outcome::told(output) })
}

/// A result of this thread by its handle, or of an earlier thread of the task by its id.
async fn find(desk: &Desk<'_>, name: &str) -> Result<KnownResult, Trouble> {
    let Ok(id) = name.parse::<ResultId>() else { return Ok(desk.result(name)?.clone()) };
    if let Some(known) = desk.results.iter().find(|known| known.id == id) {
        return Ok(known.clone());
    }
    let earlier = desk.journal.previous_result(id).await?;
    earlier.ok_or_else(|| {
        Told::new(
            "unknown_result",
            format!("no earlier thread of this task that may be read has a result `{name}`"),
            "Use a `result` that previous_threads answers, or a handle of this thread such as r1.",
        )
        .into()
    })
}

fn provenance(older: &KnownResult, newer: &KnownResult, key: &[String]) -> String {
    let by = if key.is_empty() { "as single rows".to_owned() } else { format!("by {}", key.join(", ")) };
    let mut text = format!("{COMPARED} Rows are held against each other {by}.\n");
    for (which, result) in [("before", older), ("after", newer)] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "-- {which}, {} rows:", result.row_count);
        for line in result.sql.lines() {
            let _ = writeln!(text, "--   {line}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn told(problem: &Problem) -> Told {
    let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let (code, hint) = match problem {
        Problem::UnknownColumn { known, .. } => ("unknown_column", format!("It has {}.", list(known))),
        Problem::NeedsKey { known } if known.is_empty() => {
            ("needs_key", "Query both with a column that names their rows, and give it as `key`.".to_owned())
        }
        Problem::NeedsKey { known } => {
            ("needs_key", format!("Give as `key` what tells rows apart, of {}.", list(known)))
        }
        Problem::RepeatedKey { .. } => (
            "repeated_key",
            "Add the column that tells such rows apart to `key`, or aggregate to one row for each key."
                .to_owned(),
        ),
        Problem::NothingShared => {
            ("nothing_shared", "Query the same columns under the same names in both.".to_owned())
        }
        Problem::TooManyRows { .. } => {
            ("too_many_rows", "Aggregate both results before comparing.".to_owned())
        }
        Problem::TooLarge { .. } => (
            "too_large",
            "Name fewer `columns` to compare, or aggregate both results before comparing.".to_owned(),
        ),
    };
    Told::new(code, problem.to_string(), hint)
}
