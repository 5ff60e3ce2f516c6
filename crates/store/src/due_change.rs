//! What people do to the next occurrence of a task: edit its schedule, move its expiration, and stop it from firing.
//!
//! Whatever was due before gets its fate first, as from a tick (`due::settle`). An occurrence whose window has opened, and whose
//! time in it has not come, is lost to such a change: it leaves a row that says so.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    RunId, TaskId, UserId,
    run::{RunReason, RunStatus},
    schedule::{Schedule, start_offset},
};
use uuid::Uuid;

use crate::{
    Result, Tx,
    due::{first_free, remove_row, settle, taken},
    occurrence, webhook_event,
};

/// Stops tasks from firing, from `tx.now` on: what is due already gets its fate, and what of them has opened ends so.
pub(crate) async fn stop(
    tx: &mut Tx,
    spread: TimeDelta,
    task_ids: &[Uuid],
    status: RunStatus,
    reason: RunReason,
) -> Result<()> {
    settle(tx, spread, task_ids).await?;
    leave_opened(tx, task_ids, status, reason).await?;
    sqlx::query!(
        "DELETE FROM task_due WHERE workspace_id = $1 AND task_id = ANY ($2)",
        tx.workspace_id(),
        task_ids
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// The tasks of a member that fire.
pub(crate) async fn firing_of(tx: &mut Tx, creator_id: UserId) -> Result<Vec<Uuid>> {
    let firing = sqlx::query_scalar!(
        "SELECT task_due.task_id FROM task
         JOIN task_due ON task_due.workspace_id = task.workspace_id AND task_due.task_id = task.id
         WHERE task.workspace_id = $1 AND task.creator_id = $2",
        tx.workspace_id(),
        creator_id.as_uuid()
    );
    Ok(firing.fetch_all(tx.db()).await?)
}

/// Has a task that fires follow another schedule, from `tx.now` on.
pub(crate) async fn reschedule(
    tx: &mut Tx,
    spread: TimeDelta,
    task_id: TaskId,
    schedule: &Schedule,
    expires_at: Option<DateTime<Utc>>,
) -> Result<()> {
    let now = tx.now;
    settle(tx, spread, &[task_id.as_uuid()]).await?;
    let opened = sqlx::query_scalar!(
        "SELECT occurrence_date FROM task_due WHERE workspace_id = $1 AND task_id = $2 AND opens_at <= $3",
        tx.workspace_id(),
        task_id.as_uuid(),
        now
    )
    .fetch_optional(tx.db())
    .await?;
    if let Some(date) = opened {
        // Where its date is still to come by the new schedule, it is that occurrence.
        let is_ahead = schedule
            .window_of(date)
            .is_some_and(|window| window.opens_at > now && occurrence::exists(window, expires_at));
        if !is_ahead {
            leave_opened(tx, &[task_id.as_uuid()], RunStatus::Skipped, RunReason::Rescheduled).await?;
        }
    }
    restart(tx, spread, task_id, schedule, expires_at).await
}

/// Leaves a row with this end for the occurrences of tasks whose windows have opened, and whose time has not come. What was due
/// is settled.
async fn leave_opened(tx: &mut Tx, task_ids: &[Uuid], status: RunStatus, reason: RunReason) -> Result<()> {
    let workspace_id = tx.workspace_id();
    let run_ids: Vec<_> = task_ids.iter().map(|_| RunId::new(tx.now).as_uuid()).collect();
    let left = sqlx::query_scalar!(
        "INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, occurrence_date, opens_at, closes_at, status, reason,
             created_at, finished_at)
         SELECT task.workspace_id, given.run_id, task.id, task.creator_id, 'schedule', task_due.occurrence_date,
             task_due.opens_at, task_due.closes_at, $4, $5, $6, $6
         FROM unnest($2::uuid[], $3::uuid[]) AS given (task_id, run_id)
         JOIN task_due ON task_due.workspace_id = $1 AND task_due.task_id = given.task_id
         JOIN task ON task.workspace_id = $1 AND task.id = given.task_id
         WHERE task_due.opens_at <= $6
         ON CONFLICT ON CONSTRAINT run_occurrence_unique DO NOTHING
         RETURNING id",
        workspace_id,
        task_ids,
        &run_ids,
        status.as_str(),
        reason.as_str(),
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    let left: Vec<_> = left.into_iter().map(|run_id| (workspace_id, run_id)).collect();
    webhook_event::runs_ended(tx, &left).await
}

/// Moves the expiration of a task that fires, from `tx.now` on: what is due already gets its fate by the old one. Answers whether
/// the task had no occurrence left and begins anew, with the first that opens after this moment.
pub(crate) async fn change_expiration(
    tx: &mut Tx,
    spread: TimeDelta,
    task_id: TaskId,
    schedule: &Schedule,
    expires_at: Option<DateTime<Utc>>,
) -> Result<bool> {
    settle(tx, spread, &[task_id.as_uuid()]).await?;
    let has_next = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM task_due WHERE workspace_id = $1 AND task_id = $2) AS "has_next!""#,
        tx.workspace_id(),
        task_id.as_uuid()
    )
    .fetch_one(tx.db())
    .await?;
    if has_next {
        clip(tx, task_id, expires_at).await?;
    } else {
        restart(tx, spread, task_id, schedule, expires_at).await?;
    }
    Ok(!has_next)
}

/// Makes a task's next occurrence the first one whose window opens after this moment and whose date has no run yet.
pub(crate) async fn restart(
    tx: &mut Tx,
    spread: TimeDelta,
    task_id: TaskId,
    schedule: &Schedule,
    expires_at: Option<DateTime<Utc>>,
) -> Result<()> {
    let (workspace_id, now) = (tx.workspace_id(), tx.now);
    let taken = taken(tx, workspace_id, task_id.as_uuid(), now).await?;
    let window = first_free(schedule, now, &taken, expires_at);
    let Some(window) = window else {
        return remove_row(tx, workspace_id, task_id.as_uuid()).await;
    };
    sqlx::query!(
        "INSERT INTO task_due (workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT task_due_pk DO UPDATE
         SET due_at = $3, occurrence_date = $4, opens_at = $5, closes_at = $6",
        workspace_id,
        task_id.as_uuid(),
        window.opens_at + start_offset(task_id, spread),
        window.date,
        window.opens_at,
        window.closes_at
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Removes a task's next occurrence if it opens at or after a changed expiration.
async fn clip(tx: &mut Tx, task_id: TaskId, expires_at: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!(
        "DELETE FROM task_due WHERE workspace_id = $1 AND task_id = $2 AND opens_at >= $3",
        tx.workspace_id(),
        task_id.as_uuid(),
        expires_at
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Removes a task's next occurrence if it opens at or after the task's expiration.
pub(crate) async fn clip_expired(tx: &mut Tx, workspace_id: Uuid, task_id: Uuid) -> Result<()> {
    sqlx::query!(
        "DELETE FROM task_due USING task
         WHERE task_due.workspace_id = $1 AND task_due.task_id = $2 AND task.workspace_id = $1 AND task.id = $2
           AND task_due.opens_at >= task.expires_at",
        workspace_id,
        task_id
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
