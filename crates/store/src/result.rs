//! What queries returned: metadata, and rows in chunks.

use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, ResultId, ThreadId,
    table::{Cell, Column, Table, Truncation},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Error, Result, RunLease, Scope, Store, Tx,
    error::{json, to_json, to_json_text, without_nul},
    run_queue,
};

/// Rows in one chunk; the last chunk of a result may have fewer.
pub const CHUNK_ROWS: usize = 1_000;

/// A result to store.
#[derive(Clone, Debug)]
pub struct NewResult<'a> {
    /// The thread.
    pub thread_id: ThreadId,
    /// The turn.
    pub turn_no: u32,
    /// The tool call that made it. The same call stores one result, however often it is tried.
    pub call_id: &'a str,
    /// Where the query ran.
    pub connection_id: ConnectionId,
    /// The query.
    pub sql: &'a str,
    /// What it returned.
    pub table: &'a Table,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u32,
}

/// A stored result, without its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResult {
    /// Its id.
    pub id: ResultId,
    /// The thread.
    pub thread_id: ThreadId,
    /// Its handle in the thread: `r1`.
    pub handle: String,
    /// The turn.
    pub turn_no: u32,
    /// The tool call that made it.
    pub call_id: String,
    /// Where the query ran.
    pub connection_id: ConnectionId,
    /// What that connection is called now.
    pub connection_name: String,
    /// The query.
    pub sql: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// How many rows are stored.
    pub row_count: u64,
    /// Why rows are missing, if they are.
    pub truncated: Option<Truncation>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u32,
    /// When it ran.
    pub ran_at: DateTime<Utc>,
}

struct ResultRow {
    id: Uuid,
    thread_id: Uuid,
    number: i32,
    turn_no: i32,
    call_id: String,
    connection_id: Uuid,
    connection_name: String,
    sql: String,
    columns: Value,
    row_count: i64,
    truncated: Option<String>,
    elapsed_ms: i32,
    ran_at: DateTime<Utc>,
}

impl TryFrom<ResultRow> for StoredResult {
    type Error = Error;

    fn try_from(row: ResultRow) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            thread_id: row.thread_id.into(),
            handle: format!("r{}", row.number),
            turn_no: row.turn_no.unsigned_abs(),
            call_id: row.call_id,
            connection_id: row.connection_id.into(),
            connection_name: row.connection_name,
            sql: row.sql,
            columns: json("result", "columns", row.id, row.columns)?,
            row_count: row.row_count.unsigned_abs(),
            truncated: row
                .truncated
                .map(|word| json("result", "truncated", row.id, Value::String(word)))
                .transpose()?,
            elapsed_ms: row.elapsed_ms.unsigned_abs(),
            ran_at: row.ran_at,
        })
    }
}

impl Store {
    /// Stores a result under the thread's next handle, or finds the one that the same call stored before. `LeaseLost`,
    /// `RunStopped`.
    pub async fn result_store(
        &self,
        scope: &Scope,
        lease: &RunLease,
        result: &NewResult<'_>,
    ) -> Result<StoredResult> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        if let Some(stored) = find_by_call(&mut tx, result.thread_id, result.turn_no, result.call_id).await? {
            return Ok(stored);
        }
        let number = sqlx::query_scalar!(
            "UPDATE thread SET last_result_no = last_result_no + 1 WHERE workspace_id = $1 AND id = $2
             RETURNING last_result_no",
            tx.workspace_id(),
            result.thread_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        let id = ResultId::new(tx.now);
        let truncated = to_json(&result.table.truncated);
        sqlx::query!(
            "INSERT INTO result (workspace_id, id, thread_id, turn_no, number, call_id, connection_id, sql, columns,
                 row_count, truncated, elapsed_ms, ran_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10, $11, $12, $13)",
            tx.workspace_id(),
            id.as_uuid(),
            result.thread_id.as_uuid(),
            result.turn_no as i32,
            number,
            result.call_id,
            result.connection_id.as_uuid(),
            without_nul(result.sql),
            to_json_text(&result.table.columns),
            result.table.rows.len() as i64,
            truncated.as_str(),
            result.elapsed_ms as i32,
            tx.now
        )
        .execute(tx.db())
        .await?;
        for (chunk_no, rows) in result.table.rows.chunks(CHUNK_ROWS).enumerate() {
            sqlx::query!(
                "INSERT INTO result_chunk (workspace_id, result_id, chunk_no, rows) VALUES ($1, $2, $3, $4)",
                tx.workspace_id(),
                id.as_uuid(),
                chunk_no as i32,
                write_rows(id, rows)?
            )
            .execute(tx.db())
            .await?;
        }
        let stored = find(&mut tx, id).await?.ok_or(Error::NotFound)?;
        tx.commit().await?;
        Ok(stored)
    }

    /// The result that a call of a turn stored, if it got that far.
    pub async fn result_by_call(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        turn_no: u32,
        call_id: &str,
    ) -> Result<Option<StoredResult>> {
        let mut tx = self.begin(scope).await?;
        find_by_call(&mut tx, thread_id, turn_no, call_id).await
    }

    /// One result, without its rows.
    pub async fn result_get(&self, scope: &Scope, id: ResultId) -> Result<Option<StoredResult>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, id).await
    }

    /// The results of a thread, by handle.
    pub async fn result_list(&self, scope: &Scope, thread_id: ThreadId) -> Result<Vec<StoredResult>> {
        result_list(&mut self.begin(scope).await?, thread_id).await
    }

    /// Rows of a result: at most `limit` from `offset` (counted from 0). Beyond the end: none.
    pub async fn result_rows(
        &self,
        scope: &Scope,
        id: ResultId,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Vec<Cell>>> {
        let chunk_rows = CHUNK_ROWS as u64;
        let end = offset.saturating_add(limit);
        if limit == 0 {
            return Ok(vec![]);
        }
        let chunk_no = |row: u64| i32::try_from(row / chunk_rows).unwrap_or(i32::MAX);
        let mut tx = self.begin(scope).await?;
        let chunks = sqlx::query!(
            "SELECT chunk_no, rows FROM result_chunk
             WHERE workspace_id = $1 AND result_id = $2 AND chunk_no BETWEEN $3 AND $4 ORDER BY chunk_no",
            tx.workspace_id(),
            id.as_uuid(),
            chunk_no(offset),
            chunk_no(end - 1)
        )
        .fetch_all(tx.db())
        .await?;
        let mut rows = Vec::new();
        for chunk in chunks {
            let first = u64::from(chunk.chunk_no.unsigned_abs()) * chunk_rows;
            for (index, row) in read_rows(id, &chunk.rows)?.into_iter().enumerate() {
                if (offset..end).contains(&(first + index as u64)) {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    /// A whole result.
    pub async fn result_table(&self, scope: &Scope, id: ResultId) -> Result<Option<Table>> {
        let Some(result) = self.result_get(scope, id).await? else { return Ok(None) };
        let rows = self.result_rows(scope, id, 0, u64::MAX).await?;
        Ok(Some(Table { columns: result.columns, rows, truncated: result.truncated }))
    }
}

/// The results of a thread, by handle.
pub(crate) async fn result_list(tx: &mut Tx, thread_id: ThreadId) -> Result<Vec<StoredResult>> {
    let rows = sqlx::query_as!(
        ResultRow,
        "SELECT result.id, thread_id, number, turn_no, call_id, connection_id, connection.name AS connection_name, sql,
             columns, row_count, truncated, elapsed_ms, ran_at
         FROM result
         JOIN connection ON connection.workspace_id = result.workspace_id AND connection.id = result.connection_id
         WHERE result.workspace_id = $1 AND thread_id = $2 ORDER BY number",
        tx.workspace_id(),
        thread_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    rows.into_iter().map(StoredResult::try_from).collect()
}

async fn find(tx: &mut Tx, id: ResultId) -> Result<Option<StoredResult>> {
    let row = sqlx::query_as!(
        ResultRow,
        "SELECT result.id, thread_id, number, turn_no, call_id, connection_id, connection.name AS connection_name, sql,
             columns, row_count, truncated, elapsed_ms, ran_at
         FROM result
         JOIN connection ON connection.workspace_id = result.workspace_id AND connection.id = result.connection_id
         WHERE result.workspace_id = $1 AND result.id = $2",
        tx.workspace_id(),
        id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?;
    row.map(StoredResult::try_from).transpose()
}

async fn find_by_call(
    tx: &mut Tx,
    thread_id: ThreadId,
    turn_no: u32,
    call_id: &str,
) -> Result<Option<StoredResult>> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM result WHERE workspace_id = $1 AND thread_id = $2 AND turn_no = $3 AND call_id = $4",
        tx.workspace_id(),
        thread_id.as_uuid(),
        turn_no as i32,
        call_id
    )
    .fetch_optional(tx.db())
    .await?;
    match id {
        None => Ok(None),
        Some(id) => find(tx, id.into()).await,
    }
}

fn write_rows(id: ResultId, rows: &[Vec<Cell>]) -> Result<String> {
    // PostgreSQL's text cannot hold NUL, which JSON writes as an escape: nothing is lost.
    serde_json::to_string(rows).map_err(|error| unreadable(id, error))
}

pub(crate) fn read_rows(id: ResultId, text: &str) -> Result<Vec<Vec<Cell>>> {
    serde_json::from_str(text).map_err(|error| unreadable(id, error))
}

fn unreadable(id: ResultId, error: serde_json::Error) -> Error {
    Error::Unreadable { table: "result_chunk", column: "rows", id: id.to_string(), source: Box::new(error) }
}
