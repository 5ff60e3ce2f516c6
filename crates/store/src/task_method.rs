//! The query that a task's creator has pinned for its headline.

use chrono::{DateTime, Utc};
use domain::{ConnectionId, Invalid, ResultId, TaskId, ThreadId, provenance, task::plain_prompt};
use serde_json::json;

use crate::{Error, Result, Scope, Store, audit};

/// A pinned query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskMethod {
    /// Where it runs.
    pub connection_id: ConnectionId,
    /// The query, as it ran.
    pub sql: String,
    /// The question that it answered, mentions replaced by their labels.
    pub question: String,
    /// The instant as of which that was asked.
    pub as_of: DateTime<Utc>,
    /// The zone in which "yesterday" was meant.
    pub timezone: String,
    /// The thread that it was taken from.
    pub thread_id: ThreadId,
    /// When it was pinned.
    pub pinned_at: DateTime<Utc>,
}

impl Store {
    /// The query pinned for a task.
    pub async fn task_method_get(&self, scope: &Scope, task_id: TaskId) -> Result<Option<TaskMethod>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT connection_id, sql, question, as_of, timezone, thread_id, pinned_at FROM task_method
             WHERE workspace_id = $1 AND task_id = $2",
            tx.workspace_id(),
            task_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(|row| TaskMethod {
            connection_id: row.connection_id.into(),
            sql: row.sql,
            question: row.question,
            as_of: row.as_of,
            timezone: row.timezone,
            thread_id: row.thread_id.into(),
            pinned_at: row.pinned_at,
        }))
    }

    /// Pins the query of a result for a task, in place of the one pinned before. `NotFound` unless it is a result of one of the
    /// task's own runs; `Invalid` where it is a comparison, which no query made.
    pub async fn task_method_pin(&self, scope: &Scope, task_id: TaskId, result_id: ResultId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let source = sqlx::query!(
            "SELECT result.connection_id, result.sql, result.thread_id, turn.prompt, turn.as_of, turn.timezone
             FROM result
             JOIN thread ON thread.workspace_id = $1 AND thread.id = result.thread_id AND thread.task_id = $2
             JOIN turn ON turn.workspace_id = $1 AND turn.thread_id = result.thread_id AND turn.turn_no = result.turn_no
             WHERE result.workspace_id = $1 AND result.id = $3 AND result.turn_no = 1",
            tx.workspace_id(),
            task_id.as_uuid(),
            result_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        if provenance::is_comparison(&source.sql) {
            return Err(Invalid::new(
                "resultId",
                "is a comparison of results: no query of its own can be pinned",
            )
            .into());
        }
        sqlx::query!(
            "INSERT INTO task_method (workspace_id, task_id, connection_id, sql, question, as_of, timezone, thread_id, turn_no,
                 pinned_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
             ON CONFLICT (workspace_id, task_id) DO UPDATE
             SET connection_id = excluded.connection_id, sql = excluded.sql, question = excluded.question,
                 as_of = excluded.as_of, timezone = excluded.timezone, thread_id = excluded.thread_id,
                 turn_no = excluded.turn_no, pinned_at = excluded.pinned_at",
            tx.workspace_id(),
            task_id.as_uuid(),
            source.connection_id,
            source.sql,
            plain_prompt(&source.prompt),
            source.as_of,
            source.timezone,
            source.thread_id,
            tx.now
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "resultId": result_id, "sql": source.sql });
        audit::record(&mut tx, scope.actor(), "task.pin_method", task_id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Unpins a task's query. There need be none.
    pub async fn task_method_unpin(&self, scope: &Scope, task_id: TaskId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let gone = sqlx::query!(
            "DELETE FROM task_method WHERE workspace_id = $1 AND task_id = $2",
            tx.workspace_id(),
            task_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        if gone.rows_affected() > 0 {
            audit::record(&mut tx, scope.actor(), "task.unpin_method", task_id.as_uuid(), json!({})).await?;
        }
        tx.commit().await
    }
}
