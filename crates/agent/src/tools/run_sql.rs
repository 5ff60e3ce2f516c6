//! `run_sql`: the rows of one read-only statement, stored with the thread.

use std::{sync::Arc, time::Duration};

use domain::{ConnectionId, step::ToolCall, table::Table};
use fail::fail_point;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Desk, Outcome, Told, Trouble, arguments, milliseconds};
use crate::{
    figures::{ROWS_SHOWN, aggregates},
    journal::{KnownResult, NewResult},
};

pub(super) const DESCRIPTION: &str = "Run one read-only SELECT on one connection, in its dialect. Answers a result handle \
(r1, r2, ...), the columns, the number of rows, the first 50 rows and aggregates of every column. The whole result is kept \
for figures and charts. `truncated` says that rows are missing at the end. Let the database filter, join and aggregate.";

/// The most bytes of rows, as JSON, that a model is shown.
const BYTES_SHOWN: usize = 24_000;
/// The most columns whose aggregates a model is shown.
const AGGREGATES_SHOWN: usize = 30;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The connection's id, as search_catalog gave it.
    connection_id: String,
    /// One SELECT statement, without a semicolon, with a readable name for every column.
    sql: String,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let Arguments { connection_id, sql } = arguments(call)?;
    let result = match desk.journal.result_of_call(&call.id).await? {
        Some(stored) => stored,
        None => query(desk, call, &connection_id, sql).await?,
    };
    let table = desk.table(&result).await?;
    let output = describe(&result, &table);
    Ok(Outcome { result: Some(result), ..Outcome::told(output) })
}

/// The id under which the replay that belongs to a call stores its rows. No model's call has a slash in its id.
pub(crate) fn replay_id(of: &ToolCall) -> String {
    format!("{}/replay", of.id)
}

/// Runs a statement that no model has asked for, and stores its rows under the id of the call that it belongs to. Asked again, as
/// after a crash, it finds them, unless they are another statement's.
pub(crate) async fn replay(
    desk: &Desk<'_>,
    of: &ToolCall,
    connection_id: ConnectionId,
    sql: String,
) -> Result<KnownResult, Trouble> {
    let call = ToolCall { id: replay_id(of), name: of.name.clone(), arguments: Value::Null };
    match desk.journal.result_of_call(&call.id).await? {
        Some(stored) if stored.sql == sql && stored.connection_id == connection_id => Ok(stored),
        Some(_) => {
            Err(Told::new("other_statement", "another statement was replayed for this answer", "").into())
        }
        None => query(desk, &call, &connection_id.to_string(), sql).await,
    }
}

async fn query(
    desk: &Desk<'_>,
    call: &ToolCall,
    connection_id: &str,
    sql: String,
) -> Result<KnownResult, Trouble> {
    let reachable = desk.connection(connection_id).await?;
    let mut limits = reachable.limit(desk.query_limits);
    let admission = desk.admit(&reachable).await?;
    limits.timeout = limits.timeout.min(admission.time_left).max(Duration::from_secs(1));
    let answered =
        admission.run(Box::pin(desk.warehouse.query(&reachable.spec, &sql, limits, desk.cancel))).await?;
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) => return Err(desk.source_failed(&reachable, error).await),
    };
    fail_point!("agent::query_answered");
    let table = Arc::new(answered.table);
    let new =
        NewResult { connection_id: reachable.id, sql, table: Arc::clone(&table), elapsed: answered.elapsed };
    let result = desk.journal.store_result(&call.id, &new).await?;
    fail_point!("agent::result_stored");
    desk.tables.keep(&result.handle, table);
    Ok(result)
}

/// A stored result as a model is told of it.
pub(super) fn describe(result: &KnownResult, table: &Table) -> Value {
    let mut shown = Vec::new();
    let mut bytes = 0;
    for row in table.rows.iter().take(ROWS_SHOWN) {
        let row = json!(row);
        bytes += row.to_string().len();
        if bytes > BYTES_SHOWN && !shown.is_empty() {
            break;
        }
        shown.push(row);
    }
    let described: Map<_, _> = table
        .columns
        .iter()
        .enumerate()
        .take(AGGREGATES_SHOWN)
        .map(|(index, column)| (column.name.clone(), json!(aggregates(&table.rows, index, column))))
        .collect();
    json!({
        "result": result.handle,
        "columns": table.columns,
        "rowCount": table.rows.len(),
        "rows": shown,
        "truncated": table.truncated,
        "aggregates": described,
        "ms": milliseconds(result.elapsed),
    })
}
