//! Runs that wait for credits. Such a run is `waiting: blocked_by_credits`, and not available before its window closes, so that
//! no claim looks at it again; a grant makes it available, and at the close it fails for that reason.

use domain::run::{RunReason, RunStatus};
use uuid::Uuid;

use crate::{
    Result, Tx, credit, event,
    run_end::{self, Ending, RunEnd},
};

/// The most runs that one claim sets to wait, and ends, for a workspace.
const BATCH: i64 = 1_000;

/// Of workspaces whose runs are about to be claimed, those that have something to spend. The ready runs of the others are set to
/// wait, and those that have no window, for which a person waits, fail. The caller keeps other claimers from these workspaces.
pub(crate) async fn withhold(tx: &mut Tx, workspace_ids: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let used_up = used_up(tx, &workspace_ids).await?;
    let mut spending = workspace_ids;
    for workspace_id in used_up {
        if keep_used_up(tx, workspace_id).await? {
            block_ready(tx, workspace_id).await?;
            fail_ready(tx, workspace_id).await?;
            spending.retain(|each| *each != workspace_id);
        }
    }
    Ok(spending)
}

/// Which of these workspaces have no credits left, and no model provider of their own that needs none.
pub(crate) async fn used_up(tx: &mut Tx, workspace_ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let used_up = sqlx::query_scalar!(
        "SELECT workspace_id FROM credit_balance WHERE workspace_id = ANY ($1)
           AND NOT EXISTS (SELECT FROM workspace_model AS own WHERE own.workspace_id = credit_balance.workspace_id)
         GROUP BY workspace_id HAVING sum(amount_micro) <= 0",
        workspace_ids
    );
    Ok(used_up.fetch_all(tx.db()).await?)
}

/// Whether nothing is left for a run that its worker wants to set to wait. If so, that stays so until the transaction ends.
pub(crate) async fn keep_used_up(tx: &mut Tx, workspace_id: Uuid) -> Result<bool> {
    sqlx::query!("SELECT FROM credit_balance WHERE workspace_id = $1 AND shard = 0 FOR SHARE", workspace_id)
        .execute(tx.db())
        .await?;
    credit::is_used_up(tx, workspace_id).await
}

/// Makes the waiting runs of the transaction's workspace available. Answers how many.
pub(crate) async fn wake(tx: &mut Tx) -> Result<u64> {
    let done = sqlx::query!(
        "WITH waiting AS (
             SELECT run_queue.workspace_id, run_queue.run_id FROM run_queue
             JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
             WHERE run_queue.workspace_id = $1 AND run_queue.lease_token IS NULL
               AND run.status = 'waiting' AND run.reason = $3
             ORDER BY run_queue.run_id FOR UPDATE OF run_queue
         ), woken AS (
             UPDATE run_queue SET available_at = $2, listed_at = $2 FROM waiting
             WHERE run_queue.workspace_id = waiting.workspace_id AND run_queue.run_id = waiting.run_id
             RETURNING run_queue.workspace_id, run_queue.run_id
         )
         UPDATE run SET status = 'queued', reason = NULL, message = NULL FROM woken
         WHERE run.workspace_id = woken.workspace_id AND run.id = woken.run_id",
        tx.workspace_id(),
        tx.now,
        RunReason::BlockedByCredits.as_str()
    )
    .execute(tx.db())
    .await?;
    if done.rows_affected() > 0 {
        event::tell_run_ready(tx).await?;
    }
    Ok(done.rows_affected())
}

/// Has the ready runs of a workspace that have a window wait until it closes.
async fn block_ready(tx: &mut Tx, workspace_id: Uuid) -> Result<()> {
    sqlx::query!(
        "WITH ready AS (
             SELECT run_queue.workspace_id, run_queue.run_id FROM run_queue
             WHERE workspace_id = $1 AND lease_token IS NULL AND available_at <= $2 AND deadline_at > $2
             ORDER BY urgent DESC, available_at LIMIT $4 FOR UPDATE SKIP LOCKED
         ), blocked AS (
             UPDATE run_queue SET available_at = deadline_at, listed_at = deadline_at FROM ready
             WHERE run_queue.workspace_id = ready.workspace_id AND run_queue.run_id = ready.run_id
             RETURNING run_queue.workspace_id, run_queue.run_id
         )
         UPDATE run SET status = 'waiting', reason = $3, message = NULL FROM blocked
         WHERE run.workspace_id = blocked.workspace_id AND run.id = blocked.run_id",
        workspace_id,
        tx.now,
        RunReason::BlockedByCredits.as_str(),
        BATCH
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Ends the ready runs of a workspace that have no window.
async fn fail_ready(tx: &mut Tx, workspace_id: Uuid) -> Result<()> {
    let ready = sqlx::query_scalar!(
        "SELECT run_id FROM run_queue
         WHERE workspace_id = $1 AND lease_token IS NULL AND available_at <= $2 AND deadline_at IS NULL
         ORDER BY urgent DESC, available_at LIMIT $3 FOR UPDATE SKIP LOCKED",
        workspace_id,
        tx.now,
        BATCH
    )
    .fetch_all(tx.db())
    .await?;
    let endings: Vec<_> = ready
        .into_iter()
        .map(|run_id| {
            let end = RunEnd::without_answer(RunStatus::Failed, RunReason::BlockedByCredits);
            Ending { workspace_id, run_id, end }
        })
        .collect();
    run_end::close(tx, &endings).await
}
