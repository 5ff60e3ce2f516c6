//! The thread of a scheduled run: made with its first step, or, where there was none, with its end (`run_end.rs`). Until then
//! nothing can be read in it, and a run that is put back leaves nothing behind.

use uuid::Uuid;

use crate::{ClaimedRun, Result, Tx};

/// The place of a turn's first event in a thread that is new.
pub(crate) const FIRST_SEQ: i64 = 1;

/// Makes the thread of a run that has none, and its one turn, both running, with the question that its worker was given. The
/// place of the first event is taken. Answers whether it did: a thread that is there already is left as it is. The caller
/// holds the run's lease.
pub(crate) async fn begin(tx: &mut Tx, run: &ClaimedRun) -> Result<bool> {
    let connection_ids: Vec<Uuid> = run.connection_ids.iter().map(|id| id.as_uuid()).collect();
    let done = sqlx::query!(
        "WITH begun AS (
             UPDATE run SET thread_id = $3, turn_no = 1 WHERE workspace_id = $1 AND id = $2 AND thread_id IS NULL
             RETURNING workspace_id, id, creator_id, task_id, coalesce(started_at, $4) AS started_at
         ), threads AS (
             INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_seq, last_turn_no,
                 connection_ids, created_at, updated_at)
             SELECT workspace_id, $3, creator_id, task_id, $5, 'task', 'running', $6, 1, $7, started_at, $4 FROM begun
         )
         INSERT INTO turn (workspace_id, thread_id, turn_no, run_id, prompt, status, as_of, timezone, created_at, started_at)
         SELECT workspace_id, $3, 1, id, $8, 'running', $9, $10, started_at, started_at FROM begun",
        run.lease.workspace_id.as_uuid(),
        run.lease.run_id.as_uuid(),
        run.thread_id.as_uuid(),
        tx.now,
        run.title,
        FIRST_SEQ,
        &connection_ids,
        run.prompt,
        run.as_of,
        run.timezone
    )
    .execute(tx.db())
    .await?;
    Ok(done.rows_affected() == 1)
}
